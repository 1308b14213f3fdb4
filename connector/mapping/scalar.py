"""Single values: reading numbers out of payloads, and printing values without surprises."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeGuard

from liquid import Undefined

MAX_DIGITS = 40
"""Longer numbers are refused: nothing real needs them, and printing them can take for ever."""
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")


def is_missing(value: Any) -> TypeGuard[Undefined | None]:
    """Tell whether there is no value at all: null, or a name that leads nowhere."""
    return value is None or isinstance(value, Undefined)


def number(value: Any) -> int | Decimal | None:
    """Read a number, or a text that holds nothing else (``"12.50"``); None where it is none.

    True and false are no numbers; neither are NaN, infinities, exponents in text, or more than
    :data:`MAX_DIGITS` digits.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        value = value.strip()
        if len(value) > MAX_DIGITS or not _NUMBER.fullmatch(value):
            return None
        return Decimal(value) if "." in value else int(value)
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, Decimal):
        return value if value.is_finite() and _is_short(value) else None
    return value if isinstance(value, int) and -(10**MAX_DIGITS) < value < 10**MAX_DIGITS else None


def _is_short(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and abs(exponent) <= MAX_DIGITS and abs(value.adjusted()) <= MAX_DIGITS


def plain(value: Any) -> str:
    """Print a text, number or truth value: no exponent, no rounding, nothing added.

    A missing value gives ``""``. Raises ValueError, in words for the author of the expression, for lists
    and objects (which would print as program text) and for numbers beyond reason.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if is_missing(value):
        return ""
    if isinstance(value, int | float | Decimal):
        exact = number(value)
        if exact is None:
            raise ValueError("is a number too large to print")
        return format(exact, "f") if isinstance(exact, Decimal) else str(exact)
    if isinstance(value, Mapping):
        raise ValueError("is an object; name one of its fields")
    if isinstance(value, Sequence):
        raise ValueError("is a list; use | list or | join, or name one of its items")
    raise ValueError("is nothing that can be printed")


def show(value: Any) -> str:
    """Return a short form for traces: ``'pending'``, ``12.50``, ``missing``, ``a list of 3``."""
    if is_missing(value):
        return "missing"
    if isinstance(value, str):
        return repr(value if len(value) <= 80 else value[:79] + "…")
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, Sequence):
        if len(value) <= 5 and all(isinstance(item, str | int | Decimal) for item in value):
            return "[" + ", ".join(map(show, value)) + "]"
        return f"a list of {len(value)}"
    try:
        return plain(value)
    except ValueError:
        return "a value too large to show"
