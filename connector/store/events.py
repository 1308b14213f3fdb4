"""Events and decisions: what happened, and what was made of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, tuple_

from connector.model import AccountId, Decision, Event, EventId, MessageId, RequestId, Skip, new_id
from connector.store.dialect import insert_new
from connector.store.engine import Transaction
from connector.store.schema import decision, event, event_subject


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event on its way into the store."""

    id: EventId
    account_id: AccountId
    request_id: RequestId
    position: int
    event: Event


Subject = tuple[AccountId, str]


def known(tx: Transaction, keys: Collection[tuple[AccountId, str]]) -> dict[tuple[AccountId, str], EventId]:
    """Return which of these (account, key) pairs are stored already, with the event's id."""
    if not keys:
        return {}
    query = select(event.c.account_id, event.c.key, event.c.id).where(
        tuple_(event.c.account_id, event.c.key).in_(list(keys))
    )
    return {(AccountId(row.account_id), row.key): EventId(row.id) for row in tx.execute(query)}


def add(tx: Transaction, events: Sequence[NewEvent], at: datetime) -> set[EventId]:
    """Store events and what they bear on; return the ids of those that were new."""
    if not events:
        return set()
    rows = [
        {
            "id": item.id,
            "account_id": item.account_id,
            "request_id": item.request_id,
            "position": item.position,
            "key": item.event.key,
            "type": item.event.type,
            "topic": item.event.topic,
            "subject": item.event.subject,
            "label": item.event.label,
            "occurred_at": item.event.occurred_at,
            "planned_at": at,
        }
        for item in events
    ]
    stored = {EventId(item.id) for item in events}
    if tx.execute(insert_new(tx, event), rows).rowcount != len(rows):  # another worker was quicker
        present = select(event.c.id).where(event.c.id.in_(list(stored)))
        stored = {EventId(number) for number in tx.execute(present).scalars()}
    subjects = [
        {
            "account_id": item.account_id,
            "subject": subject,
            "event_id": item.id,
            "type": item.event.type,
            "occurred_at": item.event.occurred_at,
        }
        for item in events
        if item.id in stored
        for subject in dict.fromkeys((item.event.subject, *item.event.about))
    ]
    if subjects:
        tx.execute(event_subject.insert(), subjects)
    return stored


def add_decisions(tx: Transaction, made: Sequence[tuple[EventId, Decision, MessageId | None]], at: datetime) -> None:
    """Store what the mappings made of events."""
    if not made:
        return
    rows = []
    for event_id, item, message_id in made:
        skip = item.verdict if isinstance(item.verdict, Skip) else None
        rows.append(
            {
                "id": new_id(),
                "event_id": event_id,
                "mapping": item.mapping,
                "version": item.version,
                "verdict": "skip" if skip else "send",
                "reason": skip.reason.value if skip else "",
                "words": skip.words if skip else "",
                "steps": [[step.name, step.ok, step.words] for step in item.steps],
                "message_id": message_id,
                "at": at,
            }
        )
    tx.execute(decision.insert(), rows)


def subjects_of(tx: Transaction, ids: Collection[EventId]) -> dict[EventId, list[str]]:
    """Return all that each of these events bears on."""
    if not ids:
        return {}
    query = select(event_subject.c.event_id, event_subject.c.subject).where(event_subject.c.event_id.in_(list(ids)))
    found: dict[EventId, list[str]] = {}
    for row in tx.execute(query.order_by(event_subject.c.subject)):
        found.setdefault(EventId(row.event_id), []).append(row.subject)
    return found


def places(tx: Transaction, ids: Collection[EventId]) -> dict[EventId, tuple[AccountId, RequestId, int]]:
    """Return where the payloads of these events stand: account, request, and the item's position."""
    if not ids:
        return {}
    query = select(event.c.id, event.c.account_id, event.c.request_id, event.c.position).where(
        event.c.id.in_(list(ids))
    )
    return {
        EventId(row.id): (AccountId(row.account_id), RequestId(row.request_id), row.position)
        for row in tx.execute(query)
    }


def seen(tx: Transaction, subjects: Collection[Subject]) -> dict[Subject, frozenset[str]]:
    """Return which types of event are stored about each of these subjects."""
    if not subjects:
        return {}
    query = (
        select(event_subject.c.account_id, event_subject.c.subject, event_subject.c.type)
        .where(tuple_(event_subject.c.account_id, event_subject.c.subject).in_(list(subjects)))
        .distinct()
    )
    found: dict[Subject, set[str]] = {}
    for row in tx.execute(query):
        found.setdefault((AccountId(row.account_id), row.subject), set()).add(row.type)
    return {subject: frozenset(types) for subject, types in found.items()}


def latest(tx: Transaction, subjects: Iterable[Subject]) -> Mapping[Subject, tuple[RequestId, int]]:
    """Return where the newest payload of each subject stands: the request, and its item's position."""
    wanted = list(subjects)
    if not wanted:
        return {}
    query = (
        select(event.c.account_id, event.c.subject, event.c.request_id, event.c.position)
        .join(
            event_subject,
            (event_subject.c.event_id == event.c.id)
            & (event_subject.c.account_id == event.c.account_id)
            & (event_subject.c.subject == event.c.subject),
        )
        .where(tuple_(event_subject.c.account_id, event_subject.c.subject).in_(wanted))
        .order_by(event.c.occurred_at, event.c.id)
    )
    return {
        (AccountId(row.account_id), row.subject): (RequestId(row.request_id), row.position) for row in tx.execute(query)
    }
