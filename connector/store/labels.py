"""Labels of people, and how they came and went."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, tuple_

from connector.model import AccountId, ContactId, new_id
from connector.store import news
from connector.store.dialect import insert_new
from connector.store.engine import Transaction
from connector.store.schema import label, label_change, wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelChange:
    """A label is put on a person, or taken off."""

    key: str
    """The same fact has the same key, and happens once."""
    contact_id: ContactId
    name: str
    added: bool
    origin: str
    """Who did it: an account's id, ``mapping:<name>``, ``policy`` or ``admin``."""
    words: str = ""
    at: datetime


def of(tx: Transaction, ids: Collection[ContactId]) -> dict[ContactId, dict[str, datetime]]:
    """Return the labels of these people, and since when they have them."""
    if not ids:
        return {}
    found: dict[ContactId, dict[str, datetime]] = {}
    for row in tx.execute(select(label).where(label.c.contact_id.in_(list(ids))).order_by(label.c.name)):
        found.setdefault(ContactId(row.contact_id), {})[row.name] = row.since
    return found


def known(tx: Transaction, keys: Collection[str]) -> set[str]:
    """Return which changes are stored already."""
    if not keys:
        return set()
    return set(tx.execute(select(label_change.c.key).where(label_change.c.key.in_(list(keys)))).scalars())


def apply(tx: Transaction, changes: Sequence[LabelChange]) -> None:
    """Store changes and make them; the caller has left out those that change nothing."""
    if not changes:
        return
    rows = [
        {"id": new_id(), "key": item.key, "contact_id": item.contact_id, "name": item.name, "added": item.added,
         "origin": item.origin, "words": item.words, "at": item.at}
        for item in changes
    ]  # fmt: skip
    tx.execute(insert_new(tx, label_change), rows)
    last = {(item.contact_id, item.name): item for item in changes}
    gone = [pair for pair, item in last.items() if not item.added]
    if gone:
        tx.execute(delete(label).where(tuple_(label.c.contact_id, label.c.name).in_(gone)))
    new = [
        {"contact_id": item.contact_id, "name": item.name, "origin": item.origin, "since": item.at}
        for item in last.values()
        if item.added
    ]
    if new:
        tx.execute(insert_new(tx, label), new)
    news.labelled(tx, changes)


def held(tx: Transaction, records: Collection[tuple[AccountId, str, str, str]]) -> dict[tuple[str, ...], list[str]]:
    """Return the members that sets of records are known to hold: (account, object, record, field) -> names."""
    if not records:
        return {}
    place = wanted.c.account_id, wanted.c.object, wanted.c.record_id, wanted.c.field
    query = select(*place, wanted.c.item).where(tuple_(*place).in_(list(records)), wanted.c.known == "true")
    found: dict[tuple[str, ...], list[str]] = {}
    for row in tx.execute(query):
        if row.item:
            found.setdefault((row.account_id, row.object, row.record_id, row.field), []).append(row.item)
    return found


def history(tx: Transaction, ids: Collection[ContactId]) -> list[LabelChange]:
    """Return how labels of these people came and went, oldest first."""
    if not ids:
        return []
    query = select(label_change).where(label_change.c.contact_id.in_(list(ids))).order_by(label_change.c.id)
    return [change_of(row) for row in tx.execute(query)]


def change_of(row: Any) -> LabelChange:
    """Return the change that a row of the table tells."""
    return LabelChange(
        key=row.key,
        contact_id=ContactId(row.contact_id),
        name=row.name,
        added=row.added,
        origin=row.origin,
        words=row.words,
        at=row.at,
    )


def count(tx: Transaction) -> dict[str, int]:
    """Return how many people have each label."""
    query = select(label.c.name, func.count()).group_by(label.c.name).order_by(label.c.name)
    return {row[0]: row[1] for row in tx.execute(query)}
