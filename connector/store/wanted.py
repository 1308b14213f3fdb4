"""What shops and CRMs should hold, and what they are known to hold: one row for each field of each record.

A member of a set (a tag) has a row of its own, named by ``item``; its values are true and false.

==============  ==========================================================================================
state           means
==============  ==========================================================================================
``waiting``     ``value`` is to be written, from ``not_before`` on
``leased``      a drain is writing ``leased``
``handed_over`` the vendor works on ``leased`` under a ``ticket``; ``not_before`` says when to ask again
``done``        nothing is to be written: ``value`` is None, or equals ``known``, or ``code`` says that there
                is no such record
``failed``      ``value`` was refused, or given up; ``words`` say why. A new value tries again
==============  ==========================================================================================
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, bindparam, delete, func, or_, select, tuple_, update

from connector.model import AccountId, ContactId, now
from connector.store import leases, restraint, schema
from connector.store.dialect import insert_new, lock_rows
from connector.store.engine import Transaction
from connector.store.schema import wanted

CHUNK = 2000
"""Keys in one statement: five parameters each, and SQLite takes 32766."""
LEASE = timedelta(minutes=15)
"""Longer than any call may take. Whoever holds the account's drain lease need not wait for it."""
LONGEST_SETTLE = timedelta(seconds=60)
"""How long a field waits at most for later changes, from its first one on."""
LOOK_UP = "?"
"""A record id that begins so names a contact: its record must be looked up first."""
NO_RECORD = "no_record"
"""The code of a row whose contact has no record there."""


class Place(NamedTuple):
    """One field of one record of one account, or one member of a set that stands in it."""

    account_id: AccountId
    object: str
    record_id: str
    field: str
    item: str = ""


@dataclass(slots=True, kw_only=True)
class Row:
    """A row as it stands; what :func:`save` writes back."""

    account_id: AccountId
    object: str
    record_id: str
    field: str
    item: str
    contact_id: ContactId | None
    value: str | None = dataclasses.field(repr=False)
    """JSON; None: nothing is wanted."""
    known: str | None = dataclasses.field(repr=False)
    """JSON; None: not known."""
    state: str
    version: int
    leased: str | None = dataclasses.field(repr=False)
    """JSON of what a call writes that is under way, or whose end nobody knows."""
    leased_version: int | None
    lease_owner: str | None
    lease_until: datetime | None
    ticket: str | None
    written: str = dataclasses.field(repr=False)
    """JSON of our latest writes: ``[[JSON, microseconds since 1970], ...]``, the latest is the last."""
    waiting_since: datetime | None
    not_before: datetime
    tries: int
    code: str
    words: str
    wanted_at: datetime
    """When the fact happened that the value tells."""
    known_at: datetime | None

    @property
    def place(self) -> Place:
        """Return which field it is."""
        return Place(self.account_id, self.object, self.record_id, self.field, self.item)

    @property
    def is_under_way(self) -> bool:
        """Tell whether somebody is writing it, or the vendor is."""
        return self.state in ("leased", "handed_over")


_C = wanted.c
_KEY = [_C.account_id, _C.object, _C.record_id, _C.field, _C.item]
_COLUMNS = [_C[name] for name in Row.__dataclass_fields__]
_SAVED = [name for name in Row.__dataclass_fields__ if name not in [column.name for column in _KEY]]


def _row(found: Any) -> Row:
    return Row(**found._mapping)


def hold(tx: Transaction, places: Iterable[Place], at: datetime) -> dict[Place, Row]:
    """Return a row for each place, locked until the transaction ends; one that is not there is made first.

    All writers make and lock in the same order, so that none waits for another in a circle.
    """
    found: dict[Place, Row] = {}
    for chunk in _chunks(sorted(set(places)), CHUNK):
        tx.execute(insert_new(tx, wanted), [_blank(place, at) for place in chunk])
    for chunk in _chunks(sorted(set(places)), CHUNK):
        found |= {row.place: row for row in load(tx, chunk)}
    return found


def load(tx: Transaction, places: Collection[Place]) -> list[Row]:
    """Return the rows of these places (at most ``CHUNK``) that are there, locked until the transaction ends."""
    if not places:
        return []
    return _locked(tx, _among(places))


def _among(places: Iterable[Place]) -> ColumnElement[bool]:
    return tuple_(*_KEY).in_([tuple(place) for place in places])


def _blank(place: Place, at: datetime) -> dict[str, Any]:
    return dict(zip((column.name for column in _KEY), place, strict=True)) | {
        "state": "done",
        "version": 0,
        "not_before": at,
        "wanted_at": at,
        "written": "[]",
    }


def _locked(tx: Transaction, *where: ColumnElement[bool]) -> list[Row]:
    query = select(*_COLUMNS).where(*where).order_by(*_KEY)
    return [_row(found) for found in tx.execute(lock_rows(tx, query))]


_SAVE = (
    update(wanted)
    .where(*(column == bindparam(f"{column.name}_") for column in _KEY))
    .values({name: bindparam(f"{name}_") for name in _SAVED})
)


def save(tx: Transaction, rows: Iterable[Row]) -> None:
    """Write back rows that this transaction has locked."""
    values = [{f"{name}_": getattr(row, name) for name in Row.__dataclass_fields__} for row in rows]
    if values:
        tx.execute(_SAVE, values)


def forget(tx: Transaction, account_id: AccountId, object_: str, record_id: str) -> int:
    """Delete whatever is wanted and known of a record; return how many rows that were."""
    gone = delete(wanted).where(_C.account_id == account_id, _C.object == object_, _C.record_id == record_id)
    return int(tx.execute(gone).rowcount)


def delete_places(tx: Transaction, places: Collection[Place]) -> None:
    """Delete rows that this transaction has locked."""
    for chunk in _chunks(sorted(places), CHUNK):
        tx.execute(delete(wanted).where(_among(chunk)))


def due(tx: Transaction, account_id: AccountId, at: datetime, most: int) -> list[tuple[str, str]]:
    """Return up to ``most`` records (object, id) of which something is due, the longest due first.

    A record of which another field has just changed waits until that has settled, so that both go together;
    but nothing waits for others longer than ``LONGEST_SETTLE``.
    """
    other = wanted.alias()
    settling = (
        select(other.c.item)
        .where(
            *(other.c[name] == _C[name] for name in ("account_id", "object", "record_id")),
            # Not "is waiting": that would let a database read the index of all waiting rows, for each row again.
            other.c.state.not_in(("leased", "handed_over", "done", "failed")),
            other.c.tries == 0,
            other.c.code == "",
            other.c.not_before > at,
        )
        .exists()
    )
    query = (
        select(_C.object, _C.record_id)
        .where(_C.account_id == account_id, _C.state == "waiting", _C.not_before <= at)
        .where(or_(~settling, func.coalesce(_C.waiting_since, _C.not_before) <= at - LONGEST_SETTLE))
        .group_by(_C.object, _C.record_id)
        .order_by(func.min(_C.not_before), _C.object, _C.record_id)
        .limit(most)
    )
    return [(row[0], row[1]) for row in tx.execute(query)]


def take(
    tx: Transaction, account_id: AccountId, records: Sequence[tuple[str, str]], owner: str, at: datetime
) -> list[Row]:
    """Lease whatever is due of these records; what another transaction is changing is left for the next time."""
    found: list[Row] = []
    for chunk in _chunks(sorted(records), CHUNK):
        query = (
            select(*_COLUMNS)
            .where(
                _C.account_id == account_id,
                tuple_(_C.object, _C.record_id).in_(chunk),
                _C.state == "waiting",
                _C.not_before <= at,
            )
            .order_by(*_KEY)
        )
        found += [_row(row) for row in tx.execute(lock_rows(tx, query, skip_locked=True))]
    leased: dict[str, Any] = {"state": "leased", "leased": _C.value, "leased_version": _C.version}
    leased |= {"lease_owner": owner, "lease_until": at + LEASE}
    for places in _chunks([row.place for row in found], CHUNK):
        tx.execute(update(wanted).where(_among(places)).values(leased))
    for row in found:
        row.state, row.leased, row.leased_version = "leased", row.value, row.version
        row.lease_owner, row.lease_until = owner, at + LEASE
    return found


def hand_over(
    tx: Transaction, account_id: AccountId, owner: str, ticket: str, ask_at: datetime, until: datetime
) -> int:
    """Note that the vendor works on whatever an owner has leased; return how many rows that are."""
    leased = update(wanted).where(_C.account_id == account_id, _C.state == "leased", _C.lease_owner == owner)
    values = {"state": "handed_over", "ticket": ticket, "lease_owner": None, "not_before": ask_at, "lease_until": until}
    return int(tx.execute(leased.values(values)).rowcount)


def taken(tx: Transaction, places: Collection[Place], *, owner: str = "", ticket: str = "") -> dict[Place, Row]:
    """Return those of these rows that are still leased by this owner, or under this ticket; locked until the end."""
    found: dict[Place, Row] = {}
    for chunk in _chunks(sorted(places), CHUNK):
        for row in load(tx, chunk):
            if (row.state == "leased" and row.lease_owner == owner) if owner else row.ticket == ticket:
                found[row.place] = row
    return found


def orphans(tx: Transaction, account_id: AccountId, owner: str) -> list[Row]:
    """Return rows that somebody else was writing."""
    return _locked(tx, _C.account_id == account_id, _C.state == "leased", _C.lease_owner != owner)


def ticket_due(tx: Transaction, account_id: AccountId, at: datetime) -> str | None:
    """Return a ticket that may be asked about now."""
    query = select(_C.ticket).where(_C.account_id == account_id, _C.state == "handed_over", _C.not_before <= at)
    found: str | None = tx.execute(query.order_by(_C.not_before).limit(1)).scalar()
    return found


def of_ticket(tx: Transaction, account_id: AccountId, ticket: str) -> list[Row]:
    """Return what was handed over under a ticket."""
    query = select(*_COLUMNS).where(_C.account_id == account_id, _C.state == "handed_over", _C.ticket == ticket)
    return [_row(found) for found in tx.execute(query.order_by(*_KEY))]


def ask_later(tx: Transaction, account_id: AccountId, ticket: str, at: datetime) -> None:
    """Say when a ticket may be asked about again."""
    theirs = update(wanted).where(_C.account_id == account_id, _C.state == "handed_over", _C.ticket == ticket)
    tx.execute(theirs.values(not_before=at))


def phones(tx: Transaction, contacts: Collection[ContactId]) -> dict[ContactId, str]:
    """Return the numbers of those contacts that have one; whoever was merged has the other's."""
    own, into = schema.contact.alias(), schema.contact.alias()
    number = func.coalesce(into.c.phone, own.c.phone)
    query = select(own.c.id, number).select_from(own.outerjoin(into, into.c.id == own.c.merged_into))
    found: dict[ContactId, str] = {}
    for chunk in _chunks(sorted(contacts), CHUNK):
        found |= {row[0]: row[1] for row in tx.execute(query.where(own.c.id.in_(chunk), number != ""))}
    return found


def restless(tx: Transaction) -> list[AccountId]:
    """Return the accounts in use that have something to do now.

    That is: enough due rows or rows that have waited long enough (:mod:`connector.store.restraint`), a
    ticket to ask about, or rows that a dead drain has left.
    """
    at = now()
    return [
        id_
        for id_, held in restraint.of_active(tx).items()
        if held.until <= at and (_is_enough(tx, id_, held, at) or _is_open(tx, id_, at))
    ]


def _is_enough(tx: Transaction, id_: AccountId, held: restraint.Restraint, at: datetime) -> bool:
    number = 1 if held.rest_until <= at else held.most
    return len(due(tx, id_, at, number)) >= number


def _is_open(tx: Transaction, id_: AccountId, at: datetime) -> bool:
    abandoned = _C.state == "leased"
    if leases.holder(tx, drain_lease(id_)):
        abandoned = abandoned & (_C.lease_until < at)
    asked = or_(abandoned, (_C.state == "handed_over") & (_C.not_before <= at))
    return tx.execute(select(_C.item).where(_C.account_id == id_, asked).limit(1)).first() is not None


def drain_lease(account_id: AccountId) -> str:
    """Return the name of the lease of whoever writes to this account."""
    return f"write_back:{account_id}"


def _chunks(places: Sequence[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(places)
    while chunk := list(islice(rest, size)):
        yield chunk
