"""Verdicts: why something was, or was not, sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from connector.model.ids import AccountId
from connector.model.template import Category


class Reason(StrEnum):
    """Why nothing is sent. Shown in traces, counted in metrics; grey, not red."""

    CONDITION = "condition_not_met"
    NO_RECIPIENT = "no_recipient"
    MASKED_PHONE = "masked_phone"
    INVALID_PHONE = "invalid_phone"
    BLANK_SLOT = "blank_slot"
    SLOT_FAULT = "slot_fault"
    """An expression broke a limit, or a value does not fit its slot."""
    TOO_LATE = "too_late"
    OVERTAKEN = "overtaken"
    """A cancelling event came first."""
    ALREADY_SAID = "already_said"
    """This mapping has spoken about this subject."""
    NO_AGREEMENT = "no_agreement"
    """Nobody told that the person agreed to this purpose."""
    REVOKED = "revoked"
    """The person took their consent back."""
    BLOCKED = "blocked"
    UNREACHABLE = "unreachable"
    """The channel said again and again that the person is not there."""
    OVER_CAP = "over_cap"
    WINDOW_CLOSED = "window_closed"
    """An answer would have come later than the channel allows after the person's last message."""
    ERASED = "erased"
    NO_CHANNEL = "no_channel"
    NO_TEMPLATE = "no_template"
    TEMPLATE_NOT_APPROVED = "template_not_approved"
    TEMPLATE_CHANGED = "template_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of a decision trace."""

    name: str
    """``conditions``, ``recipient``, ``template``, ``slot body.1``, ``agreement``, ``timing``."""
    ok: bool
    words: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """Nothing is sent, because."""

    reason: Reason
    words: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """This is to be sent."""

    channel: AccountId
    recipient: str = field(repr=False)
    template: str
    language: str
    category: Category
    slots: Mapping[str, str] = field(repr=False)
    not_before: datetime
    expires_at: datetime | None = None
    cancel_when: tuple[str, ...] = ()
    restart: bool = False
    """A newer event about the same subject replaces the waiting message."""
    resend_in_doubt: bool = True
    once: str = ""
    """What is said once about a subject, where more than one thing is: a stage, a date."""
    agreed_by: str = ""
    """The field of the event that holds the buyer's agreement to marketing; ``""``: none does."""
    ground: str = "transaction"
    """What a utility message stands on: ``transaction`` or ``consent``."""
    quiet: str = ""
    """``21:00-09:00`` in the person's own time; ``""``: at any hour."""
    timezone: str = ""
    """Of the account, for people whose own is not known."""
    cap: tuple[str, ...] = ()
    """``1 per 24h``: at most so many messages of this category to one person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one mapping made of one event, step by step."""

    mapping: str
    version: int
    verdict: Send | Skip
    steps: tuple[Step, ...]
