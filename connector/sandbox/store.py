"""A shop that posts signed webhooks the way Shopify does, and counts what became of them.

Five seconds for an answer, any 2xx counts, else the same delivery (same webhook id) again, at most eight
more times; Shopify stretches these over four hours, the sandbox over seconds.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from connector.errors import ConfigurationError
from connector.model import Secret
from connector.sandbox.deliveries import Delivery, Kind, Mix, Sender, deliveries
from connector.sandbox.line import Line
from connector.sandbox.loopback import loopback_url
from connector.sandbox.orders import SHOP

TIMEOUT = 5.0
ATTEMPTS = 9
_FIRST_WAIT = 0.2
_LONGEST_WAIT = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Genuine posts of one topic, by the orders they are about."""

    usable: int = 0
    unusable: int = 0
    """No phone number that can be reached."""
    test: int = 0
    """Of the usable ones, those about test orders, which the shipped recipes leave out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What was posted, what was answered, and what must follow from it."""

    total: int
    acknowledged: Mapping[str, int]
    """Kind -> posts answered with 2xx."""
    refused: int
    """Forged posts answered with 401."""
    undelivered: int
    """Genuine posts and duplicates that were given up."""
    retries: int
    statuses: Mapping[int, int]
    """Every answer by its status; 0: none."""
    expected_messages: int
    """Genuine posts about orders that can be reached.

    One message each, where one recipe speaks of each topic, no topic of the mix calls off another's, and
    none of the orders is a test (``by_topic`` counts those).
    """
    expected_skips: int
    """Genuine posts about orders that cannot be reached."""
    by_topic: Mapping[str, Tally]
    usable: Sequence[str] = field(repr=False)
    """Names of orders that can be reached."""
    unusable: Sequence[str] = field(repr=False)
    """Names of orders that cannot."""
    forged: Sequence[str] = field(repr=False)
    """Names that only forged posts bear: none of them may ever appear."""
    seconds: float
    """How long posting took."""
    latency_ms: Mapping[str, float]
    """``p50``, ``p95``, ``p99`` of all answers."""

    @property
    def ok(self) -> bool:
        """Tell whether every genuine post was taken and every forged one refused."""
        return not self.undelivered and not self.acknowledged.get(Kind.FORGED, 0)

    def as_json(self) -> dict[str, Any]:
        """Return it for a program to read, without the lists of names."""
        document = asdict(self) | {"ok": self.ok}
        return {name: value for name, value in document.items() if name not in ("usable", "unusable", "forged")}


def post(
    url: str,
    *,
    secret: Secret | str,
    shop: str = SHOP,
    mix: Mix | None = None,
    seed: int = 1,
    connections: int = 8,
    rate: float | None = None,
    at: datetime | None = None,
    progress: Callable[[Kind], None] | None = None,
) -> Posted:
    """Post a mix of webhooks to ``url`` and wait for all answers.

    ``connections``: how many are kept open at once. ``rate``: at most this many orders begun a second.
    ``progress``: called for each post when it is done with, from many threads.
    Raises ConfigurationError for a URL that is not of this machine.
    """
    loopback_url(url)
    if not 1 <= connections <= 256:
        raise ConfigurationError("connections must be from 1 to 256.")
    mix = mix or Mix()
    sender = Sender(shop, secret if isinstance(secret, Secret) else Secret(secret))
    lanes = deliveries(mix, sender, seed=seed, at=at)
    run = _Run(url, lanes, rate, progress)
    started = time.monotonic()
    threads = [
        threading.Thread(target=run.work, name=f"sandbox-store-{n}") for n in range(min(connections, len(lanes)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return run.report(time.monotonic() - started)


class _Run:
    """One run: lanes are taken one after the other by a few threads, each with its own connection."""

    def __init__(
        self,
        url: str,
        lanes: Sequence[Sequence[Delivery]],
        rate: float | None,
        progress: Callable[[Kind], None] | None,
    ) -> None:
        self._url = url
        self._lanes = lanes
        self._rate = rate
        self._progress = progress
        self._lock = threading.Lock()
        self._next = 0
        self._started = time.monotonic()
        self._taken: Counter[str] = Counter()
        self._refused = self._undelivered = self._retries = 0
        self._statuses: Counter[int] = Counter()
        self._latencies: list[float] = []

    def work(self) -> None:
        """Post lane after lane until none is left."""
        with Line(self._url, timeout=TIMEOUT) as line:
            while (place := self._take()) < len(self._lanes):
                if self._rate:
                    time.sleep(max(0.0, self._started + place / self._rate - time.monotonic()))
                for delivery in self._lanes[place]:
                    self._deliver(line, delivery)
                    if self._progress is not None:
                        self._progress(delivery.kind)

    def _take(self) -> int:
        with self._lock:
            self._next += 1
            return self._next - 1

    def _deliver(self, line: Line, delivery: Delivery) -> None:
        for attempt in range(ATTEMPTS):
            status = self._once(line, delivery)
            if 200 <= status < 300:
                with self._lock:
                    self._taken[delivery.kind] += 1
                return
            if status == 401 and delivery.kind is Kind.FORGED:
                with self._lock:
                    self._refused += 1
                return
            if attempt + 1 < ATTEMPTS:
                with self._lock:
                    self._retries += 1
                time.sleep(min(_FIRST_WAIT * 2**attempt, _LONGEST_WAIT))
        if delivery.kind is not Kind.FORGED:
            with self._lock:
                self._undelivered += 1

    def _once(self, line: Line, delivery: Delivery) -> int:
        started = time.monotonic()
        try:
            status = line.post(delivery.body, delivery.headers)
        except OSError:
            status = 0
        with self._lock:
            self._latencies.append(time.monotonic() - started)
            self._statuses[status] += 1
        return status

    def report(self, seconds: float) -> Posted:
        """Put the counts together."""
        genuine = [delivery for lane in self._lanes for delivery in lane if delivery.kind is Kind.GENUINE]
        reachable = [delivery for delivery in genuine if delivery.order.usable]
        others = [delivery for delivery in genuine if not delivery.order.usable]
        forged = [delivery for lane in self._lanes for delivery in lane if delivery.kind is Kind.FORGED]
        return Posted(
            total=sum(map(len, self._lanes)),
            acknowledged={kind.value: self._taken[kind] for kind in Kind},
            refused=self._refused,
            undelivered=self._undelivered,
            retries=self._retries,
            statuses=dict(sorted(self._statuses.items())),
            expected_messages=len(reachable),
            expected_skips=len(others),
            by_topic=_by_topic(genuine),
            usable=_names(reachable),
            unusable=_names(others),
            forged=_names(forged),
            seconds=round(seconds, 3),
            latency_ms={f"p{share}": _percentile(self._latencies, share) for share in (50, 95, 99)},
        )


def _by_topic(genuine: Sequence[Delivery]) -> dict[str, Tally]:
    counts: Counter[tuple[str, str]] = Counter()
    for delivery in genuine:
        order = delivery.order
        counts[delivery.topic, "usable" if order.usable else "unusable"] += 1
        counts[delivery.topic, "test"] += order.usable and order.payload["test"]
    return {
        topic: Tally(**{word: counts[topic, word] for word in ("usable", "unusable", "test")})
        for topic in dict.fromkeys(delivery.topic for delivery in genuine)
    }


def _names(found: Sequence[Delivery]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(delivery.order.name for delivery in found))


def _percentile(seconds: Sequence[float], share: int) -> float:
    if not seconds:
        return 0.0
    ranked = sorted(seconds)
    return round(ranked[min(len(ranked) - 1, len(ranked) * share // 100)] * 1000, 2)
