"""The shipped contact mappings: each reads the samples of its adapter, and writes where the vendor can be written."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from importlib import import_module, resources
from typing import Any

import pytest

from connector.contract import Adapter
from connector.mapping.contact import ContactMapping
from connector.mapping.contact_form import check_contact, load_contact
from connector.mapping.sight import Seen, sight
from connector.model import ConsentState, Event, Purpose

NAMES = ("shopify/contact", "salesforce/contact", "salesforce/lead")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@cache
def adapter(name: str) -> Adapter:
    found: Adapter = import_module(f"adapters.{name}.adapter").ADAPTER
    return found


@cache
def mapping(name: str) -> ContactMapping:
    return load_contact(name, (resources.files("mappings") / f"{name}.toml").read_text("utf-8"))


def see(name: str, event: str, **changes: Any) -> Seen | None:
    topic = next(topic for topic in adapter(mapping(name).adapter).topics if topic.event == event)
    told = Event(
        key="k", type=event, topic=topic.name, subject="x:1", label="", occurred_at=NOON,
        payload={**topic.sample(), **changes},
    )  # fmt: skip
    return sight(mapping(name), told, {"country": "GB"}, NOON)


def seen(name: str, event: str, **changes: Any) -> Seen:
    found = see(name, event, **changes)
    assert found is not None
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_contact_mapping_is_sound(name: str) -> None:
    assert check_contact(mapping(name), adapter(mapping(name).adapter)) == []


@pytest.mark.parametrize(
    ("name", "event"), [(name, event) for name in NAMES for each in mapping(name).records for event in each.events]
)
def test_every_sample_shows_whose_record_it_is(name: str, event: str) -> None:
    found = seen(name, event)
    assert found.record.startswith(f"{mapping(name).object}:")
    assert "/" not in found.record


@pytest.mark.parametrize("name", NAMES)
def test_consent_and_labels_go_back(name: str) -> None:
    out = {rule.contact: rule for rule in mapping(name).fields if rule.goes_out}
    assert {"consent.marketing", "labels"} <= set(out)
    assert out["consent.marketing"].to_vendor(ConsentState.REVOKED) in ("UNSUBSCRIBED", "Opted out")


def test_shopify_s_own_consent_becomes_a_claim_with_its_date() -> None:
    consent = {"state": "subscribed", "updated_at": "2026-11-20T10:00:00Z", "collected_from": "SHOPIFY"}
    (claim,) = seen("shopify/contact", "consent.whatsapp_updated", whats_app_marketing_consent=consent).claims
    assert (claim.purpose, claim.state, claim.told) == (Purpose.MARKETING, ConsentState.GRANTED, "SUBSCRIBED")
    assert (claim.at, claim.place) == (datetime(2026, 11, 20, 10, tzinfo=UTC), "SHOPIFY")


def test_agreeing_to_text_messages_says_nothing_about_whatsapp() -> None:
    assert seen("shopify/contact", "checkout.updated", buyer_accepts_sms_marketing=True).claims == ()


def test_a_friend_s_address_does_not_become_the_buyer_s_number() -> None:
    gift = {"phone": "+447400123456", "country_code": "GB"}
    found = seen(
        "shopify/contact", "order.created", customer={"id": 5521, "phone": None}, phone=None, shipping_address=gift
    )
    assert (found.record, found.phone) == ("customer:5521", "")


def test_an_order_of_a_guest_shows_the_number_and_no_record() -> None:
    found = seen("shopify/contact", "order.created", customer=None, phone="07400 123456")
    assert (found.record, found.phone) == ("", "+447400123456")


def test_tags_that_were_added_and_removed_are_labels() -> None:
    (added,) = seen("shopify/contact", "customer.tags_added", tags=["vip"]).labels
    (removed,) = seen("shopify/contact", "customer.tags_removed", tags=["vip"]).labels
    assert (added.added, removed.removed) == (("vip",), ("vip",))


@pytest.mark.parametrize(
    ("name", "event"), [("salesforce/contact", "contact.saved"), ("salesforce/lead", "lead.saved")]
)
def test_salesforce_s_three_states_are_read(name: str, event: str) -> None:
    told = {"WhatsApp_Status_At__c": "2026-11-20T10:00:00.000+0000", "WhatsApp_Status_Source__c": "Store form"}
    (claim,) = seen(name, event, WhatsApp_Status__c="Opted in", **told).claims
    assert (claim.state, claim.place) == (ConsentState.GRANTED, "Store form")
    assert seen(name, event, WhatsApp_Status__c="Unknown").claims[0].state is ConsentState.UNKNOWN


def test_a_blank_status_says_nothing() -> None:
    assert seen("salesforce/contact", "contact.saved", WhatsApp_Status__c=None).claims == ()


def test_a_multi_select_picklist_is_a_set_of_labels() -> None:
    (told,) = seen("salesforce/contact", "contact.saved", WhatsApp_Labels__c="vip;Berlin").labels
    assert told.whole == ("vip", "Berlin")


@pytest.mark.parametrize("name", NAMES)
def test_what_stands_in_comments_can_be_used_in_place_of_what_does(name: str) -> None:
    text = mapping(name).source
    lines = [
        line.removeprefix("# ")
        for line in text.splitlines()
        if line.startswith(
            ("# [[", "# contact =", "# vendor =", "# direction", "# values", "# place", "# in =", "# at =")
        )
    ]
    head = text.split("[[fields]]", 1)[0]
    kept = "\n".join(line for line in head.splitlines() if not line.startswith("# "))
    chunks = "\n".join(lines).split("[[fields]]")[1:]
    for chunk in chunks:
        load_contact(name, f"{kept}\n[[fields]]{chunk}")
    assert chunks or name != "salesforce/contact"
