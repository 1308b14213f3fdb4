"""Who knocked at the webhook addresses lately without being let in: counted, nothing of it is kept.

A vendor's first webhooks are often signed with another secret than the account's. They leave no trace in the
database, on purpose; so that somebody who connects an account sees them, the last one is remembered, where all
processes see it: one short entry an account, whatever is sent. Nobody who knocks waits for that. What comes is
noted in memory, and one thread writes it down: at most once in :data:`PAUSE`, however many knock in between.
While Redis is away each process knows what came to it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from connector.model import AccountId, now, parse_time

LONGEST = 300
"""Characters of the words that are remembered."""
PAUSE = 1.0
"""Seconds between two writes."""
KEEP_SECONDS = 7 * 24 * 3600
"""What nobody repeated for so long is forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knock:
    """What came to one account's address."""

    refused: int = 0
    """Requests that proved no sender, since nobody knocked for a week."""
    refused_at: datetime | None = None
    words: str = ""
    """Why the last one was refused; the adapter's words, which hold neither secrets nor what was sent."""
    greeted_at: datetime | None = None
    """When the vendor's set-up question was last answered."""


class Slate(Protocol):
    """Where all processes see it."""

    def add(self, key: str, count: int, words: Mapping[str, str]) -> bool:
        """Add to the count, and replace these words; False where that was not kept."""

    def read(self, key: str) -> tuple[int, dict[str, str]] | None:
        """Return count and words; None where they cannot be read."""


class Knocks:
    """Remembers one :class:`Knock` for each account; safe to use from many threads."""

    def __init__(self, slate: Slate) -> None:
        self._slate = slate
        self._here: dict[AccountId, Knock] = {}
        """What came to this process."""
        self._unwritten: dict[AccountId, Knock] = {}
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._ending = threading.Event()
        self._writer: threading.Thread | None = None

    def refuse(self, account_id: AccountId, words: str) -> None:
        """Count a request that proved no sender."""
        self._note(account_id, Knock(refused=1, refused_at=now(), words=" ".join(words.split())[:LONGEST]))

    def greet(self, account_id: AccountId, *, welcome: bool) -> None:
        """Remember that a set-up question was asked; ``welcome`` tells whether it was asked as agreed."""
        if welcome:
            self._note(account_id, Knock(greeted_at=now()))
        else:
            self.refuse(account_id, "The vendor's set-up question came with another verify token than the account's.")

    def of(self, account_id: AccountId) -> Knock:
        """Return what came to this account's address."""
        told = self._slate.read(account_id)
        with self._lock:
            if told is None:
                return self._here.get(account_id, Knock())
            late = self._unwritten.get(account_id, Knock())
        count, words = told
        shared = Knock(
            refused=count,
            refused_at=parse_time(words.get("refused_at", "")),
            words=words.get("words", ""),
            greeted_at=parse_time(words.get("greeted_at", "")),
        )
        return _joined(shared, late)

    def close(self) -> None:
        """Write down what was noted, and end the thread that does."""
        with self._lock:
            writer = self._writer
        if writer is not None:
            self._ending.set()
            self._news.set()
            writer.join()

    def _note(self, account_id: AccountId, knock: Knock) -> None:
        with self._lock:
            for kept in (self._here, self._unwritten):
                kept[account_id] = _joined(kept.get(account_id, Knock()), knock)
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="knocks", daemon=True)
                self._writer.start()
        self._news.set()

    def _write(self) -> None:
        """Write down what was noted, now and whenever there is more."""
        ended = False
        while not ended and self._news.wait():
            self._news.clear()
            ended = self._ending.is_set()
            with self._lock:
                found, self._unwritten = self._unwritten, {}
            for account_id, knock in found.items():
                if not self._slate.add(account_id, knock.refused, _told(knock)):
                    with self._lock:  # it is added to what comes next
                        self._unwritten[account_id] = _joined(knock, self._unwritten.get(account_id, Knock()))
            self._ending.wait(PAUSE)


def _joined(before: Knock, after: Knock) -> Knock:
    return replace(
        before,
        refused=before.refused + after.refused,
        refused_at=after.refused_at or before.refused_at,
        words=after.words or before.words,
        greeted_at=after.greeted_at or before.greeted_at,
    )


def _told(knock: Knock) -> dict[str, str]:
    told = {"words": knock.words}
    for name in ("refused_at", "greeted_at"):
        at: datetime | None = getattr(knock, name)
        told[name] = at.isoformat() if at else ""
    return {name: text for name, text in told.items() if text}
