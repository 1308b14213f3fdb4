"""No code path leads past the last gate."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from tests.house.tree import modules, parsed, shown


def calls(wanted: Callable[[ast.expr], bool], *rooms: str) -> Iterator[str]:
    for path in modules(*rooms):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and wanted(node.func):
                yield shown(path)


def named(function: ast.expr, name: str) -> bool:
    return getattr(function, "id", "") == name or getattr(function, "attr", "") == name


def test_only_the_gate_clears_a_message() -> None:
    assert set(calls(lambda function: named(function, "Cleared"), "connector", "adapters")) == {
        "connector/flow/gate.py"
    }, "docs/decisions/0008-one-gate.md"


def test_only_cleared_messages_are_begun() -> None:
    found = set(calls(lambda function: ast.unparse(function) == "outbox.begin", "connector", "adapters"))
    assert found == {"connector/flow/deliver.py"}


def test_only_the_outbox_writes_an_attempt() -> None:
    found = set(calls(lambda function: ast.unparse(function) == "attempt.insert", "connector", "adapters"))
    assert found == {"connector/store/outbox.py"}, "an attempt is begun with Cleared messages alone"


def test_only_the_drain_asks_a_channel_to_send() -> None:
    def sends(function: ast.expr) -> bool:
        return isinstance(function, ast.Attribute) and function.attr == "send"

    found = set(calls(sends, "connector", "adapters"))
    aside = ("connector/sandbox/", "connector/testing/", "connector/http.py")  # they reach no person
    assert {path for path in found if not path.startswith(aside)} == {"connector/flow/deliver.py"}


def test_only_the_ledger_writes_where_people_stand() -> None:
    found = set(calls(lambda function: named(function, "put_standings"), "connector", "adapters"))
    assert found == {"connector/flow/ledger.py"}
    assert set(calls(lambda function: ast.unparse(function) == "consents.add", "connector", "adapters")) == {
        "connector/flow/ledger.py"
    }
