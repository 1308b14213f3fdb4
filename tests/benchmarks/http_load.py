"""A bounded load of ready-made requests on a server of this machine, over connections that stay open.

Closed loop: each connection sends its next request when the answer to the last one is there. Everything is
built and signed before the clock starts. Only loopback addresses are served.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from connector.contract import is_loopback

TIMEOUT = 30.0
"""Seconds for one answer."""


@dataclass(frozen=True)
class Load:
    """What came of a load; times in seconds."""

    seconds: float
    times: tuple[float, ...] = field(repr=False)
    """One a request that was answered, sorted."""
    statuses: dict[int, int]
    broken: int = 0
    """Requests whose connection broke or took too long."""

    @property
    def per_second(self) -> float:
        """Answered requests a second."""
        return len(self.times) / self.seconds if self.seconds else 0.0

    def percentile(self, percent: float) -> float:
        """The time within which this share of the requests was answered."""
        return percentile(self.times, percent)


def percentile(times: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile of sorted times; 0.0 where there are none."""
    if not times:
        return 0.0
    rank = -(-len(times) * percent // 100)
    return times[max(0, min(len(times), int(rank)) - 1)]


def post(url: str, body: bytes, headers: dict[str, str]) -> bytes:
    """Return the bytes of a POST request."""
    parts = urlsplit(url)
    lines = [f"POST {parts.path or '/'}{'?' + parts.query if parts.query else ''} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


class Connection(asyncio.Protocol):
    """One connection that stays open; sends one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError("the server closed the connection"))
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found or self._answer is None or self._answer.done():
            return
        length = _length(head)
        if len(body) >= length:
            self._buffer = body[length:]
            self._answer.set_result((int(head[9:12]), body[:length]))

    @property
    def is_open(self) -> bool:
        """Whether another request may be sent."""
        return self._transport is not None

    async def ask(self, request: bytes, timeout: float = TIMEOUT) -> tuple[int, bytes]:
        """Send a request and return the answer's status and body. Raises OSError or TimeoutError."""
        if self._transport is None:
            raise ConnectionResetError("the connection is closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            async with asyncio.timeout(timeout):
                return await self._answer
        except TimeoutError:
            self.close()
            raise

    def close(self) -> None:
        """Close it."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None


def _length(head: bytes) -> int:
    lower = head.lower()
    at = lower.find(b"\r\ncontent-length:")
    if at < 0:
        if b"\r\ntransfer-encoding:" in lower:
            raise ValueError("a server under test must say how long its answers are")
        return 0
    return int(lower[at + 17 :].partition(b"\r\n")[0])


async def connect(url: str) -> Connection:
    """Open a connection. Raises ValueError for an address that is not on this machine."""
    parts = urlsplit(url)
    if not parts.hostname or not is_loopback(parts.hostname):
        raise ValueError(f"{url} is not on this machine; loads are for loopback addresses only")
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, parts.hostname, parts.port or 80)
    return connection


async def press(url: str, requests: Sequence[bytes], connections: int, within: float) -> Load:
    """Send every request once, over this many connections; stop after ``within`` seconds."""
    waiting = iter(requests)
    times: list[float] = []
    statuses: Counter[int] = Counter()
    broken = 0
    opened = [await connect(url) for _ in range(connections)]
    start = time.perf_counter()

    async def work(connection: Connection) -> None:
        nonlocal broken
        for request in waiting:
            began = time.perf_counter()
            if began - start > within:
                break
            try:
                if not connection.is_open:
                    connection = await connect(url)
                status, _ = await connection.ask(request)
            except (OSError, TimeoutError):
                broken += 1
                continue
            times.append(time.perf_counter() - began)
            statuses[status] += 1
        connection.close()

    await asyncio.gather(*map(work, opened))
    return Load(time.perf_counter() - start, tuple(sorted(times)), dict(statuses), broken)


Build = Callable[[], Sequence[bytes]]
"""Makes the requests; must be importable by name (a ``functools.partial`` of a module's function is)."""


def load(url: str, build: Build, *, connections: int = 32, warm: int = 0, within: float = 60.0) -> Load:
    """Build the requests in a process of its own, and send them; the first ``warm`` are not measured."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_load, (url, build, connections, warm, within))


def _load(url: str, build: Build, connections: int, warm: int, within: float) -> Load:
    requests = build()

    async def run() -> Load:
        if warm:
            await press(url, requests[:warm], connections, within)
        return await press(url, requests[warm:], connections, within)

    return asyncio.run(run())


def table(rows: Sequence[tuple[str, Load]]) -> Iterator[str]:
    """Lines for people: what, requests a second, and the usual percentiles in milliseconds."""
    yield f"{'':28}{'per second':>12}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}  answers"
    for name, done in rows:
        shown = "".join(f"{done.percentile(percent) * 1000:9.1f}" for percent in (50, 95, 99))
        broken = f", {done.broken} broken" if done.broken else ""
        yield f"{name:28}{done.per_second:12.0f}{shown}  {done.statuses}{broken}"
