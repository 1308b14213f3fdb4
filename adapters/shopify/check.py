"""Shopify's part of the connection doctor: token, scopes, subscriptions; one line each, with the fix.

The clock and the public URL are looked at for every adapter alike.

It asks with the token, and out of the budget, of everything else that this account does.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapters.shopify.access import has_access
from adapters.shopify.faults import APPROVE
from adapters.shopify.gateway import Gateway
from adapters.shopify.needs import CONTACT_TOPICS, NEEDED, SCOPES, WRITING, enum
from adapters.shopify.operations import SHOP
from adapters.shopify.subscriptions import here
from adapters.shopify.trial import kit_of
from connector.contract import Finding, Visit
from connector.errors import ConnectorError, RemoteError, TemporaryError
from connector.model import Json, dig, text_at


def check(visit: Visit) -> Iterator[Finding]:
    """Look at one account, and at what Shopify says of it; faults are findings, not errors."""
    if not has_access(visit.settings):
        yield Finding(
            name="token",
            ok=None,
            words="No API access is set up; webhooks are received without it.",
            fix="Set client_id and client_secret (or access_token) to let this check ask Shopify, "
            "to write back to it, and to catch up on lost webhooks.",
        )
        return
    gateway = Gateway(visit.settings, kit_of(visit))
    name = "token"
    try:
        told = gateway.ask(SHOP).data
        yield _whose(told, visit.settings["shop"])
        yield _scopes(told)
        name = "subscription"
        yield _subscription(here(gateway, visit.webhook_url))
    except ConnectorError as error:
        yield _fault(name, error)


def _fault(name: str, error: ConnectorError) -> Finding:
    """Return the finding for what Shopify refuses, or for no answer of it."""
    if isinstance(error, TemporaryError) and (error.status or error.code):
        fix = error.advice or "Run the check again in a minute."
        return Finding(name=name, ok=None, words=str(error), fix=fix)
    if isinstance(error, RemoteError) and not isinstance(error, TemporaryError):
        fix = error.advice or "Check that api_url ends with /admin/api/2026-10 and that the app has its scopes."
        return Finding(name=name, ok=False, words=str(error), fix=fix)
    return Finding(
        name="connection",
        ok=None,
        words=f"Shopify could not be asked: {error}",
        fix="Check that this machine reaches the internet, and api_url; then run the check again.",
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
    told = [f"{scope} (to write {WRITING[scope]})" if scope in WRITING else scope for scope in missing]
    return Finding(name="scopes", ok=False, words=f"Missing: {', '.join(told)}.", fix=APPROVE)


def _subscription(ours: list[Json]) -> Finding:
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
    missing = [topic for topic in NEEDED if enum(topic) not in have]
    if not missing:
        return Finding(name="subscription", ok=True, words=f"{len(have)} topics are posted here.")
    needs = (
        ("the shipped recipes", [topic for topic in missing if topic not in CONTACT_TOPICS]),
        ("contacts, consent and labels", [topic for topic in missing if topic in CONTACT_TOPICS]),
    )
    also = "; ".join(f"{who} also need {', '.join(topics)}" for who, topics in needs if topics)
    return Finding(
        name="subscription",
        ok=False,
        words=f"{len(have)} topics are posted here; {also}.",
        fix="Subscribe them to this account's webhook URL, unless shopify.app.toml does; "
        "with keep_subscriptions it is done within the hour.",
    )
