"""Stored events of one kind as they came, with what was known then: for trying mappings on them. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, func, select, tuple_

from connector.model import AccountId, EventId, MessageId, RequestId
from connector.store.engine import Transaction
from connector.store.events import Subject
from connector.store.schema import event, event_subject, message

CHUNK = 500
"""Values in one statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which events: of a type and of some accounts, in a time or by their ids."""

    type: str
    accounts: tuple[AccountId, ...]
    first: str = ""
    """Ids from this one on."""
    before: str = ""
    """And none from this one on; ``""``: whatever has come."""
    ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """One event that came."""

    id: EventId
    account_id: AccountId
    request_id: RequestId
    position: int
    label: str = field(repr=False)
    subject: str
    planned_at: datetime


class Mention(NamedTuple):
    """An event that bears on a subject."""

    event_id: EventId
    type: str
    occurred_at: datetime
    planned_at: datetime
    request_id: RequestId
    position: int
    is_own: bool
    """It is the event's own subject, not one that it merely bears on."""

    def had_come(self, id_: EventId, request_id: RequestId) -> bool:
        """Tell whether it was known when an event was planned: what one request brings is known together."""
        return self.event_id <= id_ or self.request_id == request_id


def newest(mentions: Iterable[Mention], id_: EventId, request_id: RequestId) -> Mention | None:
    """Return what had been said last about a subject when an event was planned."""
    own = [each for each in mentions if each.is_own and each.had_come(id_, request_id)]
    return max(own, key=lambda each: (each.occurred_at, each.event_id), default=None)


def count(tx: Transaction, which: Which) -> int:
    """Return how many events these are."""
    return tx.scalar(_narrow(select(func.count()).select_from(event), which)) or 0


def newest_from(tx: Transaction, which: Which, most: int) -> str:
    """Return the id from which on there are so many of them."""
    query = _narrow(select(event.c.id), which).order_by(event.c.id.desc()).offset(most - 1).limit(1)
    return str(tx.scalar(query) or "")


def page(tx: Transaction, which: Which, after: str, most: int) -> list[Came]:
    """Return the next events after an id, the oldest first."""
    columns = [event.c[name] for name in Came.__dataclass_fields__]
    query = _narrow(select(*columns), which).where(event.c.id > after).order_by(event.c.id).limit(most)
    return [Came(**row._mapping) for row in tx.execute(query)]


def _narrow(query: Select[Any], which: Which) -> Select[Any]:
    query = query.where(event.c.type == which.type, event.c.account_id.in_(which.accounts))
    if which.first:
        query = query.where(event.c.id >= which.first)
    if which.before:
        query = query.where(event.c.id < which.before)
    return query if which.ids is None else query.where(event.c.id.in_(which.ids))


def mentions(tx: Transaction, subjects: Collection[Subject]) -> dict[Subject, list[Mention]]:
    """Return every event that bears on each of these subjects, in the order in which they came."""
    found: dict[Subject, list[Mention]] = {}
    wanted = list(subjects)
    for start in range(0, len(wanted), CHUNK):
        query = (
            select(
                event_subject.c.account_id, event_subject.c.subject, event.c.id, event.c.type, event.c.occurred_at,
                event.c.planned_at, event.c.request_id, event.c.position, event.c.subject.label("own"),
            )
            .join(event, event.c.id == event_subject.c.event_id)
            .where(tuple_(event_subject.c.account_id, event_subject.c.subject).in_(wanted[start : start + CHUNK]))
            .order_by(event.c.id)
        )  # fmt: skip
        for row in tx.execute(query):
            mention = Mention(
                EventId(row.id), row.type, row.occurred_at, row.planned_at, RequestId(row.request_id), row.position,
                row.own == row.subject,
            )  # fmt: skip
            found.setdefault((AccountId(row.account_id), row.subject), []).append(mention)
    return found


def spoken(tx: Transaction, keys: Collection[str]) -> dict[str, tuple[MessageId, datetime]]:
    """Return which business keys have a message, and when it was made; test messages have none."""
    found: dict[str, tuple[MessageId, datetime]] = {}
    wanted = list(keys)
    for start in range(0, len(wanted), CHUNK):
        query = select(message.c.dedupe_key, message.c.id, message.c.created_at)
        rows = tx.execute(query.where(message.c.dedupe_key.in_(wanted[start : start + CHUNK])))
        found |= {row.dedupe_key: (MessageId(row.id), row.created_at) for row in rows}
    return found


def labels(tx: Transaction, ids: Sequence[str]) -> dict[str, str]:
    """Return what people call these events, for lists of links; those that are gone are not in it."""
    query = select(event.c.id, event.c.label, event.c.subject).where(event.c.id.in_(list(ids)))
    return {row.id: row.label or row.subject for row in tx.execute(query)}
