"""What one mapping makes of one event, told step by step: two pure halves.

:func:`draft` needs the event alone; :func:`gate` asks whether the person it is for may be written to.
:func:`plan` is both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale

from connector.mapping.conditions import evaluate, tests
from connector.mapping.formats import ENGLISH, choose_locale
from connector.mapping.liquid import BlankError, BrokenError, Expression
from connector.mapping.notification import Mapping
from connector.mapping.people import PeoplePolicy
from connector.mapping.recipient import Recipient, find_recipient
from connector.mapping.slots import fill, misfits
from connector.mapping.text import clean
from connector.model import (
    AccountId,
    Category,
    Decision,
    Event,
    Payload,
    Person,
    Purpose,
    Reason,
    Send,
    Skip,
    Step,
    Template,
    parse_time,
)
from connector.policy import agreed, agreement, late, overtaken, span
from connector.policy.consent import allow

HELD = "paused"
"""The status of a template for which messages are planned and wait; every other one but approved stops."""
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_LONG = 100
"""Characters of what is said once; longer texts are told apart by a digest."""


def _nobody(phone: str) -> Person | None:
    return None


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
    policy: PeoplePolicy = field(default_factory=PeoplePolicy)
    """What holds for every person; the caller gives the one in force."""
    person: Callable[[str], Person | None] = field(default=_nobody, repr=False)
    """What is known of whom a number belongs to; for :func:`plan` alone."""


def plan(mapping: Mapping, version: int, situation: Situation) -> Decision:
    """Decide whether this event makes a message, and which; the first gate that stops gives the reason.

    Order: conditions, once, timing, recipient, channel, template, agreement, quiet hours, slots, consent.
    Pure, and total: an event of any shape gives a Decision.
    """
    decision = draft(mapping, version, situation)
    send = decision.verdict
    return gate(decision, situation.person(send.recipient)) if isinstance(send, Send) else decision


def draft(mapping: Mapping, version: int, situation: Situation) -> Decision:
    """Decide all that the event tells by itself; whether the person agreed is noted, and stops nothing yet.

    A Send of this is not to be stored before :func:`gate` has let it pass.
    """
    steps: list[Step] = []
    verdict = _Planner(mapping, situation, steps).decide()
    return Decision(mapping=mapping.name, version=version, verdict=verdict, steps=tuple(steps))


def gate(decision: Decision, person: Person | None) -> Decision:
    """Add the step ``consent`` to a draft that would send, and turn it into a Skip where that stops.

    ``person`` is whom the recipient's number belongs to, as the ledger has it; None: nobody is known. A
    decision to skip is returned as it is.
    """
    send = decision.verdict
    if isinstance(send, Skip):
        return decision
    skip, words = allow(Purpose(send.category.value), send.ground, send.agreed_by, person)
    step = Step(name="consent", ok=skip is None, words=words)
    return replace(decision, verdict=skip or send, steps=(*decision.steps, step))


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Each part of a plan by itself, as far as it can be worked out: for previews."""

    roots: MappingOf[str, Any] = field(repr=False)
    locale: Locale
    language: str
    """Of the template."""
    due: datetime | None
    """None: nobody can tell, as ``words`` say."""
    expires_at: datetime | None
    words: str


def probe(mapping: Mapping, situation: Situation) -> Probe:
    """Work out what a plan is made of, whatever a gate before it would say. Pure and total."""
    return _Planner(mapping, situation, []).probe()


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
        timing = self.mapping.timing
        if skip := self._conditions():
            return skip
        once = self._once()
        if isinstance(once, Skip):
            return once
        base = self._base()
        if isinstance(base, Skip):
            return base
        due = _later(base, timing.delay - timing.before)
        expires_at = self._expires_at(base, due)
        if skip := self._timing(due, expires_at):
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
        agreed_by, quiet = self._agreement(template.category), self._quiet(template.category)
        filled, told = fill(self.mapping.slots, template, self.roots, locale)
        self.steps += told
        if isinstance(filled, Skip):
            return filled
        return Send(
            channel=channel, recipient=recipient.phone, template=template.name, language=template.language,
            category=template.category, slots=filled, not_before=due, expires_at=expires_at,
            cancel_when=timing.cancel_when, restart=timing.restart, resend_in_doubt=timing.resends(template.category),
            once=once, agreed_by=agreed_by, ground=self.mapping.to.ground, quiet=quiet, timezone=self._timezone(),
            cap=timing.cap,
        )  # fmt: skip

    def probe(self) -> Probe:
        base, timing = self._base(), self.mapping.timing
        due = None if isinstance(base, Skip) else _later(base, timing.delay - timing.before)
        return Probe(
            roots=self.roots,
            locale=choose_locale(self._prints(self.mapping.to.locale)),
            language=self._language()[0],
            due=due,
            expires_at=None if isinstance(base, Skip) or due is None else self._expires_at(base, due),
            words=base.words if isinstance(base, Skip) else "",
        )

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

    def _once(self) -> str | Skip:
        expression = self.mapping.when.once_per
        if expression is None:
            return ""
        text = self._print("once", "when.once_per", expression)
        if isinstance(text, Skip):
            return text
        self._pass("once", f"speaks once about {self.situation.event.subject} and {text!r}")
        return text if len(text) <= _LONG else f"{text[:_LONG]} {sha256(text.encode()).hexdigest()[:16]}"

    def _print(self, step: str, path: str, expression: Expression) -> str | Skip:
        """Return what must not be blank, or the Skip that says why it is."""
        try:
            text = clean(expression.render(self.roots, ENGLISH))
        except BlankError as error:
            return self._stop(step, Skip(reason=Reason.BLANK_SLOT, words=f"{path}: {error}"))
        except BrokenError as error:
            return self._stop(step, Skip(reason=Reason.SLOT_FAULT, words=f"{path}: {error}"))
        return text or self._stop(step, Skip(reason=Reason.BLANK_SLOT, words=f"{path}: nothing is left to show."))

    def _base(self) -> datetime | Skip:
        """Return the moment that the mapping counts from."""
        expression = self.mapping.timing.at
        if expression is None:
            return self.situation.event.occurred_at
        text = self._print("timing", "timing.at", expression)
        if isinstance(text, Skip):
            return text
        found = parse_time(text) or _local(text, self._timezone())
        if found is None:
            words = f"timing.at: {expression.label} is no moment that can be read (2026-11-22T15:00:00+01:00)."
            return self._stop("timing", Skip(reason=Reason.SLOT_FAULT, words=words))
        return found

    def _expires_at(self, base: datetime, due: datetime) -> datetime | None:
        timing = self.mapping.timing
        if timing.expires is not None:
            return _later(due, timing.expires)
        return base if timing.before else None  # a reminder after what it reminds of is none

    def _timezone(self) -> str:
        timezone = self.situation.account.get("timezone")
        return timezone if isinstance(timezone, str) else ""

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
        language, printed = self._language()
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

    def _language(self) -> tuple[str, str]:
        """Return the template's language, and what it was chosen by."""
        language = self.mapping.template.language
        printed = next(self._prints((language.choose,) if language.choose else ()), "")
        return language.pick(printed), printed

    def _changed(self, template: Template, words: str) -> Skip:
        published = self.situation.fingerprints.get((template.name, template.language))
        if published is not None and published != template.fingerprint:
            told = f"The template was changed after this mapping was published: {words}"
            return Skip(reason=Reason.TEMPLATE_CHANGED, words=told)
        return Skip(reason=Reason.SLOT_FAULT, words=words)

    def _agreement(self, category: Category) -> str:
        """Note whether a field of the event says that the buyer agreed, and return which."""
        fields = self.mapping.to.agreement
        field = agreed(fields, self.roots) if category is Category.MARKETING else None
        if field:
            self._pass("agreement", f"{field} says that the buyer agreed to marketing")
        elif missing := agreement(category, fields, self.roots):
            self._pass("agreement", f"{missing.words} What the person said elsewhere decides.")
        else:
            self._pass("agreement", f"{category} needs none")
        return field or ""

    def _quiet(self, category: Category) -> str:
        own = self.mapping.timing.quiet
        quiet = self.situation.policy.quiet.get(Purpose(category.value), "") if own is None else own
        if quiet:
            whose = f"{category} messages have" if own is None else "the mapping has"
            self._pass("quiet hours", f"{whose} quiet hours, {quiet} by the person's own clock")
        return quiet

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
        return _LAST if wait > timedelta() else _FIRST


def _local(text: str, timezone: str) -> datetime | None:
    """Read a day, or a time without an offset, by the account's clock."""
    try:
        moment = datetime.fromisoformat(text)
        return None if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(timezone)).astimezone(UTC)
    except (KeyError, ValueError, OSError, OverflowError):
        return None
