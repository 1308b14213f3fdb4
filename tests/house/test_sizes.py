"""Modules and functions that a person can hold in mind."""

from __future__ import annotations

import ast

from tests.house.tree import ROOT, modules, parsed, shown

MODULE = 400
ADAPTER_FILE = 250
FUNCTION = 40

ALLOWED: dict[str, str] = {}
"""``path:function`` -> why it may be longer."""


def test_no_module_is_too_long() -> None:
    lengths = {
        path: len(path.read_text().splitlines()) for path in [*modules("connector", "adapters"), ROOT / "wsgi.py"]
    }
    long = [
        f"{shown(path)}: {length} lines"
        for path, length in lengths.items()
        if length > (ADAPTER_FILE if path.is_relative_to(ROOT / "adapters") else MODULE)
    ]
    assert long == [], "would a reader find their rooms in it?"


def test_no_function_is_too_long() -> None:
    long = {
        f"{shown(path)}:{node.name}": size(node)
        for path in modules("connector", "adapters")
        if "versions" not in path.parts  # a migration is a list, and final
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and size(node) > FUNCTION
    }
    assert {place: lines for place, lines in long.items() if place not in ALLOWED} == {}
    assert sorted(ALLOWED) == sorted(place for place in long if place in ALLOWED), "no longer needed"


def size(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function, its docstring left out."""
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node) is not None and first.end_lineno:
        lines -= first.end_lineno - first.lineno + 1
    return lines
