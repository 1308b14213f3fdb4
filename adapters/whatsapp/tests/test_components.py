"""Slots become Meta's components."""

from __future__ import annotations

import pytest

from adapters.whatsapp.components import components
from adapters.whatsapp.tests.hooks import message
from connector.errors import PermanentError
from connector.model import Category


def text(value: str, name: str = "") -> dict[str, str]:
    return {"type": "text", **({"parameter_name": name} if name else {}), "text": value}


def button(index: str, kind: str, parameter: object) -> dict[str, object]:
    return {"type": "button", "sub_type": kind, "index": index, "parameters": [parameter]}


def header(parameter: object) -> dict[str, object]:
    return {"type": "header", "parameters": [parameter]}


@pytest.mark.parametrize(
    ("slots", "wanted"),
    [
        ({}, []),
        ({"body.2": "b", "body.1": "a"}, [{"type": "body", "parameters": [text("a"), text("b")]}]),
        (
            {f"body.{n}": str(n) for n in range(11, 0, -1)},
            [{"type": "body", "parameters": [text(str(n)) for n in range(1, 12)]}],
        ),
        ({"body.first_name": "Zoë"}, [{"type": "body", "parameters": [text("Zoë", "first_name")]}]),
        ({"header.text": "#1001"}, [header(text("#1001"))]),
        ({"header.order_name": "#1001"}, [header(text("#1001", "order_name"))]),
        ({"header.name": "Zoë"}, [header(text("Zoë", "name"))]),
        ({"header.text.image": "a picture"}, [header(text("a picture", "image"))]),
        (
            {"header.image": "https://cdn.example/a.jpg"},
            [header({"type": "image", "image": {"link": "https://cdn.example/a.jpg"}})],
        ),
        ({"header.video": "9900112"}, [header({"type": "video", "video": {"id": "9900112"}})]),
        (
            {"header.document": "https://cdn.example/a.pdf", "header.filename": "Invoice.pdf"},
            [
                header(
                    {
                        "type": "document",
                        "document": {"link": "https://cdn.example/a.pdf", "filename": "Invoice.pdf"},
                    }
                )
            ],
        ),
        (
            {"header.latitude": "52.5", "header.longitude": "13.4", "header.name": "Shop", "header.address": "Allee 1"},
            [
                header(
                    {
                        "type": "location",
                        "location": {"latitude": "52.5", "longitude": "13.4", "name": "Shop", "address": "Allee 1"},
                    }
                )
            ],
        ),
        ({"button.1.url": "abc?x=1"}, [button("1", "url", text("abc?x=1"))]),
        ({"button.0.payload": "OK:1"}, [button("0", "quick_reply", {"type": "payload", "payload": "OK:1"})]),
        ({"button.0.code": "SAVE25"}, [button("0", "copy_code", {"type": "coupon_code", "coupon_code": "SAVE25"})]),
        (
            {"button.0.token": "t1", "button.0.data": '{"order": 1001}'},
            [
                button(
                    "0",
                    "flow",
                    {"type": "action", "action": {"flow_token": "t1", "flow_action_data": {"order": 1001}}},
                )
            ],
        ),
        (
            {"button.0.product": "mug-1"},
            [button("0", "catalog", {"type": "action", "action": {"thumbnail_product_retailer_id": "mug-1"}})],
        ),
        (
            {"button.0.product": "mug-1", "button.0.sections": '[{"title":"Mugs","product_items":[]}]'},
            [
                button(
                    "0",
                    "mpm",
                    {
                        "type": "action",
                        "action": {
                            "thumbnail_product_retailer_id": "mug-1",
                            "sections": [{"title": "Mugs", "product_items": []}],
                        },
                    },
                )
            ],
        ),
        (
            {"offer.expires": "1795437400000"},
            [
                {
                    "type": "limited_time_offer",
                    "parameters": [
                        {
                            "type": "limited_time_offer",
                            "limited_time_offer": {"expiration_time_ms": 1795437400000},
                        }
                    ],
                }
            ],
        ),
        (
            {
                "body.1": "Zoë",
                "card.1.header.image": "77",
                "card.0.header.image": "66",
                "card.0.body.1": "€9",
                "card.0.button.0.payload": "MORE",
                "card.0.button.1.url": "mug",
            },
            [
                {"type": "body", "parameters": [text("Zoë")]},
                {
                    "type": "carousel",
                    "cards": [
                        {
                            "card_index": 0,
                            "components": [
                                header({"type": "image", "image": {"id": "66"}}),
                                {"type": "body", "parameters": [text("€9")]},
                                button("0", "quick_reply", {"type": "payload", "payload": "MORE"}),
                                button("1", "url", text("mug")),
                            ],
                        },
                        {"card_index": 1, "components": [header({"type": "image", "image": {"id": "77"}})]},
                    ],
                },
            ],
        ),
        (
            {"header.text": "H", "button.10.url": "k", "button.2.url": "c", "body.1": "B"},
            [
                header(text("H")),
                {"type": "body", "parameters": [text("B")]},
                button("2", "url", text("c")),
                button("10", "url", text("k")),
            ],
        ),
    ],
)
def test_each_kind_of_slot_becomes_its_component(slots: dict[str, str], wanted: list[object]) -> None:
    assert components(message(**slots)) == wanted


def test_a_code_goes_into_the_text_and_behind_the_button() -> None:
    assert components(message(Category.AUTHENTICATION, body__1="918273")) == [
        {"type": "body", "parameters": [text("918273")]},
        button("0", "url", text("918273")),
    ]


def test_an_empty_optional_value_is_left_out() -> None:
    assert components(message(button__0__payload="")) == []


@pytest.mark.parametrize(
    "slots",
    [
        {"body.1": "a", "body.3": "c"},
        {"body.1": "", "body.2": "b"},
        {"body.0": "a"},
        {"button.0.token": "t", "button.0.data": "{"},
        {"button.0.token": "t", "button.0.data": "NaN"},
        {"button.0.token": "t", "button.0.data": "[" * 100_000},
        {"offer.expires": "soon"},
        {"offer.expires": "٣"},
        {"button.first.url": "x"},
        {"button.0": "x"},
        {"card.²": "x"},
    ],
)
def test_slots_that_do_not_fit_are_refused_before_anything_is_sent(slots: dict[str, str]) -> None:
    with pytest.raises(PermanentError) as caught:
        components(message(**slots))
    assert caught.value.advice
