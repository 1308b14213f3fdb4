"""What would be decided about a stored event if it came now: by the mappings in force, and the gates as they stand.

Nothing is stored and nothing is sent. The same pure functions decide here that decide on the real road.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from connector.flow import gate as gates
from connector.flow.crowd import Desk
from connector.flow.people import recipients
from connector.flow.received import event_of
from connector.flow.retell import newest
from connector.flow.situation import situate
from connector.flow.story import Tone, utc
from connector.flow.write import dedupe_key
from connector.mapping import draft, gate
from connector.model import (
    Account,
    AccountId,
    ContactId,
    Decision,
    Event,
    EventId,
    MessageId,
    Payload,
    Reason,
    Send,
    State,
    Step,
)
from connector.store import Transaction, events, look, people, templates
from connector.store.outbox import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Would:
    """What one mapping would make of it."""

    mapping: str
    version: int
    tone: Tone
    words: str
    """``would be sent``"""
    reason: str
    steps: tuple[Step, ...]


def would(tx: Transaction, desk: Desk, id_: EventId, at: datetime) -> list[Would] | None:
    """Say what would be decided about a stored event now; None where its payload can no longer be read."""
    found = event_of(tx, desk.accounts, id_)
    account = desk.accounts.account(found[0]) if found else None
    if found is None or account is None:
        return None
    event = found[1]
    told = []
    for recipe in desk.catalogue.listening(event.type, account):
        situation = situate(
            desk.catalogue,
            recipe.mapping,
            event,
            account_name=account.name,
            account=desk.accounts.public(account.id),
            remembered=_remembered(tx, desk, account.id, event),
            seen=events.seen(tx, [(account.id, event.subject)]).get((account.id, event.subject), frozenset()),
            at=at,
            uses=recipe.uses,
        )
        told.append(_gated(tx, desk, account, event, draft(recipe.mapping, recipe.version, situation), at))
    return told


def _remembered(tx: Transaction, desk: Desk, account_id: AccountId, event: Event) -> Mapping[str, Payload]:
    subjects = {root: (account_id, subject) for root, subject in event.remembers.items()}
    known = newest(tx, desk.accounts, subjects.values()) if subjects else {}
    return {root: known[subject][1] for root, subject in subjects.items() if subject in known}


def _gated(tx: Transaction, desk: Desk, account: Account, event: Event, made: Decision, at: datetime) -> Would:
    whose: ContactId | None = None
    if isinstance(send := made.verdict, Send):
        whose = recipients(tx, [send.recipient]).get(send.recipient)
        made = gate(made, people.persons(tx, [whose]).get(whose) if whose else None)
    send = made.verdict
    if not isinstance(send, Send):
        return _told(made, Tone.SKIP, "would be skipped", send.reason.value, ())
    key = dedupe_key(made.mapping, account.id, event.subject, send.once)
    if earlier := look.said_with(tx, key):
        said = Step(name="once", ok=False, words=f"This mapping has already spoken about {event.subject}: {earlier}.")
        return _told(made, Tone.SKIP, "would be skipped", Reason.ALREADY_SAID.value, (said,))
    row = _row(made, send, account, event, whose, at)
    standings = templates.standings(tx, send.channel)
    known = gates.learn(tx, [row], standings, desk.catalogue.policy(), at)
    if gates.clear([row], known, at):
        step = Step(name="gate", ok=True, words="Nothing holds it back.")
        return _told(made, Tone.OK, "would be sent", "", (step,))
    step = Step(name="gate", ok=False, words=row.words)
    if row.state is State.WAITING:
        return _told(made, Tone.INFO, f"would be held until {utc(row.not_before)}", row.reason, (step,))
    return _told(made, Tone.SKIP, "would be stopped at the gate", row.reason, (step,))


def _told(made: Decision, tone: Tone, words: str, reason: str, more: tuple[Step, ...]) -> Would:
    return Would(
        mapping=made.mapping, version=made.version, tone=tone, words=words, reason=reason, steps=(*made.steps, *more)
    )


def _row(made: Decision, send: Send, account: Account, event: Event, whose: ContactId | None, at: datetime) -> Row:
    """Return the message that it would be, as the gate wants it; it is never stored."""
    gates_ = {"ground": send.ground, "quiet": send.quiet, "timezone": send.timezone, "cap": list(send.cap)}
    return Row(
        id=MessageId(""), channel_id=send.channel, source_id=account.id, event_id=EventId(""), mapping=made.mapping,
        version=made.version, subject=event.subject, label=event.label, contact_id=whose,
        gates={name: value for name, value in gates_.items() if value}, template=send.template,
        language=send.language, category=send.category.value, recipient=send.recipient, slots=send.slots,
        state=State.WAITING, reason="", words="", code="", tries=0, remote_id=None, in_reply_to=None, recipient_id="",
        cancel_when=send.cancel_when, resend_in_doubt=send.resend_in_doubt, created_at=at,
        occurred_at=event.occurred_at, not_before=send.not_before, expires_at=send.expires_at,
        lease_owner=None, lease_until=None, accepted_at=None, sent_at=None, delivered_at=None, read_at=None,
        ended_at=None,
    )  # fmt: skip
