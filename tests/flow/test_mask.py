"""Masking: what may be shown to those who may not see people."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.contract import Field
from connector.flow import mask
from connector.model import Json

HIDDEN = (
    "Zoë Müller", "+447400123456", "447400123456", "12035550136", "61255506618", "anna@shop.example", "12 Orchard Row",
    "1984-02-29", "10115", "https://shop.example/orders/1/authenticate?key=abc", "#1001 for Zoë",
)  # fmt: skip
SHOWN = ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00+01:00", "EUR", "GB", "en", "pt-BR", "59.90", "7", "true")


@pytest.mark.parametrize("value", HIDDEN)
def test_what_may_tell_of_a_person_is_hidden(value: str) -> None:
    shown = mask.payload({"a": [{"b": value}]})

    assert value not in str(shown)


@pytest.mark.parametrize("value", SHOWN)
def test_moments_amounts_and_codes_are_shown(value: str) -> None:
    assert mask.payload({"a": value}) == {"a": value}


def test_long_numbers_are_hidden_and_short_ones_shown() -> None:
    assert mask.payload({"phone": 447400123456, "count": 3, "on": True, "none": None}) == {
        "phone": mask.DOTS, "count": 3, "on": True, "none": None
    }  # fmt: skip


@pytest.mark.parametrize(
    "path", ["Phone", "customer.mobilePhone", "phones[0].number", "addresses[1].tel", "whatsapp.id"]
)
@pytest.mark.parametrize("value", [447400123456, "447400123456", "+44 7400 123456", 1234567, "07400-123456"])
def test_a_phone_is_hidden_whatever_kind_its_field_is_declared_to_be(path: str, value: object) -> None:
    payload: Any = value
    for name in reversed(re.findall(r"\w+", path)):
        payload = [{"number": 0}, payload] if name == "1" else [payload] if name == "0" else {name: payload}

    for kind in ("number", "money", "boolean", "time", "id"):
        assert str(value) not in str(mask.payload(payload, [Field(path, kind)]))


def test_numbers_of_orders_and_amounts_are_shown_where_they_are_declared() -> None:
    payload: Json = {"order_number": 5512345678901, "total": "12345678.90", "telephone_orders": 12, "hotel": 123456789,
               "mobile": {"total": "1234567.90", "since": "2026-11-22T10:00:00Z"}}  # fmt: skip
    fields = [Field(path, "number") for path in ("order_number", "total", "telephone_orders", "hotel", "mobile.total")]

    assert mask.payload(payload, fields) == payload


def test_a_declared_time_is_shown_whatever_its_form() -> None:
    assert mask.payload({"due": "2026-11-22"}, [Field("due", "time")]) == {"due": "2026-11-22"}


@settings(deadline=None)
@given(st.integers(min_value=10**6, max_value=10**15).map(str))
def test_no_number_that_could_be_called_is_shown(digits: str) -> None:
    for spelled in (digits, f"+{digits}", f"{digits[:3]} {digits[3:]}", f"{digits[:3]}-{digits[3:]}"):
        assert spelled not in str(mask.payload({"number": spelled}))


@pytest.mark.parametrize("name", ["김", "李", "X"])
def test_of_a_name_that_is_one_letter_nothing_is_left(name: str) -> None:
    assert mask.text(name) == mask.DOTS
    assert mask.payload({"last_name": name}) == {"last_name": mask.DOTS}


@settings(deadline=None)
@given(first=st.characters(categories=("L",)), rest=st.text(min_size=1))
def test_of_a_text_only_its_first_letter_is_left(first: str, rest: str) -> None:
    assert mask.text(first + rest) == first + mask.DOTS
