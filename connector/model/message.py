"""Messages: what is to be said to whom, frozen when it was decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from connector.model.event import Status
from connector.model.ids import MessageId, RemoteId
from connector.model.template import Category


class State(StrEnum):
    """Where a message stands. Waiting -> sending -> accepted -> sent -> delivered -> read, or an end."""

    WAITING = "waiting"
    SENDING = "sending"
    """An attempt is written down and has no result yet."""
    IN_DOUBT = "in_doubt"
    """An attempt may have been carried out; a receipt will tell, or the window closes."""
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    CANCELLED = "cancelled"
    """A named event came first."""
    EXPIRED = "expired"
    SKIPPED = "skipped"
    """A gate stopped it after it was planned."""


STATE_OF: Mapping[Status, State] = {
    Status.ACCEPTED: State.ACCEPTED,
    Status.SENT: State.SENT,
    Status.DELIVERED: State.DELIVERED,
    Status.READ: State.READ,
    Status.FAILED: State.FAILED,
}
RANK: Mapping[State, int] = {
    State.WAITING: 0, State.SENDING: 0, State.IN_DOUBT: 0,
    State.ACCEPTED: 1, State.SENT: 2, State.FAILED: 2, State.DELIVERED: 3, State.READ: 4,
}  # fmt: skip
OPEN = (State.WAITING, State.SENDING, State.IN_DOUBT)
"""Not yet with the channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a channel needs in order to send."""

    id: MessageId
    recipient: str = field(repr=False)
    """A phone number with ``+``, or the channel's own id of the person."""
    template: str
    """``""``: an answer in free words, which stand in ``slots["text"]``."""
    language: str
    category: Category
    slots: Mapping[str, str] = field(repr=False)
    """Slot key -> text; see :class:`connector.model.Slot`."""
    in_reply_to: RemoteId | None = None
    """The message that an answer quotes."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The channel took a message over; whether it arrives, receipts will tell."""

    remote_id: RemoteId
    recipient_id: str = field(default="", repr=False)
    """The channel's canonical id of the person, which may differ from what we sent to."""
