"""When vendors pushed: the times of stored requests, without their bodies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Text, cast, func, select

from connector.model import AccountId
from connector.store.engine import Transaction
from connector.store.schema import request


@dataclass(frozen=True, slots=True)
class Push:
    """One stored request that a vendor sent by itself."""

    account_id: AccountId
    received_at: datetime


def last_id(tx: Transaction) -> int:
    """Return the number of the newest stored request, or 0."""
    return tx.scalar(select(func.max(request.c.id))) or 0


def between(tx: Transaction, after: int, until: int) -> list[Push]:
    """Return what was pushed with numbers above ``after`` and up to ``until``; what a feed found is left out."""
    found_by_feed = cast(request.c.headers, Text).contains('"x-connector-feed"')
    rows = tx.execute(
        select(request.c.account_id, request.c.received_at)
        .where(request.c.id > after, request.c.id <= until, ~found_by_feed)
        .order_by(request.c.id)
    )
    return [Push(AccountId(row.account_id), row.received_at) for row in rows]


def latest(tx: Transaction, after: int) -> dict[AccountId, datetime]:
    """Return when each account last pushed, among the requests with numbers above ``after``; feeds left out."""
    found_by_feed = cast(request.c.headers, Text).contains('"x-connector-feed"')
    query = select(request.c.account_id, func.max(request.c.received_at))
    rows = tx.execute(query.where(request.c.id > after, ~found_by_feed).group_by(request.c.account_id))
    return {AccountId(row[0]): row[1] for row in rows}
