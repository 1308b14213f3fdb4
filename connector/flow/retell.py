"""Telling stored events again: payloads are not kept twice, so requests are parsed once more (decision 4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from connector.errors import PayloadError
from connector.flow import pushed
from connector.flow.accounts import Accounts
from connector.model import Event, EventId, Payload, RequestId
from connector.store import Transaction, events, inbox
from connector.store.events import Subject
from connector.store.inbox import Leased


def newest(tx: Transaction, accounts: Accounts, subjects: Iterable[Subject]) -> dict[Subject, tuple[datetime, Payload]]:
    """Return the newest stored payload of each of these subjects, and when it was true."""
    places = events.latest(tx, subjects)
    stored = inbox.load(tx, {request_id for request_id, _ in places.values()})
    found: dict[Subject, tuple[datetime, Payload]] = {}
    for subject, (request_id, position) in places.items():
        event = _event(accounts, stored.get(request_id), position)
        if event is not None:
            found[subject] = event.occurred_at, event.payload
    return found


def roots(tx: Transaction, accounts: Accounts, id_: EventId) -> Mapping[str, Any] | None:
    """Return what expressions see of a stored event, or None where it can no longer be read."""
    place = events.places(tx, [id_]).get(id_)
    account = accounts.account(place[0]) if place else None
    if place is None or account is None:
        return None
    event = _event(accounts, inbox.load(tx, [place[1]]).get(place[1]), place[2])
    if event is None:
        return None
    subjects = {root: (account.id, subject) for root, subject in event.remembers.items()}
    remembered = newest(tx, accounts, subjects.values())
    return {
        **event.payload,
        **{root: remembered[subject][1] for root, subject in subjects.items() if subject in remembered},
        "account": {**accounts.public(account.id), "name": account.name},
        "event": {"type": event.type, "label": event.label, "occurred_at": event.occurred_at.isoformat()},
    }


def event(tx: Transaction, accounts: Accounts, id_: EventId) -> Event | None:
    """Return a stored event as its request tells it, or None where it can no longer be read."""
    place = events.places(tx, [id_]).get(id_)
    return _event(accounts, inbox.load(tx, [place[1]]).get(place[1]), place[2]) if place else None


def payloads(
    tx: Transaction, accounts: Accounts, places: Iterable[tuple[RequestId, int]]
) -> dict[tuple[RequestId, int], Payload]:
    """Return the payloads that stand at these places (request, and the item's position), where they can be read."""
    wanted = set(places)
    stored = inbox.load(tx, {request_id for request_id, _ in wanted}) if wanted else {}
    found = {place: _event(accounts, stored.get(place[0]), place[1]) for place in wanted}
    return {place: event.payload for place, event in found.items() if event is not None}


def _event(accounts: Accounts, leased: Leased | None, position: int) -> Event | None:
    receiver = accounts.receiver(leased.account_id) if leased else None
    if leased is None or receiver is None:
        return None
    try:
        item = list(pushed.items(receiver, leased.request))[position]
    except (PayloadError, IndexError):
        return None
    return item if isinstance(item, Event) else None
