"""What waits in the outbox: why, how much, and until when. Reads only."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import case, func, select

from connector.model import State
from connector.store import schema
from connector.store.engine import Transaction

MOST = 50_000
"""Of more messages that wait, those due soonest are looked at."""
_MESSAGE = schema.message.c


class Held(NamedTuple):
    """Messages that wait for one reason."""

    reason: str
    """``""``: for their time alone."""
    number: int
    due: int
    """Those of them that could leave now."""
    first: datetime | None
    """When the first of the others may leave."""
    last: datetime


def held(tx: Transaction, at: datetime) -> list[Held]:
    """Return what waits, by reason; the most frequent first. Test messages do not count."""
    waiting = (
        select(_MESSAGE.reason, _MESSAGE.not_before)
        .where(_MESSAGE.state == State.WAITING, _MESSAGE.trial.is_(False))
        .order_by(_MESSAGE.not_before)
        .limit(MOST)
        .subquery()
    )
    late = waiting.c.not_before <= at
    query = select(
        waiting.c.reason, func.count(), func.sum(case((late, 1), else_=0)),
        func.min(case((late, None), else_=waiting.c.not_before)), func.max(waiting.c.not_before),
    ).group_by(waiting.c.reason)  # fmt: skip
    found = [Held(row[0], int(row[1]), int(row[2]), row[3], row[4]) for row in tx.execute(query)]
    return sorted(found, key=lambda item: (-item.number, item.reason))
