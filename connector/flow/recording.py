"""Writing back: lease what is due, have the shop or CRM record it, write down row by row what came of it.

One drain writes to an account at a time. It never sleeps: a vendor that is down, or whose quota is used up,
ends it, and the account holds back for a while (:mod:`connector.store.restraint`) while others go on.
Rows that a dead drain leaves behind are written again, which changes nothing where they were written already.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Unfinished
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from connector.contract import Change, Crm, Outcome
from connector.errors import CredentialsError, PermanentError, RemoteError, Scope, TemporaryError
from connector.flow import lookup, recorded
from connector.flow.outcome import note_of
from connector.flow.owner import is_dead
from connector.log import get
from connector.model import AccountId, new_id, now
from connector.store import Store, Transaction, accounts, leases, marks, restraint, wanted
from connector.store.wanted import LOOK_UP, Place, Row

OWNER_SECONDS = 15.0
HEARTBEAT_SECONDS = 3.0
REST = timedelta(seconds=20)
"""From one call for less than a full batch to the next: calls are counted, and full ones cost no more."""
MOST_IN_BULK = 5_000
"""Records under one ticket."""
SOONEST_POLL, LATEST_POLL = timedelta(seconds=5), timedelta(seconds=60)
WRITTEN_AT_ONCE = 1000
"""Changes of a ticket whose outcomes go into one transaction."""
LONGEST_TICKET = timedelta(hours=24)
SHRINK_AFTER = 2
"""After so many calls in a row that failed, fewer records go into each, until the one that spoils them is alone."""

log = get(__name__)
T = TypeVar("T")
Told = tuple[tuple[Change, list[Row]], RemoteError | None]
"""A change, the rows that it is about, and what was said of it."""
_Beyond = list[RemoteError]


@dataclass(slots=True)
class Tally:
    """What a drain did, for its log line and the counters."""

    calls: dict[str, int] = field(default_factory=dict)
    """By kind: record, start, finish, find."""
    rows: dict[tuple[str, str], int] = field(default_factory=dict)
    """By outcome and the vendor's code."""
    suspended: str = ""
    trouble: str = ""
    """Why the account holds back."""

    def tell(self, outcome: str, code: str = "", by: int = 1) -> None:
        """Count rows."""
        self.rows[outcome, code] = self.rows.get((outcome, code), 0) + by


class WriteBack:
    """One run of writing back to one account."""

    def __init__(
        self,
        store: Store,
        account_id: AccountId,
        crm: Crm,
        *,
        owner: str,
        should_stop: Callable[[], bool],
        found: lookup.Found = lookup.remember,
    ) -> None:
        """``should_stop`` is asked before each call; ``found`` is told of records that were looked up."""
        self._store = store
        self._account = account_id
        self._crm = crm
        self._owner = owner
        self._should_stop = should_stop
        self._found = found
        self._over = False
        self._started = now()
        self._rested = True
        self.tally = Tally()

    def run(self) -> bool:
        """Write until nothing is due; False where another drain owns this account."""
        self._started = now()
        with self._store.write() as tx:
            if not self._beat(tx, first=True):
                return False
            self._rested = restraint.of(tx, self._account).rest_until <= self._started
            orphans = wanted.orphans(tx, self._account, self._owner)
            for row in orphans:
                recorded.hold(row)
            wanted.save(tx, orphans)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="record")
        try:
            while not self._over and not self._should_stop() and self._step():
                pass
        finally:
            self._pool.shutdown(wait=True)
            with self._store.write() as tx:
                leases.release(tx, wanted.drain_lease(self._account), self._owner)
        return True

    def _beat(self, tx: Transaction, *, first: bool = False) -> bool:
        name = wanted.drain_lease(self._account)
        dead = is_dead if first else lambda owner: False
        owned = leases.acquire(tx, name, self._owner, OWNER_SECONDS, is_dead=dead)
        self._over = self._over or not owned
        return owned

    def _step(self) -> bool:
        """Do one thing that is due; False where nothing is."""
        at = now()
        with self._store.write() as tx:
            held = restraint.of(tx, self._account)
            if not self._beat(tx) or held.until > at:
                return False
            ticket = wanted.ticket_due(tx, self._account, at)
            rows = [] if ticket else self._take(tx, held, at)
        if ticket:
            self._finish(ticket)
        elif not rows:
            return False
        elif rows[0].record_id.startswith(LOOK_UP):
            self._look_up(rows)
        elif self._is_bulk(len({(row.object, row.record_id) for row in rows})):
            self._start(rows)
        else:
            self._record(rows)
        return True

    def _is_bulk(self, records: int) -> bool:
        return self._crm.bulk_from is not None and records > self._crm.bulk_from

    def _take(self, tx: Transaction, held: restraint.Restraint, at: datetime) -> list[Row]:
        most = max(1, self._crm.most >> max(0, held.failures - SHRINK_AFTER))
        limit = most if held.failures or self._crm.bulk_from is None else max(most, MOST_IN_BULK)
        records = wanted.due(tx, self._account, self._started, limit) if self._rested else []
        if not records:  # what was due when this began has been written; the rest had better gather
            self._rested = False
            records = wanted.due(tx, self._account, at, limit)
            if len(records) < most:
                return []
        unknown = [record for record in records if record[1].startswith(LOOK_UP)]
        if unknown or not self._is_bulk(len(records)):
            records = (unknown or records)[:most]
        return wanted.take(tx, self._account, records, self._owner, at)

    def _call(self, kind: str, call: Callable[[], T]) -> T | RemoteError:
        """Call the vendor beside the heartbeat; what it raises is returned."""
        self.tally.calls[kind] = self.tally.calls.get(kind, 0) + 1
        future: Future[T] = self._pool.submit(call)
        while True:
            try:
                return future.result(HEARTBEAT_SECONDS)
            except RemoteError as error:
                return error
            except Unfinished:
                with self._store.write() as tx:
                    self._beat(tx)
            except Exception as bug:  # a bug in an adapter must end in rows that say so, not in a hang
                log.exception("write_back.failed", account_id=self._account)
                words = f"The adapter failed ({type(bug).__name__}); see the log."
                return PermanentError(words, code="bug", advice="Report it, then `connector writebacks retry`.")

    def _record(self, rows: Sequence[Row]) -> None:
        going, later = recorded.apart(rows)
        asked = recorded.changes_of(going)
        said = self._call("record", lambda: self._crm.record([change for change, _ in asked]))
        at = now()
        with self._store.write() as tx:
            mine = wanted.taken(tx, [row.place for row in rows], owner=self._owner)
            unsent = [mine.pop(row.place) for row in later if row.place in mine]
            for row in unsent:
                recorded.wait(row)
            wanted.save(tx, unsent)
            if isinstance(said, RemoteError):
                self._fail(tx, list(mine.values()), said, at)
            else:
                told = list(zip(asked, recorded.errors_of(said, asked), strict=True))
                self._draw(tx, self._write(tx, mine, told, at), at)

    def _write(self, tx: Transaction, mine: Mapping[Place, Row], told: Iterable[Told], at: datetime) -> _Beyond:
        """Write row by row what came of them; return the refusals that reach beyond their rows."""
        beyond: _Beyond = []
        for (_, group), error in told:
            if error is not None and _is_beyond(error):
                beyond.append(error)
            there = [mine[row.place] for row in group if row.place in mine]
            if recorded.part(there, error):
                self.tally.tell("held", recorded.TOGETHER, by=len(there))
                continue
            for row in there:
                if error is not None and _is_beyond(error):
                    self._put_back(row, error)
                else:
                    self.tally.tell(recorded.settle(row, error, at), error.code if error else "")
        wanted.save(tx, mine.values())
        return beyond

    def _draw(self, tx: Transaction, beyond: _Beyond, at: datetime) -> None:
        """Draw the consequences for the account."""
        if beyond:
            self._hold_back(tx, max(beyond, key=_wait), at)
        else:
            self._go_on(tx, at)

    def _put_back(self, row: Row, error: RemoteError) -> None:
        recorded.hold(row)
        row.code, row.words = error.code, note_of(error)
        self.tally.tell("held", error.code)

    def _fail(self, tx: Transaction, rows: Sequence[Row], error: RemoteError, at: datetime) -> None:
        """Write down that a whole call came to nothing.

        Rows lose no try by it, but where one record was alone in the call. A call that the vendor refuses
        for ever fails all its rows: a person must look, and can have them tried again.
        """
        alone = len({(row.object, row.record_id) for row in rows}) == 1
        for row in rows:
            if isinstance(error, PermanentError) or (alone and not _is_beyond(error)):
                self.tally.tell(recorded.settle(row, error, at), error.code)
            else:
                self._put_back(row, error)
        wanted.save(tx, rows)
        if isinstance(error, PermanentError):
            self._go_on(tx, at)
        else:
            self._hold_back(tx, error, at)

    def _hold_back(self, tx: Transaction, error: RemoteError, at: datetime) -> None:
        self._over, self.tally.trouble = True, note_of(error)
        if isinstance(error, CredentialsError):
            self.tally.suspended = note_of(error)
            accounts.suspend(tx, self._account, self.tally.suspended, at)
            return
        held = restraint.of(tx, self._account)
        after = error.retry_after if isinstance(error, TemporaryError) else None
        until = at + recorded.pause(held.failures + 1, after)
        held = dataclasses.replace(held, until=until, failures=held.failures + 1, words=note_of(error))
        restraint.put(tx, self._account, held)

    def _go_on(self, tx: Transaction, at: datetime) -> None:
        held = restraint.Restraint(rest_until=at + REST, most=self._crm.most)
        restraint.put(tx, self._account, held)

    def _look_up(self, rows: Sequence[Row]) -> None:
        with self._store.read() as tx:
            phones = wanted.phones(tx, {lookup.contact_of(row) for row in rows})
        records = self._call("find", lambda: lookup.ask(self._crm, rows, phones))
        at = now()
        with self._store.write() as tx:
            if isinstance(records, RemoteError):
                mine = wanted.taken(tx, [row.place for row in rows], owner=self._owner)
                self._fail(tx, list(mine.values()), records, at)
            else:
                moved = lookup.move(tx, rows, records, self._owner, self._started, self._found)
                self.tally.tell("looked up", by=moved)
                self.tally.tell("no record", by=len(rows) - moved)
                self._go_on(tx, at)

    def _start(self, rows: Sequence[Row]) -> None:
        asked = recorded.changes_of(rows)
        ticket = self._call("start", lambda: self._crm.start([change for change, _ in asked]))
        at = now()
        with self._store.write() as tx:
            if isinstance(ticket, RemoteError):
                mine = wanted.taken(tx, [row.place for row in rows], owner=self._owner)
                self._fail(tx, list(mine.values()), ticket, at)
            else:
                name = new_id()  # a vendor's ticket may be long, and the rows are many
                marks.put(tx, _ticket(name), ticket)
                until = at + LONGEST_TICKET
                number = wanted.hand_over(tx, self._account, self._owner, name, at + SOONEST_POLL, until)
                self.tally.tell("handed over", by=number)
                self._go_on(tx, at)

    def _finish(self, ticket: str) -> None:
        with self._store.read() as tx:
            asked = recorded.changes_of(wanted.of_ticket(tx, self._account, ticket))
            theirs = marks.get(tx, _ticket(ticket)) or ""
        said: Sequence[Outcome] | RemoteError | None
        said = self._call("finish", lambda: self._crm.finish(theirs, [change for change, _ in asked]))
        at = now()
        if said is None or (isinstance(said, RemoteError) and not isinstance(said, PermanentError)):
            with self._store.write() as tx:
                self._ask_later(tx, ticket, [row for _, group in asked for row in group], at)
                if isinstance(said, RemoteError):
                    self._hold_back(tx, said, at)
            return
        if isinstance(said, RemoteError):  # the ticket is lost, not the rows
            lost = TemporaryError(said.words, code=said.code, advice=said.advice)
            errors: list[RemoteError | None] = [lost] * len(asked)
        else:
            errors = recorded.errors_of(said, asked)
        told, beyond = list(zip(asked, errors, strict=True)), list[RemoteError]()
        for start in range(0, len(told), WRITTEN_AT_ONCE):  # whoever else wants to write must not wait long
            part = told[start : start + WRITTEN_AT_ONCE]
            with self._store.write() as tx:
                places = [row.place for (_, group), _ in part for row in group]
                beyond += self._write(tx, wanted.taken(tx, places, ticket=ticket), part, at)
        with self._store.write() as tx:
            marks.delete(tx, _ticket(ticket))
            self._draw(tx, beyond, at)

    def _ask_later(self, tx: Transaction, ticket: str, rows: Sequence[Row], at: datetime) -> None:
        """Ask again after a while that grows; a ticket that comes to no end is given up, not its rows."""
        ends_at = max((row.lease_until for row in rows if row.lease_until), default=at)
        if at < ends_at:
            waited = at - (ends_at - LONGEST_TICKET)
            after = min(LATEST_POLL, max(SOONEST_POLL, waited / 4))
            wanted.ask_later(tx, self._account, ticket, at + after)
            return
        mine = wanted.taken(tx, [row.place for row in rows], ticket=ticket)
        for row in mine.values():
            recorded.hold(row)
        wanted.save(tx, mine.values())
        marks.delete(tx, _ticket(ticket))


def _ticket(name: str) -> str:
    return f"write_back_ticket:{name}"


def _is_beyond(error: RemoteError) -> bool:
    """Tell whether a refusal reaches beyond its row."""
    return isinstance(error, CredentialsError) or (isinstance(error, TemporaryError) and error.scope is Scope.ACCOUNT)


def _wait(error: RemoteError) -> float:
    if isinstance(error, CredentialsError):
        return float("inf")
    return (error.retry_after or 0.0) if isinstance(error, TemporaryError) else 0.0
