"""A vendor that stops pushing is noticed; nights, closed days and quiet shops are not mistaken for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count

import pytest

from connector.flow import silence
from connector.model import Account, AccountId, Request, now
from connector.store import Store, inbox
from tests.toys import LINE, SHOP

START = datetime.fromisoformat("2026-03-02T08:00:00+00:00")
ID = AccountId("acc-shop")
ACCOUNT = Account(id=ID, adapter="shop", name="main-store", token="t", settings={}, created_at=START, updated_at=START)
MINUTE = timedelta(minutes=1)
_keys = count()


def push(store: Store, *times: datetime, headers: dict[str, str] | None = None, account: AccountId = ID) -> None:
    arrivals = [
        inbox.Arrival(
            account_id=account,
            delivery_key=f"k{next(_keys)}",
            topic="orders/paid",
            request=Request(method="POST", headers=headers or {}, body=b"{}", received_at=at, query={}),
        )
        for at in times
    ]
    with store.write() as tx:
        inbox.add(tx, arrivals)


def every(minutes: float, times: int, since: datetime = START) -> list[datetime]:
    return [since + MINUTE * minutes * number for number in range(times)]


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Set the clock."""
    return lambda moment: monkeypatch.setattr(silence, "now", lambda: moment)


def look(store: Store) -> tuple[bool | None, str] | None:
    silence.observe(store)
    with store.read() as tx:
        found = silence.look(tx, ID)
    return (found.ok, found.words) if found else None


def test_a_silence_far_beyond_the_usual_gap_is_told(store: Store, at: Callable[[datetime], None]) -> None:
    times = every(40, 30)
    push(store, *times)
    at(times[-1] + MINUTE * 119)
    assert look(store) == (True, "The last event came 2026-03-03 03:20 UTC (usual gap: up to 40 min).")
    at(times[-1] + MINUTE * 121)
    assert look(store) == (False, "No event since 2026-03-03 03:20 UTC (usual gap: up to 40 min).")


def test_a_silence_of_less_than_an_hour_is_never_told(sqlite_store: Store, at: Callable[[datetime], None]) -> None:
    times = every(0.1, 100)
    push(sqlite_store, *times)
    at(times[-1] + MINUTE * 59)
    assert (look(sqlite_store) or (None,))[0] is True
    at(times[-1] + MINUTE * 61)
    assert (look(sqlite_store) or (None,))[0] is False


def test_too_few_events_tell_nothing(sqlite_store: Store, at: Callable[[datetime], None]) -> None:
    push(sqlite_store, *every(1, silence.FEWEST))
    at(START + timedelta(days=90))
    assert look(sqlite_store) is None
    push(sqlite_store, *every(1, 2, START + MINUTE * silence.FEWEST))
    assert look(sqlite_store) is not None


def test_nights_and_sundays_are_not_mistaken_for_a_breakdown(
    sqlite_store: Store, at: Callable[[datetime], None]
) -> None:
    for day in range(21):  # Monday to Sunday, three times; closed on Sundays
        if day % 7 != 6:
            push(sqlite_store, *every(1, 600, START + timedelta(days=day)))
    evening = START + timedelta(days=19) + MINUTE * 599
    at(evening + timedelta(hours=38))
    assert (look(sqlite_store) or (None,))[0] is True
    at(evening + timedelta(hours=48))
    assert (look(sqlite_store) or (None,))[0] is False


def test_one_breakdown_does_not_make_the_next_one_usual(sqlite_store: Store, at: Callable[[datetime], None]) -> None:
    push(sqlite_store, *every(5, 100))
    later = START + timedelta(days=3)
    push(sqlite_store, *every(5, 100, later))
    at(later + MINUTE * 495 + timedelta(hours=13))
    assert (look(sqlite_store) or (None,))[0] is False


def test_what_a_feed_finds_does_not_hide_that_pushes_stopped(store: Store, at: Callable[[datetime], None]) -> None:
    times = every(10, 50)
    push(store, *times)
    at(times[-1] + timedelta(hours=5))
    push(store, *every(60, 5, times[-1]), headers={"x-connector-feed": "orders"})
    assert (look(store) or (None,))[0] is False


def test_looking_bit_by_bit_finds_the_same_as_looking_once(sqlite_store: Store, at: Callable[[datetime], None]) -> None:
    times = every(7, 120)
    for number in range(0, 120, 13):
        push(sqlite_store, *times[number : number + 13])
        silence.observe(sqlite_store)
    with sqlite_store.read() as tx:
        rhythm = silence._load(tx, ID)
    assert rhythm is not None
    assert rhythm.gaps == [420] * 119


def test_a_flood_is_read_in_part_and_what_was_left_out_is_no_gap(
    sqlite_store: Store, at: Callable[[datetime], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "MOST_READ", 50)
    push(sqlite_store, *every(1, 30))
    silence.observe(sqlite_store)
    push(sqlite_store, *every(1, 300, START + timedelta(minutes=30)))
    silence.observe(sqlite_store)
    with sqlite_store.read() as tx:
        rhythm = silence._load(tx, ID)
    assert rhythm is not None
    assert rhythm.gaps == [60] * (29 + 49)
    assert rhythm.last_at == START + MINUTE * 329


def test_accounts_do_not_hear_each_other(sqlite_store: Store, at: Callable[[datetime], None]) -> None:
    push(sqlite_store, *every(1, 60))
    push(sqlite_store, *every(1, 600), account=AccountId("other"))
    at(START + MINUTE * 600)
    assert (look(sqlite_store) or (None,))[0] is False


def test_each_silence_is_logged_once(
    sqlite_store: Store, at: Callable[[datetime], None], capsys: pytest.CaptureFixture[str]
) -> None:
    push(sqlite_store, *every(1, 60))
    at(START + timedelta(hours=9))
    silence.observe(sqlite_store)
    assert [silence.warn(sqlite_store, [ACCOUNT]) for _ in range(3)] == [[ACCOUNT]] * 3
    assert "".join(capsys.readouterr()).count("account.silent") == 1
    push(sqlite_store, START + timedelta(hours=9))
    silence.observe(sqlite_store)
    assert silence.warn(sqlite_store, [ACCOUNT]) == []
    assert "".join(capsys.readouterr()).count("account.heard_again") == 1
    at(START + timedelta(hours=30))
    assert silence.warn(sqlite_store, [ACCOUNT]) == [ACCOUNT]
    assert "".join(capsys.readouterr()).count("account.silent") == 1


def test_the_gauge_is_nought_while_all_is_as_usual(sqlite_store: Store, at: Callable[[datetime], None]) -> None:
    push(sqlite_store, *every(1, 60))
    silence.observe(sqlite_store)
    for hours, told in ((1.5, 0.0), (10, 10 * 3600 - 59 * 60)):
        at(START + timedelta(hours=hours))
        with sqlite_store.read() as tx:
            assert dict(silence.seconds(tx, [ACCOUNT])) == {"main-store": told}


def test_a_channel_may_be_silent_for_as_long_as_it_likes() -> None:
    assert silence.listens(SHOP)
    assert not silence.listens(LINE)


def test_it_is_looked_every_hour(sqlite_store: Store, at: Callable[[datetime], None]) -> None:
    with sqlite_store.read() as tx:
        assert silence.is_due(tx)
    silence.observe(sqlite_store)
    for after, due in ((MINUTE * 58, False), (MINUTE * 62, True)):
        at(now() + after)
        with sqlite_store.read() as tx:
            assert silence.is_due(tx) is due
