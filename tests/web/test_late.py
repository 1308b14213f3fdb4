"""Pages that cannot be built yet are put off; health is told meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from werkzeug.test import Client

from connector.web import late
from connector.web.late import Late


def hello(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def test_pages_come_as_soon_as_they_can_be_built(monkeypatch: Any) -> None:
    monkeypatch.setattr(late, "AGAIN_SECONDS", 0)
    away = [True]

    def build() -> Any:
        if away[0]:
            raise OSError("the database is away")
        return hello

    client = Client(Late(build))
    assert client.get("/healthz").json == {"status": "ok"}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json["status"]) == (503, "unavailable")
    page = client.get("/mappings")
    assert (page.status_code, page.headers["Retry-After"]) == (503, "2")
    assert "Try again" in page.text

    away[0] = False
    assert client.get("/mappings").text == "hello"


def test_building_is_tried_once_a_second_at_most(monkeypatch: Any) -> None:
    at, tried = [1000.0], []
    monkeypatch.setattr(late, "time", SimpleNamespace(monotonic=lambda: at[0]))

    def build() -> Any:
        tried.append(1)
        raise OSError

    client = Client(Late(build))
    for _ in range(20):
        client.get("/")
    assert len(tried) == 1
    at[0] += 0.99
    client.get("/")
    assert len(tried) == 1
    at[0] += 0.02
    client.get("/")
    client.get("/")
    assert len(tried) == 2
