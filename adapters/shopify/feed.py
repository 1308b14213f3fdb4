"""Asks for orders and customers that changed, for webhooks that were lost; hourly.

What is found takes the form of the webhook that should have told it, and goes through the same door, so that
what was told already is a duplicate there. Only what happened within the stretch is told: an order that was
paid long ago and gets a tag today is not paid today.

A walk has a fixed end, two minutes ago: pushes shall come first, since they bring more. A record that changes
during the walk leaves it, and is found by the next.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.shopify import translate
from adapters.shopify.gateway import Gateway
from adapters.shopify.operations import CUSTOMERS, ORDERS
from adapters.shopify.receiver import FEED
from connector.contract import Feed, Fetched, Page
from connector.errors import PayloadError, PermanentError, TemporaryError
from connector.model import Json, Request, Verified, dig, parse_object, parse_time, text_at

OVERLAP = timedelta(minutes=10)
"""What a walk looks at again: Shopify's search lags behind its records."""
SETTLED = timedelta(minutes=2)
SIZES = {"orders": 25, "customers": 50}
"""Records a page; halved where a shop's limits do not allow as many."""
_PAID = ("SALE", "CAPTURE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """Where the feed stands. ``until`` None: between walks."""

    since: datetime
    until: datetime | None = None
    stage: str = "orders"
    after: str | None = None

    @property
    def start(self) -> datetime:
        """From when on things count as having happened within this walk."""
        return self.since - OVERLAP


class ShopifyFeed(Feed):
    """One shop's orders and customers."""

    def __init__(self, gateway: Gateway, shop: str) -> None:
        self._gateway = gateway
        self._shop = shop

    def pull(self, cursor: str, now: datetime) -> Page:
        """Return the next page of what changed since the cursor. Raises a RemoteError."""
        walk = _load(cursor)
        if walk is None:
            return Page((), _dump(Walk(since=now)), False)
        until = walk.until or now - SETTLED
        if until <= walk.since:
            return Page((), cursor, False)
        walk = replace(walk, until=until)
        page = self._ask(walk, until)
        nodes = dig(page, "nodes")
        found = [
            self._fetched(topic, key, at, body, now)
            for node in (nodes if isinstance(nodes, list) else [])
            for topic, key, at, body in _happened(walk, node)
        ]
        after = text_at(page, "pageInfo.endCursor")
        if dig(page, "pageInfo.hasNextPage") is True and after:
            walk = replace(walk, after=after)
        elif walk.stage == "orders":
            walk = replace(walk, stage="customers", after=None)
        else:
            return Page(found, _dump(Walk(since=until)), False)
        return Page(found, _dump(walk), True)

    def _ask(self, walk: Walk, until: datetime) -> Json:
        operation = ORDERS if walk.stage == "orders" else CUSTOMERS
        query = f"updated_at:>='{_text(walk.start)}' updated_at:<='{_text(until)}'"
        size = SIZES[walk.stage]
        while True:
            try:
                told = self._gateway.ask(operation, {"first": size, "after": walk.after, "query": query})
                break
            except PermanentError as error:
                if error.code != "MAX_COST_EXCEEDED" or size == 1:
                    raise
                size //= 2
        fault = told.faults.get(walk.stage)
        # Parts that the app may not see are blank; a part that failed is worth asking for again.
        if fault and (isinstance(fault, TemporaryError) or not told.data.get(walk.stage)):
            raise fault
        return told.data.get(walk.stage)

    def _fetched(self, topic: str, key: str, at: str, body: dict[str, Any], now: datetime) -> Fetched:
        headers = {
            FEED: "1",
            "content-type": "application/json",
            "x-shopify-topic": topic,
            "x-shopify-shop-domain": self._shop,
            "x-shopify-triggered-at": at,
        }
        raw = json.dumps(body, ensure_ascii=False, separators=(",", ":"), default=str).encode("utf-8", "replace")
        request = Verified(Request(method="POST", headers=headers, body=raw, received_at=now))
        return Fetched(key=f"feed:{topic}:{key}", topic=topic, request=request)


Found = tuple[str, str, str, dict[str, Any]]
"""Topic, what tells this state of it from others, when it happened, payload."""


def _happened(walk: Walk, node: Json) -> Iterator[Found]:
    """Yield what happened to a record within the walk, oldest first."""
    ident = translate.number(node)
    if ident is None:
        return
    yield from (_order if walk.stage == "orders" else _customer)(walk, node, str(ident))


def _order(walk: Walk, node: Json, ident: str) -> Iterator[Found]:
    body = translate.order(node)
    created = text_at(node, "createdAt")
    shipped = max((text_at(item, "createdAt") for item in _items(node, "fulfillments")), default="")
    times = {
        "orders/create": created,
        "orders/paid": _paid_at(node, created),
        "orders/fulfilled": shipped if text_at(node, "displayFulfillmentStatus") == "FULFILLED" else "",
        "orders/cancelled": text_at(node, "cancelledAt"),
    }
    for topic, at in times.items():
        if _within(walk, at):
            yield topic, ident, at, body
    for item in _items(node, "fulfillments"):
        at = text_at(item, "createdAt")
        parcel = translate.number(item)
        if parcel is not None and _within(walk, at):
            yield "fulfillments/create", str(parcel), at, translate.fulfillment(item, node)


def _customer(walk: Walk, node: Json, ident: str) -> Iterator[Found]:
    created, updated = text_at(node, "createdAt"), text_at(node, "updatedAt")
    body = translate.customer(node)
    if _within(walk, created):
        yield "customers/create", ident, created, body
    if _within(walk, updated) and updated != created:
        yield "customers/update", f"{ident}:{updated}", updated, body
    for topic, at, consent in translate.consents(node):
        if _within(walk, at):
            state = text_at(dig(consent, next(reversed(consent))), "state")
            yield topic, f"{ident}:{at}:{state}", at, consent


def _paid_at(node: Json, created: str) -> str:
    """Return when an order was paid, ``""`` where it is not; one that costs nothing is paid when it is placed."""
    if text_at(node, "displayFinancialStatus") != "PAID":
        return ""
    moments = [
        text_at(item, "processedAt")
        for item in _items(node, "transactions")
        if text_at(item, "status") == "SUCCESS" and text_at(item, "kind") in _PAID
    ]
    return max(moments, default=created)


def _items(node: Json, path: str) -> list[Json]:
    found = dig(node, path)
    return found if isinstance(found, list) else []


def _within(walk: Walk, at: str) -> bool:
    moment = parse_time(at) if at else None
    return moment is not None and moment >= walk.start


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _dump(walk: Walk) -> str:
    told: dict[str, Any] = {"since": _text(walk.since)}
    if walk.until is not None:
        told |= {"until": _text(walk.until), "stage": walk.stage, "after": walk.after}
    return json.dumps(told)


def _load(cursor: str) -> Walk | None:
    """Read a cursor; None where there is none, or none that can be read."""
    try:
        told = parse_object(cursor.encode())
    except PayloadError:
        return None
    since, until = parse_time(text_at(told, "since")), parse_time(text_at(told, "until"))
    if since is None:
        return None
    stage, after = text_at(told, "stage"), text_at(told, "after")
    if until is None or stage not in SIZES:
        return Walk(since=since)
    return Walk(since=since, until=until, stage=stage, after=after or None)
