"""Runs the stand-in on this machine: HTTP/1.1 with kept-open connections, one thread for each."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from connector.errors import ConfigurationError
from connector.http import is_loopback
from connector.sandbox.behaviour import Behaviour
from connector.sandbox.control import Control
from connector.sandbox.courier import Courier
from connector.sandbox.graph import Answer, Call, Graph
from connector.sandbox.ledger import Ledger
from connector.sandbox.line import Line
from connector.sandbox.loopback import loopback_host, loopback_url
from connector.sandbox.templates import Catalogue, read_templates

PHONE_NUMBER_ID = "100200300400500"
WABA_ID = "200300400500600"
GRAPH_VERSION = "v26.0"
BODY_CAP = 16 * 1024 * 1024
_IDLE = 75.0
_EARLY_WAIT = 1.0
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class SandboxServer:
    """The stand-in as a context manager; ``port=0`` takes a free port.

    ``templates``: Meta's JSON of the templates it knows; None: those that come with the recipes.
    ``behaviour``: the fields of :class:`connector.sandbox.behaviour.Behaviour`; secrets as plain text.

    Raises ConfigurationError for an address or webhook URL that is not of this machine.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        templates: Sequence[Mapping[str, Any]] | None = None,
        waba_id: str = WABA_ID,
        phone_number_ids: Sequence[str] = (PHONE_NUMBER_ID,),
        **behaviour: Any,
    ) -> None:
        loopback_host(host)
        self._behaviour = Behaviour().changed(behaviour)
        self.waba_id = waba_id
        self.phone_number_ids = tuple(phone_number_ids)
        self._started = False
        documents = read_templates() if templates is None else [dict(item) for item in templates]
        catalogue = Catalogue(documents)
        self._http = _listen(host, port, self)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._http.server_port}"
        """Where it listens, without a slash at the end."""
        self.graph_url = f"{self.url}/{GRAPH_VERSION}"
        """What an account's ``api_url`` is set to."""
        self._ledger = Ledger()
        self._courier = Courier(lambda: self._behaviour)
        self._graph = Graph(
            lambda: self._behaviour, catalogue, self._courier, self._ledger,
            waba_id=waba_id, phone_number_ids=phone_number_ids, base_url=self.url,
        )  # fmt: skip
        self._control = Control(
            lambda: self._behaviour,
            lambda changes: self.configure(**changes),
            self._graph,
            self._courier,
            self._ledger,
        )
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), name="sandbox", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def start(self) -> None:
        """Start answering, and carrying receipts."""
        self._started = True
        self._courier.start()
        self._thread.start()

    def close(self) -> None:
        """Stop: hang up on everybody; receipts that are still to come are forgotten."""
        if self._started:
            self._http.hang_up()
            self._http.shutdown()
            self._thread.join()
            self._courier.stop()
            self._started = False
        self._http.server_close()

    def configure(self, **changes: Any) -> Behaviour:
        """Change the behaviour now; a new webhook URL with a verify token is asked to echo a challenge.

        Raises ConfigurationError.
        """
        behaviour = self._behaviour.changed(changes)
        if "webhook_url" in changes and behaviour.webhook_url and behaviour.verify_token:
            _shake_hands(behaviour)
        self._behaviour = behaviour
        return behaviour

    def stats(self) -> dict[str, Any]:
        """Return all counts, as ``GET /_sandbox/stats`` does."""
        return self._control.stats()

    def messages(self, limit: int = 20) -> list[dict[str, Any]]:
        """Return the newest messages, newest first, as ``GET /_sandbox/messages`` does."""
        return self._ledger.last(limit)

    def reset(self) -> None:
        """Forget messages, counts and pending receipts."""
        self._control.reset()

    def settled(self, timeout: float = 10.0) -> bool:
        """Wait until no receipt is pending; tell whether that came to be within ``timeout`` seconds."""
        return self._courier.settled(timeout)

    def answer(self, call: Call) -> Answer:
        """Answer a request without the transport."""
        if call.path[:1] == ["_sandbox"]:
            call = Call(method=call.method, path=call.path[1:], query=call.query, headers=call.headers, body=call.body)
            return self._control.answer(call)
        return self._graph.answer(call)


def serve(server: SandboxServer, ready: Callable[[SandboxServer], None]) -> None:
    """Run until Ctrl-C or SIGTERM; ``ready`` is called once it answers."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with server:
            ready(server)
            stop.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _shake_hands(behaviour: Behaviour) -> None:
    challenge = str(int.from_bytes(os.urandom(4), "big"))
    parts = loopback_url(behaviour.webhook_url)
    asked = urlencode(
        {
            "hub.mode": "subscribe",
            "hub.challenge": challenge,
            "hub.verify_token": behaviour.verify_token.reveal(),
        }
    )
    path = f"{parts.path or '/'}?{parts.query}{'&' if parts.query else ''}{asked}"
    try:
        with Line(behaviour.webhook_url) as line:
            status, body = line.ask("GET", path, None, {})
    except OSError:
        raise ConfigurationError("The webhook URL does not answer; is the connector running there?") from None
    if status != 200 or body != challenge.encode():
        raise ConfigurationError(
            f"The webhook URL did not echo the challenge (HTTP {status}); compare the verify token of the account."
        )


class _Http(ThreadingHTTPServer):
    """Knows its connections, so that it can hang up on those that are kept open."""

    daemon_threads = True
    request_queue_size = 1024
    sandbox: SandboxServer

    def __init__(self, address: tuple[str, int], family: socket.AddressFamily) -> None:
        self.address_family = family
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


def _listen(host: str, port: int, sandbox: SandboxServer) -> _Http:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        server = _Http((host.strip("[]"), port), family)
    except OSError as fault:
        raise ConfigurationError(
            f"The sandbox cannot listen on {host}, port {port} ({fault.strerror}); choose another --port."
        ) from None
    server.sandbox = sandbox
    return server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _IDLE
    server: _Http

    def handle(self) -> None:
        with self.server.holding(self.connection), contextlib.suppress(OSError):
            super().handle()

    def do_GET(self) -> None:
        """Answer; POST goes the same way."""
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
            self._write(403, b'{"error": "The sandbox answers programs on this machine only."}')
            return
        self._give(self.server.sandbox.answer(call))

    do_POST = do_DELETE = do_PUT = do_GET  # noqa: N815 - names that the standard library looks for

    def _give(self, answer: Answer) -> None:
        if answer.delay:
            self.server.closing.wait(answer.delay)
        if answer.after is not None:
            answer.after.wait(_EARLY_WAIT)
        if answer.cut or self.server.closing.is_set():
            self.close_connection = True
            return
        self._write(answer.status, answer.body)

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isascii() or not length.isdigit():
            self.close_connection = True
            self._write(411, b'{"error": "Send a Content-Length."}')
            return None
        if int(length[:12]) > BODY_CAP:
            self.close_connection = True
            self._write(413, json.dumps({"error": f"At most {BODY_CAP >> 20} MB are taken."}).encode())
            return None
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True
            return None
        return body

    def _write(self, status: int, body: bytes) -> None:
        head = (
            f"HTTP/1.1 {status} {_PHRASES.get(status, 'Error')}\r\n"
            f"Date: {self.date_time_string()}\r\n"
            "Content-Type: application/json; charset=UTF-8\r\n"
            f"Content-Length: {len(body)}\r\n"
            f"Connection: {'close' if self.close_connection else 'keep-alive'}\r\n\r\n"
        )
        self.wfile.write(head.encode() + body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Say nothing; the counts say more."""
