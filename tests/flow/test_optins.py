from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.errors import ConfigurationError
from connector.flow import optins
from connector.flow.admit import Notary, Statement, read_phone, whose
from connector.flow.optins import Defaults, Report, take
from connector.flow.people import People
from connector.flow.proof import prove, shape
from connector.model import AccountId, ConsentState, ContactId, Key, KeyKind, Purpose, Sighting, Source
from connector.store import Store, Transaction, consents, people

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
MARKETING = Purpose.MARKETING
GRANTED, REVOKED = ConsentState.GRANTED, ConsentState.REVOKED
JANE, BEN = "+447400123456", "+4915123456789"
CRM = AccountId("acc-crm")
DEFAULTS = Defaults(actor="Ada", name="optins.csv", purpose="marketing", place="Newsletter form")


class Records:
    """Notes for whom something is to be written back."""

    def __init__(self) -> None:
        self.told: list[set[ContactId]] = []

    def __call__(self, _tx: Transaction, ids: Collection[ContactId], _at: datetime) -> None:
        self.told.append(set(ids))


@pytest.fixture
def spread() -> Records:
    return Records()


@pytest.fixture
def notary(store: Store, spread: Records) -> Notary:
    return make(store, spread)


def make(store: Store, spread: Records) -> Notary:
    return Notary(store, People(lambda text: hashlib.sha256(text.encode()).hexdigest()), {"crm": CRM}, spread)


def enter(notary: Notary, text: str, **more: Any) -> Report:
    return take(notary, io.BytesIO(text.encode()), more.pop("defaults", DEFAULTS), NOW, **more)


def stands(notary: Notary, who: str, purpose: Purpose = MARKETING) -> ConsentState | None:
    with notary.store.read() as tx:
        id_ = whose(tx, who, notary.accounts)
        assert id_ is not None
        found = consents.standings(tx, [id_]).get((id_, purpose))
    return found.state if found else None


def faults(report: Report) -> list[str]:
    return [str(fault) for fault in report.faults]


def meet(notary: Notary, *keys: Key, email: str = "") -> ContactId:
    with notary.store.write() as tx:
        return notary.people.resolve(tx, [Sighting(keys=keys, email=email, seen_at=NOW)], NOW)[0]


def test_people_are_entered_with_their_evidence(notary: Notary, spread: Records) -> None:
    report = enter(
        notary,
        "phone,state,at,place,wording\n"
        '+44 7400 123456,granted,2026-05-03T10:00:00+02:00,Fair,"Yes, ""offers""\nplease"\n'
        "\n"
        "0049 151 23456789,revoked,2026-05-04,,\n",
    )
    assert (report.rows, report.entered, report.known, report.changed, report.faults) == (2, 2, 0, 2, [])
    assert (stands(notary, JANE), stands(notary, BEN)) == (GRANTED, REVOKED)
    with notary.store.read() as tx:
        jane = whose(tx, JANE, {})
        assert jane is not None
        told = consents.of(tx, [jane])[0]
        assert people.load(tx, [jane])[jane].raw_phone == "+44 7400 123456"
    assert (told.source, told.place, told.wording) == (Source.IMPORT, "Fair", 'Yes, "offers"\nplease')
    assert (told.actor, told.occurred_at) == ("Ada", datetime(2026, 5, 3, 8, tzinfo=UTC))
    assert told.evidence.startswith("file optins.csv line ")
    assert [len(ids) for ids in spread.told] == [2]


def test_the_same_file_is_entered_once(notary: Notary, spread: Records) -> None:
    text = f"phone,state,at\n{JANE},granted,2026-05-03\n{JANE},granted,2026-05-03\n{BEN},granted,\n"
    report = enter(notary, text)
    assert (report.entered, report.known, report.undated) == (2, 1, 1)
    again = enter(notary, text)
    assert (again.entered, again.known, again.changed) == (0, 3, 0)
    assert len(spread.told) == 1


def test_a_newer_revocation_outlives_an_old_file(notary: Notary) -> None:
    enter(notary, f"phone,state,at\n{JANE},revoked,2026-05-20T08:00:00Z\n{BEN},revoked,2026-05-20\n")
    enter(notary, f"phone,state,at\n{JANE},granted,2026-05-03\n{BEN},granted,\n")
    assert (stands(notary, JANE), stands(notary, BEN)) == (REVOKED, REVOKED)


def test_a_day_is_read_to_be_on_the_safe_side(notary: Notary) -> None:
    enter(notary, f"phone,state,at\n{JANE},granted,2026-05-03\n{JANE},revoked,2026-05-03\n")
    assert stands(notary, JANE) is REVOKED


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("07400 123456,,,granted,2026-05-03", "phone: this is no valid number; write it with its country code"),
        ("+4474001234567890,,,granted,", "phone: this is no valid number"),
        (",,,granted,2026-05-03", "nobody is named: fill in phone, email or record"),
        (",nobody@example.org,,granted,", "email: no person with this address is known here; add a phone column"),
        (",nobody,,granted,", "email: this is no e-mail address"),
        (",,customer:9,granted,", "record: no person with this record is known here; add a phone column"),
        (",,customer 9,granted,", "record: write it as customer:5521"),
        (f"{JANE},,,yes,", "state: write granted, pending, revoked; leave out people who said nothing"),
        (f"{JANE},,,granted,03.05.2026", "at: write a date, or a time with its offset"),
        (f"{JANE},,,granted,2026-05-03T10:00:00", "at: write a date, or a time with its offset"),
        (f"{JANE},,,granted,2026-02-30", "at: write a date, or a time with its offset"),
        (f"{JANE},,,granted,2027-01-01", "at: this is in the future"),
        (f"{JANE},,,granted,20260503", "at: this is before there was WhatsApp"),
        (f"{JANE},,,granted,,too,many", "more cells than columns"),
    ],
)
def test_a_file_with_a_fault_enters_nothing_and_names_line_and_fix(notary: Notary, row: str, words: str) -> None:
    defaults = Defaults(actor="Ada", name="x.csv", purpose="marketing", place="Form", account="crm")
    text = f"phone,email,record,state,at\n{BEN},,,granted,2026-05-03\n{row}\n"
    report = enter(notary, text, defaults=defaults)
    assert (report.entered, len(report.faults)) == (0, 1)
    assert f"line 3: {words}" in faults(report)[0]
    assert "7400" not in faults(report)[0]
    with notary.store.read() as tx:
        assert whose(tx, BEN, {}) is None


def test_the_good_rows_of_a_faulty_file_are_entered_on_request(notary: Notary) -> None:
    text = f"phone,email,state\n{BEN},,granted\n123,,granted\n,nobody@example.org,revoked\n{JANE},,revoked\n"
    report = enter(notary, text, skip_faulty=True)
    assert (report.entered, [fault.line for fault in report.faults]) == (2, [3, 4])
    assert (stands(notary, BEN), stands(notary, JANE)) == (GRANTED, REVOKED)


def test_all_faults_of_a_row_are_told_at_once(notary: Notary) -> None:
    report = enter(notary, "phone,purpose,state,at\n1,ads,maybe,soon\n", defaults=Defaults(actor="Ada", name="x.csv"))
    assert [fault.column for fault in report.faults] == ["phone", "purpose", "state", "at"]


def test_a_grant_needs_its_source_also_in_a_file(notary: Notary) -> None:
    bare = Defaults(actor="Ada", name="x.csv", purpose="marketing")
    assert (
        "line 2: place: a grant needs where and how"
        in faults(enter(notary, f"phone,state\n{JANE},granted\n", defaults=bare))[0]
    )
    assert enter(notary, f"phone,state\n{JANE},revoked\n", defaults=bare).entered == 1
    assert enter(notary, f"phone,state,source\n{JANE},granted,Till\n", defaults=bare).entered == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "The first line must name the columns"),
        (b"state,at\n", "Of phone, email and record it needs one"),
        (b"phone,colour\n", "'colour' is none of them"),
        (b"phone,phone\n", "each once"),
        ("phone,state\n+447400123456,granted,Bücher\n".encode("latin-1"), "x.csv is not UTF-8 text"),
        (b'phone,state\n+447400123456,"granted\n', "x.csv is no CSV from line"),
        (b"\xff\xfep\0h\0", "x.csv is not UTF-8 text"),
    ],
)
def test_what_is_no_such_file_is_refused(notary: Notary, body: bytes, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        take(notary, io.BytesIO(body), Defaults(actor="Ada", name="x.csv"), NOW)


def test_spreadsheets_separate_by_semicolons_and_begin_with_a_mark(notary: Notary) -> None:
    assert enter(notary, f"\ufeffPhone;State;Wording\r\n{JANE};Granted;yes, please\r\n").entered == 1


def test_records_and_addresses_lead_to_people_who_are_known(notary: Notary) -> None:
    jane = meet(notary, Key(KeyKind.PHONE, JANE), Key(KeyKind.RECORD, "customer:1", CRM), email="Jane@example.org")
    text = "record,email,account,purpose,state\ncustomer:1,,crm,,granted\n,JANE@example.org,,utility,granted\n"
    assert enter(notary, text).entered == 2
    with notary.store.read() as tx:
        assert set(consents.standings(tx, [jane])) == {(jane, MARKETING), (jane, Purpose.UTILITY)}
    meet(notary, Key(KeyKind.PHONE, BEN), email="jane@example.org")
    assert "several people share this address" in faults(enter(notary, text))[0]


def test_a_record_beside_a_phone_becomes_that_persons(notary: Notary) -> None:
    enter(notary, f"phone,record,account,state\n{JANE},customer:1,crm,granted\n")
    assert stands(notary, "customer:1") is GRANTED


def test_large_files_are_entered_in_batches_and_progress_is_told(sqlite_store: Store, spread: Records) -> None:
    notary = make(sqlite_store, spread)
    text = "phone,state\n" + "".join(f"+4915123{number:06}\x2cgranted\n" for number in range(400000, 401200))
    steps: list[int] = []
    report = enter(notary, text, progress=steps.append)
    assert (report.entered, steps) == (1200, [500, 500, 200]), faults(report)[:3]


def test_an_export_says_all_and_can_be_imported_elsewhere(notary: Notary) -> None:
    enter(notary, f'phone,state,at,wording\n{JANE},granted,2026-05-03,"=HYPERLINK(""x"")"\n{BEN},revoked,2026-05-04,\n')
    text = "".join(optins.as_csv(optins.export(notary.store, notary.accounts)))
    rows = {row["phone"]: row for row in csv.DictReader(io.StringIO(text))}
    assert set(rows) == {JANE, BEN}
    assert rows[JANE]["wording"] == '\'=HYPERLINK("x")', "a spreadsheet would take it for a formula"
    assert (rows[BEN]["state"], rows[BEN]["origin"], rows[BEN]["actor"]) == ("revoked", "import", "Ada")
    report = enter(notary, text)
    assert (report.faults, report.rows, report.changed) == ([], 2, 0)
    lines = list(optins.as_json_lines(optins.export(notary.store, notary.accounts)))
    assert all(line.endswith("}\n") for line in lines)


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(
    st.binary(max_size=300)
    | st.text(max_size=300).map(lambda text: f"phone,state,at\n{text}".encode("utf-8", "replace"))
)
def test_no_bytes_break_the_import(sqlite_store: Store, body: bytes) -> None:
    try:
        report = take(make(sqlite_store, Records()), io.BytesIO(body), DEFAULTS, NOW)
    except ConfigurationError:
        return
    assert report.entered == 0 or not report.faults


def said(state: ConsentState = REVOKED, **more: Any) -> Statement:
    given_: dict[str, Any] = {"purpose": MARKETING, "source": Source.ADMIN, "actor": "Ada", "place": "call"}
    return Statement(state=state, **given_ | more)


def test_a_revocation_of_an_unknown_number_is_remembered(notary: Notary, spread: Records) -> None:
    done = notary.admit("+44 7400 123456", [said()], NOW)[0]
    assert (done.entered, done.before.state, done.after.state) == (True, ConsentState.UNKNOWN, REVOKED)
    assert spread.told == [{done.contact_id}]


def test_one_statement_is_entered_once_by_its_key(notary: Notary, spread: Records) -> None:
    assert notary.admit(JANE, [said(key="api:1")], NOW)[0].entered
    again = notary.admit(JANE, [said(GRANTED, key="api:1")], NOW)[0]
    assert (again.entered, again.after.state) == (False, REVOKED)
    assert len(spread.told) == 1


def test_a_person_is_found_by_whatever_is_at_hand(notary: Notary) -> None:
    keys = (
        Key(KeyKind.PHONE, JANE),
        Key(KeyKind.USER_ID, "GB.1349"),
        Key(KeyKind.RECORD, "Contact:003000000000001AAA", CRM),
    )
    jane = meet(notary, *keys, email="jane@example.org")
    with notary.store.read() as tx:
        for who in ("0044 7400 123456", "JANE@example.org", "GB.1349", "Contact:003000000000001AAA", jane):
            assert whose(tx, who, notary.accounts) == jane, who
        assert whose(tx, BEN, {}) is None
        assert whose(tx, "Contact:003000000000001AAA", {}) is None
    for who in ("ben@example.org", "Contact:9", "01m81m2y7r0fjjvfden7manqc5"):
        with pytest.raises(ConfigurationError, match="Nobody is known by this"):
            notary.admit(who, [said()], NOW)
    for who in ("", "Jane", "07400 123456", "=1+1"):
        with pytest.raises(ConfigurationError, match="This means nobody"):
            notary.admit(who, [said()], NOW)


def test_what_cannot_stand_is_refused_before_anything_is_written(notary: Notary) -> None:
    for statement, words in (
        (said(GRANTED, place=" "), "A grant needs its source"),
        (said(ConsentState.UNKNOWN), "unknown says nothing"),
        (said(occurred_at=datetime(2026, 7, 1, tzinfo=UTC)), "in the future"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            notary.admit(JANE, [said(), statement], NOW)
    with notary.store.read() as tx:
        assert whose(tx, JANE, {}) is None


def test_only_valid_numbers_with_their_country_code_are_read() -> None:
    assert read_phone(" (0044) 7400 123456 ") is None
    assert read_phone("+44 (0)7400 123456") == JANE
    assert [read_phone(text) for text in ("", "+", "+1", "+44x", "7400123456", "+" + "4" * 90)] == [None] * 6


def test_the_proof_holds_the_whole_history_of_everyone_who_turned_out_to_be_them(notary: Notary) -> None:
    first = notary.admit(JANE, [said(GRANTED, wording="Yes")], datetime(2026, 5, 1, tzinfo=UTC))[0].contact_id
    other = notary.admit(BEN, [said()], datetime(2026, 5, 2, tzinfo=UTC))[0].contact_id
    with notary.store.write() as tx:
        notary.people.merge(tx, first, other, "an admin said so", NOW)
        proof = prove(tx, first, notary.accounts, NOW, "Ada")
        assert prove(tx, ContactId("nobody"), {}, NOW, "Ada") is None
    assert proof is not None
    told = shape(proof)
    assert [entry["state"] for entry in told["entries"]] == ["granted", "revoked"]
    assert told["standings"]["marketing"]["state"] == "revoked"
    assert told["standings"]["utility"] == {
        "state": "unknown", "since": None, "entry": None,
        "words": "Nothing is recorded that grants or revokes utility.",
    }  # fmt: skip
    assert told["contact"]["merged"][0]["why"] == "an admin said so"
    assert (told["printed_by"], told["printed_at"]) == ("Ada", NOW.isoformat())
