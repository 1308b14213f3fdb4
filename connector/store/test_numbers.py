"""Numbers that test messages may go to: phones of whoever runs this, and of nobody else."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, func, select

from connector.store.dialect import insert_new
from connector.store.engine import Transaction
from connector.store.schema import test_number

_NUMBER = test_number.c


@dataclass(frozen=True, slots=True, kw_only=True)
class TestNumber:
    """A phone of the operator's."""

    __test__ = False
    phone: str = field(repr=False)
    """E.164"""
    name: str
    """Whose it is: ``Ada's phone``."""
    by: str
    added_at: datetime


def all_(tx: Transaction) -> list[TestNumber]:
    """Return the numbers, the oldest first."""
    query = select(test_number).order_by(_NUMBER.added_at, _NUMBER.phone)
    return [TestNumber(**row._mapping) for row in tx.execute(query)]


def add(tx: Transaction, number: TestNumber) -> bool:
    """Allow a number; False where it was allowed already."""
    row = {"phone": number.phone, "name": number.name, "by": number.by, "added_at": number.added_at}
    return bool(tx.execute(insert_new(tx, test_number), [row]).rowcount)


def remove(tx: Transaction, phone: str) -> bool:
    """Allow a number no longer; False where it was not allowed."""
    return bool(tx.execute(delete(test_number).where(_NUMBER.phone == phone)).rowcount)


def count(tx: Transaction) -> int:
    """Return how many there are."""
    return tx.scalar(select(func.count()).select_from(test_number)) or 0
