"""Pages that need the database to be built: until it answers, health is told and everything else put off.

Webhooks do not wait for them; they have their own way of telling senders to come again. The same holds where
the keys do not open what is stored: the log says which.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from connector.errors import ConnectorError
from connector.log import get

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

AGAIN_SECONDS = 1.0
Wsgi = Callable[..., Iterable[bytes]]

log = get(__name__)


class Late:
    """A WSGI application that is built when it can be; safe to use from many threads."""

    def __init__(self, build: Callable[[], Wsgi]) -> None:
        """Try to build it at once."""
        self._build = build
        self._lock = threading.Lock()
        self._tried_at = float("-inf")
        self._app: Wsgi | None = None
        self._try()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer, or say that it is not there yet."""
        app = self._app or self._try()
        return app(environ, start_response) if app else _put_off(environ, start_response)

    def _try(self) -> Wsgi | None:
        with self._lock:
            if self._app is None and time.monotonic() - self._tried_at >= AGAIN_SECONDS:
                try:
                    self._app = self._build()
                except Exception as error:  # noqa: BLE001 - whatever it was, it is tried again
                    words = str(error) if isinstance(error, ConnectorError) else type(error).__name__
                    log.warning("pages.put_off", words=words)
                self._tried_at = time.monotonic()
            return self._app


def _put_off(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    path = environ.get("PATH_INFO", "")
    alive = path == "/healthz"
    if alive or path == "/readyz":
        told = {"status": "ok"} if alive else {"status": "unavailable", "console": "waits for the database or its keys"}
        kind, body = "application/json", json.dumps(told).encode()
    else:
        words = "The console is not there yet: the log says what it waits for. Try again in a moment.\n"
        kind, body = "text/plain; charset=utf-8", words.encode()
    status = "200 OK" if alive else "503 Service Unavailable"
    start_response(status, [("Content-Type", kind), ("Retry-After", "2"), ("Content-Length", str(len(body)))])
    return [body]
