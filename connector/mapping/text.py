"""Text as channels take it: one line, nothing invisible, no longer than allowed."""

from __future__ import annotations

import re
import unicodedata

ELLIPSIS = "…"
_BREAKS = re.compile(r"[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")
_WIDE_GAP = re.compile(r"\s{4,}")
_FORBIDDEN = (
    "\x00-\x1f\x7f-\x9f"  # controls
    "\xad\u180e\u200b\u2060-\u2065\ufeff"  # soft hyphen and zero-width
    "\u202a-\u202e\u2066-\u2069\u206a-\u206f"  # embeddings, overrides and isolates
    "\ud800-\udfff\ufff9-\ufffb\ufffe\uffff"  # halves of characters, annotations, non-characters
    "\U000e0000-\U000e0fff"  # tags and what else carries hidden text
)
FORBIDDEN = re.compile(f"[{_FORBIDDEN}]")
"""What never reaches a person. Joiners stay: Persian, Indic scripts and many emoji need them."""
_DIRTY = re.compile(f"[{_FORBIDDEN}\u2028\u2029]|\\s{{4}}")
_INVISIBLE = (
    "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
    + "\x00\x7f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u2800\u3164\ufeff\uffa0"
    + "".join(map(chr, (*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070))))
    + "".join(map(chr, range(0xFE00, 0xFE10)))
)


def is_blank(text: str) -> bool:
    """Tell whether a person would see nothing."""
    return not text.strip(_INVISIBLE)


def clean(text: str) -> str:
    """Return one line: breaks and tabs become a space, four or more spaces one, the forbidden goes."""
    if _DIRTY.search(text):
        text = _WIDE_GAP.sub(" ", FORBIDDEN.sub("", _BREAKS.sub(" ", text)))
    return text.strip()


def cut(text: str, limit: int, end: str = ELLIPSIS) -> str:
    """Return at most ``limit`` characters; what is cut ends with ``end``, and no visible character is torn."""
    if len(text) <= limit:
        return text
    room = limit - len(end)
    if room <= 0:
        return end[:limit] if limit > 0 else ""
    place = room
    while place > max(0, room - 40) and _is_inside(text, place):
        place -= 1
    if place == max(0, room - 40):  # a tower of marks, not a character that anyone reads
        place = room
    return text[:place].rstrip() + end


def _is_inside(text: str, place: int) -> bool:
    """Tell whether cutting before ``text[place]`` would tear what people see as one character."""
    after, before = text[place], text[place - 1]
    if after < "\u0300":
        return before == "\u200d"
    if (
        before == "\u200d"
        or after in "\u200c\u200d\ufe0e\ufe0f\u20e3\u0e33\u0eb3"
        or "\U0001f3fb" <= after <= "\U0001f3ff"
    ):
        return True
    if unicodedata.category(after) in ("Mn", "Me", "Mc") or "\u1160" <= after <= "\u11ff":
        return True
    if _is_flag_half(after) and _is_flag_half(before):
        start = place
        while start and _is_flag_half(text[start - 1]):
            start -= 1
        return (place - start) % 2 == 1
    return False


def _is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
