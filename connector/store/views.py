"""What looking gives: rows as frozen values, files that hold everything about one thing, filters of lists."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connector.model import Entry, State, Status, Step, Template
from connector.store.labels import LabelChange
from connector.store.reactions import Reaction
from connector.store.wanted import Row

NONE = "none"
"""As a word of a filter: those of which none was told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """A stored request without its bytes; ``account`` is the account's name."""

    id: int
    account_id: str
    account: str
    delivery_key: str
    topic: str
    received_at: datetime
    state: str
    words: str
    tries: int
    size: int
    """Bytes of the body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """What one mapping made of one event."""

    id: str
    event_id: str
    mapping: str
    version: int
    verdict: str
    """``send`` or ``skip``."""
    reason: str
    words: str = field(repr=False)
    steps: tuple[Step, ...]
    message_id: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """An event with every decision about it; ``account`` is the account's name."""

    id: str
    account_id: str
    account: str
    request_id: int
    key: str
    type: str
    topic: str
    subject: str
    label: str
    occurred_at: datetime
    planned_at: datetime
    decisions: tuple[DecisionRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRow:
    """A message as it stands; ``source`` and ``channel`` are names of accounts."""

    id: str
    event_id: str
    mapping: str
    version: int
    source: str
    channel_id: str
    channel: str
    subject: str
    label: str
    recipient: str = field(repr=False)
    template: str
    language: str
    category: str
    slots: Mapping[str, str] = field(repr=False)
    state: State
    reason: str
    words: str
    code: str
    occurred_at: datetime
    not_before: datetime
    expires_at: datetime | None
    tries: int
    remote_id: str | None
    created_at: datetime
    accepted_at: datetime | None
    sent_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None
    ended_at: datetime | None
    contact_id: str | None = None
    in_reply_to: str | None = None
    """The channel's id of what the person wrote, where this is an answer in free words."""
    trial: bool = False
    """A test message, to a phone of the operator's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequences:
    """What followed from an event or a message, of people."""

    reactions: tuple[Reaction, ...] = ()
    entries: tuple[Entry, ...] = ()
    """Of the ledger."""
    labels: tuple[LabelChange, ...] = ()
    answers: tuple[MessageRow, ...] = ()
    wishes: tuple[Row, ...] = ()
    """What records of these people were to hold, since then."""
    accounts: Mapping[str, str] = field(default_factory=dict)
    """Names of accounts by id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One call of the channel; an empty outcome means in flight, or in doubt."""

    id: str
    message_id: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    code: str
    words: str
    exchange: Sequence[Mapping[str, Any]] | None = field(default=None, repr=False)
    """What was said on the wire, call by call; None: nothing is kept of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptRow:
    """One report of the channel."""

    id: str
    message_id: str | None
    remote_id: str
    status: Status
    word: str
    code: str
    words: str
    advice: str
    retry_after: int | None
    billing: Mapping[str, Any] = field(default_factory=dict)
    """What the channel says of the price, in its own words."""
    occurred_at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundRow:
    """Something a person or the channel said to us."""

    id: str
    account: str
    request_id: int
    kind: str
    word: str
    words: str = field(repr=False)
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFile:
    """Everything about one message."""

    message: MessageRow
    event: EventRow | None
    request: RequestRow | None
    attempts: tuple[AttemptRow, ...]
    receipts: tuple[ReceiptRow, ...]
    template: Template | None
    """As the channel has it now; None where it was never synced."""
    followed: Consequences = field(default_factory=Consequences)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFile:
    """Everything about one event."""

    event: EventRow
    request: RequestRow | None
    messages: tuple[MessageFile, ...]
    followed: Consequences = field(default_factory=Consequences)
    """Of the event itself: what it told of people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events to list; what is empty does not matter."""

    type: str = ""
    label: str = ""
    subject: str = ""
    account: str = ""
    since: datetime | None = None
    until: datetime | None = None
    """Those before this moment."""
    state: State | None = None
    """Where a message of theirs stands."""
    verdict: str = ""
    """``send``, ``skip``, or ``none`` for events that no mapping listened to."""
    reason: str = ""
    mapping: str = ""
    ids: Collection[str] | None = None
    request_ids: Collection[int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFilter:
    """Which messages to list; what is empty does not matter."""

    states: tuple[State, ...] = ()
    mapping: str = ""
    recipients: tuple[str, ...] = field(default=(), repr=False)
    label: str = ""
    since: datetime | None = None
    until: datetime | None = None
    """Those before this moment."""
    account: str = ""
    """By name: the one whose event it was, or the one it leaves by."""
    template: str = ""
    language: str = ""
    reason: str = ""
    code: str = ""
    """The channel's, of a message that failed."""
    word: str = ""
    """Why it waits, was stopped, or failed, as it is counted: the channel's code, else a reason; or NONE."""
    country: str = ""
    """Of the number: ``DE``."""
    reached: str = ""
    """One of :data:`connector.store.stats.SUMS`: those messages that are counted there. Tests and answers are not."""
    contact_id: str = ""
    trial: bool | None = None
    """Test messages alone, or none of them."""
    ids: Collection[str] | None = None
