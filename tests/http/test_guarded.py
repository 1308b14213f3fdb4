"""A session for hosts that somebody typed in looks where they lead in the moment of connecting."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from connector.errors import RemoteError
from connector.http import Http
from connector.security.addresses import outside


class _Says(BaseHTTPRequestHandler):
    seen: list[str] = []  # noqa: RUF012

    def do_POST(self) -> None:
        self.seen.append(self.headers["Host"])
        self.send_response(302 if self.path == "/away" else 200)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.wfile.write(b"x" * 100_000)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    _Says.seen.clear()
    server = HTTPServer(("127.0.0.1", 0), _Says)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_it_connects_to_the_address_that_the_guard_gave(port: int) -> None:
    asked: list[tuple[str, int]] = []

    def guard(host: str, number: int) -> list[str]:
        asked.append((host, number))
        return ["127.0.0.1"]

    answer = Http([f"localhost:{port}"], guard=guard).request("POST", f"http://localhost:{port}/", data=b"", most=10)

    assert (answer.status, answer.body) == (200, b"x" * 10)
    assert asked == [("localhost", port)]
    assert _Says.seen == [f"localhost:{port}"]


def test_nothing_is_sent_where_the_guard_refuses(port: int) -> None:
    http = Http([f"localhost:{port}"], guard=lambda host, number: outside(host, number))

    with pytest.raises(RemoteError):
        http.request("POST", f"http://localhost:{port}/", data=b"")

    assert _Says.seen == []


def test_a_redirect_is_an_answer_and_not_followed(port: int) -> None:
    http = Http([f"localhost:{port}"], guard=lambda host, number: outside(host, number, loopback=True))

    assert http.request("POST", f"http://localhost:{port}/away", data=b"", most=5).status == 302
    assert len(_Says.seen) == 1
