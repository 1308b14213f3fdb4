"""What each root field of the shop's GraphQL answers, or does."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import eq, ge, gt, le, lt
from typing import Any

from connector.model import now, parse_time
from connector.sandbox.shopify.execute import QueryError, Resolve
from connector.sandbox.shopify.knobs import ShopKnobs
from connector.sandbox.shopify.order_node import connection, order_node
from connector.sandbox.shopify.stock import Customer, Order, Stock, Tagged, gid, written

Json = dict[str, Any]
Tell = Callable[[str, Json], None]
"""Topic and payload of a webhook to fire."""

_TERM = re.compile(r"""(\w+):(>=|<=|>|<)?(?:'([^']*)'|"([^"]*)"|(\S+))""")
_MOST_METAFIELDS = 25
_CLOCKS_APART = timedelta(seconds=5)


class Resolvers:
    """The root fields, by name; ``tell`` fires a webhook after a write."""

    def __init__(self, stock: Stock, knobs: Callable[[], ShopKnobs], shop: str, tell: Tell) -> None:
        self._stock = stock
        self._knobs = knobs
        self._shop = shop
        self._tell = tell
        self._turn = itertools.count(1_000_001)
        self.subscriptions: dict[str, Json] = {}
        self.by_name: Mapping[str, Resolve] = {
            "shop": self._about, "currentAppInstallation": self._installation, "customers": self._customers,
            "orders": self._orders, "customer": self._customer, "order": self._order,
            "customerByIdentifier": self._by_identifier, "webhookSubscriptions": self._subscribed,
            "tagsAdd": lambda given: self._tags(given, add=True),
            "tagsRemove": lambda given: self._tags(given, add=False), "metafieldsSet": self._metafields,
            "customerWhatsAppMarketingConsentUpdate": self._consent, "webhookSubscriptionCreate": self._subscribe,
            "webhookSubscriptionDelete": self._unsubscribe,
        }  # fmt: skip

    def tag(
        self, of: Tagged, *, add: Sequence[str] = (), remove: Sequence[str] = (), at: datetime | None = None
    ) -> None:
        """Change tags, and fire what a shop fires: for what really changed only."""
        with self._stock.lock:
            removed, added = of.remove(remove), of.add(add)
            if removed or added:
                of.updated_at = at or now()
        if isinstance(of, Order) and (removed or added):
            self._tell("orders/updated", of.payload())
        elif isinstance(of, Customer):
            for topic, tags in (("customer.tags_removed", removed), ("customer.tags_added", added)):
                if tags:
                    moment = f"{of.updated_at:%Y-%m-%dT%H:%M:%S}.000Z"
                    self._tell(topic, {"customerId": gid("Customer", of.id), "tags": tags, "occurredAt": moment})

    def agree(self, customer: Customer, state: str, level: str, at: datetime, collected_from: str) -> None:
        """Set WhatsApp consent, and fire the consent topic where that is news."""
        at = at.replace(microsecond=0)
        with self._stock.lock:
            before = (customer.whatsapp.state, customer.whatsapp.updated_at)
            consent = customer.whatsapp
            consent.state, consent.level, consent.updated_at = state, level, at
            consent.collected_from = collected_from
            customer.updated_at = now()
        if before != (state, at):
            told = {
                "state": state.lower(), "opt_in_level": level.lower(), "updated_at": written(at),
                "collected_from": collected_from.lower(),
            }  # fmt: skip
            body = {"customer_id": customer.id, "phone_number": customer.phone, "whats_app_marketing_consent": told}
            self._tell("customers_whats_app_marketing_consent/update", body)

    def _about(self, given: Mapping[str, Any]) -> Json:
        return {
            "id": gid("Shop", 1), "name": self._shop.partition(".")[0], "myshopifyDomain": self._shop,
            "email": "owner@shop.example", "currencyCode": "USD", "ianaTimezone": "Europe/Berlin",
        }  # fmt: skip

    def _installation(self, given: Mapping[str, Any]) -> Json:
        scopes = [{"handle": scope, "description": scope.replace("_", " ")} for scope in self._knobs().scopes]
        return {"id": gid("AppInstallation", 1), "accessScopes": scopes}

    def _customers(self, given: Mapping[str, Any]) -> Any:
        self._allow("read_customers")
        with self._stock.lock:
            found = _chosen(list(self._stock.customers.values()), given)
            return connection([one.node() for one in found])(given)

    def _orders(self, given: Mapping[str, Any]) -> Any:
        self._allow("read_orders")
        with self._stock.lock:
            return connection([order_node(one) for one in _chosen(list(self._stock.orders.values()), given)])(given)

    def _customer(self, given: Mapping[str, Any]) -> Json | None:
        self._allow("read_customers")
        kind, found = self._stock.tagged(given["id"])
        return found.node() if isinstance(found, Customer) and kind == "Customer" else None

    def _order(self, given: Mapping[str, Any]) -> Json | None:
        self._allow("read_orders")
        _, found = self._stock.tagged(given["id"])
        return order_node(found) if isinstance(found, Order) else None

    def _by_identifier(self, given: Mapping[str, Any]) -> Json | None:
        self._allow("read_customers")
        wanted = given["identifier"]
        if len(wanted) != 1:
            raise QueryError("INVALID_FIELD_ARGUMENTS", "CustomerIdentifierInput requires exactly one argument")
        ((name, value),) = wanted.items()
        with self._stock.lock:
            if name == "id":
                return self._customer({"id": value})
            found = (one for one in self._stock.customers.values() if value in (one.phone, one.email))
            return next((one.node() for one in found), None)

    def _tags(self, given: Mapping[str, Any], *, add: bool) -> Json:
        kind, found = self._stock.tagged(given["id"])
        self._allow("write_orders" if kind == "Order" else "write_customers")
        if found is None:
            return _refused(["id"], f"{kind or 'Record'} does not exist")
        if add and len(found.tags) + len(given["tags"]) > 250:
            return _refused(["tags"], "Tags cannot exceed 250")
        tags = given["tags"]
        self.tag(found, add=tags if add else (), remove=() if add else tags)
        return {"userErrors": []}

    def _metafields(self, given: Mapping[str, Any]) -> Json:
        wanted = given["metafields"]
        if len(wanted) > _MOST_METAFIELDS:
            return _refused(
                ["metafields"], "Exceeded the maximum metafields input limit of 25.", "LESS_THAN_OR_EQUAL_TO"
            )
        found = []
        for place, one in enumerate(wanted):
            kind, owner = self._stock.tagged(one["ownerId"])
            self._allow("write_orders" if kind == "Order" else "write_customers")
            refusal = _wrong_metafield(one, owner)
            if refusal:
                field = ["metafields", str(place), refusal[0]]
                error = {"field": field, "message": refusal[1], "code": "INVALID", "elementIndex": place}
                return {"metafields": [], "userErrors": [error]}
            found.append((owner, one))
        with self._stock.lock:  # all or none
            for owner, one in found:
                if owner is not None:
                    name = (one.get("namespace") or "", one["key"])
                    owner.metafields[name] = (one["value"], one.get("type") or "single_line_text_field")
                    owner.updated_at = now()
        return {"metafields": [], "userErrors": []}

    def _consent(self, given: Mapping[str, Any]) -> Json:
        self._allow("write_customers")
        asked = given["input"]
        wanted = asked["whatsAppMarketingConsent"]
        kind, customer = self._stock.tagged(asked["customerId"])
        if not isinstance(customer, Customer) or kind != "Customer":
            return _refused(["input", "customerId"], "Customer not found", "INVALID")
        if not customer.phone:
            words = "A phone number is required to set the WhatsApp consent state."
            return _refused(["input", "whatsAppMarketingConsent"], words, "INVALID")
        state, level = wanted["state"], wanted.get("optInLevel")
        at = parse_time(wanted["updatedAt"]) if wanted.get("updatedAt") else now()
        where = ["input", "whatsAppMarketingConsent"]
        if state in ("NEVER_SUBSCRIBED", "REDACTED"):
            return _refused([*where, "state"], f"Cannot specify {state} as a marketing state input", "INVALID")
        if state == "SUBSCRIBED" and not level:
            return _refused([*where, "optInLevel"], "Opt-in level is required to subscribe", "MISSING_ARGUMENT")
        if at is None or at > now() + _CLOCKS_APART:
            return _refused([*where, "updatedAt"], "Consent updated at must not be in the future", "INVALID")
        self.agree(customer, state, level or "UNKNOWN", at, "OTHER")
        number = customer.node()["defaultPhoneNumber"]
        return {"customerPhoneNumber": number, "userErrors": []}

    def _subscribed(self, given: Mapping[str, Any]) -> Any:
        uri, topics = given.get("uri"), given.get("topics")
        found = [
            one for one in self.subscriptions.values()
            if (not uri or one["uri"] == uri) and (not topics or one["topic"] in topics)
        ]  # fmt: skip
        return connection(found)(given)

    def _subscribe(self, given: Mapping[str, Any]) -> Json:
        topic, wanted = str(given["topic"]), given["webhookSubscription"]
        uri = wanted.get("uri") or ""
        if not re.match(r"http://(127\.\d+\.\d+\.\d+|localhost|\[::1\])(:\d+)?/", uri):
            return _refused(["webhookSubscription", "callbackUrl"], "The sandbox posts to this machine only")
        if any((one["topic"], one["uri"]) == (topic, uri) for one in self.subscriptions.values()):
            return _refused(["webhookSubscription", "callbackUrl"], "Address for this topic has already been taken")
        made = gid("WebhookSubscription", next(self._turn))
        moment = written(now())
        self.subscriptions[made] = {
            "id": made, "topic": topic, "uri": uri, "format": wanted.get("format") or "JSON",
            "name": wanted.get("name"), "createdAt": moment, "updatedAt": moment,
        }  # fmt: skip
        return {"webhookSubscription": self.subscriptions[made], "userErrors": []}

    def _unsubscribe(self, given: Mapping[str, Any]) -> Json:
        if self.subscriptions.pop(given["id"], None) is None:
            return _refused(["id"], "Webhook subscription not found")
        return {"deletedWebhookSubscriptionId": given["id"], "userErrors": []}

    def _allow(self, scope: str) -> None:
        if scope not in self._knobs().scopes:
            raise QueryError("ACCESS_DENIED", f"Access denied. Required access: `{scope}` access scope.")


def _refused(field: Sequence[str], message: str, code: str | None = None) -> Json:
    return {"userErrors": [{"field": list(field), "message": message, "code": code, "elementIndex": None}]}


def _wrong_metafield(one: Mapping[str, Any], owner: Tagged | None) -> tuple[str, str] | None:
    """Return what is wrong with a metafield, as field and words."""
    if owner is None:
        return "ownerId", "Owner does not exist."
    if not 3 <= len(one.get("namespace") or "") <= 255:
        return "namespace", "Namespace is too short (minimum is 3 characters)"
    if not 2 <= len(one["key"]) <= 64:
        return "key", "Key is too short (minimum is 2 characters)"
    return ("value", "Value can't be blank.") if not one["value"] else None


def _chosen(found: Sequence[Any], given: Mapping[str, Any]) -> list[Any]:
    """Return records that a search names, in its order."""
    tests = [_test(*match.groups()) for match in _TERM.finditer(given.get("query") or "")]
    chosen = [one for one in found if all(test(one) for test in tests)]
    if given.get("sortKey") == "UPDATED_AT":
        chosen.sort(key=lambda one: (one.updated_at, one.id))
    else:
        chosen.sort(key=lambda one: one.id)
    return chosen[::-1] if given.get("reverse") else chosen


def _test(name: str, mark: str | None, *texts: str | None) -> Callable[[Any], bool]:
    text = next(one for one in texts if one is not None)
    if name == "updated_at":
        moment = parse_time(text)
        if moment is None:
            return lambda one: True  # Shopify ignores what it cannot read
        compare = {">=": ge, ">": gt, "<=": le, "<": lt}.get(mark or "", eq)
        return lambda one: bool(compare(one.updated_at, moment))
    if name == "phone":
        digits = re.sub(r"\D", "", text)
        return lambda one: bool(digits) and digits in re.sub(r"\D", "", getattr(one, "phone", None) or "")
    if name == "tag":
        return lambda one: text.casefold() in {tag.casefold() for tag in one.tags}
    return lambda one: text in (str(getattr(one, name, "")), str(one.id))
