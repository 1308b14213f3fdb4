"""What an event offers to insert: found by label, path and value, exact, and never too much."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.shopify.topics import TOPICS
from connector.contract import Field
from connector.flow import picker
from connector.flow.picker import Offer, completions, find, masked, offer, operators_for, with_fallback
from connector.mapping.conditions import OPERATORS
from connector.mapping.filters import FILTERS
from connector.mapping.formats import ENGLISH
from connector.mapping.liquid import TAGS, compile_expression
from connector.model import Event

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
PAID = next(topic for topic in TOPICS if topic.event == "order.paid")
FIELDS = (
    Field("id", "id"),
    Field("name", "text", "Order name: #1042"),
    Field("customer.first_name", "text", "Given name"),
    Field("line_items", "list"),
    Field("line_items[0].title", "text", "Product"),
    Field("total_price_set", "money"),
    Field("note", "text"),
    Field("*__c", "text"),
)
PAYLOAD: dict[str, Any] = {
    "id": 9007199254740993,
    "name": "#1001",
    "customer": {"first_name": "Zoë", "_secret": 1},
    "line_items": [{"title": "Tea"}, {"title": "Çay", "grams": 250}],
    "total_price_set": {
        "shop_money": {"amount": "40.00", "currency_code": "USD"},
        "presentment_money": {"amount": "36.50", "currency_code": "EUR"},
    },
    "Tier__c": "gold",
    "seen_at": "2026-11-20T10:00:00Z",
    "site": "https://shop.example/",
    "tags": [],
    "a b": 1,
}


def offers(payload: dict[str, Any] | None = None, **remembered: Any) -> dict[str, Offer]:
    told = PAYLOAD if payload is None else payload
    event = Event(
        key="k",
        type="order.paid",
        topic="orders/paid",
        subject="order:1",
        label="#1001",
        occurred_at=NOON,
        payload=told,
    )
    return {each.path: each for each in offer(FIELDS, told, remembered, {"name": "eu", "country": "DE"}, event)}


def test_values_are_shown_as_liquid_prints_them() -> None:
    found = offers()
    assert found["id"].value == "9007199254740993"
    assert found["customer.first_name"].value == "Zoë"
    assert found["total_price_set"].value == "36.50 EUR"
    assert found["line_items"].value == "2 items"
    assert found["event.occurred_at"].value == "2026-11-22T12:00:00+00:00"
    assert (found["account.country"].value, found["account.name"].where) == ("DE", "account")


def test_what_is_declared_comes_first_and_what_is_absent_is_offered_too() -> None:
    found = offers()
    paths = [path for path, each in found.items() if each.where == "event"]
    assert paths[:6] == ["id", "name", "customer.first_name", "line_items", "line_items[0].title", "total_price_set"]
    assert (found["note"].present, found["note"].value) == (False, "")
    assert (found["Tier__c"].declared, found["Tier__c"].type) == (False, "text")
    assert not found["tags"].present


def test_further_items_are_like_the_declared_first_one() -> None:
    other = offers()["line_items[1].title"]
    assert (other.value, other.words, other.declared, other.label) == ("Çay", "Product", True, "Line items 2: title")
    assert offers()["line_items[1].grams"].declared is False


def test_names_that_no_expression_can_reach_are_not_offered() -> None:
    assert not {path for path in offers() if "_secret" in path or " " in path}


def test_objects_are_offered_by_their_parts() -> None:
    found = offers()
    assert not found["customer"].usable
    assert found["total_price_set"].usable


@pytest.mark.parametrize(
    ("path", "printed"),
    [
        ("total_price_set", "€36.50"),
        ("line_items", "Tea, Çay"),
        ("customer.first_name", "Zoë"),
        ("id", "9007199254740993"),
    ],
)
def test_what_is_inserted_prints(path: str, printed: str) -> None:
    assert compile_expression(offers()[path].liquid).render(PAYLOAD, ENGLISH) == printed


def test_types_are_told_by_what_stands_there() -> None:
    found = offers()
    assert (found["seen_at"].type, found["site"].type) == ("time", "url")
    assert picker.type_of("+447400123456") == "phone"
    assert (picker.type_of(True), picker.type_of("12.50"), picker.type_of([]), picker.type_of("1042")) == (
        "boolean",
        "number",
        "list",
        "text",
    )


def test_what_is_remembered_goes_before_a_field_of_the_same_name() -> None:
    found = offers({"order": {"name": "of the payload"}}, order=((Field("name", "text"),), {"name": "#1"}))
    assert (found["order.name"].value, found["order.name"].where) == ("#1", "order")


@pytest.mark.parametrize(
    ("words", "path"),
    [
        ("zoe", "customer.first_name"),
        ("FIRST name", "customer.first_name"),
        ("given", "customer.first_name"),
        ("cay", "line_items[1].title"),
        ("9007199254740993", "id"),
        ("items 2 title", "line_items[1].title"),
    ],
)
def test_search_goes_by_label_path_and_value_without_case_and_accents(words: str, path: str) -> None:
    assert path in {each.path for each in find(offers().values(), words)}


def test_search_wants_all_words() -> None:
    assert find(offers().values(), "zoe nowhere") == []
    assert len(find(offers().values(), "  ")) == len(offers())


def test_there_is_never_too_much() -> None:
    deep: Any = "x"
    for _ in range(200):
        deep = {"a": deep}
    many = {f"field_{number}": number for number in range(5_000)} | {"deep": deep, "long": list(range(5_000))}
    found = offers(many)
    assert len(found) == picker.MOST_OFFERS
    assert "event.type" in found
    assert len(find(offers({"long": list(range(5_000))}).values(), "long")) == picker.MOST_ITEMS + 1
    assert len(offers({"long": "x" * 5_000})["long"].value) == picker.MOST_VALUE


def test_every_filter_and_tag_completes_and_its_example_compiles() -> None:
    found = completions(offers().values())
    names = {each.word for each in found if each.kind == "filter"}
    assert names == set(FILTERS)
    assert {each.word for each in found if each.kind == "tag"} == set(TAGS)
    for each in found:
        assert each.words, each.word
        if each.kind == "filter":
            assert each.word in compile_expression(each.example).filters


@pytest.mark.parametrize(
    "type_", ["text", "number", "money", "boolean", "time", "phone", "url", "id", "list", "object", "?"]
)
def test_operators_fit_the_type_of_the_field(type_: str) -> None:
    found = dict(operators_for(type_))
    assert set(found) <= set(OPERATORS)
    assert {"is_blank", "is_present"} <= set(found)
    assert all(words != name for name, words in found.items() if name != "is" and name != "contains")


def test_every_operator_is_offered_for_some_type() -> None:
    assert {name for type_ in ("text", "number", "list") for name, _ in operators_for(type_)} == set(OPERATORS)


@pytest.mark.parametrize(
    ("expression", "type_", "better"),
    [
        ("{{ customer.first_name }}", "text", "{{ customer.first_name | default: 'there' }}"),
        ("Hi {{ a | upcase }}!", "text", "Hi {{ a | upcase | default: 'there' }}!"),
        ("{{ quantity }}", "number", "{{ quantity | default: 0 }}"),
        ("{{ a | default: 'x' }}", "text", "{{ a | default: 'x' }}"),
        ("no output", "text", "no output"),
    ],
)
def test_a_fallback_is_put_behind(expression: str, type_: str, better: str) -> None:
    assert with_fallback(expression, type_) == better


def test_a_fallback_in_one_s_own_words_keeps_its_quotes_harmless() -> None:
    assert compile_expression(with_fallback("{{ a }}", words="it's")).render({}, ENGLISH) == "it’s"


def test_masked_offers_tell_of_nobody() -> None:
    hidden = {each.path: each.value for each in masked(offers().values())}
    assert hidden["customer.first_name"] == "Z•••"
    assert hidden["id"] == "•••"
    assert (hidden["total_price_set"], hidden["line_items"], hidden["account.name"]) == ("36.50 EUR", "2 items", "eu")


def test_every_declared_field_of_a_real_topic_is_there_in_its_sample_s_offers() -> None:
    payload = PAID.sample()
    event = Event(key="k", type="order.paid", topic="t", subject="order:1", label="", occurred_at=NOON, payload=payload)
    found = {each.path for each in offer(PAID.fields, payload, {}, {}, event)}
    assert {field.path for field in PAID.fields} <= found
