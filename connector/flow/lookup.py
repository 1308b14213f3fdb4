"""Finding the record of a person of whom a shop or CRM has told us none: by phone, before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from connector.contract import Crm
from connector.flow.recorded import LOOK_AGAIN, hold
from connector.flow.writeback import Want, read, want
from connector.model import AccountId, ContactId, Key, KeyKind, now
from connector.store import Transaction, people, wanted
from connector.store.wanted import LOOK_UP, NO_RECORD, Place, Row

Records = dict[tuple[str, ContactId], str]
"""(object, contact) -> record id."""
Found = Callable[[Transaction, AccountId, str, str, ContactId], None]
"""Told of each record that was found: account, object, record id, whose it is; to remember it."""


def remember(tx: Transaction, account_id: AccountId, object_: str, record_id: str, contact_id: ContactId) -> None:
    """Let a contact be recognised by a record that was found, unless somebody else is."""
    key = Key(KeyKind.RECORD, f"{object_}:{record_id}", account_id)
    people.lock(tx, [key])
    if key not in people.find(tx, [key]):
        people.give_keys(tx, {key: people.family(tx, [contact_id]).get(contact_id, contact_id)}, now())


def contact_of(row: Row) -> ContactId:
    """Return whose record a row asks for."""
    return ContactId(row.record_id.removeprefix(LOOK_UP))


def ask(crm: Crm, rows: Sequence[Row], phones: Mapping[ContactId, str]) -> Records:
    """Ask a CRM for the records of these rows' contacts. Raises a RemoteError."""
    found: Records = {}
    for object_ in sorted({row.object for row in rows}):
        people = sorted({contact_of(row) for row in rows if row.object == object_})
        numbers = sorted({phones[id_] for id_ in people if id_ in phones})
        records = crm.find(object_, numbers) if numbers else {}
        found |= {(object_, id_): records[phones[id_]] for id_ in people if phones.get(id_) in records}
    return found


def move(tx: Transaction, rows: Sequence[Row], records: Records, owner: str, at: datetime, found: Found) -> int:
    """Let rows follow to the records that were found, and the others rest; return how many moved.

    Rows that are no longer leased by the owner are left alone.
    """
    for (object_, id_), record_id in sorted(records.items()):  # before any row is locked: whoever is told locks too
        found(tx, rows[0].account_id, object_, record_id, id_)
    homes = {row.place: _home(row, records) for row in rows}
    there = wanted.hold(tx, [place for pair in homes.items() for place in pair if place], at)
    mine = [there[place] for place in homes if there[place].state == "leased" and there[place].lease_owner == owner]
    lost = [row for row in mine if homes[row.place] is None]
    for row in lost:
        hold(row)
        row.state, row.leased, row.waiting_since, row.not_before = "done", None, None, at + LOOK_AGAIN
        row.code, row.words = NO_RECORD, "There is no record with this person's number."
    wanted.save(tx, lost)
    moving = [(row, home) for row in mine if (home := homes[row.place])]
    want(tx, [_wish_at(home, row) for row, home in moving if _is_newer(row, there[home])], at, at_once=True)
    wanted.delete_places(tx, [row.place for row, _ in moving] + [place for place in homes if not there[place].version])
    return len(moving)


def _home(row: Row, records: Records) -> Place | None:
    record_id = records.get((row.object, contact_of(row)))
    return Place(row.account_id, row.object, record_id, row.field, row.item) if record_id else None


def _is_newer(row: Row, there: Row) -> bool:
    return there.value is None or row.wanted_at >= there.wanted_at


def _wish_at(home: Place, row: Row) -> Want:
    return Want(
        account_id=home.account_id,
        object=home.object,
        record_id=home.record_id,
        field=home.field,
        item=home.item,
        value=read(row.value or "null"),
        contact_id=contact_of(row),
        at=row.wanted_at,
    )
