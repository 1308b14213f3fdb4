"""Where a person has left traces: events, messages, stored requests, what they wrote. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import and_, or_, select, tuple_, union

from connector.model import AccountId, ContactId, EventId, KeyKind, MessageId, RequestId
from connector.store.engine import Transaction
from connector.store.events import Subject
from connector.store.inbox import ERASED
from connector.store.schema import (
    consent,
    decision,
    event,
    event_subject,
    identity,
    inbound,
    message,
    metadata,
    request,
    wanted,
)

CHUNK = 500
"""Values in one statement."""
_TOLD_ELSEWHERE = ("crm", "shop", "checkout", "signup", "api", "import", "admin")
"""Sources of a grant that show that a person is known from somewhere else."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Traces:
    """What is stored of a person, by id."""

    own_events: frozenset[EventId] = frozenset()
    """They bear on a record of the person, or on the same thing as one that does."""
    subjects: frozenset[Subject] = field(default=frozenset())
    """What those are about."""
    messages: frozenset[MessageId] = frozenset()
    """To the person."""
    to_others: frozenset[MessageId] = frozenset()
    """To somebody else, about an own event."""
    inbound: frozenset[str] = frozenset()
    requests: frozenset[RequestId] = frozenset()
    """That brought any of it, or mention the person."""


def events_about(tx: Transaction, subjects: Collection[Subject], family: Collection[ContactId]) -> set[EventId]:
    """Return the events about these subjects, and those about the same things (the parcels of an order).

    An event that is found in this second way alone, and bears on the record of somebody who is not of the
    family, is that one's and left out.
    """
    return _about(tx, subjects, family)[0]


def _about(
    tx: Transaction, subjects: Collection[Subject], family: Collection[ContactId]
) -> tuple[set[EventId], set[Subject]]:
    found: dict[EventId, Subject] = {}
    asked: set[Subject] = set()
    new = set(subjects)
    while new:
        fresh: dict[EventId, Subject] = {}
        for chunk in chunks(sorted(new)):
            query = (
                select(event.c.id, event.c.account_id, event.c.subject)
                .join(event_subject, event_subject.c.event_id == event.c.id)
                .where(tuple_(event_subject.c.account_id, event_subject.c.subject).in_(chunk))
            )
            fresh |= {EventId(row.id): (AccountId(row.account_id), row.subject) for row in tx.execute(query)}
        fresh = {id_: subject for id_, subject in fresh.items() if id_ not in found}
        if asked:  # not what bears on the person's own records
            for id_ in _of_others(tx, fresh, family):
                del fresh[id_]
        found |= fresh
        asked |= new
        new = set(fresh.values()) - asked
    return set(found), set(found.values()) | set(subjects)


def _of_others(tx: Transaction, ids: Iterable[EventId], family: Collection[ContactId]) -> set[EventId]:
    found: set[EventId] = set()
    for chunk in chunks(sorted(ids)):
        query = (
            select(event_subject.c.event_id)
            .join(
                identity,
                and_(
                    identity.c.kind == KeyKind.RECORD.value,
                    identity.c.account_id == event_subject.c.account_id,
                    identity.c.value == event_subject.c.subject,
                ),
            )
            .where(event_subject.c.event_id.in_(chunk), identity.c.contact_id.not_in(list(family)))
        )
        found |= set(tx.execute(query).scalars())
    return found


def gather(
    tx: Transaction,
    *,
    family: Collection[ContactId],
    subjects: Collection[Subject],
    addresses: Collection[str],
    mentioned: Collection[RequestId] = (),
    account_id: AccountId | None = None,
) -> Traces:
    """Return all that is stored of a person.

    ``subjects``: their records. ``addresses``: their numbers in every spelling, and user ids. ``mentioned``:
    requests that are known to name them. ``account_id``: only what came by this account and was said about
    it; then whatever was said to anybody about their records counts as said to them.
    """
    own, about = _about(tx, subjects, family)
    said = _said_about(tx, own)
    requests = set(mentioned) | _requests_of(tx, own)
    if account_id is not None:
        mine = {id_ for id_, to in said.items() if to is None or to in family or not family}
        return Traces(
            frozenset(own), frozenset(about), frozenset(mine), frozenset(said.keys() - mine), frozenset(),
            frozenset(requests),
        )  # fmt: skip
    messages = messages_to(tx, family, addresses)
    heard = said_by(tx, addresses)
    return Traces(
        own_events=frozenset(own),
        subjects=frozenset(about),
        messages=frozenset(messages),
        to_others=frozenset(said.keys() - messages),
        inbound=frozenset(heard),
        requests=frozenset(requests | set(heard.values())),
    )


def messages_to(tx: Transaction, family: Collection[ContactId], addresses: Collection[str]) -> set[MessageId]:
    """Return the messages to these contacts, or to these addresses and to nobody that is known."""
    found: set[MessageId] = set()
    for ids in chunks(sorted(family)):
        found |= set(tx.execute(select(message.c.id).where(message.c.contact_id.in_(ids))).scalars())
    for chunk in chunks(sorted(addresses)):
        query = select(message.c.id).where(message.c.recipient.in_(chunk), message.c.contact_id.is_(None))
        found |= set(tx.execute(query).scalars())
    return found


def said_by(tx: Transaction, addresses: Collection[str]) -> dict[str, RequestId]:
    """Return what these addresses wrote and chose: id -> the request that brought it."""
    found: dict[str, RequestId] = {}
    for chunk in chunks(sorted(addresses)):
        query = select(inbound.c.id, inbound.c.request_id).where(inbound.c.sender.in_(chunk))
        found |= {row.id: RequestId(row.request_id) for row in tx.execute(query)}
    return found


def _said_about(tx: Transaction, events: Collection[EventId]) -> dict[MessageId, ContactId | None]:
    """Return the messages that these events led to, and to whom they are."""
    found: dict[MessageId, ContactId | None] = {}
    for chunk in chunks(sorted(events)):
        # Also by the decision: a newer event may have taken a waiting message over.
        told = select(decision.c.message_id).where(decision.c.event_id.in_(chunk), decision.c.message_id.is_not(None))
        query = select(message.c.id, message.c.contact_id).where(
            or_(message.c.event_id.in_(chunk), message.c.id.in_(told)), message.c.event_id != ""
        )
        found |= {MessageId(row.id): row.contact_id for row in tx.execute(query)}
    return found


def _requests_of(tx: Transaction, events: Collection[EventId]) -> set[RequestId]:
    found: set[RequestId] = set()
    for chunk in chunks(sorted(events)):
        found |= set(tx.execute(select(event.c.request_id).where(event.c.id.in_(chunk))).scalars())
    return found


def events_of(tx: Transaction, requests: Collection[RequestId]) -> set[EventId]:
    """Return the events that these requests brought."""
    found: set[EventId] = set()
    for chunk in chunks(sorted(requests)):
        found |= set(tx.execute(select(event.c.id).where(event.c.request_id.in_(chunk))).scalars())
    return found


def bodies(
    tx: Transaction, after: int, most: int, account_id: AccountId | None = None
) -> list[tuple[RequestId, AccountId, bytes]]:
    """Return the next stored bodies above a request's number, oldest first; emptied ones are left out."""
    query = select(request.c.id, request.c.account_id, request.c.body).where(
        request.c.id > after, request.c.words != ERASED
    )
    if account_id is not None:
        query = query.where(request.c.account_id == account_id)
    rows = tx.execute(query.order_by(request.c.id).limit(most))
    return [(RequestId(row.id), AccountId(row.account_id), row.body) for row in rows]


def held_elsewhere(tx: Transaction, family: Collection[ContactId], account_id: AccountId, record: str = "") -> str:
    """Say by what else than this account these contacts are known; ``""``: by nothing.

    ``record``: of this account only this record is meant, and others count as something else.
    """
    records = select(identity.c.value).where(
        identity.c.contact_id.in_(list(family)),
        identity.c.kind == KeyKind.RECORD.value,
        or_(identity.c.account_id != account_id, identity.c.value != record) if record
        else identity.c.account_id != account_id,
    )  # fmt: skip
    if tx.execute(records.limit(1)).first() is not None:
        return "another record"
    granted = select(consent.c.id).where(
        consent.c.contact_id.in_(list(family)),
        consent.c.state.in_(["granted", "pending"]),
        consent.c.source.in_(_TOLD_ELSEWHERE),
        or_(consent.c.account_id.is_(None), consent.c.account_id != account_id),
    )
    if tx.execute(granted.limit(1)).first() is not None:
        return "a consent that was given elsewhere"
    sent = select(message.c.id).where(
        message.c.contact_id.in_(list(family)), message.c.source_id != account_id, message.c.template != ""
    )
    return "messages about something else" if tx.execute(sent.limit(1)).first() is not None else ""


def has_record_of(tx: Transaction, family: Collection[ContactId], account_id: AccountId, but: str = "") -> bool:
    """Tell whether these contacts have a record of an account, other than one."""
    query = select(identity.c.value).where(
        identity.c.contact_id.in_(list(family)), identity.c.kind == KeyKind.RECORD.value,
        identity.c.account_id == account_id, identity.c.value != but,
    )  # fmt: skip
    return tx.execute(query.limit(1)).first() is not None


def has_records(tx: Transaction, ids: Collection[ContactId]) -> set[ContactId]:
    """Return those of these contacts that have a record anywhere."""
    query = select(identity.c.contact_id).where(
        identity.c.contact_id.in_(list(ids)), identity.c.kind == KeyKind.RECORD.value
    )
    return set(tx.execute(query).scalars()) if ids else set()


def receivers_of(tx: Transaction, events: Collection[EventId]) -> dict[ContactId, set[MessageId]]:
    """Return to whom these events led messages, and which."""
    found: dict[ContactId, set[MessageId]] = {}
    for id_, to in _said_about(tx, events).items():
        if to is not None:
            found.setdefault(to, set()).add(id_)
    return found


def about_events(tx: Transaction, ids: Collection[MessageId]) -> bool:
    """Tell whether one of these messages is about an event, and not an answer in free words."""
    return any(
        tx.execute(select(message.c.id).where(message.c.id.in_(chunk), message.c.template != "").limit(1)).first()
        for chunk in chunks(sorted(ids))
    )


def people_of(tx: Transaction, account_id: AccountId, after: ContactId, most: int) -> list[ContactId]:
    """Return the next contacts above an id that have a record of an account, or were told of its events."""
    known = select(identity.c.contact_id.label("id")).where(
        identity.c.kind == KeyKind.RECORD.value, identity.c.account_id == account_id, identity.c.contact_id > after
    )
    told = select(message.c.contact_id.label("id")).where(
        message.c.source_id == account_id, message.c.contact_id.is_not(None), message.c.contact_id > after
    )
    both = union(known, told).subquery()
    return [ContactId(id_) for id_ in tx.execute(select(both.c.id).order_by(both.c.id).limit(most)).scalars()]


def wishes_about(tx: Transaction, subjects: Collection[Subject]) -> list[dict[str, Any]]:
    """Return what is wanted and known of records (account, ``customer:5521``)."""
    place = wanted.c.account_id, wanted.c.object, wanted.c.record_id
    found: list[dict[str, Any]] = []
    for chunk in chunks(sorted((account_id, *subject.partition(":")[::2]) for account_id, subject in subjects)):
        found += [dict(row) for row in tx.execute(select(wanted).where(tuple_(*place).in_(chunk))).mappings()]
    return found


def chunks(values: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Yield values in lists that fit into a statement."""
    rest = iter(values)
    while chunk := list(islice(rest, size)):
        yield chunk


def rows_of(tx: Transaction, table: str, column: str, values: Collection[Any]) -> list[dict[str, Any]]:
    """Return whole rows of a table whose column holds one of these values, in the order of their ids."""
    source = metadata.tables[table]
    found: list[dict[str, Any]] = []
    for chunk in chunks(sorted(values)):
        found += [dict(row) for row in tx.execute(select(source).where(source.c[column].in_(chunk))).mappings()]
    return sorted(found, key=lambda row: str(row.get("id", "")).rjust(30))
