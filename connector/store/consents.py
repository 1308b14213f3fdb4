"""The consent ledger as rows: entries that never change, and where each person stands by them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete as delete_
from sqlalchemy import func, select, update

from connector.model import AccountId, ConsentState, ContactId, Entry, Purpose, Source, Standing
from connector.store.dialect import insert_new, lock_rows, upsert
from connector.store.engine import Transaction
from connector.store.people import family
from connector.store.schema import consent, contact, standing

_COLUMNS = [consent.c[name] for name in Entry.__dataclass_fields__]
ROUNDS = 5
"""How often at most one looks again who stays of merged contacts: they may be merged while one waits."""
CAP = 5000
"""Characters of a free text in an entry; a WhatsApp message has 4096."""


def add(tx: Transaction, entries: Sequence[tuple[str, Entry]]) -> set[str]:
    """Store entries, each key once; return the keys that are new. Nothing that is stored is ever changed."""
    asked = dict(reversed(entries))  # of one key given twice, the first
    if not asked:
        return set()
    known = set(tx.execute(select(consent.c.key).where(consent.c.key.in_(list(asked)))).scalars())
    fresh = [{"key": key} | _row(entry) for key, entry in asked.items() if key not in known]
    if not fresh:
        return set()
    if tx.execute(insert_new(tx, consent), fresh).rowcount == len(fresh):
        return {str(row["key"]) for row in fresh}
    ours = select(consent.c.key).where(consent.c.id.in_([row["id"] for row in fresh]))  # somebody else was quicker
    return set(tx.execute(ours).scalars())


def hold(tx: Transaction, ids: Iterable[ContactId]) -> dict[ContactId, ContactId]:
    """Keep these people's ledgers from others until the transaction ends; return who each of them is now.

    Locks in the order of the ids, so that two transactions wait for one another and never both. Whoever was
    merged into another since the caller looked, is that other.
    """
    stays = {id_: id_ for id_ in ids}
    for _ in range(ROUNDS):
        query = select(contact.c.id, contact.c.merged_into).where(contact.c.id.in_(sorted(set(stays.values()))))
        merged = {
            ContactId(row.id): ContactId(row.merged_into)
            for row in tx.execute(lock_rows(tx, query.order_by(contact.c.id)))
            if row.merged_into
        }
        if not merged:
            break
        stays = {id_: merged.get(present, present) for id_, present in stays.items()}
    return stays


def of(tx: Transaction, ids: Collection[ContactId], purposes: Collection[Purpose] = tuple(Purpose)) -> list[Entry]:
    """Return what the ledger says about people, oldest first.

    Entries about a contact that was merged into one of these count as that one's, and carry its id.
    """
    stays = family(tx, ids)
    if not stays:
        return []
    query = (
        select(*_COLUMNS)
        .where(consent.c.contact_id.in_(list(stays)), consent.c.purpose.in_([item.value for item in purposes]))
        .order_by(consent.c.occurred_at, consent.c.id)
    )
    return [replace(entry, contact_id=stays[entry.contact_id]) for entry in map(_entry, tx.execute(query))]


def present(tx: Transaction, id_: ContactId) -> ContactId | None:
    """Return who a contact is now: itself, or whom it was merged into; None where there is none."""
    row = tx.execute(select(contact.c.id, contact.c.merged_into).where(contact.c.id == id_)).first()
    return ContactId(row.merged_into or row.id) if row is not None else None


def by_email(tx: Transaction, addresses: Collection[str]) -> dict[str, list[ContactId]]:
    """Return who has these e-mail addresses, in any case; the keys are casefolded. Families share them."""
    asked = {address.strip().casefold() for address in addresses}
    found: dict[str, list[ContactId]] = {}
    query = select(contact.c.id, contact.c.email).where(
        func.lower(contact.c.email).in_(sorted(asked)), contact.c.email != "", contact.c.merged_into.is_(None)
    )
    for row in tx.execute(query.order_by(contact.c.id)):
        found.setdefault(row.email.casefold(), []).append(ContactId(row.id))
    return found


def entries(tx: Transaction, ids: Collection[str]) -> list[Entry]:
    """Return the entries with these ids; contact ids are as they were then."""
    if not ids:
        return []
    return [_entry(row) for row in tx.execute(select(*_COLUMNS).where(consent.c.id.in_(sorted(set(ids)))))]


def by_key(tx: Transaction, key: str) -> Entry | None:
    """Return the entry under this key, or None; its contact id is as it was then."""
    row = tx.execute(select(*_COLUMNS).where(consent.c.key == key)).first()
    return _entry(row) if row is not None else None


def pages(tx: Transaction, size: int = 1000) -> Iterator[list[Entry]]:
    """Yield the whole ledger, page by page in the order in which it was written; contact ids are as they were then."""
    last = ""
    while True:
        query = select(*_COLUMNS).where(consent.c.id > last).order_by(consent.c.id).limit(size)
        found = [_entry(row) for row in tx.execute(query)]
        if found:
            yield found
        if len(found) < size:
            return
        last = found[-1].id


def standings(tx: Transaction, ids: Collection[ContactId]) -> dict[tuple[ContactId, Purpose], Standing]:
    """Return where people stand, as far as the ledger speaks of them."""
    if not ids:
        return {}
    query = select(standing).where(standing.c.contact_id.in_(list(ids)))
    return {
        (ContactId(row.contact_id), Purpose(row.purpose)): Standing(
            state=ConsentState(row.state), since=row.since, entry_id=row.entry_id, words=row.words
        )
        for row in tx.execute(query)
    }


def put_standings(tx: Transaction, given: Mapping[tuple[ContactId, Purpose], Standing]) -> None:
    """Write down where people stand now."""
    rows = [
        {"contact_id": id_, "purpose": purpose.value} | asdict(item) | {"state": item.state.value}
        for (id_, purpose), item in given.items()
    ]
    if rows:
        rows.sort(key=lambda row: (row["contact_id"], row["purpose"]))
        tx.execute(upsert(tx, standing, "state", "since", "entry_id", "words"), rows)


def touch(tx: Transaction, ids: Collection[ContactId], at: datetime) -> None:
    """Note that something about these people has changed."""
    if ids:
        tx.execute(update(contact).where(contact.c.id.in_(sorted(ids))).values(updated_at=at))


def delete(tx: Transaction, ids: Collection[ContactId]) -> None:
    """Delete all that the ledger says about people and about whoever was merged into them: they are erased."""
    stays = list(family(tx, ids))
    for table in (consent, standing):
        if stays:
            tx.execute(delete_(table).where(table.c.contact_id.in_(stays)))


def _row(entry: Entry) -> dict[str, Any]:
    told = {name: _storable(value) if isinstance(value, str) else value for name, value in asdict(entry).items()}
    return told | {name: told[name][:CAP] for name in ("record", "place", "wording", "evidence", "actor")}


def _storable(text: str) -> str:
    # Databases refuse NUL and half characters; people's messages and vendors' JSON may hold both.
    return str(text).replace("\0", "").encode("utf-8", "replace").decode()


def _entry(row: Any) -> Entry:
    told = dict(row._mapping)
    return Entry(
        **told
        | {
            "contact_id": ContactId(row.contact_id),
            "purpose": Purpose(row.purpose),
            "state": ConsentState(row.state),
            "source": Source(row.source),
            "account_id": AccountId(row.account_id) if row.account_id else None,
        }
    )
