"""What the shop's own changes fire: signed, for real changes only, echoes of the API's writes included."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from connector.sandbox.deliveries import Mix
from connector.sandbox.shopify import SandboxShop
from tests.sandbox.conftest import PATIENCE, Admin, Webhook
from tests.sandbox.test_shopify import PHONE, TAGS, agree, gid

Open = Callable[..., Admin]
OpenWebhook = Callable[[str], Webhook]
SECRET = "shop-secret"


def told(webhook: Webhook) -> list[tuple[str, Any]]:
    names = ("x-shopify-topic", "shopify-topic")
    return [
        (next(headers[name] for name in names if name in headers), json.loads(body)) for headers, body in webhook.taken
    ]


def test_a_humans_changes_are_posted_signed(open_shop: Open, open_webhook: OpenWebhook) -> None:
    webhook = open_webhook(SECRET)
    shop = open_shop(webhook_url=webhook.url, webhook_secret=SECRET).shop
    one = shop.add_customer(first_name="Žofie", phone=PHONE)
    shop.edit_customer(one, last_name="Nováková", add_tags=["vip"], whatsapp="SUBSCRIBED")
    shop.edit_customer(one, remove_tags=["VIP"])
    assert shop.settled(PATIENCE)
    assert not webhook.refused
    topics = [topic for topic, _ in told(webhook)]
    assert topics == [
        "customers/create", "customers/update", "customer.tags_added", "customers_whats_app_marketing_consent/update",
        "customer.tags_removed",
    ]  # fmt: skip
    bodies = dict(told(webhook))
    assert "tags" not in bodies["customers/update"]
    assert bodies["customer.tags_added"]["customerId"] == gid(one)
    assert bodies["customer.tags_removed"]["tags"] == ["vip"]
    consent = bodies["customers_whats_app_marketing_consent/update"]
    assert (consent["customer_id"], consent["phone_number"]) == (one, PHONE)
    assert consent["whats_app_marketing_consent"]["state"] == "subscribed"
    assert consent["whats_app_marketing_consent"]["collected_from"] == "shopify"


def test_the_apis_own_writes_come_back_as_webhooks_but_only_when_they_changed_something(
    open_shop: Open, open_webhook: OpenWebhook
) -> None:
    webhook = open_webhook(SECRET)
    admin = open_shop(webhook_secret=SECRET)
    one = admin.shop.add_customer(phone=PHONE)
    admin.shop.configure(webhook_url=webhook.url)
    for _ in range(3):
        agree(admin, one)
        admin.data(TAGS, {"id": gid(one), "tags": ["read"]})
    assert admin.shop.settled(PATIENCE)
    assert len(told(webhook)) == 2
    admin.shop.configure(echo=False)
    agree(admin, one, state="UNSUBSCRIBED", optInLevel=None)
    admin.shop.edit_customer(one, add_tags=["human"])
    assert admin.shop.settled(PATIENCE)
    assert [topic for topic, _ in told(webhook)][2:] == ["customer.tags_added"]


def test_a_subscription_brings_its_topic_once_and_is_not_made_twice(open_shop: Open, open_webhook: OpenWebhook) -> None:
    webhook = open_webhook(SECRET)
    admin = open_shop(webhook_secret=SECRET)
    query = """mutation($topic: WebhookSubscriptionTopic!, $sub: WebhookSubscriptionInput!) {
      webhookSubscriptionCreate(topic: $topic, webhookSubscription: $sub) {
        webhookSubscription { id } userErrors { message } } }"""
    variables = {"topic": "CUSTOMER_TAGS_ADDED", "sub": {"uri": webhook.url, "format": "JSON"}}
    made = admin.data(query, variables)["webhookSubscriptionCreate"]
    assert made["webhookSubscription"]["id"]
    again = admin.data(query, variables)["webhookSubscriptionCreate"]
    assert again["webhookSubscription"] is None
    assert "already been taken" in again["userErrors"][0]["message"]
    variables["sub"] = {"uri": "https://evil.example/"}
    assert admin.data(query, variables)["webhookSubscriptionCreate"]["userErrors"]
    one = admin.shop.add_customer(tags=["x"])
    admin.shop.edit_customer(one, first_name="A", add_tags=["y"])
    assert admin.shop.settled(PATIENCE)
    assert [topic for topic, _ in told(webhook)] == ["customer.tags_added"]
    admin.shop.configure(webhook_url=webhook.url)
    admin.shop.edit_customer(one, add_tags=["z"])
    assert admin.shop.settled(PATIENCE)
    assert len(told(webhook)) == 2, "one URL is told once"
    admin.shop.unsubscribe()
    assert (
        admin.data("{ webhookSubscriptions(first: 5) { nodes { topic uri } } }")["webhookSubscriptions"]["nodes"] == []
    )


def test_tags_of_an_order_are_told_with_the_order(open_shop: Open, open_webhook: OpenWebhook) -> None:
    from connector.sandbox.deliveries import Mix

    webhook = open_webhook(SECRET)
    admin = open_shop(webhook_secret=SECRET, webhook_url=webhook.url)
    order = admin.shop.stock(Mix(total=10), seed=3)[0]
    admin.data(TAGS, {"id": gid(order.payload["id"], "Order"), "tags": ["confirmed"]})
    assert admin.shop.settled(PATIENCE)
    ((topic, body),) = told(webhook)
    assert (topic, body["id"], body["tags"]) == ("orders/updated", order.payload["id"], "confirmed")
    assert body["line_items"] == order.payload["line_items"]


def test_what_is_not_taken_comes_again_and_some_come_twice(open_shop: Open, open_webhook: OpenWebhook) -> None:
    webhook = open_webhook(SECRET)
    webhook.answer = lambda nth: 500 if nth == 1 else 200
    admin = open_shop(webhook_secret=SECRET, webhook_url=webhook.url, duplicates=1.0, scatter_ms=300.0)
    for n in range(10):
        admin.shop.add_customer(first_name=str(n))
    assert admin.shop.settled(PATIENCE)
    names = [body["first_name"] for _, body in told(webhook)]
    assert sorted(names) == sorted([str(n) for n in range(10)] * 2)
    assert names != sorted(names), "scattered"
    ids = {headers.get("x-shopify-webhook-id") or headers.get("shopify-webhook-id") for headers, _ in webhook.taken}
    assert len(ids) == 10
    assert admin.shop.stats()["webhooks"]["refused_posts"] == 1


def test_an_order_that_is_placed_now_is_told_by_its_topics_in_their_order(
    open_shop: Open, open_webhook: OpenWebhook
) -> None:
    webhook = open_webhook(SECRET)
    shop = open_shop(webhook_url=webhook.url, webhook_secret=SECRET).shop
    first, second = shop.sell(), shop.sell(("orders/cancelled",))
    assert shop.settled(PATIENCE)
    assert [topic for topic, _ in told(webhook)] == ["orders/create", "orders/paid", "orders/cancelled"]
    ids = [body["id"] for _, body in told(webhook)]
    assert ids == [first["id"], first["id"], second["id"]]
    assert first["name"] != second["name"]
    assert {order["id"] for order in shop.orders()} == {first["id"], second["id"]}


def test_a_shop_that_is_started_again_counts_its_orders_on(tmp_path: Path) -> None:
    count = tmp_path / "sandbox.count"
    assert [SandboxShop(count_file=count).sell()["name"] for _ in range(2)] == ["#1001", "#1002"]
    count.write_text("of no use")
    assert SandboxShop(count_file=count).sell()["name"] == "#1001", "a broken file costs no order"


def test_an_order_that_is_placed_now_has_no_number_of_the_shops_stock() -> None:
    shop = SandboxShop()
    stocked = {order.name for order in shop.stock(Mix(total=3), seed=7)}
    assert shop.sell()["name"] not in stocked
