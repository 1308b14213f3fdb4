"""Deliveries of the sandbox store: which webhooks it posts, signed or forged, once or twice."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from random import Random

from connector.errors import ConfigurationError
from connector.model import Secret, now
from connector.sandbox.chance import digits
from connector.sandbox.documents import DOCUMENTS, document
from connector.sandbox.orders import SHOP, Order, orders

API_VERSION = "2026-10"
FORGERIES = ("wrong secret", "no signature", "changed body", "cut signature", "non-ASCII signature")
_FORGED_FROM = 500_000
"""Orders that nobody placed are numbered from here on, so that a forgery that slips through is found."""


class Kind(StrEnum):
    """What a delivery is, seen from the store."""

    GENUINE = "genuine"
    DUPLICATE = "duplicate"
    FORGED = "forged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What is posted: ``total`` posts, among them ``duplicates`` and ``forged``; the rest are genuine, once each.

    ``unusable`` and ``test`` count orders among the genuine ones; all posts about such an order are such.
    """

    total: int = 300
    duplicates: int = 0
    """Half of them repeat the webhook id (a retry), half bring a new one (a second subscription)."""
    forged: int = 0
    unusable: int = 0
    """Orders without a phone number that can be reached."""
    test: int = 0
    """Test orders."""
    topics: Sequence[str] = ("orders/paid",)
    """What is told of each order, in this order."""

    def __post_init__(self) -> None:
        if min(self.total, self.duplicates, self.forged, self.unusable, self.test) < 0:
            raise ConfigurationError("Counts of posts must not be negative.")
        if not self.topics or (unknown := [topic for topic in self.topics if topic not in DOCUMENTS]):
            raise ConfigurationError(
                f"The sandbox store does not post {', '.join(unknown) if self.topics else 'nothing'}; "
                f"it posts {', '.join(DOCUMENTS)}."
            )
        if self.genuine < max(1 if self.total else 0, min(self.duplicates, 1)):
            raise ConfigurationError("duplicates and forged leave no genuine post; raise the total.")
        if self.unusable + self.test > self.orders:
            raise ConfigurationError(f"There are {self.orders} orders; unusable and test are more than that.")

    @property
    def genuine(self) -> int:
        """Return how many posts are genuine and new."""
        return self.total - self.duplicates - self.forged

    @property
    def orders(self) -> int:
        """Return how many orders they tell of; the last one's story may be cut short."""
        return -(-self.genuine // len(self.topics))


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One webhook, ready to be posted."""

    kind: Kind
    topic: str
    order: Order
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who posts: the shop, and the secret it signs with."""

    shop: str
    secret: Secret

    def signature(self, body: bytes) -> str:
        """Return base64 of HMAC-SHA256, as ``X-Shopify-Hmac-Sha256`` brings it."""
        return base64.b64encode(hmac.digest(self.secret.reveal().encode(), body, hashlib.sha256)).decode()


def deliveries(mix: Mix, sender: Sender, *, seed: int, at: datetime | None = None) -> list[list[Delivery]]:
    """Make all deliveries, in lanes: what is about one order is one lane and is posted in order.

    Repeats follow what they repeat at once or later in the lane.
    """
    at = at or now()
    chance = Random(f"{seed}:deliveries")  # noqa: S311 - repeatable data, no secret
    lanes: list[list[Delivery]] = []
    left = mix.genuine
    for index, order in enumerate(orders_of(mix, seed, sender.shop, at)):
        topics = mix.topics[: min(left, len(mix.topics))]
        left -= len(topics)
        lanes.append([_genuine(order, topic, sender, (seed, index, place)) for place, topic in enumerate(topics)])
    for count in range(mix.duplicates):
        lane = chance.choice(lanes)
        lane.append(_again(chance.choice(lane), (seed, "again", count) if count % 2 else None))
    for count, order in enumerate(_nobodys(mix.forged, seed, sender.shop, at)):
        topic = mix.topics[count % len(mix.topics)]
        lane = [_forged(order, topic, sender, FORGERIES[count % len(FORGERIES)], (seed, "forged", count))]
        lanes.insert(chance.randrange(len(lanes) + 1), lane)
    return lanes


def orders_of(mix: Mix, seed: int, shop: str, at: datetime) -> Iterator[Order]:
    """Make the orders that a mix tells of: the same, in the same order, whenever they are asked for."""
    return orders(seed, mix.orders, unusable=mix.unusable, test=mix.test, shop=shop or SHOP, at=at)


def _nobodys(count: int, seed: int, shop: str, at: datetime) -> Iterator[Order]:
    for index, order in enumerate(orders(seed + _FORGED_FROM, count, unusable=0, shop=shop or SHOP, at=at)):
        name = f"#{_FORGED_FROM + index}"
        yield Order(
            payload=order.payload | {"name": name},
            name=name,
            usable=True,
            phone=order.phone,
            place=order.place,
        )


def _genuine(order: Order, topic: str, sender: Sender, about: tuple[object, ...]) -> Delivery:
    body = json.dumps(document(topic, order), ensure_ascii=False, separators=(",", ":")).encode()
    headers = headers_of(topic, sender, sender.signature(body), about)
    return Delivery(kind=Kind.GENUINE, topic=topic, order=order, body=body, headers=headers)


def headers_of(topic: str, sender: Sender, signature: str, about: tuple[object, ...]) -> dict[str, str]:
    """Return Shopify's headers; every second delivery uses the names without X-, which came with 2026."""
    number = int(digits(0, 36, "webhook", *about))
    found = {
        "Topic": topic,
        "Hmac-Sha256": signature,
        "Shop-Domain": sender.shop,
        "API-Version": API_VERSION,
        "Webhook-Id": str(uuid.UUID(int=number % 2**128, version=4)),
        "Triggered-At": f"{now():%Y-%m-%dT%H:%M:%S.%f}000Z",
    }
    general = {"Content-Type": "application/json", "User-Agent": "Shopify-Captain-Hook"}
    if number % 2:
        return general | {f"shopify-{name.lower()}": value for name, value in found.items()}
    event = {"X-Shopify-Event-Id": str(uuid.UUID(int=(number >> 7) % 2**128, version=4))}
    return general | event | {f"X-Shopify-{name}": value for name, value in found.items()}


def _again(delivery: Delivery, about: tuple[object, ...] | None) -> Delivery:
    """Repeat a delivery: as a retry, or with another webhook id where ``about`` is given."""
    headers = dict(delivery.headers)
    if about is not None:
        name = next(name for name in headers if name.lower().endswith("shopify-webhook-id"))
        headers[name] = str(uuid.UUID(int=int(digits(0, 36, "webhook", *about)) % 2**128, version=4))
    return Delivery(
        kind=Kind.DUPLICATE, topic=delivery.topic, order=delivery.order, body=delivery.body, headers=headers
    )


def _forged(order: Order, topic: str, sender: Sender, how: str, about: tuple[object, ...]) -> Delivery:
    honest = _genuine(order, topic, sender, about)
    headers = dict(honest.headers)
    name = next(name for name in headers if name.lower().endswith("shopify-hmac-sha256"))
    body = honest.body
    match how:
        case "wrong secret":
            headers[name] = Sender(sender.shop, Secret("nobody-knows-this")).signature(body)
        case "no signature":
            del headers[name]
        case "changed body":
            body = body.replace(b'"currency":"USD"', b'"currency":"EUR"', 1)
            body = body if body != honest.body else body + b" "
        case "cut signature":
            headers[name] = headers[name][:-5]
        case _:
            headers[name] = "é" + headers[name][1:]
    return Delivery(kind=Kind.FORGED, topic=topic, order=order, body=body, headers=headers)
