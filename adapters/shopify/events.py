"""From Shopify's payloads to events in our words.

Payload shapes of API 2024-10 to 2026-10 are read. What changed between them and matters here: checkouts
lost ``id`` and orders ``checkout_id`` in 2026-04 (we go by the token), and customers lost tags and consent
in 2025-01 (https://shopify.dev/changelog/removed-checkout-id-from-checkouts-and-orders-webhooks).

Nothing in a payload is taken for granted: a field of another type is as good as none, and only a body
that does not say what it is about is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from adapters.shopify.rules import CARRIER_TOPIC, DRAFT_COMPLETED, RULES, SHIPMENT, Rule
from connector.errors import PayloadError
from connector.model import Event, Ignored, Payload, dig, parse_time, text_at

AHEAD = timedelta(minutes=5)
"""How far a sender's clock may be ahead of ours before its times are not believed."""
LABEL_LIMIT = 60
MOST_ORDERS = 5000
"""Orders that one event may be about."""

_OF_AN_ORDER = ("fulfillment", "shipment", "refund", "order_edit")
"""Kinds whose payload says little about the order that they belong to, so that they remember it."""

# Ids become part of keys and subjects: printable ASCII without spaces, so that every database takes them.
_ID = re.compile(r"[!-~]{1,120}")
_GID = re.compile(r"gid://shopify/\w+/(\d+)(\?.*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One webhook: what came, and what was said around it."""

    topic: str
    payload: Payload = field(repr=False)
    body: bytes = field(repr=False)
    shop: str
    triggered_at: datetime | None
    received_at: datetime


def read(delivery: Delivery) -> list[Event | Ignored]:
    """Return the events of a delivery whose topic is known. Raises PayloadError."""
    payload = delivery.payload
    if delivery.topic == CARRIER_TOPIC:
        shipment = _shipment(delivery, "status", "fulfillment_id", ("happened_at", "created_at"))
        return [shipment or Ignored(f"{CARRIER_TOPIC} {_clean(payload.get('status')) or '(no status)'}"[:80])]
    rule = RULES[delivery.topic]
    items: list[Event | Ignored] = [_event(delivery, rule)]
    if rule.kind == "fulfillment" and (shipment := _shipment(delivery, "shipment_status", "id", rule.times)):
        items.append(shipment)
    if rule.event == "draft_order.updated" and _clean(payload.get("completed_at")):
        items.append(_event(delivery, DRAFT_COMPLETED))
    return items


def _event(delivery: Delivery, rule: Rule) -> Event:
    payload = delivery.payload
    subject = _subject(delivery, rule)
    told_at = _told_at(delivery, rule.times)
    if rule.fact is None:
        key = f"{rule.event}:{subject.partition(':')[2]}:{_version(delivery, told_at, rule.state)}"
    else:
        key = f"{rule.event}:{_id(payload, *rule.fact) or subject.partition(':')[2]}"
    order = _order_id(payload, rule.kind)
    return Event(
        key=key,
        type=rule.event,
        topic=delivery.topic,
        subject=subject,
        about=tuple(found for found in _about(payload, rule.kind) if found != subject),
        remembers={"order": f"order:{order}"} if order and rule.kind in _OF_AN_ORDER else {},
        label=_label(payload, rule.kind, subject),
        occurred_at=_believed(told_at, delivery.received_at),
        payload=payload,
    )


def _shipment(delivery: Delivery, status: str, id_path: str, times: tuple[str, ...]) -> Event | None:
    """Return how far a parcel has come, once, whichever of two topics tells it first."""
    word = delivery.payload.get(status)
    if word not in SHIPMENT:
        return None
    fulfillment = _id(delivery.payload, id_path)
    if not fulfillment:
        raise _nameless(delivery.topic, id_path)
    order = _order_id(delivery.payload, "shipment")
    remembers = {"order": f"order:{order}"} if order else {}
    remembers["fulfillment"] = f"fulfillment:{fulfillment}"
    return Event(
        key=f"shipment.{word}:fulfillment:{fulfillment}",
        type=f"shipment.{word}",
        topic=delivery.topic,
        subject=f"shipment:{fulfillment}",
        about=tuple(remembers.values()),
        remembers=remembers,
        label=_label(delivery.payload, "fulfillment", f"fulfillment:{fulfillment}"),
        occurred_at=_believed(_told_at(delivery, times), delivery.received_at),
        payload=delivery.payload,
    )


def _subject(delivery: Delivery, rule: Rule) -> str:
    if found := _id(delivery.payload, *rule.id):
        return f"{rule.kind}:{found}"
    if rule.kind == "shop" or rule.event.startswith("privacy."):
        return f"shop:{delivery.shop}"
    raise _nameless(delivery.topic, rule.id[0])


def _nameless(topic: str, path: str) -> PayloadError:
    return PayloadError(
        f"This {topic} has no usable {path}; is the subscription limited by include_fields? Let it send whole payloads."
    )


def _about(payload: Payload, kind: str) -> Iterable[str]:
    """Name what else it bears on: the order's checkout and customer, the fulfilment's order, and so on."""
    if kind == "order" and (checkout := _id(payload, "checkout_token", "checkout_id")):
        yield f"checkout:{checkout}"
    if order := _order_id(payload, kind):
        yield f"order:{order}"
    if kind in ("order", "checkout", "draft_order") and (customer := _id(payload, "customer.id")):
        yield f"customer:{customer}"
    for name in ("orders_to_redact", "orders_requested"):  # the privacy topics: a customer's orders are theirs too
        orders = payload.get(name)
        for place in range(min(len(orders), MOST_ORDERS) if isinstance(orders, list) else 0):
            if order := _id(payload, f"{name}.{place}"):
                yield f"order:{order}"


def _order_id(payload: Payload, kind: str) -> str:
    if kind == "order_edit":
        return _id(payload, "order_edit.order_id")
    return _id(payload, "order_id") if kind in (*_OF_AN_ORDER, "draft_order") else ""


def _id(payload: Payload, *paths: str) -> str:
    """Return the first id that stands at one of these paths, without ``gid://shopify/…/``, else ``""``."""
    for path in paths:
        value = dig(payload, path)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str) and _ID.fullmatch(value):
            gid = _GID.fullmatch(value)
            return gid[1] if gid else value
    return ""


def _told_at(delivery: Delivery, times: tuple[str, ...]) -> datetime | None:
    for path in times:
        value = dig(delivery.payload, path)
        if isinstance(value, str) and (moment := parse_time(value)):
            return moment
    return delivery.triggered_at


def _believed(told_at: datetime | None, received_at: datetime) -> datetime:
    if told_at is None or told_at > received_at + AHEAD:
        return received_at
    return told_at


def _version(delivery: Delivery, told_at: datetime | None, state: tuple[str, ...]) -> str:
    """Tell one state of a subject from another: its time and a digest, since times have whole seconds."""
    told = delivery.body
    if state:
        told = json.dumps([text_at(delivery.payload, path) for path in state]).lower().encode()
    digest = hashlib.blake2b(told, digest_size=6).hexdigest()
    return f"{told_at:%Y%m%dT%H%M%S}-{digest}" if told_at else digest


def _label(payload: Payload, kind: str, subject: str) -> str:
    """Return what a person would call it; never a customer's name, since labels are shown in lists and logs."""
    if kind in ("order", "fulfillment", "draft_order", "checkout") and (name := _clean(payload.get("name"))):
        return name
    _, _, ident = subject.partition(":")
    return {"checkout": ident[:8], "shop": ident}.get(kind) or subject.replace(":", " ").replace("_", " ")


def _clean(value: object) -> str:
    """Return a text that every database and terminal takes: printable, one line, short; else ``""``."""
    if not isinstance(value, str):
        return ""
    return "".join(c for c in value[: 4 * LABEL_LIMIT] if c.isprintable()).strip()[:LABEL_LIMIT]
