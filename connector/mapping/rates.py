"""What a message costs, as somebody here has entered it: dated figures, and never ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from connector.model import Category

DEFAULT = "default"
"""Stands for the countries that a card does not name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The figures of one price list, from a day on."""

    valid_from: date
    prices: Mapping[Category, Mapping[str, Decimal]]
    """Category -> country (two ISO letters, or ``default``) -> what one delivered message costs."""
    note: str = ""
    """Where the figures are from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """The figures that have been entered. Published as the mapping ``policy/rates``."""

    currency: str
    """Three ISO letters."""
    cards: tuple[Card, ...]
    """The oldest first."""
    version: int = 0
    source: str = field(default="", repr=False)

    def card(self, on: date) -> Card | None:
        """Return the card that holds on a day; None: none did yet."""
        return next((card for card in reversed(self.cards) if card.valid_from <= on), None)

    def price(self, category: Category, country: str, on: date) -> Decimal | None:
        """Return what a message to a country cost on a day; None where nobody has entered it."""
        card = self.card(on)
        prices = card.prices.get(category, {}) if card else {}
        return prices.get(country, prices.get(DEFAULT))
