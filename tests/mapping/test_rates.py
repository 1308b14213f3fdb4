"""Rates: what admins enter about prices, by category, country and day."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from connector.errors import MappingError
from connector.mapping.kinds import kind_of, read
from connector.mapping.rates import Rates
from connector.mapping.rates_form import EXAMPLE, NAME, load_rates
from connector.model import Category

TEXT = """
kind = "rates"
currency = "EUR"
[[card]]
valid_from = 2027-01-01
[card.prices.utility]
default = 0.03
[[card]]
valid_from = 2026-10-01
note = "the list of October"
[card.prices.utility]
default = 0.02
DE = 0.0456
"""


def _faults(source: str, name: str = NAME) -> dict[str, str]:
    with pytest.raises(MappingError) as caught:
        read(name, source)
    return {fault.path: fault.words for fault in caught.value.faults}


def test_a_price_is_that_of_the_country_on_the_day() -> None:
    rates = load_rates(NAME, TEXT)

    assert rates.price(Category.UTILITY, "DE", date(2026, 11, 22)) == Decimal("0.0456")
    assert rates.price(Category.UTILITY, "FR", date(2026, 11, 22)) == Decimal("0.02")
    assert rates.price(Category.UTILITY, "DE", date(2027, 1, 1)) == Decimal("0.03")


def test_what_nobody_has_entered_has_no_price() -> None:
    rates = load_rates(NAME, TEXT)

    assert rates.price(Category.MARKETING, "DE", date(2026, 11, 22)) is None
    assert rates.price(Category.UTILITY, "DE", date(2026, 9, 30)) is None


def test_rates_are_a_kind_of_mapping_file() -> None:
    assert kind_of(TEXT) == "rates"
    assert isinstance(read(NAME, TEXT), Rates)


def test_the_name_of_the_rates_is_for_rates_alone() -> None:
    assert "name of the rates" in _faults("kind = 'policy'")["kind"]
    assert "Rates are called policy/rates" in _faults(TEXT, "policy/prices")[""]


def test_what_the_editor_begins_with_holds_no_figure_of_ours() -> None:
    faults = _faults(EXAMPLE)
    assert list(faults) == ["card.0.prices"]
    assert "no figure yet" in faults["card.0.prices"]


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        (("EUR", "euro"), "currency", "three capital letters"),
        (("2027-01-01", "'2027-01-01'"), "card.0.valid_from", "without quotes"),
        (("2027-01-01", "2026-10-01"), "card.1.valid_from", "another card"),
        (("DE = 0.0456", "DE = '0.0456'"), "card.1.prices.utility.DE", "must be a number"),
        (("DE = 0.0456", "DE = -1"), "card.1.prices.utility.DE", "between 0"),
        (("DE = 0.0456", "Germany = 1"), "card.1.prices.utility.Germany", "no country"),
        (("[card.prices.utility]\ndefault = 0.03", "[card.prices.utillity]\ndefault = 1"), "card.0.prices.utillity",
         "must be"),
    ],
)  # fmt: skip
def test_a_slip_of_the_pen_is_told_with_its_place(change: tuple[str, str], path: str, words: str) -> None:
    faults = _faults(TEXT.replace(*change))
    assert words in faults[path]
