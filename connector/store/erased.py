"""All that is kept of an erased person: hashes that say that a number refused."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select

from connector.model import Purpose, Source
from connector.store.dialect import insert_new
from connector.store.engine import Transaction
from connector.store.schema import suppression


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A refusal that outlives its person."""

    digest: str
    """Keyed hash of a number or user id."""
    purpose: Purpose
    source: Source
    occurred_at: datetime
    erased_at: datetime


def find(tx: Transaction, digests: Collection[str]) -> list[Refused]:
    """Return what is kept under these hashes."""
    if not digests:
        return []
    query = select(suppression).where(suppression.c.digest.in_(list(digests)))
    return [
        Refused(
            digest=row.digest,
            purpose=Purpose(row.purpose),
            source=Source(row.source),
            occurred_at=row.occurred_at,
            erased_at=row.erased_at,
        )
        for row in tx.execute(query)
    ]


def add(tx: Transaction, refused: Sequence[Refused]) -> None:
    """Keep refusals; one that is kept already stays as it is."""
    if refused:
        tx.execute(insert_new(tx, suppression), [asdict(item) for item in refused])
