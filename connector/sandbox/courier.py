"""Carries receipts to the webhook: on time, in batches, signed, and again where nobody took them."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from connector.sandbox.behaviour import Behaviour
from connector.sandbox.line import Line
from connector.sandbox.receipts import Update, signature, statuses_body

_ATTEMPTS = 40
"""Then a webhook is dropped; with the waits below that is after about three minutes."""
_FIRST_WAIT = 0.25
_LONGEST_WAIT = 5.0
_WINDOW = 0.01
"""Seconds: what is due that soon goes along, so that a crowd of receipts becomes few webhooks."""


@dataclass(slots=True)
class Count:
    """How the receipts (and the news about templates) fared, counted singly."""

    planned: int = 0
    posted: int = 0
    dropped: int = 0
    refused: int = 0
    """Posts that were not answered with 200 (and were tried again)."""
    webhooks: int = 0
    """Posts that were."""

    @property
    def pending(self) -> int:
        """Return how many are still to be delivered."""
        return max(0, self.planned - self.posted - self.dropped)


@dataclass(slots=True)
class _Parcel:
    updates: Sequence[Update]
    body: bytes = b""
    """Made once, at the first try: a retry repeats the same bytes."""
    tries: int = 0

    @property
    def size(self) -> int:
        return len(self.updates) or 1


class Courier:
    """Some lanes, each a thread with its own connection; what is about one recipient stays in one lane."""

    def __init__(self, behaviour: Callable[[], Behaviour], lanes: int = 4) -> None:
        self._behaviour = behaviour
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._count = Count()
        self._lanes = [_Lane(self, index) for index in range(lanes)]

    def start(self) -> None:
        """Start the lanes."""
        for lane in self._lanes:
            lane.thread.start()

    def stop(self) -> None:
        """Stop the lanes; what is still to be delivered is forgotten."""
        for lane in self._lanes:
            lane.stop()
        for lane in self._lanes:
            lane.thread.join()

    def plan(self, recipient: str, updates: Sequence[tuple[float, Update]]) -> None:
        """Deliver each update when its moment (of ``time.monotonic``) has come."""
        with self._lock:
            self._count.planned += len(updates)
        self._lane_of(recipient).put([(due, _Parcel((update,))) for due, update in updates])

    def say(self, body: bytes) -> None:
        """Deliver a whole webhook as soon as may be: news about templates."""
        with self._lock:
            self._count.planned += 1
        self._lanes[0].put([(time.monotonic(), _Parcel((), body))])

    def deliver(self, recipient: str, due: float, body: bytes) -> None:
        """Deliver a whole webhook about one person when its moment (of ``time.monotonic``) has come."""
        with self._lock:
            self._count.planned += 1
        self._lane_of(recipient).put([(due, _Parcel((), body))])

    def _lane_of(self, recipient: str) -> _Lane:
        return self._lanes[zlib.crc32(recipient.encode()) % len(self._lanes)]

    def forget(self) -> None:
        """Drop what is pending, and start counting anew."""
        for lane in self._lanes:
            lane.clear()
        with self._idle:
            self._count = Count()
            self._idle.notify_all()

    @property
    def count(self) -> Count:
        """Return the counts as they are now."""
        with self._lock:
            return replace(self._count)

    def settled(self, timeout: float) -> bool:
        """Wait until nothing is pending; tell whether that came to be within ``timeout`` seconds."""
        with self._idle:
            return self._idle.wait_for(lambda: self._count.pending == 0, timeout)

    def post(self, line: Line | None, body: bytes) -> int:
        """Post one signed webhook now; return the status. Raises OSError."""
        behaviour = self._behaviour()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "facebookexternalua",
            "X-Hub-Signature-256": signature(behaviour.app_secret.reveal(), body),
        }
        if line is not None:
            return line.post(body, headers)
        with Line(behaviour.webhook_url) as fresh:
            return fresh.post(body, headers)

    def done(self, parcel: _Parcel, *, taken: bool) -> None:
        """Count a parcel that was taken, or given up."""
        with self._idle:
            if taken:
                self._count.posted += parcel.size
                self._count.webhooks += 1
            else:
                self._count.dropped += parcel.size
            self._idle.notify_all()
        for one in parcel.updates:
            if one.posted is not None:
                one.posted.set()

    def refused(self) -> None:
        """Count a post that nobody took."""
        with self._lock:
            self._count.refused += 1

    def batch(self) -> int:
        """Return how many receipts go into one webhook at most."""
        return self._behaviour().batch

    def url(self) -> str:
        """Return where webhooks go."""
        return self._behaviour().webhook_url


class _Lane:
    """A heap of parcels by moment, and the thread that carries them."""

    def __init__(self, courier: Courier, index: int) -> None:
        self._courier = courier
        self._heap: list[tuple[float, int, _Parcel]] = []
        self._turn = itertools.count()
        self._news = threading.Condition()
        self._closing = False
        self.thread = threading.Thread(target=self._run, name=f"sandbox-receipts-{index}", daemon=True)

    def put(self, parcels: Sequence[tuple[float, _Parcel]]) -> None:
        with self._news:
            for due, parcel in parcels:
                heapq.heappush(self._heap, (due, next(self._turn), parcel))
            self._news.notify()

    def clear(self) -> None:
        with self._news:
            self._heap.clear()

    def stop(self) -> None:
        with self._news:
            self._closing = True
            self._news.notify()

    def _run(self) -> None:
        line: Line | None = None
        url = ""
        while (parcel := self._next()) is not None:
            if line is None or url != self._courier.url():
                if line is not None:
                    line.close()
                url = self._courier.url()
                line = Line(url) if url else None
            self._carry(line, parcel)
        if line is not None:
            line.close()

    def _next(self) -> _Parcel | None:
        """Wait for what is due; fresh receipts are put into one parcel, a retry goes by itself."""
        with self._news:
            while not self._closing:
                wait = self._heap[0][0] - time.monotonic() if self._heap else None
                if wait is not None and wait <= 0:
                    return self._collect()
                self._news.wait(wait)
        return None

    def _collect(self) -> _Parcel:
        first = heapq.heappop(self._heap)[2]
        if first.body:
            return first
        updates = list(first.updates)
        room, now = self._courier.batch(), time.monotonic() + _WINDOW
        while self._heap and self._heap[0][0] <= now and not self._heap[0][2].body and len(updates) < room:
            updates += heapq.heappop(self._heap)[2].updates
        return _Parcel(updates)

    def _carry(self, line: Line | None, parcel: _Parcel) -> None:
        if line is None:
            self._courier.done(parcel, taken=False)
            return
        parcel.body = parcel.body or statuses_body(parcel.updates)
        try:
            taken = self._courier.post(line, parcel.body) == 200
        except OSError:
            taken = False
        if taken:
            self._courier.done(parcel, taken=True)
            return
        parcel.tries += 1
        self._courier.refused()
        if parcel.tries >= _ATTEMPTS:
            self._courier.done(parcel, taken=False)
            return
        wait = min(_FIRST_WAIT * 2 ** (parcel.tries - 1), _LONGEST_WAIT)
        self.put([(time.monotonic() + wait, parcel)])
