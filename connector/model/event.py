"""What comes in: events, receipts, replies, preferences, notices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import TypeAlias

from connector.model.ids import MessageId, RemoteId
from connector.model.payload import Payload


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something happened at a shop, a CRM or another source.

    ``type``, ``subject``, ``about``, ``label`` and ``occurred_at`` are in our words; ``payload`` and
    ``topic`` are the vendor's, untouched.
    """

    key: str
    """Unique within the account: two deliveries of one fact have one key (``order.paid:5521``)."""
    type: str
    """Our word: ``order.paid``."""
    topic: str
    """The vendor's word: ``orders/paid``."""
    subject: str
    """What it happened to: ``order:5521``. A mapping speaks once about a subject."""
    about: tuple[str, ...] = ()
    """Further subjects it bears on (``checkout:ab12``), for cancelling and for remembering."""
    remembers: Mapping[str, str] = field(default_factory=dict)
    """Earlier payloads an expression may use: root name -> subject (``{"order": "order:5521"}``)."""
    label: str
    """What a person would call the subject: ``#1001``."""
    occurred_at: datetime
    payload: Payload = field(repr=False)


class Status(IntEnum):
    """How far a message has come, as the channel tells it; it only ever moves up."""

    ACCEPTED = 1
    SENT = 2
    DELIVERED = 3
    READ = 4
    FAILED = -1
    """Final, unless the message is known to have been delivered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a channel did not carry a message, in its words, and what follows from it."""

    code: str
    words: str
    advice: str = ""
    temporary: bool = False
    retry_after: float | None = None
    """Seconds to wait where ``temporary``."""
    about: str = ""
    """What it tells of the person: ``opted_out`` of marketing, ``unreachable`` by the channel, ``blocked``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whom a channel speaks of; any part may be missing."""

    phone: str = field(default="", repr=False)
    """With a leading ``+``."""
    user_id: str = field(default="", repr=False)
    """The channel's own id of the person within this business (WhatsApp: BSUID)."""
    parent_user_id: str = field(default="", repr=False)
    name: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rekey:
    """A person is known by something else from now on: another number, or another user id."""

    old: Identity
    new: Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The channel's report on one message."""

    key: str
    remote_id: RemoteId
    message_id: MessageId | None = None
    """Our id, where the channel echoes it."""
    status: Status
    word: str
    """The channel's own word (``played``)."""
    occurred_at: datetime
    recipient: Identity = field(default_factory=Identity)
    refusal: Refusal | None = None
    billing: Payload = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a person wrote or tapped."""

    key: str
    remote_id: RemoteId
    sender: Identity
    kind: str
    """The channel's word: ``text``, ``button``, ``image``, …"""
    text: str = field(default="", repr=False)
    button: str = ""
    """The payload of the button that was tapped."""
    in_reply_to: RemoteId | None = None
    rekey: Rekey | None = None
    """Where the channel tells in the form of a message that the person has another number or id."""
    occurred_at: datetime
    payload: Payload = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """What a person chose in the channel's own settings."""

    key: str
    sender: Identity
    purpose: str
    """``marketing``"""
    choice: str
    """``stop``, ``resume`` or ``signup``."""
    occurred_at: datetime
    payload: Payload = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateChange:
    """What the channel says has changed about one template; None means: not spoken of."""

    name: str
    language: str
    status: str | None = None
    category: str | None = None
    quality: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """News about an account, a number or a template, or a kind of update that we do not know."""

    key: str
    kind: str
    """The channel's word: ``message_template_status_update``."""
    words: str
    """One line for the operator."""
    template: TemplateChange | None = None
    rekey: Rekey | None = None
    known: bool = True
    occurred_at: datetime
    payload: Payload = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ignored:
    """A topic that nobody here asked for: kept by name, quiet."""

    topic: str


Item: TypeAlias = Event | Receipt | Reply | Preference | Notice | Ignored
