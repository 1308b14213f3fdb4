"""Messages by whom or what they are about: to count them for caps, and to call them off."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select, update

from connector.model import AccountId, ContactId, MessageId, State
from connector.store.dialect import lock_rows
from connector.store.engine import Transaction
from connector.store.outbox import COLUMNS, Row, row_of
from connector.store.schema import attempt, event_subject, message


class Earlier(NamedTuple):
    """A message that went to a person, as caps count it."""

    contact_id: ContactId
    mapping: str
    category: str
    at: datetime


def waiting_about(tx: Transaction, subjects: Collection[tuple[AccountId, str]]) -> list[Row]:
    """Return the waiting messages about these subjects that some event would cancel."""
    by_account: dict[AccountId, list[str]] = {}
    for account_id, subject in subjects:
        by_account.setdefault(account_id, []).append(subject)
    found: list[Row] = []
    for account_id, names in by_account.items():
        query = select(*COLUMNS).where(
            message.c.source_id == account_id, message.c.subject.in_(names), message.c.state == State.WAITING
        )
        found += [row for row in map(row_of, tx.execute(lock_rows(tx, query))) if row.cancel_when]
    return found


def overtaken(tx: Transaction, rows: Iterable[Row]) -> dict[MessageId, str]:
    """Return which of these messages a stored event cancels, and by which type of event."""
    asked = [row for row in rows if row.cancel_when]
    found: dict[MessageId, str] = {}
    for row in asked:
        query = select(event_subject.c.type).where(
            event_subject.c.account_id == row.source_id,
            event_subject.c.subject == row.subject,
            event_subject.c.type.in_(list(row.cancel_when)),
        )
        if (hit := tx.execute(query.limit(1)).first()) is not None:
            found[row.id] = hit[0]
    return found


def recipients(tx: Transaction, ids: Collection[MessageId]) -> dict[MessageId, str]:
    """Return whom these messages are for; nothing is locked."""
    if not ids:
        return {}
    query = select(message.c.id, message.c.recipient).where(message.c.id.in_(list(ids)))
    return {MessageId(row.id): row.recipient for row in tx.execute(query)}


def sent_to(tx: Transaction, ids: Collection[ContactId], since: datetime) -> list[Earlier]:
    """Return what has left for these people since a moment, or is leaving; test messages do not count."""
    if not ids:
        return []
    query = select(message.c.contact_id, message.c.mapping, message.c.category, attempt.c.started_at).where(
        message.c.contact_id.in_(list(ids)),
        message.c.template != "",
        message.c.trial.is_(False),
        message.c.state.in_(["sending", "in_doubt", "accepted", "sent", "delivered", "read"]),
        attempt.c.message_id == message.c.id,
        attempt.c.started_at > since,
        attempt.c.outcome.in_(["", "accepted", "uncertain"]),
    )
    latest: dict[tuple[str, str], Earlier] = {}
    for row in tx.execute(query.add_columns(message.c.id)):
        latest[row.contact_id, row.id] = Earlier(ContactId(row.contact_id), row.mapping, row.category, row.started_at)
    return list(latest.values())


def cancel_others(tx: Transaction, contact_id: ContactId, source_id: AccountId, subject: str, at: datetime) -> int:
    """Cancel what waits for a person about a subject, because they said so; return how many."""
    done = tx.execute(
        update(message)
        .where(
            message.c.contact_id == contact_id,
            message.c.source_id == source_id,
            message.c.subject == subject,
            message.c.state == State.WAITING,
            message.c.template != "",
        )
        .values(state=State.CANCELLED, reason="answered", words="The person's answer made it needless.", ended_at=at)
    )
    return int(done.rowcount)
