"""Tokens of Shopify's Admin API: how an account gets one, and the next.

Three ways, in this order: a pasted ``access_token``, which does not end; an authorization by the shop's owner,
whose token ends after an hour and is renewed with the refresh token that came with it, both replaced together;
client credentials, a token of 24 hours for a shop of the app's own organisation.
https://shopify.dev/docs/apps/build/authentication-authorization/client-credentials-grant ,
https://shopify.dev/changelog/offline-access-tokens-now-support-expiry-and-refresh
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from adapters.shopify.faults import INSTALL, STATUS_FIXES, of_status, read_json
from connector.contract import Grant, Settings, Tokens
from connector.errors import CredentialsError, RemoteError, TemporaryError
from connector.http import Answer, Http
from connector.model import Json, Secret, dig, now, text_at

AUTHORIZED = "authorization_code"
_DASHBOARD = (
    "Copy client_id and client_secret from the Dev Dashboard again; app and shop must belong to one organisation, "
    "and the app must be installed on the shop. For a shop of somebody else, let its owner authorize the app."
)
_AUTHORIZE = "Let the shop's owner authorize the app again."
_LONGEST_LIFE = 10**9
"""Seconds; whatever says more is no lifetime."""


def has_access(settings: Settings) -> bool:
    """Tell whether these settings allow asking Shopify."""
    return bool(settings.get("access_token") or (settings.get("client_id") and settings.get("client_secret")))


def shop_url(settings: Settings) -> str:
    """Return the shop's own address: ``api_url`` without ``/admin/api/2026-10``."""
    return str(settings["api_url"]).partition("/admin/")[0]


class Access:
    """The token of one account."""

    def __init__(self, settings: Settings, http: Http, tokens: Tokens) -> None:
        self._settings = settings
        self._http = http
        self._tokens = tokens

    def current(self) -> Grant:
        """Return a token to ask with. Raises CredentialsError or TemporaryError."""
        if pasted := self._settings.get("access_token"):
            return Grant(access_token=pasted)
        return self._tokens.current(self._renew)

    def after_refusal(self, grant: Grant) -> Grant:
        """Return another token than one that Shopify refused. Raises CredentialsError where there is none."""
        if not self._settings.get("access_token"):
            self._tokens.reject(grant)
            another = self._tokens.current(self._renew)
            if another.access_token != grant.access_token:
                return another
        raise refused()

    def _renew(self, last: Grant | None) -> Grant:
        if last is not None and last.refresh_token:
            return self._refresh(last, last.refresh_token)
        if last is not None and last.details.get("by") == AUTHORIZED:
            raise CredentialsError("Shopify no longer accepts the authorization.", code="revoked", advice=_AUTHORIZE)
        answer = post(self._http, self._settings, {"grant_type": "client_credentials"})
        return read_grant(answer, _DASHBOARD)

    def _refresh(self, last: Grant, refresh_token: Secret) -> Grant:
        """Change the pair for a new one; until that is used, the old refresh token can be used again."""
        more = {"grant_type": "refresh_token", "refresh_token": refresh_token.reveal()}
        grant = read_grant(post(self._http, self._settings, more), _AUTHORIZE)
        return Grant(
            access_token=grant.access_token,
            refresh_token=grant.refresh_token or refresh_token,
            expires_at=grant.expires_at,
            details={**last.details, **grant.details},
        )


def refused() -> CredentialsError:
    """Return the error for a token that Shopify refuses, where no other can be had."""
    return CredentialsError("Shopify refuses the token (HTTP 401).", code="401", status=401, advice=INSTALL)


def post(http: Http, settings: Settings, more: Mapping[str, str]) -> Answer:
    """Ask the token endpoint, with the app's id and secret. Raises CredentialsError where they are not set."""
    if not (settings.get("client_id") and settings.get("client_secret")):
        raise CredentialsError("No API access is set up.", advice="Set client_id and client_secret, or access_token.")
    return http.request(
        "POST",
        f"{shop_url(settings)}/admin/oauth/access_token",
        json={"client_id": settings["client_id"], "client_secret": settings["client_secret"].reveal(), **more},
        headers={"Accept": "application/json"},
    )


def read_grant(answer: Answer, advice: str) -> Grant:
    """Read what the token endpoint answered.

    Raises CredentialsError, with the advice, where Shopify gives no token, TemporaryError where it could not say.
    """
    told = read_json(answer)
    if answer.status != 200:
        raise _no_token(answer, told, advice)
    token = dig(told, "access_token")
    if not isinstance(told, Mapping):
        raise TemporaryError(
            "Shopify's answer to our login is not JSON; is there a proxy in between?", retry_after=60, status=200
        )
    if not _is_plain(token):
        raise CredentialsError("Shopify's answer to our login holds no usable token.", code="no_token", advice=advice)
    refresh = dig(told, "refresh_token")
    life = dig(told, "expires_in")
    lives = isinstance(life, int) and not isinstance(life, bool) and 0 < life < _LONGEST_LIFE
    return Grant(
        access_token=Secret(str(token)),
        refresh_token=Secret(str(refresh)) if _is_plain(refresh) else None,
        # Without an end it is used until Shopify refuses it.
        expires_at=now() + timedelta(seconds=int(str(life))) if lives else None,
        details={"scope": text_at(told, "scope")},
    )


def _no_token(answer: Answer, told: Json, advice: str) -> RemoteError:
    fault = of_status(answer)
    if isinstance(fault, TemporaryError):
        return fault
    if answer.status in (402, 404, 423) or 300 <= answer.status < 400:
        advice = STATUS_FIXES.get(answer.status, STATUS_FIXES[404])
    code = text_at(told, "error")
    code = code if code.isascii() and code.isprintable() and len(code) <= 60 else ""
    return CredentialsError(
        f"Shopify gives no token for this client ID and secret (HTTP {answer.status}{f', {code}' if code else ''}).",
        code=code or str(answer.status),
        status=answer.status,
        advice=advice,
    )


def _is_plain(token: Json) -> bool:
    return isinstance(token, str) and bool(token) and token.isascii() and token.isprintable() and " " not in token
