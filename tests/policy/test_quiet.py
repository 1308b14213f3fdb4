from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connector.policy import opens_at, parse_quiet, zones_of

NIGHT = "21:00-09:00"
ZONES = (
    "Europe/Berlin", "America/New_York", "America/Los_Angeles", "America/Havana", "America/Asuncion",
    "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kolkata", "Pacific/Apia", "Pacific/Chatham", "UTC", "America/St_Johns",
)  # fmt: skip
CHANGES = [
    datetime(2026, 3, 29, 1, tzinfo=UTC),  # Berlin forward
    datetime(2026, 10, 25, 1, tzinfo=UTC),  # Berlin back
    datetime(2026, 3, 8, 5, tzinfo=UTC),  # Havana forward at midnight
    datetime(2026, 11, 1, 5, tzinfo=UTC),  # Havana back, from one to midnight
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),  # Lord Howe, half an hour
    datetime(2011, 12, 30, 10, tzinfo=UTC),  # Apia leaves out a day
]
times = st.times().map(lambda each: each.replace(second=0, microsecond=0))
moments = st.one_of(
    st.datetimes(datetime(2011, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds
    st.tuples(st.sampled_from(CHANGES), st.timedeltas(timedelta(hours=-30), timedelta(hours=30))).map(
        lambda pair: pair[0] + pair[1]
    ),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def is_quiet(moment: datetime, quiet: str, zone: str) -> bool:
    begins, ends = parse_quiet(quiet)
    shown = moment.astimezone(ZoneInfo(zone)).time()
    return begins <= shown < ends if begins < ends else not ends <= shown < begins


@pytest.mark.parametrize(
    ("moment", "opens"),
    [("2026-11-22T20:59:59+01:00", None), ("2026-11-22T21:00:00+01:00", "2026-11-23T09:00:00+01:00"),
     ("2026-11-23T08:59:59.5+01:00", "2026-11-23T09:00:00+01:00"), ("2026-11-23T09:00:00+01:00", None)],
)  # fmt: skip
def test_a_message_at_night_waits_for_the_morning(moment: str, opens: str | None) -> None:
    assert opens_at(at(moment), NIGHT, ["Europe/Berlin"]) == (at(opens) if opens else None)


def test_quiet_hours_within_a_day_end_on_that_day() -> None:
    assert opens_at(at("2026-11-22T13:10:00Z"), "13:00-14:00", ["UTC"]) == at("2026-11-22T14:00:00Z")
    assert opens_at(at("2026-11-22T14:00:00Z"), "13:00-14:00", ["UTC"]) is None


def test_the_night_of_the_change_is_as_long_as_the_clock_shows() -> None:
    assert opens_at(at("2026-03-28T23:00:00+01:00"), NIGHT, ["Europe/Berlin"]) == at("2026-03-29T09:00:00+02:00")
    assert opens_at(at("2026-10-24T23:00:00+02:00"), NIGHT, ["Europe/Berlin"]) == at("2026-10-25T09:00:00+01:00")


def test_an_end_that_the_clock_skips_is_the_moment_of_the_change() -> None:
    assert opens_at(at("2026-03-29T00:30:00+01:00"), "22:00-02:30", ["Europe/Berlin"]) == at("2026-03-29T01:00:00Z")


def test_an_end_that_is_shown_twice_ends_twice() -> None:
    first, second = at("2026-10-25T00:30:00Z"), at("2026-10-25T01:30:00Z")
    assert opens_at(at("2026-10-24T23:00:00Z"), "22:00-02:30", ["Europe/Berlin"]) == first
    assert opens_at(first + timedelta(minutes=29), "22:00-02:30", ["Europe/Berlin"]) is None
    assert opens_at(at("2026-10-25T01:00:00Z"), "22:00-02:30", ["Europe/Berlin"]) == second


def test_it_must_be_day_in_every_zone_the_person_may_be_in() -> None:
    zones = ["America/New_York", "America/Los_Angeles"]
    assert opens_at(at("2026-11-22T09:30:00-05:00"), NIGHT, zones) == at("2026-11-22T09:00:00-08:00")


def test_where_it_is_never_day_in_all_zones_the_first_one_decides() -> None:
    zones = ["Europe/Berlin", "Pacific/Auckland", "America/Los_Angeles"]
    assert opens_at(at("2026-11-22T22:00:00+01:00"), NIGHT, zones) == at("2026-11-23T09:00:00+01:00")


def test_without_quiet_hours_or_zones_it_is_simple() -> None:
    assert opens_at(at("2026-11-22T03:00:00Z"), "", ["Europe/Berlin"]) is None
    assert opens_at(at("2026-11-22T03:00:00Z"), NIGHT, ["Europa/Berlin", ""]) == at("2026-11-22T09:00:00Z")


@pytest.mark.parametrize("quiet", ["21-9", "24:00-06:00", "21:00", "08:00-08:00", "night", "21:00-09:60"])
def test_quiet_hours_that_are_none_are_refused(quiet: str) -> None:
    with pytest.raises(ValueError, match=r"write quiet hours|same time"):
        parse_quiet(quiet)


@settings(max_examples=300, deadline=None)
@given(moment=moments, begins=times, ends=times, zone=st.sampled_from(ZONES))
@example(
    moment=datetime(2026, 10, 25, 0, 59, 59, 999999, tzinfo=UTC),
    begins=time(22),
    ends=time(2, 30),
    zone="Europe/Berlin",
)
def test_the_answer_is_outside_quiet_hours_and_no_later_than_needed(
    moment: datetime, begins: time, ends: time, zone: str
) -> None:
    if begins == ends:
        return
    quiet = f"{begins:%H:%M}-{ends:%H:%M}"
    opens = opens_at(moment, quiet, [zone])
    assert (opens is None) == (not is_quiet(moment, quiet, zone))
    if opens is not None:
        assert not is_quiet(opens, quiet, zone)
        assert is_quiet(opens - timedelta(microseconds=1), quiet, zone)
        step = moment
        while step < opens:
            assert is_quiet(step, quiet, zone)
            step += timedelta(minutes=7)


@settings(max_examples=100, deadline=None)
@given(moment=moments, zones=st.lists(st.sampled_from(ZONES), min_size=2, max_size=4, unique=True))
def test_in_several_zones_the_answer_is_the_first_that_suits_all_or_the_first_zone(
    moment: datetime, zones: list[str]
) -> None:
    opens = opens_at(moment, NIGHT, zones) or moment
    if any(is_quiet(opens, NIGHT, zone) for zone in zones):
        assert opens == (opens_at(moment, NIGHT, zones[:1]) or moment)
    step = moment
    while step < opens:
        assert any(is_quiet(step, NIGHT, zone) for zone in zones)
        step += timedelta(minutes=7)


@pytest.mark.parametrize(
    ("phone", "timezone", "fallback", "zones"),
    [
        ("+4915112345678", "Asia/Tokyo", "Europe/London", ("Asia/Tokyo",)),
        ("+4915112345678", "", "Europe/London", ("Europe/Berlin",)),
        ("+4915112345678", "Nowhere/Land", "Europe/London", ("Europe/Berlin",)),
        ("", "", "Europe/London", ("Europe/London",)),
        ("+999123456", "", "Europe/London", ("Europe/London",)),
        ("a user id", "", "Nowhere/Land", ("UTC",)),
        ("", "../../etc/passwd", "", ("UTC",)),
    ],
)
def test_zones_are_the_person_s_own_then_the_number_s_then_the_account_s(
    phone: str, timezone: str, fallback: str, zones: tuple[str, ...]
) -> None:
    assert zones_of(phone, timezone, fallback) == zones


def test_a_number_that_does_not_tell_its_region_gives_all_zones_of_the_country() -> None:
    assert {"America/New_York", "America/Los_Angeles"} <= set(zones_of("+18005550123", "", ""))
