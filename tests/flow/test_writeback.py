"""Wishes and tellings: what is to be written, and what is only an echo."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import event

from connector.flow import writeback
from connector.flow.writeback import News, Told, Want, learn, note_write, spell, want
from connector.model import AccountId, Json
from connector.store import Store, wanted
from connector.store.wanted import Place, Row

CRM = AccountId("crm")
AT = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
STATUS = Place(CRM, "Contact", "003A", "Status")


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def wish(store: Store, value: Json, seconds: float = 0, place: Place = STATUS) -> set[AccountId]:
    with store.write() as tx:
        return want(tx, [Want(**place._asdict(), value=value)], after(seconds))


def tell(store: Store, value: Json, seconds: float = 0, said: datetime | None = None, place: Place = STATUS) -> bool:
    with store.write() as tx:
        return bool(learn(tx, [Told(**place._asdict(), value=value, at=said)], after(seconds))[0])


def row(store: Store, place: Place = STATUS) -> Row:
    with store.write() as tx:
        return wanted.load(tx, [place])[0]


def written(store: Store, value: str, seconds: float, place: Place = STATUS) -> None:
    """Let a value have been written."""
    with store.write() as tx:
        found = wanted.hold(tx, [place], after(seconds))[place]
        text = writeback.spell(value)
        found.value = found.known = text
        note_write(found, text, after(seconds))
        found.known_at = after(seconds)
        writeback.rest(found)
        wanted.save(tx, [found])


def leased(store: Store, place: Place = STATUS) -> None:
    """Let a value be under way."""
    with store.write() as tx:
        found = wanted.load(tx, [place])[0]
        found.state, found.leased, found.leased_version = "leased", found.value, found.version
        wanted.save(tx, [found])


def test_a_first_wish_waits_for_a_moment(store: Store) -> None:
    assert wish(store, "Opted in") == {CRM}
    found = row(store)
    assert (found.state, found.value, found.known, found.version) == ("waiting", '"Opted in"', None, 1)
    assert found.not_before == AT + writeback.GATHER


def test_what_stands_there_already_is_not_written(store: Store) -> None:
    tell(store, "Opted in")
    assert wish(store, "Opted in", 1) == set()
    assert row(store).state == "done"


def test_the_same_wish_again_changes_nothing(store: Store) -> None:
    wish(store, "Opted in")
    before = row(store)
    assert wish(store, "Opted in", 30) == set()
    assert row(store) == before


def test_fifty_changes_of_mind_in_a_minute_are_one_row_that_is_due_when_they_have_ended(store: Store) -> None:
    for number in range(50):
        wish(store, "Opted in" if number % 2 else "Opted out", number * 1.2)
        assert number * 1.2 < (row(store).not_before - AT).total_seconds() <= 60
    found = row(store)
    assert (found.value, found.version) == ('"Opted in"', 50)
    assert found.not_before == after(60)


def test_a_wish_taken_back_before_it_was_written_costs_nothing(store: Store) -> None:
    tell(store, "Unknown")
    wish(store, "Opted in", 1)
    assert wish(store, "Unknown", 2) == set()
    assert (row(store).state, row(store).value) == ("done", '"Unknown"')


def test_of_several_wishes_for_one_place_the_last_counts(store: Store) -> None:
    with store.write() as tx:
        want(tx, [Want(**STATUS._asdict(), value=value) for value in ("a", "b", "c")], AT)
    assert (row(store).value, row(store).version) == ('"c"', 3)


def test_equal_values_are_equal_however_they_are_spelled(store: Store) -> None:
    tell(store, Decimal("39.0"))
    assert wish(store, 39) == set()
    tell(store, {"a": 1, "b": 2}, place=STATUS._replace(field="x"))
    assert wish(store, {"b": 2, "a": Decimal(1)}, place=STATUS._replace(field="x")) == set()


def test_nothing_known_is_not_the_same_as_an_empty_value(store: Store) -> None:
    assert wish(store, None) == {CRM}
    assert row(store).value == "null"


def test_a_wish_while_another_is_written_waits_for_its_end(store: Store) -> None:
    wish(store, "Opted in")
    leased(store)
    assert wish(store, "Opted out", 6) == set()
    found = row(store)
    assert (found.state, found.leased, found.value) == ("leased", '"Opted in"', '"Opted out"')
    assert found.version == (found.leased_version or 0) + 1


def test_a_wish_after_a_write_whose_end_nobody_knows_is_written(store: Store) -> None:
    tell(store, "Unknown")
    wish(store, "Opted in")
    with store.write() as tx:
        found = wanted.load(tx, [STATUS])[0]
        found.leased = found.value  # in doubt
        wanted.save(tx, [found])
    assert wish(store, "Unknown", 20) == {CRM}, "perhaps it says Opted in now"


def test_what_refused_one_value_is_tried_with_another_but_not_with_the_same(store: Store) -> None:
    wish(store, "Opted in")
    with store.write() as tx:
        found = wanted.load(tx, [STATUS])[0]
        found.state, found.code, found.words, found.tries = "failed", "STRING_TOO_LONG", "Too long.", 3
        wanted.save(tx, [found])
    assert wish(store, "Opted in", 60) == set()
    assert row(store).state == "failed"
    assert wish(store, "Yes", 60) == {CRM}
    assert (row(store).state, row(store).code, row(store).words, row(store).tries) == ("waiting", "", "", 0)


@pytest.mark.parametrize("seconds", [1, 3600, 90_000])
def test_an_echo_of_our_write_is_no_news_whenever_it_comes(store: Store, seconds: int) -> None:
    written(store, "Opted in", 0)
    assert tell(store, "Opted in", seconds, said=after(seconds)) is False
    assert row(store).state == "done"


def test_an_echo_that_comes_before_the_answer_is_no_news(store: Store) -> None:
    tell(store, "Unknown")
    wish(store, "Opted in")
    leased(store)
    assert tell(store, "Opted in", 6) is False
    assert row(store).state == "leased"


def test_an_echo_of_a_write_that_seemed_to_fail_settles_it(store: Store) -> None:
    tell(store, "Unknown")
    wish(store, "Opted in")
    assert tell(store, "Opted in", 60) is False
    assert row(store).state == "waiting", "undated, it may be of an older moment"
    assert tell(store, "Opted in", 60, said=after(30)) is False
    assert (row(store).state, row(store).known) == ("done", '"Opted in"')


def test_a_late_echo_of_a_value_that_we_have_written_over_is_no_news(store: Store) -> None:
    written(store, "Opted out", 0)
    written(store, "Opted in", 60)
    assert tell(store, "Opted out", 600, said=after(0)) is False
    assert tell(store, "Opted out", 61) is False, "undated, and soon after"
    assert row(store).known == '"Opted in"'


def test_somebody_who_puts_an_older_value_back_is_heard(store: Store) -> None:
    written(store, "Opted out", 0)
    written(store, "Opted in", 60)
    assert tell(store, "Opted out", 70, said=after(65)) is True
    written(store, "Opted in", 80)
    assert tell(store, "Opted out", 600) is True, "undated, and long after"


def test_what_somebody_else_wrote_is_news_and_stays_until_we_want_otherwise(store: Store) -> None:
    written(store, "Opted in", 0)
    assert tell(store, "Unknown", 60) is True
    assert (row(store).state, row(store).known, row(store).value) == ("done", '"Unknown"', None)
    assert tell(store, "Unknown", 61) is False
    assert wish(store, "Opted in", 62) == {CRM}, "the same wish again, after news, is written again"


def test_a_wish_that_waits_outlives_news(store: Store) -> None:
    wish(store, "Opted out")
    assert tell(store, "Unknown", 1) is True
    assert (row(store).state, row(store).value, row(store).known) == ("waiting", '"Opted out"', '"Unknown"')


def test_news_during_a_write_lets_it_be_written_once_more(store: Store) -> None:
    wish(store, "Opted out")
    leased(store)
    assert tell(store, "Unknown", 6) is True
    assert row(store).version != row(store).leased_version


def test_of_a_field_an_older_state_is_news_and_changes_nothing(store: Store) -> None:
    tell(store, "Opted in", 10, said=after(9))
    assert tell(store, "Opted out", 20, said=after(5)) is True
    assert row(store).known == '"Opted in"'


def test_of_a_member_of_a_set_only_the_latest_state_counts(store: Store) -> None:
    tag = STATUS._replace(field="tags", item="vip")
    tell(store, True, 10, said=after(9), place=tag)
    assert tell(store, False, 20, said=after(5), place=tag) is False
    assert tell(store, False, 20, said=after(12), place=tag) is True


def test_whatever_is_wanted_after_news_from_before_our_write_is_written(store: Store) -> None:
    for value in ("Opted out", "Opted in"):
        written(store, "Opted in", 60)
        assert tell(store, "Opted out", 121, said=after(55)) is True, "somebody's opt-out is not lost"
        assert wish(store, value, 122) == {CRM}, "which of the two came last is not certain"
        written(store, "Unknown", 130)


def test_an_old_telling_does_not_stand_for_a_wish(store: Store) -> None:
    written(store, "Opted in", 60)
    wish(store, "Opted out", 120)
    assert tell(store, "Opted out", 121, said=after(30)) is False
    assert row(store).state == "waiting"


def test_members_of_a_set_are_wished_for_one_by_one(store: Store) -> None:
    tags = Place(CRM, "customer", "5521", "tags")
    with store.write() as tx:
        found = want(tx, [Want(**tags._replace(item=item)._asdict(), value=True) for item in ("vip", "opted-in")], AT)
    assert found == {CRM}
    assert tell(store, True, 1, said=after(1), place=tags._replace(item="vip")) is False
    assert row(store, tags._replace(item="vip")).state == "done"
    assert row(store, tags._replace(item="opted-in")).state == "waiting"


def test_a_forgotten_record_leaves_nothing(store: Store) -> None:
    wish(store, "Opted in")
    with store.write() as tx:
        writeback.forget(tx, CRM, "Contact", "003A")
    with store.write() as tx:
        assert wanted.load(tx, [STATUS]) == []


@pytest.mark.parametrize("size", [1, 300])
def test_a_batch_costs_few_statements_whatever_its_size(store: Store, size: int) -> None:
    spoken: list[Any] = []
    places = [STATUS._replace(record_id=f"{number:04}") for number in range(size)]
    event.listen(store.engine, "before_cursor_execute", lambda *given: spoken.append(given[2]))
    with store.write() as tx:
        want(tx, [Want(**place._asdict(), value="x") for place in places], AT)
        learn(tx, [Told(**place._asdict(), value="y") for place in places], AT)
    assert len([words for words in spoken if "wanted" in words]) <= 6


def test_what_a_vendor_says_again_for_a_later_moment_is_told_apart_from_an_echo(store: Store) -> None:
    with store.write() as tx:

        def hear(value: str, said: float, *, dated: bool = True) -> News:
            return learn(tx, [Told(**STATUS._asdict(), value=value, at=after(said), dated=dated)], AT)[0]

        assert hear("out", 0) is News.NEW
        assert hear("out", 0) is News.NONE
        assert hear("out", 10, dated=False) is News.NONE
        assert hear("out", 20) is News.AGAIN
        assert hear("in", 5) is News.NEW, "of before that, and therefore history"
        (row,) = wanted.load(tx, [STATUS])
        note_write(row, spell("out"), after(30))
        wanted.save(tx, [row])
        assert hear("out", 40) is News.NONE, "we wrote it ourselves"
