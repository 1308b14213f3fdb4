"""Replay, on purpose: first say what it would meet, then do it.

Nothing is deleted and nothing is sent from here. Stored requests are put back into the inbox, and the
usual road takes them from there, with everything on it that makes a thing happen once: the keys of
events and receipts, and the business key of messages. So a message that exists is never sent again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from connector.errors import ConfigurationError
from connector.flow import tasks
from connector.flow.decide import REPLAY
from connector.flow.tasks import Progress, Tools, kind
from connector.model import Permission, RequestId
from connector.store import Store, Transaction, find, look, requeue
from connector.store.inbox import UNREAD
from connector.store.tasks import Task
from connector.store.views import EventFilter, MessageFilter

CHUNK = 1000
"""Requests in one transaction, so that others get their turn."""
AT_ONCE = 100
"""Up to so many are put back while one waits; more are a task."""
STEP = 500
"""Requests that a task puts back at a time: the inbox is worked off oldest first, and what comes in meanwhile
stands behind no more than these."""
POLL_SECONDS = 0.1
STALL_SECONDS = 15.0
"""How long a step of which nothing is worked off holds up the next."""
TASK = "replay"
"""Kind of the task that replays many; ``args``: ``requests`` (numbers) and ``source``."""


class Source(StrEnum):
    """From where the road is walked again."""

    REQUEST = "request"
    """Read the stored bytes again: after a fix of an adapter."""
    MAPPING = "mapping"
    """Also plan the known events again, by the mappings in force now: after a fix of a mapping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What to replay: a term as ``explain`` takes it, or requests by state and age."""

    term: str = field(default="", repr=False)
    unreadable: bool = False
    """Requests that could not be read, or on which we failed."""
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a replay would take, and what it would meet."""

    source: Source
    request_ids: tuple[RequestId, ...]
    events: int
    """Known events: swallowed by their key, or planned again."""
    inbound: int
    """Known replies, preferences and notices: swallowed."""
    messages: dict[str, int]
    """Messages that exist already, by mapping: each swallows its like."""
    oldest: datetime | None
    """When the oldest known event happened."""
    waiting: int = 0
    """Requests that were meant too, and wait to be read anyway."""
    emptied: int = 0
    """Requests that were meant too, and cannot be read again: a person in them was erased."""
    capped: bool = False
    """The term led to more than is taken at once: only the newest are here."""

    @property
    def requests(self) -> int:
        """How many requests would be put back."""
        return len(self.request_ids)

    def words(self) -> Iterator[str]:
        """Say it in sentences."""
        if self.capped:
            yield f"The term leads to many events; only the newest {find.MOST} are taken."
        if self.waiting:
            yield f"{_many(self.waiting, 'request')} already in the inbox, left where they are."
        if self.emptied:
            yield f"{_many(self.emptied, 'request')} emptied when a person was erased: they cannot be replayed."
        if not self.requests:
            yield "Nothing to put back."
            return
        yield f"{_many(self.requests, 'stored request')} would be read again."
        if self.source is Source.REQUEST:
            yield f"{_many(self.events, 'event')} known already: swallowed, and not planned again."
        else:
            yield f"{_many(self.events, 'event')} known already: planned again by the mappings in force now."
        if self.inbound:
            yield f"{_many(self.inbound, 'reply or notice', 'replies and notices')} known already: swallowed."
        if self.source is Source.MAPPING:
            for mapping, number in sorted(self.messages.items()):
                yield f"{_many(number, 'message')} by {mapping} already made: swallowed, nobody is told twice."
            if not self.messages:
                yield "No message of these events exists: whatever the mappings decide now will be sent."
        yield "What is new in them is planned, and may be sent."


def survey(store: Store, selection: Selection, source: Source = Source.REQUEST) -> Survey:
    """Look at what a replay would take and meet; changes nothing. Raises ConfigurationError where nothing is named."""
    if not (selection.term or selection.unreadable or selection.since):
        raise ConfigurationError("Say what to replay: an order, an id, --unreadable, or --since 2h.")
    with store.read() as tx:
        ids, capped = _named(tx, selection.term) if selection.term else (None, False)
        states = UNREAD if selection.unreadable else ()
        picked = requeue.pick(tx, states=states, since=selection.since, ids=ids)
        known = requeue.known(tx, picked)
        waiting = len(look.list_requests(tx, ("new",), ids=ids)) if ids else 0
        emptied = requeue.emptied(tx, ids) if ids else 0
    return Survey(
        source=source,
        request_ids=tuple(picked),
        events=known.events,
        inbound=known.inbound,
        messages=known.messages,
        oldest=known.oldest,
        waiting=waiting,
        emptied=emptied,
        capped=capped,
    )


def survey_requests(store: Store, ids: Collection[int], source: Source = Source.REQUEST) -> Survey:
    """Look at what a replay of these stored requests would take and meet; changes nothing."""
    with store.read() as tx:
        picked = requeue.pick(tx, ids=ids)
        known = requeue.known(tx, picked)
        emptied = requeue.emptied(tx, ids)
        waiting = requeue.waiting(tx, ids)
    return Survey(
        source=source, request_ids=tuple(picked), events=known.events, inbound=known.inbound,
        messages=known.messages, oldest=known.oldest, waiting=waiting, emptied=emptied,
    )  # fmt: skip


def run(store: Store, plan: Survey) -> int:
    """Put the surveyed requests back into the inbox and return how many; the bell is the caller's to ring."""
    chunks = (plan.request_ids[start : start + CHUNK] for start in range(0, plan.requests, CHUNK))
    return sum(_put_back(store, chunk, plan.source) for chunk in chunks)


def begin(store: Store, plan: Survey, by: str) -> str:
    """Begin a task that replays what was surveyed, and return its id; the caller rings for it."""
    args = {"requests": list(plan.request_ids), "source": plan.source.value}
    return tasks.begin(store, TASK, args, by, f"Replay {plan.requests:,} requests, from the {plan.source}")


@kind(TASK, needs=Permission.REPLAY, again=True, goes_on=True)
def _work(tools: Tools, task: Task, progress: Progress) -> Mapping[str, Any]:
    """Put the requests of a task back, a step at a time, each when the one before has been worked off."""
    ids = [RequestId(int(number)) for number in task.args["requests"]]
    source = Source(task.args["source"])
    at, done = int(task.kept.get("at", 0)), int(task.kept.get("put_back", 0))

    def tell(left: int) -> None:
        progress(at - left, len(ids), kept=lambda: {"at": at, "put_back": done})

    _settle(tools.store, ids[max(0, at - STEP) : at], tell)
    while at < len(ids):
        step = ids[at : at + STEP]
        done += _put_back(tools.store, step, source)
        tools.queue.ring("decide")
        at += len(step)
        _settle(tools.store, step, tell)
    return {"put_back": done, "asked": len(ids), "decided": _decided(tools.store, ids, task.started_at)}


def _put_back(store: Store, ids: Collection[RequestId], source: Source) -> int:
    with store.write() as tx:
        return requeue.put_back(tx, ids, words=REPLAY if source is Source.MAPPING else "")


def _settle(store: Store, step: Collection[RequestId], tell: Callable[[int], None]) -> None:
    """Wait until the inbox holds none of a step any more, or has stood still for too long."""
    left, moved_at = len(step) + 1, time.monotonic()
    while time.monotonic() - moved_at < STALL_SECONDS:
        with store.read() as tx:
            waiting = requeue.waiting(tx, step)
        tell(waiting)
        if not waiting:
            return
        if waiting < left:
            left, moved_at = waiting, time.monotonic()
        time.sleep(POLL_SECONDS)


def _decided(store: Store, ids: Collection[RequestId], since: datetime | None) -> list[list[Any]]:
    """Return what the replay led to, the most frequent first: ``[mapping, verdict, reason, number]`` each."""
    if since is None:
        return []
    with store.read() as tx:
        return [[*what, number] for what, number in requeue.decided(tx, ids, since).most_common()]


def _named(tx: Transaction, term: str) -> tuple[list[int], bool]:
    found = find.find(tx, term)
    spoken = look.list_messages(tx, MessageFilter(ids=found.message_ids))
    events = {message.event_id for message in spoken} | set(found.event_ids)
    rows = look.list_events(tx, EventFilter(ids=events), most=len(events)) if events else []
    capped = max(len(found.event_ids), len(found.message_ids)) >= find.MOST
    return sorted({row.request_id for row in rows} | set(found.request_ids)), capped


def _many(number: int, one: str, more: str = "") -> str:
    return f"{number:,} {one if number == 1 else more or one + 's'}"
