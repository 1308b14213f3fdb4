"""The inbox: raw, verified requests, stored before they are acknowledged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, func, or_, select, tuple_, update

from connector.model import AccountId, Request, RequestId, Verified, now
from connector.store.dialect import insert_new, lock_rows
from connector.store.engine import Transaction
from connector.store.schema import BARREN as BARREN
from connector.store.schema import UNREAD as UNREAD
from connector.store.schema import request

MAX_TRIES = 5
"""A request that could not be worked off this often is set aside as broken."""
ERASED = "Emptied when a person was erased; it cannot be replayed."
"""Words of a request whose bytes are gone for good."""


class RequestState(StrEnum):
    """Where a stored request stands."""

    NEW = "new"
    DONE = "done"
    IGNORED = "ignored"
    """Nothing in it that anybody asked for."""
    UNREADABLE = "unreadable"
    """Authentic, but the body cannot be read; replay after the fix."""
    BROKEN = "broken"
    """We failed on it again and again: a bug of ours; replay after the fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A verified request on its way into the inbox."""

    account_id: AccountId
    delivery_key: str
    topic: str
    request: Request = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """A stored request, ours to work off until the lease ends."""

    id: RequestId
    account_id: AccountId
    topic: str
    request: Verified = field(repr=False)
    tries: int
    words: str


def add(tx: Transaction, arrivals: Sequence[Arrival]) -> list[bool]:
    """Store requests; tell for each whether it was new. A delivery key that is known stores nothing."""
    rows = [
        {
            "account_id": arrival.account_id,
            "delivery_key": arrival.delivery_key,
            "topic": arrival.topic,
            "method": arrival.request.method,
            "headers": arrival.request.headers,
            "body": arrival.request.body,
            "received_at": arrival.request.received_at,
            "state": "new",
            "words": "",
            "tries": 0,
        }
        for arrival in arrivals
    ]
    stored = tx.execute(insert_new(tx, request), rows).rowcount
    if stored == len(rows):
        return [True] * len(rows)
    keys = [(arrival.account_id, arrival.delivery_key) for arrival in arrivals]
    known = select(request.c.account_id, request.c.delivery_key, request.c.received_at).where(
        tuple_(request.c.account_id, request.c.delivery_key).in_(keys)
    )
    received = {(row.account_id, row.delivery_key): row.received_at for row in tx.execute(known)}
    fresh = []
    for key, arrival in zip(keys, arrivals, strict=True):
        fresh.append(received.get(key) == arrival.request.received_at)
        received.pop(key, None)
    return fresh


def find(tx: Transaction, account_id: AccountId, delivery_key: str) -> tuple[RequestId, bytes]:
    """Return the number and the body of a stored request. Raises LookupError where there is none."""
    query = select(request.c.id, request.c.body).where(
        request.c.account_id == account_id, request.c.delivery_key == delivery_key
    )
    row = tx.execute(query).first()
    if row is None:
        raise LookupError(delivery_key)
    return RequestId(row.id), bytes(row.body)


def take_in(tx: Transaction, arrival: Arrival, owner: str, seconds: float) -> Leased | None:
    """Store a request that is ours to work off from the beginning; None where it is known already."""
    if not add(tx, [arrival])[0]:
        return None
    number, _ = find(tx, arrival.account_id, arrival.delivery_key)
    until = now() + timedelta(seconds=seconds)
    tx.execute(update(request).where(request.c.id == number).values(lease_owner=owner, lease_until=until, tries=1))
    return load(tx, [number])[number]


def lease(tx: Transaction, owner: str, most: int, seconds: float) -> list[Leased]:
    """Take up to ``most`` requests that nobody is working on, oldest first, for so many seconds."""
    at = now()
    due = (
        select(request)
        .where(request.c.state == "new", or_(request.c.lease_until.is_(None), request.c.lease_until < at))
        .order_by(request.c.id)
        .limit(most)
    )
    rows = tx.execute(lock_rows(tx, due, skip_locked=True)).all()
    if not rows:
        return []
    tx.execute(
        update(request)
        .where(request.c.id.in_([row.id for row in rows]))
        .values(lease_owner=owner, lease_until=at + timedelta(seconds=seconds), tries=request.c.tries + 1)
    )
    return [_leased(row) for row in rows]


def _leased(row: Any) -> Leased:
    return Leased(
        id=RequestId(row.id),
        account_id=AccountId(row.account_id),
        topic=row.topic,
        request=Verified(Request(method=row.method, headers=row.headers, body=row.body, received_at=row.received_at)),
        tries=row.tries + 1,
        words=row.words,
    )


def finish(tx: Transaction, owner: str, outcomes: Mapping[RequestId, tuple[RequestState, str]]) -> list[RequestId]:
    """Write how requests ended; return those whose lease is still ours (the others are left alone)."""
    mine = select(request.c.id).where(
        request.c.id.in_(list(outcomes)), request.c.lease_owner == owner, request.c.state == "new"
    )
    ours = [RequestId(number) for number in tx.execute(lock_rows(tx, mine)).scalars()]
    if ours:
        tx.execute(
            update(request)
            .where(request.c.id == bindparam("id_"))
            .values(state=bindparam("state_"), words=bindparam("words_"), lease_owner=None, lease_until=None),
            [{"id_": number, "state_": outcomes[number][0], "words_": outcomes[number][1]} for number in ours],
        )
    return ours


def give_back(tx: Transaction, owner: str, ids: Iterable[RequestId], *, seconds: float) -> None:
    """Let go of requests that could not be worked off; they are due again after so many seconds."""
    tx.execute(
        update(request)
        .where(request.c.id.in_(list(ids)), request.c.lease_owner == owner)
        .values(lease_owner=None, lease_until=now() + timedelta(seconds=seconds))
    )


def free(tx: Transaction, owner: str) -> int:
    """Free what others had leased: for the one who knows that there are no others; return how many."""
    others = update(request).where(
        request.c.state == "new", request.c.lease_owner.is_not(None), request.c.lease_owner != owner
    )
    return int(tx.execute(others.values(lease_owner=None, lease_until=None)).rowcount)


def set_aside(tx: Transaction, ids: Iterable[RequestId]) -> int:
    """Mark as broken those of these that have been tried too often; return how many."""
    result = tx.execute(
        update(request)
        .where(request.c.id.in_(list(ids)), request.c.state == "new", request.c.tries >= MAX_TRIES)
        .values(state=RequestState.BROKEN, words=f"Failed {MAX_TRIES} times; see the log. Replay it after the fix.")
    )
    return int(result.rowcount)


def load(tx: Transaction, ids: Iterable[RequestId]) -> dict[RequestId, Leased]:
    """Return stored requests by id, whatever their state."""
    rows = tx.execute(select(request).where(request.c.id.in_(list(ids)))).all()
    return {RequestId(row.id): _leased(row) for row in rows}


def is_due(tx: Transaction) -> bool:
    """Tell whether a request waits for nobody."""
    at = now()
    query = select(request.c.id).where(
        request.c.state == "new", or_(request.c.lease_until.is_(None), request.c.lease_until < at)
    )
    return tx.execute(query.limit(1)).first() is not None


def measure(tx: Transaction) -> tuple[int, datetime | None]:
    """Return how many requests wait, and since when."""
    row = tx.execute(select(func.count(), func.min(request.c.received_at)).where(request.c.state == "new")).one()
    return row[0], row[1]
