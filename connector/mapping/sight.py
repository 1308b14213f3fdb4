"""What an event tells about a person, by a contact mapping: pure, and never an error.

Absent is not cleared: a field that an event does not carry is not spoken of. What is there and cannot be
read is told in words, for the trace.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from connector.mapping.contact import CONSENT, LABELS, PLAIN, ContactMapping, FieldRule
from connector.mapping.contact_form import ACCOUNT, JOINED
from connector.mapping.recipient import is_masked, parse_phone
from connector.mapping.scalar import plain
from connector.mapping.text import clean, cut
from connector.model import (
    AccountId,
    ConsentState,
    Event,
    Json,
    Key,
    KeyKind,
    Payload,
    Purpose,
    Sighting,
    dig,
    parse_time,
)
from connector.model.payload import steps

MOST_LABELS = 250
"""Labels that one event may tell of; a Shopify customer has at most so many tags."""
_ID = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_LOCALE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}")
_EMAIL = re.compile(r"[^\s@]{1,64}@[^\s@]{1,190}")
_NUMBER = re.compile(r"\+?[1-9][0-9]{5,14}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What an event says about the person's consent to one purpose."""

    purpose: Purpose
    state: ConsentState
    told: str
    """The vendor's own value, in the spelling of the mapping: ``Opted in``, ``SUBSCRIBED``, ``true``; ``""``: blank."""
    at: datetime | None
    """When it became true, by the event; None: it does not say."""
    place: str
    """How it was collected, in the vendor's words or in the mapping's; ``""``: nobody says."""
    rule: FieldRule


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsTold:
    """What an event says about the person's labels, of which the mapping's ``only`` alone are spoken of."""

    whole: tuple[str, ...] | None = None
    """All that the record has now; None: the event tells only what was added and removed."""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    rule: FieldRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A person, as one event shows them; ``""`` and empty mean: not spoken of."""

    record: str
    """``customer:5521``; ``""`` where the event is about somebody without a record."""
    phone: str = field(default="", repr=False)
    raw_phone: str = field(default="", repr=False)
    wa_id: str = field(default="", repr=False)
    email: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    locale: str = ""
    region: str = ""
    timezone: str = ""
    seen_at: datetime
    claims: tuple[Claim, ...] = ()
    labels: tuple[LabelsTold, ...] = ()
    unread: tuple[str, ...] = ()
    """What was there and could not be read, in words that hold no personal data."""

    def sighting(self, account_id: AccountId) -> Sighting:
        """Return it as a sighting of the account whose event it is."""
        keys = [
            Key(KeyKind.PHONE, self.phone),
            Key(KeyKind.WA_ID, self.wa_id),
            Key(KeyKind.RECORD, self.record, account_id),
        ]
        return Sighting(
            keys=tuple(key for key in keys if key.value), raw_phone=self.raw_phone, name=self.name, email=self.email,
            region=self.region, locale=self.locale, timezone=self.timezone, seen_at=self.seen_at,
        )  # fmt: skip


def sight(mapping: ContactMapping, event: Event, account_settings: MappingOf[str, Any], at: datetime) -> Seen | None:
    """Return what an event shows of a person, or None where it is none of the mapping's or shows nobody.

    ``account_settings`` are the public settings of the account (for ``account.country``), ``at`` is now:
    nothing was seen later than that. Pure and total: an event of any shape gives an answer.
    """
    path = mapping.id_path(event.type)
    if not path:
        return None
    record = _record(mapping.object, event.payload, path)
    reader = _Reader(event, account_settings)
    for rule in mapping.fields:
        if rule.comes_in and (not rule.events or event.type in rule.events):
            reader.read(rule)
    if not record and not reader.plain.get("phone") and not reader.plain.get("wa_id"):
        return None
    return Seen(
        record=record, seen_at=min(event.occurred_at, at), claims=tuple(reader.claims), labels=tuple(reader.labels),
        unread=tuple(reader.unread), **reader.plain,
    )  # fmt: skip


def read_region(text: str) -> str:
    """Return the two ISO letters for a country's letters or English name, or ``""``."""
    import phonenumbers  # large; most processes have it already

    code = text.strip().upper()
    if code in phonenumbers.SUPPORTED_REGIONS:
        return code
    return _countries().get(text.strip().casefold(), "")


@lru_cache(maxsize=1)
def _countries() -> dict[str, str]:
    from babel import Locale

    return {
        name.casefold(): code for code, name in Locale("en").territories.items() if len(code) == 2 and code.isalpha()
    }


def _record(object_: str, payload: Payload, path: str) -> str:
    # Some vendors write ids as paths of their own (gid://shopify/Customer/5521): the end is the id.
    id_ = _text(dig(payload, path)).rpartition("/")[2].strip()
    return f"{object_}:{id_}" if _ID.fullmatch(id_) else ""


def _text(value: Json) -> str:
    try:
        return plain(value)
    except ValueError:  # a list, an object, or a number beyond reason
        return ""


def _is_there(payload: Payload, path: str) -> bool:
    """Tell whether the payload speaks of this field at all, be it with null."""
    *inner, last = steps(path)
    around = dig(payload, ".".join(inner)) if inner else payload
    return isinstance(around, MappingOf) and last in around


class _Reader:
    """Reads one event, rule by rule."""

    def __init__(self, event: Event, settings: MappingOf[str, Any]) -> None:
        self._payload, self._settings = event.payload, settings
        self.plain: dict[str, str] = {}
        self.claims: list[Claim] = []
        self.labels: list[LabelsTold] = []
        self.unread: list[str] = []

    def read(self, rule: FieldRule) -> None:
        if rule.contact == "phone":
            self._read_phone(rule)
        elif rule.contact in PLAIN:
            self._read_plain(rule)
        elif rule.contact in LABELS:
            self._read_labels(rule)
        elif rule.contact in CONSENT:
            self._read_consent(rule)

    def _texts(self, rule: FieldRule) -> Iterator[tuple[str, str]]:
        """Yield each path that holds something, with its text."""
        for joined in rule.paths:
            texts = [_text(dig(self._payload, path)).strip() for path in joined.split(JOINED)]
            if text := " ".join(filter(None, texts)):
                yield joined, text

    def _read_phone(self, rule: FieldRule) -> None:
        if self.plain.get("phone"):
            return
        regions: Sequence[str] | None = None
        for path, raw in self._texts(rule):
            if is_masked(raw):
                self.unread.append(f"{path} is masked; the vendor does not show it to this app")
                continue
            if regions is None:
                regions = self._regions(rule)
            phone, _ = parse_phone(raw, regions)
            if phone:
                self.plain |= {"phone": phone, "raw_phone": cut(clean(raw), 60)}
                return
            self.plain.setdefault("raw_phone", cut(clean(raw), 60))
            where = f"in {' or '.join(regions)}" if regions else "and no country is known"
            self.unread.append(f"{path} is no valid number {where}")

    def _regions(self, rule: FieldRule) -> list[str]:
        found: dict[str, None] = {}
        for path in rule.region:
            source: Json = self._settings if path.startswith(ACCOUNT) else self._payload
            if region := read_region(_text(dig(source, path.removeprefix(ACCOUNT)))):
                found[region] = None
        return list(found)

    def _read_plain(self, rule: FieldRule) -> None:
        for path, text in self._texts(rule):
            value = _PLAIN[rule.contact](text)
            if value:
                self.plain.setdefault(rule.contact, value)
                return
            self.unread.append(f"{path} is no {rule.contact} that can be read")

    def _read_labels(self, rule: FieldRule) -> None:
        path = next((path for path in rule.paths if _is_there(self._payload, path)), None)
        if path is None:
            return
        value = dig(self._payload, path)
        if isinstance(value, str):
            items: Sequence[Json] = value.split(rule.separator) if rule.separator else [value]
        elif value is None:
            items = ()
        elif isinstance(value, Sequence):
            items = value
        else:
            self.unread.append(f"{path} is no list of labels")
            return
        only = {name.casefold() for name in rule.only}
        names = dict.fromkeys(text for item in items[:MOST_LABELS] if (text := clean(_text(item))))
        told = tuple(name for name in names if not only or name.casefold() in only)
        if rule.contact == "labels":
            self.labels.append(LabelsTold(whole=told, rule=rule))
        elif told:
            kind = "added" if rule.contact == "labels.added" else "removed"
            self.labels.append(LabelsTold(rule=rule, **{kind: told}))

    def _read_consent(self, rule: FieldRule) -> None:
        told = next((text for _, text in self._texts(rule)), "")
        if not told and not any(_is_there(self._payload, path) for path in rule.paths):
            return
        value = next((value for value in rule.values if value.casefold() == told.casefold()), None)
        if value is None:
            if told:
                shown = cut(clean(told), 40)
                self.unread.append(f"{' or '.join(rule.paths)} is {shown!r}, which the mapping's values do not name")
            return
        place = clean(_text(dig(self._payload, rule.source))) if rule.source else ""
        claim = Claim(
            purpose=Purpose(rule.contact.partition(".")[2]), state=ConsentState(rule.values[value]), told=value,
            at=parse_time(_text(dig(self._payload, rule.at))) if rule.at else None,
            place=cut(place or rule.place, 300), rule=rule,
        )  # fmt: skip
        self.claims = [other for other in self.claims if other.purpose is not claim.purpose] + [claim]


def _read_number(text: str) -> str:
    digits = re.sub(r"[ ()./-]", "", text)
    return f"+{digits.lstrip('+')}" if _NUMBER.fullmatch(digits) else ""


def _read_zone(text: str) -> str:
    try:
        return ZoneInfo(text).key if len(text) < 100 else ""
    except (KeyError, ValueError, OSError):
        return ""


_PLAIN = {
    "wa_id": _read_number,
    "email": lambda text: text if _EMAIL.fullmatch(text) else "",
    "name": lambda text: cut(clean(text), 200),
    "region": read_region,
    "locale": lambda text: text if _LOCALE.fullmatch(text) else "",
    "timezone": _read_zone,
}
