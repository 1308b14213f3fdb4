"""Reading the pieces of Meta's updates: texts, times, phone numbers, keys, and whom a piece speaks of.

Types vary between Meta's own examples (times and ids come as text and as numbers, keys are left out or
empty), so nothing here raises: what cannot be read is "".
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TypeAlias

from connector.model import (
    Identity,
    Json,
    Notice,
    Payload,
    Preference,
    Receipt,
    Reply,
    TemplateChange,
    parse_time,
    text_at,
)

Told: TypeAlias = Receipt | Reply | Preference | Notice
"""What one piece can become."""

KEPT = 4096
"""Characters of a text from outside that are kept; WhatsApp's own limit of a text message."""
ID_MOST = 200
"""Longer ids are not ids; Meta's have up to about 130 characters."""
WORD_MOST = 100
"""Of a type, a field or a category."""
BUTTON_MOST = 2000
_PHONE = re.compile(r"\+?(\d{5,15})", re.ASCII)
_UNFIT = re.compile("[\x00\ud800-\udfff]")
"""What no database takes as text."""


@dataclass(frozen=True)
class Update:
    """One ``changes[]`` entry: of which WABA and field it is, what it says, and when."""

    waba_id: str
    field: str
    value: Payload
    time: str
    """``entry.time`` as it came, or ``""``."""
    received_at: datetime

    @property
    def at(self) -> datetime:
        """When it happened, as well as is known."""
        return parse_time(self.time) or self.received_at

    @cached_property
    def people(self) -> Mapping[str, Identity]:
        """Who is in ``contacts[]``, by phone number and by user id; under ``""`` where it is only one."""
        found: dict[str, Identity] = {}
        contacts = [entry for entry in pieces_of(self.value, "contacts") if isinstance(entry, Mapping)]
        for contact in contacts:
            person = Identity(
                phone=phone_of(text_of(contact, "wa_id")),
                user_id=id_of(contact, "user_id"),
                parent_user_id=id_of(contact, "parent_user_id"),
                name=text_of(contact, "profile.name"),
            )
            found |= {key: person for key in (person.phone, person.user_id) if key}
            if len(contacts) == 1:
                found[""] = person
        return found

    def identity(self, phone: str, user_id: str = "", parent_user_id: str = "") -> Identity:
        """Return a person as a piece and the update's contacts tell it together.

        A contact is used where it is the same person: by number or user id, or as the only one where
        the piece itself names nobody.
        """
        known = phone_of(phone)
        keys = [key for key in (known, user_id) if key] or [""]
        person = next((self.people[key] for key in keys if key in self.people), Identity())
        return Identity(
            phone=known or person.phone,
            user_id=user_id or person.user_id,
            parent_user_id=parent_user_id or person.parent_user_id,
            name=person.name,
        )

    def notice(
        self,
        words: str,
        piece: Json = None,
        *,
        known: bool = True,
        template: TemplateChange | None = None,
        at: datetime | None = None,
    ) -> Notice:
        """Return a notice about a piece of this update, or about the whole of it."""
        told = self.value if piece is None else piece
        return Notice(
            key=f"notice:{digest([self.waba_id, self.field, self.time, told])}",
            kind=self.field,
            words=words,
            template=template,
            known=known,
            occurred_at=at or self.at,
            payload=told if isinstance(told, Mapping) else {"value": told},
        )

    def unreadable(self, words: str, piece: Json) -> Notice:
        """Return a notice about a piece that should have been something else."""
        return self.notice(words, piece, known=False)

    def moment(self, piece: Json, name: str = "timestamp") -> datetime:
        """Return the time a piece gives, else the update's own."""
        return parse_time(text_of(piece, name)) or self.at


def text_of(piece: Json, *paths: str) -> str:
    """Return the first text or number at these paths, bounded and fit to be stored, else ``""``."""
    return _UNFIT.sub("", text_at(piece, *paths)[:KEPT])


def id_of(piece: Json, *paths: str) -> str:
    """Return an id at one of these paths, or ``""`` where there is none that could be one."""
    text = text_of(piece, *paths)
    return text if len(text) <= ID_MOST else ""


def pieces_of(value: Json, name: str) -> Iterator[Json]:
    """Yield the entries of an array; something that is not one counts as one entry."""
    found = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(found, Sequence) and not isinstance(found, str):
        yield from found
    elif found is not None:
        yield found


def phone_of(text: str) -> str:
    """Return a number with its leading ``+``, or ``""`` where it is none."""
    match = _PHONE.fullmatch(text.strip())
    return f"+{match[1]}" if match else ""


def digest(value: Json) -> str:
    """Return a digest of a value that does not depend on the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:32]
