"""The shop's owner lets the app in: what is sent, and what is believed of what comes back."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from adapters.shopify.authorize import ShopifyAuthorizer
from adapters.shopify.needs import SCOPES
from adapters.shopify.tests.api import APP, GRANT, Shopify
from adapters.shopify.tests.posting import SHOP, load
from connector.contract import Grant
from connector.errors import ConfigurationError, CredentialsError, PermanentError, SignatureError, TemporaryError
from connector.model import Secret

REDIRECT = "https://connect.example.org/authorize/shopify"
PAIR = {
    "access_token": "shpat_1",
    "refresh_token": "shprt_1",
    "scope": ",".join(SCOPES),
    "expires_in": 3600,
    "refresh_token_expires_in": 7776000,
}


def signed(secret: str = "app-secret", **changes: str | None) -> dict[str, str]:
    """Return the parameters as Shopify signs them; ``None`` takes one away."""
    given = {
        "code": "0907a61c0c8d55e99db179b68161bc00",
        "shop": SHOP,
        "state": "abc",
        "timestamp": str(int(time.time())),
        "host": "YWRtaW4",
    } | changes
    kept = {name: value for name, value in given.items() if value is not None}
    text = "&".join(f"{name}={value}" for name, value in sorted(kept.items()))
    return kept | {"hmac": hmac.digest(secret.encode(), text.encode(), "sha256").hex()}


def complete(api: Shopify, params: Mapping[str, str], **settings: Any) -> Grant:
    loaded = load(**(APP | settings))
    return ShopifyAuthorizer().complete(loaded, api.kit(loaded), params=params, redirect_url=REDIRECT)


def test_the_owner_is_sent_to_their_own_shop() -> None:
    url = urlsplit(ShopifyAuthorizer().begin(load(**APP), state="s t&ate", redirect_url=REDIRECT))
    assert (url.scheme, url.netloc, url.path) == ("https", SHOP, "/admin/oauth/authorize")
    assert parse_qs(url.query) == {
        "client_id": ["app-id"],
        "scope": [",".join(SCOPES)],
        "redirect_uri": [REDIRECT],
        "state": ["s t&ate"],
    }


def test_two_apps_do_not_share_what_the_library_keeps_in_its_class() -> None:
    from shopify.session import Session

    other = load(client_id="other-id", client_secret="other-secret")
    ShopifyAuthorizer().begin(load(**APP), state="s", redirect_url=REDIRECT)
    assert "client_id=other-id" in ShopifyAuthorizer().begin(other, state="s", redirect_url=REDIRECT)
    assert Session.api_key is None
    assert Session.secret is None


def test_without_an_app_there_is_nothing_to_authorize() -> None:
    with pytest.raises(ConfigurationError):
        ShopifyAuthorizer().begin(load(), state="s", redirect_url=REDIRECT)


def test_the_code_becomes_a_pair_that_is_renewed(api: Shopify) -> None:
    api.mock.post(GRANT, json=PAIR)
    grant = complete(api, signed())
    assert (grant.access_token, grant.refresh_token) == (Secret("shpat_1"), Secret("shprt_1"))
    assert grant.expires_at is not None
    assert grant.details["by"] == "authorization_code"
    assert json.loads(api.mock.calls[0].request.body or b"") == {
        "client_id": "app-id",
        "client_secret": "app-secret",
        "code": "0907a61c0c8d55e99db179b68161bc00",
        "expiring": "1",
    }


@pytest.mark.parametrize(
    "params",
    [
        {},
        signed(secret="another"),
        signed() | {"shop": "other.myshopify.com"},
        signed() | {"code": "another"},
        signed() | {"extra": "1"},
        signed() | {"hmac": ""},
        signed() | {"hmac": "é" * 64},
        signed() | {"hmac": "\ud800"},
        signed(timestamp="soon"),
        signed(timestamp="9" * 5000),
        signed(timestamp="-1"),
        signed(timestamp=None),
        signed(timestamp=str(int(time.time()) - 2 * 86400)),
        {name: value for name, value in signed().items() if name != "hmac"},
    ],
)
def test_what_shopify_did_not_sign_is_refused(api: Shopify, params: dict[str, str]) -> None:
    with pytest.raises(SignatureError):
        complete(api, params)
    assert not api.mock.calls


@pytest.mark.parametrize("shop", ["other.myshopify.com", "fernhill-tea.myshopify.com.evil.example", None])
def test_another_shop_is_refused_though_it_is_signed(api: Shopify, shop: str | None) -> None:
    with pytest.raises(PermanentError):
        complete(api, signed(shop=shop))
    assert not api.mock.calls


def test_an_owner_who_does_not_let_us_in_is_told(api: Shopify) -> None:
    with pytest.raises(PermanentError, match="did not let"):
        complete(api, signed(code=None))


def test_a_missing_scope_is_named_and_write_covers_read(api: Shopify) -> None:
    granted = "read_fulfillments,read_draft_orders,write_orders,read_customers,nonsense"
    api.mock.post(GRANT, json=PAIR | {"scope": granted})
    with pytest.raises(PermanentError, match="without write_customers") as caught:
        complete(api, signed())
    assert "read_orders" not in str(caught.value)


def test_a_token_that_ends_and_cannot_be_renewed_is_refused(api: Shopify) -> None:
    api.mock.post(GRANT, json={name: value for name, value in PAIR.items() if name != "refresh_token"})
    with pytest.raises(CredentialsError):
        complete(api, signed())


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, '{"error": "invalid_request"}', CredentialsError),
        (200, "<html>", TemporaryError),
        (500, "", TemporaryError),
    ],
)
def test_a_code_that_is_not_exchanged_says_why(api: Shopify, status: int, body: str, kind: type[Exception]) -> None:
    api.mock.post(GRANT, status=status, body=body)
    with pytest.raises(kind) as caught:
        complete(api, signed())
    assert "app-secret" not in repr(caught.value)
