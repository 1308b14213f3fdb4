"""Webhooks that the shop's own changes fire: signed, in time or scattered, and again where nobody took them."""

from __future__ import annotations

import heapq
import itertools
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from connector.sandbox.chance import draw
from connector.sandbox.deliveries import Sender, headers_of
from connector.sandbox.line import Line
from connector.sandbox.rounds import Rounds
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


class Postman(Rounds[PostCount]):
    """Posts webhooks in the order of their moments; one thread."""

    def __init__(self, knobs: Callable[[], ShopKnobs], sender: Callable[[], Sender]) -> None:
        super().__init__("sandbox-shop", PostCount)
        self._knobs = knobs
        self._sender = sender
        self._turn = itertools.count(1)
        self._heap: list[_Letter] = []

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

    def _clear(self) -> None:
        self._heap.clear()

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
