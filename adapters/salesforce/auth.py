"""Tokens: OAuth client credentials, or a JWT signed with the account's key; never a user's password.

Both post to ``<api_url>/services/oauth2/token``. Salesforce gives no lifetime: a session lives for as long as
the organisation says (15 minutes at least, from its last use), so a token is asked for anew after
``LIFETIME``, or when it is refused. Source: "OAuth 2.0 Client Credentials Flow" and "OAuth 2.0 JWT Bearer Flow"
in Salesforce Help; what the claims must hold is said there too: ``aud`` is the login server and not My Domain.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

from adapters.salesforce.errors import tidy
from connector.contract import Grant, Settings
from connector.errors import CredentialsError, PayloadError, RemoteError, Scope, TemporaryError
from connector.http import Answer, Http, is_loopback
from connector.model import Json, Secret, now, text_at

BUSY_SECONDS = 15.0
"""When to ask a login again that was too busy, or down; whoever asks waits longer the longer that lasts."""
LIFETIME = timedelta(minutes=15)
ASSERTION_LIFETIME = timedelta(minutes=3)
"""The longest that Salesforce takes."""
_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"

ADVICE: Mapping[str, str] = {
    "invalid_client_id": "Copy the consumer key again (External Client App > OAuth settings) and set it as client_id.",
    "invalid_client": "Copy the consumer secret again and set it as client_secret; a new app needs ten minutes.",
    "invalid_grant": "Client credentials: set a run-as user under the app's OAuth policies. Key: the app must hold "
    "its certificate, and the username must be pre-authorised; check this machine's clock.",
    "invalid_app_access": "Let the run-as user use the app: permission set, and the app's policies.",
    "unsupported_grant_type": "Switch on the client credentials flow (or the JWT bearer flow) in the app.",
    "inactive_user": "Activate the run-as user, or choose another.",
    "inactive_org": "The organisation is locked or closed; ask its admin.",
    "rate_limit_exceeded": "Too many logins in an hour; it is tried again by itself.",
}
"""What to do about OAuth's ``error``."""
_FALLBACK = "Check client_id, client_secret (or username and private_key) and my_domain."
_PASSING = frozenset({"rate_limit_exceeded", "server_error", "temporarily_unavailable", "unknown_error"})


def has_access(settings: Settings) -> bool:
    """Tell whether the settings allow asking for a token."""
    return bool(
        settings.get("client_id")
        and settings.get("api_url")
        and (settings.get("client_secret") or (settings.get("private_key") and settings.get("username")))
    )


def renew(settings: Settings, http: Http) -> Grant:
    """Ask for a token; ``details`` holds ``instance_url``, where the API is.

    Raises CredentialsError where Salesforce refuses it or answers what cannot be a token's answer,
    TemporaryError where it is busy.
    """
    answer = http.request(
        "POST",
        f"{settings['api_url']}/services/oauth2/token",
        data=urlencode(_claim(settings)).encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
    )
    told = _json(answer)
    if answer.status != 200:
        raise _refused(answer.status, told)
    token = text_at(told, "access_token")
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise CredentialsError(
            "Salesforce answered the request for a token without one.",
            status=answer.status,
            advice="Check my_domain: is it a login page or a proxy that answers?",
        )
    return Grant(
        access_token=Secret(token),
        expires_at=now() + LIFETIME,
        details={"instance_url": _instance(text_at(told, "instance_url"), http)},
    )


def _claim(settings: Settings) -> dict[str, str]:
    if settings.get("client_secret"):
        return {
            "grant_type": "client_credentials",
            "client_id": settings["client_id"],
            "client_secret": settings["client_secret"].reveal(),
        }
    return {"grant_type": _JWT_GRANT, "assertion": _assertion(settings)}


def _assertion(settings: Settings) -> str:
    import jwt  # not at the top: it takes long to import, and most accounts need none

    claims = {
        "iss": settings["client_id"],
        "sub": settings["username"],
        "aud": audience(settings["api_url"]),
        "exp": int((now() + ASSERTION_LIFETIME).timestamp()),
    }
    try:
        return jwt.encode(claims, settings["private_key"].reveal(), algorithm="RS256")
    except (jwt.PyJWTError, ValueError, TypeError):
        fault = CredentialsError(
            "The private key cannot sign.", advice="Salesforce takes RSA keys only; set an RSA key of 2048 bits."
        )
    raise fault  # out here: the cause may hold the key


def audience(api_url: str) -> str:
    """Return the login server that a signed request is meant for: test for sandboxes, login for all others."""
    host = urlsplit(api_url).hostname or ""
    sandbox = ".sandbox." in host or "--" in host
    return f"https://{'test' if sandbox else 'login'}.salesforce.com"


def _instance(url: str, http: Http) -> str:
    """Return where the API is, if the account may speak to it: the token is about to be sent there."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    trusted = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    if not trusted or parts.netloc.lower() not in http.hosts:
        raise CredentialsError(
            f"The token's answer names {tidy(host) or 'no host'} for the API, which is not this account's host.",
            advice="Set my_domain to the organisation's present My Domain (Setup > My Domain).",
        )
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _refused(status: int, told: Json) -> RemoteError:
    code = text_at(told, "error")[:60]
    said = tidy(text_at(told, "error_description"))
    words = f"Salesforce gives no token (HTTP {status}{f', {code}' if code else ''})"
    words += f": {said}." if said else "."
    if status >= 500 or status in (408, 429) or code in _PASSING:
        return TemporaryError(
            words, retry_after=BUSY_SECONDS, code=code, scope=Scope.ACCOUNT, status=status, advice=ADVICE.get(code, "")
        )
    return CredentialsError(words, code=code, status=status, advice=ADVICE.get(code, _FALLBACK))


def _json(answer: Answer) -> Json:
    try:
        return answer.json()
    except PayloadError:
        return None
