"""Putting stored requests back to work, on purpose, and knowing beforehand what that would meet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Select, func, or_, select, update

from connector.model import RequestId, now
from connector.store.engine import Transaction
from connector.store.inbox import ERASED, RequestState
from connector.store.schema import decision, event, inbound, message, request

CHUNK = 500
"""Ids in one statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is stored already of some requests."""

    events: int
    inbound: int
    """Replies, preferences and notices."""
    messages: dict[str, int]
    """Messages that their events led to, by mapping: they hold the business keys."""
    oldest: datetime | None
    """When the oldest of the events happened."""


def pick(
    tx: Transaction,
    *,
    states: Collection[str] = (),
    since: datetime | None = None,
    ids: Collection[int] | None = None,
) -> list[RequestId]:
    """Return requests to put back, the oldest first; those that wait already, or were emptied, are left out."""
    columns = select(request.c.id).where(request.c.state != RequestState.NEW, request.c.words != ERASED)
    if states:
        columns = columns.where(request.c.state.in_(states))
    if since:
        columns = columns.where(request.c.received_at >= since)
    if ids is None:
        return [RequestId(number) for number in tx.execute(columns.order_by(request.c.id)).scalars()]
    found: list[int] = []
    for chunk in _chunks(sorted(ids)):
        found += tx.execute(columns.where(request.c.id.in_(chunk))).scalars()
    return [RequestId(number) for number in sorted(found)]


def known(tx: Transaction, ids: Sequence[RequestId]) -> Known:
    """Count what these requests have brought so far."""
    events = said = 0
    messages: dict[str, int] = {}
    moments: list[datetime] = []
    for chunk in _chunks(ids):
        theirs = event.c.request_id.in_(chunk)
        number, first = tx.execute(select(func.count(), func.min(event.c.occurred_at)).where(theirs)).one()
        events += number
        moments += [first] if first else []
        heard = select(func.count()).select_from(inbound).where(inbound.c.request_id.in_(chunk))
        said += tx.scalar(heard) or 0
        for name, total in _messages(tx, select(event.c.id).where(theirs)).items():
            messages[name] = messages.get(name, 0) + total
    return Known(events=events, inbound=said, messages=messages, oldest=min(moments, default=None))


def emptied(tx: Transaction, ids: Collection[int]) -> int:
    """Count those of these requests whose bytes are gone for good, since a person in them was erased."""
    found = 0
    for chunk in _chunks(sorted(ids)):
        query = select(func.count()).select_from(request).where(request.c.id.in_(chunk), request.c.words == ERASED)
        found += tx.scalar(query) or 0
    return found


def waiting(tx: Transaction, ids: Collection[int]) -> int:
    """Count those of these requests that wait to be read anyway."""
    found = 0
    for chunk in _chunks(sorted(ids)):
        query = select(func.count()).select_from(request).where(request.c.id.in_(chunk))
        found += tx.scalar(query.where(request.c.state == RequestState.NEW)) or 0
    return found


def decided(tx: Transaction, ids: Collection[int], since: datetime) -> Counter[tuple[str, str, str]]:
    """Count what was decided of these requests' events since then: ``(mapping, verdict, reason)`` -> events."""
    found: Counter[tuple[str, str, str]] = Counter()
    what = decision.c.mapping, decision.c.verdict, decision.c.reason
    for chunk in _chunks(sorted(ids)):
        theirs = select(event.c.id).where(event.c.request_id.in_(chunk))
        number = func.count(decision.c.event_id.distinct())  # who died in the midst has made some decide twice
        query = select(*what, number).where(decision.c.event_id.in_(theirs), decision.c.at >= since)
        for mapping, verdict, reason, events in tx.execute(query.group_by(*what)):
            found[mapping, verdict, reason] += events
    return found


def _messages(tx: Transaction, events: Select[Any]) -> dict[str, int]:
    # By the decision, not by message.event_id: a newer event may have taken a waiting message over.
    told = select(decision.c.message_id).where(decision.c.event_id.in_(events), decision.c.message_id.is_not(None))
    query = select(message.c.mapping, func.count()).where(message.c.id.in_(told)).group_by(message.c.mapping)
    return {row[0]: row[1] for row in tx.execute(query)}


def put_back(tx: Transaction, ids: Collection[RequestId], *, words: str = "") -> int:
    """Make requests new again, as if nobody had tried; return how many. One that is being worked on stays."""
    free = or_(request.c.lease_until.is_(None), request.c.lease_until < now())
    changed = 0
    for chunk in _chunks(sorted(ids)):
        there = request.c.state != RequestState.NEW, request.c.words != ERASED
        statement = update(request).where(request.c.id.in_(chunk), *there, free)
        values = {
            "state": RequestState.NEW,
            "words": words,
            "tries": 0,
            "lease_owner": None,
            "lease_until": None,
        }
        changed += int(tx.execute(statement.values(values)).rowcount)
    return changed


def _chunks(ids: Sequence[int]) -> Iterator[list[int]]:
    rest = iter(ids)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
