"""Numbers that bring trouble: the last four digits of the recipient say what happens to a message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What happens to messages to numbers with one ending."""

    words: str
    code: int = 0
    """Refused at once with this code of Meta's."""
    once: bool = False
    """Only the first try of each message; the next one is accepted."""
    silent: bool = False
    """HTTP 503 without a body: the caller cannot know whether it was accepted (it was not)."""
    cut: bool = False
    """Accepted, but the connection is cut before the answer."""
    fails: int = 0
    """Accepted, then reported as failed with this code."""
    delay: float = 0.0
    """Seconds before the answer."""
    mute: bool = False
    """Accepted, but no receipt ever comes."""


TROUBLES: Mapping[str, Trouble] = {
    "9026": Trouble(code=131026, words="refused: not on WhatsApp"),
    "9047": Trouble(code=131047, words="refused: outside the 24-hour window"),
    "9049": Trouble(code=131049, words="refused: healthy ecosystem, the per-user marketing cap"),
    "9050": Trouble(code=131050, words="refused: this person has stopped marketing messages"),
    "9130": Trouble(code=190, words="refused: the access token is not valid (HTTP 401)"),
    "9429": Trouble(code=130429, once=True, words="rate limit hit once, then accepted"),
    "9500": Trouble(code=131000, once=True, words="HTTP 500 once, then accepted"),
    "9503": Trouble(silent=True, words="HTTP 503 without a body, every time; not accepted"),
    "9600": Trouble(cut=True, words="accepted, connection cut before the answer; receipts come"),
    "9700": Trouble(fails=131026, words="accepted, then a failed receipt with 131026"),
    "9800": Trouble(delay=2.0, words="accepted after 2 seconds"),
    "9900": Trouble(mute=True, words="accepted, but no receipt ever comes"),
}
"""Last four digits -> trouble. Every other number is answered normally."""

NONE = Trouble(words="accepted")


def trouble_of(wa_id: str) -> Trouble:
    """Return what happens to messages to this number (digits only)."""
    return TROUBLES.get(wa_id[-4:], NONE)
