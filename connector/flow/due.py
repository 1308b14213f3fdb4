"""When an account's chores are due: written by whoever did one, read by the clock on every tick.

A chore that was never done is due, and so is one that was last looked at before the account's settings
changed: what did not work may work now.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from connector.model import Account, AccountId, now
from connector.store import Transaction, marks

ASKED = timedelta(minutes=2)
"""A bell that nobody heard is rung again after so long."""


def due(tx: Transaction, chore: str, accounts: Iterable[Account]) -> list[AccountId]:
    """Return those of these accounts whose chore (``catch_up``, ``tend``) is due now. One query."""
    named = {_name(chore, account.id): account for account in accounts}
    known = marks.many(tx, list(named)) if named else {}
    at = now()
    found = []
    for name, account in named.items():
        value, written_at = known.get(name, ("", None))
        if written_at is None or written_at < account.updated_at or datetime.fromisoformat(value) <= at:
            found.append(account.id)
    return found


def set_due(tx: Transaction, chore: str, account_id: AccountId, at: datetime) -> None:
    """Say when a chore is due next."""
    marks.put(tx, _name(chore, account_id), at.isoformat())


def at(tx: Transaction, chore: str, account_id: AccountId) -> datetime | None:
    """Return when a chore is due next; None where it was never done."""
    value = marks.get(tx, _name(chore, account_id))
    return datetime.fromisoformat(value) if value else None


def _name(chore: str, account_id: AccountId) -> str:
    return f"due:{chore}:{account_id}"
