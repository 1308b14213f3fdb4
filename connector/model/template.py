"""Approved templates and the slots a mapping fills."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import StrEnum


class Category(StrEnum):
    """What a template is for; it decides which consent is needed."""

    UTILITY = "utility"
    MARKETING = "marketing"
    AUTHENTICATION = "authentication"


class SlotKind(StrEnum):
    """What a slot takes."""

    TEXT = "text"
    URL_SUFFIX = "url_suffix"
    PAYLOAD = "payload"
    """Comes back when the button is tapped."""
    CODE = "code"
    MEDIA = "media"
    """An https link, or the id of uploaded media."""
    NUMBER = "number"
    """A coordinate or a count."""
    JSON = "json"
    """A structure, written as JSON text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One parameter of an approved template."""

    key: str
    """Where it goes: ``header.text``, ``body.1``, ``body.first_name``, ``button.0.url``, ``card.1.body.1``."""
    kind: SlotKind = SlotKind.TEXT
    required: bool = True
    limit: int | None = None
    """At most this many characters."""
    example: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One visible part of a template, for previews: ``{{1}}`` or ``{{name}}`` mark the slots."""

    kind: str
    """``header``, ``body``, ``footer`` or ``button``."""
    text: str
    prefix: str = ""
    """The beginning of the keys of its slots: ``body``, ``button.0``, ``card.1.body``."""
    media: str = ""
    """``image``, ``video``, ``document``, ``location`` where the header holds one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template as the channel has it now."""

    name: str
    language: str
    category: Category
    status: str
    """Lower case: ``approved``, ``paused``, ``rejected``, …; only ``approved`` is sent."""
    slots: tuple[Slot, ...] = ()
    parts: tuple[Part, ...] = ()
    budget: tuple[tuple[str, int], ...] = ()
    """Room that text slots share: ``(("body", 412),)`` — Meta's limit less the fixed text."""
    remote_id: str = ""
    quality: str = ""
    reason: str = ""

    @property
    def fingerprint(self) -> str:
        """A digest of its shape; another one means that mappings must be checked again."""
        shape = [asdict(slot) | {"example": ""} for slot in self.slots], [asdict(part) for part in self.parts]
        return hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()[:16]

    def slot(self, key: str) -> Slot | None:
        """Return the slot of that key, or None."""
        return next((slot for slot in self.slots if slot.key == key), None)
