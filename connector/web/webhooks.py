"""The door for vendors: ``/hooks/<token>``, as bare WSGI beside Flask.

This is the hot path, so nothing stands between the server and these functions. The order is law: token,
size, handshake or signature, one durable insert, acknowledgement. Nothing is parsed here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from connector import metrics
from connector.errors import SignatureError
from connector.flow import pushed
from connector.flow.intake import Intake
from connector.flow.knocks import Knocks
from connector.log import get
from connector.model import Request, Response, now
from connector.store.inbox import Arrival
from connector.wiring import Directory, Reached

PREFIX = "/hooks/"
MOST_TOKEN = 128
MOST_HEADER = 1024
"""Characters of one header that are kept."""
MOST_HEADERS = 100
"""As many as the server lets through: none that a signature may stand in is lost."""
MOST_QUERY = 4096
PIECE = 64 * 1024
MOST_DIGITS = 12
"""Of a Content-Length."""
FEED = "x-connector-feed"
"""What a feed found carries this header, and a receiver believes it: nobody outside may say so."""
_OURS = {FEED, pushed.HEADER}
_NOT_KEPT = {"cookie", "proxy-authorization", "host", "connection", "accept", "accept-encoding", *_OURS} | {
    # Servers put variables of this process, such as HTTP_PROXY, beside the headers of every request.
    name[5:].replace("_", "-").lower()
    for name in os.environ
    if name.startswith("HTTP_")
}
_AUTHORIZATION = "authorization"
"""Shown to the receiver, and never stored."""
_REASONS = {
    200: "200 OK",
    400: "400 Bad Request",
    401: "401 Unauthorized",
    403: "403 Forbidden",
    404: "404 Not Found",
    405: "405 Method Not Allowed",
    413: "413 Content Too Large",
    503: "503 Service Unavailable",
}
_WORDS = {
    400: b"The body is not as long as was announced; send it again.\n",
    401: b"The signature is missing or wrong. Check the secret of this account.\n",
    404: b"There is no such webhook address.\n",
    405: b"Post webhooks here.\n",
    413: b"The body is too large.\n",
    503: b"It could not be stored; send it again.\n",
}
_UNFIT = {400: "cut_short", 413: "too_large"}
"""What is wrong with a body, by the status that tells it."""

Start = Callable[..., Any]
Wsgi = Callable[[dict[str, Any], Start], Iterable[bytes]]

log = get(__name__)


class Webhooks:
    """A WSGI application that takes webhooks, and hands every other path on."""

    def __init__(
        self, directory: Directory, intake: Intake, knocks: Knocks, *, body_cap: int, otherwise: Wsgi
    ) -> None:  # fmt: skip
        """``body_cap`` is in bytes; ``otherwise`` gets all other paths."""
        self._directory = directory
        self._intake = intake
        self._knocks = knocks
        self._cap = body_cap
        self._otherwise = otherwise

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Serve one request."""
        path: str = environ["PATH_INFO"]
        if not path.startswith(PREFIX):
            return self._otherwise(environ, start)
        started = time.perf_counter()
        token = path[len(PREFIX) :]
        found: Reached | None = None
        try:
            found = self._directory.by_token(token) if len(token) <= MOST_TOKEN else None
            response, outcome = self._answer(found, environ) if found else (_refuse(404), "unknown_address")
        except Exception:  # the accounts cannot be read, or an adapter has a bug: the sender must try again
            log.exception("webhook.failed", account=found.account.name if found else "")
            response, outcome = _refuse(503), "failed"
        status = _REASONS.get(response.status, f"{response.status} Status")
        start(status, [("Content-Type", response.content_type), ("Content-Length", str(len(response.body)))])
        seconds = time.perf_counter() - started
        adapter = found.adapter.name if found else ""
        metrics.webhook_requests.add(adapter, outcome)
        metrics.webhook_ack_seconds.observe(seconds)
        log.info(
            "webhook.answered",
            adapter=adapter,
            account=found.account.name if found else "",
            outcome=outcome,
            status=response.status,
            ms=round(seconds * 1000, 2),
        )
        return [response.body]

    def _answer(self, found: Reached, environ: dict[str, Any]) -> tuple[Response, str]:
        if found.receiver is None:
            return _refuse(404), "no_receiver"
        method: str = environ["REQUEST_METHOD"]
        if method in ("GET", "HEAD"):
            answer = found.receiver.handshake(_request(environ, b""))
            if answer is not None:
                self._knocks.greet(found.account.id, welcome=answer.status == 200)
            return answer or _refuse(405), "handshake"
        if method != "POST":
            return _refuse(405), "wrong_method"
        body = self._body(environ)
        if isinstance(body, int):
            return _refuse(body), _UNFIT[body]
        return self._accept(found, _request(environ, body))

    def _accept(self, found: Reached, request: Request) -> tuple[Response, str]:
        receiver = found.receiver
        if receiver is None:
            return _refuse(404), "no_receiver"
        try:
            verified = receiver.verify(request)
        except SignatureError as error:
            log.warning("webhook.refused", account=found.account.name, words=str(error), bytes=len(request.body))
            self._knocks.refuse(found.account.id, str(error))
            return _refuse(401), "refused"
        except Exception:  # a bug of an adapter proves nobody
            log.exception("webhook.not_verified", account=found.account.name)
            return _refuse(401), "refused"
        arrival = Arrival(
            account_id=found.account.id,
            delivery_key=receiver.key(verified)[:255],
            topic=receiver.topic(verified)[:255],
            request=_storable(verified),
        )
        try:
            new = self._intake.accept(arrival)
        except Exception:  # whatever the database's trouble is, the sender must keep the event and try again
            log.exception("webhook.not_stored", account=found.account.name)
            return _refuse(503), "not_stored"
        return receiver.acknowledge(verified), "stored" if new else "repeated"

    def _body(self, environ: dict[str, Any]) -> bytes | int:
        """Return the body, or the status that refuses it; never reads more than the cap and a little."""
        length = environ.get("CONTENT_LENGTH") or ""
        if not length:
            return self._chunks(environ["wsgi.input"])
        if not length.isascii() or not length.isdigit():
            return 400
        size = int(length) if len(length) <= MOST_DIGITS else self._cap + 1
        if size > self._cap:
            return 413
        body: bytes = environ["wsgi.input"].read(size)
        return body if len(body) == size else 400  # the sender hung up, and half a body is none

    def _chunks(self, stream: Any) -> bytes | int:
        """Read a body of unknown length piece by piece: one that is too long is never put together."""
        pieces: list[bytes] = []
        left = self._cap + 1
        while left > 0 and (piece := stream.read(min(left, PIECE))):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces) if left > 0 else 413


def _refuse(status: int) -> Response:
    return Response(status, _WORDS.get(status, b""))


def _storable(request: Request) -> Request:
    if _AUTHORIZATION not in request.headers:
        return request
    return replace(request, headers={name: value for name, value in request.headers.items() if name != _AUTHORIZATION})


def _request(environ: dict[str, Any], body: bytes) -> Request:
    headers = {
        name[5:].replace("_", "-").lower(): value[:MOST_HEADER]
        for name, value in environ.items()
        if name.startswith("HTTP_") and isinstance(value, str)
    }
    for name in _NOT_KEPT:
        headers.pop(name, None)
    if len(headers) > MOST_HEADERS:
        headers = dict(list(headers.items())[:MOST_HEADERS])
    if content_type := environ.get("CONTENT_TYPE"):
        headers["content-type"] = content_type[:MOST_HEADER]
    query = environ.get("QUERY_STRING") or ""
    pairs = parse_qsl(query[:MOST_QUERY], max_num_fields=50) if query.count("&") < 50 else []
    return Request(method=environ["REQUEST_METHOD"], headers=headers, body=body, query=dict(pairs), received_at=now())
