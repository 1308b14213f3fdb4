"""Reading a contact mapping, and checking it against what the vendor has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Mapping as MappingOf
from fnmatch import fnmatchcase
from typing import Any

from marshmallow import ValidationError, post_load, validates_schema

from connector.contract import Adapter, Field
from connector.errors import Fault
from connector.mapping.check import Declared, is_custom, names_of
from connector.mapping.contact import CONSENT, LABELS, PLAIN, ContactMapping, Direction, FieldRule, RecordSource, Wins
from connector.mapping.nearest import nearest
from connector.mapping.pieces import FieldPath, Flag, ListOf, OneOf, Table, TableOf, Text, read_form, tables
from connector.mapping.rules_form import Label
from connector.model import ConsentState

KIND = "contact"
JOINED = " + "
"""Between paths that make one name together: ``first_name + last_name``."""
ACCOUNT = "account."
"""Before the name of a public setting of the account, where a path is asked for."""
_BELONGS = {
    "region": ("phone",),
    "values": CONSENT, "at": CONSENT, "source": CONSENT, "place": CONSENT, "write_at": CONSENT, "write_source": CONSENT,
    "separator": LABELS, "only": LABELS,
}  # fmt: skip
"""Key -> the contact fields it says something about."""
_ONE_WAY = (*(name for name in PLAIN if name != "wa_id"), "labels.added", "labels.removed")


def load_contact(name: str, source: str) -> ContactMapping:
    """Read a contact mapping's TOML. ``name`` is its path without the ending: ``shopify/contact``.

    Raises MappingError, which holds every fault with its dotted path, and nothing else.
    """
    return read_form(name, source, _ContactForm, ContactMapping)


class _Paths(FieldPath):
    """A path, or several that make one text together."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        parts = value.split(JOINED) if isinstance(value, str) else [value]
        return JOINED.join(super(_Paths, self)._deserialize(part, attr, data, **kwargs) for part in parts)


class _Value(Text):
    """A vendor's value; the empty one stands for a field that is there and blank."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return "" if value == "" else super()._deserialize(value, attr, data, **kwargs)


class _Separator(Text):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return str(value) if value in (";", ",", "|", "\n", " ") else super()._deserialize(value, attr, data, **kwargs)


class _RecordForm(Table):
    events = ListOf(Text(), least=1, required=True)
    id = FieldPath(required=True, error_messages={"required": "is missing."})

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> RecordSource:
        return RecordSource(**data)


class _FieldForm(Table):
    contact = OneOf((*PLAIN, *LABELS, *CONSENT), required=True)
    vendor = Text(most=255)
    direction = OneOf(Direction)
    paths = ListOf(_Paths(), data_key="in")
    region = ListOf(FieldPath())
    events = ListOf(Text(), least=1)
    values = TableOf(_Value(), OneOf(ConsentState))
    at = FieldPath()
    source = FieldPath()
    place = Text(most=300)
    write_at = Text(most=255)
    write_source = Text(most=255)
    separator = _Separator(most=5)
    only_ = ListOf(Label(most=100), least=1, data_key="only", attribute="only")
    wins = OneOf(Wins)

    @validates_schema(skip_on_field_errors=True)
    def _fit_together(self, data: dict[str, Any], **kwargs: Any) -> None:
        messages: dict[str, list[str]] = {}
        for path, words in _rule_faults(data):
            messages.setdefault(path, []).append(words)
        if messages:
            raise ValidationError(messages)

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> FieldRule:
        data["direction"] = Direction(data.get("direction", Direction.IN))
        data["wins"] = Wins(data.get("wins", Wins.NEWEST))
        data.setdefault("vendor", "")
        if not data.get("paths"):
            comes_in = data["direction"] is not Direction.OUT and data.get("vendor")
            data["paths"] = (data["vendor"],) if comes_in else ()
        return FieldRule(**data)


def _rule_faults(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    contact, direction = data["contact"], data.get("direction", Direction.IN)
    for key, kinds in _BELONGS.items():
        if key in data and contact not in kinds:
            yield key, f"says nothing about {contact}; it belongs to {', '.join(kinds)}."
    if direction != Direction.IN:
        if contact in _ONE_WAY:
            yield "direction", f"{contact} only comes in; what a vendor holds there is never overwritten."
        if not data.get("vendor"):
            yield "vendor", "is missing: the vendor's field that is written."
    else:
        yield from (
            (key, "is written, and this field only comes in.") for key in ("write_at", "write_source") if key in data
        )
    if direction == Direction.OUT:
        yield from (
            ("in" if key == "paths" else key, "is read, and this field only goes out.")
            for key in ("paths", "region", "events", "at", "source", "place")
            if key in data
        )
    elif not data.get("paths") and not data.get("vendor"):
        yield "in", "is missing: where the events carry it."
    if contact != "name" and any(JOINED in path for path in data.get("paths", ())):
        yield "in", f"joins fields by {JOINED.strip()!r}, which only a name does."
    if contact in CONSENT:
        yield from _consent_faults(data, direction)


def _consent_faults(data: dict[str, Any], direction: str) -> Iterator[tuple[str, str]]:
    values = data.get("values") or {}
    told = set(values.values())
    if not values:
        yield (
            "values",
            'is missing: which value means what, such as { "Opted in" = "granted", "Opted out" = "revoked" }.',
        )
        return
    same = [value for value in values if sum(other.casefold() == value.casefold() for other in values) > 1]
    if same:
        yield "values", f"{' and '.join(map(repr, same))} are read as the same value."
    if direction != Direction.IN:
        for state in (ConsentState.GRANTED, ConsentState.REVOKED):
            if not any(value and ours == state for value, ours in values.items()):
                yield "values", f"names no value that is written for {state.value!r}."
    if direction != Direction.OUT and ConsentState.GRANTED in told and not data.get("source") and not data.get("place"):
        yield (
            "place",
            ("is missing, and so is source: a grant of which nobody says how it was collected does not count."),
        )


class _ContactForm(Table):
    kind = OneOf((KIND,), required=True)
    title = Text(required=True)
    description = Text(most=2000, prose=True)
    adapter = Text(required=True)
    object = Text(required=True)
    accounts = ListOf(Text())
    look_up = Flag()
    records = tables(_RecordForm, least=1, required=True)
    fields_ = tables(_FieldForm, least=1, required=True, data_key="fields", attribute="fields")

    @validates_schema(skip_on_field_errors=True)
    def _fit_together(self, data: dict[str, Any], **kwargs: Any) -> None:
        messages: dict[str, Any] = {}
        named = [event for item in data["records"] for event in item.events]
        if twice := sorted({event for event in named if named.count(event) > 1}):
            messages["records"] = [f"{', '.join(twice)} stands in more than one place."]
        written: set[str] = set()
        for place, rule in enumerate(data["fields"]):
            unknown = [event for event in rule.events if event not in named]
            if unknown:
                hint = nearest(unknown[0], named) or "."
                messages.setdefault("fields", {}).setdefault(place, {})["events"] = [
                    f"{unknown[0]} is none of this mapping's records{hint}"
                ]
            for key in ("vendor", "write_at", "write_source") if rule.goes_out else ():
                name = getattr(rule, key)
                if name and name in written:
                    messages.setdefault("fields", {}).setdefault(place, {})[key] = [
                        f"{name} is written by another field of this mapping already."
                    ]
                written.add(name)
        if messages:
            raise ValidationError(messages)


def check_contact(
    mapping: ContactMapping, adapter: Adapter, described: MappingOf[str, Sequence[Field]] | None = None
) -> list[Fault]:
    """Return what is wrong beyond the form; an empty list means that it can be published.

    ``described`` are the fields of objects as the vendor itself describes them; without them, those that the
    adapter knows by heart. Where neither tells, only the vendor knows its fields, and they are not checked.
    """
    told = (described or {}).get(mapping.object)
    fields = told or adapter.holds.get(mapping.object, ())
    faults = [*_object_faults(mapping, adapter), *_event_faults(mapping, adapter)]
    if fields:
        faults += _vendor_faults(mapping, [field.path for field in fields])
        faults += _path_faults(mapping, adapter, told or ())
    return faults


def _object_faults(mapping: ContactMapping, adapter: Adapter) -> Iterator[Fault]:
    if mapping.object not in adapter.objects:
        hint = nearest(mapping.object, adapter.objects) or f"; there are {', '.join(adapter.objects) or 'none'}."
        yield Fault("object", f"{adapter.name} has no {mapping.object!r} to know people by{hint}")
    if mapping.look_up and adapter.crm is None:
        yield Fault("look_up", f"{adapter.name} cannot be asked for records.")


def _event_faults(mapping: ContactMapping, adapter: Adapter) -> Iterator[Fault]:
    known = [topic.event for topic in adapter.topics]
    for place, item in enumerate(mapping.records):
        for event in item.events if known else ():
            if event not in known and not is_custom(event, known, adapter.custom_events):
                yield Fault(
                    f"records.{place}.events", f"{adapter.name} has no event {event!r}{nearest(event, known) or '.'}"
                )


def _vendor_faults(mapping: ContactMapping, known: Sequence[str]) -> Iterator[Fault]:
    for place, rule in enumerate(mapping.fields):
        for key in ("vendor", "write_at", "write_source"):
            name = getattr(rule, key)
            if name and not any(fnmatchcase(name, path) for path in known):
                words = f"{mapping.object} has no field {name!r}{nearest(name, known) or '.'}"
                yield Fault(f"fields.{place}.{key}", words)


def _path_faults(mapping: ContactMapping, adapter: Adapter, described: Sequence[Field]) -> Iterator[Fault]:
    for place, item in enumerate(mapping.records):
        if words := _refuse(item.id, item.events, adapter, described):
            yield Fault(f"records.{place}.id", words)
    every = tuple(event for item in mapping.records for event in item.events)
    for place, rule in enumerate(mapping.fields):
        for key, path in _paths(rule):
            if words := _refuse(path, rule.events or every, adapter, described):
                yield Fault(f"fields.{place}.{key}", words)


def _paths(rule: FieldRule) -> Iterator[tuple[str, str]]:
    for place, joined in enumerate(rule.paths):
        for path in joined.split(JOINED):
            yield f"in.{place}", path
    for place, path in enumerate(rule.region):
        if not path.startswith(ACCOUNT):
            yield f"region.{place}", path
    for key in ("at", "source"):
        if path := getattr(rule, key):
            yield key, path


def _refuse(path: str, events: Sequence[str], adapter: Adapter, described: Sequence[Field]) -> str:
    """Say that none of these events carries the path, or return ``""``."""
    topics = [topic for topic in adapter.topics if topic.event in events]
    if len({topic.event for topic in topics}) < len(set(events)) or not all(topic.fields for topic in topics):
        return ""  # something that nobody has declared may carry it
    return Declared([*(field for topic in topics for field in topic.fields), *described]).refuse(names_of(path))
