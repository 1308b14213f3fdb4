"""How GraphQL tells of an order, made from what webhooks tell of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connector.model import parse_time
from connector.sandbox.shopify.stock import Order, address_node, gid, metafields_of, written

Json = dict[str, Any]

_NAMES = {
    "name": "name", "number": "order_number", "email": "email", "phone": "phone", "currencyCode": "currency",
    "presentmentCurrencyCode": "presentment_currency", "paymentGatewayNames": "payment_gateway_names",
    "customerLocale": "customer_locale", "customerAcceptsMarketing": "buyer_accepts_marketing",
    "statusPageUrl": "order_status_url", "note": "note", "sourceName": "source_name", "confirmed": "confirmed",
    "test": "test", "checkoutToken": "checkout_token", "cartToken": "cart_token",
}  # fmt: skip
_TIMES = {
    "createdAt": "created_at", "processedAt": "processed_at", "cancelledAt": "cancelled_at", "closedAt": "closed_at",
}  # fmt: skip
_SUMS = {
    "totalPriceSet": "total_price_set", "currentTotalPriceSet": "current_total_price_set",
    "subtotalPriceSet": "subtotal_price_set", "currentSubtotalPriceSet": "current_subtotal_price_set",
    "totalDiscountsSet": "total_discounts_set", "totalTaxSet": "total_tax_set",
    "totalShippingPriceSet": "total_shipping_price_set", "totalOutstandingSet": "total_outstanding_set",
}  # fmt: skip


def order_node(order: Order) -> Json:
    """Return an order as GraphQL tells it."""
    body = order.body
    shipped = {None: "UNFULFILLED", "partial": "PARTIALLY_FULFILLED", "fulfilled": "FULFILLED"}
    return {
        **{node: body.get(name) for node, name in _NAMES.items()},
        **{node: written(parse_time(body.get(name) or "")) for node, name in _TIMES.items()},
        **{node: money(body.get(name)) for node, name in _SUMS.items()},
        "id": gid("Order", order.id),
        "legacyResourceId": str(order.id),
        "confirmationNumber": str(body.get("token", ""))[:9].upper(),
        "updatedAt": written(order.updated_at),
        "cancelReason": _upper(body.get("cancel_reason")),
        "displayFinancialStatus": _upper(body.get("financial_status")),
        "displayFulfillmentStatus": shipped.get(body.get("fulfillment_status"), "UNFULFILLED"),
        "tags": sorted(order.tags, key=str.casefold),
        "discountCodes": [one["code"] for one in body.get("discount_codes", ())],
        "customAttributes": [{"key": one["name"], "value": one["value"]} for one in body.get("note_attributes", ())],
        "lineItems": connection([_line(one) for one in body.get("line_items", ())]),
        "shippingLines": connection([_shipping(one) for one in body.get("shipping_lines", ())]),
        "transactions": _transactions(order),
        "fulfillments": [_fulfillment(one) for one in body.get("fulfillments", ())],
        "customer": order.customer.node() if order.customer else None,
        "shippingAddress": address_node(body.get("shipping_address")),
        "billingAddress": address_node(body.get("billing_address")),
        **metafields_of(order),
    }


def connection(nodes: Sequence[Json]) -> Callable[[Mapping[str, Any]], Json]:
    """Return a list that is told page by page; cursors are places."""

    def page(arguments: Mapping[str, Any]) -> Json:
        after, first = arguments.get("after"), arguments.get("first") or len(nodes)
        start = int(after) + 1 if after and str(after).isdigit() else 0
        shown = list(nodes[start : start + first])
        info = {
            "hasNextPage": start + len(shown) < len(nodes), "hasPreviousPage": start > 0,
            "startCursor": str(start) if shown else None, "endCursor": str(start + len(shown) - 1) if shown else None,
        }  # fmt: skip
        edges = [{"node": node, "cursor": str(start + place)} for place, node in enumerate(shown)]
        return {"nodes": shown, "edges": edges, "pageInfo": info}

    return page


def money(told: Mapping[str, Any] | None) -> Json | None:
    """Return an amount in both currencies as GraphQL tells it."""
    if told is None:
        return None
    return {
        node: {"amount": told[name]["amount"], "currencyCode": told[name]["currency_code"]}
        for node, name in (("shopMoney", "shop_money"), ("presentmentMoney", "presentment_money"))
    }


def _line(one: Mapping[str, Any]) -> Json:
    return {
        "id": gid("LineItem", one["id"]), "title": one["title"], "name": one["name"], "sku": one["sku"],
        "variantTitle": one["variant_title"], "vendor": one["vendor"], "quantity": one["quantity"],
        "currentQuantity": one["current_quantity"], "originalUnitPriceSet": money(one["price_set"]),
    }  # fmt: skip


def _shipping(one: Mapping[str, Any]) -> Json:
    price = {"amount": one["price"], "currencyCode": "USD"}
    return {
        "id": gid("ShippingLine", one["id"]), "title": one["title"],
        "originalPriceSet": {"shopMoney": price, "presentmentMoney": price},
    }  # fmt: skip


def _transactions(order: Order) -> list[Json]:
    if order.body.get("financial_status") != "paid":
        return []
    moment = written(parse_time(order.body["processed_at"]))
    return [
        {"id": gid("OrderTransaction", order.id), "kind": "SALE", "status": "SUCCESS", "processedAt": moment,
         "createdAt": moment}
    ]  # fmt: skip


def _fulfillment(one: Mapping[str, Any]) -> Json:
    return {
        "id": gid("Fulfillment", one["id"]), "name": one["name"], "status": _upper(one["status"]),
        "displayStatus": _upper(one.get("shipment_status")), "createdAt": one["created_at"],
        "updatedAt": one["updated_at"],
        "trackingInfo": [
            {"company": one["tracking_company"], "number": one["tracking_number"], "url": one["tracking_url"]}
        ],
    }  # fmt: skip


def _upper(word: object) -> str | None:
    return str(word).upper() if word else None
