"""Searching inside the stored bytes of requests: newest first, and only so far at once. Reads only.

No index serves this, so it looks at a bounded number of rows for a bounded time, says how far it came, and goes
on from there when asked. What matches is decided here and not in SQL, so it is the same on every database.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from connector.store import schema
from connector.store.engine import Transaction
from connector.store.inbox import ERASED

MOST_ROWS = 20_000
"""Requests looked at in one go."""
MOST_BYTES = 64 * 1024 * 1024
"""Bytes read in one go."""
MOST_SECONDS = 1.5
MOST_HITS = 50
CHUNK = 250

_REQUEST = schema.request.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Dug:
    """What a search has met so far."""

    request_ids: tuple[int, ...]
    """The newest first."""
    looked: int
    """Requests that were read."""
    at: int | None
    """Go on before this request; None: everything has been looked at."""
    back_to: datetime | None
    """When the oldest of those that were read came."""


def dig(
    tx: Transaction,
    holds: Callable[[bytes], bool],
    *,
    account: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    before: int | None = None,
    seconds: float = MOST_SECONDS,
) -> Dug:
    """Return the newest requests whose body ``holds`` it; one that was emptied by an erasure holds nothing."""
    query = select(_REQUEST.id, _REQUEST.body, _REQUEST.received_at).where(_REQUEST.words != ERASED)
    if account:
        named = select(schema.account.c.id).where(schema.account.c.name == account)
        query = query.where(_REQUEST.account_id.in_(named))
    if since:
        query = query.where(_REQUEST.received_at >= since)
    if until:
        query = query.where(_REQUEST.received_at < until)
    end = time.monotonic() + seconds
    found: list[int] = []
    looked = read = 0
    back_to: datetime | None = None
    while True:
        page = query if before is None else query.where(_REQUEST.id < before)
        rows = tx.execute(page.order_by(_REQUEST.id.desc()).limit(CHUNK)).all()
        for row in rows:
            looked, read, before, back_to = looked + 1, read + len(row.body), row.id, row.received_at
            if holds(row.body):
                found.append(row.id)
            if len(found) >= MOST_HITS or looked >= MOST_ROWS or read >= MOST_BYTES or time.monotonic() > end:
                return Dug(request_ids=tuple(found), looked=looked, at=before, back_to=back_to)
        if len(rows) < CHUNK:
            return Dug(request_ids=tuple(found), looked=looked, at=None, back_to=back_to)
