"""The shop's owner lets the app in: authorization code grant, for shops of other organisations.

ShopifyAPI makes the address and checks the signature of what comes back; the code is exchanged here, since the
library knows neither timeouts nor tokens that end.
https://shopify.dev/docs/apps/build/authentication-authorization/authenticate-standalone-apps
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from adapters.shopify.access import AUTHORIZED, post, read_grant, shop_url
from adapters.shopify.faults import APPROVE
from adapters.shopify.needs import SCOPES
from adapters.shopify.settings import API_VERSION
from connector.contract import Authorizer, Grant, Kit, Settings
from connector.errors import ConfigurationError, CredentialsError, PermanentError, SignatureError

if TYPE_CHECKING:
    from shopify.session import Session

_AGAIN = "Begin the authorization again."
_LONGEST = 2000
"""Characters of a parameter."""


class ShopifyAuthorizer(Authorizer):
    """Sends the shop's owner to Shopify, and takes the token that comes of it."""

    def begin(self, settings: Settings, *, state: str, redirect_url: str) -> str:
        """Return the page of the shop's admin where the app is allowed in. Raises ConfigurationError."""
        shop = settings["shop"]
        session = _session(settings)(shop, API_VERSION)
        url = str(session.create_permission_url(list(SCOPES), redirect_url, state=state))
        return url.replace(f"https://{shop}", shop_url(settings), 1)

    def complete(self, settings: Settings, kit: Kit, *, params: Mapping[str, str], redirect_url: str) -> Grant:
        """Check what came back, and exchange the code for a token that ends and is renewed."""
        _require_signed(settings, params)
        shop = params.get("shop", "").strip().lower()
        if shop != settings["shop"]:
            raise PermanentError(
                f"Another shop than {settings['shop']} was authorized.", code="shop", advice="Make an account for it."
            )
        code = params.get("code", "")
        if not code:
            raise PermanentError("The shop's owner did not let the app in.", code="denied", advice=_AGAIN)
        grant = read_grant(post(kit.http, settings, {"code": code, "expiring": "1"}), _AGAIN)
        if grant.expires_at and not grant.refresh_token:
            raise CredentialsError("Shopify gave a token that ends and cannot be renewed.", advice=_AGAIN)
        _require_scopes(grant)
        return dataclasses.replace(grant, details={**grant.details, "by": AUTHORIZED})


def _session(settings: Settings) -> type[Session]:
    """Return the library's Session for one app: it keeps id and secret in the class, which all accounts share."""
    # Not at the top: the library takes a quarter of a second to import.
    from shopify.session import Session

    if not (settings.get("client_id") and settings.get("client_secret")):
        raise ConfigurationError("Set client_id and client_secret of the app first.")
    own: dict[str, Any] = {"api_key": settings["client_id"], "secret": settings["client_secret"].reveal()}
    return type("OwnSession", (Session,), own)


def _require_signed(settings: Settings, params: Mapping[str, str]) -> None:
    """Raise SignatureError unless Shopify signed this within the last day, for this app."""
    session = _session(settings)
    plain = all(len(value) <= _LONGEST and value.isprintable() and value.isascii() for value in params.values())
    names = all(len(name) <= 100 and name.isprintable() and name.isascii() for name in params)
    timed = re.fullmatch(r"\d{1,12}", params.get("timestamp", ""))
    if not (plain and names and timed and session.validate_params(dict(params))):
        raise SignatureError(f"This does not come from Shopify, or is more than a day old. {_AGAIN}")


def _require_scopes(grant: Grant) -> None:
    from shopify.api_access import ApiAccess

    told = [scope.strip() for scope in grant.details.get("scope", "").split(",")]
    granted = ApiAccess([scope for scope in told if ApiAccess.SCOPE_RE.match(scope)])
    missing = [scope for scope in SCOPES if not granted.covers(ApiAccess(scope))]
    if missing:
        raise PermanentError(
            f"The app was let in without {', '.join(missing)}.", code="scopes", advice=f"{APPROVE} {_AGAIN}"
        )
