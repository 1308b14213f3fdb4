from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from connector.cli.consent import consent
from connector.model import ContactId
from connector.store import Transaction
from connector.wiring import Wiring
from tests.cli.conftest import without_ids

Run = Any
JANE = "+44 7400 123456"
GRANT = ("--purpose", "marketing", "--place", "form at the till", "--actor", "Ada")


@pytest.fixture(autouse=True)
def shared(wiring: Wiring, monkeypatch: pytest.MonkeyPatch) -> list[set[ContactId]]:
    """Whose changes were to be written back."""
    told: list[set[ContactId]] = []

    def spread(_tx: Transaction, ids: Collection[ContactId], _at: datetime) -> None:
        told.append(set(ids))

    monkeypatch.setattr(wiring, "spread", spread)
    return told


def test_a_grant_is_entered_shown_and_shared(run: Run, shared: list[set[ContactId]]) -> None:
    result = run(consent, "grant", JANE, *GRANT, "--wording", "Yes please")
    assert (result.exit_code, result.stdout) == (0, "✓ Entered. marketing: granted (before: unknown).\n")
    shown = run(consent, "show", JANE).stdout
    assert "✓ marketing: granted. Granted by an admin (form at the till)" in shown
    assert "– utility: unknown. Nothing is recorded that grants or revokes utility." in shown
    assert re.search(r"marketing +granted +admin +form at the till +command line", shown)
    assert len(shared) == 1
    told = json.loads(run(consent, "show", JANE, "--json").stdout)
    assert shared == [{told["contact"]}]
    assert told["entries"][0]["actor"] == "Ada"
    assert "7400" not in without_ids(shown)


def test_a_revocation_holds_for_every_purpose_unless_one_is_named(run: Run) -> None:
    result = run(consent, "revoke", JANE, "--actor", "Ada")
    assert result.stdout.count("revoked (before: unknown)") == 3
    run(consent, "revoke", "+49 151 23456789", "--purpose", "utility")
    told = json.loads(run(consent, "show", "+49 151 23456789", "--json").stdout)
    assert {name: each["state"] for name, each in told["standings"].items()} == {
        "marketing": "unknown", "utility": "revoked", "authentication": "unknown",
    }  # fmt: skip


def test_a_grant_older_than_the_revocation_is_entered_but_does_not_decide(run: Run) -> None:
    run(consent, "revoke", JANE)
    result = run(consent, "grant", JANE, *GRANT, "--at", "2026-01-03T14:30:00+02:00")
    assert "✓ Entered. marketing: revoked.\n  It does not decide: Revoked by an admin" in result.stdout
    told = json.loads(run(consent, "grant", JANE, *GRANT, "--at", "2026-01-03T14:30:00Z", "--json").stdout)
    assert told["after"]["state"] == "revoked"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("grant", "Jane", *GRANT), "This means nobody: give a phone number with its country code"),
        (("grant", "jane@example.org", *GRANT), "Nobody is known by this; a person who is new"),
        (("grant", JANE, *GRANT, "--at", "yesterday"), "write a time with its offset"),
        (("grant", JANE, *GRANT, "--at", "2999-01-01T00:00:00Z"), "in the future"),
        (("grant", JANE, "--purpose", "marketing"), "Missing option '--place'"),
        (("grant", JANE, "--purpose", "marketing", "--place", " "), "A grant needs its source"),
        (("grant", JANE, "--purpose", "ads", "--place", "x"), "'ads' is not one of"),
        (("show", "Contact:1", "--account", "nowhere"), "There is no account named 'nowhere'"),
    ],
)
def test_what_is_not_clear_is_refused_with_the_fix(run: Run, args: tuple[str, ...], words: str) -> None:
    result = run(consent, *args)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "7400" not in result.stderr


def test_nobody_has_no_proof(run: Run) -> None:
    for command in ("show", "proof"):
        result = run(consent, command, JANE)
        assert (result.exit_code, result.stderr) == (1, "Error: Nobody is known by this.\n")


def test_a_faulty_file_is_reported_line_by_line_and_enters_nothing(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "optins.csv"
    file.write_text("phone,state\n+447400123456,granted\n07400 123456,granted\n+4915123456789,yes\n")
    args = ("import", str(file), "--purpose", "marketing", "--place", "form")
    result = run(consent, *args)
    assert result.exit_code == 2
    assert "Error: line 3: phone: this is no valid number" in result.stderr
    assert "Error: line 4: state: write granted, pending, revoked" in result.stderr
    assert "Nothing was entered." in result.stdout
    result = run(consent, *args, "--skip-faulty")
    assert result.exit_code == 1
    assert "✓ 1 entered, 0 known already, 1 standings changed." in result.stdout
    told = json.loads(run(consent, *args, "--skip-faulty", "--json").stdout)
    assert (told["entered"], told["known"], [fault["line"] for fault in told["faults"]]) == (0, 1, [3, 4])


def test_the_ledger_is_exported_to_a_file_that_only_its_owner_reads(run: Run, tmp_path: Path) -> None:
    run(consent, "grant", JANE, *GRANT)
    rows = list(csv.DictReader(io.StringIO(run(consent, "export").stdout)))
    assert [(row["phone"], row["state"], row["place"]) for row in rows] == [
        ("+447400123456", "granted", "form at the till")
    ]
    out = tmp_path / "consent.jsonl"
    result = run(consent, "export", "--format", "jsonl", "--out", str(out))
    assert "✓ 1 entries are in" in result.stdout
    assert json.loads(out.read_text())["phone"] == "+447400123456"
    assert out.stat().st_mode & 0o777 == 0o600
    assert run(consent, "export", "--out", str(tmp_path / "no" / "where")).exit_code == 2


class Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_proof_is_one_page_that_runs_nothing_and_loads_nothing(run: Run, tmp_path: Path) -> None:
    evil = '<script>alert(1)</script>" onload="x'
    run(consent, "grant", JANE, "--purpose", "marketing", "--place", evil, "--wording", f"{evil} שלום", "--actor", evil)
    out = tmp_path / "proof.html"
    assert "✓ The proof is in" in run(consent, "proof", JANE, "--out", str(out), "--actor", "Ada").stdout
    page = Page(out.read_text(encoding="utf-8"))
    assert "Content-Security-Policy" in out.read_text(encoding="utf-8")
    assert not {"script", "link", "img", "iframe", "form", "a"} & set(page.tags)
    assert not {name for name in page.attributes if name.startswith("on") or name in ("src", "href")}
    assert page.text.count(evil) >= 3
    assert "url(" not in page.text
    assert out.stat().st_mode & 0o777 == 0o600
    for words in ("+447400123456", "by Ada", "+00:00", "A revocation wins over everything", "decides"):
        assert words in page.text


def test_the_proof_tells_programs_the_same(run: Run, tmp_path: Path) -> None:
    run(consent, "grant", JANE, *GRANT)
    told = json.loads(run(consent, "proof", JANE, "--json").stdout)
    assert told["contact"]["phone"] == "+447400123456"
    assert told["standings"]["marketing"]["entry"] == told["entries"][0]["entry"]
    assert told["entries"][0]["occurred_at"].endswith("+00:00")
    out = tmp_path / "proof.json"
    run(consent, "proof", JANE, "--json", "--out", str(out))
    assert json.loads(out.read_text())["entries"] == told["entries"]


def test_every_command_has_an_example(run: Run) -> None:
    for name in consent.commands:
        assert re.search(r"Examples?:\n", run(consent, name, "--help").stdout), name
