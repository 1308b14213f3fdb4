"""The shop's customers and orders, in memory, and how GraphQL tells of them."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from connector.model import now, parse_time
from connector.sandbox.orders import Order as Made
from connector.sandbox.orders import stamped

Json = dict[str, Any]

_PHONE = re.compile(r"\+[1-9]\d{6,14}")
_MOST_TAGS = 250


@dataclass(slots=True)
class Consent:
    """What a customer agreed to for one channel, as Shopify keeps it with the phone number."""

    state: str = "NEVER_SUBSCRIBED"
    level: str = "UNKNOWN"
    updated_at: datetime | None = None
    collected_from: str | None = None

    def node(self) -> Json:
        """Return it as GraphQL tells it."""
        return {
            "state": self.state, "optInLevel": self.level, "collectedFrom": self.collected_from,
            "updatedAt": written(self.updated_at),
        }  # fmt: skip


@dataclass(slots=True)
class Tagged:
    """What customers and orders have in common: an id, tags, metafields, and when they changed."""

    id: int
    tags: list[str] = field(default_factory=list)
    metafields: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    """Namespace and key -> value and type."""
    updated_at: datetime = field(default_factory=now)

    def add(self, tags: Iterable[str]) -> list[str]:
        """Add tags; return those that are new. A comma splits; matching ignores case."""
        added = []
        for tag in _split(tags):
            if tag.casefold() not in {have.casefold() for have in self.tags} and len(self.tags) < _MOST_TAGS:
                self.tags.append(tag)
                added.append(tag)
        return added

    def remove(self, tags: Iterable[str]) -> list[str]:
        """Remove tags; return those that were there, as they were written."""
        gone = {tag.casefold() for tag in _split(tags)}
        removed = [tag for tag in self.tags if tag.casefold() in gone]
        self.tags = [tag for tag in self.tags if tag.casefold() not in gone]
        return removed

    def metafield_nodes(self, kind: str) -> list[Json]:
        """Return the metafields as GraphQL tells them."""
        return [
            {"id": f"gid://shopify/Metafield/{kind}{self.id}{place}", "namespace": space, "key": key, "value": value,
             "type": type_}
            for place, ((space, key), (value, type_)) in enumerate(self.metafields.items())
        ]  # fmt: skip


@dataclass(slots=True)
class Customer(Tagged):
    """A customer; ``address`` as webhooks tell it."""

    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    """E.164, unique in the shop; WhatsApp consent is kept with it."""
    note: str | None = None
    locale: str = "en"
    address: Json | None = None
    created_at: datetime = field(default_factory=now)
    whatsapp: Consent = field(default_factory=Consent)

    def payload(self) -> Json:
        """Return the customer as webhooks tell of it: without tags and consent."""
        return {
            "id": self.id, "admin_graphql_api_id": gid("Customer", self.id), "first_name": self.first_name,
            "last_name": self.last_name, "email": self.email, "phone": self.phone, "note": self.note,
            "state": "disabled", "verified_email": True, "currency": "USD", "tax_exempt": False, "tax_exemptions": [],
            "multipass_identifier": None, "created_at": stamped(self.created_at),
            "updated_at": stamped(self.updated_at), "default_address": self.address,
            "addresses": [self.address] if self.address else [],
        }  # fmt: skip

    def node(self) -> Json:
        """Return it as GraphQL tells it."""
        never = Consent("NOT_SUBSCRIBED", "UNKNOWN").node()
        number = {
            "phoneNumber": self.phone,
            "smsMarketingConsent": never,
            "whatsAppMarketingConsent": self.whatsapp.node(),
        }
        return {
            "id": gid("Customer", self.id), "legacyResourceId": str(self.id), "firstName": self.first_name,
            "lastName": self.last_name, "displayName": f"{self.first_name or ''} {self.last_name or ''}".strip(),
            "locale": self.locale, "note": self.note, "state": "DISABLED", "verifiedEmail": True,
            "createdAt": written(self.created_at), "updatedAt": written(self.updated_at),
            "tags": sorted(self.tags, key=str.casefold), "defaultPhoneNumber": number if self.phone else None,
            "defaultEmailAddress": {
                "emailAddress": self.email, "marketingState": "NOT_SUBSCRIBED", "marketingOptInLevel": None,
                "marketingUpdatedAt": None,
            } if self.email else None,
            "defaultAddress": address_node(self.address), **_metafields(self, "1"),
        }  # fmt: skip


@dataclass(slots=True)
class Order(Tagged):
    """An order; ``body`` as webhooks tell it, without its tags."""

    body: Json = field(default_factory=dict, repr=False)
    customer: Customer | None = None

    def payload(self) -> Json:
        """Return the order as webhooks tell of it."""
        return self.body | {
            "tags": ", ".join(self.tags),
            "updated_at": stamped(self.updated_at),
            "customer": self.customer.payload() if self.customer else None,
        }


class Stock:
    """All customers and orders of the shop; ``lock`` guards them."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.customers: dict[int, Customer] = {}
        self.orders: dict[int, Order] = {}
        self._turn = itertools.count(7_000_000_000_001)

    def put(self, made: Made) -> None:
        """Take an order of the generator over, and its buyer; ids stay."""
        body = dict(made.payload)
        buyer = body.pop("customer")
        placed = parse_time(body["created_at"]) or now()
        with self.lock:
            customer = self._buyer(buyer, body.get("customer_locale"), placed) if buyer else None
            tags = [tag.strip() for tag in str(body.pop("tags", "")).split(",") if tag.strip()]
            self.orders[body["id"]] = Order(
                id=body["id"], tags=tags, updated_at=placed, body=body, customer=customer
            )  # fmt: skip

    def _buyer(self, told: Mapping[str, Any], locale: str | None, placed: datetime) -> Customer:
        phone = told.get("phone")
        phone = phone if isinstance(phone, str) and _PHONE.fullmatch(phone) and not self.by_phone(phone) else None
        known = self.customers.get(told["id"])
        return known or self.add(
            Customer(
                id=told["id"], first_name=told["first_name"], last_name=told["last_name"], email=told["email"],
                phone=phone, locale=(locale or "en").partition("-")[0], address=told.get("default_address"),
                created_at=placed, updated_at=placed,
            )
        )  # fmt: skip

    def add(self, customer: Customer) -> Customer:
        """Take a customer in; one with id 0 gets an id."""
        with self.lock:
            customer.id = customer.id or next(self._turn)
            self.customers[customer.id] = customer
        return customer

    def by_phone(self, phone: str) -> Customer | None:
        """Return the customer whose own number this is: E.164, to the letter."""
        return next((one for one in self.customers.values() if one.phone == phone), None)

    def tagged(self, name: str) -> tuple[str, Tagged | None]:
        """Return what a global id names: its kind, and the record where there is one."""
        kind, _, number = name.removeprefix("gid://shopify/").partition("/")
        if not name.startswith("gid://shopify/") or not number.isascii() or not number.isdigit():
            return "", None
        key = int(number[:20])
        return kind, {"Customer": self.customers.get(key), "Order": self.orders.get(key)}.get(kind)


def gid(kind: str, number: int) -> str:
    """Return a global id."""
    return f"gid://shopify/{kind}/{number}"


def written(moment: datetime | None) -> str | None:
    """Write a moment as GraphQL does."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if moment else None


def address_node(told: Mapping[str, Any] | None) -> Json | None:
    """Return an address as GraphQL tells it."""
    if not told:
        return None
    names = {
        "firstName": "first_name", "lastName": "last_name", "name": "name", "company": "company",
        "address1": "address1", "address2": "address2", "city": "city", "province": "province",
        "provinceCode": "province_code", "zip": "zip", "country": "country", "countryCodeV2": "country_code",
        "phone": "phone",
    }  # fmt: skip
    number = told.get("id") or 1
    return {"id": gid("MailingAddress", number)} | {node: told.get(name) for node, name in names.items()}


def _metafields(of: Tagged, kind: str) -> Json:
    nodes = of.metafield_nodes(kind)

    def one(arguments: Mapping[str, Any]) -> Json | None:
        wanted = (arguments.get("namespace") or "", arguments["key"])
        return next((node for node in nodes if (node["namespace"], node["key"]) == wanted), None)

    return {"metafield": one, "metafields": {"nodes": nodes, "pageInfo": {"hasNextPage": False}}}


def metafields_of(of: Tagged) -> Json:
    """Return a record's metafields as fields of its node."""
    return _metafields(of, "2")


def _split(tags: Iterable[str]) -> list[str]:
    return [part.strip() for tag in tags for part in tag.split(",") if part.strip()]
