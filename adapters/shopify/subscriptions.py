"""The webhook subscriptions that this app made through the API for this shop.

Neither those of ``shopify.app.toml`` nor those made by hand in the admin can be seen from here
(https://shopify.dev/docs/api/admin-graphql/latest/queries/webhookSubscriptions).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from adapters.shopify.access import has_access
from adapters.shopify.faults import said
from adapters.shopify.gateway import Gateway
from adapters.shopify.needs import NEEDED, enum
from adapters.shopify.operations import SUBSCRIBE, SUBSCRIPTIONS
from adapters.shopify.trial import kit_of
from connector.contract import Finding, Visit, is_loopback
from connector.errors import ConnectorError, PermanentError
from connector.model import Json, dig, text_at

_PAGES = 20
"""Of 250 each; no shop has so many."""
_TAKEN = "already been taken"


def here(gateway: Gateway, url: str) -> list[Json]:
    """Return the subscriptions that post to a URL. Raises a RemoteError."""
    found: list[Json] = []
    after: str | None = None
    for _ in range(_PAGES):
        page = gateway.ask(SUBSCRIPTIONS, {"after": after}).whole("webhookSubscriptions")
        nodes = dig(page, "nodes")
        found += [node for node in nodes if text_at(node, "uri") == url] if isinstance(nodes, list) else []
        after = text_at(page, "pageInfo.endCursor")
        if dig(page, "pageInfo.hasNextPage") is not True or not after:
            break
    return found


def tend(visit: Visit) -> Iterator[Finding]:
    """Make subscriptions again that are gone: Shopify deletes one after eight failures in a row.

    Others than those to this account's URL are left alone. Nothing is done where no API access is set up, or
    ``keep_subscriptions`` is off.
    """
    if not has_access(visit.settings) or not visit.settings.get("keep_subscriptions", True):
        return
    local = is_loopback(urlsplit(visit.settings["api_url"]).hostname or "")  # a stand-in on this machine
    if not (is_public(visit.webhook_url) or local):
        yield Finding(
            name="subscription",
            ok=None,
            words="Subscriptions are not looked after: Shopify cannot reach this account's webhook URL.",
            fix="Set CONNECTOR_PUBLIC_URL to the https address under which vendors reach this machine.",
        )
        return
    try:
        gateway = Gateway(visit.settings, kit_of(visit))
        have = {text_at(node, "topic") for node in here(gateway, visit.webhook_url)}
        missing = [topic for topic in NEEDED if enum(topic) not in have]
        yield from _make(gateway, missing, visit.webhook_url)
    except ConnectorError as error:
        fix = getattr(error, "advice", "") or "It is tried again in an hour."
        yield Finding(name="subscription", ok=None, words=f"Subscriptions could not be looked after: {error}", fix=fix)


def is_public(url: str) -> bool:
    """Tell whether Shopify could post to a URL: https, to a name or an address that is not a private one."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        return parts.scheme == "https" and ipaddress.ip_address(host).is_global
    except ValueError:
        private = (".local", ".localhost", ".internal", ".lan", ".home", ".test", ".invalid")
        return parts.scheme == "https" and "." in host and not host.endswith(private)


def _make(gateway: Gateway, topics: list[str], url: str) -> Iterator[Finding]:
    made = []
    for topic in topics:
        try:
            refusal = _subscribe(gateway, topic, url)
        except PermanentError as error:  # a scope that this one topic needs
            refusal = f"{error} {error.advice}".strip()
        if refusal is None:
            made.append(topic)
        else:
            yield Finding(
                name="subscription",
                ok=False,
                words=f"{topic} could not be subscribed: {refusal}",
                fix="Grant the app the scope that the topic needs, or set keep_subscriptions to false.",
            )
    if made:
        yield Finding(name="subscription", ok=True, words=f"Subscribed again: {', '.join(made)}.")


def _subscribe(gateway: Gateway, topic: str, url: str) -> str | None:
    """Subscribe one topic; return why not, or None where it is posted here now. Raises a RemoteError."""
    variables = {"topic": enum(topic), "subscription": {"uri": url, "format": "JSON"}}
    answer = gateway.ask(SUBSCRIBE, variables).whole("webhookSubscriptionCreate")
    message = text_at(answer, "userErrors[0].message")
    if _TAKEN in message:
        return None
    if message:
        return said(message)
    return None if text_at(answer, "webhookSubscription.id") else "Shopify did not say why."
