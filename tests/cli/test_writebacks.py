from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from connector.cli.writeback import writebacks
from connector.flow.writeback import Want, want
from connector.model import Json, now
from connector.store import accounts, restraint, wanted
from connector.store.restraint import Restraint
from connector.store.wanted import Place
from connector.wiring import Wiring

Run = Any


@pytest.fixture(autouse=True)
def _still() -> Iterator[None]:
    """Stop the clock: no second passes between what is put and what is told of it."""
    with time_machine.travel(datetime(2026, 11, 23, 12, tzinfo=UTC), tick=False):
        yield


@pytest.fixture
def put(wiring: Wiring, _shop: None) -> Any:
    """Let the account ``main`` have wishes; those given words were refused."""
    with wiring.store.read() as tx:
        account = accounts.get_by_name(tx, "main")
    assert account is not None

    def put_(record: str, value: Json, *, item: str = "", words: str = "", code: str = "") -> None:
        place = Place(account.id, "customer", record, "tags" if item else "status", item)
        with wiring.store.write() as tx:
            want(tx, [Want(**place._asdict(), value=value)], now())
            row = wanted.load(tx, [place])[0]
            if words:
                row.state, row.words, row.code, row.tries = "failed", words, code, 2
            wanted.save(tx, [row])

    return put_


def test_what_was_refused_is_listed_first_with_its_words(run: Run, put: Any) -> None:
    put("1", "Opted in")
    put("2", True, item="vip", words="No such picklist value. Call +447400123456.", code="BAD_VALUE")
    told = run(writebacks, "list").stdout
    lines = told.splitlines()
    assert "customer:2" in lines[1]
    assert "+vip" in lines[1]
    assert "refused" in lines[1]
    assert "No such picklist value." in lines[1]
    assert "7400123456" not in told
    assert "customer:1" in lines[2]
    assert "in 5 s" in lines[2]
    assert "main: 1 refused, 1 waiting" in told
    assert "Next: correct what the words say, then connector writebacks retry" in told
    assert "customer:1" not in run(writebacks, "list", "main", "--failed").stdout


def test_a_program_can_read_the_list(run: Run, put: Any) -> None:
    put("1", "Opted in", words="Refused.", code="BAD_VALUE")
    (row,) = json.loads(run(writebacks, "list", "--json").stdout)
    assert row["account"] == "main"
    assert (row["object"], row["record_id"], row["field"], row["value"]) == ("customer", "1", "status", "Opted in")
    assert (row["state"], row["code"], row["words"]) == ("failed", "BAD_VALUE", "Refused.")


def test_what_was_refused_is_tried_again_when_asked(run: Run, put: Any) -> None:
    put("1", "Opted in", words="Refused.", code="BAD_VALUE")
    put("2", "Opted in", words="Refused.", code="OTHER")
    assert "✓ 1 is tried again." in run(writebacks, "retry", "main", "--code", "OTHER").stdout
    assert "main: 1 refused, 1 waiting" in run(writebacks, "list").stdout
    assert "✓ 1 is tried again." in run(writebacks, "retry").stdout
    assert "Nothing had been refused." in run(writebacks, "retry").stdout


def test_an_account_that_holds_back_says_why(run: Run, put: Any, wiring: Wiring) -> None:
    put("1", "Opted in")
    with wiring.store.write() as tx:
        account = accounts.get_by_name(tx, "main")
        assert account is not None
        restraint.put(tx, account.id, Restraint(until=now() + timedelta(hours=1), failures=1, words="Quota used up."))
    told = run(writebacks, "list").stdout
    assert "main is not asked again before" in told
    assert "(in 60 min): Quota used up." in told
    run(writebacks, "retry")
    assert "not asked again" not in run(writebacks, "list").stdout


def test_nothing_to_write_is_said(run: Run) -> None:
    assert run(writebacks, "list").stdout == "Nothing waits to be written.\n"
    assert run(writebacks, "list", "--failed").stdout == "Nothing was refused.\n"


def test_an_unknown_account_is_told(run: Run) -> None:
    result = run(writebacks, "list", "nobody")
    assert result.exit_code == 2
    assert "nobody" in result.stderr
