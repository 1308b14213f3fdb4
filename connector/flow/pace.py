"""Pace: how many messages may leave now."""

from __future__ import annotations

import time
from collections.abc import Callable

BURST_SECONDS = 0.1
SLOWEST = 0.02
RECOVERY_PER_SECOND = 0.1


class Pace:
    """A token bucket that halves its rate when the channel says it is too fast, and recovers slowly."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        """``rate`` is in messages a second."""
        self._full = rate
        self._clock = clock
        self._share = 1.0
        self._room = max(1.0, rate * BURST_SECONDS)
        self._at = clock()
        self._slowed_at = float("-inf")

    @property
    def rate(self) -> float:
        """The present rate, in messages a second."""
        return self._full * self._share

    def take(self, wanted: int) -> int:
        """Return how many of ``wanted`` may leave now."""
        at = self._clock()
        passed, self._at = at - self._at, at
        self._share = min(1.0, self._share + passed * RECOVERY_PER_SECOND)
        self._room = min(max(1.0, self.rate * BURST_SECONDS), self._room + passed * self.rate)
        given = min(wanted, int(self._room))
        self._room -= given
        return given

    def put_back(self, unused: int) -> None:
        """Return tokens that were taken and not needed."""
        self._room += unused

    def slow_down(self) -> None:
        """Halve the rate, at most once a second: one refusal is not a hundred."""
        at = self._clock()
        if at - self._slowed_at >= 1.0:
            self._slowed_at = at
            self._share = max(SLOWEST, self._share / 2)
            self._room = 0.0
