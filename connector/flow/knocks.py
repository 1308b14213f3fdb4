"""Who knocked at the webhook addresses lately without being let in: counted in memory, nothing of it is kept.

A vendor's first webhooks are often signed with another secret than the account's. They leave no trace in the
database, on purpose; so that somebody who connects an account sees them, the last one is remembered here. One
process knows what came to it: with several web processes, or after a restart, less is known than happened.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import datetime

from connector.model import AccountId, now

LONGEST = 300
"""Characters of the words that are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knock:
    """What came to one account's address."""

    refused: int = 0
    """Requests that proved no sender."""
    refused_at: datetime | None = None
    words: str = ""
    """Why the last one was refused; the adapter's words, which hold neither secrets nor what was sent."""
    greeted_at: datetime | None = None
    """When the vendor's set-up question was last answered."""


class Knocks:
    """Remembers one :class:`Knock` for each account; safe to use from many threads."""

    def __init__(self) -> None:
        self._known: dict[AccountId, Knock] = {}
        self._lock = threading.Lock()

    def refuse(self, account_id: AccountId, words: str) -> None:
        """Count a request that proved no sender."""
        with self._lock:
            known = self._known.get(account_id, Knock())
            told = " ".join(words.split())[:LONGEST]
            self._known[account_id] = replace(known, refused=known.refused + 1, refused_at=now(), words=told)

    def greet(self, account_id: AccountId, *, welcome: bool) -> None:
        """Remember that a set-up question was asked; ``welcome`` tells whether it was asked as agreed."""
        if not welcome:
            self.refuse(account_id, "The vendor's set-up question came with another verify token than the account's.")
            return
        with self._lock:
            self._known[account_id] = replace(self._known.get(account_id, Knock()), greeted_at=now())

    def of(self, account_id: AccountId) -> Knock:
        """Return what came to this account's address."""
        return self._known.get(account_id, Knock())
