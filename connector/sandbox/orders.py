"""Orders as a shop's webhook tells them (shape of Shopify's API 2026-10), made from a seed.

The same seed and count give the same orders, save for their times. What real shops send is all in them:
guests, phones in five places and as people write them, no phone at all, no addresses, two currencies,
currencies without decimals, 50 line items, ids beyond 2^53, test orders.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from connector.model import now
from connector.sandbox.chance import digits
from connector.sandbox.people import NAMES, UNUSABLE, People, Region, national

Json = dict[str, Any]

SHOP = "sandbox-store.myshopify.com"
CURRENCY = "USD"
RATES = {
    "USD": (1, 2),
    "EUR": (0.92, 2),
    "GBP": (0.79, 2),
    "JPY": (151, 0),
    "VND": (25_400, 0),
    "KWD": (0.31, 3),
}
"""Presentment currency -> rate to the shop's, and decimals."""
PLACES = ("order", "customer", "shipping", "billing", "default_address", "guest", "bare")
"""Where the phone number stands; ``guest``: no customer; ``bare``: neither customer's address nor order's."""
_TITLES = (
    "Aviator sunglasses", "Café-au-lait mug “Ångström”", "抹茶セット", "Áo dài lụa", "T-shirt / XL / 100 % cotton",
    "Socks & sandals <b>sale</b>", "🎧 Headphones", "Wool blanket 150×200 cm", "Gift card",
    "L" + "o" * 180 + "ng dress",
)  # fmt: skip
_MANY_EVERY = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order, and what a test may expect of it."""

    payload: Json = field(repr=False)
    name: str
    usable: bool
    """Somebody can be reached: ``phone`` stands in it in one of five places."""
    phone: str = field(repr=False)
    """E.164; empty where not usable."""
    place: str
    """Where the phone stands, one of PLACES."""


def orders(
    seed: int,
    n: int,
    *,
    unusable: int | None = None,
    test: int = 0,
    shop: str = SHOP,
    at: datetime | None = None,
) -> Iterator[Order]:
    """Make ``n`` orders, of which ``unusable`` have no usable phone (None: a tenth) and ``test`` are test orders.

    Placed in the minutes before ``at`` (now).
    """
    bad = n // 10 if unusable is None else unusable
    choice = Random(f"{seed}:{n}:unusable")  # noqa: S311 - repeatable data, no secret
    indexes = list(range(n))
    without_phone = set(choice.sample(indexes, min(bad, n)))
    tests = set(choice.sample(sorted(set(indexes) - without_phone), min(test, n - len(without_phone))))
    people = People(seed)
    moment = at or now()
    for index in indexes:
        maker = _Maker(seed, index, shop, moment, people)
        yield maker.make(usable=index not in without_phone, test=index in tests)


def one_order(seed: int, index: int, people: People, *, shop: str, at: datetime) -> Order:
    """Make the order with this index alone, of the next person who can be reached."""
    return _Maker(seed, index, shop, at, people).make(usable=True, test=False)


class _Maker:
    """Makes the parts of one order that have to agree."""

    def __init__(self, seed: int, index: int, shop: str, at: datetime, people: People) -> None:
        self.seed, self.index, self.shop = seed, index, shop
        self.chance = Random(f"{seed}:{index}")  # noqa: S311 - repeatable data, no secret
        self.region: Region = people.region(self.chance)
        self.number = people.number(self.region)
        self.first, self.last = self.chance.choice(NAMES)
        self.currency = self.chance.choice(list(RATES)) if self.chance.random() < 0.4 else CURRENCY
        self.placed_at = at - timedelta(seconds=self.chance.randrange(5, 240))

    def id(self, kind: str, place: int = 0) -> int:
        """Return an id of 19 digits: exact in 64 bits, and not as a floating-point number."""
        drawn = int(digits(self.seed, 9, "id", kind, self.index // 1000, place))
        return 1_000_000_000_000_000_001 + drawn * 1_000_000_000 + place * 1_000_000 + self.index * 2

    def token(self, kind: str) -> str:
        return f"{int(digits(self.seed, 38, kind, self.index)):032x}"[-32:]

    def money(self, cents: int) -> Json:
        """Return an amount of the shop's currency with what the buyer saw."""
        rate, decimals = RATES[self.currency]
        seen = f"{cents * rate / 100:.{decimals}f}" if self.currency != CURRENCY else f"{cents / 100:.2f}"
        return {
            "shop_money": {"amount": f"{cents / 100:.2f}", "currency_code": CURRENCY},
            "presentment_money": {"amount": seen, "currency_code": self.currency},
        }

    def address(self, phone: str | None) -> Json:
        return {
            "first_name": self.first, "last_name": self.last, "name": f"{self.first} {self.last}", "company": None,
            "address1": f"{1 + self.index % 199} Example Road", "address2": None, "city": self.region.city,
            "zip": self.region.zip, "province": None, "province_code": None, "country": self.region.country,
            "country_code": self.region.code, "phone": phone, "latitude": None, "longitude": None,
        }  # fmt: skip

    def customer(self, phone: str | None, default_phone: str | None, *, bare: bool) -> Json:
        found: Json = {
            "id": self.id("customer"), "admin_graphql_api_id": f"gid://shopify/Customer/{self.id('customer')}",
            "first_name": self.first, "last_name": self.last, "email": f"buyer{self.index}@shop.example",
            "phone": phone, "currency": CURRENCY, "state": "disabled", "note": None, "verified_email": True,
            "tax_exempt": False, "created_at": None, "updated_at": None,
        }  # fmt: skip
        if not bare:
            found["default_address"] = self.address(default_phone) | {
                "id": self.id("address"), "customer_id": self.id("customer"), "country_name": self.region.country,
                "default": True,
            }  # fmt: skip
        return found

    def lines(self) -> list[tuple[Json, int]]:
        """Return line items, each with its total in cents."""
        count = 50 if self.index % _MANY_EVERY == 13 else self.chance.randint(1, 4)
        return [self._line(place) for place in range(count)]

    def _line(self, place: int) -> tuple[Json, int]:
        cents, quantity = self.chance.randrange(199, 19_999), self.chance.randint(1, 3)
        title = self.chance.choice(_TITLES)
        line = {
            "id": self.id("line", place), "title": title, "name": title, "variant_title": None, "vendor": "Example",
            "sku": f"SKU-{self.index}-{place}", "quantity": quantity, "current_quantity": quantity,
            "fulfillable_quantity": quantity, "fulfillment_status": None, "gift_card": title == "Gift card",
            "grams": 100, "price": f"{cents / 100:.2f}", "price_set": self.money(cents), "product_exists": True,
            "product_id": self.id("product", place), "variant_id": self.id("variant", place), "properties": [],
            "requires_shipping": True, "taxable": True, "total_discount": "0.00",
        }  # fmt: skip
        return line, cents * quantity

    def make(self, *, usable: bool, test: bool) -> Order:
        """Return the whole order, paid."""
        place = PLACES[self.index % len(PLACES)]
        payload = self._money_part() | self._frame(test=test) | self._buyer(place, usable=usable)
        if not usable:
            place = "none"
        return Order(
            payload=payload,
            name=payload["name"],
            usable=usable,
            phone=self.number if usable else "",
            place=place,
        )

    def _buyer(self, place: str, *, usable: bool) -> Json:
        """Return everything that may hold a phone number; without a usable one, junk stands in its place."""
        phone = self.number if usable else UNUSABLE[self.index % len(UNUSABLE)]
        written = national(self.number) if usable and self.chance.random() < 0.7 else phone
        bare = place == "bare"
        customer = self.customer(
            phone if place in ("customer", "bare") else None,
            written if place == "default_address" else None,
            bare=bare,
        )
        shipping = self.address(written if place in ("shipping", "guest") else None)
        billing = self.address(written if place == "billing" else None)
        return {
            "phone": phone if place == "order" else None,
            "email": "" if place == "guest" else customer["email"],
            "customer": None if place == "guest" else customer,
            "shipping_address": None if bare else shipping,
            "billing_address": None if bare else billing,
        }

    def _money_part(self) -> Json:
        lines = self.lines()
        subtotal, shipping = sum(cents for _, cents in lines), 490
        found: Json = {"line_items": [line for line, _ in lines], "currency": CURRENCY}
        amounts = {
            "subtotal_price": subtotal, "total_price": subtotal + shipping, "current_total_price": subtotal + shipping,
            "current_subtotal_price": subtotal, "total_tax": 0, "total_discounts": 0,
            "total_line_items_price": subtotal,
        }  # fmt: skip
        for name, cents in amounts.items():
            found |= {name: f"{cents / 100:.2f}", f"{name}_set": self.money(cents)}
        return found | {
            "presentment_currency": self.currency,
            "total_shipping_price_set": self.money(shipping),
            "total_outstanding": "0.00",
            "shipping_lines": [{"id": self.id("shipping"), "title": "Standard", "price": "4.90", "phone": None}],
        }

    def _frame(self, *, test: bool) -> Json:
        number = 1001 + self.index
        token = self.token("order")
        stamp = stamped(self.placed_at)
        return {
            "id": self.id("order"), "admin_graphql_api_id": f"gid://shopify/Order/{self.id('order')}",
            "name": f"#{number}", "number": number - 1000, "order_number": number, "token": token,
            "checkout_token": self.token("checkout"), "cart_token": self.token("cart"), "test": test,
            "created_at": stamp, "processed_at": stamp, "updated_at": stamp, "cancelled_at": None,
            "cancel_reason": None, "closed_at": None, "confirmed": True, "financial_status": "paid",
            "fulfillment_status": None, "payment_gateway_names": ["bogus"], "source_name": "web", "note": None,
            "note_attributes": [], "tags": "wholesale, vip" if self.index % 17 == 3 else "", "discount_codes": [],
            "customer_locale": None if self.index % 11 == 5 else self.region.locale, "fulfillments": [], "refunds": [],
            "buyer_accepts_marketing": self.index % 2 == 0, "taxes_included": False, "total_weight": 1200,
            "order_status_url": f"https://{self.shop}/548380009/orders/{token}/authenticate?key={token[:12]}",
        }  # fmt: skip


def stamped(moment: datetime) -> str:
    """Write a moment as the shop does: whole seconds with an offset."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")
