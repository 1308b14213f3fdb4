"""The shop's query budget: a bucket of points that runs full again with time."""

from __future__ import annotations

import threading
import time
from typing import Any

from connector.sandbox.shopify.knobs import ShopKnobs


class Bucket:
    """Points that are left; safe to use from many threads."""

    def __init__(self, size: float) -> None:
        self._lock = threading.Lock()
        self._left = size
        self._at = time.monotonic()

    def take(self, requested: float, knobs: ShopKnobs) -> bool:
        """Take what a query may cost; tell whether it was there."""
        with self._lock:
            self._refill(knobs)
            if knobs.throttled or requested > self._left:
                return False
            self._left -= requested
            return True

    def give_back(self, points: float, knobs: ShopKnobs) -> None:
        """Give back what a query was priced at beyond what it cost."""
        with self._lock:
            self._refill(knobs)
            self._left = min(knobs.bucket, self._left + points)

    def cost(self, requested: float, actual: float | None, knobs: ShopKnobs) -> dict[str, Any]:
        """Return what ``extensions.cost`` tells."""
        with self._lock:
            self._refill(knobs)
            left = 0.0 if knobs.throttled else self._left
        return {
            "requestedQueryCost": round(requested),
            "actualQueryCost": None if actual is None else round(actual),
            "throttleStatus": {
                "maximumAvailable": knobs.bucket, "currentlyAvailable": int(left), "restoreRate": knobs.restore,
            },
        }  # fmt: skip

    def _refill(self, knobs: ShopKnobs) -> None:
        moment = time.monotonic()
        self._left = min(knobs.bucket, self._left + (moment - self._at) * knobs.restore)
        self._at = moment
