"""What forms of mapping files are made of: typed values as text, rows of conditions, groups of rows; and JSON of them.

In a form every value is a text beside its kind, as a page's fields hold it: 64-bit ids and prices stay exact, in
JSON and in JavaScript too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

ONE, LIST, NOTHING = "one", "list", "nothing"


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
    raise NotImplementedError


def guess_value(text: str, type_: str = "") -> Value:
    """Return what somebody means who types this for a field of that declared type (``number``, ``boolean``, …)."""
    raise NotImplementedError


def guess_values(text: str, type_: str = "") -> tuple[Value, ...]:
    """The same for a list: one value a line."""
    raise NotImplementedError


def to_json(form: Any) -> dict[str, Any]:
    """Return a form (of any kind) as dicts, lists, texts and truth values; its keys are those of the dataclasses.

    A Row has ``field``, a Group has ``kind`` and ``parts``.
    """
    raise NotImplementedError


def from_json(kind: type[T], data: Any) -> T:
    """Return the form that :func:`to_json` wrote; what is left out has its default.

    ``kind`` is ``Form`` or ``ContactForm``. Raises MappingError with the path of what is of another shape.
    """
    raise NotImplementedError


def place_of(words: Sequence[Any] | str) -> tuple[int, int] | None:
    """Return (line, column) that the words of a TOML fault name, for the text editor; None where they name none."""
    raise NotImplementedError
