"""A contact mapping's file as a form: like :mod:`connector.mapping.document`, for ``kind = "contact"``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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


def read_contact_form(source: str) -> ContactForm:
    """Read a contact mapping's text. Raises MappingError where it is no TOML."""
    raise NotImplementedError


def write_contact_form(source: str, form: ContactForm) -> str:
    """Return the text with what the form says; an unchanged form gives back the very same text."""
    raise NotImplementedError
