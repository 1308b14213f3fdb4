"""The workbench: one mapping's text and one event, and what the real road would make of them.

What :mod:`connector.flow.decide` does for an event that comes in is done here for one that is chosen, by the
same functions, and nothing is stored. A text with faults is shown as far as it goes: every slot, recipient and
condition by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from connector.errors import Fault, MappingError
from connector.flow.bench import Bench, Chosen, Loaded, choices, load, remembered_fields, samples, situation_of
from connector.flow.bubble import fill
from connector.flow.consult import consult
from connector.flow.contact_preview import ContactPreview, ReadView, masked_contact, preview_contact
from connector.flow.preview import ConditionView, Preview, RecipientView, SlotView, TimingView, masked
from connector.flow.preview_parts import condition_views, phone_of, recipient_views, slot_views, timing_view
from connector.flow.publish import check_against
from connector.mapping import Mapping as Notification
from connector.mapping import draft
from connector.mapping.document import Form, read_form
from connector.mapping.kinds import kind_of, read
from connector.mapping.plan import Probe, probe
from connector.mapping.salvage import salvage
from connector.mapping.sentence import say
from connector.model import AccountId, Decision, EventId, Person, Send, Template

__all__ = [
    "Bench", "Chosen", "ConditionView", "ContactPreview", "Loaded", "Preview", "ReadView", "RecipientView", "SlotView",
    "TimingView", "choices", "load", "masked", "masked_contact", "preview", "preview_contact", "remembered_fields",
    "samples", "situation_of",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Text:
    """A text, as far as it can be understood."""

    form: Form | None
    mapping: Notification | None
    """With faults: without its faulty parts; None where it is no TOML, or no notification."""
    faults: tuple[Fault, ...]


@lru_cache(maxsize=128)
def _understand(name: str, source: str) -> _Text:
    try:
        found = read(name, source)
    except MappingError as error:
        try:
            form = read_form(source)
            return _Text(form, salvage(name, source, form), error.faults)
        except MappingError:
            return _Text(None, None, error.faults)
    if isinstance(found, Notification):
        return _Text(read_form(source), found, ())
    return _Text(None, None, (Fault("kind", f"is {kind_of(source)!r}: this is no notification."),))


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
    not simply too late, and for a sample the moment when its message would be due.
    """
    bench.catalogue.refresh()
    text = _understand(name, source)
    mapping = text.mapping
    chosen: EventId | Chosen | None = event_id
    if chosen is None and mapping is not None:
        chosen = next(iter(samples(bench, mapping.when.adapter, mapping.when.event)), None)
    loaded = load(bench, chosen) if chosen is not None else None
    if mapping is None or text.form is None:
        return _without_mapping(text, loaded)
    channel = _channel(bench, mapping)
    faults = text.faults or _check(bench, mapping, channel)
    if loaded is None:
        template, languages = _template(bench, mapping, channel, language or mapping.template.language.default)
        return Preview(
            event=None, faults=faults, sentence=_sentence(bench, text, template), template=template,
            category=template.category if template else None, language=template.language if template else "",
            languages=languages, bubble=fill(template, {}) if template else None,
        )  # fmt: skip
    return _Show(bench, text.form, mapping, loaded, channel, at).preview(faults, _Wish(language, not text.faults))


def _without_mapping(text: _Text, loaded: Loaded | None) -> Preview:
    if loaded is None:
        return Preview(event=None, faults=text.faults, sentence="")
    fields = loaded.topic.fields if loaded.topic else ()
    return Preview(
        event=loaded.chosen, faults=text.faults, sentence="", payload=loaded.event.payload, fields=fields
    )  # fmt: skip


def _channel(bench: Bench, mapping: Notification) -> AccountId | None:
    """Return who sends; where the mapping does not say, somebody who has its template, for the eye alone."""
    found = bench.catalogue.channel(mapping)
    if found is not None or mapping.template.account:
        return found
    has = (
        each.id
        for each in bench.catalogue.channels()
        if any(template.name == mapping.template.name for template in bench.catalogue.templates(each.id))
    )
    return next(has, None)


def _check(bench: Bench, mapping: Notification, channel: AccountId | None) -> tuple[Fault, ...]:
    names = [account.name for account in bench.catalogue.channels()]
    sends = bench.catalogue.channel(mapping)
    stored = bench.catalogue.templates(channel) if sends is not None else []
    return tuple(check_against(bench.registry, mapping, names, stored))


def _sentence(bench: Bench, text: _Text, template: Template | None) -> str:
    if text.mapping is None or text.faults:
        return ""
    return say(text.mapping, topics=bench.topics(text.mapping.when.adapter), template=template)


def _template(
    bench: Bench, mapping: Notification, channel: AccountId | None, language: str
) -> tuple[Template | None, tuple[str, ...]]:
    """Return the template to show, in this language or the next best, and the languages there are."""
    versions: Mapping[str, Template] = {
        template.language: template
        for template in bench.catalogue.templates(channel)
        if template.name == mapping.template.name
    }
    wanted = (language, mapping.template.language.default, *versions)
    return next((versions[each] for each in wanted if each in versions), None), tuple(versions)


@dataclass(frozen=True, slots=True)
class _Wish:
    language: str
    decides: bool
    """Whether the text is sound enough to be decided by."""


class _Show:
    """One text and one event."""

    def __init__(
        self, bench: Bench, form: Form, mapping: Notification, loaded: Loaded, channel: AccountId | None,
        at: datetime | None,
    ) -> None:  # fmt: skip
        self.bench, self.form, self.mapping, self.loaded, self.channel = bench, form, mapping, loaded, channel
        self.situation = situation_of(bench, loaded, mapping, at=at)
        self.probe: Probe = probe(mapping, self.situation)
        due = self.probe.due
        if at is None and loaded.chosen.id is None and due is not None and due < loaded.arrived_at:
            # A sample's appointments are long past: it is shown as on the day when it would have left.
            self.situation = situation_of(bench, loaded, mapping, at=due)

    def preview(self, faults: Sequence[Fault], wish: _Wish) -> Preview:
        bench, loaded, mapping, probe = self.bench, self.loaded, self.mapping, self.probe
        template, languages = _template(bench, mapping, self.channel, wish.language or probe.language)
        fields = bench.fields(loaded.chosen.adapter, loaded.event.type)
        earlier = [(root, each) for root, (inner, _) in remembered_fields(bench, loaded) for each in inner]
        every = [*fields, *(replace(each, path=f"{root}.{each.path}") for root, each in earlier)]
        slots = tuple(slot_views(self.form, mapping, template, probe, every))
        recipients = tuple(recipient_views(self.form, mapping, probe))
        decision, person = self._decide() if wish.decides else (None, None)
        send = decision.verdict if decision else None
        shown = {slot.key: slot.value for slot in slots if slot.value}
        if isinstance(send, Send) and template is not None and send.language == template.language:
            shown = dict(send.slots)
        return Preview(
            event=loaded.chosen,
            faults=tuple(faults),
            sentence=say(mapping, topics=bench.topics(mapping.when.adapter), template=template) if wish.decides else "",
            slots=slots,
            recipients=recipients,
            conditions=tuple(condition_views(self.form, probe.roots)),
            timing=timing_view(
                mapping, probe, at=self.situation.now, category=template.category if template else None,
                policy=self.situation.policy.quiet, phone=phone_of(recipients), zones=self._zones(person),
            ),
            decision=decision,
            person=person,
            template=template,
            category=template.category if template else None,
            language=template.language if template else "",
            chosen_language=probe.language,
            languages=languages,
            bubble=fill(template, shown) if template else None,
            payload=loaded.event.payload,
            fields=fields,
        )  # fmt: skip

    def _decide(self) -> tuple[Decision, Person | None]:
        drafted = draft(self.mapping, 0, self.situation)
        with self.bench.store.read() as tx:
            return consult(tx, [(self.loaded.new, drafted)], self.situation.now)[0]

    def _zones(self, person: Person | None) -> tuple[str, str]:
        timezone = self.situation.account.get("timezone")
        return person.contact.timezone if person else "", timezone if isinstance(timezone, str) else ""
