"""Tokens of the shop: client credentials, authorization code, and refresh tokens that are changed for new ones."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from connector.errors import ConfigurationError
from connector.sandbox.loopback import loopback_url
from connector.sandbox.shopify.knobs import ShopKnobs
from connector.sandbox.transport import Answer, Call, as_json

_HOUR = 3600
_REFRESH_SECONDS = 7_776_000

Json = dict[str, Any]


class Keys:
    """The shop's tokens; safe to use from many threads."""

    def __init__(self, shop: str) -> None:
        self._shop = shop
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}
        """Access token -> when it ends, on the monotonic clock."""
        self._refresh: dict[str, str] = {}
        """Refresh token -> the one it was given for; it ends when this one is used."""
        self._codes: set[str] = set()

    def opens(self, headers: Mapping[str, str], knobs: ShopKnobs) -> bool:
        """Tell whether a request brings a token that is valid."""
        token = headers.get("x-shopify-access-token", "")
        if knobs.unauthorized or not token:
            return False
        pasted = knobs.access_token.reveal()
        with self._lock:
            return (bool(pasted) and token == pasted) or self._until.get(token, 0.0) > time.monotonic()

    def expire(self) -> int:
        """End all access tokens now; refresh tokens stay. Return how many there were."""
        with self._lock:
            count = len(self._until)
            self._until.clear()
            return count

    def revoke(self) -> None:
        """End everything that was given: the app was removed from the shop."""
        with self._lock:
            self._until.clear()
            self._refresh.clear()

    def give(self, call: Call, knobs: ShopKnobs) -> Answer:
        """Answer ``POST /admin/oauth/access_token``."""
        form = _form(call)
        secret = form.get("client_secret", "").encode()
        if form.get("client_id") != knobs.client_id or not hmac.compare_digest(
            secret, knobs.client_secret.reveal().encode()
        ):
            return _no("invalid_client", "The client credentials are wrong.", 401)
        if knobs.refused:
            return _no("application_cannot_be_found", "The app is not installed on this shop.")
        if form.get("grant_type") == "client_credentials":
            return as_json(self._token(knobs, knobs.token_seconds))
        if form.get("grant_type") == "refresh_token":
            return self._renewed(form.get("refresh_token", ""), knobs)
        return self._exchanged(form, knobs)

    def authorize(self, call: Call, knobs: ShopKnobs) -> Answer:
        """Answer ``GET /admin/oauth/authorize``: the owner agrees at once, and is sent back, signed."""
        try:
            back = loopback_url(call.query.get("redirect_uri", ""))
        except ConfigurationError as fault:
            return _no("invalid_request", str(fault))
        if call.query.get("client_id") != knobs.client_id:
            return _no("invalid_request", "Could not find the app with this client id.")
        code = secrets.token_hex(16)
        with self._lock:
            self._codes.add(code)
        told = {
            "code": code, "host": "c2FuZGJveA", "shop": self._shop, "state": call.query.get("state", ""),
            "timestamp": str(int(time.time())),
        }  # fmt: skip
        signed = "&".join(f"{name}={value}" for name, value in sorted(told.items()))
        key = knobs.client_secret.reveal().encode()
        told["hmac"] = hmac.new(key, signed.encode(), hashlib.sha256).hexdigest()
        return Answer(status=302, headers={"Location": f"{back.scheme}://{back.netloc}{back.path}?{urlencode(told)}"})

    def _exchanged(self, form: Mapping[str, str], knobs: ShopKnobs) -> Answer:
        with self._lock:
            known = form.get("code", "") in self._codes
            self._codes.discard(form.get("code", ""))
        if not known:
            return _no("invalid_request", "The authorization code was not found or was already used")
        if form.get("expiring") != "1":
            return as_json(self._token(knobs, 0))
        return as_json(self._token(knobs, _HOUR) | self._pair(""))

    def _renewed(self, refresh_token: str, knobs: ShopKnobs) -> Answer:
        with self._lock:
            known = refresh_token in self._refresh
            if known:  # used: the one before it is worth nothing any more
                self._refresh.pop(self._refresh[refresh_token], None)
        if not known:
            return _no("invalid_grant", "This refresh token is not valid or has been used.")
        return as_json(self._token(knobs, _HOUR) | self._pair(refresh_token))

    def _token(self, knobs: ShopKnobs, seconds: int) -> Json:
        token = f"shpat_{secrets.token_hex(16)}"
        with self._lock:
            self._until[token] = time.monotonic() + (seconds or 10**9)
        return {"access_token": token, "scope": ",".join(knobs.scopes), **({"expires_in": seconds} if seconds else {})}

    def _pair(self, before: str) -> Json:
        refresh = f"shprt_{secrets.token_hex(16)}"
        with self._lock:
            self._refresh[refresh] = before
        return {"refresh_token": refresh, "refresh_token_expires_in": _REFRESH_SECONDS}


def _form(call: Call) -> dict[str, str]:
    """Return what was sent, as JSON or as a form."""
    if "json" in call.headers.get("content-type", ""):
        try:
            found = call.document()
        except ValueError:
            found = None
        return {name: str(value) for name, value in found.items()} if isinstance(found, dict) else {}
    return dict(parse_qsl(call.body.decode("utf-8", "replace")))


def _no(word: str, description: str, status: int = 400) -> Answer:
    return Answer(status=status, body=json.dumps({"error": word, "error_description": description}).encode())
