"""Where values stand in a TOML text: whatever the writer's style, each span is the value that TOML itself reads."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from decimal import Decimal
from importlib import resources
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.mapping.toml_patch import Text
from connector.mapping.toml_spans import Node, scan
from connector.mapping.toml_values import MISSING, Prose, render, same

FOLDER = resources.files("mappings")
SHIPPED = [
    file.read_text("utf-8")
    for folder in ("shopify", "salesforce", "policy")
    for file in sorted((FOLDER / folder).iterdir(), key=lambda file: file.name)
    if file.name.endswith(".toml")
]
ODD = r'''
a."b c".'d.e' = 1 # "not a text"
s1 = "with \" and # and ]" # [
s2 = 'C:\path'
s3 = """one "two" ""three\"""" # quotes at the end
s4 = \'\'\'
it's'' fine\'\'\'\'
moment = 1979-05-27 07:32:00Z
numbers = [1, -2.50, 0x1F, 1e3, inf, true] # ]
nested = [ [1, [2]], { x = [ "]", '}' ], y.z = 2 } ,
  # a comment, with a comma ]
]
[ t . "u" ]
v = {}
[[list]]
n = 1
  [list.sub]
  m = 2
[[list]]
[[list.deep]]
k = 3
'''.replace("\\'", "'")


def spans(text: str) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every value with its path and its text, those inside of others too."""
    for section in scan(text):
        for pair in section.pairs:
            yield from _inside(text, pair.path, pair.node)


def _inside(text: str, path: tuple[str | int, ...], node: Node) -> Iterator[tuple[tuple[str | int, ...], str]]:
    yield path, text[node.start : node.end]
    for place, item in enumerate(node.items or ()):
        yield from _inside(text, (*path, place), item)
    for pair in node.pairs or ():
        yield from _inside(text, (*path, *pair.path), pair.node)


def read(text: str) -> Any:
    return tomllib.loads(text, parse_float=Decimal)


@pytest.mark.parametrize("text", [*SHIPPED, ODD, ODD.replace("\n", "\r\n"), "", "# only a comment", "a = 1"])
def test_every_span_is_the_value_that_stands_at_its_path(text: str) -> None:
    whole = read(text)
    for path, words in spans(text):
        value = whole
        for step in path:
            value = value[step]
        assert same(read(f"x = {words}")["x"], value), path
    if text == ODD:
        assert len(list(spans(text))) == 27


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
        st.integers(-(2**70), 2**70),
        st.booleans(),
        st.decimals(-1000, 1000, places=2),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text("ab.é \"'", max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_any_value_is_written_as_toml_reads_it(value: Any) -> None:
    assert same(read(f"x = {render(value)}")["x"], value)


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=40).map(str.strip))
def test_any_prose_is_read_back_but_for_blank_lines_around_it(text: str) -> None:
    assert read(f"x = {render(Prose(text))}")["x"].strip() == text


@settings(max_examples=300, deadline=None)
@given(st.lists(VALUES, max_size=5), st.lists(VALUES, max_size=5), st.booleans())
def test_any_list_becomes_any_other(old: list[Any], new: list[Any], lines: bool) -> None:
    joined = ",\n  ".join(map(render, old))
    text = Text(f"x = [\n  {joined} # end, here\n]\ny = 1\n" if lines and old else f"x = {render(old)}\ny = 1\n")
    text.change(("x",), old, new)
    assert same(read(text.source), {"x": new, "y": 1})


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from("abc"), VALUES), st.dictionaries(st.sampled_from("abcd"), VALUES), st.booleans())
def test_any_table_becomes_any_other(old: dict[str, Any], new: dict[str, Any], headed: bool) -> None:
    inside = "".join(f"{name} = {render(value)}\n" for name, value in old.items())
    text = Text(f"[t]\n{inside}[u]\nz = 1\n" if headed else f"t = {render(old)}\n[u]\nz = 1\n")
    for name in {**old, **new}:
        text.change(("t", name), old.get(name, MISSING), new.get(name, MISSING))
    assert same(read(text.source), {"t": new, "u": {"z": 1}})
