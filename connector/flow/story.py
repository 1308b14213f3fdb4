"""What a trace is made of: lines and stories, and how phone numbers are kept out of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class Tone(StrEnum):
    """How a line is meant; skipped is not failed."""

    OK = "ok"
    SKIP = "skip"
    FAIL = "fail"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a story; ``at`` is None for what holds now, ``depth`` 1 for what belongs to the line above."""

    at: datetime | None
    tone: Tone
    words: str
    depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What became of one thing. ``found`` is False for the story of having found nothing."""

    title: str
    tone: Tone
    outcome: str
    """The end of it, in a few words."""
    lines: tuple[Line, ...]
    event_id: str | None = None
    request_id: int | None = None
    message_ids: tuple[str, ...] = ()
    contact_id: str | None = None
    found: bool = True


_NUMBER = re.compile(
    r"#?[A-Za-z]{0,6}-?\d{1,20}|[A-Za-z_]{1,20} (?:…\w{1,12}|\d{4,20})|[A-Za-z_]{1,30}:(?=\D*\d)[\w\-]{1,40}|answer"
)
"""Numbers of orders, and names that the program gives to records: they tell of nobody."""
_WRITTEN = re.compile(r"(?<![\w.+:#\-])(?:\+\d|00\d|0\d)[\d \u00a0()\-]{5,}\d(?!-?\w)")


def is_number(label: str) -> bool:
    """Tell whether what an event is called is a number; anything else may be somebody's name."""
    return _NUMBER.fullmatch(label) is not None


def quoted(words: str) -> str:
    """Set apart in a sentence what others wrote: pages hide what is quoted from those who may not see people."""
    return f"“{words.replace('“', '‘').replace('”', '’')}”" if words else ""


def hide_phone(phone: str) -> str:
    """Show only the end of a phone number or of a channel's own id of a person."""
    shown = 4 if len(phone) > 9 else 2
    return f"••• {phone[-shown:]}" if phone else ""


def hide_phones(words: str) -> str:
    """Hide phone numbers inside a sentence."""
    return _WRITTEN.sub(lambda match: hide_phone(re.sub(r"\D", "", match[0])), words)


def hidden(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Hide phone numbers in all lines."""
    return tuple(replace(line, words=hide_phones(line.words)) for line in lines)


def spoken(word: str) -> str:
    """Write a word of the database as people do."""
    return word.replace("_", " ")


def utc(at: datetime) -> str:
    """Write a moment inside a sentence, as all sentences of the ledger do."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
