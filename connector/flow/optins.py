"""Consent in files: a CSV of opt-ins and opt-outs comes in, and the whole ledger goes out.

A file is read twice, row by row: first every fault in it is found, and only a file without any is entered
(or what is left of it, on request). It may be imported again: the same row is entered once.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from itertools import islice
from typing import IO

from connector.errors import ConfigurationError
from connector.flow import ledger
from connector.flow.admit import RECORD, Notary, read_phone
from connector.flow.ledger import Changed
from connector.model import (
    AccountId,
    ConsentState,
    ContactId,
    Entry,
    Key,
    KeyKind,
    Purpose,
    Sighting,
    Source,
    new_id,
    parse_time,
)
from connector.policy.consent import SKEW
from connector.store import Store, Transaction, consents, people

COLUMNS = ("phone", "email", "record", "account", "purpose", "state", "at", "place", "source", "wording",
           "wording_version")  # fmt: skip
"""What a file may hold; of the first three a row needs one."""
FIELDS = ("contact", "phone", "email", "purpose", "state", "at", "place", "wording", "wording_version", "origin",
          "account", "record", "evidence", "actor", "dated", "learned_at", "entry")  # fmt: skip
"""What an export says of each entry; an import passes over those of them that it does not know."""
BATCH = 500
FIRST = datetime(2009, 1, 1, tzinfo=UTC)
"""Nobody has agreed to WhatsApp messages before there was WhatsApp."""
_STATES = {item.value: item for item in ConsentState if item is not ConsentState.UNKNOWN}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class RowFault:
    """One thing that is wrong with a row, and what to do about it."""

    line: int
    column: str
    words: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.column}: {self.words}" if self.column else f"line {self.line}: {self.words}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What holds for every row that does not say otherwise."""

    actor: str
    name: str
    """What the file is called, as evidence."""
    purpose: str = ""
    place: str = ""
    account: str = ""


@dataclass(slots=True)
class Report:
    """What became of a file."""

    rows: int = 0
    entered: int = 0
    known: int = 0
    """Rows that were entered before."""
    undated: int = 0
    """Rows without a time; a grant among them never wins over a revocation."""
    faults: list[RowFault] = field(default_factory=list)
    changed: int = 0
    """People and purposes that stand otherwise now."""


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    phone: str = field(repr=False)
    raw_phone: str = field(repr=False)
    email: str = field(repr=False)
    record: Key | None
    entry: Entry


def take(
    notary: Notary,
    file: IO[bytes],
    defaults: Defaults,
    at: datetime,
    *,
    skip_faulty: bool = False,
    progress: Callable[[int], object] = lambda _rows: None,
) -> Report:
    """Enter a CSV file; with faults in it nothing is entered, unless they are to be skipped.

    ``progress`` is told how many rows have been entered. Raises ConfigurationError where it is no such file.
    """
    report = Report()
    with notary.store.read() as tx:
        for batch in _batches(notary, file, defaults, at, report.faults):
            report.rows += len(batch)
            for line, owner in _owners(tx, batch).items():
                if isinstance(owner, RowFault):
                    report.faults.append(replace(owner, line=line))
    if report.faults and not skip_faulty:
        report.faults.sort(key=lambda fault: fault.line)
        return report
    found = {fault.line for fault in report.faults}
    for batch in _batches(notary, file, defaults, at, []):
        good = [row for row in batch if row.line not in found]
        _enter(notary, good, at, report)
        progress(len(good))
    report.faults.sort(key=lambda fault: fault.line)
    return report


def _enter(notary: Notary, rows: Sequence[_Row], at: datetime, report: Report) -> None:
    with notary.store.write() as tx:
        met = notary.people.meet(tx, [_sighting(row, at) for row in rows if row.phone], at)
        changed: Changed = dict(met.changed)
        named = dict(zip((row.line for row in rows if row.phone), met.ids, strict=True))
        owners: dict[int, ContactId | RowFault | None] = {
            **named,
            **_owners(tx, [row for row in rows if not row.phone]),
        }
        told = []
        for row in rows:
            owner = owners.get(row.line)
            if isinstance(owner, RowFault) or owner is None:  # it was there a moment ago
                report.faults.append(owner or RowFault(row.line, "", "nobody is known by this any more"))
                continue
            told.append((_key(row, owner), replace(row.entry, contact_id=owner)))
        changed |= ledger.enter(tx, told, at)
        entered = len(consents.entries(tx, [entry.id for _, entry in told]))
        notary.share(tx, changed, at)
    report.entered += entered
    report.known += len(told) - entered
    report.undated += sum(not entry.dated for _, entry in told)
    report.changed += len(changed)


def _sighting(row: _Row, at: datetime) -> Sighting:
    phone = Key(KeyKind.PHONE, row.phone)
    keys = (phone, row.record) if row.record else (phone,)
    return Sighting(keys=keys, raw_phone=row.raw_phone, email=row.email, seen_at=at)


def _key(row: _Row, owner: ContactId) -> str:
    told = row.entry
    when = told.occurred_at.isoformat() if told.dated else ""
    text = "\0".join((told.purpose, told.state, when, told.place, told.wording, told.wording_version))
    return f"import:{owner}:{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:32]}"


def _owners(tx: Transaction, rows: Sequence[_Row]) -> dict[int, ContactId | RowFault]:
    """Return whose the rows without a phone are, by line."""
    mute = [row for row in rows if not row.phone]
    by_record = people.find(tx, [row.record for row in mute if row.record])
    by_email = consents.by_email(tx, [row.email for row in mute if row.email]) if mute else {}
    found: dict[int, ContactId | RowFault] = {}
    for row in mute:
        if row.record is not None:
            words = "no person with this record is known here; add a phone column"
            found[row.line] = by_record.get(row.record) or RowFault(row.line, "record", words)
            continue
        owners = by_email.get(row.email.casefold(), [])
        if len(owners) == 1:
            found[row.line] = owners[0]
        else:
            words = "several people share this address" if owners else "no person with this address is known here"
            found[row.line] = RowFault(row.line, "email", f"{words}; add a phone column")
    return found


def _batches(
    notary: Notary, file: IO[bytes], defaults: Defaults, at: datetime, faults: list[RowFault]
) -> Iterator[list[_Row]]:
    rows = _rows(notary, file, defaults, at, faults)
    while batch := list(islice(rows, BATCH)):
        yield batch


def _rows(notary: Notary, file: IO[bytes], defaults: Defaults, at: datetime, faults: list[RowFault]) -> Iterator[_Row]:
    file.seek(0)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        header = text.readline(4096)
        delimiter = max(",;\t", key=header.count)
        names = [name.strip().casefold() for name in next(csv.reader([header], delimiter=delimiter), [])]
        _check_header(names)
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        while (cells := next(reader, None)) is not None:
            line = reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(names):
                faults.append(RowFault(line, "", f"more cells than columns; put texts with {delimiter!r} in quotes"))
                continue
            reading = _Reading(notary.accounts, defaults, dict(zip(names, map(_plain, cells), strict=False)), line, at)
            row = reading.row()
            faults += reading.faults
            if row is not None:
                yield row
    except UnicodeDecodeError:
        raise ConfigurationError(f"{defaults.name} is not UTF-8 text; save it as CSV UTF-8.") from None
    except csv.Error as error:
        raise ConfigurationError(f"{defaults.name} is no CSV from line {reader.line_num + 1} on: {error}.") from None
    finally:
        text.detach()


def _check_header(names: Sequence[str]) -> None:
    strange = [name for name in names if name not in COLUMNS + FIELDS]
    if strange or not {"phone", "email", "record"} & set(names) or len(set(names)) != len(names):
        words = f"The first line must name the columns, each once, out of {', '.join(COLUMNS)}"
        fault = f"; {strange[0][:40]!r} is none of them" if strange else ""
        raise ConfigurationError(f"{words}{fault}. Of phone, email and record it needs one.")


class _Reading:
    """One row, as far as it can be read; ``faults`` says what cannot."""

    def __init__(
        self, accounts: Mapping[str, AccountId], defaults: Defaults, cells: Mapping[str, str], line: int, at: datetime
    ) -> None:
        self._accounts = accounts
        self._defaults = defaults
        self._cells = cells
        self._line = line
        self._at = at
        self.faults: list[RowFault] = []

    def row(self) -> _Row | None:
        """Return the row, or None where it has faults."""
        phone, record, email = self._phone(), self._record(), self._cell("email")
        if not self.faults and not (phone or record or email):
            self._fault("", "nobody is named: fill in phone, email or record")
        if email and "@" not in email:
            self._fault("email", "this is no e-mail address")
        purpose, state, place = self._purpose(), self._state(), self._cell("place", self._cell("source"))
        place = place or self._defaults.place
        if state is ConsentState.GRANTED and not place:
            self._fault("place", "a grant needs where and how it was collected; fill it in, or say --place for all")
        moment = self._moment(state)
        if self.faults or purpose is None or state is None:
            return None
        entry = Entry(
            id=new_id(), contact_id=ContactId(""), purpose=purpose, state=state, source=Source.IMPORT, place=place,
            account_id=record.account_id if record else None, record=record.value if record else "",
            wording=self._cell("wording"), wording_version=self._cell("wording_version"),
            evidence=f"file {self._defaults.name} line {self._line}", actor=self._defaults.actor,
            dated=moment is not None, occurred_at=moment or self._at, learned_at=self._at,
        )  # fmt: skip
        return _Row(self._line, phone, self._cell("phone"), email, record, entry)

    def _cell(self, name: str, default: str = "") -> str:
        return self._cells.get(name, "").strip() or default

    def _fault(self, column: str, words: str) -> None:
        self.faults.append(RowFault(self._line, column, words))

    def _phone(self) -> str:
        given = self._cell("phone")
        found = read_phone(given) if given else ""
        if found is None:
            self._fault("phone", "this is no valid number; write it with its country code, such as +49 151 23456789")
        return found or ""

    def _record(self) -> Key | None:
        given = self._cell("record")
        if not given:
            return None
        name = self._cell("account", self._defaults.account)
        if not RECORD.fullmatch(given):
            self._fault("record", "write it as customer:5521 or Contact:003000000000001AAA")
        elif name not in self._accounts:
            self._fault("account", "name the account whose record it is, in a column or by --account")
        else:
            return Key(KeyKind.RECORD, given, self._accounts[name])
        return None

    def _purpose(self) -> Purpose | None:
        given = self._cell("purpose", self._defaults.purpose).casefold()
        if given in tuple(Purpose):
            return Purpose(given)
        self._fault("purpose", f"write {', '.join(Purpose)}, or say --purpose for all")
        return None

    def _state(self) -> ConsentState | None:
        state = _STATES.get(self._cell("state").casefold())
        if state is None:
            self._fault("state", f"write {', '.join(_STATES)}; leave out people who said nothing")
        return state

    def _moment(self, state: ConsentState | None) -> datetime | None:
        given = self._cell("at")
        if not given:
            return None
        moment = parse_time(given)
        if moment is None and re.fullmatch(r"\d{4}-\d\d-\d\d", given):
            moment = self._day(given, state)
        if moment is None:
            self._fault("at", "write a date, or a time with its offset: 2026-05-03T14:30:00+02:00")
        elif not FIRST <= moment <= self._at + SKEW:
            self._fault("at", "this is in the future" if moment > self._at else "this is before there was WhatsApp")
        return moment

    def _day(self, given: str, state: ConsentState | None) -> datetime | None:
        """Read a day: a revocation was at the end of it, all else at its beginning, to be on the safe side."""
        try:
            day = date.fromisoformat(given)
        except ValueError:
            return None
        begins = datetime.combine(day, time.min, UTC)
        ends = datetime.combine(day, time.max, UTC)
        return min(ends, max(begins, self._at)) if state is ConsentState.REVOKED else begins


def _plain(cell: str) -> str:
    """Take off what :func:`_guard` puts on."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def _guard(cell: str) -> str:
    """Keep a spreadsheet from taking what people wrote for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def export(store: Store, accounts: Mapping[str, AccountId]) -> Iterator[dict[str, object]]:
    """Yield every entry of the ledger in the order in which it was written, with whom it is about."""
    names = {id_: name for name, id_ in accounts.items()}
    with store.read() as tx:
        for page in consents.pages(tx):
            contacts = people.load(tx, {entry.contact_id for entry in page})
            merged = {item.merged_into for item in contacts.values() if item.merged_into}
            contacts |= {id_: found for id_, found in people.load(tx, merged).items() if id_ not in contacts}
            for entry in page:
                person = contacts.get(entry.contact_id)
                if person is not None and person.merged_into:
                    person = contacts.get(person.merged_into)
                told = (
                    person.id if person else entry.contact_id, person.phone if person else "",
                    person.email if person else "", entry.purpose.value, entry.state.value,
                    entry.occurred_at.isoformat(), entry.place, entry.wording, entry.wording_version,
                    entry.source.value, names.get(entry.account_id or AccountId(""), entry.account_id or ""),
                    entry.record, entry.evidence, entry.actor, entry.dated, entry.learned_at.isoformat(), entry.id,
                )  # fmt: skip
                yield dict(zip(FIELDS, told, strict=True))


def as_csv(rows: Iterator[dict[str, object]]) -> Iterator[str]:
    """Yield an export as lines of CSV, header first."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for cells in _tabulated(rows):
        writer.writerow(cells)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def as_json_lines(rows: Iterator[dict[str, object]]) -> Iterator[str]:
    """Yield an export as lines of JSON."""
    for row in rows:
        yield json.dumps(row, ensure_ascii=False) + "\n"


def _tabulated(rows: Iterator[dict[str, object]]) -> Iterator[list[str]]:
    yield list(FIELDS)
    for row in rows:
        yield [
            str(value).lower() if isinstance(value, bool) else str(value) if name == "phone" else _guard(str(value))
            for name, value in row.items()
        ]
