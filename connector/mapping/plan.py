"""What one mapping makes of one event: a pure function, told step by step."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from babel import Locale

from connector.mapping.conditions import evaluate, tests
from connector.mapping.formats import ENGLISH, choose_locale
from connector.mapping.liquid import BlankError, BrokenError, Expression
from connector.mapping.notification import Mapping
from connector.mapping.recipient import Recipient, find_recipient
from connector.mapping.slots import fill, misfits
from connector.model import (
    AccountId,
    Category,
    Decision,
    Event,
    Payload,
    Reason,
    Send,
    Skip,
    Step,
    Template,
)
from connector.policy import agreed, agreement, late, overtaken, span

HELD = "paused"
"""The status of a template for which messages are planned and wait; every other one but approved stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that a plan depends on beside the mapping; two equal situations give equal decisions."""

    event: Event
    account_name: str
    account: MappingOf[str, Any] = field(default_factory=dict)
    """Public settings of the account whose event it is: no secrets."""
    remembered: MappingOf[str, Payload] = field(default_factory=dict)
    """Earlier payloads by root name, as the event's ``remembers`` asks for."""
    seen: Collection[str] = ()
    """Our types of the events already stored about the event's subject."""
    now: datetime
    channel: AccountId | None
    """The account that sends, found by the caller from ``mapping.template.account``."""
    template: Callable[[str, str], Template | None] = field(repr=False)
    """The channel's template of a name and language."""
    fingerprints: MappingOf[tuple[str, str], str] = field(default_factory=dict)
    """Of the templates when the mapping was published, by name and language; empty: not checked."""


def plan(mapping: Mapping, version: int, situation: Situation) -> Decision:
    """Decide whether this event makes a message, and which; the first gate that stops gives the reason.

    Order: conditions, timing, recipient, channel, template, agreement, slots. Pure, and total: an event of
    any shape gives a Decision.
    """
    steps: list[Step] = []
    verdict = _Planner(mapping, situation, steps).decide()
    return Decision(mapping=mapping.name, version=version, verdict=verdict, steps=tuple(steps))


def roots(situation: Situation) -> dict[str, Any]:
    """Return what expressions see: the payload's fields, what is remembered, ``account`` and ``event``."""
    event = situation.event
    return {
        **event.payload,
        **situation.remembered,
        "account": {**situation.account, "name": situation.account_name},
        "event": {"type": event.type, "label": event.label, "occurred_at": event.occurred_at.isoformat()},
    }


class _Planner:
    """One planning; each method is a gate that notes its step and returns what it found, or a Skip."""

    def __init__(self, mapping: Mapping, situation: Situation, steps: list[Step]) -> None:
        self.mapping, self.situation, self.steps = mapping, situation, steps
        self.roots = roots(situation)

    def decide(self) -> Send | Skip:
        due = _later(self.situation.event.occurred_at, self.mapping.timing.delay)
        expires = self.mapping.timing.expires
        expires_at = _later(due, expires) if expires is not None else None
        if skip := self._conditions() or self._timing(due, expires_at):
            return skip
        locale = choose_locale(self._prints(self.mapping.to.locale))
        recipient = self._recipient(locale)
        if isinstance(recipient, Skip):
            return recipient
        channel = self._channel()
        if isinstance(channel, Skip):
            return channel
        template = self._template(locale)
        if isinstance(template, Skip):
            return template
        if skip := self._agreement(template.category):
            return skip
        filled, told = fill(self.mapping.slots, template, self.roots, locale)
        self.steps += told
        if isinstance(filled, Skip):
            return filled
        timing = self.mapping.timing
        return Send(
            channel=channel, recipient=recipient.phone, template=template.name, language=template.language,
            category=template.category, slots=filled, not_before=due, expires_at=expires_at,
            cancel_when=timing.cancel_when, restart=timing.restart, resend_in_doubt=timing.resends(template.category),
        )  # fmt: skip

    def _pass(self, name: str, words: str) -> None:
        self.steps.append(Step(name=name, ok=True, words=words))

    def _stop(self, name: str, skip: Skip) -> Skip:
        self.steps.append(Step(name=name, ok=False, words=skip.words))
        return skip

    def _conditions(self) -> Skip | None:
        when, event = self.mapping.when, self.situation.event
        words = ""
        if event.type != when.event:
            words = f"the event is {event.type}, wanted {when.event}"
        elif when.accounts and self.situation.account_name not in when.accounts:
            words = f"the account is {self.situation.account_name}, wanted {' or '.join(when.accounts)}"
        elif when.conditions:
            words = evaluate(when.conditions, self.roots)
        if words:
            return self._stop("conditions", Skip(reason=Reason.CONDITION, words=words))
        count = sum(1 for _ in tests(when.conditions)) if when.conditions else 0
        self._pass("conditions", f"hold ({count} tested)" if count else "none are set")
        return None

    def _timing(self, due: datetime, expires_at: datetime | None) -> Skip | None:
        timing, now = self.mapping.timing, self.situation.now
        skip = late(expires_at, now) or overtaken(timing.cancel_when, self.situation.seen)
        if skip:
            return self._stop("timing", skip)
        leaves = "leaves at once" if due <= now else f"leaves in {span(due - now)}"
        until = f", and until {expires_at:%Y-%m-%d %H:%M} UTC at the latest" if expires_at else ""
        self._pass("timing", leaves + until)
        return None

    def _recipient(self, locale: Locale) -> Recipient | Skip:
        found = find_recipient(self.mapping.to.phone, self.mapping.to.region, self.roots, locale)
        if isinstance(found, Skip):
            return self._stop("recipient", found)
        self._pass("recipient", found.words)
        return found

    def _channel(self) -> AccountId | Skip:
        channel, name = self.situation.channel, self.mapping.template.account
        if channel is None:
            words = f"There is no active account {name!r} that can send." if name else "No single account can send."
            return self._stop("channel", Skip(reason=Reason.NO_CHANNEL, words=words))
        self._pass("channel", name or "the only one that can send")
        return channel

    def _template(self, locale: Locale) -> Template | Skip:
        choice = self.mapping.template
        printed = next(self._prints((choice.language.choose,) if choice.language.choose else ()), "")
        language = choice.language.pick(printed)
        template = self.situation.template(choice.name, language)
        if template is None:
            words = f"The channel has no template {choice.name} in {language}."
            return self._stop("template", Skip(reason=Reason.NO_TEMPLATE, words=words))
        if template.status not in ("approved", HELD):
            because = f" ({template.reason})" if template.reason else ""
            words = f"The template {choice.name} in {language} is {template.status}{because}."
            return self._stop("template", Skip(reason=Reason.TEMPLATE_NOT_APPROVED, words=words))
        if faults := misfits(self.mapping.slots, template):
            return self._stop("template", self._changed(template, "; ".join(map(str, faults))))
        held = "; it is paused at the channel, and the message waits" if template.status == HELD else ""
        chosen = f", chosen by {printed!r}" if printed else ""
        self._pass("template", f"{choice.name} in {language}{chosen}; formats of {locale}{held}")
        return template

    def _changed(self, template: Template, words: str) -> Skip:
        published = self.situation.fingerprints.get((template.name, template.language))
        if published is not None and published != template.fingerprint:
            told = f"The template was changed after this mapping was published: {words}"
            return Skip(reason=Reason.TEMPLATE_CHANGED, words=told)
        return Skip(reason=Reason.SLOT_FAULT, words=words)

    def _agreement(self, category: Category) -> Skip | None:
        fields = self.mapping.to.agreement
        if skip := agreement(category, fields, self.roots):
            return self._stop("agreement", skip)
        if category is Category.MARKETING:
            self._pass("agreement", f"{agreed(fields, self.roots)} says that the buyer agreed to marketing")
        else:
            self._pass("agreement", f"{category} needs none")
        return None

    def _prints(self, expressions: Iterable[Expression]) -> Iterator[str]:
        """Yield what these print, without those that print nothing."""
        for expression in expressions:
            try:
                yield expression.render(self.roots, ENGLISH).strip()[:40]
            except (BlankError, BrokenError):
                continue


def _later(moment: datetime, wait: timedelta) -> datetime:
    try:
        return moment + wait
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)
