"""The part of SOQL that a poll or a look-up needs: SELECT … FROM … WHERE … ORDER BY … LIMIT.

Fields may follow one reference (``Contact.MobilePhone``). Comparisons: = != < <= > >= LIKE, IN, NOT IN,
joined by AND, OR and brackets. Text is compared without regard to case, as Salesforce does; ids with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.model import parse_time
from connector.sandbox.salesforce.faults import OrgError
from connector.sandbox.salesforce.objects import OBJECTS, FieldSpec, ObjectSpec

_TOKEN = re.compile(
    r"\s*(?:'((?:[^'\\]|\\.)*)'"
    r"|(\d{4}-\d{2}-\d{2}T[\d:.]+(?:Z|[+-]\d{2}:?\d{2})|\d{4}-\d{2}-\d{2})"
    r"|(-?\d+(?:\.\d+)?)"
    r"|([A-Za-z_][\w.]*)"
    r"|(<=|>=|!=|<>|[=<>(),]))"
)
_LONGEST = 100_000
_DEPTH = 20

Row = dict[str, Any]
Test = Callable[[Row], bool]
Reach = Callable[[str, str], Row | None]
"""Object and id -> the record a reference points to."""


@dataclass(frozen=True, slots=True)
class Path:
    """A field to read, through a reference where ``via`` is given."""

    name: str
    via: FieldSpec | None
    field: FieldSpec

    def read(self, row: Row, reach: Reach) -> Any:
        """Return its value in a record."""
        if self.via is None:
            return row[self.field.name]
        target = reach(self.via.to, row[self.via.name]) if row[self.via.name] else None
        return target[self.field.name] if target else None


@dataclass(frozen=True, slots=True)
class Query:
    """A query that was understood; ``count`` asks for their number alone."""

    object: ObjectSpec
    paths: tuple[Path, ...]
    test: Test
    order: tuple[tuple[Path, bool], ...]
    limit: int | None
    count: bool


def parse(text: str, reach: Reach) -> Query:
    """Understand a query. Raises OrgError MALFORMED_QUERY, INVALID_TYPE or INVALID_FIELD."""
    if len(text) > _LONGEST:
        raise OrgError(400, "QUERY_TOO_COMPLICATED", "the query is longer than 100,000 characters")
    return _Parser(text, reach).query()


def select(query: Query, rows: list[Row], reach: Reach) -> list[Row]:
    """Return the records that a query finds, in its order."""
    found = [row for row in rows if query.test(row)]
    for path, down in reversed(query.order):
        found.sort(key=lambda row: _rank(path.field, path.read(row, reach)), reverse=down)
    return found if query.limit is None else found[: query.limit]


def _rank(field: FieldSpec, value: Any) -> tuple[int, Any]:
    """Blank comes first, as in Salesforce; ids by case, as they are compared."""
    return (0, 0) if value is None else (1, _plain(field, value))


class _Parser:
    def __init__(self, text: str, reach: Reach) -> None:
        self.reach = reach
        self.tokens = _tokens(text)
        self.at = 0
        self.object = OBJECTS["Contact"]

    def query(self) -> Query:
        self.word("SELECT")
        names = self.names()
        self.word("FROM")
        name = self.name()
        spec = next((one for key, one in OBJECTS.items() if key.lower() == name.lower()), None)
        if spec is None:
            raise OrgError(400, "INVALID_TYPE", f"sObject type '{name[:80]}' is not supported.")
        self.object = spec
        count = names == ["COUNT()"]
        paths = () if count else tuple(self.path(one) for one in names)
        test: Test = self.any(0) if self.skip("WHERE") else lambda row: True
        order: list[tuple[Path, bool]] = []
        if self.skip("ORDER"):
            self.word("BY")
            order.append(self.ordering())
            while self.skip(","):
                order.append(self.ordering())
        limit = int(self.take("number")) if self.skip("LIMIT") else None
        if self.at < len(self.tokens):
            raise _malformed(f"unexpected token: '{self.tokens[self.at][1]}'")
        return Query(spec, paths, test, tuple(order), limit, count)

    def names(self) -> list[str]:
        first = self.name()
        if first.upper() == "COUNT" and self.skip("("):
            self.word(")")
            return ["COUNT()"]
        found = [first]
        while self.skip(","):
            found.append(self.name())
        return found

    def ordering(self) -> tuple[Path, bool]:
        path = self.path(self.name())
        down = self.skip("DESC")
        if not down:
            self.skip("ASC")
        if self.skip("NULLS") and not (self.skip("FIRST") or self.skip("LAST")):
            raise _malformed("NULLS FIRST or NULLS LAST")
        return path, down

    def path(self, name: str) -> Path:
        head, _, rest = name.partition(".")
        via = self.object.reference(head) if rest else None
        spec = OBJECTS[via.to] if via is not None else self.object
        found = spec.find(rest or head) if not rest or via is not None else None
        if found is None:
            raise OrgError(
                400, "INVALID_FIELD", f"\nSELECT {name}\nERROR at Row:1:Column:8\nNo such column '{name[:80]}' on "
                f"entity '{self.object.name}'.",
            )  # fmt: skip
        return Path(name, via, found)

    def any(self, depth: int) -> Test:
        tests = [self.all(depth)]
        while self.skip("OR"):
            tests.append(self.all(depth))
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def all(self, depth: int) -> Test:
        tests = [self.one(depth)]
        while self.skip("AND"):
            tests.append(self.one(depth))
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def one(self, depth: int) -> Test:
        if depth > _DEPTH:
            raise OrgError(400, "QUERY_TOO_COMPLICATED", "too many brackets")
        if self.skip("("):
            inner = self.any(depth + 1)
            self.word(")")
            return inner
        if self.skip("NOT"):
            negated = self.one(depth + 1)
            return lambda row: not negated(row)
        path = self.path(self.name())
        out = self.skip("NOT")
        if self.skip("IN"):
            wanted = {_plain(path.field, value) for value in self.values(path.field)}
            return lambda row: (_plain(path.field, path.read(row, self.reach)) in wanted) != out
        if self.skip("LIKE"):
            shape = _shape(str(self.value(path.field)))
            return lambda row: bool(shape.fullmatch(str(path.read(row, self.reach) or "")))
        return self.comparison(path, self.take("mark"))

    def comparison(self, path: Path, mark: str) -> Test:
        value = _plain(path.field, self.value(path.field))

        def read(row: Row) -> Any:
            return _plain(path.field, path.read(row, self.reach))

        match mark:
            case "=":
                return lambda row: read(row) == value
            case "!=" | "<>":
                return lambda row: read(row) != value
            case "<" | "<=" | ">" | ">=" if value is not None:
                below, same = mark[0] == "<", mark.endswith("=")
                return lambda row: (
                    ((found := read(row)) is not None and ((found < value) if below else (found > value)))
                    or (same and found == value)
                )
        raise _malformed(f"unexpected token: '{mark}'")

    def values(self, field: FieldSpec) -> list[Any]:
        self.word("(")
        found = [self.value(field)]
        while self.skip(","):
            found.append(self.value(field))
        self.word(")")
        return found

    def value(self, field: FieldSpec) -> Any:
        kind, text = self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")
        self.at += 1
        if kind == "name" and text.lower() in ("null", "true", "false"):
            return {"null": None, "true": True, "false": False}[text.lower()]
        if kind == "time" and field.type in ("datetime", "date"):
            return parse_time(text) if field.type == "datetime" else text
        if kind == "number" and field.type in ("double", "currency", "int"):
            return float(text)
        if kind == "text" and field.type not in ("datetime", "date", "boolean", "double", "currency", "int"):
            return text
        raise OrgError(
            400, "INVALID_FIELD", f"value of filter criterion for field '{field.name}' must be of type {field.type} "
            f"and should {'not ' if kind == 'text' else ''}be enclosed in quotes",
        )  # fmt: skip

    def take(self, kind: str) -> str:
        if self.at >= len(self.tokens) or self.tokens[self.at][0] != kind:
            shown = self.tokens[self.at][1] if self.at < len(self.tokens) else "<EOF>"
            raise _malformed(f"unexpected token: '{shown}'")
        self.at += 1
        return self.tokens[self.at - 1][1]

    def name(self) -> str:
        return self.take("name")

    def skip(self, word: str) -> bool:
        kind, text = self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")
        if kind not in ("name", "mark") or text.upper() != word:
            return False
        self.at += 1
        return True

    def word(self, word: str) -> None:
        if not self.skip(word):
            shown = self.tokens[self.at][1] if self.at < len(self.tokens) else "<EOF>"
            raise _malformed(f"expecting {word}, found '{shown}'")


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at, text = 0, text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _malformed(f"unexpected token: '{text[at : at + 20].strip()}'")
        quoted, moment, number, name, mark = match.groups()
        if quoted is not None:
            found.append(("text", re.sub(r"\\(.)", r"\1", quoted)))
        else:
            kind = "time" if moment else "number" if number else "name" if name else "mark"
            found.append((kind, moment or number or name or mark))
        at = match.end()
    return found


def _plain(field: FieldSpec, value: Any) -> Any:
    """Return a value as it is compared."""
    if isinstance(value, str):
        return value[:15] if field.type in ("id", "reference") else value.lower()
    return value.replace(microsecond=0) if isinstance(value, datetime) else value


def _shape(pattern: str) -> re.Pattern[str]:
    parts = ("." if one == "_" else ".*" if one == "%" else re.escape(one) for one in pattern)
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)


def _malformed(words: str) -> OrgError:
    return OrgError(400, "MALFORMED_QUERY", words)
