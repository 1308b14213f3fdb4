"""What the stand-in has seen: the counts a trial is judged by."""

from __future__ import annotations

import threading
from collections import Counter, deque
from typing import Any

from connector.sandbox.receipts import Accepted

_KEPT = 2000
_SHOWN = 50


class Ledger:
    """Counts and the last messages; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        with self._lock:
            self._tries: Counter[str] = Counter()
            self._templates: Counter[str] = Counter()
            self._keys: Counter[str] = Counter()
            self._codes: Counter[str] = Counter()
            self._once: set[str] = set()
            self._last: deque[dict[str, Any]] = deque(maxlen=_KEPT)
            self._accepted = self._unkeyed = 0

    def tried(self, recipient: str) -> int:
        """Count a send to this recipient; return the how-manieth it is."""
        with self._lock:
            self._tries[recipient] += 1
            return self._tries[recipient]

    def first_time(self, what: str) -> bool:
        """Tell, once for each ``what``, that it is the first time."""
        with self._lock:
            new = what not in self._once
            self._once.add(what)
            return new

    def refused(self, code: str) -> None:
        """Count a send that was not accepted."""
        with self._lock:
            self._codes[code] += 1

    def accepted(self, message: Accepted, request: dict[str, Any]) -> None:
        """Count a message, and keep it among the last ones."""
        with self._lock:
            self._accepted += 1
            self._templates[message.template or "(text)"] += 1
            if message.key:
                self._keys[message.key] += 1
            else:
                self._unkeyed += 1
            self._last.append({"id": message.wamid, "body": message.body, "request": request})

    def last(self, limit: int) -> list[dict[str, Any]]:
        """Return the newest messages, newest first: id, the text as read, and the request as it came."""
        with self._lock:
            return list(self._last)[::-1][:limit]

    def stats(self) -> dict[str, Any]:
        """Return the counts as JSON."""
        with self._lock:
            doubled = {key: count for key, count in self._keys.items() if count > 1}
            return {
                "accepted": self._accepted,
                "unique": len(self._keys) + self._unkeyed,
                "duplicates": sum(doubled.values()) - len(doubled),
                "duplicated": sorted(doubled)[:_SHOWN],
                "unkeyed": self._unkeyed,
                "by_template": dict(sorted(self._templates.items())),
                "refused": dict(sorted(self._codes.items())),
            }
