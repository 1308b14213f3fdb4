"""What the editor shows of a mapping's text and one event: gathered once, for the page and for the live preview."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from connector.contract import Adapter, Topic
from connector.errors import ConfigurationError, Fault, MappingError
from connector.flow import picker, workbench
from connector.flow.picker import Completion, Offer
from connector.flow.workbench import Bench, Chosen, Preview, SlotView
from connector.mapping.document import read_form
from connector.model import EventId, Payload, Template
from connector.store import templates as stored_templates
from connector.web.console.editor_words import ago, show_json, slot_words
from connector.web.console.frame import store, tools
from connector.web.console.lists import named
from connector.web.console.sight import sees_people

GROUPS: Mapping[str, str] = {"event": "This event", "account": "The account", "about": "About the event"}
"""Where an offer comes from -> the heading above it; what is remembered has its own name."""
REST = "Everything else in the payload"
SAMPLE = "sample"
MOST_RAW = 200_000
"""Characters of a payload that the page shows as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateChoice:
    """One template that a mapping may choose, in all its languages."""

    name: str
    languages: tuple[str, ...]
    status: str
    category: str
    quality: str


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What every editor shows beside its form: events to choose from, their fields, and faults."""

    faults: Sequence[Fault] = ()
    """Everything that is wrong, as publishing would say it."""
    options: Sequence[tuple[str, str, bool]] = ()
    """Events to choose from: value, words, whether it is the one."""
    offers: Sequence[Offer] = ()
    fields: Sequence[Offer] = ()
    """Those of the offers that the search leaves."""
    raw: str = field(default="", repr=False)
    adapter: Adapter | None = None
    topics: Sequence[Topic] = ()
    accounts: Sequence[str] = ()
    """Names of the accounts whose events the mapping may be about."""

    @property
    def groups(self) -> list[tuple[str, list[tuple[Offer, str]]]]:
        """The fields under their headings, each with its label there; what nobody declared comes last."""
        found: dict[str, list[tuple[Offer, str]]] = {}
        for each in self.fields:
            heading, label = _under(each)
            found.setdefault(heading, []).append((each, label))
        undeclared = found.pop(REST, None)
        return [*found.items(), *([(REST, undeclared)] if undeclared else [])]

    @property
    def types(self) -> dict[str, str]:
        """Types of the fields by path."""
        return {each.path: each.type for each in self.offers}

    def faults_at(self, path: str, *, whole: bool = True) -> list[str]:
        """Return the faults of a control, and of what is inside of it unless it is only a heading (``whole``)."""
        inside = f"{path}."
        return [fault.words for fault in self.faults if fault.path == path or (whole and fault.path.startswith(inside))]

    def also(self, faults: Sequence[Fault]) -> Self:
        """Return the same with further faults, each told once."""
        return replace(self, faults=tuple(dict.fromkeys((*faults, *self.faults)))) if faults else self

    def faults_in(self, path: str) -> int:
        """Count the faults of a section."""
        return len(self.faults_at(path))


@dataclass(frozen=True, kw_only=True)
class View(Beside):
    """All that the page of a notification draws beside its form."""

    seen: Preview
    sender: str = ""
    senders: Sequence[str] = ()
    templates: Sequence[TemplateChoice] = ()

    @property
    def slots(self) -> list[SlotView]:
        """The template's slots: those first that must be filled and are not; strays are left out."""
        mine = [slot for slot in self.seen.slots if slot.kind]
        return sorted(mine, key=lambda slot: not is_missing(slot))

    @property
    def strays(self) -> list[SlotView]:
        """What the mapping fills and the template has not."""
        return [slot for slot in self.seen.slots if not slot.kind]

    @property
    def conditions(self) -> dict[str, workbench.ConditionView]:
        """What the rows of conditions find, by their paths."""
        return {each.path: each for each in self.seen.conditions}

    @property
    def recipients(self) -> dict[str, workbench.RecipientView]:
        """What the recipient expressions find, by their paths."""
        return {each.path: each for each in self.seen.recipients}


def _under(each: Offer) -> tuple[str, str]:
    """Return the heading that a field stands under, and its label there: parts of an object are together."""
    if not each.declared:
        return REST, each.label
    head, _, tail = each.label.partition(": ")
    short = tail[0].upper() + tail[1:] if tail and "." in each.path else each.label
    if each.where == "event":
        return head if short != each.label else GROUPS["event"], short
    return GROUPS.get(each.where, f"Remembered: {each.where}"), short


def is_missing(slot: SlotView) -> bool:
    """Tell whether a slot must be filled and nobody has begun."""
    return slot.required and not slot.expression.strip()


def state_of(slot: SlotView) -> str:
    """Return a slot's state: ``missing``, ``fault``, ``blank``, ``ok`` or ``empty`` (nothing is needed)."""
    if is_missing(slot):
        return "missing"
    if not slot.expression.strip():
        return "empty"
    if slot.blank:
        return "blank" if slot.required else "empty"
    return "fault" if slot.fault else "ok"


def todo(view: View) -> tuple[str, bool]:
    """Say how much of the template is filled, and whether all of it is."""
    needed = [slot for slot in view.slots if slot.required]
    missing = sum(map(is_missing, needed))
    if missing:
        return f"{missing} of {len(needed)} still to fill", False
    blank = sum(slot.blank for slot in needed)
    if blank:
        return f"{blank} of {len(needed)} blank for this event", False
    return (f"all {len(needed)} filled" if needed else "nothing to fill"), True


def gather(name: str, source: str, *, event: str, language: str = "", find: str = "", lean: bool = False) -> View:
    """Gather what the page shows of a text. ``event``: which one was chosen; ``lean``: for the live preview alone.

    Total: a text of any shape, an event that is gone and an adapter that is no longer installed are shown as that.
    """
    bench = Bench.of(tools())
    adapter_name, event_type, account, sender = _of(source)
    adapter = adapter_of(adapter_name)
    listed = workbench.choices(bench, adapter_name, event_type, account) if adapter else []
    chosen = choose(listed, event)
    seen = workbench.preview(bench, name, source, chosen, language=language)
    visible = sees_people()
    if not visible:
        seen = workbench.masked(seen)
    sending = [account.name for account in tools().directory.senders()]
    sender = sender or (sending[0] if len(sending) == 1 else "")
    if lean:
        return View(seen=seen, faults=seen.faults, sender=sender, adapter=adapter)
    offers = offers_of(bench, adapter, seen.event)
    if not visible:
        offers = picker.masked(offers)
    return View(
        seen=seen,
        faults=seen.faults,
        options=options_of(listed, seen.event),
        offers=offers,
        fields=picker.find(offers, find) if find else offers,
        raw=show_raw(seen.payload),
        sender=sender,
        adapter=adapter,
        topics=_topics(adapter),
        accounts=[each.account.name for each in tools().directory.all_() if each.account.adapter == adapter_name],
        senders=sending,
        templates=_templates(sender),
    )


def _of(source: str) -> tuple[str, str, str, str]:
    """Return a text's adapter, event, account and sender, where it can be read that far."""
    try:
        form = read_form(source)
    except MappingError:
        return "", "", "", ""
    account = form.when.accounts[0] if len(form.when.accounts) == 1 else ""
    return form.when.adapter, form.when.event, account, form.template.account


def adapter_of(name: str) -> Adapter | None:
    """Return the adapter of this name; None where it is not installed."""
    try:
        return tools().registry.get(name) if name else None
    except ConfigurationError:
        return None


def show_raw(payload: Payload) -> str:
    """Return a payload as text, as far as the page shows it."""
    return show_json(dict(payload))[:MOST_RAW] if payload else ""


def choose(listed: Sequence[Chosen], value: str) -> Chosen | EventId | None:
    """Return the event that a value of the page means; the newest one where it means none."""
    for each in listed:
        if value == value_of(each):
            return each
    if value and not value.startswith(SAMPLE) and value.isascii() and value.isalnum() and len(value) <= 26:
        return EventId(value)
    return listed[0] if listed else None


def value_of(chosen: Chosen) -> str:
    """Return what stands for an event in an address and in the page's form."""
    return str(chosen.id) if chosen.id is not None else f"{SAMPLE}-{chosen.event}-{chosen.label}"


def options_of(listed: Sequence[Chosen], current: Chosen | None) -> list[tuple[str, str, bool]]:
    """Return the events to choose from: value, words, whether it is the one that is shown."""
    every = list(listed)
    if current is not None and all(value_of(each) != value_of(current) for each in every):
        every.insert(0, current)
    several = len({each.event for each in every}) > 1
    return [
        (value_of(each), _words(each, several), current is not None and value_of(each) == value_of(current))
        for each in every
    ]


def _words(chosen: Chosen, several: bool) -> str:
    """Name an event; where there are several types of them, with its type."""
    type_ = f" · {chosen.event}" if several else ""
    if chosen.id is None:
        return f"{chosen.label}{type_} (made up)"
    return f"{named(chosen.label)}{type_} · {ago(chosen.at)} · {chosen.account}"


def offers_of(bench: Bench, adapter: Adapter | None, chosen: Chosen | None) -> list[Offer]:
    """Return what an event offers to insert; nothing where it can no longer be read."""
    loaded = workbench.load(bench, chosen) if chosen is not None else None
    if adapter is None or loaded is None:
        return []
    topic = loaded.topic
    wanted = dict(topic.remembers) if topic else {}
    remembered = {
        root: (_declared(adapter, wanted.get(root, "")), loaded.remembered.get(root, {}))
        for root in (*wanted, *(root for root in loaded.remembered if root not in wanted))
    }
    fields = topic.fields if topic else ()
    return picker.offer(fields, loaded.event.payload, remembered, loaded.account, loaded.event)


def _declared(adapter: Adapter, event: str) -> tuple[Any, ...]:
    return tuple(
        {each.path: each for topic in adapter.topics if topic.event == event for each in topic.fields}.values()
    )


def _topics(adapter: Adapter | None) -> list[Topic]:
    """Return one topic for each event, by title."""
    every = {topic.event: topic for topic in reversed(adapter.topics)} if adapter else {}
    return sorted(every.values(), key=lambda topic: topic.title)


def _templates(sender: str) -> list[TemplateChoice]:
    account = next((each for each in tools().directory.senders() if each.name == sender), None)
    if account is None:
        return []
    with store().read() as tx:
        rows = stored_templates.all_(tx, account.id)
    by_name: dict[str, list[Template]] = {}
    for row in rows:
        by_name.setdefault(row.template.name, []).append(row.template)
    return [
        TemplateChoice(
            name=name,
            languages=tuple(each.language for each in every),
            status=worst(each.status for each in every),
            category=every[0].category.value,
            quality=next((each.quality for each in every if each.quality), ""),
        )
        for name, every in sorted(by_name.items())
    ]


def worst(statuses: Iterable[str]) -> str:
    """Return the status that is to be known first: any that is not approved."""
    found = list(statuses)
    return next((status for status in found if status != "approved"), "approved")


def filter_words() -> list[dict[str, str]]:
    """Return the filters that the page's completion offers; the fields it takes from the list beside."""
    return [
        {"name": each.word, "words": each.words, "insert": _call(each)}
        for each in picker.completions()
        if each.kind == "filter"
    ]


def _call(word: Completion) -> str:
    return f"{word.word}: {word.arguments}" if word.arguments.startswith("'") else word.word


def live_slots(view: View) -> dict[str, dict[str, Any]]:
    """Return each slot's words and state, by key; its HTML is drawn by the page's own macros."""
    return {
        slot.key: {"state": state_of(slot), "words": slot_words(slot.key, view.seen.template)} for slot in view.slots
    }
