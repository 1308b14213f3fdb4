"""Webhooks that the shop's own changes fire: signed, in time or scattered, and again where nobody took them."""

from __future__ import annotations

import heapq
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from connector.sandbox.chance import draw
from connector.sandbox.deliveries import Sender, headers_of
from connector.sandbox.line import Line
from connector.sandbox.shopify.knobs import ShopKnobs

_ATTEMPTS = 9
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 5.0


@dataclass(slots=True)
class PostCount:
    """How the webhooks fared."""

    planned: int = 0
    posted: int = 0
    dropped: int = 0
    refused: int = 0
    """Posts that were not answered with 2xx (and were tried again)."""

    @property
    def pending(self) -> int:
        """Return how many are still to be taken."""
        return self.planned - self.posted - self.dropped


@dataclass(order=True, slots=True)
class _Letter:
    due: float
    turn: int
    url: str = field(compare=False)
    body: bytes = field(compare=False)
    headers: dict[str, str] = field(compare=False)
    tries: int = field(default=0, compare=False)


class Postman:
    """Posts webhooks in the order of their moments; one thread."""

    def __init__(self, knobs: Callable[[], ShopKnobs], sender: Callable[[], Sender]) -> None:
        self._knobs = knobs
        self._sender = sender
        self._turn = itertools.count(1)
        self._news = threading.Condition()
        self._heap: list[_Letter] = []
        self._count = PostCount()
        self._closing = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start posting."""
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="sandbox-shop", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop posting; what is pending is forgotten."""
        with self._news:
            self._closing = True
            self._news.notify_all()
        if self._thread is not None:
            self._thread.join()

    def send(self, topic: str, payload: Any, urls: Iterable[str]) -> None:
        """Post a webhook to each of these URLs."""
        knobs, sender = self._knobs(), self._sender()
        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
        with self._news:
            for url in urls:
                turn = next(self._turn)
                headers = headers_of(
                    topic, sender, sender.signature(body), (knobs.seed, "change", turn, time.time_ns())
                )
                due = time.monotonic() + draw(knobs.seed, "scatter", turn) * knobs.scatter_ms / 1000
                twice = draw(knobs.seed, "twice", turn) < knobs.duplicates
                for again in range(2 if twice else 1):
                    heapq.heappush(self._heap, _Letter(due + again * 0.05, turn, url, body, headers))
                    self._count.planned += 1
            self._news.notify_all()

    @property
    def count(self) -> PostCount:
        """Return the counts as they are now."""
        with self._news:
            return replace(self._count)

    def settled(self, timeout: float) -> bool:
        """Wait until nothing is pending; tell whether that came to be within ``timeout`` seconds."""
        with self._news:
            return self._news.wait_for(lambda: self._count.pending == 0, timeout)

    def forget(self) -> None:
        """Drop what is pending, and start counting anew."""
        with self._news:
            self._heap.clear()
            self._count = PostCount()
            self._news.notify_all()

    def _run(self) -> None:
        lines: dict[str, Line] = {}
        while (letter := self._next()) is not None:
            line = lines.setdefault(letter.url, Line(letter.url))
            try:
                taken = 200 <= line.post(letter.body, letter.headers) < 300
            except OSError:
                taken = False
            self._done(letter, taken=taken)
        for line in lines.values():
            line.close()

    def _next(self) -> _Letter | None:
        with self._news:
            while not self._closing:
                wait = self._heap[0].due - time.monotonic() if self._heap else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._heap)
                self._news.wait(wait)
        return None

    def _done(self, letter: _Letter, *, taken: bool) -> None:
        with self._news:
            letter.tries += 1
            if taken:
                self._count.posted += 1
            elif letter.tries >= _ATTEMPTS:
                self._count.dropped += 1
            else:
                self._count.refused += 1
                letter.due = time.monotonic() + min(_FIRST_WAIT * 2 ** (letter.tries - 1), _LONGEST_WAIT)
                heapq.heappush(self._heap, letter)
            self._news.notify_all()
