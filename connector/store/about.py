"""What followed from events and messages, and what is stored about people: for telling it. Reads only.

Whatever an event or a message caused carries its id at the beginning of its own key, so that causes are
found by an index: ``<message id>:button:0:…``, ``<event id>:marketing``, ``answer|<message id>:…``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Column, ColumnElement, and_, or_, select

from connector.model import AccountId, ContactId, Entry
from connector.store import consents, labels, people, schema
from connector.store.engine import Transaction
from connector.store.labels import LabelChange
from connector.store.wanted import Row

MOST = 50
"""So many rows of a kind at most."""

_MESSAGE = schema.message.c
_SUBJECT = schema.event_subject.c
_WANTED = schema.wanted.c


class Spoke(NamedTuple):
    """When a person last wrote to a number of ours."""

    channel_id: AccountId
    at: datetime


def entries_by(tx: Transaction, causes: Collection[str]) -> list[Entry]:
    """Return the entries of the ledger that these events and messages led to, oldest first."""
    if not causes:
        return []
    refused = schema.consent.c.key.in_([f"refusal:{cause}" for cause in causes])
    query = select(schema.consent.c.id).where(or_(_caused(schema.consent.c.key, causes), refused)).limit(MOST)
    found = consents.entries(tx, list(tx.execute(query).scalars()))
    return sorted(found, key=lambda entry: entry.id)


def labels_by(tx: Transaction, causes: Collection[str]) -> list[LabelChange]:
    """Return the changes of labels that these events and messages led to, oldest first."""
    if not causes:
        return []
    table = schema.label_change
    query = select(table).where(_caused(table.c.key, causes)).order_by(table.c.id).limit(MOST)
    return [labels.change_of(row) for row in tx.execute(query)]


def answers_to(tx: Transaction, message_id: str) -> list[str]:
    """Return the ids of the answers in free words that a message's rules sent, oldest first."""
    query = select(_MESSAGE.id).where(_caused(_MESSAGE.dedupe_key, [f"answer|{message_id}"]))
    return list(tx.execute(query.order_by(_MESSAGE.id).limit(MOST)).scalars())


def answers_given(tx: Transaction, id_: ContactId) -> list[str]:
    """Return the ids of the newest answers in free words to what a person wrote of their own accord."""
    query = select(_MESSAGE.id).where(_MESSAGE.contact_id == id_, _MESSAGE.template == "", _MESSAGE.event_id == "")
    return list(tx.execute(query.order_by(_MESSAGE.created_at.desc()).limit(MOST)).scalars())


def wishes_of(tx: Transaction, ids: Collection[ContactId], since: datetime | None = None) -> list[Row]:
    """Return what records of these people were to hold, of a moment or later; what was only told is left out."""
    if not ids:
        return []
    query = select(*(_WANTED[name] for name in Row.__dataclass_fields__)).where(
        _WANTED.contact_id.in_(sorted(ids)), _WANTED.value.is_not(None)
    )
    if since is not None:
        query = query.where(_WANTED.wanted_at >= since)
    order = (_WANTED.account_id, _WANTED.object, _WANTED.record_id, _WANTED.field, _WANTED.item)
    return [Row(**row._mapping) for row in tx.execute(query.order_by(*order).limit(MOST))]


def spoken(tx: Transaction, id_: ContactId) -> list[Spoke]:
    """Return when a person last wrote to each of our numbers, the latest first."""
    table = schema.conversation
    query = select(table.c.channel_id, table.c.heard_at).where(table.c.contact_id == id_)
    return [
        Spoke(AccountId(row.channel_id), row.heard_at) for row in tx.execute(query.order_by(table.c.heard_at.desc()))
    ]


def known_by(tx: Transaction, values: Collection[str]) -> set[ContactId]:
    """Return whom these numbers, user ids and records (``customer:5521``, of any account) belong to."""
    if not values:
        return set()
    query = select(schema.identity.c.contact_id).where(schema.identity.c.value.in_(sorted(set(values))))
    return {ContactId(id_) for id_ in tx.execute(query.limit(MOST)).scalars()}


def holders(tx: Transaction, account_id: str, event_ids: Collection[str]) -> set[ContactId]:
    """Return the people whose records these events are about."""
    query = select(schema.identity.c.contact_id).where(
        schema.identity.c.kind == "record",
        schema.identity.c.account_id == account_id,
        schema.identity.c.value.in_(select(_SUBJECT.subject).where(_about(account_id, event_ids))),
    )
    return {ContactId(id_) for id_ in tx.execute(query.limit(MOST)).scalars()}


def _about(account_id: str, event_ids: Collection[str]) -> ColumnElement[bool]:
    return and_(_SUBJECT.account_id == account_id, _SUBJECT.event_id.in_(list(event_ids)))


def recipients(tx: Transaction, message_ids: Collection[str]) -> set[ContactId]:
    """Return whom these messages are for."""
    if not message_ids:
        return set()
    query = select(_MESSAGE.contact_id).where(_MESSAGE.id.in_(list(message_ids)), _MESSAGE.contact_id.is_not(None))
    return {ContactId(id_) for id_ in tx.execute(query.distinct()).scalars()}


def present(tx: Transaction, ids: Iterable[ContactId | None]) -> list[ContactId]:
    """Return who these contacts are now, each once: whoever was merged is somebody else, whoever was erased is gone."""
    asked = [id_ for id_ in ids if id_]
    loaded = people.load(tx, set(asked))
    now = [loaded[id_].merged_into or id_ for id_ in asked if id_ in loaded]
    return list(dict.fromkeys(now))


def events_of(tx: Transaction, id_: ContactId, records: Sequence[tuple[AccountId, str]], most: int) -> set[str]:
    """Return the newest events about a person: those of their messages, and those of their records."""
    query = select(_MESSAGE.event_id).where(_MESSAGE.contact_id == id_, _MESSAGE.template != "")
    found = set(tx.execute(query.order_by(_MESSAGE.created_at.desc()).limit(most)).scalars())
    for account_id, subject in records[:MOST]:
        told = select(_SUBJECT.event_id).where(_SUBJECT.account_id == account_id, _SUBJECT.subject == subject)
        found |= set(tx.execute(told.order_by(_SUBJECT.event_id.desc()).limit(most)).scalars())
    return found


def _caused(column: Column[str], causes: Collection[str]) -> ColumnElement[bool]:
    # A range, since it uses the index of the keys on every database; from id to id, since databases differ in
    # how they sort signs such as ":". What begins so is then told exactly.
    return or_(
        *(
            and_(column >= cause, column < _after(cause), column.startswith(f"{cause}:", autoescape=True))
            for cause in sorted(causes)
        )
    )


def _after(cause: str) -> str:
    """Return what sorts behind everything that begins with this id, which is of digits and small letters."""
    kept = cause.rstrip("z")
    last = kept[-1:]
    return kept[:-1] + ("a" if last == "9" else chr(ord(last) + 1)) if last.isalnum() else f"{cause}~"
