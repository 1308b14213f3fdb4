"""A stand-in for the messages endpoint that costs little: a fixed latency, and it remembers what arrived.

``python -m tests.benchmarks.mock_graph --latency-ms 150`` prints its port, and ends when its standard input
is closed. With ``--receipts URL --secret SECRET`` it posts signed receipts (sent, delivered, read) about
each message to the connector's webhook, ``--batch`` of them in a request.

==============================  ===================================================================
``POST /…/<number>/messages``   answers like the Cloud API, after the latency
``GET /arrivals``               ``[[seconds, id of ours, recipient], …]`` by the machine's own clock
``GET /counts``                 arrivals, most at once, receipts posted and acknowledged
``POST /reset?latency_ms=0``    forget all of it; may set another latency
==============================  ===================================================================
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import parse_qs, urlsplit

from tests.benchmarks.http_load import Connection, connect, post

NUMBER = "100000000000001"
COURIERS = 32
"""Connections over which receipts are posted."""


@dataclass
class Graph:
    """What it knows."""

    latency: float = 0.0
    arrivals: list[tuple[float, str, str]] = field(default_factory=list)
    open: int = 0
    most_open: int = 0
    receipts: int = 0
    acknowledged: int = 0
    updates: asyncio.Queue[dict[str, Any]] | None = None
    """Receipts to be posted; None where nobody asked for them."""

    def take(self, body: bytes) -> bytes:
        """Remember a message and return the answer's body."""
        message = json.loads(body)
        ours, recipient = message.get("biz_opaque_callback_data", ""), str(message.get("to", ""))
        self.arrivals.append((time.monotonic(), ours, recipient))
        wamid = f"wamid.BENCH{len(self.arrivals):010d}"
        person = recipient.lstrip("+")
        if self.updates is not None:
            for word in ("sent", "delivered", "read"):
                self.updates.put_nowait(_status(wamid, word, person, ours))
        answer = {
            "messaging_product": "whatsapp",
            "contacts": [{"input": recipient, "wa_id": person}],
            "messages": [{"id": wamid, "message_status": "accepted"}],
        }
        return json.dumps(answer).encode()

    def counts(self) -> dict[str, int]:
        """Return the numbers."""
        return {
            "arrivals": len(self.arrivals),
            "most_open": self.most_open,
            "receipts": self.receipts,
            "acknowledged": self.acknowledged,
        }

    def reset(self) -> None:
        """Forget what arrived."""
        self.arrivals.clear()
        self.most_open = self.receipts = self.acknowledged = 0


class Line(asyncio.Protocol):
    """One connection of the connector's."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._buffer = b""
        self._busy = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._next()

    def _next(self) -> None:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found or self._busy:
            return
        lower = head.lower()
        at = lower.find(b"\r\ncontent-length:")
        length = int(lower[at + 17 :].partition(b"\r\n")[0]) if at >= 0 else 0
        if len(rest) < length:
            return
        body, self._buffer = rest[:length], rest[length:]
        verb, target, _ = head.partition(b"\r\n")[0].decode("latin-1").split(" ", 2)
        self._handle(verb, target, body)

    def _handle(self, verb: str, target: str, body: bytes) -> None:
        graph, url = self._graph, urlsplit(target)
        if verb == "POST" and url.path.endswith("/messages"):
            answer = graph.take(body)
            graph.open += 1
            graph.most_open = max(graph.most_open, graph.open)
            if graph.latency:
                self._busy = True
                asyncio.get_running_loop().call_later(graph.latency, self._finish, answer)
            else:
                self._finish(answer)
            return
        if url.path == "/reset":
            graph.reset()
            if given := parse_qs(url.query).get("latency_ms"):
                graph.latency = float(given[0]) / 1000
        self._answer(json.dumps(graph.arrivals if url.path == "/arrivals" else graph.counts()).encode())

    def _finish(self, answer: bytes) -> None:
        self._graph.open -= 1
        self._busy = False
        self._answer(answer)

    def _answer(self, body: bytes) -> None:
        if self._transport is not None:
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            self._transport.write(head.encode() + body)
            self._next()


def _status(wamid: str, word: str, person: str, ours: str) -> dict[str, Any]:
    return {
        "id": wamid,
        "status": word,
        "timestamp": str(int(time.time())),
        "recipient_id": person,
        "biz_opaque_callback_data": ours,
    }


def receipt(url: str, secret: str, statuses: Sequence[dict[str, Any]]) -> bytes:
    """Return a signed webhook request that carries these statuses."""
    metadata = {"display_phone_number": "15550000001", "phone_number_id": NUMBER}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "statuses": list(statuses)}
    entry = {"id": "200000000000001", "changes": [{"field": "messages", "value": value}]}
    body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return post(url, body, {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={signature}"})


async def deliver(graph: Graph, url: str, secret: str, batch: int) -> None:
    """Post receipts for ever, over one connection; what is not acknowledged is posted again, as Meta does."""
    assert graph.updates is not None
    connection: Connection | None = None
    while True:
        statuses = [await graph.updates.get()]
        while len(statuses) < batch and not graph.updates.empty():
            statuses.append(graph.updates.get_nowait())
        request = receipt(url, secret, statuses)
        graph.receipts += len(statuses)
        while True:
            try:
                if connection is None or not connection.is_open:
                    connection = await connect(url)
                status, _ = await connection.ask(request)
            except (OSError, TimeoutError):
                status = 0
            if status == 200:
                break
            await asyncio.sleep(0.2)
        graph.acknowledged += len(statuses)


async def serve(given: argparse.Namespace) -> None:
    """Serve until standard input is closed."""
    graph = Graph(latency=given.latency_ms / 1000, updates=asyncio.Queue() if given.receipts else None)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Line(graph), "127.0.0.1", given.port, backlog=1024)
    couriers = [
        asyncio.create_task(deliver(graph, given.receipts, given.secret, given.batch))
        for _ in range(COURIERS if given.receipts else 0)
    ]
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    for courier in couriers:
        courier.cancel()
    server.close()


class MockGraph:
    """Runs it in a process of its own: ``with MockGraph(latency_ms=150) as graph: … graph.url``."""

    def __init__(self, *, latency_ms: float = 0.0, receipts: str = "", secret: str = "", batch: int = 1) -> None:
        self._arguments = ["--latency-ms", str(latency_ms), "--batch", str(batch)]
        if receipts:
            self._arguments += ["--receipts", receipts, "--secret", secret]
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def __enter__(self) -> MockGraph:
        argv = [sys.executable, "-m", "tests.benchmarks.mock_graph", *self._arguments]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(_pipe(self._process.stdout).readline())}"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        _pipe(self._process.stdin).close()
        self._process.wait(60)
        _pipe(self._process.stdout).close()

    @property
    def pid(self) -> int:
        """Its process id, for counting its CPU time apart."""
        assert self._process is not None
        return self._process.pid

    def arrivals(self) -> list[tuple[float, str, str]]:
        """What arrived: monotonic seconds, our message id, the recipient."""
        return [(at, ours, recipient) for at, ours, recipient in self._ask("/arrivals")]

    def counts(self) -> dict[str, int]:
        """How many arrived, how many were open at once, how many receipts went out."""
        found: dict[str, int] = self._ask("/counts")
        return found

    def reset(self, *, latency_ms: float) -> None:
        """Forget what arrived, and answer with this latency from now on."""
        self._ask(f"/reset?latency_ms={latency_ms}")

    def _ask(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return json.load(answer)


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--receipts", default="", help="the connector's webhook URL")
    parser.add_argument("--secret", default="")
    parser.add_argument("--batch", type=int, default=1)
    asyncio.run(serve(parser.parse_args()))
