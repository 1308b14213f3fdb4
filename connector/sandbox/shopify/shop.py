"""The shop as a whole: what it answers, what it counts, and how a trial changes it.

Only GraphQL and tokens; whatever version of the Admin API is asked, 2026-10 answers. It knows the wire on its own
and shares no code with an adapter.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from connector.errors import ConfigurationError
from connector.model import now, parse_time
from connector.sandbox.chance import draw
from connector.sandbox.deliveries import Mix, Sender, orders_of
from connector.sandbox.documents import document
from connector.sandbox.orders import SHOP
from connector.sandbox.orders import Order as Made
from connector.sandbox.shopify.budget import Bucket
from connector.sandbox.shopify.execute import Execution, QueryError
from connector.sandbox.shopify.knobs import ShopKnobs
from connector.sandbox.shopify.language import DocumentError, read
from connector.sandbox.shopify.login import Keys
from connector.sandbox.shopify.postman import Postman
from connector.sandbox.shopify.resolve import Resolvers
from connector.sandbox.shopify.schema import CONSENT_STATES, TOPICS
from connector.sandbox.shopify.stock import Consent, Customer, Stock, Tagged
from connector.sandbox.shopify.till import Till
from connector.sandbox.transport import Answer, Call, as_json

API_VERSION = "2026-10"
_VERSION = re.compile(r"\d{4}-\d{2}|unstable")
_PERSONAL = ("first_name", "last_name", "email", "phone", "note", "locale")
_PAGE = b"<!DOCTYPE html><html><body>Something went wrong</body></html>"

Json = dict[str, Any]


class SandboxShop:
    """A Shopify shop in memory; hand it to ``SandboxServer(tenants=[shop])``, or call ``answer``.

    ``count_file`` keeps the number of the last order that was sold, so that no number comes twice after a restart.
    ``knobs``: the fields of :class:`connector.sandbox.shopify.knobs.ShopKnobs`; secrets as plain text.
    """

    root = "admin"
    name = "shop"

    def __init__(self, *, shop: str = SHOP, count_file: Path | None = None, **knobs: Any) -> None:
        self.shop = shop
        self._knobs = ShopKnobs().changed(knobs)
        self._stock = Stock()
        self._keys = Keys(shop)
        self._bucket = Bucket(self._knobs.bucket)
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._operations: Counter[str] = Counter()
        self._postman = Postman(lambda: self._knobs, self._sender)
        self._by_human = threading.local()
        self._till = Till(shop, count_file)
        self._resolvers = Resolvers(self._stock, lambda: self._knobs, shop, self._changed)

    def start(self) -> None:
        """Start posting webhooks."""
        self._postman.start()

    def close(self) -> None:
        """Stop posting; what is pending is forgotten."""
        self._postman.stop()

    def configure(self, **changes: Any) -> ShopKnobs:
        """Change how it behaves, now. Raises ConfigurationError."""
        self._knobs = self._knobs.changed(changes)
        return self._knobs

    def take(self, made: Iterable[Made]) -> int:
        """Take orders of the generator over, with their buyers; ids stay. Return how many there are now."""
        for one in made:
            self._stock.put(one)
        return len(self._stock.orders)

    def stock(self, mix: Mix, *, seed: int, at: datetime | None = None) -> list[Made]:
        """Take over the orders that ``store.post`` tells of with the same mix and seed; return them."""
        found = list(orders_of(mix, seed, self.shop, at or now()))
        self.take(found)
        return found

    def sell(self, topics: Sequence[str] = ("orders/create", "orders/paid")) -> Json:
        """Take one more order, of somebody who can be reached, and tell of it by these topics, in this order.

        Return what :meth:`order` does. Raises ConfigurationError for a topic that is not told.
        """
        one = self._till.sell(at_least=len(self._stock.orders))
        told = [(topic, document(topic, one)) for topic in topics]
        self.take([one])
        for topic, payload in told:
            self._tell(topic, payload)
        return self.order(int(one.payload["id"]))

    def add_customer(self, **fields: Any) -> int:
        """Add a customer (``first_name``, ``last_name``, ``email``, ``phone``, ``tags``, …), and return the id."""
        tags = fields.pop("tags", ())
        _known(fields)
        customer = self._stock.add(Customer(id=0, **fields))
        customer.add(tags)
        self._tell("customers/create", customer.payload())
        return customer.id

    def edit_customer(
        self, customer_id: int, *, add_tags: Sequence[str] = (), remove_tags: Sequence[str] = (),
        whatsapp: str = "", at: datetime | None = None, **fields: Any,
    ) -> None:  # fmt: skip
        """Change a customer as somebody in the shop's admin would; webhooks tell of it.

        ``whatsapp``: the state of consent, ``SUBSCRIBED``; ``at``: when it was given. Raises ConfigurationError.
        """
        customer = self._stock.customers.get(customer_id)
        if customer is None:
            raise ConfigurationError(f"There is no customer {customer_id}.")
        if whatsapp and (whatsapp not in CONSENT_STATES or not customer.phone):
            raise ConfigurationError(f"whatsapp must be one of {', '.join(CONSENT_STATES)}; it needs a phone number.")
        _known(fields)
        self._by_human.now = True
        try:
            if fields:
                self._personal(customer, fields)
            self._resolvers.tag(customer, add=add_tags, remove=remove_tags)
            if whatsapp:
                level = "SINGLE_OPT_IN" if whatsapp == "SUBSCRIBED" else "UNKNOWN"
                self._resolvers.agree(customer, whatsapp, level, at or now(), "SHOPIFY")
        finally:
            self._by_human.now = False

    def edit_order(self, order_id: int, *, add_tags: Sequence[str] = (), remove_tags: Sequence[str] = ()) -> None:
        """Change an order's tags as somebody in the admin would. Raises ConfigurationError."""
        order = self._stock.orders.get(order_id)
        if order is None:
            raise ConfigurationError(f"There is no order {order_id}.")
        self._by_human.now = True
        try:
            self._resolvers.tag(order, add=add_tags, remove=remove_tags)
        finally:
            self._by_human.now = False

    def customer(self, customer_id: int) -> Json:
        """Return a customer: names, ``phone``, ``tags``, ``whatsapp`` and ``metafields``. Raises ConfigurationError."""
        with self._stock.lock:
            found = self._stock.customers.get(customer_id)
            if found is None:
                raise ConfigurationError(f"There is no customer {customer_id}.")
            return _shown(found) | {name: getattr(found, name) for name in _PERSONAL} | {
                "whatsapp": found.whatsapp.node()
            }  # fmt: skip

    def customers(self) -> list[Json]:
        """Return all customers."""
        return [self.customer(one) for one in list(self._stock.customers)]

    def order(self, order_id: int) -> Json:
        """Return an order: ``name``, ``customer_id``, ``tags``, ``metafields``. Raises ConfigurationError."""
        with self._stock.lock:
            found = self._stock.orders.get(order_id)
            if found is None:
                raise ConfigurationError(f"There is no order {order_id}.")
            buyer = found.customer.id if found.customer else None
            return _shown(found) | {"name": found.body["name"], "customer_id": buyer, "phone": found.body["phone"]}

    def orders(self) -> list[Json]:
        """Return all orders."""
        return [self.order(one) for one in list(self._stock.orders)]

    def subscriptions(self) -> list[Json]:
        """Return the webhook subscriptions that were made through the API."""
        return list(self._resolvers.subscriptions.values())

    def unsubscribe(self) -> None:
        """Delete all subscriptions, as Shopify does after eight failures."""
        self._resolvers.subscriptions.clear()

    def expire(self) -> int:
        """End all access tokens now; return how many there were."""
        return self._keys.expire()

    def uninstall(self) -> None:
        """Remove the app: tokens end, ``app/uninstalled`` is posted."""
        self._keys.revoke()
        self._tell("app/uninstalled", {"id": 1, "myshopify_domain": self.shop, "domain": self.shop})

    def fire(self, topic: str, payload: Json) -> None:
        """Post a webhook of one's own making, signed."""
        self._tell(topic, payload)

    def stats(self) -> Json:
        """Return all counts, as ``GET /_sandbox/shop/stats`` does."""
        count = self._postman.count
        webhooks = {
            "planned": count.planned, "posted": count.posted, "pending": count.pending, "dropped": count.dropped,
            "refused_posts": count.refused,
        }  # fmt: skip
        with self._lock:
            calls, operations = dict(sorted(self._counts.items())), dict(sorted(self._operations.items()))
        return {"calls": calls, "operations": operations, "webhooks": webhooks}

    def reset(self) -> None:
        """Forget counts and pending webhooks; records, tokens and settings stay."""
        self._postman.forget()
        with self._lock:
            self._counts.clear()
            self._operations.clear()

    def settled(self, timeout: float = 10.0) -> bool:
        """Wait until no webhook is pending; tell whether that came to be within ``timeout`` seconds."""
        return self._postman.settled(timeout)

    def answer(self, call: Call) -> Answer:
        """Answer a request below ``/admin/``."""
        knobs = self._knobs
        if knobs.down:
            return Answer(status=503, delay=knobs.latency_ms / 1000)
        match call.method, list(call.path[1:]):
            case "POST", ["oauth", "access_token"]:
                self._count("login")
                return self._keys.give(call, knobs)
            case "GET", ["oauth", "authorize"]:
                return self._keys.authorize(call, knobs)
            case "POST", ["api", version, "graphql.json"] if _VERSION.fullmatch(version):
                return self._graphql(call, knobs)
        return Answer(status=404, body=b'{"errors":"Not Found"}')

    def control(self, call: Call) -> Answer:
        """Answer below ``/_sandbox/shop``."""
        try:
            document = call.document() if call.body else {}
            if not isinstance(document, dict):
                raise ConfigurationError("Send a JSON object.")
            return self._steer(call, document)
        except ConfigurationError as fault:
            return Answer(status=400, body=json.dumps({"error": str(fault)}).encode())
        except (ValueError, TypeError, KeyError):
            return Answer(status=400, body=b'{"error": "The body is not JSON, or lacks a field."}')

    def _steer(self, call: Call, document: Json) -> Answer:
        match call.method, list(call.path):
            case "GET", ["stats"]:
                return as_json(self.stats())
            case "GET", ["config"]:
                return as_json(self._knobs.shown())
            case "POST", ["config"]:
                return as_json(self.configure(**document).shown())
            case "GET", ["customers"]:
                return as_json({"customers": self.customers()})
            case "GET", ["orders"]:
                return as_json({"orders": self.orders()})
            case "POST", ["sell"]:
                return as_json(self.sell(tuple(map(str, document.get("topics") or ("orders/create", "orders/paid")))))
            case "POST", ["customer"]:
                return as_json(self._edited(document))
            case "POST", ["expire"]:
                return as_json({"ended": self.expire()})
            case "POST", ["reset"]:
                self.reset()
                return as_json({"success": True})
        words = "There are stats, config, customers, orders, sell, customer, expire and reset."
        return Answer(status=404, body=json.dumps({"error": words}).encode())

    def _edited(self, document: Json) -> Json:
        """Change the customer with that ``id``, or add one."""
        fields = {name: value for name, value in document.items() if name not in ("id", "at")}
        if "id" not in document:
            return self.customer(self.add_customer(**fields))
        self.edit_customer(int(document["id"]), at=parse_time(str(document.get("at", ""))), **fields)
        return self.customer(int(document["id"]))

    def _graphql(self, call: Call, knobs: ShopKnobs) -> Answer:
        nth = self._count("graphql")
        delay = knobs.latency_ms / 1000
        if not self._keys.opens(call.headers, knobs):
            words = "[API] Invalid API key or access token (unrecognized login or wrong password)"
            return as_json({"errors": words}, status=401, delay=delay)
        if knobs.error_rate and draw(knobs.seed, "error", nth) < knobs.error_rate:
            return as_json({"errors": "Internal Server Error"}, status=500, delay=delay)
        if knobs.html_rate and draw(knobs.seed, "html", nth) < knobs.html_rate:
            return Answer(body=_PAGE, kind="text/html; charset=utf-8", delay=delay)
        try:
            return as_json(self._executed(call, knobs), delay=delay)
        except QueryError as fault:
            self._count(f"refused {fault.code}")
            return as_json({"errors": [fault.told()]}, delay=delay)

    def _executed(self, call: Call, knobs: ShopKnobs) -> Json:
        try:
            asked = call.document()
            document = read(asked["query"])
            operation = document.chosen(asked.get("operationName"))
            execution = Execution(document, operation, dict(asked.get("variables") or {}))
        except DocumentError as fault:
            raise QueryError("undefined", str(fault)) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise QueryError("BAD_REQUEST", "Send a JSON object with query and variables.") from None
        if any(
            (execution.arguments(node, execution.root).get("first") or 0) > knobs.most for node in execution.fields()
        ):
            raise QueryError(
                "MAX_COST_EXCEEDED", "Query cost is over 1000, which exceeds the single query max cost limit"
            )
        requested = execution.cost
        if not self._bucket.take(requested, knobs):
            self._count("throttled")
            cost = self._bucket.cost(requested, None, knobs)
            return {"errors": [QueryError("THROTTLED", "Throttled").told()], "extensions": {"cost": cost}}
        for node in execution.fields():
            with self._lock:
                self._operations[node.name] += 1
        data, errors, actual = execution.run(self._resolvers.by_name)
        self._bucket.give_back(max(0.0, requested - actual), knobs)
        told: Json = {"data": data, "extensions": {"cost": self._bucket.cost(requested, actual, knobs)}}
        return told | ({"errors": errors} if errors else {})

    def _count(self, what: str) -> int:
        with self._lock:
            self._counts[what] += 1
            return self._counts[what]

    def _personal(self, customer: Customer, fields: Json) -> None:
        with self._stock.lock:
            if "phone" in fields and fields["phone"] != customer.phone:
                customer.whatsapp = Consent()  # consent is the number's, not the customer's
            for name, value in fields.items():
                setattr(customer, name, value)
            customer.updated_at = now()
        self._tell("customers/update", customer.payload())

    def _changed(self, topic: str, payload: Json) -> None:
        """Fire what a write brings: always after a human's, after the API's where it echoes."""
        if self._knobs.echo or getattr(self._by_human, "now", False):
            self._tell(topic, payload)

    def _tell(self, topic: str, payload: Json) -> None:
        urls = {one["uri"] for one in self.subscriptions() if TOPICS.get(one["topic"]) == topic}
        if self._knobs.webhook_url:
            urls.add(self._knobs.webhook_url)
        self._postman.send(topic, payload, sorted(urls))

    def _sender(self) -> Sender:
        return Sender(self.shop, self._knobs.webhook_secret or self._knobs.client_secret)


def _known(fields: Json) -> None:
    if unknown := sorted(set(fields) - set(_PERSONAL)):
        raise ConfigurationError(f"A customer has no {unknown[0][:40]!r}; there are {', '.join(_PERSONAL)}.")


def _shown(of: Tagged) -> Json:
    metafields = {f"{space}.{key}": value for (space, key), (value, _) in of.metafields.items()}
    return {"id": of.id, "tags": list(of.tags), "metafields": metafields, "updated_at": of.updated_at.isoformat()}
