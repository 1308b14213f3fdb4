"""There is one way out to people, and the gate stands in it."""

from __future__ import annotations

import re

from tests.house.tree import modules, shown


def places(pattern: str) -> set[str]:
    """Return the modules of the core in which something is said, the sandbox and the contract suite apart."""
    found = [path for path in modules("connector") if re.search(pattern, path.read_text())]
    return {shown(path) for path in found if not {"sandbox", "testing"} & set(path.parts)}


def test_only_the_gate_clears_a_message_and_only_the_drain_sends_one() -> None:
    assert places(r"(?<!class )\bCleared\(") == {"connector/flow/gate.py"}
    assert places(r"\boutbox\.begin\(") == {"connector/flow/deliver.py"}
    assert places(r"channel\.send\(") == {"connector/flow/deliver.py"}
    assert places(r"\bgate\.clear\(") == {"connector/flow/deliver.py"}
