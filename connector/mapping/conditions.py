"""Conditions as data: ``all``, ``any``, ``not``, and tests of one field each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeAlias, TypeGuard

from connector.errors import Fault
from connector.mapping.nearest import nearest
from connector.mapping.scalar import is_missing, number, show
from connector.mapping.text import is_blank
from connector.model import Json, Payload, dig
from connector.model.payload import steps

MAX_NESTING = 8
MAX_TESTS = 100
MAX_PATH = 200
_POSITION = re.compile(r"-?[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class Test:
    """One field compared with one value."""

    path: str
    """Where it stands in the file: ``when.conditions.all.0``."""
    field: str
    operator: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class All:
    """Every part must hold."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One part must hold."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part must not hold."""

    part: Condition


Condition: TypeAlias = Test | All | AnyOf | Not


def evaluate(condition: Condition, roots: Payload) -> str:
    """Return ``""`` where it holds, else the words for the first reason why not: never raises."""
    if isinstance(condition, Test):
        return _evaluate_test(condition, roots)
    if isinstance(condition, All):
        return next((words for part in condition.parts if (words := evaluate(part, roots))), "")
    if isinstance(condition, Not):
        return "" if evaluate(condition.part, roots) else f"it is so that {_describe(condition.part)}"
    found = []
    for part in condition.parts:
        words = evaluate(part, roots)
        if not words:
            return ""
        found.append(words)
    return "none of these holds: " + "; ".join(found)


def tests(condition: Condition) -> Iterator[Test]:
    """Yield every test inside."""
    if isinstance(condition, Test):
        yield condition
    elif isinstance(condition, Not):
        yield from tests(condition.part)
    else:
        for part in condition.parts:
            yield from tests(part)


def _evaluate_test(test: Test, roots: Payload) -> str:
    actual = dig(roots, test.field)
    if OPERATORS[test.operator].holds(actual, test.value):
        return ""
    return f"{test.field} is {show(actual)}, wanted {_wanted(test)}"


def _wanted(test: Test) -> str:
    words = OPERATORS[test.operator].words
    return words.format(show(test.value)).strip()


def _describe(condition: Condition) -> str:
    if isinstance(condition, Test):
        return f"{condition.field} is {_wanted(condition)}"
    if isinstance(condition, Not):
        return f"it is not so that {_describe(condition.part)}"
    return (" and " if isinstance(condition, All) else " or ").join(map(_describe, condition.parts))


def _equal(actual: Json, wanted: Any) -> bool:
    """Compare one value: numbers by what they are worth, also in text; texts to the letter."""
    if isinstance(wanted, bool) or isinstance(actual, bool):
        return _truth(actual) is not None and _truth(actual) == _truth(wanted)
    if isinstance(actual, str) and isinstance(wanted, str):
        return actual == wanted
    left, right = number(actual), number(wanted)
    return left is not None and left == right


def _truth(value: Any) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def _is_in(actual: Json, wanted: Sequence[Any]) -> bool:
    return any(_equal(actual, each) for each in wanted)


def _contains(actual: Json, wanted: Any) -> bool:
    if isinstance(actual, str):
        return isinstance(wanted, str) and wanted in actual
    return _is_sequence(actual) and any(_equal(item, wanted) for item in actual)


def _matches_any(actual: Json, wanted: Sequence[Any]) -> bool:
    """Compare item by item; a text counts as a list with commas, as shops write their tags."""
    items = [part.strip() for part in actual.split(",")] if isinstance(actual, str) else actual
    return _is_sequence(items) and any(_is_in(item, wanted) for item in items)


def _is_sequence(value: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _compare(order: Callable[[Any, Any], bool]) -> Callable[[Json, Any], bool]:
    def holds(actual: Json, wanted: Any) -> bool:
        left, right = number(actual), number(wanted)
        return left is not None and right is not None and order(left, right)

    return holds


def _is_blank(actual: Json, _wanted: Any = None) -> bool:
    if isinstance(actual, str):
        return is_blank(actual)
    return is_missing(actual) or (isinstance(actual, Sequence | Mapping) and not actual)


@dataclass(frozen=True, slots=True)
class _Operator:
    holds: Callable[[Json, Any], bool] = field(repr=False)
    words: str
    takes: str


OPERATORS: Mapping[str, _Operator] = {
    "is": _Operator(_equal, "{}", "one"),
    "is_not": _Operator(lambda actual, wanted: not _equal(actual, wanted), "anything but {}", "one"),
    "in": _Operator(_is_in, "one of {}", "list"),
    "not_in": _Operator(lambda actual, wanted: not _is_in(actual, wanted), "none of {}", "list"),
    "contains": _Operator(_contains, "something that contains {}", "one"),
    "greater_than": _Operator(_compare(lambda left, right: left > right), "more than {}", "number"),
    "less_than": _Operator(_compare(lambda left, right: left < right), "less than {}", "number"),
    "is_blank": _Operator(_is_blank, "a blank", "nothing"),
    "is_present": _Operator(lambda actual, wanted: not _is_blank(actual), "some value", "nothing"),
    "starts_with": _Operator(
        lambda actual, wanted: isinstance(actual, str) and actual.startswith(wanted),
        "a text that begins with {}",
        "text",
    ),
    "matches_any": _Operator(_matches_any, "a list with one of {}", "list"),
}


class _Reader:
    """Reads conditions from a file and gathers every fault."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.tests = 0

    def fault(self, path: str, words: str) -> None:
        self.faults.append(Fault(path, words))

    def read(self, raw: Any, path: str, depth: int = 1) -> Condition | None:
        if not isinstance(raw, Mapping):
            self.fault(path, "must be a table: { field = …, operator = …, value = … }, all, any or not.")
            return None
        if depth > MAX_NESTING:
            self.fault(path, f"is nested more than {MAX_NESTING} deep.")
            return None
        kinds = [kind for kind in ("all", "any", "not") if kind in raw]
        if not kinds:
            return self._read_test(raw, path)
        if len(raw) > 1:
            others = ", ".join(sorted(str(key)[:40] for key in raw if key != kinds[0]))
            self.fault(path, f"{kinds[0]!r} stands alone in its table; move {others} into a table of its own.")
            return None
        kind = kinds[0]
        if kind == "not":
            part = self.read(raw["not"], f"{path}.not", depth + 1)
            return Not(part) if part else None
        return self._read_parts(kind, raw[kind], f"{path}.{kind}", depth)

    def _read_parts(self, kind: str, raw: Any, path: str, depth: int) -> Condition | None:
        if not isinstance(raw, list) or not raw:
            self.fault(path, "must be a list of conditions, with one at least.")
            return None
        parts = [self.read(each, f"{path}.{place}", depth + 1) for place, each in enumerate(raw)]
        found = tuple(part for part in parts if part is not None)
        return All(found) if kind == "all" else AnyOf(found)

    def _read_test(self, raw: Mapping[str, Any], path: str) -> Test | None:
        self.tests += 1
        if self.tests > MAX_TESTS:
            if self.tests == MAX_TESTS + 1:
                self.fault(path, f"is one test too many; at most {MAX_TESTS} are allowed.")
            return None
        before = len(self.faults)
        known = ("field", "operator", "value")
        for key in raw:
            if key not in known:
                self.fault(f"{path}.{key[:80]}", f"is not known here{nearest(key, (*known, 'all', 'any', 'not'))}")
        name = raw.get("field")
        if words := refuse_path(name):
            self.fault(f"{path}.field", words)
        operator = raw.get("operator")
        if not isinstance(operator, str) or operator not in OPERATORS:
            given = (
                f"{operator[:40]!r} is no operator{nearest(operator, OPERATORS)}"
                if isinstance(operator, str)
                else "is missing"
            )
            self.fault(f"{path}.operator", f"{given}; there are {', '.join(OPERATORS)}.")
        elif words := _refuse_value(OPERATORS[operator].takes, raw):
            self.fault(f"{path}.value", words)
        if len(self.faults) > before:
            return None
        value = raw.get("value")
        return Test(path, str(name), str(operator), tuple(value) if isinstance(value, list) else value)


def refuse_path(path: Any) -> str:
    """Say what is wrong with a field's path such as ``customer.tags``, or return ``""``."""
    if path is None:
        return "is missing; write the path of a field, such as financial_status."
    if not isinstance(path, str) or not path.strip():
        return "must be the path of a field, such as customer.email."
    if "{" in path or "|" in path:
        return "must be the bare path of a field; expressions are not used here."
    if len(path) > MAX_PATH:
        return f"is longer than {MAX_PATH} characters."
    names = steps(path)
    if not names or path != path.strip():
        return "must be the path of a field, such as customer.email."
    if any(name.startswith("_") for name in names):
        return "is out of reach: names that begin with '_' are not data."
    if any(name.lstrip("-").isdigit() and not _POSITION.fullmatch(name) for name in names):
        return "has a list position that is no sensible number."
    return ""


def _refuse_value(takes: str, raw: Mapping[str, Any]) -> str:
    value = raw.get("value")
    if takes == "nothing":
        return "does not belong here: this operator takes none." if "value" in raw else ""
    if "value" not in raw:
        return "is missing."
    if takes == "list":
        if not isinstance(value, list) or not value or not all(map(_is_scalar, value)):
            return "must be a list of texts, numbers or truth values, with one at least."
        return ""
    if takes == "number":
        return "" if number(value) is not None else "must be a number, such as 49.90."
    if takes == "text":
        return "" if isinstance(value, str) and value else "must be a text."
    return "" if _is_scalar(value) else "must be a text, a number, true or false."


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | bool) or (isinstance(value, int | float | Decimal) and number(value) is not None)


def read(raw: Any, path: str) -> tuple[Condition | None, list[Fault]]:
    """Read the ``[when.conditions]`` table; every fault carries its dotted path, and with any there is no condition."""
    reader = _Reader()
    condition = reader.read(raw, path)
    return (None, reader.faults) if reader.faults else (condition, [])
