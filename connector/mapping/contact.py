"""A contact mapping as a value: which field of a vendor's record is which of a contact's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

PLAIN = ("phone", "wa_id", "email", "name", "region", "locale", "timezone")
"""Contact fields that hold one text; they come in and are never written back, but ``wa_id``."""
LABELS = ("labels", "labels.added", "labels.removed")
"""The whole set, or what an event tells was added to or taken from it."""
CONSENT = ("consent.marketing", "consent.utility", "consent.authentication")


class Direction(StrEnum):
    """Which way a field goes."""

    IN = "in"
    OUT = "out"
    BOTH = "both"


class Wins(StrEnum):
    """Who is right where both sides have changed. A person's own revocation wins over all three."""

    NEWEST = "newest"
    OURS = "ours"
    THEIRS = "theirs"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """One field of the vendor's record, and the contact's that it is."""

    contact: str
    """One of PLAIN, LABELS or CONSENT."""
    vendor: str
    """The vendor's name of the field: ``WhatsApp_Status__c``, ``tags``; ``""`` where it only comes in."""
    direction: Direction = Direction.IN
    paths: tuple[str, ...]
    """Where payloads carry it (``in`` of the file); the first that holds something. Absent is not cleared."""
    region: tuple[str, ...] = ()
    """For ``phone``: where the country of a national number stands; ``account.country`` is the account's."""
    events: tuple[str, ...] = ()
    """Only payloads of these events carry it; empty: all of the mapping's."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Vendor's value -> the contact's, for consent: ``{"Opted in": "granted"}``; booleans as true and false."""
    at: str = ""
    """Path of the moment when the value became true."""
    source: str = ""
    """Path of the words that say how consent was collected."""
    place: str = ""
    """The same in fixed words, where the vendor keeps none."""
    write_at: str = ""
    """Vendor's field that our moment is written to, beside the value."""
    write_source: str = ""
    separator: str = ""
    """What joins the members of a set that is one text (``;``); ``""``: a list."""
    only: tuple[str, ...] = ()
    """For labels: these alone; empty: all."""
    wins: Wins = Wins.NEWEST

    @property
    def comes_in(self) -> bool:
        """Whether the vendor's value is taken."""
        return self.direction is not Direction.OUT

    @property
    def goes_out(self) -> bool:
        """Whether our value is written."""
        return self.direction is not Direction.IN

    def to_vendor(self, value: str) -> str | None:
        """Return the vendor's word for a contact's value, or None where there is none."""
        return next((theirs for theirs, ours in self.values.items() if ours == value), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSource:
    """Which events carry the record, and where its id stands in them."""

    events: tuple[str, ...]
    id: str
    """A path: ``id``, ``customer.id``. Blank there: the event speaks of nobody's record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactMapping:
    """A contact mapping that has been read and checked for its form."""

    name: str
    """``shopify/contact``"""
    title: str
    description: str = ""
    adapter: str
    object: str
    """The vendor's word for the record: ``customer``, ``Contact``."""
    accounts: tuple[str, ...] = ()
    """Names of accounts; empty: all of the adapter."""
    records: tuple[RecordSource, ...]
    fields: tuple[FieldRule, ...]
    look_up: bool = False
    """Look for the person's record by phone number where the account has never told us of one."""
    source: str = field(repr=False)

    def wants(self, *, adapter: str, account: str) -> bool:
        """Tell whether records of this account are its business."""
        return self.adapter == adapter and (not self.accounts or account in self.accounts)

    def id_path(self, event: str) -> str:
        """Return where the record's id stands in payloads of this event, or ``""``."""
        return next((item.id for item in self.records if event in item.events), "")
