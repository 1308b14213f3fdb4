"""Writing down what was decided: requests, events, decisions, messages and receipts in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from connector.flow import listen, privacy, react, records
from connector.flow.crowd import Crowd, Desk
from connector.flow.pushed import Only
from connector.flow.settle import Settled, settle
from connector.model import (
    AccountId,
    ContactId,
    Decision,
    EventId,
    MessageId,
    Notice,
    Reason,
    Receipt,
    RequestId,
    Send,
    Skip,
    State,
    Step,
    new_id,
    now,
)
from connector.store import Store, Transaction, addressed, events, inbox, outbox, people, receipts, templates
from connector.store.events import NewEvent
from connector.store.inbox import RequestState
from connector.store.outbox import NewMessage
from connector.store.receipts import Heard


@dataclass(slots=True)
class Batch:
    """What a batch of requests turned out to hold."""

    outcomes: dict[RequestId, tuple[RequestState, str]] = field(default_factory=dict)
    events: list[NewEvent] = field(default_factory=list)
    replayed: set[EventId] = field(default_factory=set)
    receipts: list[tuple[RequestId, AccountId, Receipt]] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    failed: list[RequestId] = field(default_factory=list)
    only: dict[RequestId, Only] = field(default_factory=dict)
    """Requests of our own API for which one mapping alone is asked."""
    duplicates: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What one mapping made of one event."""

    event: NewEvent
    decision: Decision


@dataclass(slots=True)
class Done:
    """What a batch came to, for its log line, the counters and the bells."""

    requests: int = 0
    states: Counter[RequestState] = field(default_factory=Counter)
    events: int = 0
    duplicates: int = 0
    decisions: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(mapping, verdict, reason)"""
    moves: Counter[tuple[AccountId, State]] = field(default_factory=Counter)
    channels: set[AccountId] = field(default_factory=set)
    """Channels that now have something due."""
    templates_of: set[AccountId] = field(default_factory=set)
    """Channels that told of a change to a template."""

    def add(self, other: Done) -> None:
        """Add up another batch: its counts, and the bells it asks for."""
        self.requests += other.requests
        self.events += other.events
        self.duplicates += other.duplicates
        self.states.update(other.states)
        self.decisions.update(other.decisions)
        self.moves.update(other.moves)
        self.channels |= other.channels
        self.templates_of |= other.templates_of


def dedupe_key(mapping: str, account_id: AccountId, subject: str, once: str = "") -> str:
    """Return the business key: a mapping speaks once about a subject, or about each ``once`` of it."""
    return f"{mapping}|{account_id}|{subject}" + (f"|{once}" if once else "")


def write(store: Store, desk: Desk, batch: Batch, planned: Sequence[Planned], *, owner: str) -> Done:
    """Write a batch. Requests whose lease has run out are left to whoever has them now."""
    at = now()
    done = Done(duplicates=batch.duplicates)
    with store.write() as tx:
        ours = set(inbox.finish(tx, owner, batch.outcomes))
        done.requests = len(ours) + len(batch.failed)
        done.states.update(batch.outcomes[number][0] for number in ours)
        fresh = [new for new in batch.events if new.request_id in ours and new.id not in batch.replayed]
        stored = events.add(tx, fresh, at)
        done.events = len(stored)
        fresh = [new for new in fresh if new.id in stored]
        privacy.note(tx, fresh, at)
        mine = [item for item in planned if item.event.id in stored or item.event.id in batch.replayed]
        mine = [item for item in mine if item.event.request_id in ours]
        crowd = Crowd(tx, desk, at)  # people first: whoever locks both, locks them before messages
        recipients = _recipients(crowd, mine)
        records.take_in(crowd, fresh)
        arrived = [(account, item) for number, account, item in batch.receipts if number in ours]
        listen.known_by(crowd, [item for _, item in arrived])
        heard = receipts.hear(tx, [item for item in batch.heard if item.request_id in ours])
        listen.listen(crowd, heard)
        present = {key: crowd.present(id_) for key, id_ in recipients.items()}
        _write_messages(tx, mine, present, at, done)
        _cancel(tx, fresh, at, done)
        _follow(crowd, settle(tx, arrived, at), done)
        _note(tx, heard, at, done)
        done.channels |= crowd.close()
    return done


def _recipients(crowd: Crowd, planned: Sequence[Planned]) -> Mapping[tuple[EventId, str], ContactId]:
    """Return who the recipients are, and enter what the events say that they agreed to."""
    sends = [(item.event, item.decision.verdict) for item in planned if isinstance(item.decision.verdict, Send)]
    whose = crowd.meet([records.sighting_of(send.recipient, new) for new, send in sends])
    found = {(new.id, send.recipient): id_ for (new, send), id_ in zip(sends, whose, strict=True) if id_ is not None}
    agreed = {new.id: (new, send) for new, send in sends if send.agreed_by}
    records.agreements(crowd, [(new, send.agreed_by, found[new.id, send.recipient]) for new, send in agreed.values()])
    return found


def _follow(crowd: Crowd, settled: Settled, done: Done) -> None:
    """Draw the consequences of receipts: counts, rules, and what refusals tell of people."""
    rows = [item.row for item in settled.moved]
    for row in rows:
        done.moves[row.channel_id, row.state] += 1
        if row.state is State.WAITING:
            done.channels.add(row.channel_id)
    reached = {row.contact_id for row in rows if row.state in (State.DELIVERED, State.READ)}
    people.reached(crowd.tx, {id_ for id_ in reached if id_})
    listen.refused(
        crowd,
        [
            listen.Refused(about=item.refusal.about, code=item.refusal.code, row=row, at=item.occurred_at)
            for row, item in settled.matched
            if item.refusal is not None and item.refusal.about
        ],
    )
    react.outcomes(crowd, settled.moved)


def _write_messages(
    tx: Transaction,
    planned: Sequence[Planned],
    recipients: Mapping[tuple[EventId, str], ContactId],
    at: datetime,
    done: Done,
) -> None:
    wanted = {
        dedupe_key(item.decision.mapping, item.event.account_id, item.event.event.subject, item.decision.verdict.once)
        for item in planned
        if isinstance(item.decision.verdict, Send)
    }
    taken = outbox.taken(tx, wanted)
    new: dict[str, NewMessage] = {}
    made: list[tuple[Planned, MessageId | None]] = []
    for item in planned:
        if not isinstance(item.decision.verdict, Send):
            made.append((item, None))
            continue
        message = _message(item, item.decision.verdict, recipients)
        key = message.dedupe_key
        present = taken.get(key)
        if present is None and (key not in new or message.send.restart):
            new[key] = message if key not in new else replace(message, id=new[key].id)
            made.append((item, new[key].id))
        elif present is not None and _speaks_instead(message, present):
            outbox.replace(tx, present.id, message)
            made.append((item, present.id))
        else:
            made.append((_already_said(item), None))
    stored = outbox.add(tx, list(new.values()), at)
    late = {message.id for message in new.values()} - stored  # another worker was quicker
    made = [(_already_said(item), None) if number in late else (item, number) for item, number in made]
    events.add_decisions(tx, [(item.event.id, item.decision, number) for item, number in made], at)
    done.channels.update(m.send.channel for m in new.values() if m.id in stored and m.send.not_before <= at)
    for item, _ in made:
        verdict = item.decision.verdict
        reason = verdict.reason.value if isinstance(verdict, Skip) else ""
        done.decisions[item.decision.mapping, "skip" if reason else "send", reason] += 1


def _message(item: Planned, send: Send, recipients: Mapping[tuple[EventId, str], ContactId]) -> NewMessage:
    event = item.event.event
    return NewMessage(
        id=MessageId(new_id()),
        event_id=item.event.id,
        mapping=item.decision.mapping,
        version=item.decision.version,
        source_id=item.event.account_id,
        dedupe_key=dedupe_key(item.decision.mapping, item.event.account_id, event.subject, send.once),
        subject=event.subject,
        label=event.label,
        occurred_at=event.occurred_at,
        send=send,
        contact_id=recipients.get((item.event.id, send.recipient)),
    )


def _speaks_instead(message: NewMessage, present: outbox.Row) -> bool:
    waits_untried = present.state is State.WAITING and present.tries == 0
    return message.send.restart and waits_untried and message.occurred_at >= present.occurred_at


def _already_said(item: Planned) -> Planned:
    words = "This mapping has spoken about it already."
    return replace(
        item,
        decision=replace(
            item.decision,
            verdict=Skip(reason=Reason.ALREADY_SAID, words=words),
            steps=(*item.decision.steps, Step(name="once", ok=False, words=words)),
        ),
    )


def _cancel(tx: Transaction, fresh: Iterable[NewEvent], at: datetime, done: Done) -> None:
    """Cancel waiting messages that one of these events overtakes."""
    types: dict[tuple[AccountId, str], set[str]] = {}
    for new in fresh:
        for subject in (new.event.subject, *new.event.about):
            types.setdefault((new.account_id, subject), set()).add(new.event.type)
    cancelled = []
    for row in addressed.waiting_about(tx, types):
        hits = types[row.source_id, row.subject] & set(row.cancel_when)
        if hits:
            row.state, row.reason, row.ended_at = State.CANCELLED, Reason.OVERTAKEN.value, at
            row.words = f"{min(hits)} came first."
            cancelled.append(row)
            done.moves[row.channel_id, row.state] += 1
    outbox.save(tx, cancelled)


def _note(tx: Transaction, heard: Iterable[Heard], at: datetime, done: Done) -> None:
    for item in heard:
        if isinstance(item.item, Notice) and item.item.template is not None:
            templates.apply_change(tx, item.account_id, item.item.template, at)
            done.templates_of.add(item.account_id)
