"""Write-backs as an operator sees them: listed, counted, put back to work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import case, func, select, update

from connector.model import AccountId
from connector.store import restraint
from connector.store.engine import Transaction
from connector.store.schema import account, wanted
from connector.store.wanted import Row

OPEN = ("failed", "waiting", "leased", "handed_over")
"""States of which somebody may want to know, in the order of the list."""

_C = wanted.c


def listing(
    tx: Transaction, account_id: AccountId | None = None, *, states: Sequence[str] = OPEN, most: int = 20
) -> list[Row]:
    """Return rows that are not done: the failed ones first, then those that are due soonest."""
    query = select(*(_C[name] for name in Row.__dataclass_fields__)).where(_C.state.in_(states))
    if account_id is not None:
        query = query.where(_C.account_id == account_id)
    order = case({state: place for place, state in enumerate(OPEN)}, value=_C.state)
    query = query.order_by(order, _C.not_before, _C.object, _C.record_id, _C.field, _C.item).limit(most)
    return [Row(**found._mapping) for found in tx.execute(query)]


def retry(tx: Transaction, at: datetime, account_id: AccountId | None = None, *, code: str = "") -> int:
    """Let failed rows be tried again at once, as if for the first time; return how many."""
    again = update(wanted).where(_C.state == "failed")
    if account_id is not None:
        again = again.where(_C.account_id == account_id)
    if code:
        again = again.where(_C.code == code)
    values = {"state": "waiting", "tries": 0, "not_before": at, "waiting_since": at, "code": "", "words": ""}
    return int(tx.execute(again.values(values)).rowcount)


def count(tx: Transaction) -> dict[AccountId, dict[str, int]]:
    """Count the rows that are not done, by account and state."""
    found: dict[AccountId, dict[str, int]] = {}
    # Two questions, as there are two indexes, and most rows are done.
    for states in (("waiting",), ("leased", "handed_over", "failed")):
        query = select(_C.account_id, _C.state, func.count()).where(_C.state.in_(states))
        for account_id, state, number in tx.execute(query.group_by(_C.account_id, _C.state)):
            found.setdefault(account_id, {})[state] = number
    return found


def oldest_due(tx: Transaction, at: datetime) -> datetime | None:
    """Return since when the longest due row of an account in use has been due; None where none is."""
    active = select(account.c.id).where(account.c.active.is_(True))
    query = select(func.min(_C.not_before)).where(_C.state == "waiting", _C.not_before <= at)
    found: datetime | None = tx.execute(query.where(_C.account_id.in_(active))).scalar()
    return found


def holding_back(tx: Transaction, at: datetime) -> dict[AccountId, restraint.Restraint]:
    """Return the accounts of which nothing is written for now, and why."""
    return {id_: held for id_, held in restraint.of_active(tx).items() if held.until > at}
