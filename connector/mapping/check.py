"""The deeper check of a mapping: against the fields that a topic declares, and against approved templates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as MappingOf
from difflib import get_close_matches
from fnmatch import fnmatchcase

from connector.contract import Field, Topic
from connector.errors import Fault
from connector.mapping.conditions import tests
from connector.mapping.formats import ENGLISH
from connector.mapping.liquid import BlankError, BrokenError, Expression
from connector.mapping.nearest import nearest
from connector.mapping.notification import Mapping
from connector.mapping.plan import HELD
from connector.mapping.slots import UnfitError, fit, misfits
from connector.model import Slot, SlotKind, Template
from connector.model.payload import steps

EVENT_FIELDS = ("type", "label", "occurred_at")
_SHORTCUTS = ("size", "first", "last")
_WHOLE_LINK = ("url_suffix", "url_encode", "split", "remove", "remove_first", "replace", "replace_first", "slice")


def check(
    mapping: Mapping,
    *,
    topics: MappingOf[str, Topic] | Iterable[Topic],
    templates: Sequence[Template],
    channels: Sequence[str],
    custom_events: str = "",
) -> list[Fault]:
    """Return what is wrong beyond the form; an empty list means that it can be published.

    ``topics`` are all of the mapping's adapter (one vendor's word may stand for several of our events, so
    give ``adapter.topics`` rather than a table by name), ``templates`` those of the account that sends,
    ``channels`` the names of the accounts that can send, ``custom_events`` the adapter's own.
    """
    declared = list(topics.values() if isinstance(topics, MappingOf) else topics)
    return [
        *_event_faults(mapping, declared, custom_events),
        *_path_faults(mapping, declared),
        *_button_faults(mapping),
        *_channel_faults(mapping, channels),
        *_template_faults(mapping, templates),
    ]


def is_custom(event: str, known: Iterable[str], pattern: str) -> bool:
    """Tell whether an event that no topic declares may be meant: by the adapter's pattern, and no slip of the pen."""
    return bool(pattern) and fnmatchcase(event, pattern) and not get_close_matches(event, list(known), 1, 0.85)


def _event_faults(mapping: Mapping, topics: Sequence[Topic], custom: str) -> Iterator[Fault]:
    known = list(dict.fromkeys(topic.event for topic in topics))
    if not known:
        return  # an adapter that declares none takes its event types from its settings
    named = [("when.event", mapping.when.event)]
    named += [(f"timing.cancel_when.{place}", event) for place, event in enumerate(mapping.timing.cancel_when)]
    for path, event in named:
        if event not in known and not is_custom(event, known, custom):
            hint = nearest(event, known) or f"; there are {', '.join(known)}."
            yield Fault(path, f"{mapping.when.adapter} has no event {event!r}{hint}")


class Declared:
    """The names that a topic, or several for one event, declare."""

    def __init__(self, fields: Iterable[Field]) -> None:
        every = list(fields)
        self.patterns = [field.path for field in every if "*" in field.path]
        self.kinds = {names_of(field.path): field.type for field in every if "*" not in field.path}
        self.inner = {path[:length] for path in self.kinds for length in range(1, len(path))}

    def refuse(self, path: tuple[str, ...]) -> str:
        """Say which name of the path is not declared, or return ``""``."""
        if any(fnmatchcase(path[0], pattern) for pattern in self.patterns):
            return ""
        part: tuple[str, ...] = ()
        for name in path:
            inside = (*part, name)
            if inside in self.inner or inside in self.kinds:
                part = inside
            elif part and name in _SHORTCUTS:
                continue
            elif part in self.inner or not part:
                return self._words(inside)
            elif self.kinds[part] in ("object", "list", "money"):
                return ""  # nothing is said about what is inside
            else:
                return f"{'.'.join(part)} is a {self.kinds[part]}, and has no {name!r} inside"
        return ""

    def _words(self, part: tuple[str, ...]) -> str:
        siblings = {
            path[len(part) - 1] for path in self.kinds if path[: len(part) - 1] == part[:-1] and len(path) >= len(part)
        }
        hint = nearest(part[-1], siblings)
        if not hint:
            paths = {".".join(path) for path in self.kinds}
            hint = nearest(".".join(part), paths)
        return f"the event has no field {'.'.join(part)!r}{hint or '.'}"


def names_of(path: str) -> tuple[str, ...]:
    """Return the names of a path, without list positions."""
    return tuple(step for step in steps(path) if not step.lstrip("-").isdigit())


def _path_faults(mapping: Mapping, topics: Sequence[Topic]) -> Iterator[Fault]:
    mine = [topic for topic in topics if topic.event == mapping.when.event]
    if not any(topic.fields for topic in mine):
        return
    fields = Declared(field for topic in mine for field in topic.fields)
    remembered = {
        root: Declared(field for other in topics if other.event == event for field in other.fields)
        for topic in mine
        for root, event in topic.remembers.items()
    }
    for place, names in used(mapping):
        words = _refuse(names, fields, remembered)
        if words:
            yield Fault(place, words)


def _refuse(names: tuple[str, ...], fields: Declared, remembered: MappingOf[str, Declared]) -> str:
    root = names[0]
    if root == "account":
        return ""
    if root == "event":
        if len(names) == 1 or names[1] in EVENT_FIELDS:
            return ""
        return f"'event' has no {names[1]!r}{nearest(names[1], EVENT_FIELDS)}; it has {', '.join(EVENT_FIELDS)}."
    if root in remembered:
        inside = remembered[root]
        return inside.refuse(names[1:]) if inside.kinds and len(names) > 1 else ""
    return fields.refuse(names)


def used(mapping: Mapping) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield every path that the mapping reads, with the place where it does so."""
    if mapping.when.conditions:
        for test in tests(mapping.when.conditions):
            yield f"{test.path}.field", names_of(test.field)
    for index, path in enumerate(mapping.to.agreement):
        yield f"to.agreement.{index}", names_of(path)
    for place, expression in mapping.expressions():
        for names in expression.paths:
            yield place, names


def _button_faults(mapping: Mapping) -> Iterator[Fault]:
    """Refuse rules about buttons that this mapping's messages do not have."""
    sent = [expression for key, expression in mapping.slots.items() if key.endswith(".payload")]
    known = [expression.source for expression in sent if expression.is_constant]
    for place, rule in enumerate(mapping.after):
        if rule.on == "button" and not sent:
            yield Fault(f"after.{place}.on", "no slot of this mapping is the payload of a button.")
        elif rule.payload and len(known) == len(sent) and rule.payload not in known:
            hint = nearest(rule.payload, known) or f"; there are {', '.join(known)}."
            yield Fault(f"after.{place}.payload", f"no button of this mapping sends {rule.payload!r}{hint}")


def _channel_faults(mapping: Mapping, channels: Sequence[str]) -> Iterator[Fault]:
    named = mapping.template.account
    if not channels:
        yield Fault("template.account", "no account can send yet; add one with `connector accounts add`.")
    elif named and named not in channels:
        hint = nearest(named, channels) or f"; there are {', '.join(channels)}."
        yield Fault("template.account", f"no account {named!r} can send{hint}")
    elif not named and len(channels) > 1:
        yield Fault("template.account", f"several accounts can send; name one of {', '.join(channels)}.")


def _template_faults(mapping: Mapping, templates: Sequence[Template]) -> Iterator[Fault]:
    choice = mapping.template
    if not templates:
        yield Fault("template", "no templates are known for this channel yet; run `connector templates sync`.")
        return
    versions = {template.language: template for template in templates if template.name == choice.name}
    if not versions:
        hint = nearest(choice.name, {template.name for template in templates}) or "."
        yield Fault("template.name", f"the channel has no template {choice.name!r}{hint}")
        return
    told: set[Fault] = set()
    for language in choice.language.all:
        template = versions.get(language)
        if template is None:
            hint = f"{nearest(language, versions) or ';'} it has {', '.join(versions)}."
            yield Fault("template.language", f"the template {choice.name!r} is not there in {language!r}{hint}")
            continue
        for fault in _version_faults(mapping, template):
            if fault not in told:
                told.add(fault)
                yield fault


def _version_faults(mapping: Mapping, template: Template) -> Iterator[Fault]:
    if template.status != "approved":
        until = "; messages would wait" if template.status == HELD else ""
        yield Fault(
            "template.name", f"{template.name!r} in {template.language!r} is {template.status} at the channel{until}."
        )
    yield from misfits(mapping.slots, template)
    for slot in template.slots:
        expression = mapping.slots.get(slot.key)
        if expression and (words := _refuse_by_kind(slot, expression)):
            yield Fault(f"slots.{slot.key}", words)


def _refuse_by_kind(slot: Slot, expression: Expression) -> str:
    """Say what can be seen without an event: constants that do not fit, and whole links as ends of links."""
    if slot.kind is not SlotKind.JSON and any("}}" in text or "{{" in text for text in expression.texts):
        return "holds '{{' or '}}' as plain text; an expression is not closed, or not opened."
    if slot.kind is SlotKind.URL_SUFFIX and not expression.filters.intersection(_WHOLE_LINK):
        links = [path for path in expression.paths if path[-1].endswith(("url", "link"))]
        if links:
            return "takes only what follows the template's own link; use | url_suffix: 'https://…/'."
    if expression.is_constant:
        try:
            fit(slot, expression.render({}, ENGLISH))
        except (BlankError, BrokenError, UnfitError) as error:
            return str(error)
    return ""
