"""Which fields a vendor's records have: asked of the vendor, read from a file of its own, or as its adapter knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connector.contract import Adapter, Crm, Field
from connector.errors import ConfigurationError, PayloadError

MOST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """The fields of one kind of record, and who says so."""

    object: str
    source: str
    """``the vendor``, ``the file``, ``the adapter``."""
    fields: tuple[Field, ...]


def objects_of(adapter: Adapter) -> tuple[str, ...]:
    """Return what records of this vendor may be about."""
    return tuple(dict.fromkeys((*adapter.objects, *adapter.holds)))


def describe(adapter: Adapter, crm: Crm | None, object_: str) -> Described:
    """Return an object's fields: by the vendor where it can be asked, else as far as the adapter knows them.

    Raises ConfigurationError where nobody knows them, a RemoteError where the vendor refuses to tell.
    """
    if crm is not None:
        return Described(object=object_, source="the vendor", fields=tuple(crm.fields(object_)))
    found = {field.path: field for field in (*adapter.holds.get(object_, ()), *_told(adapter, object_))}
    if not found:
        known = ", ".join(objects_of(adapter)) or "none"
        raise ConfigurationError(
            f"Without access to its API nothing is known of {adapter.title}'s object {object_!r}; objects: {known}."
        )
    return Described(object=object_, source="the adapter", fields=tuple(found.values()))


def read(adapter: Adapter, data: bytes, object_: str = "") -> list[Described]:
    """Return the fields that a file of the vendor's declares, of one object or of all. Raises ConfigurationError."""
    if adapter.read_fields is None:
        raise ConfigurationError(f"{adapter.title} has no file of fields that could be read.")
    if len(data) > MOST_BYTES:
        raise ConfigurationError(f"The file has {len(data)} bytes; at most {MOST_BYTES} are read.")
    try:
        found: Mapping[str, Sequence[Field]] = adapter.read_fields(data)
    except PayloadError as error:
        raise ConfigurationError(str(error)) from None
    if object_ and object_ not in found:
        raise ConfigurationError(f"The file says nothing of {object_}; it declares {', '.join(found)}.")
    return [
        Described(object=name, source="the file", fields=tuple(fields))
        for name, fields in found.items()
        if object_ in ("", name)
    ]


def _told(adapter: Adapter, object_: str) -> list[Field]:
    """Return the fields of the events that carry such a record."""
    kind = f"{object_.lower()}."
    return [field for topic in adapter.topics if topic.event.startswith(kind) for field in topic.fields]
