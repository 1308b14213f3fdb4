"""GraphQL documents, read: operations with their variables, fields with aliases and arguments, fragments.

After the September 2025 specification, without what no client of a shop needs: subscriptions, directives.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(
    r'[\s,\ufeff]*(?:#[^\n]*[\s,]*)*(?:("""(?:[^"\\]|\\"""|"(?!"")|\\(?!"""))*""")|("(?:[^"\\\n]|\\.)*")'
    r"|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|(\.\.\.|[!$&()=:@\[\]{}|])|(\Z))"
)
_LONGEST = 500_000
_DEEPEST = 30


class DocumentError(Exception):
    """A document that cannot be read."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that stands where a value is wanted."""

    name: str


class EnumWord(str):
    """A bare word that stands where a value is wanted."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class FieldNode:
    """A field that is asked for; ``key`` is the name that the answer gives it."""

    key: str
    name: str
    arguments: Mapping[str, Any]
    selections: tuple[Selection, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """A named fragment's place."""

    name: str


@dataclass(frozen=True, slots=True)
class Inline:
    """Fields that are asked for where the object is of a type."""

    on: str
    selections: tuple[Selection, ...]


Selection = FieldNode | Spread | Inline


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: ``query`` or ``mutation``; variables by name with their types and default values."""

    kind: str
    name: str
    variables: Mapping[str, tuple[str, Any]]
    selections: tuple[Selection, ...]


@dataclass(slots=True)
class Document:
    """What a document holds; fragments by name, each with its type."""

    operations: list[Operation] = field(default_factory=list)
    fragments: dict[str, Inline] = field(default_factory=dict)

    def chosen(self, name: str | None) -> Operation:
        """Return the operation to carry out. Raises DocumentError."""
        found = [one for one in self.operations if not name or one.name == name]
        if len(found) != 1:
            raise DocumentError("An operation name is required" if found else f"No operation named {str(name)[:80]!r}")
        return found[0]


def read(text: str) -> Document:
    """Read a document. Raises DocumentError."""
    if len(text) > _LONGEST:
        raise DocumentError("the document is too long")
    return _Reader(text).document()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.kind, self.word = "", ""
        self.next()

    def next(self) -> str:
        """Go to the next token; return the word of the last one."""
        before = self.word
        match = _TOKEN.match(self.text, self.at)
        if match is None:
            raise DocumentError(f"syntax error, unexpected {self.text[self.at : self.at + 20].strip()!r}")
        kinds = ("block", "text", "number", "name", "mark", "end")
        place = next(place for place, group in enumerate(match.groups()) if group is not None)
        self.kind, self.word, self.at = kinds[place], match.groups()[place], match.end()
        return before

    def take(self, word: str) -> None:
        if self.word != word or self.kind not in ("mark", "name"):
            raise DocumentError(f"syntax error, unexpected {self.word or 'end of document'!r}, expecting {word!r}")
        self.next()

    def name(self) -> str:
        if self.kind != "name":
            raise DocumentError(f"syntax error, unexpected {self.word or 'end of document'!r}, expecting a name")
        return self.next()

    def skip(self, word: str) -> bool:
        if self.kind != "mark" or self.word != word:
            return False
        self.next()
        return True

    def document(self) -> Document:
        found = Document()
        while self.kind != "end":
            if self.kind == "name" and self.word == "fragment":
                self.next()
                name = self.name()
                self.take("on")
                found.fragments[name] = Inline(self.name(), self.selections())
            elif self.kind == "mark":
                found.operations.append(Operation("query", "", {}, self.selections()))
            else:
                found.operations.append(self.operation())
        return found

    def operation(self) -> Operation:
        kind = self.name()
        if kind not in ("query", "mutation"):
            raise DocumentError(f"syntax error, unexpected {kind[:40]!r}")
        name = self.next() if self.kind == "name" else ""
        variables: dict[str, tuple[str, Any]] = {}
        if self.skip("("):
            while not self.skip(")"):
                self.take("$")
                variable = self.name()
                self.take(":")
                wanted = self.type()
                variables[variable] = (wanted, self.value() if self.skip("=") else None)
        return Operation(kind, name, variables, self.selections())

    def type(self) -> str:
        if self.skip("["):
            inner = self.type()
            self.take("]")
            found = f"[{inner}]"
        else:
            found = self.name()
        return f"{found}!" if self.skip("!") else found

    def selections(self) -> tuple[Selection, ...]:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise DocumentError("the document is nested too deeply")
        self.take("{")
        found: list[Selection] = []
        while not self.skip("}"):
            found.append(self.selection())
        self.depth -= 1
        if not found:
            raise DocumentError("syntax error, unexpected '}', expecting a field")
        return tuple(found)

    def selection(self) -> Selection:
        if self.skip("..."):
            if self.word != "on":
                return Spread(self.name())
            self.next()
            return Inline(self.name(), self.selections())
        key = name = self.name()
        if self.skip(":"):
            name = self.name()
        arguments: dict[str, Any] = {}
        if self.skip("("):
            while not self.skip(")"):
                argument = self.name()
                self.take(":")
                arguments[argument] = self.value()
        inner = self.selections() if self.kind == "mark" and self.word == "{" else ()
        return FieldNode(key, name, arguments, inner)

    def value(self) -> Any:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise DocumentError("the document is nested too deeply")
        try:
            return self._value()
        finally:
            self.depth -= 1

    def _value(self) -> Any:
        if self.skip("$"):
            return Variable(self.name())
        if self.skip("["):
            items = []
            while not self.skip("]"):
                items.append(self.value())
            return items
        if self.skip("{"):
            fields: dict[str, Any] = {}
            while not self.skip("}"):
                name = self.name()
                self.take(":")
                fields[name] = self.value()
            return fields
        kind, word = self.kind, self.word
        if kind in ("mark", "end"):
            raise DocumentError(f"syntax error, unexpected {word or 'end of document'!r}, expecting a value")
        self.next()
        match kind:
            case "block":
                return word[3:-3].replace('\\"""', '"""').strip()
            case "text":
                return _unescaped(word)
            case "number":
                return float(word) if any(one in word for one in ".eE") else int(word)
        return {"true": True, "false": False, "null": None}.get(word, EnumWord(word))


def _unescaped(word: str) -> str:
    try:
        return str(json.loads(word, strict=False))
    except ValueError:
        raise DocumentError("syntax error, a text has an escape that is not one") from None
