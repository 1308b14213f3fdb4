"""The audit log as a page: what it shows, how it is narrowed down, and how it is taken away."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pytest
import time_machine
from flask.testing import FlaskClient

from connector.flow import audit as flow
from connector.model import now
from connector.store import audit
from connector.web.console.audit import BATCH, PAGE, safe_cell
from tests.web.console.room import Room


def table(client: FlaskClient, query: str) -> str:
    """The rows of the table: what may be asked for stands around it in any case."""
    return client.get(f"/audit?{query}").text.partition("<tbody>")[2]


def test_what_was_done_is_shown_the_newest_first(room: Room) -> None:
    owner = room.client()
    flow.record(room.store, "command", "command line", "mapping.published", "shopify/order_paid", "a <b>note</b>")
    text = table(owner, "")
    assert text.index("<code>mapping.published") < text.index("<code>user.signed_in")
    assert 'href="/mappings/shopify/order_paid"' in text
    assert "a &lt;b&gt;note&lt;/b&gt;" in text


def test_it_is_narrowed_down_by_who_what_on_what_and_when(room: Room) -> None:
    with time_machine.travel(now(), tick=False) as clock:  # on one day
        owner = room.client()
        flow.record(room.store, "command", "command line", "account.added", "main-store")
        flow.record(room.store, "command", "command line", "mapping.saved", "order_paid")
        clock.shift(-timedelta(days=40))
        flow.record(room.store, "command", "command line", "mapping.saved", "of_long_ago")
        clock.shift(timedelta(days=40))
        for query, shown, hidden in (
            ("actor=command", "main-store", "user.signed_in</code>"),
            ("action=mapping.", "order_paid", "main-store"),
            ("object=main-store", "account.added</code>", "order_paid"),
            (f"since={now():%Y-%m-%d}", "order_paid", "of_long_ago"),
            (f"until={(now() - timedelta(days=30)):%Y-%m-%d}", "of_long_ago", "order_paid"),
        ):
            text = table(owner, query)
            assert shown in text, query
            assert hidden not in text, query
        assert "Nothing is like this" in owner.get("/audit?object=nothing").text


@pytest.mark.parametrize(
    "query",
    ["since=x", "until=9999-99-99", "since=0001-01-01", "before=x", "before=" + "z" * 26, "actor=%00", "action=%25"],
)
def test_what_makes_no_sense_is_passed_over(room: Room, query: str) -> None:
    assert room.client().get(f"/audit?{query}").status_code == 200
    assert room.client().get(f"/audit/export?{query}").status_code == 200


def test_older_entries_are_on_the_next_page(room: Room) -> None:
    owner = room.client()
    for number in range(PAGE + 5):
        flow.record(room.store, "system", "system", "thing.done", f"n{number:04}")
    text = owner.get("/audit?action=thing.").text
    assert "n0104" in text
    assert "n0004" not in text
    older = text.partition('">Older</a>')[0].rpartition('href="')[2].replace("&amp;", "&")
    assert "n0004" in owner.get(older).text


def test_it_is_exported_whole_and_the_export_is_entered(room: Room) -> None:
    owner = room.client()
    with room.store.write() as tx:
        for number in range(BATCH + 3):
            audit.add(
                tx, audit.Entry(at=now(), actor="system", actor_name="us", action="thing.done", object=f"{number}")
            )
    answer = owner.get("/audit/export?action=thing.")
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="audit-')
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert {row["object"] for row in rows} == {str(number) for number in range(BATCH + 3)}
    lines = owner.get("/audit/export?format=jsonl&action=thing.").text.splitlines()
    assert len(lines) == BATCH + 3
    assert json.loads(lines[0])["actor"] == "system"
    with room.store.read() as tx:
        told = audit.listing(tx, action="audit.exported")
    assert [each.words for each in told] == ["jsonl", "csv"]


@pytest.mark.parametrize("evil", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://evil.example")'])
def test_no_cell_is_a_formula(room: Room, evil: str) -> None:
    flow.record(room.store, "system", evil, "thing.done", evil, evil)
    (row,) = csv.DictReader(io.StringIO(room.client().get("/audit/export?action=thing.").text, newline=""))
    assert row["object"] == row["words"] == row["actor_name"] == f"'{evil}"
    assert safe_cell("plain") == "plain"


@pytest.mark.parametrize("role", ["admin", "editor", "viewer"])
def test_nobody_but_an_owner_reads_it(room: Room, role: str) -> None:
    client = room.client(role)
    for path in ("/audit", "/audit/export", "/team"):
        assert client.get(path).status_code == 403
    assert "Audit log" not in client.get("/me").text
