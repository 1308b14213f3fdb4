"""From GraphQL's nodes to the payloads that webhooks bring, so that one set of mappings reads both.

Only what the operations ask for is there: no refunds, no further addresses, at most 20 things bought.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from adapters.shopify.rules import SHIPMENT
from connector.model import Json, dig, text_at

_GID = re.compile(r"gid://shopify/\w+/(\d{1,20})(?:\?.*)?")
_FULFILLMENT = {"FULFILLED": "fulfilled", "PARTIALLY_FULFILLED": "partial", "RESTOCKED": "restocked"}
_ADDRESS = {
    "first_name": "firstName", "last_name": "lastName", "name": "name", "company": "company", "address1": "address1",
    "address2": "address2", "city": "city", "province": "province", "province_code": "provinceCode", "zip": "zip",
    "country": "country", "country_code": "countryCodeV2", "phone": "phone",
}  # fmt: skip
_ORDER = {
    "name": "name", "order_number": "number", "confirmation_number": "confirmationNumber", "email": "email",
    "contact_email": "email", "phone": "phone", "created_at": "createdAt", "processed_at": "processedAt",
    "updated_at": "updatedAt", "cancelled_at": "cancelledAt", "closed_at": "closedAt", "currency": "currencyCode",
    "presentment_currency": "presentmentCurrencyCode", "payment_gateway_names": "paymentGatewayNames",
    "customer_locale": "customerLocale", "buyer_accepts_marketing": "customerAcceptsMarketing",
    "order_status_url": "statusPageUrl", "note": "note", "source_name": "sourceName", "confirmed": "confirmed",
    "test": "test", "checkout_token": "checkoutToken",
}  # fmt: skip
_SUMS = {
    "total_price": "totalPriceSet", "current_total_price": "currentTotalPriceSet", "subtotal_price": "subtotalPriceSet",
    "total_discounts": "totalDiscountsSet", "total_shipping_price": "totalShippingPriceSet",
    "total_tax": "totalTaxSet", "total_outstanding": "totalOutstandingSet",
}  # fmt: skip
_CUSTOMER = {
    "first_name": "firstName", "last_name": "lastName", "note": "note", "verified_email": "verifiedEmail",
    "created_at": "createdAt", "updated_at": "updatedAt",
}  # fmt: skip
"""Webhook's name -> GraphQL's."""

Body = dict[str, Any]


def number(node: Json) -> int | None:
    """Return a node's id as webhooks write it, exactly, or None where it has none."""
    match = _GID.fullmatch(text_at(node, "id"))
    return int(match[1]) if match else None


def order(node: Json) -> Body:
    """Return the payload of ``orders/*``."""
    body = {"id": number(node), "admin_graphql_api_id": dig(node, "id"), **_named(node, _ORDER)}
    for name, field in _SUMS.items():
        body[name] = dig(node, f"{field}.shopMoney.amount")
        body[f"{name}_set"] = _money(dig(node, field))
    person = dig(node, "customer")
    return body | {
        "cancel_reason": _lower(node, "cancelReason"),
        "financial_status": _lower(node, "displayFinancialStatus"),
        "fulfillment_status": _FULFILLMENT.get(text_at(node, "displayFulfillmentStatus")),
        "tags": ", ".join(str(tag) for tag in _list(node, "tags")),
        "note_attributes": [
            {"name": dig(item, "key"), "value": dig(item, "value")} for item in _list(node, "customAttributes")
        ],
        "discount_codes": [{"code": code} for code in _list(node, "discountCodes")],
        "line_items": [_line(item) for item in _list(node, "lineItems.nodes")],
        "shipping_lines": [
            {"title": dig(item, "title"), **_price(dig(item, "originalPriceSet"))}
            for item in _list(node, "shippingLines.nodes")
        ],
        "fulfillments": [fulfillment(item, node) for item in _list(node, "fulfillments")],
        "customer": customer(person) if person else None,
        "shipping_address": _address(dig(node, "shippingAddress")),
        "billing_address": _address(dig(node, "billingAddress")),
    }


def fulfillment(node: Json, of: Json) -> Body:
    """Return the payload of ``fulfillments/*``; ``of``: the order's node."""
    status = _lower(node, "displayStatus")
    tracking = _list(node, "trackingInfo")
    return {
        "id": number(node),
        "order_id": number(of),
        "name": dig(node, "name"),
        "status": _lower(node, "status"),
        "shipment_status": status if status in SHIPMENT else None,
        "created_at": dig(node, "createdAt"),
        "updated_at": dig(node, "updatedAt"),
        "tracking_company": dig(node, "trackingInfo[0].company"),
        "tracking_number": dig(node, "trackingInfo[0].number"),
        "tracking_numbers": [found for item in tracking if (found := text_at(item, "number"))],
        "tracking_url": dig(node, "trackingInfo[0].url"),
        "tracking_urls": [found for item in tracking if (found := text_at(item, "url"))],
        "email": dig(of, "email"),
        "destination": _address(dig(of, "shippingAddress")),
    }


def customer(node: Json) -> Body:
    """Return the payload of ``customers/create`` and ``customers/update``."""
    return {
        "id": number(node),
        "admin_graphql_api_id": dig(node, "id"),
        **_named(node, _CUSTOMER),
        "email": dig(node, "defaultEmailAddress.emailAddress"),
        "phone": dig(node, "defaultPhoneNumber.phoneNumber"),
        "state": _lower(node, "state"),
        "default_address": _address(dig(node, "defaultAddress")),
    }


def consents(node: Json) -> Iterator[tuple[str, str, Body]]:
    """Yield what a customer agreed to, channel by channel: topic, since when, payload."""
    ident, phone = number(node), dig(node, "defaultPhoneNumber.phoneNumber")
    told = dig(node, "defaultPhoneNumber.whatsAppMarketingConsent")
    if at := text_at(told, "updatedAt"):
        state = _consent(told, "", updated_at=at, collected_from=_lower(told, "collectedFrom"))
        body = {"customer_id": ident, "phone_number": phone, "whats_app_marketing_consent": state}
        yield "customers_whats_app_marketing_consent/update", at, body
    told = dig(node, "defaultPhoneNumber.smsMarketingConsent")
    if at := text_at(told, "updatedAt"):
        source = _lower(told, "collectedFrom")
        state = _consent(told, "", consent_updated_at=at, consent_collected_from=source)
        if state["state"] == "never_subscribed":  # as this older channel calls it in webhooks
            state["state"] = "not_subscribed"
        yield "customers_marketing_consent/update", at, {"id": ident, "phone": phone, "sms_marketing_consent": state}
    told = dig(node, "defaultEmailAddress")
    if at := text_at(told, "marketingUpdatedAt"):
        state = _consent(told, "marketing", consent_updated_at=at)
        address = dig(told, "emailAddress")
        body = {"customer_id": ident, "email_address": address, "email_marketing_consent": state}
        yield "customers_email_marketing_consent/update", at, body


def _consent(told: Json, prefix: str, **more: Json) -> Body:
    state, level = ("marketingState", "marketingOptInLevel") if prefix else ("state", "optInLevel")
    return {"state": _lower(told, state), "opt_in_level": _lower(told, level), **more}


def _line(item: Json) -> Body:
    names = {"title": "title", "name": "name", "variant_title": "variantTitle", "quantity": "quantity", "sku": "sku"}
    return {"id": number(item), **_named(item, names), **_price(dig(item, "originalUnitPriceSet"))}


def _price(money: Json) -> Body:
    return {"price": dig(money, "shopMoney.amount"), "price_set": _money(money)}


def _money(bag: Json) -> Json:
    if not bag:
        return None
    return {
        f"{side}_money": {
            "amount": dig(bag, f"{side}Money.amount"),
            "currency_code": dig(bag, f"{side}Money.currencyCode"),
        }
        for side in ("shop", "presentment")
    }


def _address(node: Json) -> Json:
    return _named(node, _ADDRESS) if node else None


def _named(node: Json, names: Mapping[str, str]) -> Body:
    return {ours: dig(node, theirs) for ours, theirs in names.items()}


def _list(node: Json, path: str) -> list[Json]:
    found = dig(node, path)
    return found if isinstance(found, list) else []


def _lower(node: Json, path: str) -> str | None:
    return text_at(node, path).lower() or None
