"""A mapping, a template and an order for the tests, written for them."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from datetime import UTC, datetime, timedelta
from typing import Any

from connector.contract import Field, Topic
from connector.mapping import Mapping, Situation, load, plan
from connector.model import AccountId, Category, Decision, Event, Skip, Slot, SlotKind, Template

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SOURCE = """
title = "Order paid"
[when]
event = "order.paid"
adapter = "shopify"
[to]
phone = ["{{ phone }}", "{{ shipping_address.phone }}", "{{ customer.phone }}"]
region = ["{{ shipping_address.country_code }}", "{{ account.country }}"]
locale = ["{{ customer_locale }}", "{{ account.locale }}"]
[template]
name = "order_paid"
language = "en"
[slots]
body.1 = "{{ customer.first_name | default: 'there' }}"
body.2 = "{{ name }}"
body.3 = "{{ total_price_set | money }}"
button.0.url = "{{ order_status_url | url_suffix: 'https://shop.example/' }}"
"""
TEMPLATE = Template(
    name="order_paid",
    language="en",
    category=Category.UTILITY,
    status="approved",
    slots=(
        Slot(key="body.1", example="Ann"),
        Slot(key="body.2", example="#1001"),
        Slot(key="body.3"),
        Slot(key="button.0.url", kind=SlotKind.URL_SUFFIX),
    ),
    budget=(("body", 900),),
)
ORDER: dict[str, Any] = {
    "id": 820982911946154508,
    "name": "#1001",
    "phone": None,
    "tags": "vip, Berlin",
    "test": False,
    "financial_status": "paid",
    "customer": {"first_name": "Ann", "phone": "+4930901820"},
    "customer_locale": "de-DE",
    "shipping_address": {"country_code": "DE", "phone": ""},
    "total_price_set": {
        "shop_money": {"amount": "40.00", "currency_code": "USD"},
        "presentment_money": {"amount": "1234.50", "currency_code": "EUR"},
    },
    "order_status_url": "https://shop.example/12/orders/ab?key=1",
}
FIELDS = (
    Field("id", "id"),
    Field("name", "text"),
    Field("phone", "phone"),
    Field("test", "boolean"),
    Field("tags", "text"),
    Field("financial_status", "text"),
    Field("customer.first_name", "text"),
    Field("customer.phone", "phone"),
    Field("customer_locale", "text"),
    Field("shipping_address.country_code", "text"),
    Field("shipping_address.phone", "phone"),
    Field("line_items", "list"),
    Field("line_items[0].title", "text"),
    Field("note_attributes", "list"),
    Field("total_price_set", "money"),
    Field("order_status_url", "url"),
)
TOPICS = (
    Topic(name="orders/paid", event="order.paid", title="Order paid", fields=FIELDS),
    Topic(name="orders/cancelled", event="order.cancelled", title="Order cancelled", fields=FIELDS),
    Topic(
        name="refunds/create",
        event="refund.created",
        title="Refund made",
        fields=(Field("id", "id"), Field("order_id", "id")),
        remembers={"order": "order.paid"},
    ),
)


def mapping(source: str = SOURCE, **slots: str) -> Mapping:
    """The example, or another source, with some lines replaced: ``mapping(language='"de"')``."""
    lines = []
    for line in source.splitlines():
        key = line.split(" = ")[0].replace(".", "_")
        lines.append(f"{line.split(' = ')[0]} = {slots.pop(key)}" if key in slots else line)
    assert not slots, f"no such line: {slots}"
    return load("shopify/order_paid", "\n".join(lines))


def situation(payload: MappingOf[str, Any] | None = None, **changes: Any) -> Situation:
    """An order that was paid at noon, now; templates are looked up in ``templates``."""
    templates = {(each.name, each.language): each for each in changes.pop("templates", (TEMPLATE,))}
    kind, occurred_at = changes.pop("type", "order.paid"), changes.pop("occurred_at", NOON)
    event = Event(
        key=f"{kind}:1",
        type=kind,
        topic="orders/paid",
        subject="order:1",
        label="#1001",
        occurred_at=occurred_at,
        payload=ORDER if payload is None else payload,
    )
    given: dict[str, Any] = {
        "event": event,
        "account_name": "main-store",
        "account": {"country": "US", "locale": "en"},
        "now": NOON + timedelta(minutes=1),
        "channel": AccountId("channel-1"),
        "template": lambda name, language: templates.get((name, language)),
    }
    return Situation(**(given | changes))


def decide(of: Mapping | None = None, payload: MappingOf[str, Any] | None = None, **changes: Any) -> Decision:
    """Plan the example."""
    return plan(of or mapping(), 3, situation(payload, **changes))


def skipped(decision: Decision) -> Skip:
    """The reason why nothing is sent, which must be the last step too."""
    assert isinstance(decision.verdict, Skip), decision
    assert not decision.steps[-1].ok
    return decision.verdict
