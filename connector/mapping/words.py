"""Recognising messages that mean stop or start: the whole message, in any language of the policy."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from connector.mapping.people import PeoplePolicy

LONGEST = 80
"""Characters; whoever writes more says more than one word."""
_EDGES = re.compile(r"^[\W_]+|[\W_]+$")
_SPACES = re.compile(r"\s+")
_TWINS = str.maketrans({"’": "'", "‘": "'", "´": "'", "`": "'", "ـ": "", "أ": "ا", "إ": "ا", "آ": "ا", "ى": "ي"})
"""Characters that keyboards use for one another; Arabic's tatweel and its forms of alef."""


@dataclass(frozen=True, slots=True)
class Meant:
    """What a message means."""

    kind: str
    """``stop``, ``start`` or ``unclear``."""
    language: str


def meaning(text: str, policy: PeoplePolicy) -> Meant | None:
    """Return what a whole message means by the policy's words, or None.

    Compared are letters alone: case, accents, spaces, emoji, marks around it and invisible characters (those
    that turn the direction of writing among them) make no difference.
    """
    if len(text) > LONGEST:
        return None
    return _table(policy).get(normal(text))


def normal(text: str) -> str:
    """Return the form in which messages are compared: ``STOP 🛑!`` and ``ｓｔｏｐ`` are ``stop``."""
    plain = unicodedata.normalize("NFKD", text.translate(_TWINS)).casefold()
    kept = "".join(
        char for char in unicodedata.normalize("NFKD", plain) if unicodedata.category(char) not in ("Mn", "Cf", "Me")
    )
    return _SPACES.sub(" ", _EDGES.sub("", kept))


@lru_cache(maxsize=8)
def _compiled(key: tuple[tuple[str, str, tuple[str, ...]], ...]) -> dict[str, Meant]:
    found: dict[str, Meant] = {}
    for kind, language, words in key:
        for word in words:
            found.setdefault(normal(word), Meant(kind, language))
    found.pop("", None)
    return found


def _table(policy: PeoplePolicy) -> dict[str, Meant]:
    # Stop before start before unclear: where two languages share a word, the safer meaning holds.
    return _compiled(
        tuple(
            (kind, language, tuple(getattr(words, kind)))
            for kind in ("stop", "start", "unclear")
            for language, words in policy.words.items()
        )
    )
