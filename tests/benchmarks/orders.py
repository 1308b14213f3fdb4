"""Signed orders for benchmarks: as large as a shop's (7 KB), each with an id, a name and a phone of its own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from functools import cache

from tests.benchmarks.http_load import post

SHOP = "bench-shop.myshopify.com"
BYTES = 7000


def paid(url: str, secret: str, count: int, start: int = 0) -> Sequence[bytes]:
    """Return ``count`` signed ``orders/paid`` requests, numbered from ``start``."""
    return [_request(url, secret.encode(), number) for number in range(start, start + count)]


def name(number: int) -> str:
    """What a person would call the order of this number."""
    return f"#B{number}"


def phone(number: int) -> str:
    """The phone of the order of this number: a German mobile number each."""
    return f"+49151{20_000_000 + number:08d}"


def _request(url: str, secret: bytes, number: int) -> bytes:
    body = _body(number)
    signature = base64.b64encode(hmac.digest(secret, body, hashlib.sha256)).decode()
    headers = {
        "Content-Type": "application/json",
        "X-Shopify-Topic": "orders/paid",
        "X-Shopify-Shop-Domain": SHOP,
        "X-Shopify-API-Version": "2026-10",
        "X-Shopify-Webhook-Id": f"bench-{number}",
        "X-Shopify-Event-Id": f"bench-event-{number}",
        "X-Shopify-Triggered-At": "2026-11-22T10:00:00.000000000Z",
        "X-Shopify-Hmac-Sha256": signature,
    }
    return post(url, body, headers)


def _body(number: int) -> bytes:
    text = _form().replace("@ID@", str(5_500_000_000_000 + number)).replace("@NAME@", name(number))
    return text.replace("@PHONE@", phone(number)).encode()


@cache
def _form() -> str:
    money = {"amount": "59.00", "currency_code": "EUR"}
    both = {"shop_money": money, "presentment_money": money}
    address = {
        "first_name": "Änne", "last_name": "Müller", "name": "Änne Müller", "address1": "Lange Straße 1",
        "address2": None, "city": "Köln", "zip": "50667", "country": "Germany", "country_code": "DE",
        "province": None, "phone": "@PHONE@", "company": None, "latitude": 50.94, "longitude": 6.96,
    }  # fmt: skip
    item = {
        "id": 1, "title": "Cup", "name": "Cup - blue", "quantity": 1, "price": "29.50", "price_set": both,
        "sku": "CUP-BLUE", "vendor": "Potter & Sons", "grams": 400, "taxable": True, "requires_shipping": True,
        "variant_title": "blue", "product_id": 7_000_000_000_001, "variant_id": 7_000_000_000_002,
        "properties": [], "tax_lines": [], "discount_allocations": [], "duties": [], "total_discount_set": both,
    }  # fmt: skip
    order = {
        "id": "@ID@", "admin_graphql_api_id": "gid://shopify/Order/@ID@", "name": "@NAME@", "order_number": 1,
        "created_at": "2026-11-22T11:00:00+01:00", "updated_at": "2026-11-22T11:00:00+01:00",
        "processed_at": "2026-11-22T11:00:00+01:00", "currency": "EUR", "presentment_currency": "EUR",
        "financial_status": "paid", "fulfillment_status": None, "test": False, "tags": "", "note": None,
        "email": "aenne@shop.example", "phone": "@PHONE@", "customer_locale": "de-DE",
        "buyer_accepts_marketing": False, "cancelled_at": None, "cancel_reason": None, "checkout_token": "t@ID@",
        "total_price": "59.00", "total_price_set": both, "subtotal_price_set": both, "total_tax_set": both,
        "total_shipping_price_set": both, "total_discounts_set": both, "line_items": [item, item | {"id": 2}],
        "customer": {"id": 6_000_000_000_001, "first_name": "Änne", "last_name": "Müller", "phone": "@PHONE@",
                     "email": "aenne@shop.example", "state": "enabled", "default_address": address},
        "shipping_address": address, "billing_address": address,
        "order_status_url": "https://shop.example/1/orders/@ID@/authenticate?key=k",
        "shipping_lines": [{"id": 3, "title": "Standard", "price_set": both}], "fulfillments": [], "refunds": [],
        "note_attributes": [],
    }  # fmt: skip
    room = BYTES - len(json.dumps(order, ensure_ascii=False).encode())
    order["note_attributes"] = [{"name": "gift", "value": "x" * max(0, room)}]
    return json.dumps(order, ensure_ascii=False).replace('"id": "@ID@"', '"id": @ID@')
