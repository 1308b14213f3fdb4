"""The generator: the same for a seed, every number nobody's and valid, every oddity of real shops in it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.errors import ConfigurationError
from connector.sandbox.documents import DOCUMENTS, document
from connector.sandbox.orders import PLACES, Order, orders
from connector.sandbox.people import NAMES, REGIONS, UNUSABLE
from connector.sandbox.trouble import TROUBLES

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
SEEDS = st.integers(0, 2**31)


def found_phones(payload: dict[str, Any]) -> list[str]:
    """Return every valid number in the five places, as a mapping would find it."""
    customer, shipping, billing = (payload[name] or {} for name in ("customer", "shipping_address", "billing_address"))
    default = customer.get("default_address") or {}
    country = next((one["country_code"] for one in (shipping, billing, default) if one), None)
    found = []
    for text in (
        payload.get("phone"),
        shipping.get("phone"),
        customer.get("phone"),
        billing.get("phone"),
        default.get("phone"),
    ):
        try:
            number = phonenumbers.parse(text or "", country)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number) and "*" not in (text or ""):
            found.append(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return found


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, n=st.integers(1, 60), unusable=st.integers(0, 60))
def test_whoever_can_be_reached_is_reached_at_the_number_that_is_told(seed: int, n: int, unusable: int) -> None:
    made = list(orders(seed, n, unusable=unusable, at=AT))
    assert sum(not order.usable for order in made) == min(unusable, n)
    for order in made:
        phones = found_phones(order.payload)
        assert phones == ([order.phone] if order.usable else []), order.name
        assert order.phone[-4:] not in TROUBLES


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_ids_names_tokens_and_numbers_are_each_other_s_only_once(seed: int) -> None:
    made = list(orders(seed, 80, at=AT))
    for one in (
        [order.payload["id"] for order in made],
        [order.name for order in made],
        [order.payload["checkout_token"] for order in made],
        [order.phone for order in made if order.usable],
        [line["id"] for order in made for line in order.payload["line_items"]],
    ):
        assert len(set(one)) == len(one)


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_the_same_seed_gives_the_same_orders(seed: int) -> None:
    def made(of: int) -> list[Order]:
        return list(orders(of, 10, at=AT))

    assert made(seed) == made(seed)
    assert [order.payload["id"] for order in made(seed)] != [order.payload["id"] for order in made(seed + 1)]


@pytest.mark.parametrize("text", UNUSABLE)
def test_what_is_meant_to_be_unusable_is_so_in_every_country(text: str | None) -> None:
    for region in phonenumbers.SUPPORTED_REGIONS:
        address = {"country_code": region, "phone": text}
        payload = {"phone": text, "customer": None, "shipping_address": address, "billing_address": None}
        assert found_phones(payload) == [], region


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.code)
def test_every_number_set_aside_is_valid_and_brings_no_trouble(region: Any) -> None:
    for place in range(0, region.size, max(1, region.size // 400)):
        number = region.number(place)
        parsed = phonenumbers.parse(number)
        assert phonenumbers.is_valid_number(parsed), number
        assert phonenumbers.region_code_for_number(parsed) == region.code
        assert number[-4:] not in TROUBLES
    assert all(region.number(place)[-4:] < "9000" for place in range(region.size))


def test_three_hundred_orders_have_every_oddity() -> None:
    made = list(orders(7, 300, unusable=20, test=3, at=AT))
    payloads = [order.payload for order in made]
    assert {order.place for order in made if order.usable} == set(PLACES)
    assert sum(payload["test"] for payload in payloads) == 3
    assert any(payload["customer"] is None for payload in payloads)
    assert any(payload["shipping_address"] is None and payload["billing_address"] is None for payload in payloads)
    assert {len(payload["line_items"]) for payload in payloads} >= {1, 4, 50}
    assert {payload["presentment_currency"] for payload in payloads} >= {"USD", "EUR", "JPY", "VND"}
    assert all(payload["id"] > 2**53 and float(payload["id"]) != payload["id"] for payload in payloads[:5])
    assert {payload["customer"]["first_name"] for payload in payloads if payload["customer"]} >= {"Zoë", "小龍", "محمد"}
    assert any("****" in json.dumps(payload) for payload in payloads)
    written = [payload["shipping_address"]["phone"] for payload in payloads if payload["shipping_address"]]
    assert any(phone and phone.startswith("0") for phone in written), "as people write it, without a country code"
    assert len({name for name, _ in NAMES}) == len(NAMES)


def test_currencies_without_decimals_have_none() -> None:
    for order in orders(7, 300, at=AT):
        seen = order.payload["total_price_set"]["presentment_money"]
        decimals = {"JPY": 0, "VND": 0, "KWD": 3}.get(seen["currency_code"], 2)
        assert re.fullmatch(r"\d+" + (rf"\.\d{{{decimals}}}" if decimals else ""), seen["amount"])


def test_totals_add_up() -> None:
    for order in orders(7, 60, at=AT):
        lines = sum(round(float(line["price"]) * 100) * line["quantity"] for line in order.payload["line_items"])
        assert round(float(order.payload["total_price"]) * 100) == lines + 490


@pytest.mark.parametrize("topic", DOCUMENTS)
def test_every_topic_is_json_about_the_same_order(topic: str) -> None:
    order = next(iter(orders(7, 1, unusable=0, at=AT)))
    payload = json.loads(json.dumps(document(topic, order)))
    about = payload.get("order_id") or payload.get("token") or payload["name"]
    expected = {
        order.payload["id"], order.payload["token"], order.payload["checkout_token"], f"#D{order.payload['number']}",
    }  # fmt: skip
    assert about in expected


def test_a_checkout_is_bought_by_the_order_with_its_token() -> None:
    order = next(iter(orders(7, 1, at=AT)))
    checkout = document("checkouts/create", order)
    assert checkout["token"] == document("orders/create", order)["checkout_token"]
    assert checkout["completed_at"] is None
    assert "id" not in checkout


def test_a_refund_names_the_order_and_no_customer() -> None:
    order = next(iter(orders(7, 1, at=AT)))
    refund = document("refunds/create", order)
    assert "customer" not in refund
    assert refund["transactions"][0]["amount"] == order.payload["total_price_set"]["presentment_money"]["amount"]


def test_an_unknown_topic_is_told_clearly() -> None:
    with pytest.raises(ConfigurationError, match="orders/paid"):
        document("orders/eaten", next(iter(orders(7, 1))))
