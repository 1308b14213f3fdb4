"""Consent: what a person agreed to, with the evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from connector.model.ids import AccountId, ContactId


class Purpose(StrEnum):
    """What one may write about; the same words as the categories of templates."""

    MARKETING = "marketing"
    UTILITY = "utility"
    AUTHENTICATION = "authentication"


class ConsentState(StrEnum):
    """What one entry says, and what all of them come to."""

    GRANTED = "granted"
    PENDING = "pending"
    """Asked, and not confirmed yet (double opt-in)."""
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    """Says nothing either way. From the channel's own setting: its stop is lifted."""


class Source(StrEnum):
    """Where an entry comes from."""

    CHECKOUT = "checkout"
    """The buyer ticked a box; told by a field of an event."""
    SHOP = "shop"
    """The shop's record of the person."""
    CRM = "crm"
    """The CRM's record of the person."""
    KEYWORD = "keyword"
    BUTTON = "button"
    PREFERENCE = "preference"
    """The channel's own setting: stop and resume."""
    REFUSAL = "refusal"
    """The channel refused to send because the person stopped marketing (131050)."""
    SIGNUP = "signup"
    """The channel's own opt-in dialogue."""
    API = "api"
    IMPORT = "import"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the ledger; it never changes."""

    id: str
    contact_id: ContactId
    purpose: Purpose
    state: ConsentState
    source: Source
    account_id: AccountId | None = None
    """The shop, CRM or number that it came by."""
    record: str = ""
    """The record that said so, where one did: ``Contact:003…``."""
    place: str = ""
    """Where and how it was collected, in the words of whoever did: a checkout, a form, a till. A record's
    grant without one does not count."""
    wording: str = field(default="", repr=False)
    """What the person was shown, wrote or tapped."""
    wording_version: str = ""
    evidence: str = ""
    """What proves it here: ``event 01…``, ``message wamid…``, ``file optins.csv line 7``."""
    actor: str = ""
    """Who did it: ``the person``, ``WhatsApp``, an account's name, an admin's name."""
    dated: bool = True
    """False: nobody told when it happened, so ``occurred_at`` is only when we learned it."""
    occurred_at: datetime
    learned_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the ledger comes to for one purpose."""

    state: ConsentState
    since: datetime | None = None
    entry_id: str = ""
    """The entry that decides; ``""`` where none does."""
    words: str = ""
    """Why, in a sentence with the evidence; names no person."""
