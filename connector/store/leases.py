"""Leases: who may do what only one may do at a time, and until when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import delete, or_, select, update

from connector.model import now
from connector.store.dialect import insert_new
from connector.store.engine import Transaction
from connector.store.schema import lease


def acquire(
    tx: Transaction, name: str, owner: str, seconds: float, *, is_dead: Callable[[str], bool] = lambda owner: False
) -> bool:
    """Take or prolong a lease; False where somebody else holds it who is not known to be dead."""
    at = now()
    if (other := holder(tx, name)) not in ("", owner) and is_dead(other):
        release(tx, name, other)
    until = at + timedelta(seconds=seconds)
    taken = tx.execute(
        update(lease)
        .where(lease.c.name == name, or_(lease.c.owner == owner, lease.c.until < at))
        .values(owner=owner, until=until)
    )
    if taken.rowcount:
        return True
    return bool(tx.execute(insert_new(tx, lease), [{"name": name, "owner": owner, "until": until}]).rowcount)


def release(tx: Transaction, name: str, owner: str) -> None:
    """Give a lease back, if it is still ours."""
    tx.execute(delete(lease).where(lease.c.name == name, lease.c.owner == owner))


def holder(tx: Transaction, name: str) -> str:
    """Return who holds a lease now, or ``""``."""
    row = tx.execute(select(lease.c.owner).where(lease.c.name == name, lease.c.until >= now())).first()
    return row[0] if row else ""
