"""The tools of the benchmarks measure what they say."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.benchmarks import bare_flask, orders
from tests.benchmarks.http_load import load, percentile, post, press
from tests.benchmarks.mock_graph import MockGraph, receipt

SECRET = "bench-secret"
PATIENCE = 60.0
"""Seconds for what takes a moment; machines have bad ones."""


def messages(url: str, count: int) -> list[bytes]:
    body = {"messaging_product": "whatsapp", "to": "+4915120000000"}
    return [
        post(f"{url}/v25.0/1/messages", json.dumps(body | {"biz_opaque_callback_data": f"m{n}"}).encode(), {})
        for n in range(count)
    ]


def test_a_load_sends_each_request_once_and_measures_the_latency() -> None:
    with MockGraph(latency_ms=200) as graph:
        done = load(graph.url, partial(messages, graph.url, 60), connections=10)
        arrived = graph.arrivals()
        assert graph.counts()["most_open"] == 10
    assert sorted(ours for _, ours, _ in arrived) == sorted(f"m{n}" for n in range(60))
    assert done.statuses == {200: 60}
    assert done.broken == 0
    assert done.percentile(50) >= 0.2
    assert done.seconds >= 1.2, "six rounds"


def test_a_load_stops_when_its_time_is_over() -> None:
    with MockGraph(latency_ms=200) as graph:
        done = asyncio.run(press(graph.url, messages(graph.url, 1000), 2, within=1))
    assert 2 <= len(done.times) <= 20


def test_a_load_on_another_machine_is_refused() -> None:
    with pytest.raises(ValueError, match="loopback"):
        asyncio.run(press("http://192.0.2.1:80", [b""], 1, within=1))


def test_percentiles_are_nearest_rank() -> None:
    times = [float(n) for n in range(1, 101)]
    assert [percentile(times, percent) for percent in (50, 95, 99, 100)] == [50, 95, 99, 100]
    assert percentile([7.0], 99) == 7.0
    assert percentile([], 99) == 0.0


def test_orders_are_signed_distinct_and_as_large_as_real_ones() -> None:
    requests = orders.paid("http://127.0.0.1:1/hooks/t", SECRET, 3, start=5)
    bodies = [request.partition(b"\r\n\r\n")[2] for request in requests]
    assert all(6500 < len(body) < 7500 for body in bodies)
    read: list[dict[str, Any]] = [json.loads(body) for body in bodies]
    assert [order["name"] for order in read] == ["#B5", "#B6", "#B7"]
    assert len({order["id"] for order in read} | {order["phone"] for order in read}) == 6


@pytest.mark.parametrize(("secret", "status"), [(SECRET, 200), ("another", 401)])
def test_the_bare_route_checks_the_signature(monkeypatch: pytest.MonkeyPatch, secret: str, status: int) -> None:
    monkeypatch.setattr(bare_flask, "_secret", secret.encode())
    head, _, body = orders.paid("http://127.0.0.1:1/hooks/t", SECRET, 1)[0].partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().splitlines()[1:])
    client: FlaskClient = bare_flask.app.test_client()
    assert client.post("/hooks/t", data=body, headers=headers).status_code == status


def test_each_message_is_followed_by_three_signed_receipts() -> None:
    async def run() -> list[bytes]:
        posted: list[bytes] = []
        lines: list[asyncio.StreamWriter] = []

        async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            lines.append(writer)
            with suppress(asyncio.IncompleteReadError, ConnectionError):  # hung up on, with an answer unread perhaps
                while head := await reader.readuntil(b"\r\n\r\n"):
                    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                    posted.append(head + await reader.readexactly(length))
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        server = await asyncio.start_server(lambda r, w: asyncio.wait_for(hear(r, w), PATIENCE), "127.0.0.1", 0)
        webhook = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks/t"
        with MockGraph(receipts=webhook, secret=SECRET) as graph:
            await press(graph.url, messages(graph.url, 1), 1, within=PATIENCE)
            while len(posted) < 3:
                await asyncio.sleep(0.01)
        server.close()
        for line in lines:  # each kept open; one that the end of the loop finds open is told of in another test
            line.close()
            with suppress(ConnectionError):
                await line.wait_closed()
        return posted

    heads, bodies = zip(
        *(request.split(b"\r\n\r\n") for request in asyncio.run(asyncio.wait_for(run(), PATIENCE))), strict=True
    )
    words = [json.loads(body)["entry"][0]["changes"][0]["value"]["statuses"][0]["status"] for body in bodies]
    assert sorted(words) == ["delivered", "read", "sent"]
    for head, body in zip(heads, bodies, strict=True):
        assert hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest().encode() in head


def test_many_statuses_fit_into_one_receipt() -> None:
    body = receipt("http://127.0.0.1:1/hooks/t", SECRET, [{"id": "a"}, {"id": "b"}]).partition(b"\r\n\r\n")[2]
    assert len(json.loads(body)["entry"][0]["changes"][0]["value"]["statuses"]) == 2
