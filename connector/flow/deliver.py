"""Sending: lease what is due, pass the gates again, write the attempt, call, write the result.

One drain owns a channel account at a time. Every few milliseconds one transaction writes the results
that have come and leases exactly as many messages as there are free slots, so that whatever is leased
is in flight. A crash therefore leaves at most the messages in flight in doubt, and nothing else.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from connector.contract import Channel
from connector.errors import CredentialsError, PermanentError, RemoteError
from connector.flow import gate, listen, outcome, react
from connector.flow.crowd import Crowd, Desk
from connector.flow.owner import is_dead
from connector.flow.pace import Pace
from connector.flow.settle import Moved, settle_parked
from connector.http import recorded
from connector.log import get
from connector.model import AccountId, MessageId, Sent, State, TemplateChange, now
from connector.store import Store, Transaction, accounts, leases, outbox, templates

FLUSH_SECONDS = 0.025
"""From the beginning of one exchange with the database to that of the next."""
GATHER_SECONDS = 0.005
"""How long results may gather at least."""
LINGER_SECONDS = 0.25
"""How long a drain that has nothing to do stays awake."""
QUIET_SECONDS = 0.05
"""How long not to look again after a look that found less than there was room for."""
OWNER_SECONDS = 15.0
HEARTBEAT_SECONDS = 3.0
LEASE_SECONDS = 60.0
"""Longer than any request may take."""
MOST_EXCHANGES = 3
"""So many calls of one attempt are kept: a channel makes one, or a few where it has to upload something."""
FAREWELL_SECONDS = 8.0
"""How long to wait for requests in flight when told to stop."""

log = get(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one attempt."""

    row: outbox.Row
    attempt: str
    sent: Sent | None = None
    error: RemoteError | None = None
    seconds: float
    said: list[dict[str, Any]] = field(default_factory=list, repr=False)
    """What was said on the wire, call by call."""


@dataclass(slots=True)
class Tally:
    """What a drain did, for its log line and the counters."""

    states: dict[State, int] = field(default_factory=dict)
    outcomes: dict[tuple[str, str], int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    """Seconds from event to acceptance."""
    suspended: str = ""
    unknown_template: bool = False


class Drain:
    """One run of sending for one channel account."""

    def __init__(
        self,
        store: Store,
        account_id: AccountId,
        channel: Channel,
        desk: Desk,
        *,
        owner: str,
        threads: int,
        should_stop: Callable[[], bool],
    ) -> None:
        """``should_stop`` is asked often; once true, nothing new is begun and what is in flight is awaited."""
        self._store = store
        self._account = account_id
        self._channel = channel
        self._desk = desk
        self._owner = owner
        self._threads = threads
        self._should_stop = should_stop
        self._pace = Pace(channel.rate)
        self._done: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._in_flight = 0
        self._quiet_until = 0.0
        self._beat_at = 0.0
        self._exchanged_at = 0.0
        self._standings: dict[tuple[str, str], tuple[str, str]] = {}
        self._standings_at = 0.0
        self._lost = False
        self.tally = Tally()

    def run(self, heard: Callable[[], None]) -> bool:
        """Send until nothing is due; False where another drain owns this account.

        ``heard`` is called before each look that may be the last.
        """
        with self._store.write() as tx:
            if not leases.acquire(tx, self._name, self._owner, OWNER_SECONDS, is_dead=is_dead):
                return False
            outcome.adopt_orphans(tx, self._account, self._owner, self._channel.doubt_seconds)
        self._beat_at = time.monotonic() + HEARTBEAT_SECONDS
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="send")
        try:
            heard()
            self._loop(pool, heard)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            with self._store.write() as tx:
                leases.release(tx, self._name, self._owner)
        return True

    @property
    def _name(self) -> str:
        return outbox.drain_lease(self._account)

    def _loop(self, pool: ThreadPoolExecutor, heard: Callable[[], None]) -> None:
        idle_since = last_chance = 0.0
        stopped_at = 0.0
        results: list[Result] = []
        while True:
            stop = bool(self.tally.suspended) or self._lost or self._should_stop()
            at = time.monotonic()
            self._in_flight -= len(results)
            begun = self._exchange(results, 0 if stop else self._room(at))
            self._in_flight += len(begun)
            for row, attempt in begun:
                pool.submit(self._send, row, attempt)
            busy = bool(self._in_flight or results)
            if busy:
                idle_since = last_chance = 0.0
                stopped_at = (stopped_at or at) if stop else 0.0
                if stopped_at and at - stopped_at > FAREWELL_SECONDS:
                    return  # they stay in doubt; receipts will tell
            elif stop or (last_chance and at > last_chance):
                return
            else:
                idle_since = idle_since or at
                if at - idle_since > LINGER_SECONDS:
                    heard()  # whoever commits from here on rings again; one more look for those before
                    last_chance, self._quiet_until = at, 0.0
            results = self._collect()

    def _room(self, at: float) -> int:
        if at < self._quiet_until:
            return 0
        return self._pace.take(self._threads - self._in_flight)

    def _collect(self) -> list[Result]:
        results: list[Result] = []
        end = max(self._exchanged_at + FLUSH_SECONDS, time.monotonic() + GATHER_SECONDS)
        while (left := end - time.monotonic()) > 0:
            try:
                results.append(self._done.get(timeout=left))
            except queue.Empty:
                break
        return results

    def _exchange(self, results: list[Result], room: int) -> list[tuple[outbox.Row, str]]:
        at, self._exchanged_at = now(), time.monotonic()
        beat = self._exchanged_at >= self._beat_at
        if not results and not room and not beat:
            return []
        begun: list[tuple[outbox.Row, str]] = []
        self._desk.catalogue.refresh()
        self._learn([result for result in results if isinstance(result.error, PermanentError)], at)
        with self._store.write() as tx:
            if beat:
                self._lost = not leases.acquire(tx, self._name, self._owner, OWNER_SECONDS)
                self._beat_at = time.monotonic() + HEARTBEAT_SECONDS
                outcome.resolve_doubts(tx, self._account, at)
            if results:
                self._write(tx, results, at)
            if room and not self.tally.suspended and not self._lost:
                begun = self._begin(tx, room, at)
        return begun

    def _learn(self, refused: list[Result], at: datetime) -> None:
        """Learn from refusals what they tell of people, before the messages are touched.

        In a transaction of its own: whoever locks people and messages locks people first. Done again after a
        crash in between, it changes nothing.
        """
        if not refused:
            return
        with self._store.write() as tx:
            crowd = Crowd(tx, self._desk, at)
            listen.refused(crowd, [about for result in refused if (about := _about(result, at))])
            ended = [replace(result.row, state=State.FAILED) for result in refused]
            react.outcomes(crowd, [Moved(row, State.SENDING) for row in ended])
            crowd.close()

    def _write(self, tx: Transaction, results: list[Result], at: datetime) -> None:
        ends = []
        for result in results:
            name, code, words = outcome.describe(result.sent, result.error)
            ends.append(outbox.End(result.attempt, name, code, words, result.said))
            self._count(result, name, code, at)
        outbox.end_attempts(tx, ends, at)
        taken = [(result.row.id, result.sent) for result in results if result.sent is not None]
        outbox.accept(tx, taken, self._owner, at)
        self._tell(State.ACCEPTED, len(taken))
        if taken:
            settle_parked(tx, self._account, [sent.remote_id for _, sent in taken], at)
        refused = {result.row.id: result.error for result in results if result.error is not None}
        if refused:
            self._write_refused(tx, refused, at)

    def _write_refused(self, tx: Transaction, refused: dict[MessageId, RemoteError], at: datetime) -> None:
        rows = outbox.load(tx, list(refused))
        for row in rows:
            error, before = refused[row.id], row.state
            if row.lease_owner == self._owner:
                outcome.refuse(row, error, at, doubt_seconds=self._channel.doubt_seconds)
            self._react(tx, row, error, at)
            if row.state is not before:
                self._tell(row.state)
        outbox.save(tx, rows)

    def _react(self, tx: Transaction, row: outbox.Row, error: RemoteError, at: datetime) -> None:
        """Draw the consequences of a refusal that reach beyond its message."""
        if isinstance(error, CredentialsError):
            if not self.tally.suspended:
                self.tally.suspended = outcome.note_of(error)
                accounts.suspend(tx, self._account, self.tally.suspended, at)
        elif outcome.is_about_template(error):
            status = "disabled" if isinstance(error, PermanentError) else "paused"
            change = TemplateChange(name=row.template, language=row.language, status=status)
            templates.apply_change(tx, self._account, change, at)
            self._standings_at = 0.0
            self.tally.unknown_template = True
        elif outcome.is_overload(error):
            self._pace.slow_down()

    def _begin(self, tx: Transaction, room: int, at: datetime) -> list[tuple[outbox.Row, str]]:
        rows = outbox.due(tx, self._account, room)
        if len(rows) < room:
            self._quiet_until = time.monotonic() + QUIET_SECONDS
        if not rows:
            self._pace.put_back(room)
            return []
        if time.monotonic() - self._standings_at > 1.0:
            self._standings = templates.standings(tx, self._account)
            self._standings_at = time.monotonic()
        known = gate.learn(tx, rows, self._standings, self._desk.catalogue.policy(), at)
        cleared = gate.clear(rows, known, at)
        stopped = [row for row in rows if row.state is not State.WAITING or row.not_before > at]
        outbox.save(tx, stopped)
        for row in stopped:
            self._tell(row.state)
        self._pace.put_back(room - len(cleared))
        attempts = outbox.begin(tx, cleared, self._owner, LEASE_SECONDS)
        return [(item.row, attempts[item.row.id]) for item in cleared]

    def _send(self, row: outbox.Row, attempt: str) -> None:
        started = time.perf_counter()
        sent: Sent | None = None
        error: RemoteError | None = None
        with recorded() as exchanges:
            try:
                sent = self._channel.send(row.message())
            except RemoteError as refusal:
                error = refusal
            except Exception as bug:  # a bug in an adapter must end in a visible message, not in a hang
                log.exception("message.not_sent", message_id=row.id)
                words = f"The adapter failed ({type(bug).__name__}); see the log."
                error = PermanentError(words, code="bug", advice="Report it, then replay.")
        seconds = time.perf_counter() - started
        said = [exchange.shape() for exchange in exchanges[-MOST_EXCHANGES:]]
        self._done.put(Result(row=row, attempt=attempt, sent=sent, error=error, seconds=seconds, said=said))

    def _count(self, result: Result, name: str, code: str, at: datetime) -> None:
        self.tally.outcomes[name, code] = self.tally.outcomes.get((name, code), 0) + 1
        self.tally.seconds.append(result.seconds)
        if result.sent:
            self.tally.lags.append((at - result.row.occurred_at).total_seconds())

    def _tell(self, state: State, count: int = 1) -> None:
        if count:
            self.tally.states[state] = self.tally.states.get(state, 0) + count


def _about(result: Result, at: datetime) -> listen.Refused | None:
    error = result.error
    if not isinstance(error, PermanentError) or not error.about:
        return None
    return listen.Refused(about=error.about, code=error.code, row=result.row, at=at)
