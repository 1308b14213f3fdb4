"""Sessions: client credentials, or a signed assertion of a user; each lives for a number of calls, or until expired."""

from __future__ import annotations

import base64
import hmac
import json
import os
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from connector.sandbox.salesforce.faults import EXPIRED
from connector.sandbox.salesforce.knobs import OrgKnobs
from connector.sandbox.transport import Answer, Call, as_json

_JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LOGIN_HOSTS = ("https://login.salesforce.com", "https://test.salesforce.com")
_LONGEST_ASSERTION = 300


class LoginError(Exception):
    """A login that is refused, with OAuth's word and Salesforce's description."""

    def __init__(self, word: str, description: str) -> None:
        self.word = word
        self.description = description
        super().__init__(f"{word}: {description}")


class Sessions:
    """The sessions of one org; safe to use from many threads."""

    def __init__(self, org_id: str, user_id: str) -> None:
        self._org_id = org_id
        self._user_id = user_id
        self._lock = threading.Lock()
        self._left: dict[str, int] = {}

    def login(self, call: Call, knobs: OrgKnobs) -> Answer:
        """Answer ``POST /services/oauth2/token``."""
        form = dict(parse_qsl(call.body.decode("utf-8", "replace")))
        form |= _basic(call.headers)
        try:
            if knobs.refused:
                raise LoginError("invalid_client", "invalid client credentials")
            self._admit(form, call, knobs)
        except LoginError as refusal:
            body = {"error": refusal.word, "error_description": refusal.description}
            return Answer(status=400, body=json.dumps(body).encode())
        token = f"{self._org_id[:15]}!AQ{base64.urlsafe_b64encode(os.urandom(48)).decode().rstrip('=')}"
        with self._lock:
            self._left[token] = knobs.token_calls or -1
        document = {
            "access_token": token, "signature": "c2FuZGJveA==", "scope": "api", "instance_url": call.origin,
            "id": f"{call.origin}/id/{self._org_id}/{self._user_id}", "token_type": "Bearer",
            "issued_at": str(int(time.time() * 1000)), "api_instance_url": call.origin,
        }  # fmt: skip
        if knobs.bare_token:
            del document["instance_url"], document["api_instance_url"]
        return as_json(document)

    def check(self, headers: Mapping[str, str], knobs: OrgKnobs) -> None:
        """Count a call on its session. Raises OrgError 401."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        with self._lock:
            left = self._left.get(token, 0)
            if knobs.unauthorized or scheme.lower() != "bearer" or not left:
                raise EXPIRED
            if left > 0:
                self._left[token] = left - 1

    def expire(self) -> int:
        """End all sessions now; return how many there were."""
        with self._lock:
            count = sum(1 for left in self._left.values() if left)
            self._left.clear()
            return count

    def _admit(self, form: Mapping[str, str], call: Call, knobs: OrgKnobs) -> None:
        grant = form.get("grant_type", "")
        if grant == "client_credentials":
            if form.get("client_id") != knobs.client_id:
                raise LoginError("invalid_client_id", "client identifier invalid")
            if not hmac.compare_digest(form.get("client_secret", "").encode(), knobs.client_secret.reveal().encode()):
                raise LoginError("invalid_client", "invalid client credentials")
        elif grant == _JWT:
            _admit_assertion(form.get("assertion", ""), call, knobs)
        else:
            raise LoginError("unsupported_grant_type", "grant type not supported")


def _basic(headers: Mapping[str, str]) -> dict[str, str]:
    """Return id and secret from an Authorization header, which Salesforce takes as well."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return {}
    return {"client_id": name, "client_secret": secret}


def _admit_assertion(assertion: str, call: Call, knobs: OrgKnobs) -> None:
    """Check a JWT as Salesforce does: who asks, for whom, to whom, until when. Raises LoginError."""
    try:
        head, claims, signature = (_part(part) for part in assertion.split("."))
        header, told = json.loads(head), json.loads(claims)
        expires = int(told["exp"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise LoginError("invalid_grant", "invalid assertion") from None
    if told.get("iss") != knobs.client_id:
        raise LoginError("invalid_client_id", "client identifier invalid")
    if told.get("sub") != knobs.username:
        raise LoginError("invalid_grant", "user hasn't approved this consumer")
    if told.get("aud") not in (*_LOGIN_HOSTS, call.origin):
        raise LoginError("invalid_grant", "audience is invalid")
    if not time.time() - 1 < expires <= time.time() + _LONGEST_ASSERTION:
        raise LoginError(
            "invalid_grant", "expired authorization code" if expires < time.time() else "invalid assertion"
        )
    if knobs.public_key and not _signed(assertion.rpartition(".")[0].encode(), signature, header, knobs.public_key):
        raise LoginError("invalid_grant", "invalid assertion")


def _part(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _signed(message: bytes, signature: bytes, header: Any, pem: str) -> bool:
    if not isinstance(header, dict) or header.get("alg") != "RS256":
        return False
    key = load_pem_public_key(pem.encode())
    if not isinstance(key, rsa.RSAPublicKey):
        return False
    try:
        key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True
