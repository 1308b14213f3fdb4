"""How often signing in went wrong, as rows: by account, by address, by second factor."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, select, update

from connector.store.dialect import lock_rows, upsert
from connector.store.engine import Transaction
from connector.store.schema import sign_in_try

KEPT = timedelta(hours=24)
"""What has been quiet for so long is forgotten."""
LONGEST = timedelta(minutes=15)


def charge(tx: Transaction, key: str, at: datetime, *, free: int, longest: timedelta = LONGEST) -> datetime | None:
    """Count a try; return until when nothing is looked at, or None where it may be looked at.

    It is counted before it is looked at, so that many at once are no more than one after the other. The
    first ``free`` cost nothing; each further one shuts the door for twice as long, from a second to ``longest``.
    Tries at a shut door are not counted: nobody can hold it shut for ever.
    """
    row = tx.execute(lock_rows(tx, select(sign_in_try).where(sign_in_try.c.key == key))).first()
    if row is not None and row.until is not None and row.until > at:
        return row.until  # type: ignore[no-any-return]
    count: int = 1 if row is None or row.at < at - KEPT else row._mapping["count"] + 1
    over = count - free
    shut = min(timedelta(seconds=2 ** min(over, 20)), longest) if over > 0 else None
    values = {"key": key, "count": count, "at": at, "until": at + shut if shut else None}
    tx.execute(upsert(tx, sign_in_try, "count", "at", "until"), [values])
    return None


def refund(tx: Transaction, key: str) -> None:
    """Take back a try that was none: somebody got in."""
    statement = update(sign_in_try).where(sign_in_try.c.key == key, sign_in_try.c.count > 0)
    tx.execute(statement.values(count=sign_in_try.c.count - 1, until=None))


def forgive(tx: Transaction, key: str) -> None:
    """Forget the tries of somebody who has got in."""
    tx.execute(delete(sign_in_try).where(sign_in_try.c.key == key))


def sweep(tx: Transaction, at: datetime) -> None:
    """Forget what has been quiet for long."""
    tx.execute(delete(sign_in_try).where(sign_in_try.c.at < at - KEPT))
