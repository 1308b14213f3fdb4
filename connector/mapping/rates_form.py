"""Reading the rates that admins enter: what a message of a category to a country costs, and from when on."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from marshmallow import ValidationError, fields, post_load
from phonenumbers import SUPPORTED_REGIONS

from connector.errors import Fault, MappingError
from connector.mapping.pieces import OneOf, Table, TableOf, Text, read_form, tables
from connector.mapping.rates import DEFAULT, Card, Rates
from connector.model import Category

KIND = "rates"
NAME = "policy/rates"
"""The only name that rates have."""
MOST = Decimal(1000)
"""More than this is a slip of the pen: it is the price of one message."""
EXAMPLE = """\
kind = "rates"
title = "What messages cost"
# Meta charges each delivered template by its category and the country of the recipient, and changes its
# lists on the first day of a quarter. Copy your figures from the list in your own currency; none are shipped.
currency = "EUR"

[[card]]
valid_from = 2026-10-01
note = "which list these figures are from"

# Take the # away, and put a figure behind each =. Countries have two letters; "default" is every other one.
[card.prices.marketing]
# default =
# DE =

[card.prices.utility]
# default =
# DE =

[card.prices.authentication]
# default =
"""
"""What the editor begins with: the form without a figure."""
_CURRENCY = re.compile(r"[A-Z]{3}")


def load_rates(name: str, source: str) -> Rates:
    """Read rates from TOML. Raises MappingError, which holds every fault with its dotted path, and nothing else."""
    if name != NAME:
        raise MappingError([Fault("", f"Rates are called {NAME}, and this is {name}.")])
    rates = read_form(name, source, _RatesForm, _make)
    faults = []
    days = [card.valid_from for card in rates.cards]
    for place, card in enumerate(rates.cards):
        if card.valid_from in days[:place]:
            faults.append(Fault(f"card.{place}.valid_from", f"another card holds from {card.valid_from} on already."))
        if not any(card.prices.values()):
            faults.append(Fault(f"card.{place}.prices", "holds no figure yet; name a default, or a country."))
    if faults:
        raise MappingError(faults)
    return rates


def _make(*, name: str, source: str, currency: str, card: tuple[Card, ...], **words: Any) -> Rates:
    return Rates(currency=currency, cards=tuple(sorted(card, key=lambda item: item.valid_from)), source=source)


class _Currency(Text):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
            raise ValidationError("must be three capital letters, such as EUR.")
        return value


class _Day(fields.Field[date]):
    default_error_messages = {"required": "is missing."}  # noqa: RUF012 - its own way

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:
        if isinstance(value, datetime) or not isinstance(value, date):
            raise ValidationError("must be a day, without quotes, such as 2026-10-01.")
        return value


class _Country(Text):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if value != DEFAULT and value not in SUPPORTED_REGIONS:
            raise ValidationError(f"is no country; write two capital letters such as DE, or {DEFAULT}.")
        return str(value)


class _Price(fields.Field[Decimal]):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise ValidationError("must be a number, without quotes, such as 0.05.")
        price = Decimal(value)
        if not price.is_finite() or not 0 <= price <= MOST:
            raise ValidationError(f"must lie between 0 and {MOST}: it is what one message costs.")
        return price


class _CardForm(Table):
    valid_from = _Day(required=True)
    note = Text(most=500)
    prices = TableOf(OneOf(Category), TableOf(_Country(), _Price()), required=True)

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> Card:
        data["prices"] = {Category(category): prices for category, prices in data["prices"].items()}
        return Card(**data)


class _RatesForm(Table):
    kind = OneOf((KIND,), required=True)
    title = Text()
    description = Text(most=2000, prose=True)
    currency = _Currency(required=True)
    card = tables(_CardForm, required=True, least=1)
