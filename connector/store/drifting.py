"""Figures about whom a change of a template's category touches. Reads only."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, func, select

from connector.model import ConsentState, Purpose, first_id
from connector.store.engine import Transaction
from connector.store.schema import message, standing


def without_marketing(tx: Transaction, mapping: str, since: datetime) -> tuple[int, int]:
    """Return how many people a mapping wrote to since a moment, and how many of them have not agreed to marketing."""
    agreed = and_(
        standing.c.contact_id == message.c.contact_id,
        standing.c.purpose == Purpose.MARKETING.value,
        standing.c.state == ConsentState.GRANTED.value,
    )
    query = (
        select(func.count(message.c.contact_id.distinct()), func.count(standing.c.contact_id.distinct()))
        .select_from(message.outerjoin(standing, agreed))
        .where(
            message.c.mapping == mapping,
            message.c.id >= first_id(since),
            message.c.contact_id.is_not(None),
            message.c.trial.is_(False),
        )
    )
    written, granted = tx.execute(query).one()
    return int(written), int(written) - int(granted)
