"""What shops and CRMs should hold: wishes come in, and what the vendors say stands there.

There is one row for each field of each record, so that whoever changes their mind fifty times costs one
write. A row that waits is written a little after its last change (:data:`SETTLE`), and a minute after its
first one at the latest (:data:`LONGEST_SETTLE`); the fields of one record go together.

Who wins, when a vendor tells of a value that we neither wrote nor knew, is not decided here: :func:`learn`
says that it is news, and the caller then wants whatever should stand there. By itself news changes this much:

* a wish that was fulfilled is over: what a human put in its place stays until somebody wants otherwise;
* a wish that still waits, or is being written, stands: it is newer than the reason for which it was made
  unless the caller wants otherwise, and it is written once more where the news came in between.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from typing import Any

from connector.model import AccountId, ContactId, Json
from connector.store import Transaction, wanted
from connector.store.wanted import LONGEST_SETTLE, LOOK_UP, NO_RECORD, Place, Row

GATHER = timedelta(seconds=5)
"""How long a first change waits for others of the same field."""
SETTLE = timedelta(seconds=10)
"""How long a change of mind waits for the next one."""
ECHO_WINDOW = timedelta(minutes=2)
"""How long something without a date may be an echo of an earlier write of ours."""
WRITES_KEPT = 4
KEPT_FOR = timedelta(days=2)
"""Vendors repeat a notification for a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What should stand in a field of a record."""

    account_id: AccountId
    object: str
    """The vendor's word: ``customer``, ``Contact``."""
    record_id: str
    """``?<contact id>`` (:func:`somewhere`) where it must be looked up first."""
    field: str
    item: str = ""
    """One member of the set that stands in the field (a tag): ``value`` is True or False then."""
    value: Json = dataclasses.field(repr=False)
    contact_id: ContactId | None = None
    at: datetime | None = None
    """When the fact happened that it tells; None: now."""

    @property
    def place(self) -> Place:
        """Return which field it is."""
        return Place(self.account_id, self.object, self.record_id, self.field, self.item)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a vendor says stands in a field of a record."""

    account_id: AccountId
    object: str
    record_id: str
    field: str
    item: str = ""
    value: Json = dataclasses.field(repr=False)
    at: datetime | None = None
    """The vendor's own moment of this state, where it tells one: what is older than our latest write of the
    field and equals an earlier one is an echo, however late."""
    dated: bool = False
    """That moment is the value's own, and not merely the record's."""

    @property
    def place(self) -> Place:
        """Return which field it is."""
        return Place(self.account_id, self.object, self.record_id, self.field, self.item)


class News(IntEnum):
    """What a telling comes to; true where it is news."""

    NONE = 0
    NEW = 1
    AGAIN = 2
    """The same as before, but somebody other than us says so for a later moment: it counts against what was told of
    the time between, should that still come."""


def somewhere(contact_id: ContactId) -> str:
    """Return the record id of a contact whose record must be looked up."""
    return f"{LOOK_UP}{contact_id}"


def want(tx: Transaction, wants: Sequence[Want], at: datetime, *, at_once: bool = False) -> set[AccountId]:
    """Remember what should stand where; return the accounts for which there is something to write now.

    What is known to stand there already is not written. Of several wants for one place the last counts.
    The clock rings for whatever waits here, when it has gathered: nobody needs to. ``at_once``: do not gather.
    """
    rows = wanted.hold(tx, [item.place for item in wants], at)
    touched: dict[Place, Row] = {}
    for item in wants:
        row = rows[item.place]
        if _wish(row, item, spell(item.value), at):
            touched[row.place] = row
            row.not_before = at if at_once and row.state == "waiting" else row.not_before
    wanted.save(tx, touched.values())
    return {row.account_id for row in touched.values() if row.state == "waiting"}


def _wish(row: Row, item: Want, value: str, at: datetime) -> bool:
    """Let a row want a value; False where it changes nothing."""
    if row.value == value and not (row.code == NO_RECORD and row.state == "done" and row.not_before <= at):
        return False  # it waits, is under way, stands there or was refused already
    row.value, row.version, row.wanted_at = value, row.version + 1, item.at or at
    row.contact_id = item.contact_id or row.contact_id
    if row.is_under_way:
        if row.version == (row.leased_version or 0) + 1:
            row.waiting_since = at
        row.not_before, row.tries = _later(row, at), 0
    elif row.known == value and row.leased is None:
        rest(row)
    else:
        missing = row.not_before if row.code == NO_RECORD else at
        if row.state != "waiting":
            row.waiting_since, row.not_before = at, at + GATHER
        else:
            row.waiting_since = row.waiting_since or at
            row.not_before = _later(row, at)
        row.not_before = max(row.not_before, missing)
        row.state, row.tries = "waiting", 0
        if row.code != NO_RECORD:
            row.code = row.words = ""
    return True


def _later(row: Row, at: datetime) -> datetime:
    """Return when to write a field that has changed once more: when it has settled, but not for ever later."""
    return min(at + SETTLE, (row.waiting_since or at) + LONGEST_SETTLE)


def rest(row: Row) -> None:
    """Let a row be done."""
    row.state, row.tries, row.code, row.words = "done", 0, "", ""
    row.leased = row.leased_version = row.lease_owner = row.lease_until = row.ticket = row.waiting_since = None


def learn(tx: Transaction, told: Sequence[Told], at: datetime) -> list[News]:
    """Remember what vendors say stands there; for each: whether that is news, or known.

    Known is also what we want there, are writing at this moment, or wrote before our latest write (an echo
    that comes late). After news the caller wants what should stand there, be it the same as before: the wish
    of before is over.

    What the vendor itself has dated before something it told us already is news only where history counts
    (a field: an older opt-out is an opt-out); of a member of a set only the latest state does. Neither changes
    what is known.
    """
    rows = wanted.hold(tx, [item.place for item in told], at)
    heard = []
    for item in told:
        row, value = rows[item.place], spell(item.value)
        again = item.dated and not item.item and _is_said_again(row, value, item.at)
        is_news, is_touched = _hear(row, value, item.at, at)
        heard.append((row, News.NEW if is_news else News.AGAIN if again else News.NONE, is_touched))
    wanted.save(tx, {row.place: row for row, _, is_touched in heard if is_touched}.values())
    return [news for _, news, _ in heard]


def _is_said_again(row: Row, value: str, said_at: datetime | None) -> bool:
    """Tell whether a vendor says once more, for a later moment, what it said before; an echo of ours is not that."""
    is_ours = value == row.leased or any(text == value for text, _ in writes_of(row))
    is_later = said_at is not None and (row.known_at is None or said_at > row.known_at)
    return is_later and not is_ours and value in (row.known, row.value)


def _hear(row: Row, value: str, said_at: datetime | None, at: datetime) -> tuple[bool, bool]:
    """Take in what is said of a row; return whether it is news, and whether the row has changed."""
    is_newest = said_at is not None and (row.known_at is None or said_at > row.known_at)
    if value == row.known:
        row.known_at = said_at if is_newest else row.known_at
        return False, is_newest
    if _is_late(row, value, said_at, at):
        return False, False
    if value in (row.value, row.leased):
        if row.is_under_way or not (is_newest or row.state == "failed"):
            return False, False  # perhaps of an older moment: it is written, and then it is known
        row.known, row.known_at, row.leased = value, said_at, None
        if row.value == value:
            rest(row)
        return False, True
    if _is_old(row, said_at):
        return not row.item, False
    is_before_ours = said_at is not None and _is_ours(row) and row.known_at is not None and said_at <= row.known_at
    if not is_before_ours:
        row.known, row.known_at = value, said_at
    elif not row.is_under_way:
        row.leased = value  # ours is probably the last, but clocks differ: whatever is wanted next is written
    if row.is_under_way:
        row.version += 1  # which of the two is the last nobody knows: ours is written once more
    elif row.state == "done":
        row.value = None
    return True, True


def _is_late(row: Row, value: str, said_at: datetime | None, at: datetime) -> bool:
    """Tell whether a value is one of ours that has been written over since."""
    writes = writes_of(row)
    if said_at is not None:
        return any(text == value for text, _ in writes) and said_at <= writes[-1][1]
    return any(text == value and at - moment <= ECHO_WINDOW for text, moment in writes[:-1])


def _is_old(row: Row, said_at: datetime | None) -> bool:
    """Tell whether the vendor has told of a later state already.

    Our own writes do not count here: our clock and theirs differ, and nobody's change may be lost by that.
    """
    return said_at is not None and row.known_at is not None and said_at < row.known_at and not _is_ours(row)


def _is_ours(row: Row) -> bool:
    """Tell whether what is known is known because we wrote it."""
    writes = writes_of(row)
    return bool(writes) and row.known_at is not None and abs(row.known_at - writes[-1][1]) < timedelta(milliseconds=1)


def forget(tx: Transaction, account_id: AccountId, object_: str, record_id: str) -> None:
    """Forget a record that is gone, or whose person asked for it."""
    wanted.forget(tx, account_id, object_, record_id)


def writes_of(row: Row) -> list[tuple[str, datetime]]:
    """Return our latest writes of a field: the value's JSON, and when; the latest is the last."""
    epoch = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return [(text, epoch + timedelta(microseconds=moment)) for text, moment in json.loads(row.written)]


def note_write(row: Row, value: str, at: datetime) -> None:
    """Remember a write of ours, for telling its echoes."""
    kept = [(text, moment) for text, moment in writes_of(row) if at - moment < KEPT_FOR]
    kept = [*kept, (value, at)][-WRITES_KEPT:]
    row.written = json.dumps([[text, round(moment.timestamp() * 1_000_000)] for text, moment in kept])


def spell(value: Json) -> str:
    """Return the one JSON text of a value: equal values have equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_number)


def read(text: str) -> Json:
    """Return the value of a text of :func:`spell`."""
    value: Json = json.loads(text, parse_float=Decimal)
    return value


def _number(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
