"""How far an installation has come on its way to the first message. Reads only, bounded, cheap."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import exists, func, select

from connector.model import Role, State
from connector.store import schema
from connector.store.engine import Transaction

RECENT = 2000
"""So many of the newest messages are looked at."""
ARRIVED = (State.DELIVERED, State.READ)

_MESSAGE = schema.message.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the rows say."""

    has_owner: bool
    templates: int
    """Approved ones, of all accounts."""
    published: int
    """Mappings in force."""
    tested: bool
    """A test message was taken over by the channel."""
    first: str
    """Id of a message, no test, that has arrived at a person's phone; ``""`` where none has."""


def facts(tx: Transaction) -> Facts:
    """Return how far it has come."""
    user, template, mapping = schema.console_user.c, schema.template.c, schema.mapping.c
    newest = select(_MESSAGE.id, _MESSAGE.trial, _MESSAGE.state, _MESSAGE.accepted_at).order_by(_MESSAGE.id.desc())
    recent = newest.limit(RECENT).subquery()
    tested = select(recent.c.id).where(recent.c.trial.is_(True), recent.c.accepted_at.is_not(None)).limit(1)
    arrived = select(recent.c.id).where(recent.c.trial.is_(False), recent.c.state.in_(ARRIVED))
    return Facts(
        has_owner=bool(tx.scalar(select(exists().where(user.role == Role.OWNER.value)))),
        templates=tx.scalar(select(func.count()).where(template.status == "approved")) or 0,
        published=tx.scalar(select(func.count()).where(mapping.published.is_not(None))) or 0,
        tested=tx.scalar(tested) is not None,
        first=tx.scalar(arrived.order_by(recent.c.id).limit(1)) or "",
    )
