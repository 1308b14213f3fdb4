"""Proves a sender by a digest of the body or by a shared secret, and reads one event a request."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode
from binascii import unhexlify
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from adapters.webhook.settings import FROM_HEADER
from connector.contract import Receiver, Settings
from connector.errors import SignatureError
from connector.model import Event, Ignored, Item, Payload, Request, Verified, parse_object, parse_time, text_at

NO_TYPE = "(no type)"
AHEAD = timedelta(minutes=5)
"""How far a sender's clock may be ahead of ours before its times are not believed."""

_ID = re.compile(r"[!-~]{1,120}")
_MILLISECONDS = re.compile(r"\d{13}")
_TYPE_LIMIT = 80
_LABEL_LIMIT = 60


class WebhookReceiver(Receiver):
    """Receives one sender's webhooks; pure."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._secrets = tuple(secret.reveal().encode() for secret in settings["secret"])
        self._header = settings["header"].lower()
        self._proves = self._is_signed if settings["mode"] == "hmac" else self._is_shared

    def verify(self, request: Request) -> Verified:
        """Prove the sender by the configured header, which is left out where it holds the secret.

        Raises SignatureError.
        """
        name, prefix = self._settings["header"], self._settings["prefix"]
        given = request.header(self._header)
        if not given:
            raise SignatureError(f"The header {name} is missing; is header set as the sender calls it?")
        if not given.isascii() or not given.startswith(prefix):
            raise SignatureError(f"The header {name} does not begin with the prefix {prefix!r}, or is not plain text.")
        proved = False
        for secret in self._secrets:  # to the end, so that timing does not tell which secret is in use
            proved |= self._proves(secret, request.body, given[len(prefix) :])
        if not proved:
            raise SignatureError(f"The header {name} does not prove the sender; compare secret, mode and encoding.")
        if self._settings["mode"] == "shared":
            kept = {header: value for header, value in request.headers.items() if header != self._header}
            return Verified(replace(request, headers=kept))
        return Verified(request)

    def key(self, request: Verified) -> str:
        """Return the id that a header gives, else the body's digest."""
        path = self._settings["id"]
        found = self._text(request, {}, path) if path.startswith(FROM_HEADER) else ""
        return _known(found) or hashlib.sha256(request.body).hexdigest()

    def topic(self, request: Verified) -> str:
        """Return the sender's word where a header holds it; a body is not parsed for it."""
        path = self._settings["event_type"]
        return _shown(self._text(request, {}, path)) if path.startswith(FROM_HEADER) else ""

    def pushed(self, topic: str, body: bytes, at: datetime) -> Verified:
        """Return what stands for a request that our own API took; the topic counts where a header would hold it."""
        path = self._settings["event_type"]
        own = {path.removeprefix(FROM_HEADER).lower(): topic} if path.startswith(FROM_HEADER) and topic else {}
        headers = {"content-type": "application/json"} | own
        return Verified(Request(method="POST", headers=headers, body=body, received_at=at))

    def parse(self, request: Verified) -> Sequence[Item]:
        """Return the event of a request, whatever its type; without one it is ignored. Raises PayloadError."""
        payload = parse_object(request.body)
        topic = self._find(request, payload, "event_type")
        kind = normalise(topic)
        if not kind:
            return [Ignored(_shown(topic) or NO_TYPE)]
        id_ = _known(self._find(request, payload, "id")) or hashlib.sha256(request.body).hexdigest()
        subject = _known(self._find(request, payload, "subject")) or f"{kind.partition('.')[0]}:{id_}"
        return [
            Event(
                key=f"{kind}:{id_}",
                type=kind,
                topic=_shown(topic),
                subject=subject,
                label=_shown(self._find(request, payload, "label"), _LABEL_LIMIT) or _short(subject),
                occurred_at=_moment(self._find(request, payload, "time"), request.received_at),
                payload=self._with_phone(request, payload),
            )
        ]

    def _find(self, request: Request, payload: Payload, setting: str) -> str:
        return self._text(request, payload, self._settings[setting])

    def _text(self, request: Request, payload: Payload, path: str) -> str:
        if path.startswith(FROM_HEADER):
            return request.header(path.removeprefix(FROM_HEADER).lower()).strip()
        return text_at(payload, path).strip() if path else ""

    def _with_phone(self, request: Request, payload: Payload) -> Payload:
        """Return the payload as it came; where it has no ``phone`` of its own, with the one of the setting."""
        phone = "" if text_at(payload, "phone") else self._find(request, payload, "phone")
        return {**payload, "phone": phone} if phone else payload

    def _is_signed(self, secret: bytes, body: bytes, given: str) -> bool:
        ours = hmac.digest(secret, body, self._settings["algorithm"])
        try:
            theirs = unhexlify(given) if self._settings["encoding"] == "hex" else b64decode(given, validate=True)
        except ValueError:
            return False
        return hmac.compare_digest(ours, theirs)

    def _is_shared(self, secret: bytes, body: bytes, given: str) -> bool:
        return hmac.compare_digest(secret, given.encode())


def normalise(word: str) -> str:
    """Return a sender's word as one of ours: ``Orders/Paid`` -> ``orders.paid``; empty where nothing is left."""
    kind = re.sub(r"[^a-z0-9.]+", "_", re.sub(r"[/:.]+", ".", word.lower()))
    return re.sub(r"_?\._?", ".", kind).strip("._")[:_TYPE_LIMIT].strip("._")


def _known(text: str) -> str:
    """Return an id as it is, or its digest where databases and URLs could not hold it."""
    if not text or _ID.fullmatch(text):
        return text
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _shown(text: str, most: int = _TYPE_LIMIT) -> str:
    """Return a text as one printable line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[: most * 4]).split())[:most].strip()


def _short(subject: str) -> str:
    return subject if len(subject) <= _LABEL_LIMIT else f"{subject[: _LABEL_LIMIT - 1]}…"


def _moment(text: str, received_at: datetime) -> datetime:
    at = parse_time(text[:-3] if _MILLISECONDS.fullmatch(text) else text)
    return at if at and at <= received_at + AHEAD else received_at
