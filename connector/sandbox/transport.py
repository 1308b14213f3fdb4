"""HTTP/1.1 on this machine for the stand-ins: kept-open connections, one thread for each."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from connector.errors import ConfigurationError
from connector.http import is_loopback

BODY_CAP = 16 * 1024 * 1024
JSON_TYPE = "application/json; charset=UTF-8"
_IDLE = 75.0
_EARLY_WAIT = 1.0
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back, and how: ``delay`` in seconds; ``cut`` hangs up instead."""

    status: int = 200
    body: bytes = b""
    delay: float = 0.0
    cut: bool = False
    after: threading.Event | None = None
    """Answer only when this has happened, or a second later."""
    kind: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)


def as_json(document: object, **more: Any) -> Answer:
    """Return a document as an answer."""
    return Answer(body=json.dumps(document).encode(), **more)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request to a stand-in: ``path`` as its parts, header names in lower case."""

    method: str
    path: Sequence[str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def document(self) -> Any:
        """Return the body as JSON. Raises ValueError."""
        try:
            return json.loads(self.body)
        except RecursionError:
            raise ValueError("too deep") from None

    @property
    def origin(self) -> str:
        """Return the address that it was sent to, ``http://127.0.0.1:9400``."""
        return f"http://{self.headers.get('host', '127.0.0.1')}"


class Listener(ThreadingHTTPServer):
    """Listens, and knows its connections, so that it can hang up on those that are kept open."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(
        self, address: tuple[str, int], family: socket.AddressFamily, answer: Callable[[Call], Answer]
    ) -> None:
        self.address_family = family
        self.answer = answer
        self.closing = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    @contextlib.contextmanager
    def holding(self, connection: socket.socket) -> Iterator[None]:
        """Remember a connection for as long as it is served."""
        with self._lock:
            self._open.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(connection)

    def hang_up(self) -> None:
        """Close all connections, and wait a moment for their threads to end."""
        self.closing.set()
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            with self._lock:
                connections = list(self._open)
            if not connections:
                return
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            time.sleep(0.005)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a caller that hangs up is part of every trial."""


def listen(host: str, port: int, answer: Callable[[Call], Answer]) -> Listener:
    """Take the port (0: any free one). Raises ConfigurationError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return Listener((host.strip("[]"), port), family, answer)
    except OSError as fault:
        raise ConfigurationError(
            f"The sandbox cannot listen on {host}, port {port} ({fault.strerror}); choose another --port."
        ) from None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _IDLE
    server: Listener

    def handle(self) -> None:
        with self.server.holding(self.connection), contextlib.suppress(OSError):
            super().handle()

    def do_GET(self) -> None:
        """Answer; all methods go the same way."""
        body = self._body()
        if body is None:
            return
        parts = urlsplit(self.path)
        call = Call(
            method=self.command,
            path=[part for part in parts.path.split("/") if part],
            query=dict(parse_qsl(parts.query)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
        )
        # A web page that resolves its own name to this machine must not steer the sandbox.
        host = urlsplit(f"//{call.headers.get('host', '')}").hostname or ""
        if not is_loopback(host) or "origin" in call.headers:
            self._write(Answer(status=403, body=b'{"error": "The sandbox answers programs on this machine only."}'))
            return
        self._give(self.server.answer(call))

    do_POST = do_DELETE = do_PUT = do_PATCH = do_GET  # noqa: N815 - names that the standard library looks for

    def _give(self, answer: Answer) -> None:
        if answer.delay:
            self.server.closing.wait(answer.delay)
        if answer.after is not None:
            answer.after.wait(_EARLY_WAIT)
        if answer.cut or self.server.closing.is_set():
            self.close_connection = True
            return
        self._write(answer)

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isascii() or not length.isdigit():
            self._refuse(411, "Send a Content-Length.")
            return None
        if int(length[:12]) > BODY_CAP:
            self._refuse(413, f"At most {BODY_CAP >> 20} MB are taken.")
            return None
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True
            return None
        return body

    def _refuse(self, status: int, words: str) -> None:
        self.close_connection = True
        self._write(Answer(status=status, body=json.dumps({"error": words}).encode()))

    def _write(self, answer: Answer) -> None:
        lines = [
            f"HTTP/1.1 {answer.status} {_PHRASES.get(answer.status, 'Error')}",
            f"Date: {self.date_time_string()}",
            f"Content-Type: {answer.kind}",
            *(f"{name}: {value}" for name, value in answer.headers.items()),
        ]
        if answer.status != HTTPStatus.NO_CONTENT:
            lines.append(f"Content-Length: {len(answer.body)}")
        lines.append(f"Connection: {'close' if self.close_connection else 'keep-alive'}")
        body = b"" if answer.status == HTTPStatus.NO_CONTENT else answer.body
        self.wfile.write("\r\n".join((*lines, "", "")).encode() + body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Say nothing; the counts say more."""
