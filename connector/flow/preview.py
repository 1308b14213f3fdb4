"""A preview as a value: each part of a mapping with what it came to for one event, and the same for other eyes."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from connector.contract import Field
from connector.errors import Fault
from connector.flow import mask
from connector.flow.bench import Chosen
from connector.flow.bubble import Bubble, fill
from connector.mapping.recipient import mask as mask_number
from connector.model import Category, Decision, Payload, Person, Send, Skip, Step, Template


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
    actual: str = dataclasses.field(repr=False)
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
    fields: tuple[Field, ...] = field(default=(), repr=False)
    """What is declared of the payload."""
    masked: bool = False


_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_NUMBERS = re.compile(r"\d{9,}")


def masked(seen: Preview) -> Preview:
    """Return the same for somebody who may not see personal data: values, texts, recipients and payload hidden."""
    if seen.masked:
        return seen
    slots = tuple(map(_slot, seen.slots))
    shown = {each.key: each.value for each in slots if each.value}
    return replace(
        seen,
        slots=slots,
        recipients=tuple(replace(each, phone=mask_number(each.phone)) for each in seen.recipients),
        conditions=tuple(replace(each, actual=hide(each.actual)) for each in seen.conditions),
        decision=_decision(seen.decision, shown) if seen.decision else None,
        person=None,
        bubble=fill(seen.template, shown) if seen.bubble and seen.template else None,
        payload=hide_payload(seen.payload, seen.fields),
        masked=True,
    )


def hide(words: str) -> str:
    """Hide what a sentence quotes, and long numbers: words of ours stay."""
    quoted = _QUOTED.sub(lambda found: f"'{hide_value(found[1] or found[2] or '')}'", words)
    return _NUMBERS.sub(mask.DOTS, quoted)


def hide_value(value: str) -> str:
    """Hide a text, but for what tells nothing of a person by its form."""
    return str(mask.payload(value))


def hide_payload(payload: Payload, fields: Sequence[Field]) -> Payload:
    """Hide every text of a payload but the harmless."""
    hidden = mask.payload(dict(payload), fields)
    return hidden if isinstance(hidden, dict) else {}


def _slot(view: SlotView) -> SlotView:
    """Hide a value, and how long it is but for being too long; what is the same for everybody stays."""
    if "{{" not in view.expression and "{%" not in view.expression:
        return view
    over = view.limit is not None and view.length > view.limit
    length = (view.limit or 0) + 1 if over else 0
    return replace(view, value=hide_value(view.value), fault=hide(view.fault), length=length)


def _decision(decision: Decision, slots: dict[str, str]) -> Decision:
    steps = tuple(_step(step, slots) for step in decision.steps)
    match decision.verdict:
        case Send() as send:
            verdict: Send | Skip = replace(
                send, recipient=mask_number(send.recipient), slots={key: slots.get(key, "") for key in send.slots}
            )
        case Skip() as skip:
            verdict = replace(skip, words=hide(skip.words))
    return replace(decision, steps=steps, verdict=verdict)


def _step(step: Step, slots: dict[str, str]) -> Step:
    key = step.name.removeprefix("slot ")
    if step.ok and key in slots and step.name != key:
        return replace(step, words=slots[key])
    return replace(step, words=hide(step.words))
