"""Reading payloads: JSON with limits, exact numbers, and paths into it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from connector.errors import PayloadError

Json: TypeAlias = "bool | int | Decimal | str | Sequence[Json] | Mapping[str, Json] | None"
Payload: TypeAlias = Mapping[str, Json]

MAX_DIGITS = 40
"""Longer numbers are refused: nothing real needs them, and turning them into text can take for ever."""


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise PayloadError(f"A number of {len(text)} digits is too long; at most {MAX_DIGITS} are read.")
    return int(text)


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent beyond what decimal itself can hold
        raise PayloadError("A number is too long or too large to be read.") from None
    exponent = number.as_tuple().exponent
    if len(text) > MAX_DIGITS or not isinstance(exponent, int) or abs(exponent) > MAX_DIGITS:
        raise PayloadError("A number is too long or too large to be read.")
    return number


def _no_constant(text: str) -> None:
    raise PayloadError(f"{text} is not JSON; send a number or null.")


_UNSTORABLE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
"""Escapes of NUL, which PostgreSQL takes in no text, and of surrogates, which alone are no character."""
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")


def _storable(value: Json) -> Json:
    if isinstance(value, str):
        return _NOT_TEXT.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {str(_storable(name)): _storable(item) for name, item in value.items()}
    if isinstance(value, Sequence):
        return [_storable(item) for item in value]
    return value


_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_decimal, parse_constant=_no_constant)


def parse_json(body: bytes) -> Json:
    """Parse a UTF-8 body (a byte-order mark is let pass); integers stay exact, fractions become Decimal.

    NUL and lone surrogates, which no database takes, become U+FFFD.

    Raises PayloadError for anything else: invalid UTF-8 or JSON, NaN, numbers beyond reason, nesting
    beyond the interpreter's limit.
    """
    try:
        value: Json = _DECODER.decode(body.decode("utf-8-sig"))
        if _UNSTORABLE.search(body):
            value = _storable(value)
    except UnicodeDecodeError as error:
        raise PayloadError(f"The body is not UTF-8 (byte {error.start}).") from None
    except json.JSONDecodeError as error:
        raise PayloadError(f"The body is not JSON: {error.msg} at character {error.pos}.") from None
    except RecursionError:
        raise PayloadError("The body is nested too deeply to be read.") from None
    return value


def parse_object(body: bytes) -> Payload:
    """Parse a body that must hold a JSON object. Raises PayloadError."""
    value = parse_json(body)
    if not isinstance(value, Mapping):
        raise PayloadError(f"The body is a JSON {type(value).__name__}, not an object.")
    return value


_STEP = re.compile(r"[^.\[\]]+")
_INDEX = re.compile(r"-?[0-9]{1,9}")


def steps(path: str) -> tuple[str, ...]:
    """Split ``line_items[0].title`` (or ``line_items.0.title``) into its steps."""
    return tuple(_STEP.findall(path))


def dig(payload: Json, path: str) -> Json:
    """Return what stands at a dotted path, or None where there is nothing."""
    value: Json = payload
    for step in steps(path):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            index = int(step) if _INDEX.fullmatch(step) else len(value)
            value = value[index] if -len(value) <= index < len(value) else None
        else:
            return None
    return value


def text_at(payload: Json, *paths: str) -> str:
    """Return the first of these paths that holds a non-empty text or a number, as text, else ``""``."""
    for path in paths:
        value = dig(payload, path)
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return str(value)
    return ""
