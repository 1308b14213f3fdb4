"""A contact mapping's file as a form: like :mod:`connector.mapping.document`, for ``kind = "contact"``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from connector.mapping.document_rows import Reading
from connector.mapping.pieces import read_toml
from connector.mapping.toml_patch import Text
from connector.mapping.toml_spans import Path
from connector.mapping.toml_values import MISSING, Prose


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPart:
    """One ``[[records]]``: which events carry the record, and the path of its id in them."""

    events: tuple[str, ...] = ()
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPart:
    """One ``[[fields]]``: see :class:`connector.mapping.contact.FieldRule`."""

    contact: str = "phone"
    vendor: str = ""
    direction: str = "in"
    """``in``, ``out`` or ``both``."""
    paths: tuple[str, ...] = ()
    """``in`` of the file."""
    region: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    """The value table: vendor's value -> ``granted``, ``revoked``, ``pending``, ``unknown``."""
    at: str = ""
    source: str = ""
    place: str = ""
    write_at: str = ""
    write_source: str = ""
    separator: str = ""
    only: tuple[str, ...] = ()
    wins: str = "newest"
    """``newest``, ``ours`` or ``theirs``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactForm:
    """A whole contact mapping."""

    title: str = ""
    description: str = ""
    adapter: str = ""
    object: str = ""
    accounts: tuple[str, ...] = ()
    look_up: bool = False
    records: tuple[RecordPart, ...] = ()
    fields: tuple[FieldPart, ...] = ()
    unknown: tuple[str, ...] = field(default=(), compare=False)


_ORDER = ("kind", "title", "description", "adapter", "object", "accounts", "look_up", "records", "fields")


def read_contact_form(source: str) -> ContactForm:
    """Read a contact mapping's text. Raises MappingError where it is no TOML."""
    unknown: list[str] = []
    whole = Reading(read_toml(source), "", unknown)
    whole.raw("kind")
    form = ContactForm(
        title=whole.text("title"), description=whole.text("description").strip(), adapter=whole.text("adapter"),
        object=whole.text("object"), accounts=whole.texts("accounts"), look_up=whole.flag("look_up"),
        records=tuple(map(_read_record, whole.each("records"))), fields=tuple(map(_read_field, whole.each("fields"))),
    )  # fmt: skip
    whole.end()
    return replace(form, unknown=tuple(unknown))


def _read_record(part: Reading) -> RecordPart:
    found = RecordPart(events=part.texts("events"), id=part.text("id"))
    part.end()
    return found


def _read_field(part: Reading) -> FieldPart:
    found = FieldPart(
        contact=part.text("contact"), vendor=part.text("vendor"), direction=part.text("direction", "in"),
        paths=part.texts("in"), region=part.texts("region"), events=part.texts("events"),
        values=part.table_of_texts("values"), at=part.text("at"), source=part.text("source"), place=part.text("place"),
        write_at=part.text("write_at"), write_source=part.text("write_source"), separator=part.text("separator"),
        only=part.texts("only"), wins=part.text("wins", "newest"),
    )  # fmt: skip
    part.end()
    return found


def write_contact_form(source: str, form: ContactForm) -> str:
    """Return the text with what the form says; an unchanged form gives back the very same text.

    ``source`` may be ``""``: then the whole file is written. Raises MappingError where it is no TOML.
    """
    before = read_contact_form(source)
    if before == form:
        return source
    text = Text(source, _ORDER)
    if not source.strip():
        text.change(("kind",), MISSING, "contact")
    old, new = _leaves_of(before), _leaves_of(form)
    for path in dict.fromkeys((*new, *old)):
        text.change(path, old.get(path, MISSING), new.get(path, MISSING))
    return text.finish()


def _leaves_of(form: ContactForm) -> dict[Path, Any]:
    told: dict[Path, Any] = {
        ("title",): form.title,
        ("description",): Prose(form.description) if form.description else "",
        ("adapter",): form.adapter,
        ("object",): form.object,
        ("accounts",): list(form.accounts),
        ("look_up",): form.look_up or "",
        ("records",): [{"events": list(each.events), "id": each.id} for each in form.records],
        ("fields",): [_rule(each) for each in form.fields],
    }
    return {path: value for path, value in told.items() if value not in ("", [])}


def _rule(rule: FieldPart) -> dict[str, Any]:
    told: dict[str, Any] = {
        "contact": rule.contact, "vendor": rule.vendor, "direction": "" if rule.direction == "in" else rule.direction,
        "in": list(rule.paths), "region": list(rule.region), "events": list(rule.events), "values": dict(rule.values),
        "at": rule.at, "source": rule.source, "place": rule.place, "write_at": rule.write_at,
        "write_source": rule.write_source, "separator": rule.separator, "only": list(rule.only),
        "wins": "" if rule.wins == "newest" else rule.wins,
    }  # fmt: skip
    return {name: value for name, value in told.items() if value not in ("", [], {})}
