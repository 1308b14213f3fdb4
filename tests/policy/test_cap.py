from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.policy import over, over_any, parse_cap, span_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def test_a_cap_is_reached_with_its_last_message_and_free_when_the_oldest_has_left() -> None:
    sent = [NOON - timedelta(hours=23), NOON - timedelta(hours=1)]
    assert over("2 per 24h", sent[:1], NOON) is None
    assert over("2 per 24h", sent, NOON) == NOON + timedelta(hours=1)
    assert over("2 per 24h", sent, NOON + timedelta(hours=1)) is None


def test_more_than_the_cap_wait_for_the_last_that_is_too_many() -> None:
    sent = [NOON - timedelta(hours=hour) for hour in (1, 2, 3)]
    assert over("1 per 1d", sent, NOON) == NOON + timedelta(hours=23)
    assert over("3 per 1d", sent, NOON) == NOON + timedelta(hours=21)


def test_several_caps_are_all_kept() -> None:
    sent = [NOON - timedelta(hours=1)]
    assert over_any(["2 per 1d", "1 per 7d"], sent, NOON) == NOON + timedelta(days=7, hours=-1)
    assert over_any(["2 per 1d"], sent, NOON) is None
    assert over_any([], sent, NOON) is None
    assert span_of(["2 per 1d", "1 per 7d"]) == 7 * DAY
    assert span_of([]) == timedelta()


@pytest.mark.parametrize("cap", ["", "2", "0 per 1d", "2 per", "2 per 0s", "-1 per 1d", "2 per 400d", "two per day"])
def test_a_cap_that_is_none_is_refused(cap: str) -> None:
    with pytest.raises(ValueError):
        parse_cap(cap)


@settings(deadline=None)
@given(
    ages=st.lists(st.timedeltas(timedelta(), timedelta(days=3)), max_size=8),
    most=st.integers(1, 4),
    hours=st.integers(1, 48),
)
def test_at_the_moment_that_is_told_the_cap_is_kept_and_not_before(
    ages: list[timedelta], most: int, hours: int
) -> None:
    sent, cap, within = [NOON - age for age in ages], f"{most} per {hours}h", timedelta(hours=hours)
    free = over(cap, sent, NOON)

    def count(at: datetime) -> int:
        return sum(1 for moment in sent if moment > at - within)

    assert (free is None) == (count(NOON) < most)
    if free is not None:
        assert count(free) < most
        assert count(free - timedelta(microseconds=1)) >= most
