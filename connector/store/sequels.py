"""What followed in the world from our messages: replies, taps, orders, opt-outs; each once.

Holds no personal data: whose it was is told by the message, as long as that tells it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import and_, delete, func, select

from connector.model import AccountId, ConsentState, ContactId, EventId, MessageId, first_id, new_id
from connector.store import people, schema
from connector.store.dialect import insert_new
from connector.store.engine import Transaction
from connector.store.schema import sequel
from connector.store.traces import chunks

_MESSAGE = schema.message.c
_SUBJECT = schema.event_subject.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequel:
    """One thing that followed."""

    key: str
    kind: str
    """``reply``, ``tap``, ``click``, ``order`` or ``opt_out``."""
    message_id: MessageId | None
    at: datetime
    account_id: str = ""
    event_id: str = ""


class Reached(NamedTuple):
    """A message that reached somebody."""

    id: MessageId
    contact_id: ContactId
    source_id: AccountId
    channel_id: AccountId
    subject: str
    at: datetime
    """When it was delivered; where nothing was told of that, when the channel took it."""
    delivered: bool


class Order(NamedTuple):
    """The first event about an order."""

    account_id: AccountId
    subject: str
    event_id: EventId
    at: datetime


class Stop(NamedTuple):
    """Somebody took their agreement back."""

    contact_id: ContactId
    account_id: str
    at: datetime


def add(tx: Transaction, found: Iterable[Sequel]) -> None:
    """Remember what followed; what is known already stays as it is."""
    rows = [
        {
            "id": new_id(), "key": item.key, "kind": item.kind, "message_id": item.message_id, "at": item.at,
            "account_id": item.account_id, "event_id": item.event_id,
        }
        for item in found
    ]  # fmt: skip
    if rows:
        tx.execute(insert_new(tx, sequel), rows)


def known(tx: Transaction, keys: Collection[str]) -> dict[str, MessageId | None]:
    """Return which of these are remembered, and from which messages they followed."""
    found: dict[str, MessageId | None] = {}
    for chunk in chunks(sorted(keys)):
        query = select(sequel.c.key, sequel.c.message_id).where(sequel.c.key.in_(chunk))
        found |= {row.key: row.message_id for row in tx.execute(query)}
    return found


def forget(tx: Transaction, keys: Collection[str]) -> None:
    """Forget what turned out otherwise."""
    for chunk in chunks(sorted(keys)):
        tx.execute(delete(sequel).where(sequel.c.key.in_(chunk)))


def of(tx: Transaction, message_ids: Collection[str]) -> list[Sequel]:
    """Return what followed from messages, oldest first."""
    names = Sequel.__dataclass_fields__
    query = select(*(sequel.c[name] for name in names)).where(sequel.c.message_id.in_(sorted(message_ids)))
    return [Sequel(**row._mapping) for row in tx.execute(query.order_by(sequel.c.at, sequel.c.id))]


def reached(tx: Transaction, ids: Collection[ContactId], since: datetime, until: datetime) -> list[Reached]:
    """Return the counted messages that reached people (or whoever was merged into them) in a stretch of time.

    They are told under the ids of these people, the latest first.
    """
    stays = people.family(tx, ids)
    taken = func.coalesce(_MESSAGE.delivered_at, _MESSAGE.read_at, _MESSAGE.sent_at, _MESSAGE.accepted_at)
    query = select(
        _MESSAGE.id, _MESSAGE.contact_id, _MESSAGE.source_id, _MESSAGE.channel_id, _MESSAGE.subject,
        taken.label("at"), func.coalesce(_MESSAGE.delivered_at, _MESSAGE.read_at).is_not(None).label("delivered"),
    ).where(_MESSAGE.template != "", _MESSAGE.trial.is_(False), taken >= since, taken <= until)  # fmt: skip
    found: list[Reached] = []
    for chunk in chunks(sorted(stays)):
        for row in tx.execute(query.where(_MESSAGE.contact_id.in_(chunk))):
            values = dict(row._mapping) | {"contact_id": stays[row.contact_id], "delivered": bool(row.delivered)}
            found.append(Reached(**values))
    return sorted(found, key=lambda item: (item.at, item.id), reverse=True)


def is_whose(tx: Transaction, ids: Collection[MessageId]) -> set[MessageId]:
    """Return those of these messages of which is still known whose they are."""
    query = select(_MESSAGE.id).where(_MESSAGE.id.in_(sorted(ids)), _MESSAGE.contact_id.is_not(None))
    return {MessageId(id_) for id_ in tx.execute(query).scalars()} if ids else set()


_OF_ORDER = ("account_id", "subject", "event_id", "occurred_at")


def orders(tx: Transaction, types: Sequence[str], since: datetime, until: datetime) -> list[Order]:
    """Return the orders of which events of these types came in from a moment on and before another.

    Each once, by the earliest of its events of these types, whenever that came in.
    """
    event = schema.event.c
    came = (
        select(event.account_id, event.subject)
        .where(event.type.in_(types), event.id >= first_id(since), event.id < first_id(until))
        .distinct()
        .subquery()
    )
    about = and_(_SUBJECT.account_id == came.c.account_id, _SUBJECT.subject == came.c.subject)
    query = (
        select(
            _SUBJECT.account_id, _SUBJECT.subject, _SUBJECT.event_id, _SUBJECT.occurred_at, event.subject.label("own")
        )
        .join(came, about)
        .join(schema.event, event.id == _SUBJECT.event_id)
        .where(_SUBJECT.type.in_(types))
    )
    found: dict[tuple[str, str], Order] = {}
    for row in tx.execute(query):
        order = Order(AccountId(row.account_id), row.subject, EventId(row.event_id), row.occurred_at)
        best = found.get((row.account_id, row.subject))
        if row.own == row.subject and (best is None or (order.at, order.event_id) < (best.at, best.event_id)):
            found[row.account_id, row.subject] = order
    return sorted(found.values(), key=lambda order: order.event_id)


def buyers(tx: Transaction, found: Sequence[Order]) -> dict[EventId, set[ContactId]]:
    """Return whose orders these are.

    By their records, as contact mappings have made them known (``customer:5521``), and by whom we have written
    to about them.
    """
    whose: dict[EventId, set[ContactId]] = {}
    identity = schema.identity.c
    for chunk in chunks(sorted(order.event_id for order in found)):
        by_record = (
            select(_SUBJECT.event_id, identity.contact_id)
            .join(
                schema.identity,
                and_(
                    identity.kind == "record",
                    identity.account_id == _SUBJECT.account_id,
                    identity.value == _SUBJECT.subject,
                ),
            )
            .where(_SUBJECT.event_id.in_(chunk))
        )
        for row in tx.execute(by_record):
            whose.setdefault(EventId(row.event_id), set()).add(ContactId(row.contact_id))
    by_subject: dict[tuple[str, str], EventId] = {(order.account_id, order.subject): order.event_id for order in found}
    for account_id in {order.account_id for order in found}:
        for names in chunks(sorted(subject for of_, subject in by_subject if of_ == account_id)):
            query = select(_MESSAGE.subject, _MESSAGE.contact_id).where(
                _MESSAGE.source_id == account_id, _MESSAGE.subject.in_(names), _MESSAGE.contact_id.is_not(None)
            )
            for row in tx.execute(query):
                whose.setdefault(by_subject[account_id, row.subject], set()).add(ContactId(row.contact_id))
    return whose


def stops(tx: Transaction, sources: Sequence[str], since: datetime, until: datetime) -> list[Stop]:
    """Return who took their agreement back, by entries of the ledger made in a stretch of time; each word once."""
    entry = schema.consent.c
    query = select(entry.contact_id, entry.account_id, entry.occurred_at).where(
        entry.id >= first_id(since),
        entry.id < first_id(until),
        entry.state == ConsentState.REVOKED.value,
        entry.source.in_(sources),
    )
    found = {(row.contact_id, row.occurred_at): row for row in tx.execute(query.order_by(entry.id))}
    return [Stop(ContactId(row.contact_id), row.account_id or "", row.occurred_at) for row in found.values()]
