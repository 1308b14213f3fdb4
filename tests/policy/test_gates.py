from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.model import Category, Reason
from connector.policy import agreed, agreement, late, overtaken, span

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize("value", [True, "true", "TRUE", " Subscribed ", "granted", "yes"])
def test_an_agreement_in_any_of_its_words_lets_marketing_through(value: Any) -> None:
    assert agreement(Category.MARKETING, ["buyer.agrees"], {"buyer": {"agrees": value}}) is None
    assert agreed(["none", "buyer.agrees"], {"buyer": {"agrees": value}}) == "buyer.agrees"


@pytest.mark.parametrize("value", [None, False, 1, "", "1", "no", "pending", "not_subscribed", ["true"], {"a": True}])
def test_nothing_else_is_taken_for_an_agreement(value: Any) -> None:
    skip = agreement(Category.MARKETING, ["agrees"], {"agrees": value})
    assert skip is not None
    assert skip.reason is Reason.NO_AGREEMENT
    assert "agrees" in skip.words


def test_a_mapping_without_agreement_fields_never_sends_marketing() -> None:
    skip = agreement(Category.MARKETING, [], {"agrees": True})
    assert skip is not None
    assert "names no field" in skip.words


@pytest.mark.parametrize("category", [Category.UTILITY, Category.AUTHENTICATION])
def test_other_categories_need_no_agreement(category: Category) -> None:
    assert agreement(category, [], {}) is None


def test_lateness_begins_after_the_last_moment() -> None:
    assert late(NOON, NOON) is None
    assert late(None, NOON) is None
    skip = late(NOON, NOON + timedelta(hours=20, minutes=3, seconds=9))
    assert skip is not None
    assert skip.reason is Reason.TOO_LATE
    assert skip.words == "It had to leave by 2026-11-22 12:00 UTC, which is 20 h 3 min ago."


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (45, "45 s"), (600, "10 min"), (100_800, "1 d 4 h"), (86_400, "1 d"), (3661, "1 h 1 min")],
)
def test_a_span_is_said_in_its_two_largest_units(seconds: int, words: str) -> None:
    assert span(timedelta(seconds=seconds)) == words


def test_a_cancelling_event_that_came_first_stops_the_message() -> None:
    skip = overtaken(["order.cancelled", "order.paid"], {"order.created", "order.paid"})
    assert skip is not None
    assert skip.reason is Reason.OVERTAKEN
    assert skip.words == "order.paid came first."
    assert overtaken(["order.cancelled"], {"order.created"}) is None
    assert overtaken([], {"order.created"}) is None
