"""What Shopify's refusals mean: HTTP statuses, GraphQL's error codes, and what a mutation says of its input.

https://shopify.dev/docs/api/admin-graphql#status-and-error-codes ,
https://shopify.dev/docs/apps/build/apis/graphql-admin/rate-limits
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from connector.errors import (
    CredentialsError,
    PayloadError,
    PermanentError,
    RemoteError,
    Scope,
    TemporaryError,
    UncertainError,
)
from connector.http import Answer
from connector.model import Json, dig, text_at

A_LITTLE = 0.5
"""Seconds on top of what Shopify's arithmetic asks for."""
LONGEST_WAIT = 3600.0
_BUSY_SECONDS = 30.0
_WORDS_LIMIT = 200
_USUAL_RATE = 100.0
"""Points a second of Shopify's smallest plan."""

INSTALL = "Install the app on the shop again, or set the access_token that Shopify shows on installing it."
STATUS_FIXES: Mapping[int, str] = {
    401: INSTALL,
    402: "The shop is frozen for an unpaid bill; its owner must settle it in the Shopify admin.",
    403: INSTALL,
    404: "Check shop and api_url; the shop may have been renamed, or the API version may be too old.",
    423: "The shop is locked; ask Shopify's support.",
}
APPROVE = "Add them to the app's version in the Dev Dashboard, release it, and approve it in the shop's admin."
_PROTECTED = (
    "Ask for access to protected customer data (name, address, phone, e-mail) on the app's page "
    "in the Dev Dashboard: https://shopify.dev/docs/apps/launch/protected-customer-data"
)

_SCOPE = re.compile(r"\b(?:read|write)_[a-z_]{2,60}\b")
_PRIVATE = re.compile(r"\S+@\S+|(?<![\w/])\+?\d[\d\s().-]{5,}\d")


def said(text: object) -> str:
    """Return the vendor's words as they may be shown and logged: one short line without numbers or addresses."""
    line = "".join(c if c.isprintable() else " " for c in text[: 4 * _WORDS_LIMIT]) if isinstance(text, str) else ""
    return _PRIVATE.sub("…", " ".join(line.split()))[:_WORDS_LIMIT]


def read_json(answer: Answer) -> Json:
    """Return the answer's JSON, or None where it is something else: a proxy's page, half an answer."""
    try:
        return answer.json()
    except PayloadError:
        return None


def of_status(answer: Answer) -> RemoteError | None:
    """Return what an HTTP status means, or None where the body says it."""
    status = answer.status
    if status == 200:
        return None
    if status == 429 or status == 430:  # 430: its guard against abuse
        return TemporaryError(
            f"Shopify is busy (HTTP {status}).",
            retry_after=_retry_after(answer),
            code="THROTTLED",
            scope=Scope.ACCOUNT,
            status=status,
        )
    if status >= 500 or status == 408:
        return TemporaryError(
            f"Shopify is out of order (HTTP {status}).", retry_after=_retry_after(answer), status=status
        )
    if status in STATUS_FIXES:
        words = f"Shopify refuses the token (HTTP {status})."
        return CredentialsError(words, code=str(status), status=status, advice=STATUS_FIXES[status])
    if 300 <= status < 400:
        words = f"Shopify sends us to another address (HTTP {status}), which is not followed."
        return CredentialsError(words, code=str(status), status=status, advice=STATUS_FIXES[404])
    return PermanentError(f"Shopify refuses the request (HTTP {status}).", code=str(status), status=status)


def no_answer(answer: Answer) -> RemoteError:
    """Return what it means that Shopify said yes, and nothing that can be read."""
    return UncertainError(
        "Shopify's answer is not what its API answers; is there a proxy in between?",
        retry_after=_BUSY_SECONDS,
        status=answer.status,
        advice="Check that api_url ends with /admin/api/2026-10 and leads to Shopify.",
    )


def of_error(error: Json, cost: Json) -> RemoteError:
    """Return what one of GraphQL's errors means; ``cost`` is the answer's ``extensions.cost``."""
    code = text_at(error, "extensions.code") or "error"
    words = said(text_at(error, "message") or error) or "no words"
    if code == "THROTTLED":
        return _throttled(cost)
    if code in ("INTERNAL_SERVER_ERROR", "TIMEOUT"):
        return TemporaryError(f"Shopify is out of order ({code}).", retry_after=_BUSY_SECONDS, code=code)
    if code == "ACCESS_DENIED":
        return _denied(error, words)
    if code == "SHOP_INACTIVE":
        return CredentialsError("The shop is not active.", code=code, advice=STATUS_FIXES[402])
    if code == "MAX_COST_EXCEEDED":
        return PermanentError("The request is larger than Shopify allows.", code=code, scope=Scope.ACCOUNT)
    return PermanentError(f"Shopify does not take the request: {words}", code=code[:60], scope=Scope.ACCOUNT)


def of_user_error(error: Json, advice: str = "") -> RemoteError:
    """Return what a mutation's ``userErrors`` entry means for the one row it is about."""
    code = text_at(error, "code")
    words = said(text_at(error, "message")) or "no reason given"
    if code in ("INTERNAL_ERROR", "STALE_OBJECT"):
        return TemporaryError(f"Shopify could not write it: {words}", retry_after=_BUSY_SECONDS, code=code)
    return PermanentError(f"Shopify does not take it: {words}", code=code or "userError", advice=advice)


def _denied(error: Json, words: str) -> PermanentError:
    scopes = _SCOPE.findall(text_at(error, "extensions.requiredAccess") or text_at(error, "message"))
    if scopes:
        advice = f"The scope {', '.join(dict.fromkeys(scopes))} is missing. {APPROVE}"
    else:
        advice = _PROTECTED if "protected" in text_at(error, "message").lower() else APPROVE
    return PermanentError(f"Shopify denies access: {words}", code="ACCESS_DENIED", scope=Scope.ACCOUNT, advice=advice)


def _throttled(cost: Json) -> RemoteError:
    asked = amount(dig(cost, "requestedQueryCost")) or 0.0
    left = amount(dig(cost, "throttleStatus.currentlyAvailable")) or 0.0
    most = amount(dig(cost, "throttleStatus.maximumAvailable"))
    rate = amount(dig(cost, "throttleStatus.restoreRate")) or _USUAL_RATE
    if most and asked > most:
        return PermanentError("The request costs more than the shop ever allows.", code="MAX_COST_EXCEEDED")
    wait = min(LONGEST_WAIT, max(0.0, asked - left) / rate + A_LITTLE)
    return busy(wait)


def busy(seconds: float) -> TemporaryError:
    """Return the error that says when the shop's budget allows the request."""
    return TemporaryError(
        "Shopify's budget for this shop is used up for the moment.",
        retry_after=seconds,
        code="THROTTLED",
        scope=Scope.ACCOUNT,
    )


def amount(value: Json) -> float | None:
    """Return a number that is not negative, or None for anything else."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool) and 0 <= value < 10**9:
        return float(value)
    return None


def _retry_after(answer: Answer) -> float:
    """Return what the header asks for; Shopify writes seconds, also with a fraction: ``2.0``."""
    asked = answer.headers.get("retry-after", "").strip()[:12]
    if re.fullmatch(r"\d+(\.\d+)?", asked):
        return min(LONGEST_WAIT, float(asked) + A_LITTLE)
    return _BUSY_SECONDS
