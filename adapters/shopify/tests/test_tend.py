"""The hourly look after the webhook subscriptions."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from adapters.shopify.needs import NEEDED, enum
from adapters.shopify.subscriptions import is_public, tend
from adapters.shopify.tests.api import API, Shopify
from adapters.shopify.tests.posting import load
from connector.contract import Finding, Visit
from connector.http import Http

HOOK = "https://connect.example.org/hooks/unguessable-token"


def serve(api: Shopify, have: list[tuple[str, str]], refuse: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Answer with these subscriptions (topic, uri), two a page; return what is subscribed."""
    made: list[dict[str, Any]] = []

    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        asked = json.loads(request.body or b"")
        variables = asked["variables"]
        if asked["operationName"] == "Subscriptions":
            start = int(variables["after"] or 0)
            nodes = [{"topic": enum(topic), "uri": uri, "format": "JSON"} for topic, uri in have[start : start + 2]]
            info = {"hasNextPage": start + 2 < len(have), "endCursor": str(start + 2)}
            return 200, {}, json.dumps({"data": {"webhookSubscriptions": {"nodes": nodes, "pageInfo": info}}})
        made.append(variables)
        refusal = (refuse or {}).get(variables["topic"])
        if refusal and "extensions" in refusal:
            error = refusal | {"path": ["webhookSubscriptionCreate"]}
            return 200, {}, json.dumps({"data": {"webhookSubscriptionCreate": None}, "errors": [error]})
        told = {"webhookSubscription": None if refusal else {"id": "gid://shopify/WebhookSubscription/1"}}
        told["userErrors"] = [refusal] if refusal else []  # type: ignore[assignment]
        return 200, {}, json.dumps({"data": {"webhookSubscriptionCreate": told}})

    api.mock.add_callback("POST", API, answer)
    return made


def look(api: Shopify, url: str = HOOK, **settings: Any) -> list[Finding]:
    loaded = load(**({"access_token": "shpat_0123"} | settings))
    return list(tend(Visit(loaded, Http([]), url, api.kit(loaded))))


def test_what_is_missing_is_subscribed_and_the_rest_left_alone(api: Shopify) -> None:
    gone = {"orders/paid", "customer.tags_added"}
    have = [(topic, HOOK) for topic in NEEDED if topic not in gone]
    have += [("orders/paid", "https://elsewhere.example.org/"), ("products/update", HOOK)]
    made = serve(api, have)
    findings = look(api)
    subscription = {"uri": HOOK, "format": "JSON"}
    assert made == [
        {"topic": "ORDERS_PAID", "subscription": subscription},
        {"topic": "CUSTOMER_TAGS_ADDED", "subscription": subscription},
    ]
    assert [finding.ok for finding in findings] == [True]
    assert "orders/paid, customer.tags_added" in findings[0].words


def test_nothing_missing_is_nothing_to_tell(api: Shopify) -> None:
    made = serve(api, [(topic, HOOK) for topic in NEEDED])
    assert look(api) == []
    assert made == []


def test_an_address_that_is_taken_is_fine(api: Shopify) -> None:
    taken = {"field": ["webhookSubscription"], "message": "Address for this topic has already been taken"}
    serve(api, [(topic, HOOK) for topic in NEEDED[1:]], {enum(NEEDED[0]): taken})
    assert all(finding.ok for finding in look(api))


def test_a_topic_that_is_refused_does_not_stop_the_others(api: Shopify) -> None:
    denied = {
        "message": "Access denied",
        "extensions": {"code": "ACCESS_DENIED", "requiredAccess": "`read_orders` access scope."},
    }
    refuse = {"ORDERS_CREATE": denied, "ORDERS_PAID": {"message": "Address cannot be a Shopify domain"}}
    made = serve(api, [], refuse)
    findings = look(api)
    assert len(made) == len(NEEDED)
    assert [finding.ok for finding in findings] == [False, False, True]
    assert "read_orders" in findings[0].words
    assert "Address cannot be" in findings[1].words


def test_shopify_out_of_order_is_a_finding(api: Shopify) -> None:
    api.answers("", status=503)
    assert [finding.ok for finding in look(api)] == [None]


@pytest.mark.parametrize("settings", [{"access_token": None}, {"keep_subscriptions": False}])
def test_without_access_or_by_choice_nothing_is_looked_after(api: Shopify, settings: dict[str, Any]) -> None:
    assert look(api, **settings) == []
    assert not api.mock.calls


def test_a_url_that_shopify_cannot_reach_is_never_subscribed(api: Shopify) -> None:
    assert [finding.ok for finding in look(api, "http://127.0.0.1:8080/hooks/x")] == [None]
    assert not api.mock.calls


@pytest.mark.parametrize(
    ("url", "public"),
    [
        (HOOK, True),
        ("https://8.8.8.8/hooks/x", True),
        ("http://connect.example.org/hooks/x", False),
        ("https://localhost/hooks/x", False),
        ("https://10.0.0.8/hooks/x", False),
        ("https://[::1]/hooks/x", False),
        ("https://box.local/hooks/x", False),
        ("https://server/hooks/x", False),
        ("", False),
    ],
)
def test_only_public_https_addresses_are_told_to_shopify(url: str, public: bool) -> None:
    assert is_public(url) is public
