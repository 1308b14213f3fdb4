"""Rehearsing: what mappings' texts would have made of events that came, by the real planner and the real last gate.

Nothing is sent and nothing is stored. Every event is judged as if it had come the moment it happened: lateness,
what had come before it, what overtook it before its time, quiet hours, caps. Two things are as of now:
the templates, and where people stand, since that is what will count for what comes next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from connector.errors import PayloadError
from connector.flow import consult, gate, pushed
from connector.flow.accounts import Accounts
from connector.flow.catalogue import Catalogue
from connector.flow.situation import situate
from connector.flow.write import dedupe_key
from connector.mapping import Mapping as Notification
from connector.mapping import Situation, draft
from connector.model import (
    AccountId,
    ContactId,
    Decision,
    Event,
    Item,
    MessageId,
    Payload,
    Person,
    Reason,
    RequestId,
    Send,
    Skip,
    State,
    Step,
)
from connector.policy import span_of
from connector.store import Store, Transaction, addressed, inbox, outbox, past
from connector.store.addressed import Earlier
from connector.store.events import NewEvent, Subject
from connector.store.mappings import TemplateUse
from connector.store.past import Came, Mention

_HOLDS = 3
"""So often at most a message is held for quiet hours that another moment brings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A text that is rehearsed."""

    mapping: Notification
    version: int = 0
    """0: a draft."""
    uses: Sequence[TemplateUse] = ()
    """The shapes of its templates when it was published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one text would have made of one event."""

    came: Came
    decision: Decision
    situation: Situation = field(repr=False)
    send: Send | None = field(default=None, repr=False)
    """What it would have sent, where it would."""
    held_until: datetime | None = None
    """It would have waited for the end of quiet hours."""
    is_paused: bool = False
    """It would wait for as long as the template is paused."""
    replaces: bool = False
    """It would have taken the place of a message that still waited."""
    said: str = ""
    """A digest of what it speaks about; two with the same say the same thing twice."""
    real: MessageId | None = None
    """The message that was really made about the same."""

    @property
    def reason(self) -> str:
        """Why nothing would have been sent; ``""`` where something would."""
        return self.decision.verdict.reason.value if isinstance(self.decision.verdict, Skip) else ""


@dataclass(slots=True)
class Memory:
    """What a rehearsal remembers from one event to the next; JSON, so that it can go on later."""

    said: dict[str, int] = field(default_factory=dict)
    """A digest of what has been spoken about -> when that leaves, in microseconds."""
    sent: dict[str, list[int]] = field(default_factory=dict)
    """Whom messages with a cap went to -> when, in microseconds."""


@dataclass(frozen=True, slots=True)
class _Known:
    """An event of this batch with all that is known about it."""

    came: Came
    new: NewEvent
    earlier: Mapping[str, Sequence[Mention]]
    """By subject."""
    remembered: Mapping[str, Payload]
    at: datetime
    """The moment at which it is judged."""


class Rehearsal:
    """Rehearses texts side by side, batch by batch, the oldest events first."""

    def __init__(
        self, store: Store, accounts: Accounts, catalogue: Catalogue, since: datetime, *, fresh: bool = True
    ) -> None:
        """``since`` is when the rehearsed time begins: what was really said before it stays said.

        ``fresh`` False: an event that came late is late, as on the real road.
        """
        self._store, self._accounts, self._catalogue, self._since = store, accounts, catalogue, since
        self._fresh = fresh
        self.unreadable = 0
        """Events of which the bytes are gone, or cannot be read any more."""

    def run(self, batch: Sequence[Came], scripts: Sequence[tuple[Script, Memory]]) -> list[list[Outcome]]:
        """Return what each text would have made of these events, in their order; unreadable ones are left out."""
        with self._store.read() as tx:
            known = self._load(tx, batch)
            return [self._rehearse(tx, script, memory, known) for script, memory in scripts]

    def draft(self, batch: Sequence[Came], script: Script) -> list[Outcome]:
        """Return what a text makes of these events by themselves: no ledger and no gate are asked."""
        with self._store.read() as tx:
            known = self._load(tx, batch)
        planned = [(item, found) for item in known if (found := self._situation(script, item)) is not None]
        return [
            Outcome(came=item.came, decision=draft(script.mapping, script.version, found), situation=found)
            for item, found in planned
        ]

    # what was known

    def _load(self, tx: Transaction, batch: Sequence[Came]) -> list[_Known]:
        reader = _Reader(tx, self._accounts, {came.request_id for came in batch})
        found = [(came, event) for came in batch if (event := reader.event(came)) is not None]
        self.unreadable += len(batch) - len(found)
        subjects: set[Subject] = set()
        for came, event in found:
            subjects.add((came.account_id, event.subject))
            subjects |= {(came.account_id, subject) for subject in event.remembers.values()}
        mentions = past.mentions(tx, subjects)
        told = {
            came.id: {
                root: (came.account_id, place)
                for root, subject in event.remembers.items()
                if (place := _newest(mentions, came, subject)) is not None
            }
            for came, event in found
        }
        reader.want({place.request_id for places in told.values() for _, place in places.values()})
        return [
            _Known(
                came,
                NewEvent(
                    id=came.id, account_id=came.account_id, request_id=came.request_id, position=came.position,
                    event=event,
                ),
                {event.subject: mentions.get((came.account_id, event.subject), ())},
                {
                    root: payload
                    for root, (account, place) in told[came.id].items()
                    if (payload := reader.payload(account, place)) is not None
                },
                min(event.occurred_at, came.planned_at) if self._fresh else came.planned_at,
            )
            for came, event in found
        ]  # fmt: skip

    def _situation(self, script: Script, known: _Known) -> Situation | None:
        came, event = known.came, known.new.event
        account = self._accounts.account(came.account_id)
        if account is None:
            return None
        return situate(
            self._catalogue,
            script.mapping,
            event,
            account_name=account.name,
            account=self._accounts.public(account.id),
            remembered=known.remembered,
            seen=frozenset(
                each.type for each in known.earlier[event.subject] if each.had_come(came.id, came.request_id)
            ),
            at=known.at,
            uses=script.uses,
        )

    # what would have been decided

    def _rehearse(self, tx: Transaction, script: Script, memory: Memory, known: Sequence[_Known]) -> list[Outcome]:
        planned = [(item, found) for item in known if (found := self._situation(script, item)) is not None]
        drafted = [(item.new, draft(script.mapping, script.version, situation)) for item, situation in planned]
        at = max((item.at for item, _ in planned), default=self._since)
        first = min((item.at for item, _ in planned), default=self._since)
        told = consult.consult(tx, drafted, at)
        keys = {
            item.came.id: dedupe_key(script.mapping.name, item.came.account_id, item.new.event.subject, send.once)
            for (item, _), (made, _) in zip(planned, told, strict=True)
            if isinstance(send := made.verdict, Send)
        }
        gates = _Gates(tx, self._catalogue, script, memory, [person for _, person in told if person], first)
        real, outcomes = past.spoken(tx, set(keys.values())), []
        for (item, situation), (made, person) in zip(planned, told, strict=True):
            outcome = Outcome(came=item.came, decision=made, situation=situation)
            if isinstance(send := made.verdict, Send):
                message, spoken_at = real.get(keys[item.came.id], (None, None))
                outcome = replace(outcome, real=message)
                if spoken_at is not None and spoken_at < self._since:
                    outcome = _skipped(outcome, Reason.ALREADY_SAID, "This mapping has spoken about it already.")
                else:
                    whom = person or consult.stranger(item.new, send, item.at)
                    outcome = self._pass(outcome, item, send, whom, keys[item.came.id], memory, gates)
            outcomes.append(outcome)
        return outcomes

    def _pass(
        self, outcome: Outcome, item: _Known, send: Send, person: Person, key: str, memory: Memory, gates: _Gates
    ) -> Outcome:
        """Let one message through what stands between planning and sending."""
        digest, at = _digest(key), item.at
        waits_until = memory.said.get(digest)
        replaces = waits_until is not None and send.restart and waits_until > _micros(at)
        if waits_until is not None and not replaces:
            return _skipped(outcome, Reason.ALREADY_SAID, "This mapping has spoken about it already.")
        row, held_until = gates.pass_(item, send, person)
        memory.said[digest] = _micros(max(send.not_before, row.not_before, at))
        if row.state is not State.WAITING:
            return _skipped(outcome, Reason(row.reason), row.words)
        return replace(
            outcome, send=send, said=digest, held_until=held_until, is_paused=row.reason == "held", replaces=replaces
        )


class _Gates:
    """The last gate, as it would have stood when each message came due."""

    def __init__(
        self, tx: Transaction, catalogue: Catalogue, script: Script, memory: Memory, persons: Sequence[Person],
        first: datetime,
    ) -> None:  # fmt: skip
        self._policy, self._memory, self._mapping = catalogue.policy(), memory, script.mapping
        self._finder = catalogue.finder(catalogue.channel(script.mapping))
        caps = [*self._policy.cap.values(), script.mapping.timing.cap]
        self._span = span_of(cap for each in caps for cap in each)
        self._real: dict[ContactId, list[Earlier]] = {}
        if self._span:
            ids = {person.contact.id for person in persons}
            for earlier in addressed.sent_to(tx, ids, first - self._span):
                if earlier.mapping != self._mapping.name:
                    self._real.setdefault(earlier.contact_id, []).append(earlier)

    def pass_(self, item: _Known, send: Send, person: Person) -> tuple[outbox.Row, datetime | None]:
        """Return the message as the gate leaves it, and until when it would have been held."""
        row = _row(item, self._mapping, send, person)
        standings = self._standing(send)
        held_until, at = None, max(send.not_before, item.at)
        for _ in range(_HOLDS):
            by = _overtaken(item, send, at)
            known = gate.Known(
                cancelled={row.id: by} if by else {},
                standings=standings,
                persons={person.contact.id: person},
                sent=self._sent(person.contact.id, send, at),
                policy=self._policy,
            )
            if gate.clear([row], known, at):
                self._remember(person.contact.id, at)
                break
            if row.state is not State.WAITING or row.reason != "quiet_hours":
                break
            held_until = at = row.not_before
        return row, held_until

    def _standing(self, send: Send) -> dict[tuple[str, str], tuple[str, str]]:
        template = self._finder(send.template, send.language)
        return {(send.template, send.language): (template.status, template.category.value)} if template else {}

    def _sent(self, id_: ContactId, send: Send, at: datetime) -> list[Earlier]:
        if not self._span:
            return []
        own = self._memory.sent.get(_digest(id_), [])
        return [
            *(earlier for earlier in self._real.get(id_, ()) if earlier.at <= at),
            *(Earlier(id_, self._mapping.name, send.category.value, _moment(micros)) for micros in own),
        ]

    def _remember(self, id_: ContactId, at: datetime) -> None:
        if self._span:
            kept = self._memory.sent.setdefault(_digest(id_), [])
            kept[:] = [*(each for each in kept if _moment(each) + self._span > at), _micros(at)]


class _Reader:
    """Reads stored requests, each once."""

    def __init__(self, tx: Transaction, accounts: Accounts, ids: set[RequestId]) -> None:
        self._tx, self._accounts = tx, accounts
        self._stored = inbox.load(tx, ids)
        self._items: dict[RequestId, Sequence[Item]] = {}

    def want(self, ids: set[RequestId]) -> None:
        """Load more requests."""
        if more := ids - self._stored.keys():
            self._stored |= inbox.load(self._tx, more)

    def event(self, came: Came) -> Event | None:
        """Return an event as its request tells it."""
        item = self._item(came.account_id, came.request_id, came.position)
        return item if isinstance(item, Event) else None

    def payload(self, account_id: AccountId, place: Mention) -> Payload | None:
        """Return what an earlier event said."""
        item = self._item(account_id, place.request_id, place.position)
        return item.payload if isinstance(item, Event) else None

    def _item(self, account_id: AccountId, id_: RequestId, position: int) -> Item | None:
        if id_ not in self._items:
            self._items[id_] = self._parse(account_id, id_)
        items = self._items[id_]
        return items[position] if position < len(items) else None

    def _parse(self, account_id: AccountId, id_: RequestId) -> Sequence[Item]:
        stored, receiver = self._stored.get(id_), self._accounts.receiver(account_id)
        if stored is None or receiver is None or stored.words == inbox.ERASED:
            return ()
        try:
            return list(pushed.items(receiver, stored.request))
        except PayloadError:
            return ()


def _newest(mentions: Mapping[Subject, Sequence[Mention]], came: Came, subject: str) -> Mention | None:
    return past.newest(mentions.get((came.account_id, subject), ()), came.id, came.request_id)


def _overtaken(item: _Known, send: Send, at: datetime) -> str:
    """Return which event would have called the message off before its moment; ``""``: none."""
    for each in item.earlier[item.new.event.subject]:
        later = not each.had_come(item.came.id, item.came.request_id)
        if later and each.type in send.cancel_when and each.planned_at <= at:
            return each.type
    return ""


def _skipped(outcome: Outcome, reason: Reason, words: str) -> Outcome:
    made = outcome.decision
    steps = (*made.steps, Step(name="gate" if reason is not Reason.ALREADY_SAID else "once", ok=False, words=words))
    return replace(outcome, decision=replace(made, verdict=Skip(reason=reason, words=words), steps=steps))


def _row(item: _Known, mapping: Notification, send: Send, person: Person) -> outbox.Row:
    event, at = item.new.event, item.at
    values: dict[str, Any] = dict.fromkeys(outbox.Row.__dataclass_fields__)
    values |= {
        "id": MessageId("rehearsed"), "channel_id": send.channel, "source_id": item.came.account_id,
        "event_id": item.came.id, "mapping": mapping.name, "version": 0, "subject": event.subject,
        "label": event.label, "contact_id": person.contact.id, "gates": outbox.gates_of(send),
        "template": send.template, "language": send.language, "category": send.category.value,
        "recipient": send.recipient, "slots": send.slots, "state": State.WAITING, "reason": "", "words": "",
        "code": "", "tries": 0, "recipient_id": "", "cancel_when": send.cancel_when,
        "resend_in_doubt": send.resend_in_doubt, "created_at": at, "occurred_at": event.occurred_at,
        "not_before": max(send.not_before, at), "expires_at": send.expires_at,
    }  # fmt: skip
    return outbox.Row(**values)


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()


def _micros(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)


def _moment(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1_000_000, UTC)
