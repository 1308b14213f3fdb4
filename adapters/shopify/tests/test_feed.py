"""Catching up: what the feed finds is the same fact as the webhook that should have told it."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from adapters.shopify.adapter import ADAPTER
from adapters.shopify.feed import ShopifyFeed
from adapters.shopify.receiver import FEED, ShopifyReceiver
from adapters.shopify.tests.api import API, Shopify
from adapters.shopify.tests.posting import SHOP, load, post, sample
from connector.contract import Fetched
from connector.errors import PermanentError, SignatureError, TemporaryError
from connector.model import Event

NOW = datetime(2026, 11, 20, 11, tzinfo=UTC)
SINCE = json.dumps({"since": "2026-11-20T10:00:00Z"})
MONEY = {
    "shopMoney": {"amount": "35.45", "currencyCode": "GBP"},
    "presentmentMoney": {"amount": "35.45", "currencyCode": "GBP"},
}
ADDRESS = {
    "firstName": "Amelia", "lastName": "Okafor", "name": "Amelia Okafor", "company": None, "address1": "14 Wren Lane",
    "address2": "Flat 3", "city": "Leeds", "province": "England", "provinceCode": "ENG", "zip": "LS1 4AP",
    "country": "United Kingdom", "countryCodeV2": "GB", "phone": "0113 496 0142",
}  # fmt: skip
PERSON: dict[str, Any] = {
    "id": "gid://shopify/Customer/7120045519873312804",
    "firstName": "Amelia",
    "lastName": "Okafor",
    "state": "ENABLED",
    "note": "Likes to be rung first",
    "verifiedEmail": True,
    "createdAt": "2026-03-02T09:14:07Z",
    "updatedAt": "2026-11-20T10:05:31Z",
    "defaultEmailAddress": {"emailAddress": "amelia.okafor@example.com"},
    "defaultPhoneNumber": {"phoneNumber": "+441134960142"},
    "defaultAddress": ADDRESS,
}
SUMS = (
    "totalPriceSet", "currentTotalPriceSet", "subtotalPriceSet", "totalDiscountsSet", "totalShippingPriceSet",
    "totalTaxSet", "totalOutstandingSet",
)  # fmt: skip
ORDER: dict[str, Any] = {
    "id": "gid://shopify/Order/7405918236450917331", "name": "#1042", "number": 1042,
    "confirmationNumber": "KQ7XN2MRT", "email": "amelia.okafor@example.com", "phone": "+441134960142",
    "createdAt": "2026-11-20T10:05:30Z", "processedAt": "2026-11-20T10:05:29Z", "updatedAt": "2026-11-20T10:07:12Z",
    "cancelledAt": None, "closedAt": None, "cancelReason": None, "currencyCode": "GBP",
    "presentmentCurrencyCode": "GBP", "displayFinancialStatus": "PAID", "displayFulfillmentStatus": "UNFULFILLED",
    "paymentGatewayNames": ["shopify_payments"], "customerLocale": "en-GB", "customerAcceptsMarketing": False,
    "statusPageUrl": "https://fernhill-tea.example/68801923/orders/9b1d02c7e5f84a6d/authenticate?key=4e7a90c2b1",
    "tags": ["first-order", "gift"], "note": "Please ring twice", "sourceName": "web", "confirmed": True,
    "test": False, "discountCodes": ["TEA10"], "checkoutToken": "c1f8e27a4b904d3c9a6e55d0b7314f22",
    "customAttributes": [{"key": "gift", "value": "yes"}],
    **dict.fromkeys(SUMS, MONEY),
    "lineItems": {"nodes": [{
        "id": "gid://shopify/LineItem/1652093847110293847", "title": "Assam Breakfast",
        "name": "Assam Breakfast - 250 g", "variantTitle": "250 g", "quantity": 2, "sku": "TEA-ASM-250",
        "originalUnitPriceSet": MONEY,
    }]},
    "shippingLines": {"nodes": [{"title": "Second class", "originalPriceSet": MONEY}]},
    "transactions": [{"kind": "SALE", "status": "SUCCESS", "processedAt": "2026-11-20T10:07:12Z"}],
    "fulfillments": [], "customer": PERSON, "shippingAddress": ADDRESS, "billingAddress": ADDRESS,
}  # fmt: skip
PARCEL = {
    "id": "gid://shopify/Fulfillment/6251170384912736609",
    "name": "#1042.1",
    "status": "SUCCESS",
    "displayStatus": "IN_TRANSIT",
    "createdAt": "2026-11-20T10:30:00Z",
    "updatedAt": "2026-11-20T10:40:00Z",
    "trackingInfo": [{"company": "Royal Post", "number": "AB1", "url": "https://track.example/AB1"}],
}


def serve(api: Shopify, *, orders: list[Any] | None = None, customers: list[Any] | None = None, size: int = 2) -> None:
    """Answer with these nodes, ``size`` a page."""

    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        asked = json.loads(request.body or b"")
        api.asked.append(asked)
        root = asked["operationName"].lower()
        nodes = (orders if root == "orders" else customers) or []
        start = int(asked["variables"]["after"] or 0)
        info = {"hasNextPage": start + size < len(nodes), "endCursor": str(start + size)}
        return 200, {}, json.dumps({"data": {root: {"nodes": nodes[start : start + size], "pageInfo": info}}})

    api.mock.add_callback("POST", API, answer)


def walk(api: Shopify, cursor: str = SINCE, now: datetime = NOW) -> tuple[list[Fetched], str]:
    """Pull until there is no more."""
    feed = ShopifyFeed(api.gateway(), SHOP)
    found: list[Fetched] = []
    for _ in range(20):
        page = feed.pull(cursor, now)
        found += page.found
        cursor = page.cursor
        if not page.more:
            return found, cursor
    raise AssertionError("it does not come to an end")


def events(found: list[Fetched]) -> dict[str, Event]:
    receiver = ShopifyReceiver(load())
    items = [item for fetched in found for item in receiver.parse(fetched.request)]
    assert all(isinstance(item, Event) for item in items)
    return {item.type: item for item in items if isinstance(item, Event)}


def pushed(topic: str, payload: Any) -> Event:
    receiver = ShopifyReceiver(load())
    item = receiver.parse(receiver.verify(post(topic, payload)))[0]
    assert isinstance(item, Event)
    return item


def order(**changes: Any) -> dict[str, Any]:
    return {**deepcopy(ORDER), **changes}


def test_it_begins_now_and_asks_nothing(api: Shopify) -> None:
    page = ShopifyFeed(api.gateway(), SHOP).pull("", NOW)
    assert (page.found, page.more) == ((), False)
    assert json.loads(page.cursor) == {"since": "2026-11-20T11:00:00Z"}
    assert not api.mock.calls


def test_an_order_is_told_as_its_webhooks_would_and_with_their_keys(api: Shopify) -> None:
    serve(api, orders=[ORDER])
    found, _ = walk(api)
    told = events(found)
    assert list(told) == ["order.created", "order.paid"]
    for topic, type_ in (("orders/create", "order.created"), ("orders/paid", "order.paid")):
        webhook = pushed(topic, sample("orders/paid"))
        assert told[type_].key == webhook.key
        assert told[type_].subject == webhook.subject
        assert told[type_].about == webhook.about
        assert told[type_].occurred_at == webhook.occurred_at
    assert told["order.paid"].payload["id"] == 7405918236450917331


def test_the_payload_has_what_the_webhook_s_has(api: Shopify) -> None:
    serve(api, orders=[ORDER])
    payload: Any = events(walk(api)[0])["order.paid"].payload
    webhook = sample("orders/paid")
    same = (
        "name", "order_number", "confirmation_number", "email", "contact_email", "phone", "currency", "total_price",
        "total_price_set", "financial_status", "fulfillment_status", "payment_gateway_names", "customer_locale",
        "buyer_accepts_marketing", "order_status_url", "tags", "note", "note_attributes", "checkout_token", "test",
        "cancel_reason", "source_name",
    )  # fmt: skip
    assert {name: payload[name] for name in same} == {name: webhook[name] for name in same}
    for part in ("shipping_address", "billing_address"):
        assert payload[part].items() <= webhook[part].items()
    assert payload["customer"]["phone"] == webhook["customer"]["phone"]
    assert payload["customer"]["default_address"]["country_code"] == "GB"
    assert payload["line_items"][0] | {"price_set": 0, "price": 0} == {
        "id": 1652093847110293847, "title": "Assam Breakfast", "name": "Assam Breakfast - 250 g",
        "variant_title": "250 g", "quantity": 2, "sku": "TEA-ASM-250", "price": 0, "price_set": 0,
    }  # fmt: skip


def test_every_declared_field_that_a_recipe_may_use_is_there_or_known_to_be_missing(api: Shopify) -> None:
    serve(api, orders=[order(fulfillments=[PARCEL])])
    payload = events(walk(api)[0])["order.paid"].payload
    declared = {field.path.partition(".")[0].partition("[")[0] for field in topic("orders/paid").fields}
    assert declared - set(payload) == {"refunds", "token"}


def topic(name: str) -> Any:
    return next(topic for topic in ADAPTER.topics if topic.name == name)


@pytest.mark.parametrize(
    ("changes", "types"),
    [
        ({"createdAt": "2026-09-01T10:00:00Z"}, ["order.paid"]),
        (
            {
                "createdAt": "2026-09-01T10:00:00Z",
                "transactions": [{"kind": "SALE", "status": "SUCCESS", "processedAt": "2026-09-01T10:00:01Z"}],
            },
            [],
        ),
        ({"transactions": []}, ["order.created", "order.paid"]),
        ({"displayFinancialStatus": "PENDING"}, ["order.created"]),
        ({"cancelledAt": "2026-11-20T10:20:00Z"}, ["order.created", "order.paid", "order.cancelled"]),
        ({"createdAt": "2026-11-20T09:51:00Z"}, ["order.created", "order.paid"]),
        (
            {"displayFulfillmentStatus": "FULFILLED", "fulfillments": [PARCEL]},
            ["order.created", "order.paid", "order.fulfilled", "fulfillment.created", "shipment.in_transit"],
        ),
    ],
)
def test_only_what_happened_since_is_told(api: Shopify, changes: dict[str, Any], types: list[str]) -> None:
    serve(api, orders=[order(**changes)])
    assert list(events(walk(api)[0])) == types


def test_a_parcel_is_told_with_its_tracking(api: Shopify) -> None:
    serve(api, orders=[order(fulfillments=[PARCEL])])
    event = events(walk(api)[0])["fulfillment.created"]
    assert event.key == "fulfillment.created:6251170384912736609"
    assert event.remembers == {"order": "order:7405918236450917331"}
    assert event.payload["tracking_url"] == "https://track.example/AB1"
    assert event.payload["order_id"] == 7405918236450917331


def test_a_customer_is_told_with_the_key_of_the_webhook(api: Shopify) -> None:
    serve(api, customers=[PERSON])
    told = events(walk(api)[0])
    assert list(told) == ["customer.updated"]
    webhook = pushed("customers/update", sample("customers/update"))
    assert told["customer.updated"].key == webhook.key
    changed = events_of_customer(PERSON | {"firstName": "Amy"})
    assert changed.key != webhook.key


def events_of_customer(node: dict[str, Any]) -> Event:
    from adapters.shopify.tests.api import a_shopify

    with a_shopify() as api:
        serve(api, customers=[node])
        return events(walk(api)[0])["customer.updated"]


def test_consent_is_told_with_the_keys_of_the_webhooks(api: Shopify) -> None:
    told = {"state": "SUBSCRIBED", "optInLevel": "SINGLE_OPT_IN", "collectedFrom": "SHOPIFY"}
    moment = "2026-11-20T09:58:30Z"
    phone = {
        "phoneNumber": "+441134960142",
        "whatsAppMarketingConsent": {**told, "updatedAt": moment},
        "smsMarketingConsent": {**told, "state": "NEVER_SUBSCRIBED", "updatedAt": moment},
    }
    email = {
        "emailAddress": "amelia.okafor@example.com",
        "marketingState": "UNSUBSCRIBED",
        "marketingOptInLevel": "SINGLE_OPT_IN",
        "marketingUpdatedAt": moment,
    }
    serve(api, customers=[PERSON | {"defaultPhoneNumber": phone, "defaultEmailAddress": email}])
    found = events(walk(api)[0])
    assert found["consent.sms_updated"].payload["sms_marketing_consent"] == {
        "state": "not_subscribed", "opt_in_level": "single_opt_in", "consent_updated_at": moment,
        "consent_collected_from": "shopify",
    }  # fmt: skip
    webhook = pushed(
        "customers_whats_app_marketing_consent/update", sample("customers_whats_app_marketing_consent/update")
    )
    assert found["consent.whatsapp_updated"].key == webhook.key
    assert found["consent.whatsapp_updated"].occurred_at == webhook.occurred_at
    assert found["consent.email_updated"].payload["email_address"] == "amelia.okafor@example.com"


def test_states_of_consent_within_one_second_are_different_facts() -> None:
    name = "customers_whats_app_marketing_consent/update"
    keys = set()
    for state in ("pending", "subscribed", "unsubscribed"):
        payload = sample(name)
        payload["whats_app_marketing_consent"]["state"] = state
        keys.add(pushed(name, payload).key)
    assert len(keys) == 3


def test_a_walk_reads_every_page_of_a_fixed_stretch_and_the_next_overlaps(api: Shopify) -> None:
    orders = [order(id=f"gid://shopify/Order/{number}") for number in range(1, 6)]
    serve(api, orders=orders, customers=[PERSON])
    found, cursor = walk(api)
    assert [fetched.key for fetched in found if fetched.topic == "orders/paid"] == [
        f"feed:orders/paid:{number}" for number in range(1, 6)
    ]
    assert json.loads(cursor) == {"since": "2026-11-20T10:58:00Z"}
    queries = {asked["variables"]["query"] for asked in api.asked}
    assert queries == {"updated_at:>='2026-11-20T09:50:00Z' updated_at:<='2026-11-20T10:58:00Z'"}
    walk(api, cursor, NOW + timedelta(hours=1))
    assert api.asked[-1]["variables"]["query"].startswith("updated_at:>='2026-11-20T10:48:00Z'")


def test_the_same_state_has_the_same_key_each_time_it_is_found(api: Shopify) -> None:
    serve(api, orders=[ORDER], customers=[PERSON])
    again = [fetched.key for fetched in walk(api, now=NOW + timedelta(minutes=3))[0]]
    assert [fetched.key for fetched in walk(api)[0]] == again
    assert len(set(again)) == len(again)


def test_what_is_too_fresh_waits_for_its_webhook(api: Shopify) -> None:
    page = ShopifyFeed(api.gateway(), SHOP).pull(SINCE, datetime(2026, 11, 20, 10, 1, tzinfo=UTC))
    assert (page.found, page.cursor, page.more) == ((), SINCE, False)
    assert not api.mock.calls


def test_a_page_that_costs_too_much_is_halved(api: Shopify) -> None:
    sizes = []

    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        sizes.append(json.loads(request.body or b"")["variables"]["first"])
        if sizes[-1] > 6:
            error = {"message": "too much", "extensions": {"code": "MAX_COST_EXCEEDED"}}
            return 200, {}, json.dumps({"errors": [error]})
        return 200, {}, json.dumps({"data": {"orders": {"nodes": []}, "customers": {"nodes": []}}})

    api.mock.add_callback("POST", API, answer)
    ShopifyFeed(api.gateway(), SHOP).pull(SINCE, NOW)
    assert sizes == [25, 12, 6]


def test_a_part_that_failed_is_asked_again_and_a_part_that_is_denied_stays_blank(api: Shopify) -> None:
    path = ["orders", "nodes", 0, "customer"]
    page = {"orders": {"nodes": [order(customer=None)], "pageInfo": {"hasNextPage": False}}}
    failed = {"message": "Boom", "path": path, "extensions": {"code": "INTERNAL_SERVER_ERROR"}}
    denied = {"message": "No", "path": path, "extensions": {"code": "ACCESS_DENIED"}}
    for error in (failed, denied):
        api.mock.post(API, json={"data": page, "errors": [error]})
    feed = ShopifyFeed(api.gateway(), SHOP)
    with pytest.raises(TemporaryError):
        feed.pull(SINCE, NOW)
    assert len(feed.pull(SINCE, NOW).found) == 2


def test_a_list_that_is_denied_is_told(api: Shopify) -> None:
    denied = {"message": "No", "path": ["orders"], "extensions": {"code": "ACCESS_DENIED"}}
    api.mock.post(API, json={"data": {"orders": None}, "errors": [denied]})
    with pytest.raises(PermanentError):
        ShopifyFeed(api.gateway(), SHOP).pull(SINCE, NOW)


@pytest.mark.parametrize("nodes", [None, "x", [None], [{}], [{"id": 5}], [{"id": "gid://shopify/Order/x"}], [[]]])
def test_nodes_of_another_shape_are_passed_over(api: Shopify, nodes: Any) -> None:
    page = {"nodes": nodes, "pageInfo": []}
    api.mock.post(API, json={"data": {"orders": page, "customers": page}})
    assert walk(api)[0] == []


@pytest.mark.parametrize("cursor", ["x", "[]", '{"since": true}', '{"since": "soon"}'])
def test_a_cursor_that_cannot_be_read_begins_anew(api: Shopify, cursor: str) -> None:
    assert json.loads(ShopifyFeed(api.gateway(), SHOP).pull(cursor, NOW).cursor) == {"since": "2026-11-20T11:00:00Z"}


def test_what_claims_to_be_from_the_feed_is_refused_over_the_web(api: Shopify) -> None:
    serve(api, orders=[ORDER])
    fetched = walk(api)[0][0].request
    receiver = ShopifyReceiver(load())
    genuine = post("orders/paid", sample("orders/paid"))
    with pytest.raises(SignatureError):
        receiver.verify(replace(genuine, headers={**genuine.headers, FEED: "1"}))
    with pytest.raises(SignatureError):
        receiver.verify(fetched)


def test_the_feed_and_the_crm_are_off_without_access(api: Shopify) -> None:
    assert ADAPTER.feed
    assert ADAPTER.crm
    for settings, on in (({}, False), ({"access_token": "t"}, True), ({"client_id": "i", "client_secret": "s"}, True)):
        loaded = load(**settings)  # type: ignore[arg-type]
        assert (ADAPTER.feed(loaded, api.kit(loaded)) is not None) is on
        assert (ADAPTER.crm(loaded, api.kit(loaded)) is not None) is on
