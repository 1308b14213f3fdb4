"""Plain words for what stands in mappings: fields, events, lengths of time, lists of things."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_INDEX = re.compile(r"\[(\d+)\]|\.(\d+)(?=\.|$)")
_CUSTOM = ("__c", "__r", "_set")
"""Endings of names that mean something to a vendor and nothing to people."""
_SHORT = {"id": "ID", "url": "link", "sku": "SKU", "vat": "VAT", "sms": "SMS", "whatsapp": "WhatsApp"}


@lru_cache(maxsize=8192)
def words_of(name: str) -> str:
    """Return one name of a path in words: ``first_name`` -> ``first name``, ``MobilePhone`` -> ``mobile phone``."""
    for ending in _CUSTOM:
        name = name.removesuffix(ending)
    name = name.replace("WhatsApp", "whatsapp_")
    parts = [part for part in _CAMEL.sub(" ", name.replace("_", " ").replace("-", " ")).split() if part]
    return " ".join(_word(part) for part in parts)


def _word(part: str) -> str:
    if part.lower() in _SHORT:
        return _SHORT[part.lower()]
    return part if part.isupper() and len(part) > 1 else part.lower()


@lru_cache(maxsize=8192)
def label_of(path: str) -> str:
    """Return a path in words, as lists show it: ``Line items 1: title``."""
    parts = [_part(part) for part in _named(path)]
    label = ": ".join([*parts[:-1], parts[-1]]) if parts else path
    return label[:1].upper() + label[1:]


@lru_cache(maxsize=8192)
def phrase_of(path: str) -> str:
    """Return a path in words, as a sentence says it: ``the customer's first name``."""
    parts = [_part(part, ordinal=True) for part in _named(path)]
    if not parts:
        return path
    said = parts[-1]
    for part in reversed(parts[:-1]):
        many = part.endswith("s") and not part.endswith("ss")
        said = f"{part}' {said}" if many else f"{part}'s {said}"
    return f"the {said}"


def _named(path: str) -> list[str]:
    return [part for part in _INDEX.sub(lambda found: f"#{found[1] or found[2]}", path).split(".") if part]


def _part(part: str, *, ordinal: bool = False) -> str:
    name, _, place = part.partition("#")
    words = words_of(name)
    if not place:
        return words
    if ordinal:
        return f"{_nth(int(place) + 1)} {_single(words)}"
    return f"{words} {int(place) + 1}"


def _nth(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")


def _single(words: str) -> str:
    return words.removesuffix("s") if words.endswith("s") and not words.endswith("ss") else words


def length_of(length: timedelta) -> str:
    """Return a length of time in words: ``10 minutes``, ``1 day and 12 hours``; weeks are not used."""
    rest = int(length.total_seconds())
    parts = []
    for unit, seconds in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        count, rest = divmod(rest, seconds)
        if count:
            parts.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return both(parts) or "no time"


def both(parts: Sequence[str], word: str = "and") -> str:
    """Return a list in words: ``a, b and c``."""
    return f"{', '.join(parts[:-1])} {word} {parts[-1]}" if len(parts) > 1 else "".join(parts)
