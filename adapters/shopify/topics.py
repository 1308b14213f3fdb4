"""The topics as an editor offers them: title, fields with types, and a sample payload each.

Fields are listed by shape in ``fields.json`` (path, type, words); samples are in ``fixtures/samples``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from adapters.shopify.rules import CARRIER_TOPIC, DRAFT_COMPLETED, RULES, SHIPMENT
from connector.contract import Field, Topic
from connector.model import Payload, parse_object

_HERE = Path(__file__).parent
_ORDER = {"order": "order.created"}
_PARCEL = {"order": "order.created", "fulfillment": "fulfillment.created"}
_NOTHING: Mapping[str, str] = {}

_TITLES: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "orders/create": ("Order placed", "order", _NOTHING),
    "orders/paid": ("Order paid", "order", _NOTHING),
    "orders/updated": ("Order changed in any way", "order", _NOTHING),
    "orders/fulfilled": ("Order shipped whole", "order", _NOTHING),
    "orders/partially_fulfilled": ("Order shipped in part", "order", _NOTHING),
    "orders/cancelled": ("Order cancelled", "order", _NOTHING),
    "orders/edited": ("Order edited by the staff", "order_edit", _ORDER),
    "fulfillments/create": ("Parcel shipped", "fulfillment", _ORDER),
    "fulfillments/update": ("Parcel's details changed", "fulfillment", _ORDER),
    "refunds/create": ("Refund made", "refund", _ORDER),
    "draft_orders/create": ("Draft order made", "draft_order", _NOTHING),
    "draft_orders/update": ("Draft order changed or invoiced", "draft_order", _NOTHING),
    "checkouts/create": ("Checkout begun", "checkout", _NOTHING),
    "checkouts/update": ("Checkout changed", "checkout", _NOTHING),
    "customers/create": ("Customer added", "customer", _NOTHING),
    "customers/update": ("Customer changed", "customer", _NOTHING),
    "customers/delete": ("Customer deleted", "customer_deleted", _NOTHING),
    "customers_marketing_consent/update": ("Consent to SMS marketing changed", "consent_sms", _NOTHING),
    "customers_email_marketing_consent/update": ("Consent to e-mail marketing changed", "consent_email", _NOTHING),
    "customers_whats_app_marketing_consent/update": (
        "Consent to WhatsApp marketing changed",
        "consent_whatsapp",
        _NOTHING,
    ),
    "customer.tags_added": ("Tags added to a customer", "tags", _NOTHING),
    "customer.tags_removed": ("Tags taken from a customer", "tags", _NOTHING),
    "app/uninstalled": ("App removed from the shop", "shop", _NOTHING),
    "shop/update": ("Shop's settings changed", "shop", _NOTHING),
    "customers/data_request": ("Customer asks what is stored", "data_request", _NOTHING),
    "customers/redact": ("Customer must be forgotten", "customer_redact", _NOTHING),
    "shop/redact": ("Shop must be forgotten", "shop_redact", _NOTHING),
}
"""Vendor's word -> title, shape of its fields, what it remembers."""


def _fields() -> Mapping[str, tuple[Field, ...]]:
    shapes = json.loads((_HERE / "fields.json").read_text("utf-8"))
    return {shape: tuple(Field(*row) for row in rows) for shape, rows in shapes.items()}


def sample(name: str, **changes: str) -> Payload:
    """Return the sample payload of a topic, with some of its fields changed."""
    body = (_HERE / "fixtures" / "samples" / f"{name.replace('/', '-')}.json").read_bytes()
    return {**parse_object(body), **changes}


def _topics() -> tuple[Topic, ...]:
    fields = _fields()
    plain = [
        Topic(
            name=name,
            event=RULES[name].event,
            title=title,
            fields=fields[shape],
            sample=partial(sample, name),
            remembers=remembers,
        )
        for name, (title, shape, remembers) in _TITLES.items()
    ]
    shipments = [
        Topic(
            name=CARRIER_TOPIC,
            event=f"shipment.{status}",
            title=f"Parcel: {status.replace('_', ' ')}",
            fields=fields["shipment"],
            sample=partial(sample, CARRIER_TOPIC, status=status),
            remembers=_PARCEL,
        )
        for status in SHIPMENT
    ]
    completed = Topic(
        name="draft_orders/update",
        event=DRAFT_COMPLETED.event,
        title="Draft order became an order",
        fields=fields["draft_order"],
        sample=partial(sample, "draft_orders/update", status="completed", completed_at="2026-11-20T15:00:00+00:00"),
    )
    return (*plain, completed, *shipments)


TOPICS = _topics()
BY_NAME: Mapping[str, Topic] = {topic.name: topic for topic in reversed(TOPICS)}
"""Vendor's word -> its (first) topic."""
