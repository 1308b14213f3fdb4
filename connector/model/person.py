"""People: who somebody is across shop, CRM and channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from connector.model.consent import Purpose, Standing
from connector.model.ids import AccountId, ContactId


class KeyKind(StrEnum):
    """What a person is recognised by. An e-mail address is not one: families and shops share them."""

    PHONE = "phone"
    """E.164, as a shop, a CRM or the person gave it."""
    WA_ID = "wa_id"
    """The channel's canonical number, with ``+``; it may be spelled otherwise than the phone."""
    USER_ID = "user_id"
    """The channel's id of the person within this business (WhatsApp: BSUID)."""
    PARENT_ID = "parent_id"
    RECORD = "record"
    """A record of an account: ``customer:5521``, ``Contact:003…`` (18 characters)."""


@dataclass(frozen=True, slots=True)
class Key:
    """One thing that a person is recognised by; it belongs to one contact at a time."""

    kind: KeyKind
    value: str = field(repr=False)
    account_id: AccountId | None = None
    """Whose record it is; None for all other kinds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What one event, update or message tells about one person; ``""`` and empty mean: not spoken of."""

    keys: tuple[Key, ...] = field(repr=False)
    """Strongest first. At least one."""
    raw_phone: str = field(default="", repr=False)
    """The number as it was written."""
    name: str = field(default="", repr=False)
    alias: str = field(default="", repr=False)
    """What they call themselves on the channel: their name where nobody told another."""
    email: str = field(default="", repr=False)
    region: str = ""
    """Two ISO letters."""
    locale: str = ""
    timezone: str = ""
    """IANA name."""
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A person as we know them."""

    id: ContactId
    phone: str = field(default="", repr=False)
    """E.164; ``""`` where only a user id is known."""
    raw_phone: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    email: str = field(default="", repr=False)
    region: str = ""
    locale: str = ""
    timezone: str = ""
    blocked_at: datetime | None = None
    blocked_words: str = ""
    bounces: int = 0
    """How often in a row the channel said that it cannot reach them."""
    unreachable_at: datetime | None = None
    """Since when they count as not on the channel."""
    merged_into: ContactId | None = None
    merged_words: str = ""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What the gates need to know of a contact."""

    contact: Contact
    standings: Mapping[Purpose, Standing] = field(default_factory=dict)
    """Only purposes of which the ledger speaks."""
