"""A payload as a tree: every value with its kind and its path, exact, and masked for those who may not see people."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from connector.contract import Field
from connector.model import Json, parse_time
from connector.web.console.sight import payload as masked

MOST_NODES = 2500
"""Values of one tree; the raw bytes hold the rest."""
LONGEST = 2000
"""Characters of one value."""
OPEN_LEVELS = 2
OPEN_MOST = 12
"""A branch of more than so many values begins closed."""
_PLAIN = re.compile(r"[A-Za-z_][\w\-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One value of a payload."""

    name: str
    path: str
    """As expressions write it: ``line_items[0].title``."""
    kind: str
    """As the adapter declares it, else ``text``, ``number``, ``yes or no``, ``time``, ``nothing``, ``list`` or so."""
    value: str = field(repr=False)
    """Exact; ``""`` for a branch."""
    words: str = ""
    """What the adapter says of the field."""
    inner: tuple[Node, ...] = field(default=(), repr=False)
    branch: bool = False
    open: bool = False


@dataclass(frozen=True, slots=True)
class Tree:
    """A payload for looking at."""

    nodes: tuple[Node, ...]
    cut: bool
    """It holds more values than are drawn."""


def tree(value: Json, fields: Collection[Field] = ()) -> Tree:
    """Return a payload as who looks may see it."""
    declared = {_bare(field.path): field for field in fields}
    left = [MOST_NODES]
    nodes = tuple(_inner(masked(value, fields), "", declared, 0, left))
    return Tree(nodes, left[0] <= 0)


def _inner(value: Json, path: str, declared: Mapping[str, Field], depth: int, left: list[int]) -> Iterator[Node]:
    if isinstance(value, Mapping):
        pairs = [(name, _below(path, name), item) for name, item in value.items()]
    elif isinstance(value, Sequence) and not isinstance(value, str):
        pairs = [(f"{number}", f"{path}[{number}]", item) for number, item in enumerate(value)]
    else:
        pairs = [("", path, value)]
    for name, place, item in pairs:
        if left[0] <= 0:
            return
        left[0] -= 1
        yield _node(name, place, item, declared, depth, left)


def _node(name: str, path: str, value: Json, declared: Mapping[str, Field], depth: int, left: list[int]) -> Node:
    field = declared.get(_bare(path))
    words = field.words if field else ""
    if isinstance(value, Mapping) or (isinstance(value, Sequence) and not isinstance(value, str)):
        kind = "object" if isinstance(value, Mapping) else "list"
        inner = tuple(_inner(value, path, declared, depth + 1, left)) if depth < 60 else ()
        told = f"{len(value)} {'field' if kind == 'object' else 'item'}{'' if len(value) == 1 else 's'}"
        unfolded = depth < OPEN_LEVELS and 0 < len(value) <= OPEN_MOST
        return Node(name=name, path=path, kind=kind, value=told, words=words, inner=inner, branch=True, open=unfolded)
    return Node(name=name, path=path, kind=field.type if field else kind_of(value), value=exact(value), words=words)


def _below(path: str, name: str) -> str:
    if not _PLAIN.fullmatch(name):
        return f"{path}[{json.dumps(name, ensure_ascii=False)}]"
    return f"{path}.{name}" if path else name


def _bare(path: str) -> str:
    return re.sub(r"\[\d*\]", "", path)


def kind_of(value: Json) -> str:
    """Name the kind of a value by itself."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes or no"
    if isinstance(value, int | Decimal):
        return "number"
    return (
        "time" if isinstance(value, str) and len(value) > 10 and value[:4].isdigit() and parse_time(value) else "text"
    )


def exact(value: Json) -> str:
    """Write a value as it is: long numbers whole, fractions with their digits."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = format(value, "f") if isinstance(value, Decimal) and abs(value.as_tuple().exponent) < 40 else str(value)  # type: ignore[arg-type]
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
