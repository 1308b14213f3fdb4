"""The nearest known word, for a person who mistyped one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the nearest known word, or ``""`` where none is near."""
    words = list(known)
    same = [each for each in words if each.casefold() == word.casefold()]
    found = same or get_close_matches(word[:200], words, n=1, cutoff=0.6)
    return f"; did you mean {found[0]!r}?" if found else ""
