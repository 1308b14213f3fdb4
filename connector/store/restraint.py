"""Restraint: until when an account's write-backs hold back, and why."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select

from connector.model import AccountId
from connector.store import marks
from connector.store.engine import Transaction
from connector.store.schema import account, mark

LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restraint:
    """How an account holds back."""

    until: datetime = LONG_AGO
    """Nothing at all is asked of the vendor before: it is down, or our quota is used up."""
    failures: int = 0
    """Calls in a row that came to nothing."""
    words: str = ""
    """What the vendor said."""
    rest_until: datetime = LONG_AGO
    """No call for fewer than ``most`` records before: calls are counted, and full ones cost no more."""
    most: int = 1


def of(tx: Transaction, account_id: AccountId) -> Restraint:
    """Return how an account holds back. Since its settings changed, not at all: what failed may work now."""
    return _read(tx, account_id).get(account_id, Restraint())


def of_active(tx: Transaction) -> dict[AccountId, Restraint]:
    """Return how each account in use holds back."""
    return _read(tx)


def _read(tx: Transaction, only: AccountId | None = None) -> dict[AccountId, Restraint]:
    name = _name("") + account.c.id
    query = select(account.c.id, account.c.updated_at, mark.c.value, mark.c.at)
    query = query.select_from(account.outerjoin(mark, mark.c.name == name)).order_by(account.c.id)
    query = query.where(account.c.id == only if only else account.c.active.is_(True))
    return {
        row.id: _parse(row.value) if row.value and row.at >= row.updated_at else Restraint()
        for row in tx.execute(query)
    }


def put(tx: Transaction, account_id: AccountId, held: Restraint) -> None:
    """Remember how an account holds back."""
    values = [held.until.timestamp(), held.failures, held.words, held.rest_until.timestamp(), held.most]
    marks.put(tx, _name(account_id), json.dumps(values))


def lift(tx: Transaction, account_id: AccountId) -> None:
    """Hold back no longer."""
    marks.delete(tx, _name(account_id))


def _parse(text: str) -> Restraint:
    until, failures, words, rest_until, most = json.loads(text)
    return Restraint(
        until=datetime.fromtimestamp(until, UTC),
        failures=failures,
        words=words,
        rest_until=datetime.fromtimestamp(rest_until, UTC),
        most=most,
    )


def _name(account_id: str) -> str:
    return f"write_back:{account_id}"
