"""Writing TOML values, and changing those that stand in a text item by item."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import SequenceMatcher
from typing import Any

from connector.mapping.toml_spans import Node, Pair, Path

LONG = 100
"""Characters of a line beyond which a list of tables is written one a line."""
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_COMMA = re.compile(r"((?:[ \t\r\n]|#[^\n]*+)*+),([ \t]*(?:#[^\r\n]*)?)")
_TAIL = re.compile(r"[ \t]*(?:#[^\r\n]*)?")
_TRIPLE = ('"""', "'''")


class Prose(str):
    """A text that may have several lines; blank lines around it do not count."""

    __slots__ = ()


class Missing:
    """Stands for what is not there."""


MISSING = Missing()


def same(one: Any, other: Any) -> bool:
    """Compare values as TOML tells them apart: a number is no truth value, and 1 is neither 1.0 nor "1"."""
    return (one is other) or (
        not isinstance(one, Missing) and not isinstance(other, Missing) and _key(one) == _key(other)
    )


def _key(value: Any) -> str:
    return json.dumps(value, default=lambda other: [type(other).__name__, str(other)], sort_keys=True)


def steps(old: Sequence[Any], new: Sequence[Any]) -> Sequence[tuple[str, int, int, int, int]]:
    """Return how one list becomes another, as :mod:`difflib` tells it."""
    matcher = SequenceMatcher(None, [_key(each) for each in old], [_key(each) for each in new], autojunk=False)
    return matcher.get_opcodes()


def keys(path: Sequence[Any]) -> str:
    """Write a dotted key."""
    return ".".join(name if _BARE.fullmatch(name) else _text(name) for name in map(str, path))


def render(value: Any, like: str = "") -> str:
    """Write a value; a text in the way of ``like``, where that is the text it replaces."""
    if isinstance(value, Prose) and (like.startswith(_TRIPLE) or "\n" in value):
        return _prose(value)
    if isinstance(value, str):
        return _text(value, like)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text if "." in text else f"{text}.0"
    if isinstance(value, Mapping):
        inner = ", ".join(f"{keys((name,))} = {render(each)}" for name, each in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, Sequence):
        return _list([render(each) for each in value], any(isinstance(each, Mapping) for each in value))
    return str(value)


def _list(items: Sequence[str], are_tables: bool, newline: str = "\n") -> str:
    line = f"[{', '.join(items)}]"
    if are_tables and (len(items) > 1 or len(line) > LONG):
        return "".join((f"[{newline}", *(f"  {item},{newline}" for item in items), "]"))
    return line


def _text(value: str, like: str = "") -> str:
    value = _SURROGATE.sub("\ufffd", value)
    single = like.startswith("'") or (not like.startswith('"') and ('"' in value or "\\" in value))
    if single and "'" not in value and not _CONTROL.search(value):
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def _prose(value: str) -> str:
    lines = _SURROGATE.sub("\ufffd", value).replace("\r\n", "\n").split("\n")
    body = "\n".join(json.dumps(line, ensure_ascii=False)[1:-1].replace('\\"', '"') for line in lines)
    body = body.replace('"""', '""\\"').replace("\x7f", "\\u007F")
    return f'"""\n{body}\n"""'


def changed(text: str, node: Node, old: Any, new: Any) -> str:
    """Return the text of a value in which what was ``old`` has become ``new``."""
    if same(old, new):
        return text[node.start : node.end]
    if node.pairs is not None and isinstance(old, Mapping) and isinstance(new, Mapping):
        return _changed_table(text, node, node.pairs, old, new)
    if node.items and isinstance(old, list) and isinstance(new, list) and len(old) == len(node.items):
        return _changed_array(text, node, node.items, old, new)
    return render(new, text[node.start : node.end])


def without(text: str, node: Node, path: Path) -> str:
    """Return the text of an inline table (or a list of them) without what stands at a path inside."""
    return _rewritten(text, node, path, None)


def with_(text: str, node: Node, path: Path, new: Any) -> str:
    """Return the text of an inline table with another value at a path inside, where there was none."""
    return _rewritten(text, node, path, f"{keys(path)} = {render(new)}")


def _rewritten(text: str, node: Node, path: Path, added: str | None) -> str:
    words = text[node.start : node.end]
    if node.items is not None and isinstance(path[0], int) and path[0] < len(node.items):
        inner = node.items[path[0]]
        return _splice(text, node, inner, _rewritten(text, inner, path[1:], added))
    if node.pairs is None:
        return words
    deeper = next((pair for pair in node.pairs if pair.path == path[: len(pair.path)] != path), None)
    if deeper is not None and added is None:
        return _splice(text, node, deeper.node, _rewritten(text, deeper.node, path[len(deeper.path) :], None))
    kept = [text[pair.start : pair.node.end] for pair in node.pairs if pair.path[: len(path)] != path]
    return _table(text, node, [*kept, *([added] if added is not None else ())])


def _splice(text: str, outer: Node, inner: Node, words: str) -> str:
    return text[outer.start : inner.start] + words + text[inner.end : outer.end]


def _table(text: str, node: Node, pairs: Sequence[str]) -> str:
    if not pairs:
        return "{}"
    pad = " " if not node.pairs or text[node.start + 1] == " " else ""
    return f"{{{pad}{', '.join(pairs)}{pad}}}"


def _changed_table(text: str, node: Node, pairs: Sequence[Pair], old: Any, new: Any) -> str:
    told: list[str] = []
    done: set[Any] = set()
    for pair in pairs:
        name = pair.path[0]
        before, after = old.get(name, MISSING), new.get(name, MISSING)
        if same(before, after):
            told.append(text[pair.start : pair.node.end])
        elif after is not MISSING and name not in done:
            whole = len(pair.path) == 1
            words = changed(text, pair.node, before, after) if whole else render(after)
            key = text[pair.start : pair.node.start] if whole else f"{keys((name,))} = "
            told.append(key + words)
        done.add(name)
    told += [f"{keys((name,))} = {render(value)}" for name, value in new.items() if name not in done]
    return _table(text, node, told)


@dataclass(slots=True)
class _Cell:
    """One item of an array with what stands around it."""

    before: str
    body: str
    gap: str = ""
    comma: bool = True
    tail: str = ""


def _changed_array(text: str, node: Node, items: Sequence[Node], old: Sequence[Any], new: Sequence[Any]) -> str:
    cells, close = _cells(text, node, items)
    bare = "".join(cell.before + cell.gap + cell.tail for cell in cells) + close
    out: list[_Cell] = []
    carried = ""
    trailing = cells[-1].comma
    for index, j in _moves(old, new):
        if j is None:
            comments, _, _ = cells[index].before.rpartition("\n") if index is not None else ("", "", "")
            carried += comments if "#" in comments else ""
            continue
        if index is None:
            cell = _Cell(_margin(cells), _reused(text, items, old, new[j]))
        else:
            cell = cells[index]
            cell.body = changed(text, items[index], old[index], new[j])
        cell.before, carried = carried + cell.before, ""
        out.append(cell)
    if "\n" not in bare:
        return _one_line(text, node, items, [cell.body for cell in out], new)
    for cell in out:
        cell.comma = cell is not out[-1] or trailing
    body = "".join(f"{cell.before}{cell.body}{cell.gap}{',' if cell.comma else ''}{cell.tail}" for cell in out)
    return f"[{body}{carried}{close}"


def _moves(old: Sequence[Any], new: Sequence[Any]) -> Iterator[tuple[int | None, int | None]]:
    """Yield (place of old, place of new) in the new order; None: is new, or is gone."""
    for _, i1, i2, j1, j2 in steps(old, new):
        both = min(i2 - i1, j2 - j1)
        yield from ((i1 + step, j1 + step) for step in range(both))
        yield from ((place, None) for place in range(i1 + both, i2))
        yield from ((None, place) for place in range(j1 + both, j2))


def _cells(text: str, node: Node, items: Sequence[Node]) -> tuple[list[_Cell], str]:
    cells, at = [], node.start + 1
    for item in items:
        cell = _Cell(text[at : item.start], text[item.start : item.end], comma=False)
        if found := _COMMA.match(text, item.end, node.end - 1):
            cell.gap, cell.comma, cell.tail = found[1], True, found[2]
        else:
            found = _TAIL.match(text, item.end, node.end - 1)
            cell.tail = found[0] if found else ""
        at = found.end() if found else item.end
        cells.append(cell)
    return cells, text[at : node.end]


def _margin(cells: Sequence[_Cell]) -> str:
    """Return what stands before an item that is on a line of its own."""
    first = next((cell.before for cell in cells if "\n" in cell.before), " ")
    line = first.rpartition("\n")[2]
    return ("\r\n" if "\r\n" in first else "\n") + line if "\n" in first else " "


def _reused(text: str, items: Sequence[Node], old: Sequence[Any], new: Any) -> str:
    place = next((place for place, each in enumerate(old) if same(each, new)), None)
    return (
        render(new, text[items[0].start : items[0].end])
        if place is None
        else text[items[place].start : items[place].end]
    )


def _one_line(text: str, node: Node, items: Sequence[Node], bodies: Sequence[str], new: Sequence[Any]) -> str:
    start, end = text[node.start + 1 : items[0].start], text[items[-1].end : node.end - 1]
    line = f"[{start}{', '.join(bodies)}{end}]" if bodies else "[]"
    if len(line) > LONG and len(bodies) > len(items) and all(isinstance(each, Mapping) for each in new):
        return _list(bodies, are_tables=True)
    return line
