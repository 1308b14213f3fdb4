"""Shopify's part of the connection doctor: token, scopes, subscriptions; one line each, with the fix.

The clock and the public URL are looked at for every adapter alike.

GraphQL Admin API 2026-10; ``webhookSubscriptions`` lists only what this app made through the API for this
shop, neither those of ``shopify.app.toml`` nor those made by hand in the admin
(https://shopify.dev/docs/api/admin-graphql/latest/queries/webhookSubscriptions).
"""

from __future__ import annotations

from collections.abc import Iterator

from connector.contract import Finding, Settings, Visit
from connector.errors import ConnectorError, PayloadError
from connector.http import Answer
from connector.model import Json, dig, text_at

SCOPES = ("read_orders", "read_fulfillments", "read_customers", "read_draft_orders")
"""What the topics need; https://shopify.dev/docs/api/usage/access-scopes ."""
NEEDED = (
    "orders/create", "orders/paid", "orders/cancelled", "fulfillments/create", "fulfillments/update",
    "fulfillment_events/create", "refunds/create", "draft_orders/update", "checkouts/update", "app/uninstalled",
)  # fmt: skip
"""Topics of the shipped recipes; the others are for mappings of one's own."""

_SHOP = "{ shop { myshopifyDomain name } currentAppInstallation { accessScopes { handle } } }"
_SUBSCRIPTIONS = "{ webhookSubscriptions(first: 250) { nodes { topic uri format } pageInfo { hasNextPage } } }"
_INSTALL = "Install the app on the shop again, or set the access_token that Shopify shows on installing it."
_STATUS_FIXES = {
    401: _INSTALL,
    402: "The shop is frozen for an unpaid bill; its owner must settle it in the Shopify admin.",
    403: _INSTALL,
    404: "Check shop and api_url; the shop may have been renamed, or the API version may be too old.",
    423: "The shop is locked; ask Shopify's support.",
}


def check(visit: Visit) -> Iterator[Finding]:
    """Look at one account, and at what Shopify says of it; network faults are findings, not errors."""
    try:
        token = _token(visit)
        if isinstance(token, Finding):
            yield token
            return
        told = _told(_ask(visit, token, _SHOP), "token")
        if isinstance(told, Finding):
            yield told
            return
        yield _whose(told, visit.settings["shop"])
        yield _scopes(told)
        yield _subscription(_told(_ask(visit, token, _SUBSCRIPTIONS), "subscription"), visit)
    except ConnectorError as error:
        yield Finding(
            name="connection",
            ok=None,
            words=f"Shopify could not be asked: {error}",
            fix="Check that this machine reaches the internet, and api_url; then run the check again.",
        )


def _token(visit: Visit) -> str | Finding:
    """Return the token to ask with; with client credentials a fresh one, which lives for a day."""
    settings = visit.settings
    if settings.get("access_token"):
        return str(settings["access_token"].reveal())
    if not (settings.get("client_id") and settings.get("client_secret")):
        return Finding(
            name="token",
            ok=None,
            words="No API access is set up; webhooks are received without it.",
            fix="Set client_id and client_secret (or access_token) to let this check ask Shopify.",
        )
    answer = visit.http.request(
        "POST",
        f"{_base(settings)}/admin/oauth/access_token",
        json={
            "client_id": settings["client_id"],
            "client_secret": settings["client_secret"].reveal(),
            "grant_type": "client_credentials",
        },
        headers={"Accept": "application/json"},
    )
    token = dig(_json(answer), "access_token") if answer.status == 200 else None
    if isinstance(token, str) and token and token.isascii() and token.isprintable():
        return token
    return Finding(
        name="token",
        ok=False,
        words=f"Shopify gives no token for this client ID and secret (HTTP {answer.status}).",
        fix="Copy both from the Dev Dashboard again; app and shop must belong to one organisation, "
        "and the app must be installed on the shop.",
    )


def _base(settings: Settings) -> str:
    """Return the shop's own address: ``api_url`` without ``/admin/api/2026-10``."""
    return str(settings["api_url"]).partition("/admin/")[0]


def _ask(visit: Visit, token: str, query: str) -> Answer:
    return visit.http.request(
        "POST",
        f"{visit.settings['api_url']}/graphql.json",
        json={"query": query},
        headers={"X-Shopify-Access-Token": token, "Accept": "application/json"},
    )


def _json(answer: Answer) -> Json:
    try:
        return answer.json()
    except PayloadError:
        return None


def _told(answer: Answer, name: str) -> Json | Finding:
    """Return the answer's ``data``, or what it means that there is none."""
    answered = _json(answer)
    data = dig(answered, "data")
    if answer.status == 200 and data:
        return data
    code = text_at(answered, "errors[0].extensions.code")
    if answer.status >= 500 or answer.status == 429 or code == "THROTTLED":
        words = f"Shopify is busy (HTTP {answer.status})."
        return Finding(name=name, ok=None, words=words, fix="Run the check again in a minute.")
    if answer.status != 200:
        words = f"Shopify refuses the token (HTTP {answer.status})."
        fix = _STATUS_FIXES.get(answer.status, "Check shop, api_url and the token.")
        return Finding(name=name, ok=False, words=words, fix=fix)
    return Finding(
        name=name,
        ok=False,
        words=f"Shopify does not answer the question ({code or 'no data'}).",
        fix="Check that api_url ends with /admin/api/2026-10 and that the app has its scopes.",
    )


def _whose(data: Json, shop: str) -> Finding:
    found = text_at(data, "shop.myshopifyDomain").lower()
    if found == shop:
        return Finding(name="token", ok=True, words=f"Shopify lets us in as {text_at(data, 'shop.name') or shop}.")
    return Finding(
        name="token",
        ok=False,
        words=f"The token belongs to {found or 'no shop'}, not to {shop}.",
        fix="Correct the account's shop, or use the token of this shop.",
    )


def _scopes(data: Json) -> Finding:
    # Not at the top: the library takes a quarter of a second to import.
    from shopify.api_access import ApiAccess

    handles = dig(data, "currentAppInstallation.accessScopes")
    found = [text_at(scope, "handle") for scope in handles] if isinstance(handles, list | tuple) else []
    granted = ApiAccess([handle for handle in found if ApiAccess.SCOPE_RE.match(handle)])
    # A write scope holds the read scope of the same thing.
    missing = [scope for scope in SCOPES if not granted.covers(ApiAccess(scope))]
    if not missing:
        return Finding(name="scopes", ok=True, words=f"All needed scopes are granted: {', '.join(SCOPES)}.")
    return Finding(
        name="scopes",
        ok=False,
        words=f"Missing: {', '.join(missing)}.",
        fix="Add them to the app's version in the Dev Dashboard, release it, and approve it in the shop's admin.",
    )


def _subscription(told: Json | Finding, visit: Visit) -> Finding:
    if isinstance(told, Finding):
        return told
    nodes = dig(told, "webhookSubscriptions.nodes")
    ours = [node for node in nodes if text_at(node, "uri") == visit.webhook_url] if isinstance(nodes, list) else []
    if not ours:
        return Finding(
            name="subscription",
            ok=None,
            words="No subscription made through the API points here; those of shopify.app.toml and of "
            "Settings > Notifications cannot be seen from here.",
            fix="If you have made none, subscribe the topics of the README to this account's webhook URL.",
        )
    as_xml = sorted(text_at(node, "topic") for node in ours if text_at(node, "format").upper() == "XML")
    if as_xml:
        return Finding(
            name="subscription",
            ok=False,
            words=f"Sent as XML: {', '.join(as_xml)}.",
            fix="Make these subscriptions again with format JSON.",
        )
    have = {text_at(node, "topic") for node in ours}
    missing = [topic for topic in NEEDED if _enum(topic) not in have]
    if not missing:
        return Finding(name="subscription", ok=True, words=f"{len(have)} topics are posted here.")
    return Finding(
        name="subscription",
        ok=False,
        words=f"{len(have)} topics are posted here; the shipped recipes also need {', '.join(missing)}.",
        fix="Subscribe them to this account's webhook URL, unless shopify.app.toml does.",
    )


def _enum(topic: str) -> str:
    """Return GraphQL's spelling of a topic: ``orders/paid`` -> ``ORDERS_PAID``."""
    return topic.upper().replace("/", "_").replace(".", "_")
