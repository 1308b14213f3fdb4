"""Counting what a rehearsal came to: figures and ids of events, nothing personal; JSON all through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from typing import Any

import phonenumbers

from connector.flow.rehearse import Outcome
from connector.mapping.formats import ENGLISH
from connector.mapping.liquid import BlankError, BrokenError
from connector.mapping.notification import Mapping as Notification
from connector.mapping.plan import roots
from connector.mapping.text import ELLIPSIS, clean
from connector.model import Reason, Send

EXAMPLES = 20
"""Events that are named for each thing that is counted."""
VARIETY = 6
"""Events kept of each outcome, of which previews are chosen."""
_SLOT = "slot "


@dataclass(slots=True)
class Count:
    """How often something came about, and the first events of it."""

    number: int = 0
    events: list[str] = field(default_factory=list)

    def add(self, event_id: str, most: int = EXAMPLES) -> None:
        """Count one more."""
        self.number += 1
        if len(self.events) < most:
            self.events.append(event_id)


Counts = dict[str, Count]


@dataclass(slots=True)
class Tally:
    """What one text would have made of all the events."""

    looked_at: int = 0
    sends: int = 0
    """Messages that would have been made; those that take the place of a waiting one are not counted again."""
    replaced: int = 0
    skips: Counts = field(default_factory=dict)
    """By reason."""
    blanks: Counts = field(default_factory=dict)
    """Required slots for which nothing stood there: nothing is sent."""
    left_out: Counts = field(default_factory=dict)
    """Slots that may be left out, and were."""
    misfits: Counts = field(default_factory=dict)
    """Slots whose text did not fit: nothing is sent."""
    cut: Counts = field(default_factory=dict)
    """Slots whose text was too long, and is cut."""
    quiet: Count = field(default_factory=Count)
    """Held until quiet hours end."""
    paused: Count = field(default_factory=Count)
    """Would wait while the template is paused."""
    languages: dict[str, int] = field(default_factory=dict)
    countries: dict[str, int] = field(default_factory=dict)
    templates: dict[str, int] = field(default_factory=dict)
    priced: dict[str, int] = field(default_factory=dict)
    """``marketing DE`` -> how many."""
    really: Count = field(default_factory=Count)
    """Would-be messages about something that was really spoken about."""
    variety: Counts = field(default_factory=dict)
    """Outcome -> a few events of it."""

    def add(self, outcome: Outcome, mapping: Notification) -> None:
        """Count what became of one event."""
        self.looked_at += 1
        id_ = outcome.came.id
        if outcome.send is None:
            self._add_skip(outcome, id_)
            return
        send = outcome.send
        self.sends += not outcome.replaces
        self.replaced += outcome.replaces
        if outcome.held_until is not None:
            self.quiet.add(id_)
        if outcome.is_paused:
            self.paused.add(id_)
        if outcome.real is not None:
            self.really.add(id_)
        if not outcome.replaces:
            self._add_send(send)
        for key in _left_out(outcome, send):
            self.left_out.setdefault(key, Count()).add(id_)
        for key in _cut(outcome, send, mapping):
            self.cut.setdefault(key, Count()).add(id_)
        self._keep(f"send {send.template} {send.language}", id_)

    def _add_send(self, send: Send) -> None:
        country = country_of(send.recipient)
        for counts, key in (
            (self.languages, send.language), (self.countries, country),
            (self.templates, send.template), (self.priced, f"{send.category} {country}"),
        ):  # fmt: skip
            counts[key] = counts.get(key, 0) + 1

    def _add_skip(self, outcome: Outcome, id_: str) -> None:
        reason = outcome.reason
        self.skips.setdefault(reason, Count()).add(id_)
        self._keep(f"skip {reason}", id_)
        counts = {Reason.BLANK_SLOT: self.blanks, Reason.SLOT_FAULT: self.misfits}.get(Reason(reason))
        failed = next((step.name for step in outcome.decision.steps if not step.ok), "")
        if counts is not None:
            counts.setdefault(failed.removeprefix(_SLOT) or "template", Count()).add(id_)

    def _keep(self, what: str, id_: str) -> None:
        self.variety.setdefault(what, Count()).add(id_, VARIETY)

    def skipped(self) -> int:
        """Return how many events would have led to nothing."""
        return sum(count.number for count in self.skips.values())

    def previews(self, most: int = 10) -> list[str]:
        """Return events to show, spread over the outcomes: what would be sent first, and most of it."""
        sends = [count.events for name, count in self.variety.items() if name.startswith("send ")]
        skips = [count.events for name, count in self.variety.items() if name.startswith("skip ")]
        shown = list(_in_turn(sends))[: most - min(4, sum(map(len, skips)))]
        return [*shown, *list(_in_turn(skips))[: most - len(shown)]]

    def write(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Tally:
        """Read what :meth:`write` wrote."""
        made = cls()
        for each in fields(cls):
            before, value = getattr(made, each.name), told.get(each.name)
            if value is None:
                continue
            if isinstance(before, Count):
                value = Count(**value)
            elif isinstance(before, dict):
                value = {key: Count(**inner) if isinstance(inner, dict) else inner for key, inner in value.items()}
            setattr(made, each.name, value)
        return made


@lru_cache(maxsize=4096)
def country_of(phone: str) -> str:
    """Return the country of a number, as two ISO letters; ``?`` where that cannot be told."""
    try:
        found = phonenumbers.region_code_for_number(phonenumbers.parse(phone, None))
    except phonenumbers.NumberParseException:
        return "?"
    return str(found) if found and found in phonenumbers.SUPPORTED_REGIONS else "?"


def _left_out(outcome: Outcome, send: Send) -> Iterator[str]:
    for step in outcome.decision.steps:
        if step.name.startswith(_SLOT) and step.name.removeprefix(_SLOT) not in send.slots:
            yield step.name.removeprefix(_SLOT)


def _cut(outcome: Outcome, send: Send, mapping: Notification) -> Iterator[str]:
    """Yield the slots whose text was longer than what is sent of it."""
    for key, value in send.slots.items():
        if not value.endswith(ELLIPSIS) or key not in mapping.slots:
            continue
        try:
            whole = clean(mapping.slots[key].render(roots(outcome.situation), ENGLISH))
        except (BlankError, BrokenError):
            continue
        if len(whole) > len(value):
            yield key


def _in_turn(lists: list[list[str]]) -> Iterator[str]:
    """Yield the first of each list, then the second of each, and so on."""
    for place in range(max(map(len, lists), default=0)):
        for each in lists:
            if place < len(each):
                yield each[place]
