"""Bodies to try a parser with: hostile ones, and a sample with anything in any place."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from connector.model import Json, Payload

DEPTH = 100_000

HOSTILE_JSON: Mapping[str, bytes] = {
    "an empty body": b"",
    "blanks": b" \r\n ",
    "no JSON": b"name=value&other=1",
    "JSON that is cut": b'{"id": 1, "name": "An',
    "two values": b'{"id": 1} {"id": 2}',
    "invalid UTF-8": b'{"id": 1, "name": "\xff\xfe"}',
    "UTF-16": '{"id": 1}'.encode("utf-16"),
    "lists 100,000 deep": b"[" * DEPTH + b"]" * DEPTH,
    "objects 100,000 deep": b'{"id":' * DEPTH + b"1" + b"}" * DEPTH,
    "unclosed objects 100,000 deep": b'{"id":' * DEPTH,
    "NaN": b'{"id": NaN}',
    "Infinity": b'{"id": -Infinity}',
    "a number of 100,000 digits": b'{"id": ' + b"9" * DEPTH + b"}",
    "a huge exponent": b'{"id": 1e999999999}',
    "a list": b'[{"id": 1}]',
    "a text": b'"id"',
    "a number": b"1",
    "null": b"null",
}
"""What is never a JSON object, by what is wrong with it."""

# Lone surrogates and NUL come through JSON escapes, and no database takes them as text.
_TEXTS = st.text(st.characters(codec=None), max_size=12) | st.sampled_from(
    ["", " ", "\x00", "\ud800", "\u202e", "\n", "-1", "0", "1e9", "NaN", "9" * 40, "x" * 3000, "<b>", "{{ 1 }}"]
)
_NUMBERS = st.integers(-(10**39), 10**39) | st.sampled_from([0, -1, 2**63, 10**39]) | st.floats(-1e30, 1e30)
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)
JSON_OBJECTS = st.dictionaries(_TEXTS, JSON_VALUES, max_size=5)


_GONE = object()


def encode(payload: Json) -> bytes:
    """Return a payload as the vendor would post it."""
    return json.dumps(payload, separators=(",", ":"), default=_number).encode()


def places(value: Json, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of everything inside a payload."""
    inside: Any = ()
    if isinstance(value, Mapping):
        inside = value.items()
    elif isinstance(value, Sequence) and not isinstance(value, str):
        inside = enumerate(value)
    for step, inner in inside:
        yield (*path, step)
        yield from places(inner, (*path, step))


def put(payload: Any, path: Sequence[str | int], value: Any) -> Any:
    """Return a copy of a payload with another value at a path."""
    if not path:
        return value
    copy: Any = dict(payload) if isinstance(payload, Mapping) else list(payload)
    copy[path[0]] = put(payload[path[0]], path[1:], value)
    if copy[path[0]] is _GONE:
        del copy[path[0]]
    return copy


ODD: Sequence[Any] = (
    None, "", " ", "\x00", "\ud83d", "x" * 3000, "\u202e+1\n2", 7, -1, 10**39, 0.5, True, [], {}, [None], [[]],
    {"id": None}, [{"id": "\x00"}],
)  # fmt: skip
"""What may stand in any place, and breaks what trusts it."""


def odd(payload: Payload) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield changes for :func:`put`: each part gone, and everything odd in each place down to the fourth level."""
    for path in places(payload):
        if len(path) <= 4 and not any(isinstance(step, int) and step for step in path):  # of a list the first
            if isinstance(path[-1], str):
                yield path, _GONE
            yield from ((path, value) for value in ODD)


@st.composite
def spoiled(draw: st.DrawFn, payloads: Sequence[Payload]) -> Payload:
    """Return one of these payloads with anything at all in one or two places, or an object of anything."""
    payload: Any = draw(st.sampled_from(list(payloads)) | JSON_OBJECTS)
    for _ in range(draw(st.integers(0, 2))):
        if found := list(places(payload)):
            payload = put(payload, draw(st.sampled_from(found)), draw(JSON_VALUES))
    spoiled: Payload = payload
    return spoiled


def _number(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
