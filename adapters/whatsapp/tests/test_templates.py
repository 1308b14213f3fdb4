"""Meta's template JSON becomes slots, parts and budgets."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.whatsapp.channel import listed
from adapters.whatsapp.components import components
from adapters.whatsapp.templates import read_templates
from adapters.whatsapp.tests.hooks import fixture, message
from connector.errors import PayloadError
from connector.model import Category, Slot, SlotKind, Template

READ = {template.name: template for template in read_templates(fixture("templates"))}


def slots(name: str) -> dict[str, Slot]:
    return {slot.key: slot for slot in READ[name].slots}


def kinds(name: str) -> dict[str, tuple[SlotKind, bool]]:
    return {key: (slot.kind, slot.required) for key, slot in slots(name).items()}


def one(**more: Any) -> dict[str, Any]:
    return {
        "name": "t",
        "language": "en",
        "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Hi"}],
        **more,
    }


def test_a_template_tells_its_state() -> None:
    paid, shipped = READ["order_paid"], READ["shipped"]
    assert (paid.language, paid.category, paid.status, paid.quality, paid.remote_id, paid.reason) == (
        "en_US",
        Category.UTILITY,
        "approved",
        "green",
        "880011223344",
        "",
    )
    assert (shipped.language, shipped.status) == ("de", "paused")


def test_positional_slots_come_with_limits_and_examples() -> None:
    assert slots("order_paid") == {
        "header.text": Slot(key="header.text", limit=54, example="#1001"),
        "body.1": Slot(key="body.1", example="Zoë"),
        "body.2": Slot(key="body.2", example="€59.90"),
        "button.0.payload": Slot(key="button.0.payload", kind=SlotKind.PAYLOAD, required=False),
        "button.1.url": Slot(key="button.1.url", kind=SlotKind.URL_SUFFIX, limit=1972, example="abc"),
    }


def test_the_body_shares_what_the_fixed_text_leaves() -> None:
    fixed = "Hi , we have received . Thank you!"
    assert READ["order_paid"].budget == (("body", 1024 - len(fixed)),)
    assert dict(READ["new_arrivals"].budget) == {"body": 1024 - 6, "card.0.body": 154, "card.1.body": 154}


def test_named_slots_are_one_each_however_often_they_stand() -> None:
    assert {key: slot.example for key, slot in slots("shipped").items()} == {
        "header.order_name": "#1001",
        "body.first_name": "Zoë",
        "body.carrier": "DHL",
    }


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("invoice", {"header.document": (SlotKind.MEDIA, True), "header.filename": (SlotKind.TEXT, False)}),
        (
            "pickup",
            {
                "header.latitude": (SlotKind.NUMBER, True),
                "header.longitude": (SlotKind.NUMBER, True),
                "header.name": (SlotKind.TEXT, True),
                "header.address": (SlotKind.TEXT, True),
            },
        ),
        ("login_code", {"body.1": (SlotKind.CODE, True)}),
        (
            "weekend_sale",
            {
                "header.image": (SlotKind.MEDIA, True),
                "offer.expires": (SlotKind.NUMBER, True),
                "body.1": (SlotKind.TEXT, True),
                "button.0.code": (SlotKind.CODE, True),
                "button.1.url": (SlotKind.URL_SUFFIX, True),
            },
        ),
        ("feedback", {"button.0.token": (SlotKind.PAYLOAD, True), "button.0.data": (SlotKind.JSON, False)}),
        ("browse", {"button.0.product": (SlotKind.TEXT, False)}),
        ("picks", {"button.0.product": (SlotKind.TEXT, True), "button.0.sections": (SlotKind.JSON, True)}),
        (
            "new_arrivals",
            {
                "body.1": (SlotKind.TEXT, True),
                **{
                    f"card.{n}.{key}": value
                    for n in (0, 1)
                    for key, value in {
                        "header.image": (SlotKind.MEDIA, True),
                        "body.1": (SlotKind.TEXT, True),
                        "button.0.payload": (SlotKind.PAYLOAD, False),
                        "button.1.url": (SlotKind.URL_SUFFIX, True),
                    }.items()
                },
            },
        ),
    ],
)
def test_each_kind_of_template_has_its_slots(name: str, wanted: dict[str, tuple[SlotKind, bool]]) -> None:
    assert kinds(name) == wanted


def test_codes_have_metas_limits() -> None:
    assert slots("login_code")["body.1"].limit == 15
    assert slots("weekend_sale")["button.0.code"].limit == 20
    assert slots("weekend_sale")["button.0.code"].example == "WEEKEND25"


def test_a_code_template_as_it_is_created_has_no_text_and_one_slot() -> None:
    payload = one(
        category="authentication",
        components=[
            {"type": "body", "add_security_recommendation": True},
            {"type": "footer", "code_expiration_minutes": 5},
            {"type": "buttons", "buttons": [{"type": "otp", "otp_type": "copy_code", "text": "Copy code"}]},
        ],
    )
    (template,) = read_templates(payload)
    assert [slot.key for slot in template.slots] == ["body.1"]
    assert "{{1}}" in template.parts[0].text
    assert "5 minutes" in template.parts[1].text


def test_parts_show_the_template_in_order() -> None:
    assert [(part.kind, part.text) for part in READ["order_paid"].parts] == [
        ("header", "Order {{text}}"),
        ("body", "Hi {{1}}, we have received {{2}}. Thank you!"),
        ("footer", "Example Shop"),
        ("button", "Question"),
        ("button", "View order → https://shop.example/orders/{{url}}"),
        ("button", "Call → tel:+4930901820"),
        ("button", "Shop → https://shop.example/"),
    ]
    assert READ["invoice"].parts[0].media == "document"


@pytest.mark.parametrize("template", READ.values(), ids=READ)
def test_every_mark_in_a_part_names_a_slot(template: Template) -> None:
    for part in template.parts:
        if part.prefix != "body" or template.category is not Category.AUTHENTICATION:
            for mark in re.findall(r"\{\{(.+?)\}\}", part.text):
                assert template.slot(f"{part.prefix}.{mark}"), (part, mark)


@pytest.mark.parametrize("template", READ.values(), ids=READ)
def test_every_slot_that_is_read_can_be_sent(template: Template) -> None:
    """Each value comes out of the components again: no key is read that is not written."""
    values = {SlotKind.NUMBER: "1795437400000", SlotKind.JSON: '{"seen": 1}'}
    given = {slot.key: values.get(slot.kind, f"value of {slot.key}") for slot in template.slots}
    sent = repr(components(message(template.category, **given)))
    for slot in template.slots:
        assert (values.get(slot.kind) or given[slot.key]).replace('"', "'") in sent


def test_the_json_that_creates_a_template_counts_as_approved() -> None:
    (template,) = read_templates(fixture("template_created"))
    assert (template.status, template.category) == ("approved", Category.MARKETING)
    assert [slot.key for slot in template.slots] == ["body.product", "button.0.payload"]


def test_a_header_variable_may_have_the_name_of_another_slot() -> None:
    payload = one(
        parameter_format="NAMED",
        components=[{"type": "HEADER", "format": "TEXT", "text": "A {{image}}"}, {"type": "BODY", "text": "Hi"}],
    )
    (template,) = read_templates(payload)
    assert [slot.key for slot in template.slots] == ["header.text.image"]
    assert template.parts[0].text == "A {{text.image}}"


def test_a_name_in_a_positional_template_is_fixed_text() -> None:
    payload = one(parameter_format="POSITIONAL", components=[{"type": "BODY", "text": "{{1}} says {{hello}}"}])
    (template,) = read_templates(payload)
    assert [slot.key for slot in template.slots] == ["body.1"]
    assert template.budget == (("body", 1024 - len(" says {{hello}}")),)


def test_another_address_behind_a_button_is_another_shape() -> None:
    def shape(url: str) -> str:
        buttons = {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "Go", "url": url}]}
        (template,) = read_templates(one(components=[{"type": "BODY", "text": "Hi"}, buttons]))
        return template.fingerprint

    assert shape("https://a.example/{{1}}") != shape("https://b.example/{{1}}")


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (None, '"name"'),
        ([], '"name"'),
        ({}, '"name"'),
        ({"data": "x"}, '"data"'),
        ({"data": [7]}, '"name"'),
        (one(category="OTHER"), 't: "category"'),
        (one(language=""), 't: "language"'),
        (one(components=None), 't: "components"'),
        (one(components=[]), "t: .*BODY"),
        (one(components=[5]), "t: a component"),
        (one(components=[{"type": "BODY", "text": "{{1}}"}] * 2), "two components of type BODY"),
        (one(components=[{"type": "HOLOGRAM"}]), "HOLOGRAM"),
        (one(components=[{"type": "HEADER", "format": "PRODUCT"}]), "PRODUCT"),
        (one(components=[{"type": "HEADER", "format": "TEXT", "text": "{{1}} {{2}}"}]), "one variable"),
        (one(components=[{"type": "BUTTONS", "buttons": [{"type": "ORDER_DETAILS"}]}]), "ORDER_DETAILS"),
    ],
)
def test_a_template_that_cannot_be_read_is_named_with_what_is_wrong(payload: Any, words: str) -> None:
    with pytest.raises(PayloadError, match=words):
        list(read_templates(payload))


def test_in_a_list_an_unreadable_template_is_shown_and_never_sent() -> None:
    template = listed(one(components=[{"type": "HEADER", "format": "PRODUCT"}], status="APPROVED"))
    assert template.status == "unreadable"
    assert "PRODUCT" in template.reason
    assert template.slots == ()


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PIECES = st.fixed_dictionaries(
    {"type": st.sampled_from(["HEADER", "BODY", "FOOTER", "BUTTONS", "LIMITED_TIME_OFFER", "CAROUSEL"])},
    optional={
        "text": st.text() | TREES,
        "format": st.sampled_from(["TEXT", "IMAGE", "LOCATION", "DOCUMENT"]) | TREES,
        "example": TREES,
        "buttons": st.lists(st.fixed_dictionaries({"type": st.sampled_from(["URL", "FLOW", "OTP"])}) | TREES),
        "cards": TREES,
        "limited_time_offer": TREES,
    },
)


@settings(deadline=None)
@given(st.lists(PIECES | TREES, max_size=5) | TREES, st.sampled_from([*Category]))
def test_any_components_are_read_or_refused(found: Any, category: Category) -> None:
    try:
        (template,) = read_templates(one(components=found, category=category.value))
    except PayloadError:
        return
    assert template.fingerprint
    assert all(room >= 0 for _, room in template.budget)
    keys = [slot.key for slot in template.slots]
    assert len(set(keys)) == len(keys)
