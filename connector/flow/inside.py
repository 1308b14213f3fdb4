"""What somebody looks for inside payloads: a text, or the value of a field (``customer.email:ann``)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unicodedata import normalize

from connector.errors import PayloadError
from connector.model import Json, parse_json

LONGEST = 200
_FIELD = re.compile(r"([A-Za-z_][\w.\-\[\]]{0,150}):(?!//)(.*)", re.DOTALL)
_PART = re.compile(r"[^.\[\]]+")
_ESCAPED = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)+"')
"""A text of JSON in which something is written as an escape."""


def test_of(term: str) -> Callable[[bytes], bool] | None:
    """Return what tells whether a body holds a term; None where the term is empty. Case does not matter.

    ``path:text`` looks for the text in that field alone, whatever list it stands in; a path whose field is
    meant to be there, whatever it holds, ends with the colon. Anything else is looked for in the whole text.
    """
    term = term.strip()[:LONGEST]
    if not term:
        return None
    if match := _FIELD.fullmatch(term):
        return _in_field(_PART.findall(match[1]), match[2].strip().casefold(), term.casefold())
    return _in_text(term.casefold())


def _in_text(needle: str) -> Callable[[bytes], bool]:
    needle = normalize("NFC", needle)

    def holds(body: bytes) -> bool:
        return needle in normalize("NFC", _read(body)).casefold()

    return holds


def _read(body: bytes) -> str:
    """Return a body as text, and once more with what JSON writes as escapes (``\\u00e9``, ``\\"``) as it is read."""
    text = body.decode("utf-8", "replace")
    return f"{text}\n{_ESCAPED.sub(_spelled, text)}" if "\\" in text else text


def _spelled(written: re.Match[str]) -> str:
    try:
        return f'"{json.loads(written[0], strict=False)}"'
    except ValueError:  # no JSON
        return written[0]


def _in_field(path: Sequence[str], wanted: str, whole: str) -> Callable[[bytes], bool]:
    last, wanted = f'"{path[-1]}"'.encode(), normalize("NFC", wanted)
    otherwise = _in_text(whole)

    def holds(body: bytes) -> bool:
        if last not in body:  # parsing costs a hundred times as much
            return otherwise(body)
        try:
            payload = parse_json(body)
        except (PayloadError, RecursionError):
            return False
        return any(wanted in _written(value) for value in _at(payload, path))

    return holds


def _at(value: Json, path: Sequence[str]) -> Iterator[Json]:
    """Yield what stands at a path; a list is gone into, with or without a number."""
    if isinstance(value, dict):
        if not path:
            yield value
        elif path[0] in value:
            yield from _at(value[path[0]], path[1:])
    elif isinstance(value, list):
        if path and path[0].isascii() and path[0].isdigit():
            number = int(path[0][:9])
            if number < len(value):
                yield from _at(value[number], path[1:])
            return
        for item in value:
            yield from _at(item, path)
    elif not path:
        yield value


def _written(value: Any) -> str:
    if isinstance(value, str):
        return normalize("NFC", value).casefold()
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return json.dumps(value, ensure_ascii=False, default=str).casefold()
