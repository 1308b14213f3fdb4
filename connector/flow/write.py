"""Writing down what was decided: requests, events, decisions, messages and receipts in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from connector.flow.settle import settle
from connector.model import (
    AccountId,
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
from connector.store import Store, Transaction, events, inbox, outbox, receipts, templates
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


def dedupe_key(mapping: str, account_id: AccountId, subject: str) -> str:
    """Return the business key: a mapping speaks once about a subject."""
    return f"{mapping}|{account_id}|{subject}"


def write(store: Store, batch: Batch, planned: Sequence[Planned], *, owner: str) -> Done:
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
        mine = [item for item in planned if item.event.id in stored or item.event.id in batch.replayed]
        _write_messages(tx, [item for item in mine if item.event.request_id in ours], at, done)
        _cancel(tx, [new for new in fresh if new.id in stored], at, done)
        moves = settle(tx, [(account, item) for number, account, item in batch.receipts if number in ours], at)
        done.moves.update(moves)
        done.channels.update(channel for channel, state in moves if state is State.WAITING)
        _hear(tx, batch.heard, ours, at, done)
    return done


def _write_messages(tx: Transaction, planned: Sequence[Planned], at: datetime, done: Done) -> None:
    wanted = {
        dedupe_key(item.decision.mapping, item.event.account_id, item.event.event.subject)
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
        message = _message(item, item.decision.verdict)
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


def _message(item: Planned, send: Send) -> NewMessage:
    event = item.event.event
    return NewMessage(
        id=MessageId(new_id()),
        event_id=item.event.id,
        mapping=item.decision.mapping,
        version=item.decision.version,
        source_id=item.event.account_id,
        dedupe_key=dedupe_key(item.decision.mapping, item.event.account_id, event.subject),
        subject=event.subject,
        label=event.label,
        occurred_at=event.occurred_at,
        send=send,
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
    for row in outbox.waiting_about(tx, types):
        hits = types[row.source_id, row.subject] & set(row.cancel_when)
        if hits:
            row.state, row.reason, row.ended_at = State.CANCELLED, Reason.OVERTAKEN.value, at
            row.words = f"{min(hits)} came first."
            cancelled.append(row)
            done.moves[row.channel_id, row.state] += 1
    outbox.save(tx, cancelled)


def _hear(tx: Transaction, heard: Sequence[Heard], ours: set[RequestId], at: datetime, done: Done) -> None:
    mine = [item for item in heard if item.request_id in ours]
    receipts.hear(tx, mine)
    for item in mine:
        if isinstance(item.item, Notice) and item.item.template is not None:
            templates.apply_change(tx, item.account_id, item.item.template, at)
            done.templates_of.add(item.account_id)
