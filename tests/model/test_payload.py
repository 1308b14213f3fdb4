"""Reading payloads: exact, bounded, storable."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.errors import PayloadError
from connector.model import dig, parse_json, parse_object, text_at


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"\xff\xfe{}", b"[" * 100_000, b'{"a":' * 100_000, b"NaN", b"[Infinity]", b"[-Infinity]",
        b"[" + b"9" * 5_000 + b"]", b"[1e999999999]", b"[1e-999999999]", b"[1.%s]" % (b"1" * 100), b"{} {}",
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_a_payload_error(body: bytes) -> None:
    with pytest.raises(PayloadError):
        parse_json(body)


def test_ids_beyond_two_to_the_53rd_stay_exact() -> None:
    assert parse_json(b'{"id":820982911946154508}') == {"id": 820982911946154508}


def test_fractions_keep_their_zeros() -> None:
    assert str(dig(parse_json(b'{"a":12.50}'), "a")) == "12.50"
    assert isinstance(dig(parse_json(b'{"a":12.50}'), "a"), Decimal)


def test_nul_and_lone_surrogates_become_something_a_database_takes() -> None:
    read = parse_json(rb'{"a\u0000":["x\ud800y","\ud83d\ude00"]}')

    assert read == {"a\ufffd": ["x\ufffdy", "\U0001f600"]}


def test_a_deep_body_with_an_escape_ends_in_a_payload_error_or_a_value() -> None:
    for depth in (10, 500, 900, 960, 2000):
        try:
            parse_json(b"[" * depth + rb'"\u0000"' + b"]" * depth)
        except PayloadError:
            continue


def test_an_array_is_not_an_object() -> None:
    with pytest.raises(PayloadError, match="not an object"):
        parse_object(b"[]")


def test_paths_lead_into_lists_and_out_of_nothing() -> None:
    payload = {"a": [{"b": "x"}, {"b": None}], "n": 5, "t": True}

    assert dig(payload, "a[0].b") == dig(payload, "a.0.b") == "x"
    assert dig(payload, "a[7].b") is None
    assert dig(payload, "a.²") is None
    assert dig(payload, "n.b") is None
    assert text_at(payload, "a[1].b", "t", "n") == "5"


@settings(deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(), st.lists, max_leaves=20))
def test_whatever_json_says_is_read_back(value: object) -> None:
    read = parse_json(json.dumps(value).encode("utf-8", "surrogatepass"))
    text = json.dumps(read, ensure_ascii=False)

    text.encode()
    assert "\x00" not in text


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_else(body: bytes) -> None:
    with suppress(PayloadError):
        parse_json(body)
