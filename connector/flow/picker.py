"""What an event offers to insert into an expression, and the words that complete one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connector.contract import Field
from connector.model import Event, Payload

MOST_OFFERS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One thing to insert."""

    path: str
    """``customer.first_name``, ``line_items[0].title``, ``order.name`` (remembered), ``account.name``."""
    label: str
    """In words: ``Customer: first name``."""
    type: str
    """As declared (``text``, ``money``, …), else by what stands there."""
    value: str = field(default="", repr=False)
    """As Liquid would print it; for lists and objects in words (``2 items``); ``""`` where nothing stands there."""
    liquid: str
    """``{{ customer.first_name }}``; for lists and money with the filter that prints them."""
    where: str
    """The root it is of: ``event`` (the payload's own), ``order`` and others that are remembered, ``account``,
    ``about`` (``event.type`` and the like)."""
    words: str = ""
    """What the adapter says about it."""
    hint: str = ""
    """For lists: the filter that prints all of it."""
    present: bool = True
    """False: declared, and not in this event."""
    declared: bool = True
    """False: in this event, and nobody declared it."""
    usable: bool = True
    """False: an object, which prints nothing itself but whose parts are offered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One word that completes an expression."""

    word: str
    """``money``"""
    kind: str
    """``filter``, ``tag``, ``field`` or ``root``."""
    arguments: str = ""
    """``'shop'``, ``style, zone``: as they are written behind the colon."""
    words: str = ""
    """One line of help."""
    example: str = ""


def offer(
    fields: Sequence[Field],
    payload: Payload,
    remembered: Mapping[str, tuple[Sequence[Field], Payload]],
    account: Mapping[str, Any],
    event: Event,
) -> list[Offer]:
    """Return everything that an expression may use here, at most :data:`MOST_OFFERS`, declared ones first.

    ``remembered``: root -> what is declared of it and what stands there; ``account``: public settings with ``name``.
    """
    raise NotImplementedError


def find(offers: Iterable[Offer], words: str) -> list[Offer]:
    """Return those whose path, label or value hold all of these words; case and accents do not matter."""
    raise NotImplementedError


def completions(offers: Iterable[Offer] = ()) -> list[Completion]:
    """Return filters with their arguments, tags, roots, and these fields."""
    raise NotImplementedError


def operators_for(type_: str) -> list[tuple[str, str]]:
    """Return the operators that make sense for a field of this type, with their words, the likeliest first."""
    raise NotImplementedError


def with_fallback(expression: str, type_: str = "text") -> str:
    """Return the expression with ``| default: …`` for a value of this type; one that has a default is left as it is."""
    raise NotImplementedError


def masked(offers: Iterable[Offer]) -> list[Offer]:
    """Return offers whose values are hidden, but for the harmless."""
    raise NotImplementedError
