"""Shopify's topics and our events, as tables: which event a topic becomes, and where its parts stand.

All events of one subject have payloads of one shape, since a refund or a parcel remembers the newest payload
of ``order:<id>``. So an edit and a shipment, which bring little of the order or the parcel, are subjects of
their own that bear on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How the events of one topic are made."""

    event: str
    kind: str
    """First part of the subject: ``order``."""
    id: tuple[str, ...] = ("id",)
    """Where the subject's id stands; the first that holds one. None at all: the shop itself."""
    times: tuple[str, ...] = ("updated_at",)
    """Where the moment of the fact stands, best first."""
    fact: tuple[str, ...] | None = None
    """Where an id of the fact itself stands: it happens once to that. ``None``: it may happen again and again."""
    state: tuple[str, ...] = ()
    """What tells two facts of one moment apart; nothing: the whole body. Named where our feed finds the same fact
    in other words, so that both have one key."""


_CREATED = ("created_at", "processed_at")
_CUSTOMER = ("customer_id", "customerId", "id")

_PERSON = (
    "first_name", "last_name", "email", "phone", "note", "state",
    *(
        f"default_address.{part}"
        for part in (
            "first_name", "last_name", "company", "address1", "address2", "city", "province", "zip", "country_code",
            "phone",
        )
    ),
)  # fmt: skip

RULES: Mapping[str, Rule] = {
    "orders/create": Rule(event="order.created", kind="order", times=_CREATED, fact=("id",)),
    # An order is paid when it is updated to be so, which may be long after it was placed.
    "orders/paid": Rule(event="order.paid", kind="order", fact=("id",)),
    "orders/updated": Rule(event="order.updated", kind="order"),
    "orders/fulfilled": Rule(event="order.fulfilled", kind="order", fact=("id",)),
    "orders/partially_fulfilled": Rule(event="order.partially_fulfilled", kind="order"),
    "orders/cancelled": Rule(event="order.cancelled", kind="order", times=("cancelled_at", "updated_at"), fact=("id",)),
    "orders/edited": Rule(
        event="order.edited",
        kind="order_edit",
        id=("order_edit.id",),
        times=("order_edit.committed_at", "order_edit.created_at"),
        fact=("order_edit.id",),
    ),
    "fulfillments/create": Rule(event="fulfillment.created", kind="fulfillment", times=_CREATED, fact=("id",)),
    "fulfillments/update": Rule(event="fulfillment.updated", kind="fulfillment"),
    "refunds/create": Rule(event="refund.created", kind="refund", times=_CREATED, fact=("id",)),
    "draft_orders/create": Rule(event="draft_order.created", kind="draft_order", times=_CREATED, fact=("id",)),
    "draft_orders/update": Rule(event="draft_order.updated", kind="draft_order"),
    "checkouts/create": Rule(
        event="checkout.created", kind="checkout", id=("token", "id"), times=_CREATED, fact=("token", "id")
    ),
    "checkouts/update": Rule(event="checkout.updated", kind="checkout", id=("token", "id")),
    "customers/create": Rule(event="customer.created", kind="customer", times=_CREATED, fact=("id",)),
    "customers/update": Rule(event="customer.updated", kind="customer", state=_PERSON),
    "customers/delete": Rule(event="customer.deleted", kind="customer", times=(), fact=("id",)),
    "customers_marketing_consent/update": Rule(
        event="consent.sms_updated",
        kind="customer",
        id=_CUSTOMER,
        times=("sms_marketing_consent.consent_updated_at",),
        state=("sms_marketing_consent.state", "sms_marketing_consent.opt_in_level", "phone"),
    ),
    "customers_email_marketing_consent/update": Rule(
        event="consent.email_updated",
        kind="customer",
        id=_CUSTOMER,
        times=("email_marketing_consent.consent_updated_at",),
        state=("email_marketing_consent.state", "email_marketing_consent.opt_in_level", "email_address"),
    ),
    "customers_whats_app_marketing_consent/update": Rule(
        event="consent.whatsapp_updated",
        kind="customer",
        id=_CUSTOMER,
        times=("whats_app_marketing_consent.updated_at",),
        state=("whats_app_marketing_consent.state", "whats_app_marketing_consent.opt_in_level", "phone_number"),
    ),
    "customer.tags_added": Rule(event="customer.tags_added", kind="customer", id=_CUSTOMER, times=("occurredAt",)),
    "customer.tags_removed": Rule(event="customer.tags_removed", kind="customer", id=_CUSTOMER, times=("occurredAt",)),
    "app/uninstalled": Rule(event="app.uninstalled", kind="shop", id=(), times=()),
    "shop/update": Rule(event="shop.updated", kind="shop", id=()),
    "customers/data_request": Rule(event="privacy.data_request", kind="customer", id=("customer.id",), times=()),
    "customers/redact": Rule(event="privacy.customer_redact", kind="customer", id=("customer.id",), times=()),
    "shop/redact": Rule(event="privacy.shop_redact", kind="shop", id=(), times=()),
}
"""Vendor's word -> how its event is made; ``fulfillment_events/create`` is told by its status instead."""

DRAFT_COMPLETED = Rule(event="draft_order.completed", kind="draft_order", times=("completed_at",), fact=("id",))
"""Shopify tells it as one more update; on its own it can call off a payment link."""

CARRIER_TOPIC = "fulfillment_events/create"
SHIPMENT = (
    "label_purchased", "label_printed", "confirmed", "carrier_picked_up", "in_transit", "delayed",
    "out_for_delivery", "attempted_delivery", "ready_for_pickup", "picked_up", "delivered", "failure",
)  # fmt: skip
"""Shopify's words for how far a parcel has come, which are also ours: ``shipment.in_transit``.
https://shopify.dev/docs/api/admin-graphql/2026-10/enums/FulfillmentEventStatus
"""
