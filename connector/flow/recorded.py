"""What follows from an attempt to write a row back: where it goes next."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from connector.contract import Change, Delta, Outcome
from connector.errors import PermanentError, RemoteError, TemporaryError
from connector.flow.outcome import note_of
from connector.flow.writeback import note_write, read, rest
from connector.store.wanted import Row

PLAN = (30.0, 120.0, 600.0, 3600.0, 4 * 3600.0, 8 * 3600.0, 10 * 3600.0)
"""Seconds to wait after each try that came to nothing: about a day in all. Then a person must look."""
PAUSES = (10.0, 30.0, 120.0, 600.0, 900.0)
"""Seconds in which nothing is asked of a vendor that is down."""
LOOK_AGAIN = timedelta(days=1)
TOGETHER = "refused_together"
"""The code of members of a set that were refused in one change: which of them is to blame is found one by one."""
_GONE = ("NOT_FOUND", "IS_DELETED", "GONE")
"""How vendors' codes for a record that is no more end."""


def changes_of(rows: Iterable[Row]) -> list[tuple[Change, list[Row]]]:
    """Return what to ask of the CRM, and which rows each change is about: the members of one set make one."""
    groups: dict[tuple[str, str, str, bool], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.object, row.record_id, row.field, bool(row.item)), []).append(row)
    return [(_change(group), group) for group in groups.values()]


def _change(rows: Sequence[Row]) -> Change:
    first = rows[0]
    values = {row.item: read(row.leased or "null") for row in rows}
    delta = Delta(
        add=tuple(item for item, value in values.items() if value is True),
        remove=tuple(item for item, value in values.items() if value is not True),
    )
    return Change(
        object=first.object,
        record_id=first.record_id,
        field=first.field,
        value=delta if first.item else values[""],
        at=max(row.wanted_at for row in rows),
    )


def apart(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Divide rows into those that may go in one call, and members that must not go with others of their set."""
    alone: dict[tuple[str, str, str], Row] = {}
    for row in rows:
        if row.item and row.code == TOGETHER:
            alone.setdefault((row.object, row.record_id, row.field), row)
    stays = [row for row in rows if not row.item or alone.get((row.object, row.record_id, row.field), row) is row]
    going = {row.place for row in stays}
    return stays, [row for row in rows if row.place not in going]


def part(rows: Sequence[Row], error: RemoteError | None) -> bool:
    """Let members of a set that was refused as a whole be tried one by one; False where that would not help."""
    gone = error is not None and error.code.upper().endswith(_GONE)
    if not isinstance(error, PermanentError) or gone or len(rows) < 2 or any(row.code == TOGETHER for row in rows):
        return False
    for row in rows:
        wait(row)
        row.code, row.words = TOGETHER, note_of(error)
    return True


def wait(row: Row) -> None:
    """Let a row wait again that was surely not written."""
    hold(row)
    row.leased = None


def errors_of(outcomes: Iterable[Outcome], asked: Iterable[tuple[Change, list[Row]]]) -> list[RemoteError | None]:
    """Return what became of each change; one of which the adapter says nothing is tried again."""
    said = {_name(outcome.change): outcome.error for outcome in outcomes}
    silence = TemporaryError("The adapter did not say what became of it.", code="no_outcome")
    return [said.get(_name(change), silence) for change, _ in asked]


def _name(change: Change) -> tuple[str, str, str, bool]:
    return change.object, change.record_id, change.field, isinstance(change.value, Delta)


def settle(row: Row, error: RemoteError | None, at: datetime) -> str:
    """Move a row on after its value was written, or refused; return in a word what became of it."""
    moved, sent = row.version != row.leased_version, row.leased or "null"
    hold(row)
    if error is None:
        _written(row, sent, at, moved=moved)
        return "written"
    row.code, row.words = error.code, note_of(error)
    if isinstance(error, TemporaryError):
        return _again(row, error, at, moved=moved)
    row.leased = None
    if moved and row.value != sent:
        row.code = row.words = ""
        if row.value == row.known:
            rest(row)
        return "refused"  # the value that has come since is still to be written
    row.state, row.waiting_since = "failed", None
    if error.code.upper().endswith(_GONE):
        row.state, row.not_before = "done", at + LOOK_AGAIN
        return "gone"
    return "refused"


def _written(row: Row, sent: str, at: datetime, *, moved: bool) -> None:
    note_write(row, sent, at)
    row.tries, row.code, row.words = 0, "", ""
    if not moved:
        row.known, row.known_at = sent, at
        rest(row)
    elif row.value != sent:
        row.known, row.known_at, row.leased = sent, at, None
    # else: somebody else's value, or another of ours, came in between; which is the last nobody knows


def _again(row: Row, error: TemporaryError, at: datetime, *, moved: bool) -> str:
    if moved:
        return "temporary"  # it is another value that will be tried
    row.tries += 1
    if row.tries > len(PLAN):
        row.state, row.waiting_since = "failed", None
        row.words = f"Given up after {row.tries} tries: {row.words}"
        return "given up"
    row.not_before = at + timedelta(seconds=max(error.retry_after or 0.0, PLAN[row.tries - 1]) * _spread(row))
    return "temporary"


def _spread(row: Row) -> float:
    """Spread load over records, and leave the fields of one together: apart, they would cost a call each."""
    return 1.0 + 0.2 * zlib.crc32(f"{row.object}:{row.record_id}:{row.tries}".encode()) / 2**32


def hold(row: Row) -> None:
    """Let a row wait again; whether what was leased has been written is not known."""
    row.state = "waiting"
    row.lease_owner = row.lease_until = row.leased_version = row.ticket = None


def pause(failures: int, retry_after: float | None) -> timedelta:
    """Return how long to ask nothing of a vendor after so many failures in a row."""
    own = PAUSES[min(failures, len(PAUSES)) - 1]
    return timedelta(seconds=max(own, retry_after or 0.0) * _jitter())


def _jitter() -> float:
    return random.uniform(1.0, 1.2)  # noqa: S311 - spreading load, not secrecy
