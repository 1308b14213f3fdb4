"""What it tells: topics become events, whatever the payload's shape."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.shopify.adapter import ADAPTER
from adapters.shopify.receiver import ShopifyReceiver
from adapters.shopify.rules import RULES, SHIPMENT
from adapters.shopify.tests.posting import RECEIVED_AT, SHOP, captured, load, post, sample
from connector.contract import Topic
from connector.errors import PayloadError
from connector.model import Event, Ignored, dig

Read = Callable[..., list[Any]]
ORDER = "7405918236450917331"
CUSTOMER = "7120045519873312804"
TOKEN = "c1f8e27a4b904d3c9a6e55d0b7314f22"
PARCEL = "6251170384912736609"


def posted(topic: Topic) -> dict[str, Any]:
    """Return a topic's sample as it would be posted, with the changes that tell its event from others."""
    return sample(topic.name) | {name: value for name, value in topic.sample().items() if isinstance(value, str)}


@pytest.mark.parametrize("topic", ADAPTER.topics, ids=lambda topic: topic.event)
def test_every_topic_s_sample_gives_its_event(read: Read, topic: Topic) -> None:
    events = read(topic.name, posted(topic))
    assert topic.event in {event.type for event in events}
    for event in events:
        assert event.topic == topic.name
        assert event.label
        assert event.key.startswith(event.type)
        assert event.occurred_at <= RECEIVED_AT
    told = next(event for event in events if event.type == topic.event)
    assert set(topic.remembers) == set(told.remembers)


@pytest.mark.parametrize("topic", ADAPTER.topics, ids=lambda topic: topic.event)
def test_every_declared_field_stands_in_the_sample(topic: Topic) -> None:
    payload = topic.sample()
    assert topic.fields
    for field in topic.fields:
        parent, _, name = field.path.rpartition(".")
        holder = dig(payload, parent) if parent else payload
        assert dig(payload, field.path) is not None or (isinstance(holder, dict) and name in holder), field.path


def test_every_rule_is_declared_and_titles_are_told_apart() -> None:
    assert {topic.name for topic in ADAPTER.topics} == {*RULES, "fulfillment_events/create"}
    assert len({topic.event for topic in ADAPTER.topics}) == len(ADAPTER.topics)
    assert len({topic.title for topic in ADAPTER.topics}) == len(ADAPTER.topics)


BUYER = (f"customer:{CUSTOMER}",)
EDIT = "5502918374661029385"
REFUND = "1094728163550912847"
DRAFT = "1187340926651120973"


@pytest.mark.parametrize(
    ("topic", "key", "subject", "about", "label"),
    [
        ("orders/create", f"order.created:{ORDER}", f"order:{ORDER}", (f"checkout:{TOKEN}", *BUYER), "#1042"),
        ("orders/paid", f"order.paid:{ORDER}", f"order:{ORDER}", (f"checkout:{TOKEN}", *BUYER), "#1042"),
        ("orders/edited", f"order.edited:{EDIT}", f"order_edit:{EDIT}", (f"order:{ORDER}",), f"order edit {EDIT}"),
        (
            "fulfillments/create",
            f"fulfillment.created:{PARCEL}",
            f"fulfillment:{PARCEL}",
            (f"order:{ORDER}",),
            "#1042.1",
        ),
        ("refunds/create", f"refund.created:{REFUND}", f"refund:{REFUND}", (f"order:{ORDER}",), f"refund {REFUND}"),
        ("draft_orders/create", f"draft_order.created:{DRAFT}", f"draft_order:{DRAFT}", BUYER, "#D27"),
        ("checkouts/create", f"checkout.created:{TOKEN}", f"checkout:{TOKEN}", BUYER, "#38120095512204"),
        ("customers/delete", f"customer.deleted:{CUSTOMER}", *BUYER, (), f"customer {CUSTOMER}"),
    ],
)
def test_a_topic_becomes_its_event(
    read: Read, topic: str, key: str, subject: str, about: tuple[str, ...], label: str
) -> None:
    (event,) = read(topic, sample(topic))
    assert event.type == key.partition(":")[0]
    assert (event.key, event.subject, event.about, event.label) == (key, subject, about, label)


@pytest.mark.parametrize(
    ("topic", "word"),
    [
        ("customers_marketing_consent/update", "consent.sms_updated"),
        ("customers_email_marketing_consent/update", "consent.email_updated"),
        ("customers_whats_app_marketing_consent/update", "consent.whatsapp_updated"),
        ("customer.tags_added", "customer.tags_added"),
        ("customer.tags_removed", "customer.tags_removed"),
        ("customers/redact", "privacy.customer_redact"),
    ],
)
def test_each_spelling_of_a_customer_is_the_same_customer(read: Read, topic: str, word: str) -> None:
    (event,) = read(topic, sample(topic))
    assert event.type == word
    assert event.subject == f"customer:{CUSTOMER}"


def test_ids_beyond_two_to_the_53_stay_exact(read: Read) -> None:
    (event,) = read("orders/paid", b'{"id": 9007199254740993, "customer": {"id": 9223372036854775807}}')
    assert event.subject == "order:9007199254740993"
    assert event.about == ("customer:9223372036854775807",)
    assert event.payload["id"] == 9007199254740993


def test_one_order_in_the_shapes_of_2024_10_and_2026_10_is_one_fact(receiver: ShopifyReceiver) -> None:
    old, new = (
        receiver.parse(receiver.verify(captured(f"order_paid_{version}")))[0] for version in ("2024-10", "2026-10")
    )
    assert isinstance(old, Event)
    assert isinstance(new, Event)
    assert "checkout_id" in old.payload
    assert "checkout_id" not in new.payload
    assert (old.key, old.subject, old.about, old.label, old.occurred_at) == (
        new.key, new.subject, new.about, new.label, new.occurred_at,
    )  # fmt: skip


def test_a_checkout_goes_by_its_token_and_by_its_id_where_it_has_none(read: Read) -> None:
    (by_token,) = read("checkouts/update", {"id": 38120095512204, "token": TOKEN})
    (by_id,) = read("checkouts/update", {"id": 38120095512204})
    assert by_token.subject == f"checkout:{TOKEN}"
    assert by_token.label == "c1f8e27a"
    assert by_id.subject == "checkout:38120095512204"


def test_an_order_bears_on_the_checkout_it_came_from(read: Read) -> None:
    (checkout,) = read("checkouts/update", sample("checkouts/update"))
    (order,) = read("orders/create", sample("orders/create"))
    assert checkout.subject in order.about


def test_a_state_of_a_parcel_is_one_fact_whichever_topic_tells_it(read: Read) -> None:
    updated, from_update = read("fulfillments/update", sample("fulfillments/update"))
    (from_carrier,) = read(
        "fulfillment_events/create", sample("fulfillment_events/create") | {"status": "out_for_delivery"}
    )
    assert updated.type == "fulfillment.updated"
    for shipment in (from_update, from_carrier):
        assert shipment.type == "shipment.out_for_delivery"
        assert shipment.key == f"shipment.out_for_delivery:fulfillment:{PARCEL}"
        assert shipment.subject == f"shipment:{PARCEL}"
        assert shipment.about == (f"order:{ORDER}", f"fulfillment:{PARCEL}")
        assert shipment.remembers == {"order": f"order:{ORDER}", "fulfillment": f"fulfillment:{PARCEL}"}


@pytest.mark.parametrize("status", SHIPMENT)
def test_every_word_of_the_carrier_is_understood(read: Read, status: str) -> None:
    (event,) = read("fulfillment_events/create", sample("fulfillment_events/create") | {"status": status})
    assert event.type == f"shipment.{status}"


@pytest.mark.parametrize("status", ["teleported", "", None, 7, ["in_transit"], {"a": 1}, "x" * 500])
def test_a_word_of_the_carrier_that_we_do_not_know_is_ignored_by_name(read: Read, status: object) -> None:
    (item,) = read("fulfillment_events/create", sample("fulfillment_events/create") | {"status": status})
    assert isinstance(item, Ignored)
    assert item.topic.startswith("fulfillment_events/create ")
    assert len(item.topic) <= 80
    assert [
        event.type for event in read("fulfillments/update", sample("fulfillments/update") | {"shipment_status": status})
    ] == ["fulfillment.updated"]


def test_refunds_parcels_and_edits_remember_their_order(read: Read) -> None:
    for topic in ("refunds/create", "fulfillments/create", "orders/edited"):
        assert read(topic, sample(topic))[0].remembers == {"order": f"order:{ORDER}"}


def test_all_payloads_of_an_order_or_a_parcel_have_the_shape_that_is_remembered(read: Read) -> None:
    shapes = {"order": "line_items", "fulfillment": "tracking_url"}
    for topic in ADAPTER.topics:
        for event in read(topic.name, posted(topic)):
            kind = event.subject.partition(":")[0]
            assert kind not in shapes or shapes[kind] in event.payload, event.type


def test_a_completed_draft_order_is_told_once_on_its_own(read: Read) -> None:
    done = sample("draft_orders/update") | {
        "status": "completed",
        "completed_at": "2026-11-20T15:00:00+00:00",
        "order_id": int(ORDER),
    }
    updated, completed = read("draft_orders/update", done)
    _, again = read("draft_orders/update", done | {"updated_at": "2026-11-21T09:00:00+00:00"})
    assert updated.type == "draft_order.updated"
    assert completed.type == "draft_order.completed"
    assert completed.key == again.key
    assert f"order:{ORDER}" in completed.about


def test_a_paid_order_is_one_fact_and_each_update_is_another(read: Read) -> None:
    first = sample("orders/updated")
    later = first | {"updated_at": "2026-11-21T09:00:00+00:00"}
    same_second = first | {"tags": "packed"}
    assert len({read("orders/paid", payload)[0].key for payload in (first, later, same_second)}) == 1
    assert len({read("orders/updated", payload)[0].key for payload in (first, later, same_second)}) == 3
    assert read("orders/updated", first)[0].key == read("orders/updated", first, x_shopify_webhook_id="other")[0].key


def test_an_app_removed_twice_is_two_facts(read: Read) -> None:
    first, retry, second = (
        read("app/uninstalled", sample("app/uninstalled"), x_shopify_triggered_at=at)[0].key
        for at in ("2026-11-20T10:00:00.123456789Z", "2026-11-20T10:00:00.123456789Z", "2026-11-21T10:00:00Z")
    )
    assert first == retry != second


@pytest.mark.parametrize(
    ("topic", "at"),
    [
        ("orders/create", "2026-11-20T10:05:30"),
        ("orders/paid", "2026-11-20T10:07:12"),
        ("orders/cancelled", "2026-11-20T11:20:00"),
        ("orders/edited", "2026-11-20T12:01:55"),
        ("fulfillment_events/create", "2026-11-21T22:05:00"),
        ("refunds/create", "2026-11-22T09:15:20"),
        ("customers_whats_app_marketing_consent/update", "2026-11-20T09:58:30"),
        ("customers/delete", "2026-11-22T11:30:00"),  # says no time itself
    ],
)
def test_the_moment_of_the_fact_is_the_payload_s_own_or_the_delivery_s(read: Read, topic: str, at: str) -> None:
    event = read(topic, sample(topic), x_shopify_triggered_at="2026-11-22T11:30:00.5Z")[0]
    assert event.occurred_at.replace(microsecond=0) == datetime.fromisoformat(at).replace(tzinfo=UTC)


@pytest.mark.parametrize("at", [None, "", "yesterday", 5, "2026-11-20T10:05:30", "9999-12-31T23:59:59Z", ["x"]])
def test_a_moment_that_is_none_or_lies_ahead_is_the_arrival(read: Read, at: object) -> None:
    (event,) = read("orders/paid", {"id": 1, "updated_at": at}, x_shopify_triggered_at=None)
    assert event.occurred_at == RECEIVED_AT


def test_a_clock_a_little_ahead_is_believed(read: Read) -> None:
    soon = RECEIVED_AT + timedelta(minutes=4)
    (event,) = read("orders/paid", {"id": 1, "updated_at": soon.isoformat()})
    assert event.occurred_at == soon


def test_an_unknown_topic_is_ignored_by_name_and_not_read(read: Read) -> None:
    assert read("carts/update", b"{not json") == [Ignored("carts/update")]
    assert read("Product", b"{}") == [Ignored("product")]
    (strange,) = read("ü\x00" + "x" * 500, b"{}")
    assert strange.topic.isascii()
    assert len(strange.topic) <= 80


def test_a_missing_topic_is_told(read: Read) -> None:
    with pytest.raises(PayloadError, match="X-Shopify-Topic"):
        read("orders/paid", {"id": 1}, x_shopify_topic=None)


@pytest.mark.parametrize("media", ["application/xml", "text/plain", "application/x-www-form-urlencoded", "json"])
def test_a_body_that_is_not_json_says_what_to_set(read: Read, media: str) -> None:
    with pytest.raises(PayloadError, match="format to JSON"):
        read("orders/paid", {"id": 1}, content_type=media)


@pytest.mark.parametrize(
    "media", ["application/json", "Application/JSON; charset=utf-8", "application/cloudevents+json", None]
)
def test_json_by_any_of_its_names_is_read(read: Read, media: str | None) -> None:
    assert read("orders/paid", {"id": 1}, content_type=media)


@pytest.mark.parametrize("topic", ["app/uninstalled", "shop/update", "customers/redact", "shop/redact"])
def test_a_body_of_another_shop_is_refused(read: Read, topic: str) -> None:
    payload = sample(topic)
    name = "shop_domain" if "shop_domain" in payload else "myshopify_domain"
    assert read(topic, payload | {name: SHOP.upper()})
    assert read(topic, payload | {name: None})
    with pytest.raises(PayloadError, match="another shop"):
        read(topic, payload | {name: "other-tea.myshopify.com"})


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"null", b"[]", b'"text"', b"7", b"{", b"\xff\xfe", b'{"id": NaN}', b'{"id": 1e99999999999999999999}',
        b'{"id": ' + b"9" * 5000 + b"}", b"[" * 100_000, b'{"id":' * 100_000, b"\x00", b'{"id": 1}trailing',
    ],
)  # fmt: skip
def test_a_genuine_body_that_cannot_be_read_is_a_payload_error(read: Read, payload: bytes) -> None:
    with pytest.raises(PayloadError):
        read("orders/paid", payload)


@pytest.mark.parametrize("ident", [None, "", " ", True, 1.5, [], {}, "a b", "ü", "\ud800", "x" * 121, "1\x00"])
def test_a_body_without_a_usable_id_is_refused(read: Read, ident: object) -> None:
    with pytest.raises(PayloadError, match="orders/paid has no usable id"):
        read("orders/paid", json.dumps({"id": ident}).encode())


def test_a_label_is_one_short_printable_line(read: Read) -> None:
    (event,) = read("orders/paid", json.dumps({"id": 1, "name": " #1\n\x07\x1b[31m2\u202e" + "x" * 500}).encode())
    assert event.label.startswith("#1[31m2xx")
    assert len(event.label) <= 60
    (odd,) = read("orders/paid", b'{"id": 1, "name": "#1\\u0000\\ud800"}')
    assert odd.label.encode()  # half a character could not be stored
    assert odd.label.isprintable()
    (nameless,) = read("orders/paid", {"id": 1, "name": {"a": 1}})
    assert nameless.label == "order 1"


def test_no_customer_s_name_becomes_a_label(read: Read) -> None:
    (event,) = read("customers/create", sample("customers/create"))
    assert "Amelia" not in event.label


# Values of the wrong type anywhere: whatever stands where, parse gives items or a PayloadError.
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def replaced(value: Any, chance: random.Random, draw: Callable[[], Any]) -> Any:
    if chance.random() < 0.15:
        return draw()
    if isinstance(value, dict):
        return {key: replaced(item, chance, draw) for key, item in value.items()}
    return [replaced(item, chance, draw) for item in value[:2]] if isinstance(value, list) else value


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(ADAPTER.topics), st.randoms(use_true_random=False), st.data())
def test_values_of_any_type_anywhere_never_break_the_receiver(
    topic: Topic, chance: random.Random, data: st.DataObject
) -> None:
    payload = {key: replaced(value, chance, lambda: data.draw(VALUES)) for key, value in sample(topic.name).items()}
    receiver = ShopifyReceiver(load())
    try:
        items = receiver.parse(receiver.verify(post(topic.name, json.dumps(payload).encode())))
    except PayloadError:
        return
    for item in items:
        if isinstance(item, Event):
            names = (item.key, item.subject, *item.about, *item.remembers.values())
            assert all(name.isascii() and name.isprintable() for name in names)
            assert item.label
            assert item.label.isprintable()
            assert item.occurred_at.tzinfo is UTC
