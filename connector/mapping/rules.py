"""What a notification mapping says is to follow from what becomes of its messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from connector.mapping.liquid import Expression
from connector.model import ConsentState, Json, Purpose

OUTCOMES = ("delivered", "read", "replied", "button", "undeliverable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One ``[[after]]`` of a mapping: when this comes of a message, do that, once."""

    on: str
    """One of OUTCOMES. ``replied``: the person wrote in answer to it; ``button``: tapped its quick reply."""
    payload: str = ""
    """For ``button``: the payload that was tapped; ``""``: any."""
    consent: Mapping[Purpose, ConsentState] = field(default_factory=dict)
    """What the person thereby grants or revokes."""
    wording: str = ""
    """What the button says, for the ledger; ``""``: what came back."""
    add_labels: tuple[str, ...] = ()
    remove_labels: tuple[str, ...] = ()
    record: str = ""
    """Which record tags and fields are for, among those the event is about: ``order``; ``""``: its subject."""
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    set_fields: Mapping[str, Json] = field(default_factory=dict)
    """Vendor's field -> value, on that record."""
    cancel_others: bool = False
    """Cancel what else waits for this person about this subject."""
    answer: Expression | None = None
    """Free words to answer with, while the person may be answered; sees what the slots saw."""
