"""Listening for words that stop and start: whole messages, as people type them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from connector.mapping.people import PeoplePolicy

KINDS = ("stop", "start", "unclear")
LONGEST = 200
"""Characters of a message that is looked at; a longer one is no word of command."""
_ARABIC = str.maketrans("أإآٱىةکی", "اااايهكي", "ـ")
"""Letters that are typed one for the other, and the stroke that only widens a word."""
_MARKS = re.compile("[\u0591-\u05c7\u064b-\u065f\u0670]")
"""Hebrew points and Arabic vowel signs, which most people leave out."""


@dataclass(frozen=True, slots=True)
class Meant:
    """What a message means."""

    kind: str
    """``stop``, ``start``, or ``unclear``: may mean stop, and may mean something else."""
    language: str
    """That of the policy's languages in which it was said; ``""`` where it was no word (a button)."""


def meaning(text: str, policy: PeoplePolicy, locale: str = "") -> Meant | None:
    """Return what a whole message means by a policy's words, or None where it is none of them.

    Case, accents, spaces, punctuation and emoji around it do not matter. A word of several languages is taken
    for the one of the person's ``locale`` (``pt-BR``), if it is among them, else for the first.
    """
    found = _meanings(policy).get(normal_words(text)) if len(text) <= LONGEST else None
    if not found:
        return None
    wanted = locale.lower().replace("_", "-")
    exact = (each for each in found if each.language.lower() == wanted)
    near = (each for each in found if each.language.lower().partition("-")[0] == wanted.partition("-")[0])
    return next(exact, None) or next(near, found[0])


_Index = dict[str, list[Meant]]
_newest: tuple[PeoplePolicy, _Index] | None = None
"""The index of the policy that was asked last: there is one in force at a time."""


def _meanings(policy: PeoplePolicy) -> _Index:
    global _newest
    last = _newest
    if last is not None and last[0] is policy:
        return last[1]
    index: _Index = {}
    for language, kind, word in spoken(policy):
        index.setdefault(normal_words(word), []).append(Meant(kind, language))
    _newest = policy, index
    return index


def spoken(policy: PeoplePolicy) -> Iterator[tuple[str, str, str]]:
    """Yield every word of a policy: its language, its kind, and the word as it was written."""
    for language, words in policy.words.items():
        for kind in KINDS:
            yield from ((language, kind, word) for word in getattr(words, kind))


def normal_words(text: str) -> str:
    """Return the form in which messages and words are compared; ``""`` where nothing is left.

    Wide and narrow forms are one, capitals too, accents of European scripts are dropped, so are the vowel
    signs of Arabic and Hebrew and everything invisible; punctuation and pictures at the ends go, unless there
    is nothing else.
    """
    folded = unicodedata.normalize("NFKD", text).casefold().replace("ı", "i").translate(_ARABIC)
    bare = "".join(_without_marks(_MARKS.sub("", folded)))
    words = " ".join(unicodedata.normalize("NFC", bare).split())
    inner = _strip(words)
    return inner or words


def _without_marks(text: str) -> Iterator[str]:
    base = ""
    for char in text:
        category = unicodedata.category(char)
        if category == "Cf" or "\ufe00" <= char <= "\ufe0f":
            continue  # direction marks, joiners, the choice between a letter and its picture
        if category == "Mn" and base < "\u0590":
            continue
        if category != "Mn":
            base = char
        yield char


def _strip(words: str) -> str:
    start, end = 0, len(words)
    while start < end and (_is_around(words[start]) or unicodedata.category(words[start])[0] == "M"):
        start += 1  # a mark on what has gone is nothing by itself
    while end > start and _is_around(words[end - 1]):
        end -= 1
    return words[start:end]


def _is_around(char: str) -> bool:
    return unicodedata.category(char)[0] in "PSZ"


def contradictions(policy: PeoplePolicy) -> Iterator[tuple[str, str, str, str]]:
    """Yield words that mean two things: language, kind, word, and the table where it means something else."""
    known: dict[str, tuple[str, str]] = {}
    for language, kind, word in spoken(policy):
        first, where = known.setdefault(normal_words(word), (kind, language))
        if first != kind:
            yield language, kind, word, f"words.{where}.{first}"
