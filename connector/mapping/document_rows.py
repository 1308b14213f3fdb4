"""What forms of mapping files are made of: typed values as text, rows of conditions, groups of rows; and JSON of them.

In a form every value is a text beside its kind, as a page's fields hold it: 64-bit ids and prices stay exact, in
JSON and in JavaScript too.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar

from connector.errors import Fault, MappingError
from connector.mapping.conditions import MAX_NESTING, OPERATORS
from connector.mapping.pieces import MAX_ITEMS
from connector.mapping.scalar import number
from connector.model import Json

T = TypeVar("T")
GROUPS = ("all", "any", "not")
MOST_TEXT = 64 * 1024

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_PLACE = re.compile(r"\(at line (\d+), column (\d+)\)")


@dataclass(frozen=True, slots=True)
class Value:
    """One value as it is typed in."""

    kind: str = "text"
    """``text``, ``number`` or ``truth``."""
    text: str = ""
    """As written: ``12.50``, ``820982911946154508``, ``true``. What is no number is written as a text."""


@dataclass(frozen=True, slots=True)
class Row:
    """One test of a condition."""

    field: str = ""
    """Path."""
    operator: str = "is"
    values: tuple[Value, ...] = ()
    """None for ``is_blank``; several for ``in``; else one. See :func:`takes`."""


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions that hold together: ``all`` of them, ``any``, or ``not`` (which has one part)."""

    kind: str = "all"
    parts: tuple[Group | Row, ...] = ()


def takes(operator: str) -> str:
    """Return how many values an operator takes: ``one``, ``list`` or ``nothing``."""
    kind = OPERATORS[operator].takes if operator in OPERATORS else "one"
    return kind if kind in ("list", "nothing") else "one"


def guess_value(text: str, type_: str = "") -> Value:
    """Return what somebody means who types this for a field of that declared type (``number``, ``boolean``, …).

    Ids are numbers in some vendors' payloads and texts in others': what is all digits is a number, which a
    condition compares with texts of digits too.
    """
    text = text.strip()
    if type_ == "boolean" and text.lower() in ("true", "false", "yes", "no"):
        return Value("truth", "true" if text.lower() in ("true", "yes") else "false")
    if type_ in ("number", "money", "id") and _NUMBER.fullmatch(text) and number(text) is not None:
        return Value("number", text)
    return Value("text", text)


def guess_values(text: str, type_: str = "") -> tuple[Value, ...]:
    """The same for a list: one value a line."""
    return tuple(guess_value(line, type_) for line in text.splitlines() if line.strip())


def to_plain(value: Value) -> Json:
    """Return a value as TOML has it; what is no number, or no truth value, is a text."""
    if value.kind == "truth" and value.text in ("true", "false"):
        return value.text == "true"
    if value.kind == "number" and _NUMBER.fullmatch(value.text):
        exact = number(value.text)
        return value.text if exact is None else exact
    return value.text


def from_plain(value: Any) -> Value | None:
    """Return a value of a file as a form holds it; None for what no form shows (dates, tables)."""
    if isinstance(value, bool):
        return Value("truth", "true" if value else "false")
    if isinstance(value, str):
        return Value("text", value)
    if isinstance(value, int | Decimal):
        exact = number(value)
        if exact is None:
            return None
        return Value("number", format(exact, "f") if isinstance(exact, Decimal) else str(exact))
    return None


def plain_conditions(part: Group | Row) -> dict[str, Any]:
    """Return a tree of conditions as the file has it."""
    if isinstance(part, Row):
        row: dict[str, Any] = {"field": part.field, "operator": part.operator}
        values = [to_plain(value) for value in part.values]
        if takes(part.operator) == "list" or len(values) > 1:
            row["value"] = values
        elif values and takes(part.operator) == "one":
            row["value"] = values[0]
        return row
    inner = [plain_conditions(each) for each in part.parts]
    if part.kind == "not":
        return {"not": inner[0] if len(inner) == 1 else {"all": inner}}
    return {part.kind: inner}


def read_conditions(raw: Any) -> Group | None:
    """Return the tree that a file's conditions are, or None where a form cannot show all of it."""
    found = _read(raw, 1)
    return Group("all", (found,)) if isinstance(found, Row) else found


def _read(raw: Any, depth: int) -> Group | Row | None:
    if not isinstance(raw, Mapping) or depth > MAX_NESTING:
        return None
    kind = next((kind for kind in GROUPS if kind in raw), "")
    if not kind:
        return _read_row(raw)
    inside = [raw[kind]] if kind == "not" else raw[kind]
    if len(raw) > 1 or not isinstance(inside, list):
        return None
    parts = [_read(each, depth + 1) for each in inside]
    return Group(kind, tuple(part for part in parts if part is not None)) if None not in parts else None


def _read_row(raw: MappingOf[str, Any]) -> Row | None:
    name, operator, given = raw.get("field", ""), raw.get("operator", ""), raw.get("value", [])
    values = [from_plain(value) for value in (given if isinstance(given, list) else [given])]
    known = isinstance(name, str) and isinstance(operator, str) and raw.keys() <= {"field", "operator", "value"}
    if not known or None in values:
        return None
    return Row(name, operator, tuple(value for value in values if value is not None))


def rows(group: Group, path: str = "when.conditions") -> Iterator[tuple[str, Row]]:
    """Yield every row of a tree of conditions with its dotted path, which is that of the faults about it."""
    for place, part in enumerate(group.parts):
        inner = f"{path}.{group.kind}" + ("" if group.kind == "not" else f".{place}")
        if isinstance(part, Row):
            yield inner, part
        else:
            yield from rows(part, inner)


def to_json(form: Any) -> Any:
    """Return a form (of any kind) as dicts, lists, texts and truth values; its keys are those of the dataclasses.

    A Row has ``field``, a Group has ``kind`` and ``parts``.
    """
    if is_dataclass(form):
        return {each.name: to_json(getattr(form, each.name)) for each in fields(form)}
    if isinstance(form, Mapping):
        return {name: to_json(value) for name, value in form.items()}
    return [to_json(each) for each in form] if isinstance(form, tuple | list) else form


def from_json(kind: type[T], data: Any) -> T:
    """Return the form that :func:`to_json` wrote; what is left out has its default.

    ``kind`` is ``Form`` or ``ContactForm``. Raises MappingError with the path of what is of another shape.
    """
    found: T = _build(kind, data, "", 0)
    return found


def _build(kind: Any, data: Any, path: str, depth: int) -> Any:
    if kind in (str, bool):
        if not isinstance(data, kind) or (kind is str and len(data) > MOST_TEXT):
            raise _fault(path, "must be a text." if kind is str else "must be true or false.")
        return data
    if isinstance(kind, types.UnionType):  # a part of a group
        kind = Group if isinstance(data, Mapping) and "parts" in data else Row
    if depth > 2 * MAX_NESTING + 6:
        raise _fault(path, "is nested too deeply.")
    if is_dataclass(kind):
        return _build_class(kind, data, path, depth)
    inner = typing.get_args(kind)
    if typing.get_origin(kind) is tuple:
        if not isinstance(data, list | tuple) or len(data) > MAX_ITEMS:
            raise _fault(path, f"must be a list of at most {MAX_ITEMS}.")
        return tuple(_build(inner[0], each, _join(path, place), depth + 1) for place, each in enumerate(data))
    if not isinstance(data, Mapping) or len(data) > MAX_ITEMS:
        raise _fault(path, f"must be a table of at most {MAX_ITEMS} names.")
    return {str(name): _build(inner[1], each, _join(path, name), depth + 1) for name, each in data.items()}


def _build_class(kind: Any, data: Any, path: str, depth: int) -> Any:
    if not isinstance(data, Mapping):
        raise _fault(path, "must be a table.")
    hints = _hints(kind)
    return kind(
        **{name: _build(hints[name], data[name], _join(path, name), depth + 1) for name in hints if name in data}
    )


@lru_cache(maxsize=64)
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _join(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)


def _fault(path: str, words: str) -> MappingError:
    return MappingError([Fault(path, words)])


def place_of(words: str) -> tuple[int, int] | None:
    """Return the (line, column) that the words of a TOML fault name, for the text editor; None where they name none."""
    found = _PLACE.search(words)
    return (int(found[1]), int(found[2])) if found else None


class Reading:
    """Reads parts of a form out of a file's tables, and notes what it cannot show."""

    def __init__(self, table: Any, path: str, unknown: list[str]) -> None:
        self.table: MappingOf[str, Any] = table if isinstance(table, Mapping) else {}
        self.path, self.unknown = path, unknown
        self.rest = dict.fromkeys(self.table)
        if table is not None and not isinstance(table, Mapping):
            unknown.append(path)

    def _take(self, name: str, fits: bool) -> bool:
        """Tell whether there is something of the right kind."""
        self.rest.pop(name, None)
        if name in self.table and not fits:
            self.unknown.append(_join(self.path, name))
        return name in self.table and fits

    def text(self, name: str, default: str = "") -> str:
        """Read a text."""
        value = self.table.get(name)
        return str(value) if self._take(name, isinstance(value, str)) else default

    def flag(self, name: str) -> bool:
        """Read a truth value."""
        value = self.table.get(name)
        return bool(value) if self._take(name, isinstance(value, bool)) else False

    def texts(self, name: str, *, alone: bool = False) -> tuple[str, ...]:
        """Read a list of texts; ``alone``: or its only item without the brackets."""
        value = self.table.get(name)
        if alone and isinstance(value, str):
            value = [value]
        fits = isinstance(value, list) and all(isinstance(each, str) for each in value)
        return tuple(value) if self._take(name, fits) and isinstance(value, list) else ()

    def table_of_texts(self, name: str) -> dict[str, str]:
        """Read a table whose names are free."""
        value = self.table.get(name)
        fits = isinstance(value, Mapping) and all(isinstance(each, str) for each in value.values())
        return dict(value) if self._take(name, fits) and isinstance(value, Mapping) else {}

    def inner(self, name: str) -> Reading:
        """Read a table."""
        self.rest.pop(name, None)
        return Reading(self.table.get(name), _join(self.path, name), self.unknown)

    def each(self, name: str) -> list[Reading]:
        """Read a list of tables."""
        value = self.table.get(name)
        fits = isinstance(value, list) and all(isinstance(item, Mapping) for item in value)
        items: Sequence[Any] = value if self._take(name, fits) and isinstance(value, list) else ()
        return [Reading(item, f"{_join(self.path, name)}.{place}", self.unknown) for place, item in enumerate(items)]

    def raw(self, name: str) -> Any:
        """Return what stands there, for who reads it otherwise."""
        self.rest.pop(name, None)
        return self.table.get(name)

    def end(self) -> None:
        """Note the names that nobody asked for."""
        self.unknown += [_join(self.path, name) for name in self.rest]
