"""What whoever posts by itself has in common: a thread of its own, counts, and being waited for."""

from __future__ import annotations

import copy
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Counted(Protocol):
    """How what was to be posted fared."""

    @property
    def pending(self) -> int:
        """Return how many are still to be taken."""


Count = TypeVar("Count", bound=Counted)


class Rounds(ABC, Generic[Count]):
    """Posts what is due, and posts it again; one thread. ``_news`` guards all that changes."""

    def __init__(self, name: str, count: Callable[[], Count]) -> None:
        self._name = name
        self._fresh = count
        self._news = threading.Condition()
        self._count = count()
        self._closing = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start posting."""
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop posting; what is pending is not posted any more."""
        with self._news:
            self._closing = True
            self._news.notify_all()
        if self._thread is not None:
            self._thread.join()

    @property
    def count(self) -> Count:
        """Return the counts as they are now."""
        with self._news:
            return copy.copy(self._count)

    def settled(self, timeout: float) -> bool:
        """Wait until nothing is pending; tell whether that came to be within ``timeout`` seconds."""
        with self._news:
            return self._news.wait_for(lambda: self._count.pending == 0, timeout)

    def forget(self) -> None:
        """Drop what is pending, and start counting anew."""
        with self._news:
            self._clear()
            self._count = self._fresh()
            self._news.notify_all()

    @abstractmethod
    def _run(self) -> None:
        """Post until ``_closing``."""

    @abstractmethod
    def _clear(self) -> None:
        """Drop what waits."""
