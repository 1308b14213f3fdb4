"""Where everything stands in a TOML text: headers, pairs and values with their places, for edits that leave the rest.

Only for texts that :mod:`tomllib` has read already: nothing is checked here.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")
Path = tuple[str | int, ...]
"""Names, and positions in lists of tables."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_LINE = re.compile(r"[^\n]*\n?")
_SCALAR = re.compile(r"[^,\]}#\r\n]*")
_STRING = {
    '"""': re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}', re.DOTALL),
    "'''": re.compile(r"'''(?:[^']|'(?!''))*'{3,5}", re.DOTALL),
    '"': re.compile(r'"(?:[^"\\]|\\.)*"'),
    "'": re.compile(r"'[^']*'"),
}


@dataclass(slots=True)
class Node:
    """A value and its place."""

    start: int
    end: int
    items: list[Node] | None = None
    """Of an array."""
    pairs: list[Pair] | None = None
    """Of an inline table; their paths are relative."""


@dataclass(slots=True)
class Pair:
    """``key = value``; outside inline tables ``line`` and ``end`` are the whole lines it takes."""

    path: Path
    start: int
    node: Node
    line: int = 0
    end: int = 0


@dataclass(slots=True)
class Section:
    """A header with its pairs; the first section has none and the path ``()``."""

    path: Path
    line: int
    """Where the line of its header begins."""
    body: int
    """Where the line after its header begins."""
    pairs: list[Pair] = field(default_factory=list)

    @property
    def end(self) -> int:
        """The end of its last pair, or of its header."""
        return self.pairs[-1].end if self.pairs else self.body


def scan(text: str) -> list[Section]:
    """Return the sections of a text, in order."""
    return _Scanner(text).sections()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.counts: dict[Path, int] = {}

    def sections(self) -> list[Section]:
        found = [Section((), 0, 0)]
        while True:
            self._skip(_BLANK)
            if self.at >= len(self.text):
                return found
            line = self.text.rfind("\n", 0, self.at) + 1
            if self.text[self.at] == "[":
                path = self._header()
                found.append(Section(path, line, self.at))
            else:
                pair = self._pair()
                self._skip(_LINE)
                pair.path, pair.line, pair.end = (*found[-1].path, *pair.path), line, self.at
                found[-1].pairs.append(pair)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found.group() if found else ""

    def _header(self) -> Path:
        is_list = self.text.startswith("[[", self.at)
        self.at += 2 if is_list else 1
        names = self._key()
        self._skip(_LINE)
        path: Path = ()
        for place, name in enumerate(names):
            path = (*path, name)
            if is_list and place == len(names) - 1:
                self.counts[path] = self.counts.get(path, -1) + 1
            if path in self.counts:
                path = (*path, self.counts[path])
        return path

    def _key(self) -> tuple[str, ...]:
        names = []
        while True:
            self._skip(_SPACE)
            mark = self.text[self.at]
            raw = self._skip(_STRING[mark] if mark in "\"'" else _BARE)
            names.append(_name(raw))
            self._skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return tuple(names)
            self.at += 1

    def _pair(self) -> Pair:
        start = self.at
        path = self._key()
        self.at += 1  # =
        self._skip(_SPACE)
        return Pair(path, start, self._value())

    def _value(self) -> Node:
        start, mark = self.at, self.text[self.at]
        if mark == "[":
            items = list(self._inside("]", self._value))
            return Node(start, self.at, items=items)
        if mark == "{":
            pairs = list(self._inside("}", self._pair))
            return Node(start, self.at, pairs=pairs)
        for quotes, pattern in _STRING.items():
            if self.text.startswith(quotes, self.at):
                self._skip(pattern)
                return Node(start, self.at)
        self.at = start + len(self._skip(_SCALAR).rstrip())
        return Node(start, self.at)

    def _inside(self, end: str, read: Callable[[], T]) -> Iterator[T]:
        self.at += 1
        while True:
            self._skip(_BLANK)
            if self.text[self.at] == ",":
                self.at += 1
            elif self.text[self.at] == end:
                self.at += 1
                return
            else:
                yield read()


@lru_cache(maxsize=1024)
def _name(raw: str) -> str:
    return raw if raw[:1] not in ('"', "'") else next(iter(tomllib.loads(f"{raw} = 0")))
