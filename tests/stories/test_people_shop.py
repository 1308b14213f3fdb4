"""A shop's orders: asked about by buttons, found again where webhooks were lost, forgotten when the shop says so."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import Any

from connector.flow import catchup, tending
from connector.model import State, now
from connector.sandbox.deliveries import Mix
from connector.sandbox.orders import Order
from connector.store import marks
from tests.stories.conftest import OpenStage
from tests.stories.kit import Stage
from tests.stories.town import Town, open_town

LOST = Mix(total=12, unusable=2)


def test_lost_webhooks_are_made_up_for_and_a_lost_subscription_is_made_again(open_stage: OpenStage) -> None:
    town = open_town(open_stage)
    stage, shop = town.stage, town.shop
    stage.publish("order_paid")
    shop.configure(webhook_url="")
    lost = shop.stock(LOST, seed=3, at=now() - timedelta(minutes=20))
    with stage.store.write() as tx:  # the last time that anybody asked is an hour ago
        since = (now() - timedelta(hours=1)).isoformat(timespec="seconds").replace("+00:00", "Z")
        marks.put(tx, f"feed:{town.ids['shop']}", json.dumps({"since": since}))
    stage.run("--workers", "1")
    wanted = LOST.total - LOST.unusable
    stage.until("the orders are told", lambda: stage.states() == {State.READ: wanted})
    for order in lost:
        assert stage.deliver("orders/paid", order) == 200  # Shopify has them after all
    town.again(catchup.CHORE, "shop")

    subscribed = stage.until("everything is subscribed", lambda: len(shop.subscriptions()))
    shop.unsubscribe()
    town.again(tending.CHORE, "shop")
    stage.until("all is subscribed again", lambda: len(shop.subscriptions()) == subscribed)
    assert {one["uri"] for one in shop.subscriptions()} == {stage.shop_url}
    customer = town.settle_in(1)[0]
    shop.edit_customer(customer.customer_id, add_tags=["vip"])
    stage.until("the shop is heard again", lambda: town.labels(customer) == {"vip"})
    town.rest()
    assert stage.states() == {State.READ: wanted}
    assert stage.whatsapp.stats()["duplicated"] == []


def test_a_tapped_button_tags_the_order_once_and_whoever_asks_is_forgotten(open_stage: OpenStage) -> None:
    town = open_town(open_stage)
    stage, shop = town.stage, town.shop
    stage.publish("cod_confirm", changes={'delay = "2m"\n': ""})
    stage.run("--workers", "1")
    order = next(one for one in shop.stock(Mix(total=3), seed=4) if one.place == "customer")
    customer_id = int(order.payload["customer"]["id"])
    shop.fire("orders/create", _on_delivery(order))
    stage.until("the buyer was asked", lambda: stage.states() == {State.READ: 1})
    asked = stage.whatsapp.messages()[0]
    for _ in range(2):
        town.tap(order.phone, "Yes, send it", "cod:confirm", asked["id"])
    stage.until("the order is confirmed", lambda: _tags(town, order) == {"cod-confirmed"})
    town.rest()
    texts = [one["request"] for one in stage.whatsapp.messages() if one["request"]["type"] == "text"]
    assert [one["text"]["body"] for one in texts] == [f"Thank you, we are packing {order.name} now."]

    number = order.phone.removeprefix("+")
    assert town.knows(order.phone)
    assert _holds(stage, number)
    body = {
        "shop_id": 1, "shop_domain": shop.shop, "orders_to_redact": [order.payload["id"]],
        "customer": {"id": customer_id, "email": order.payload["email"], "phone": order.phone},
    }  # fmt: skip
    shop.fire("customers/redact", body)
    stage.until("the buyer is forgotten", lambda: not town.knows(order.phone))
    assert not _holds(stage, number)


def _on_delivery(order: Order) -> dict[str, Any]:
    moment = now().isoformat()
    return {
        **order.payload, "payment_gateway_names": ["Cash on Delivery (COD)"], "financial_status": "pending",
        "created_at": moment, "updated_at": moment, "processed_at": moment,
    }  # fmt: skip


def _tags(town: Town, order: Order) -> set[str]:
    return {tag for tag in town.shop.order(int(order.payload["id"]))["tags"] if tag.startswith("cod-")}


def _holds(stage: Stage, number: str) -> bool:
    """Tell whether any table holds a number, be it among bytes."""
    with closing(sqlite3.connect(stage.data / "connector.db")) as file:
        rows = "\n".join(file.iterdump())
    return number in rows or number.encode().hex() in rows.lower()
