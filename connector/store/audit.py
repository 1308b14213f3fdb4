"""The audit log as rows: who did what to what, and who looked at whose data. Only ever added to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from connector.model import first_id, new_id
from connector.store.engine import Transaction
from connector.store.schema import audit


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that somebody did. Names things by ids: nothing personal of customers stands in it."""

    at: datetime
    actor: str
    """Id of a user or key; ``command`` for the command line, ``system`` for ourselves."""
    actor_name: str
    """As it was then."""
    action: str
    """``mapping.published``"""
    object: str = ""
    words: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    address: str = field(default="", repr=False)
    id: str = field(default_factory=new_id)


def add(tx: Transaction, entry: Entry) -> None:
    """Enter it."""
    tx.execute(insert(audit), [asdict(entry)])


def seen_since(tx: Transaction, actor: str, action: str, object_: str, since: datetime) -> bool:
    """Tell whether an actor has done this to this since then."""
    found = select(audit.c.id).where(
        audit.c.object == object_, audit.c.actor == actor, audit.c.action == action, audit.c.id >= first_id(since)
    )
    return tx.execute(found.limit(1)).first() is not None


def listing(
    tx: Transaction,
    *,
    actor: str = "",
    action: str = "",
    object_: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    before: str = "",
    most: int = 100,
) -> list[Entry]:
    """Return entries, newest first; ``action`` may be a beginning (``mapping.``); ``before`` is the last id seen."""
    query = select(audit).order_by(audit.c.id.desc()).limit(most)
    if actor:
        query = query.where(audit.c.actor == actor)
    if action:
        query = query.where(audit.c.action.startswith(action, autoescape=True))
    if object_:
        query = query.where(audit.c.object == object_)
    if since:
        query = query.where(audit.c.id >= first_id(since))
    if until:
        query = query.where(audit.c.id < first_id(until))
    if before:
        query = query.where(audit.c.id < before)
    return [Entry(**row) for row in tx.execute(query).mappings()]
