"""What was done because of an outcome or an answer: each once, and told by explain."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

from sqlalchemy import or_, select

from connector.model import ContactId, EventId, MessageId, new_id
from connector.store.dialect import insert_new
from connector.store.engine import Transaction
from connector.store.schema import reaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """Something done, and why."""

    key: str
    on: str
    """``delivered``, ``button``, ``keyword``, …"""
    words: str = field(repr=False)
    contact_id: ContactId | None = None
    message_id: MessageId | None = None
    event_id: EventId | None = None
    at: datetime


def known(tx: Transaction, keys: Collection[str]) -> set[str]:
    """Return which of these have been done."""
    if not keys:
        return set()
    return set(tx.execute(select(reaction.c.key).where(reaction.c.key.in_(list(keys)))).scalars())


def add(tx: Transaction, done: Sequence[Reaction]) -> None:
    """Remember what was done."""
    if done:
        tx.execute(insert_new(tx, reaction), [{"id": new_id(), **asdict(item)} for item in done])


def of(
    tx: Transaction, *, messages: Collection[MessageId] = (), contacts: Collection[ContactId] = ()
) -> list[Reaction]:
    """Return what was done about these messages and people, oldest first."""
    asked = []
    if messages:
        asked.append(reaction.c.message_id.in_(list(messages)))
    if contacts:
        asked.append(reaction.c.contact_id.in_(list(contacts)))
    if not asked:
        return []
    return [
        Reaction(
            key=row.key,
            on=row.on,
            words=row.words,
            contact_id=row.contact_id,
            message_id=row.message_id,
            event_id=row.event_id,
            at=row.at,
        )
        for row in tx.execute(select(reaction).where(or_(*asked)).order_by(reaction.c.id))
    ]
