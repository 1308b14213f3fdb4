"""What can be told of accounts by the rows of others: when one last sent, what waits for it. Reads only, bounded."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from connector.model import OPEN, AccountId
from connector.store import schema
from connector.store.engine import Transaction

RECENT = 5000
"""So many of the newest messages are looked at."""

_MESSAGE = schema.message.c
_REQUEST = schema.request.c


def last_sent(tx: Transaction) -> dict[AccountId, datetime]:
    """Return when each channel account last had a message taken over, among the newest messages."""
    newest = select(_MESSAGE.channel_id, _MESSAGE.accepted_at).order_by(_MESSAGE.id.desc()).limit(RECENT).subquery()
    query = select(newest.c.channel_id, func.max(newest.c.accepted_at)).where(newest.c.accepted_at.is_not(None))
    return {AccountId(row[0]): row[1] for row in tx.execute(query.group_by(newest.c.channel_id))}


def unsent(tx: Transaction) -> dict[AccountId, int]:
    """Count the messages that are still to leave, by the account that they leave by."""
    found: dict[AccountId, int] = {}
    for states in (OPEN[:1], OPEN[1:]):  # two questions, as there are two indexes
        query = select(_MESSAGE.channel_id, func.count()).where(_MESSAGE.state.in_(states))
        for id_, number in tx.execute(query.group_by(_MESSAGE.channel_id)):
            found[AccountId(id_)] = found.get(AccountId(id_), 0) + number
    return found


def unread(tx: Transaction) -> dict[AccountId, int]:
    """Count the requests that were not read yet, by account."""
    query = select(_REQUEST.account_id, func.count()).where(_REQUEST.state == "new").group_by(_REQUEST.account_id)
    return {AccountId(id_): number for id_, number in tx.execute(query)}
