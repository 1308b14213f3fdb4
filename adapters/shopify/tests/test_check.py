"""The connection doctor, against a stand-in for Shopify's HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import responses

from adapters.shopify.check import check
from adapters.shopify.needs import NEEDED, SCOPES, enum
from adapters.shopify.settings import hosts
from adapters.shopify.tests.posting import SHOP, load
from connector.contract import Finding, Visit
from connector.http import Http

API = f"https://{SHOP}/admin/api/2026-10/graphql.json"
GRANT = f"https://{SHOP}/admin/oauth/access_token"
HOOK = "https://connect.example.org/hooks/unguessable-token"
TOKEN = {"access_token": "shpat_0123"}


@pytest.fixture
def shopify() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def serve(
    shopify: responses.RequestsMock,
    *,
    shop: str = SHOP,
    scopes: tuple[str, ...] = SCOPES,
    topics: tuple[str, ...] = NEEDED,
    uri: str = HOOK,
    format: str = "JSON",  # noqa: A002 - GraphQL's word
) -> None:
    """Answer GraphQL as a healthy shop does, but for what is given."""

    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        if request.headers["X-Shopify-Access-Token"] != "shpat_0123":
            return 401, {}, '{"errors": "[API] Invalid API key or access token"}'
        assert request.body is not None
        data: dict[str, Any]
        if "webhookSubscriptions" in json.loads(request.body)["query"]:
            nodes = [{"topic": enum(topic), "uri": uri, "format": format} for topic in topics]
            data = {"webhookSubscriptions": {"nodes": nodes, "pageInfo": {"hasNextPage": False}}}
        else:
            handles = [{"handle": scope} for scope in scopes]
            data = {
                "shop": {"myshopifyDomain": shop, "name": "Fernhill Tea"},
                "currentAppInstallation": {"accessScopes": handles},
            }
        return 200, {}, json.dumps({"data": data})

    shopify.add_callback(responses.POST, API, callback=answer, content_type="application/json")


def visit(webhook_url: str = HOOK, **settings: Any) -> dict[str, Finding]:
    loaded = load(**settings)
    return {finding.name: finding for finding in check(Visit(loaded, Http(hosts(loaded)), webhook_url))}


def test_a_healthy_account_has_three_good_lines(shopify: responses.RequestsMock) -> None:
    serve(shopify)
    findings = visit(**TOKEN)
    assert list(findings) == ["token", "scopes", "subscription"]
    assert all(finding.ok for finding in findings.values()), findings


def test_a_refused_token_says_what_to_do(shopify: responses.RequestsMock) -> None:
    serve(shopify)
    token = visit(access_token="shpat_wrong")["token"]
    assert token.ok is False
    assert "Install the app" in token.fix
    assert "shpat" not in token.words + token.fix


def test_client_credentials_are_changed_into_a_token(shopify: responses.RequestsMock) -> None:
    serve(shopify)
    shopify.post(GRANT, json={"access_token": "shpat_0123", "scope": "read_orders", "expires_in": 86399})
    assert visit(client_id="id", client_secret="app-secret")["token"].ok
    sent = json.loads(shopify.calls[0].request.body or b"")
    assert sent == {"client_id": "id", "client_secret": "app-secret", "grant_type": "client_credentials"}


@pytest.mark.parametrize(
    "answer",
    [(400, '{"error": "shop_not_permitted"}'), (200, "{}"), (400, "<html>"), (200, '{"access_token": "a\\nb"}')],
)
def test_refused_client_credentials_are_told_without_the_secret(
    shopify: responses.RequestsMock, answer: tuple[int, str]
) -> None:
    shopify.post(GRANT, status=answer[0], body=answer[1])
    token = visit(client_id="id", client_secret="app-secret")["token"]
    assert token.ok is False
    assert "Dev Dashboard" in token.fix
    assert "app-secret" not in repr(token)


def test_without_api_access_nobody_is_asked(shopify: responses.RequestsMock) -> None:
    assert visit()["token"].ok is None
    assert not shopify.calls


def test_a_token_of_another_shop_is_told(shopify: responses.RequestsMock) -> None:
    serve(shopify, shop="other-tea.myshopify.com")
    assert "other-tea" in visit(**TOKEN)["token"].words


def test_missing_scopes_are_named_and_write_covers_read(shopify: responses.RequestsMock) -> None:
    serve(shopify, scopes=("write_orders", "read_customers", "customer_read_orders", "unauthenticated_read_checkouts"))
    scopes = visit(**TOKEN)["scopes"]
    assert scopes.ok is False
    assert scopes.words == (
        "Missing: read_fulfillments, read_draft_orders, "
        "write_customers (to write consent, tags and metafields of customers)."
    )


def test_missing_topics_are_named(shopify: responses.RequestsMock) -> None:
    serve(shopify, topics=tuple(topic for topic in NEEDED if topic != "refunds/create"))
    subscription = visit(**TOKEN)["subscription"]
    assert subscription.ok is False
    assert "refunds/create" in subscription.words
    assert "orders/paid" not in subscription.words


def test_topics_of_contacts_are_named_apart(shopify: responses.RequestsMock) -> None:
    serve(shopify, topics=tuple(topic for topic in NEEDED if not topic.startswith("customer.tags")))
    words = visit(**TOKEN)["subscription"].words
    assert "contacts, consent and labels also need customer.tags_added, customer.tags_removed" in words
    assert "recipes" not in words


def test_subscriptions_that_cannot_be_seen_are_not_called_missing(shopify: responses.RequestsMock) -> None:
    serve(shopify, uri="https://elsewhere.example.org/hook")
    subscription = visit(**TOKEN)["subscription"]
    assert subscription.ok is None
    assert "shopify.app.toml" in subscription.words


def test_subscriptions_sent_as_xml_are_told(shopify: responses.RequestsMock) -> None:
    serve(shopify, format="XML")
    assert "JSON" in visit(**TOKEN)["subscription"].fix


@pytest.mark.parametrize("status", [402, 403, 404, 423])
def test_each_refusal_has_its_fix(shopify: responses.RequestsMock, status: int) -> None:
    shopify.post(API, status=status, json={"errors": "no"})
    assert visit(**TOKEN)["token"].ok is False
    assert visit(**TOKEN)["token"].fix


@pytest.mark.parametrize(
    ("status", "body", "ok"),
    [
        (500, "<html>", None),
        (429, "{}", None),
        (200, '{"errors": [{"extensions": {"code": "THROTTLED"}}]}', None),
        (200, '{"errors": [{"extensions": {"code": "ACCESS_DENIED"}}]}', False),
        (200, "<html>", None),
        (200, "[]", None),
        (200, '{"data": null}', None),
        (200, '{"data": {"shop": [], "currentAppInstallation": 5}}', False),
    ],
)
def test_whatever_shopify_answers_becomes_a_finding(
    shopify: responses.RequestsMock, status: int, body: str, ok: bool | None
) -> None:
    shopify.post(API, status=status, body=body)
    assert visit(**TOKEN)["token"].ok is ok


def test_no_way_out_is_a_finding(shopify: responses.RequestsMock) -> None:
    shopify.post(API, body=requests.exceptions.ConnectTimeout())
    assert visit(**TOKEN)["connection"].ok is None
