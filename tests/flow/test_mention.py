"""Numbers and addresses are found in bytes, however they are written."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.flow.mention import named_in, spoken, written

JANE = "+447400123456"
FORMS = written([JANE, "GB.1234567890"], ["jane@fernhill.example"])


@pytest.mark.parametrize(
    "body",
    [
        b'{"phone":"+447400123456"}', b'{"wa_id":"447400123456"}', b'{"phone":"07400 123456"}',
        b"<Phone>+44 (0)7400 123-456</Phone>", b'{"phone":"0044 7400.123.456"}', b'{"from": 447400123456}',
        "<Phone>+44 7400 123456</Phone>".encode("utf-16"), b'{"phone":"7400/123456"}',
        '{"phone":"+44\u00a07400\u2011123456"}'.encode(), b'{"email":"Jane@Fernhill.example"}',
        b"mailto:jane@fernhill.example.", b'{"user_id":"GB.1234567890"}',
    ],
)  # fmt: skip
def test_whoever_is_mentioned_is_found(body: bytes) -> None:
    assert spoken(body) & FORMS


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":7400123456447400123456}', b'{"id":1447400123456}', b'{"phone":"+447400123457"}', b"", b"\xff\xfe\x00",
        b'{"phone":"7400","n":"123456"}', b'{"email":"notjane@fernhill.example"}', b'{"user_id":"GB.12345678901"}',
    ],
)  # fmt: skip
def test_whoever_is_not_mentioned_is_not_found(body: bytes) -> None:
    assert not spoken(body) & FORMS


def test_a_short_number_of_nobody_in_particular_is_not_looked_for_alone() -> None:
    assert b"12345" not in written(["+49612345"])


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_can_be_searched(body: bytes) -> None:
    assert isinstance(spoken(body), set)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=("L", "N", "Cs")), max_size=40))
def test_a_number_is_found_among_whatever_signs(noise: str) -> None:
    assert spoken(json.dumps({"before": noise, "phone": JANE, "after": noise}).encode()) & FORMS


def test_a_payload_names_numbers_and_addresses_that_stand_alone() -> None:
    payload = {"customer": {"id": 7400123456, "phone": "+44 7400 123456", "email": "a@b.example"}, "x": ["+1", None]}
    assert sorted(named_in(payload)) == ["+447400123456", "a@b.example"]
