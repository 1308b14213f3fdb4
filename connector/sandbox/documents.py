"""What else a shop tells about an order: checkouts, drafts, shipments, cancellations, refunds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from connector.errors import ConfigurationError
from connector.model import parse_time
from connector.sandbox.orders import Order, stamped

Json = dict[str, Any]


def document(topic: str, order: Order) -> Json:
    """Return the payload of that topic for this order. Raises ConfigurationError for an unknown topic."""
    make = DOCUMENTS.get(topic)
    if make is None:
        raise ConfigurationError(f"The sandbox store does not post {topic!r}; it posts {', '.join(DOCUMENTS)}.")
    return make(order.payload)


def _later(order: Json, seconds: int) -> str:
    placed = parse_time(order["created_at"])
    return stamped(placed + timedelta(seconds=seconds)) if placed else order["created_at"]


def _created(order: Json) -> Json:
    return order | {"financial_status": "pending", "total_outstanding": order["total_price"]}


def _paid(order: Json) -> Json:
    return order | {"updated_at": _later(order, 1)}


def _updated(order: Json) -> Json:
    return order | {"updated_at": _later(order, 2), "note": "Please ring twice"}


def _partially_fulfilled(order: Json) -> Json:
    return order | {
        "updated_at": _later(order, 3),
        "fulfillment_status": "partial",
        "fulfillments": [_shipped(order)],
    }


def _fulfilled(order: Json) -> Json:
    return order | {
        "updated_at": _later(order, 3),
        "fulfillment_status": "fulfilled",
        "fulfillments": [_shipped(order)],
    }


def _cancelled(order: Json) -> Json:
    moment = _later(order, 4)
    return order | {
        "cancelled_at": moment, "updated_at": moment, "cancel_reason": "customer", "financial_status": "voided",
    }  # fmt: skip


def _shipped(order: Json) -> Json:
    number = f"EX{order['id'] % 10**9:09d}"
    moment = _later(order, 3)
    return {
        "id": order["id"] - 500_000_000, "order_id": order["id"], "name": f"{order['name']}.1", "status": "success",
        "created_at": moment, "updated_at": moment, "service": "manual", "shipment_status": None,
        "tracking_company": "Example Post", "tracking_number": number, "tracking_numbers": [number],
        "tracking_url": f"https://track.example/{number}", "tracking_urls": [f"https://track.example/{number}"],
        "email": order["email"], "destination": order["shipping_address"], "line_items": order["line_items"],
        "origin_address": None, "receipt": {}, "location_id": None,
    }  # fmt: skip


def _out_for_delivery(order: Json) -> Json:
    return _shipped(order) | {"shipment_status": "out_for_delivery", "updated_at": _later(order, 4)}


def _delivered(order: Json) -> Json:
    fulfillment, moment = _shipped(order), _later(order, 5)
    return {
        "id": order["id"] - 400_000_000, "fulfillment_id": fulfillment["id"], "order_id": order["id"],
        "shop_id": 548380009, "status": "delivered", "message": "Delivered", "happened_at": moment,
        "created_at": moment, "updated_at": moment, "estimated_delivery_at": None, "city": None, "country": None,
        "address1": None, "zip": None, "province": None, "latitude": None, "longitude": None,
    }  # fmt: skip


def _refunded(order: Json) -> Json:
    moment = _later(order, 6)
    amounts = order["total_price_set"]["presentment_money"]
    return {
        "id": order["id"] - 300_000_000, "order_id": order["id"], "created_at": moment, "processed_at": moment,
        "note": "Things were damaged", "restock": False, "return": None, "user_id": None, "duties": [],
        "order_adjustments": [], "refund_shipping_lines": [], "refund_line_items": [],
        "transactions": [
            {
                "id": order["id"] - 300_000_001, "order_id": order["id"], "kind": "refund", "gateway": "bogus",
                "status": "success", "amount": amounts["amount"], "currency": amounts["currency_code"],
                "created_at": moment, "processed_at": moment, "test": order["test"], "message": "Refunded",
            }
        ],
    }  # fmt: skip


def _checkout(order: Json) -> Json:
    kept = (
        "cart_token", "email", "phone", "customer", "shipping_address", "billing_address", "line_items", "currency",
        "presentment_currency", "total_price", "subtotal_price", "total_discounts", "total_tax", "customer_locale",
        "created_at", "updated_at", "buyer_accepts_marketing", "note", "note_attributes", "taxes_included",
        "total_line_items_price", "total_weight", "source_name", "discount_codes",
    )  # fmt: skip
    token = order["checkout_token"]
    base = order["order_status_url"].partition("/orders/")[0]
    return {name: order[name] for name in kept} | {
        "token": token, "name": f"#{order['id']}", "completed_at": None, "closed_at": None, "gateway": None,
        "abandoned_checkout_url": f"{base}/checkouts/ac/{token}/recover?key={token[:12]}",
        "buyer_accepts_sms_marketing": order["buyer_accepts_marketing"], "sms_marketing_phone": None,
    }  # fmt: skip


def _checkout_again(order: Json) -> Json:
    return _checkout(order) | {"updated_at": _later(order, 2)}


def _draft(order: Json) -> Json:
    kept = (
        "email", "currency", "line_items", "shipping_address", "billing_address", "customer", "created_at",
        "updated_at", "total_price", "subtotal_price", "total_tax", "note", "note_attributes", "taxes_included", "tags",
    )  # fmt: skip
    base = order["order_status_url"].partition("/orders/")[0]
    # A draft has no phone of its own: it stands in the address.
    address = order["shipping_address"] and order["shipping_address"] | (
        {"phone": order["phone"]} if order["phone"] else {}
    )
    return {name: order[name] for name in kept} | {
        "shipping_address": address, "id": order["id"] - 200_000_000,
        "name": f"#D{order['number']}", "status": "open", "order_id": None,
        "invoice_url": f"{base}/invoices/{order['token']}", "invoice_sent_at": None, "completed_at": None,
        "b2b?": False, "allow_discount_codes_in_checkout?": False,
    }  # fmt: skip


def _draft_sent(order: Json) -> Json:
    moment = _later(order, 2)
    return _draft(order) | {"status": "invoice_sent", "invoice_sent_at": moment, "updated_at": moment}


DOCUMENTS: Mapping[str, Callable[[Json], Json]] = {
    "checkouts/create": _checkout,
    "checkouts/update": _checkout_again,
    "draft_orders/create": _draft,
    "draft_orders/update": _draft_sent,
    "orders/create": _created,
    "orders/paid": _paid,
    "orders/updated": _updated,
    "orders/partially_fulfilled": _partially_fulfilled,
    "orders/fulfilled": _fulfilled,
    "orders/cancelled": _cancelled,
    "fulfillments/create": _shipped,
    "fulfillments/update": _out_for_delivery,
    "fulfillment_events/create": _delivered,
    "refunds/create": _refunded,
}
"""Topic -> how its payload is made from an order."""
