"""Small things to remember by name: when templates were last asked for, and the like."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete as delete_rows
from sqlalchemy import select

from connector.model import now
from connector.store.dialect import upsert
from connector.store.engine import Transaction
from connector.store.schema import mark


def put(tx: Transaction, name: str, value: str) -> None:
    """Remember a value, and when."""
    tx.execute(upsert(tx, mark, "value", "at"), [{"name": name, "value": value, "at": now()}])


def get(tx: Transaction, name: str) -> str | None:
    """Return what is remembered, or None."""
    row = tx.execute(select(mark.c.value).where(mark.c.name == name)).first()
    return row[0] if row else None


def at(tx: Transaction, name: str) -> datetime | None:
    """Return when it was put, or None."""
    row = tx.execute(select(mark.c.at).where(mark.c.name == name)).first()
    return row[0] if row else None


def many(tx: Transaction, names: Sequence[str]) -> dict[str, tuple[str, datetime]]:
    """Return those of these that are remembered: value, and when it was put."""
    rows = tx.execute(select(mark).where(mark.c.name.in_(names)))
    return {row.name: (row.value, row.at) for row in rows}


def delete(tx: Transaction, name: str) -> bool:
    """Forget it; tell whether there was something to forget."""
    return bool(tx.execute(delete_rows(mark).where(mark.c.name == name)).rowcount)
