"""The people policy as a value: words that stop and start, quiet hours, caps, who owns which label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from connector.model import Purpose


class Owner(StrEnum):
    """Who may change a label."""

    OURS = "ours"
    """Only the connector; what a CRM or shop does to it is undone there."""
    THEIRS = "theirs"
    """Only CRMs and shops; the connector never writes it."""
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Whole messages of one language that mean something, as people write them."""

    stop: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()
    """May mean stop and may mean something else: a label for a human, and nothing more."""
    stopped: str = ""
    """Reply that confirms a stop, once; ``""``: none."""
    started: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeoplePolicy:
    """What holds for every person, whatever the mapping. Published as the mapping ``policy/people``."""

    words: Mapping[str, Words] = field(default_factory=dict)
    """By language: ``en``, ``pt-BR``; every language is listened to, replies are in the one that matched."""
    stop_purposes: tuple[Purpose, ...] = (Purpose.MARKETING, Purpose.UTILITY)
    start_purposes: tuple[Purpose, ...] = (Purpose.MARKETING, Purpose.UTILITY)
    unclear_label: str = "whatsapp-unclear"
    confirm: bool = True
    unreachable_after: int = 3
    """So many refusals in a row for not being on the channel, and a person is not written to any more."""
    quiet: Mapping[Purpose, str] = field(default_factory=dict)
    """``21:00-09:00`` in the person's own time; purposes that are not named have none."""
    cap: Mapping[Purpose, tuple[str, ...]] = field(default_factory=dict)
    """``2 per 24h``, over all mappings."""
    labels: Mapping[str, Owner] = field(default_factory=dict)
    """Owner by label; those that are not named belong to both."""
    version: int = 0
    """0: the one that is shipped."""
    source: str = field(default="", repr=False)

    def owner(self, label: str) -> Owner:
        """Return who may change a label; case does not matter."""
        known = {name.casefold(): owner for name, owner in self.labels.items()}
        return known.get(label.casefold(), Owner.BOTH)
