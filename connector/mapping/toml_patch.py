"""Changing a TOML text where it must change and nowhere else: what stood there, and what is to stand there.

Values are what :mod:`tomllib` gives (texts, whole numbers, Decimal, truth values, lists, dicts). Comments, order,
blank lines and the writer's own style of everything else are left as they are, byte for byte. (Libraries that keep
a document's style write all of it anew; where their picture of dotted keys, lists of tables or comments is off by a
little, lines change that nobody touched.)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeGuard

from connector.errors import Fault, MappingError
from connector.mapping.pieces import read_toml
from connector.mapping.toml_spans import Node, Pair, Path, Section, scan
from connector.mapping.toml_values import MISSING, changed, keys, render, same, steps, with_, without


class Text:
    """A text that is being changed."""

    def __init__(self, source: str, order: Sequence[str] = (), headed: Collection[Path] = ()) -> None:
        """``order``: names of the top level, for the place of new sections; ``headed``: tables with a header."""
        self.source, self.order, self.headed = source, order, headed
        self.newline = "\r\n" if "\r\n" in source else "\n"

    def change(self, path: Path, old: Any, new: Any) -> None:
        """Let ``new`` stand at a path where ``old`` stands; MISSING: nothing.

        Of tables only the names that ``old`` or ``new`` know are touched, of lists only the items that differ.
        """
        if same(old, new):
            return
        node = self._find(path)
        if new is MISSING:
            self._remove(path)
        elif node is not None:
            self._replace(node, changed(self.source, node, old, new))
        elif not self._is_table(path):
            self._add(path, new)
        elif isinstance(new, Mapping) and isinstance(old, Mapping):
            for name in dict.fromkeys((*old, *new)):
                self.change((*path, name), old.get(name, MISSING), new.get(name, MISSING))
        elif isinstance(old, list) and old and _are_tables(new) and self._count(path) == len(old):
            self._change_tables(path, old, new)
        else:
            self._remove(path)
            self._add(path, new)

    def finish(self) -> str:
        """Return the text. Raises MappingError where a change cannot stand in it as it is written."""
        try:
            read_toml(self.source)
        except MappingError as error:
            words = f"This change cannot be put into the text as it is written; change the text itself. {error}"
            raise MappingError([Fault("", words)]) from None
        return self.source

    def _find(self, path: Path) -> Node | None:
        for section in scan(self.source):
            for pair in section.pairs:
                if pair.path == path[: len(pair.path)] and (node := _inside(pair.node, path[len(pair.path) :])):
                    return node
        return None

    def _is_table(self, path: Path) -> bool:
        sections = scan(self.source)
        every = [section.path for section in sections] + [pair.path for section in sections for pair in section.pairs]
        return any(each[: len(path)] == path for each in every)

    def _count(self, path: Path) -> int:
        """Return how many ``[[…]]`` there are at a path."""
        return len({each.path[len(path)] for each in self._blocks(path)})

    def _blocks(self, path: Path) -> list[Section]:
        found = [each for each in scan(self.source) if each.path[: len(path)] == path and len(each.path) > len(path)]
        return [each for each in found if isinstance(each.path[len(path)], int)]

    def _replace(self, node: Node, words: str) -> None:
        words = words.replace("\r\n", "\n").replace("\n", self.newline)
        self.source = self.source[: node.start] + words + self.source[node.end :]

    def _remove(self, path: Path) -> None:
        for section in reversed(scan(self.source)):
            for pair in reversed(section.pairs):
                if pair.path[: len(path)] == path:
                    self.source = self.source[: pair.line] + self.source[pair.end :]
                elif pair.path == path[: len(pair.path)]:
                    self._replace(pair.node, without(self.source, pair.node, path[len(pair.path) :]))
            if section.path and section.path[: len(path)] == path:
                self.source = self.source[: section.line] + self.source[section.body :]

    def _write(self, at: int, words: str) -> None:
        """Put whole lines in."""
        before = self.source[:at]
        gap = self.newline if before and not before.endswith("\n") else ""
        words = words.replace("\r\n", "\n").replace("\n", self.newline)
        self.source = before + gap + words + self.source[at:]

    def _add(self, path: Path, new: Any) -> None:
        section, pair, depth = _holder(scan(self.source), path)
        if pair is not None:
            self._replace(pair.node, with_(self.source, pair.node, path[len(pair.path) :], new))
        elif depth < len(path) - 1 and not section.path:
            self._add_section(path[:-1], [path], [new])
        elif _are_tables(new) and new and depth == len(section.path) == len(path) - 1 == 0:
            self._add_section(path, [], [], "\n".join(_block(path, each) for each in new))
        elif isinstance(new, Mapping) and path in self.headed and depth == len(section.path):
            inner = [(*path, name) for name in new]
            self._write(section.end, f"\n{_headed(path, inner, list(new.values()))}")
        else:
            near = [each for each in section.pairs if _common(each.path, path) >= depth]
            at = near[-1].end if near else section.body
            margin = self.source[near[-1].line : near[-1].start] if near else ""
            is_first = not section.path and not section.pairs and self.source.strip()
            self._write(at, f"{margin}{keys(path[len(section.path) :])} = {render(new)}\n" + ("\n" if is_first else ""))

    def _add_section(self, path: Path, names: Sequence[Path], values: Sequence[Any], words: str = "") -> None:
        """Put a section in its place: before the first that comes later, or at the end."""
        if len(path) > 1 and path not in self.headed:
            path = path[:1]
        words = words or _headed(path, names, values)
        rank = self._rank(path)
        later = (each.line for each in scan(self.source) if each.path and self._rank(each.path) > rank)
        at = next(later, None)
        if at is None:
            end = len(self.source.rstrip("\r\n \t"))
            self.source = self.source[:end]
            self._write(end, f"\n{words}" if end else words)
        else:
            self._write(_above(self.source, at), f"{words}\n")

    def _rank(self, path: Path) -> int:
        return self.order.index(str(path[0])) if path[0] in self.order else len(self.order)

    def _change_tables(self, path: Path, old: Sequence[Any], new: Sequence[Any]) -> None:
        texts = [self._words(path, place) for place in range(len(old))]
        for tag, i1, i2, j1, j2 in reversed(steps(old, new)):
            if tag == "equal":
                continue
            both = min(i2 - i1, j2 - j1)
            for place in range(i2 - 1, i1 + both - 1, -1):
                self._remove_block(path, place)
            for item in reversed(new[j1 + both : j2]):
                moved = next((texts[place] for place, each in enumerate(old) if same(each, item)), "")
                self._insert_block(path, i1 + both, moved or _block(path, item))
            for step in range(both):
                for name in dict.fromkeys((*old[i1 + step], *new[j1 + step])):
                    values = old[i1 + step].get(name, MISSING), new[j1 + step].get(name, MISSING)
                    self.change((*path, i1 + step, name), *values)

    def _span(self, path: Path, place: int) -> tuple[int, int]:
        """Return where one ``[[…]]`` begins, with the comment right above it, and where its last line ends."""
        mine = [each for each in self._blocks(path) if each.path[len(path)] == place]
        return _above(self.source, mine[0].line), mine[-1].end

    def _words(self, path: Path, place: int) -> str:
        words = self.source[slice(*self._span(path, place))]
        return words if words.endswith("\n") else words + self.newline

    def _insert_block(self, path: Path, place: int, words: str) -> None:
        count = self._count(path)
        if place < count:
            self._write(self._span(path, place)[0], f"{words}\n")
        elif count:
            self._write(self._span(path, count - 1)[1], f"\n{words}")
        else:
            self._add_section(path, [], [], words)

    def _remove_block(self, path: Path, place: int) -> None:
        start, end = self._span(path, place)
        rest = self.source[end:].lstrip("\r\n")
        before = self.source[:start]
        self.source = before + rest if rest else before.rstrip("\r\n") + (self.newline if before.strip() else "")


def _inside(node: Node, path: Path) -> Node | None:
    """Return the value at a path inside of an inline table or a list."""
    if not path:
        return node
    if node.items is not None and isinstance(path[0], int):
        return _inside(node.items[path[0]], path[1:]) if path[0] < len(node.items) else None
    for pair in node.pairs or ():
        if pair.path == path[: len(pair.path)] and (found := _inside(pair.node, path[len(pair.path) :])):
            return found
    return None


def _holder(sections: Sequence[Section], path: Path) -> tuple[Section, Pair | None, int]:
    """Return what can take a new name: a section, or an inline table in it, and how much of the path it covers."""
    best: tuple[Section, Pair | None, int] = sections[0], None, 0
    for section in sections:
        if section.path != path[: len(section.path)] or len(section.path) >= len(path):
            continue
        for pair in section.pairs:
            if pair.path == path[: len(pair.path)] and (pair.node.pairs is not None or pair.node.items is not None):
                return section, pair, len(pair.path)
        depth = max((_common(pair.path[:-1], path) for pair in section.pairs), default=0)
        depth = max(depth, len(section.path))
        if depth >= best[2]:
            best = section, None, depth
    return best


def _common(one: Path, other: Path) -> int:
    count = 0
    for first, second in zip(one, other, strict=False):
        if first != second:
            break
        count += 1
    return count


def _headed(path: Path, names: Sequence[Path], values: Sequence[Any]) -> str:
    lines = [f"{keys(name[len(path) :])} = {render(value)}" for name, value in zip(names, values, strict=True)]
    return "\n".join((f"[{keys(path)}]", *lines, ""))


def _block(path: Path, item: Mapping[str, Any]) -> str:
    return "\n".join((f"[[{keys(path)}]]", *(f"{keys((name,))} = {render(value)}" for name, value in item.items()), ""))


def _are_tables(value: Any) -> TypeGuard[list[Mapping[str, Any]]]:
    return isinstance(value, list) and all(isinstance(each, Mapping) for each in value)


def _above(text: str, line: int) -> int:
    """Return where the comment begins that stands right above a line."""
    while line:
        start = text.rfind("\n", 0, line - 1) + 1
        if not text[start:line].lstrip().startswith("#"):
            return line
        line = start
    return line
