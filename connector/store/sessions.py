"""Sessions of the console, as rows: one for each sign-in; a session without a row is over."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, insert, or_, select, update

from connector.model import new_id
from connector.store.engine import Transaction
from connector.store.schema import console_session


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """One sign-in that lasts."""

    digest: str = field(repr=False)
    """Of what the browser's cookie holds."""
    user_id: str
    way: str
    """How: password, passkey, link, invitation, setup."""
    browser: str
    """In words."""
    address: str = field(repr=False)
    created_at: datetime
    seen_at: datetime
    id: str = field(default_factory=new_id)


def add(tx: Transaction, row: SessionRow) -> None:
    """Keep a session."""
    tx.execute(insert(console_session), [{name: getattr(row, name) for name in SessionRow.__dataclass_fields__}])


def find(tx: Transaction, digest: str) -> SessionRow | None:
    """Return the session whose cookie has this digest, or None."""
    row = tx.execute(select(console_session).where(console_session.c.digest == digest)).mappings().first()
    return SessionRow(**row) if row is not None else None


def of(tx: Transaction, user_id: str) -> list[SessionRow]:
    """Return a user's sessions, the last seen first."""
    query = select(console_session).where(console_session.c.user_id == user_id)
    query = query.order_by(console_session.c.seen_at.desc(), console_session.c.id)
    return [SessionRow(**row) for row in tx.execute(query).mappings()]


def all_(tx: Transaction, most: int = 500) -> list[SessionRow]:
    """Return the sessions of everybody, the last seen first."""
    query = select(console_session).order_by(console_session.c.seen_at.desc(), console_session.c.id).limit(most)
    return [SessionRow(**row) for row in tx.execute(query).mappings()]


def touch(tx: Transaction, id_: str, at: datetime, address: str) -> None:
    """Note that a session was used."""
    tx.execute(update(console_session).where(console_session.c.id == id_).values(seen_at=at, address=address))


def end(tx: Transaction, id_: str, user_id: str = "") -> SessionRow | None:
    """End a session, where ``user_id`` is given only one of that user; return it, or None where there is none."""
    query = select(console_session).where(console_session.c.id == id_)
    row = tx.execute(query.where(console_session.c.user_id == user_id) if user_id else query).mappings().first()
    if row is not None:
        tx.execute(delete(console_session).where(console_session.c.id == id_))
    return SessionRow(**row) if row is not None else None


def sweep(tx: Transaction, *, made_before: datetime, seen_before: datetime) -> int:
    """Drop sessions that are too old, or that nobody used for long; return how many."""
    over = or_(console_session.c.created_at < made_before, console_session.c.seen_at < seen_before)
    return int(tx.execute(delete(console_session).where(over)).rowcount)
