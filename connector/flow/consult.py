"""Asking the ledger about those whom drafts would be sent to: a few statements for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from connector.flow.people import recipients
from connector.flow.records import agreement_entry
from connector.mapping import gate
from connector.model import Contact, ContactId, Decision, Entry, Person, Purpose, Send
from connector.policy.consent import stand
from connector.store import Transaction, consents, people
from connector.store.events import NewEvent


def consult(
    tx: Transaction, drafted: Sequence[tuple[NewEvent, Decision]], at: datetime
) -> list[tuple[Decision, Person | None]]:
    """Let drafts pass, or not, by what is known of their recipients; with each, whom it is for.

    An agreement that the event itself tells counts as it will when it has been entered; of somebody who is
    not known it is all that is known. None: nobody is known, or there is nobody.
    """
    sends = [(new, made.verdict) for new, made in drafted if isinstance(made.verdict, Send)]
    whose = recipients(tx, {send.recipient for _, send in sends})
    persons = people.persons(tx, set(whose.values()))
    again = {whose[send.recipient] for _, send in sends if send.agreed_by and send.recipient in whose}
    said = consents.of(tx, again, [Purpose.MARKETING]) if again else []
    told: list[tuple[Decision, Person | None]] = []
    for new, made in drafted:
        send = made.verdict
        if not isinstance(send, Send):
            told.append((made, None))
            continue
        person = persons.get(whose[send.recipient]) if send.recipient in whose else None
        if person is not None and send.agreed_by:
            person = _as_agreed(person, new, send.agreed_by, said, at)
        told.append((gate(made, person), person))
    return told


def stranger(new: NewEvent, send: Send, at: datetime) -> Person:
    """Return whom a message would be for that nobody knows yet, as they would stand once it is planned."""
    contact = Contact(id=ContactId(f"new {send.recipient}"), phone=send.recipient, created_at=at, updated_at=at)
    person = Person(contact=contact, standings={})
    return _as_agreed(person, new, send.agreed_by, (), at) if send.agreed_by else person


def _as_agreed(person: Person, new: NewEvent, field: str, said: Sequence[Entry], at: datetime) -> Person:
    """Return where a person stands with the agreement that this event tells of, which is entered with it."""
    id_ = person.contact.id
    entries = [*(entry for entry in said if entry.contact_id == id_), agreement_entry(new, field, id_, at)]
    standing = stand(entries, Purpose.MARKETING)
    return replace(person, standings={**person.standings, Purpose.MARKETING: standing})
