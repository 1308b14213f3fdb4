"""The shop's next order: counted on from the last one, after a restart too where a file keeps the count."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

from connector.model import now
from connector.sandbox.orders import Order, one_order
from connector.sandbox.people import People


class Till:
    """Makes orders of people who can be reached, other ones each time it is started; no number comes twice."""

    def __init__(self, shop: str, file: Path | None = None) -> None:
        """``file`` keeps how many orders there were; None: they are numbered from the beginning."""
        self._shop = shop
        self._file = file
        self._season = time.time_ns()
        self._people = People(self._season)
        self._lock = threading.Lock()
        self._sold = 0
        if file is not None:
            with contextlib.suppress(OSError, ValueError):  # there is none yet, or it is of no use
                self._sold = max(0, int(file.read_text("ascii")[:18]))

    def sell(self, at_least: int = 0) -> Order:
        """Make the next order; ``at_least`` so many have been placed before."""
        with self._lock:
            place = max(self._sold, at_least)
            self._sold = place + 1
            if self._file is not None:
                fresh = self._file.with_name(f"{self._file.name}.{os.getpid()}")
                fresh.write_text(str(self._sold), "ascii")
                fresh.replace(self._file)
            return one_order(self._season, place, self._people, shop=self._shop, at=now())
