"""The workbench: one mapping's text and one event, and what the real road would make of them.

What :mod:`connector.flow.decide` does for an event that comes in is done here for one that is chosen, by the
same functions, and nothing is stored. A text with faults is shown as far as it goes: every slot, recipient and
condition by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from connector.contract import Topic
from connector.errors import Fault
from connector.flow.accounts import Accounts, Registry
from connector.flow.bubble import Bubble
from connector.flow.catalogue import Catalogue
from connector.mapping import Situation
from connector.model import AccountId, Category, Decision, Event, EventId, Payload, Person, Template
from connector.store import Store


class Tools(Protocol):
    """Of whom a bench is made: the wiring, and what tests put in its place."""

    store: Store
    registry: Registry

    @property
    def desk(self) -> Any:
        """Its accounts and catalogue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """An event that a mapping can be tried on."""

    id: EventId | None
    """None: the sample that the adapter declares."""
    adapter: str
    event: str
    """Our type: ``order.paid``."""
    account_id: AccountId | None
    account: str
    """Name."""
    label: str
    """``#1001``; ``Sample``."""
    at: datetime
    """When it happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A chosen event with everything the road knows when it plans it."""

    chosen: Chosen
    event: Event
    topic: Topic | None
    account: Mapping[str, Any] = field(default_factory=dict)
    """Public settings, with ``name``."""
    remembered: Mapping[str, Payload] = field(default_factory=dict)
    seen: frozenset[str] = frozenset()
    arrived_at: datetime
    """The moment at which it is planned: when it came in; for a sample now."""


class Bench:
    """Everything a preview needs, with what costs time kept for a moment; safe to use from many threads."""

    def __init__(self, store: Store, registry: Registry, accounts: Accounts, catalogue: Catalogue) -> None:
        self.store, self.registry, self.accounts, self.catalogue = store, registry, accounts, catalogue

    @classmethod
    def of(cls, tools: Tools) -> Bench:
        """Return the bench of an installation: the same one for the same store, so that its caches hold."""
        raise NotImplementedError


def choices(bench: Bench, adapter: str, event: str, account: str = "", most: int = 20) -> list[Chosen]:
    """Return the newest stored events of this type, and at the end the declared samples (``id`` None)."""
    raise NotImplementedError


def load(bench: Bench, chosen: Chosen) -> Loaded | None:
    """Return an event with what is known about it; None where it can no longer be read."""
    raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotView:
    """One slot of the approved template (or one that the mapping fills and the template has not)."""

    key: str
    kind: str
    """``text``, ``url_suffix``, ``payload``, …; ``""``: the template has no such slot."""
    limit: int | None
    required: bool
    example: str
    expression: str
    """``""``: the mapping does not fill it."""
    value: str = field(default="", repr=False)
    """What would be sent, cut to its limit."""
    fault: str = ""
    """What is wrong, in words; ``""``: nothing."""
    blank: bool = False
    """There is nothing to print, or no expression."""
    length: int = 0
    """Characters before it was cut; more than ``limit`` means that it was."""
    suggestion: str = ""
    """The expression with a fallback, where it came out blank."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientView:
    """One expression of ``to.phone``, in the order in which they are tried."""

    path: str
    """``to.phone.0``"""
    expression: str
    phone: str = field(default="", repr=False)
    """E.164; ``""``: none here."""
    words: str = field(default="", repr=False)
    chosen: bool = False
    """The first that holds a number: it is written to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionView:
    """One row of the conditions."""

    path: str
    """``when.conditions.all.0``"""
    field: str
    wanted: str
    """``more than 50``"""
    actual: str = field(repr=False)
    holds: bool | None
    """None: the row has a fault."""
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingView:
    """When it would leave."""

    due: datetime | None
    """None: cannot be told (``timing.at`` prints no moment)."""
    expires_at: datetime | None
    held_until: datetime | None
    """The end of quiet hours that it would come due in."""
    zone: str
    """The zone in which ``words`` tell the time."""
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a mapping's text makes of an event."""

    event: Chosen | None
    """None: there is no such event any more, and no sample."""
    faults: tuple[Fault, ...]
    """Of form and of check, with their paths; all that publishing would refuse."""
    sentence: str
    """``""`` where the text has faults of form."""
    slots: tuple[SlotView, ...] = ()
    recipients: tuple[RecipientView, ...] = ()
    conditions: tuple[ConditionView, ...] = ()
    timing: TimingView | None = None
    decision: Decision | None = None
    """What the road would decide, with its steps, consent among them; None where the text cannot be used."""
    person: Person | None = field(default=None, repr=False)
    """Whom the recipient's number belongs to, as far as that is known."""
    template: Template | None = None
    """The one that is shown, in ``language``."""
    category: Category | None = None
    language: str = ""
    chosen_language: str = ""
    """The one that would be sent."""
    languages: tuple[str, ...] = ()
    """Those in which the channel has the template."""
    bubble: Bubble | None = None
    payload: Payload = field(default_factory=dict, repr=False)
    masked: bool = False


def preview(
    bench: Bench,
    name: str,
    source: str,
    event_id: EventId | Chosen | None = None,
    *,
    language: str = "",
    at: datetime | None = None,
) -> Preview:
    """Show what a text would make of an event; never raises for what the text or the payload hold.

    ``event_id`` None: the sample of the mapping's event. ``language``: show the template in that one, whatever
    would be sent. ``at``: the moment of planning; by default when the event came in, so that an old event is
    not simply too late.
    """
    raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadView:
    """One field rule of a contact mapping, and what it read."""

    path: str
    """``fields.3``"""
    contact: str
    direction: str
    vendor: str
    value: str = field(default="", repr=False)
    """What the contact's field would become; ``""``: not spoken of."""
    told: str = field(default="", repr=False)
    """For consent: the vendor's own value."""
    words: str = field(default="", repr=False)
    """When and how, or why nothing was read."""
    writes: str = field(default="", repr=False)
    """What would be written back for this person, ``""``: nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactPreview:
    """What a contact mapping reads of an event, and would write back for the person."""

    event: Chosen | None
    faults: tuple[Fault, ...]
    record: str = ""
    """``customer:5521``; ``""``: it shows nobody's record."""
    fields: tuple[ReadView, ...] = ()
    unread: tuple[str, ...] = ()
    """What was there and could not be read."""
    payload: Payload = field(default_factory=dict, repr=False)
    masked: bool = False


def preview_contact(bench: Bench, name: str, source: str, event_id: EventId | Chosen | None = None) -> ContactPreview:
    """Show what a contact mapping reads of an event, and would write back; never raises for what they hold."""
    raise NotImplementedError


def situation_of(bench: Bench, loaded: Loaded, mapping: Any, *, at: datetime | None = None) -> Situation:
    """Return the situation the road would plan with."""
    raise NotImplementedError


def masked(seen: Preview) -> Preview:
    """Return the same for somebody who may not see personal data: values, texts, recipients and payload hidden."""
    raise NotImplementedError


def masked_contact(seen: ContactPreview) -> ContactPreview:
    """The same for a contact preview."""
    raise NotImplementedError
