"""What mappings did lately, and what waits of them: for lists and for saying what a change will meet. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from connector.model import State, first_id
from connector.store.engine import Transaction
from connector.store.schema import decision, message


@dataclass(slots=True)
class Lately:
    """How often a mapping came to send, and how often to skip."""

    sends: int = 0
    skips: int = 0


def by_mapping(tx: Transaction, since: datetime, mapping: str = "") -> dict[str, Lately]:
    """Return what was decided since a moment, by mapping; test messages are not decided about."""
    query = (
        select(decision.c.mapping, decision.c.verdict, func.count())
        .where(decision.c.id >= first_id(since))
        .group_by(decision.c.mapping, decision.c.verdict)
    )
    if mapping:
        query = query.where(decision.c.mapping == mapping)
    found: dict[str, Lately] = {}
    for name, verdict, number in tx.execute(query):
        told = found.setdefault(name, Lately())
        if verdict == "send":
            told.sends += number
        else:
            told.skips += number
    return found


def waiting(tx: Transaction, mapping: str) -> dict[int, int]:
    """Return how many messages of a mapping wait, by the version that made them; test messages do not count."""
    query = (
        select(message.c.version, func.count())
        .where(message.c.state == State.WAITING, message.c.mapping == mapping, message.c.trial.is_(False))
        .group_by(message.c.version)
    )
    return {row[0]: row[1] for row in tx.execute(query)}


def trials(tx: Transaction, mapping: str, since: datetime) -> list[tuple[str, str, datetime]]:
    """Return the test messages of a mapping since a moment, the newest first: id, state, when it was made."""
    query = (
        select(message.c.id, message.c.state, message.c.created_at)
        .where(message.c.trial.is_(True), message.c.mapping == mapping, message.c.id >= first_id(since))
        .order_by(message.c.id.desc())
        .limit(20)
    )
    return [(row.id, row.state, row.created_at) for row in tx.execute(query)]
