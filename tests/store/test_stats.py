"""Counts of hours as rows: what an hour holds, which hours have changed, and how they are summed."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from connector.flow import figures, rollup
from connector.flow.figures import DEFINITIONS, Figures
from connector.model import MessageId, State, first_id, new_id
from connector.policy import country_of
from connector.store import Store, look, sequels, stats
from connector.store import figures as counted
from connector.store.figures import Scope
from connector.store.sequels import Sequel
from connector.store.views import MessageFilter
from tests.house.tree import ROOT
from tests.scene import START, Scene

HOUR = stats.hour_of(START)


@pytest.fixture
def scene(store: Store) -> Scene:
    return Scene(store)


def follow(store: Store, id_: MessageId, *kinds: str) -> None:
    """Let something follow from a message."""
    with store.write() as tx:
        sequels.add(tx, [Sequel(key=f"{kind}:{id_}", kind=kind, message_id=id_, at=START) for kind in kinds])


def test_an_hour_ends_where_the_next_begins(store: Store, scene: Scene) -> None:
    for seconds in (-0.001, 0, 3599.999, 3600):
        scene.message(at=HOUR + timedelta(seconds=seconds))
    with store.read() as tx:
        (row,) = stats.count(tx, HOUR).messages
    assert row["matched"] == 2


@pytest.mark.parametrize("step", stats.SUMS)
def test_the_rows_behind_a_figure_are_those_that_it_counts(store: Store, scene: Scene, step: str) -> None:
    for state in State:
        id_ = scene.message(state=state, code="131026" if state is State.FAILED else "")
        follow(store, id_, "reply", "tap")
        stopped = scene.message(state=state)
        follow(store, stopped, "reply", "opt_out", "order")
    scene.message(trial=True)
    scene.message(template="")
    with store.read() as tx:
        number = sum(row[step] for row in stats.count(tx, HOUR).messages)
        rows = look.list_messages(tx, MessageFilter(reached=step), most=100)
    assert number == len(rows) > 0


def test_a_number_is_put_to_its_country_once_and_keeps_it(store: Store, scene: Scene) -> None:
    scene.message(recipient="+447400123456")
    rollup.roll_up(store)
    with store.read() as tx:
        assert [row.id for row in look.list_messages(tx, MessageFilter(country="GB"))]
        assert not stats.has_countryless(tx, HOUR)


@pytest.mark.parametrize(
    ("phone", "country"),
    [("+4915112345678", "DE"), ("+441134960123", "GB"), ("+12025550123", "US"), ("+77011234567", "KZ"),
     ("+8821612345678", ""), ("GB.someone", ""), ("", ""), ("+", ""), ("+999", "")],
)  # fmt: skip
def test_the_country_of_a_number(phone: str, country: str) -> None:
    assert country_of(phone) == country


def test_what_left_the_outbox_changes_its_hour(store: Store, scene: Scene) -> None:
    early, late = HOUR - timedelta(days=3), HOUR
    for at in (early, late):
        scene.message(at=at, state=State.WAITING)
    with store.read() as tx:
        before = stats.waiting(tx)
    assert sum(before.values()) == 2
    gone = {start: number for start, number in before.items() if start != first_id(early)[:6]}
    assert early in stats.hours_between(before, gone)
    assert late not in stats.hours_between(before, gone)
    assert stats.hours_between(before, dict(before)) == set()


def test_an_hour_that_is_counted_twice_stands_once(store: Store, scene: Scene) -> None:
    scene.skip(scene.event())
    scene.message()
    for _ in range(2):
        with store.write() as tx:
            stats.put(tx, {HOUR: stats.count(tx, HOUR)})
    with store.read() as tx:
        scope = Scope(since=HOUR, until=HOUR + stats.HOUR)
        (row,) = counted.by_hour(tx, scope)
        assert row.matched == 1
        assert [why.number for why in counted.reasons(tx, scope)] == [1]


def test_an_opt_out_without_a_message_stands_alone(store: Store, scene: Scene) -> None:
    with store.write() as tx:
        sequels.add(tx, [Sequel(key="opt_out:x", kind="opt_out", message_id=None, at=START, account_id="acc-wa")])
    with store.read() as tx:
        (row,) = stats.count(tx, HOUR).messages
    assert (row["mapping"], row["channel_id"], row["opted_out"], row["matched"]) == ("", "acc-wa", 1, 0)


def test_a_report_adds_up_whichever_way_it_is_read(store: Store, scene: Scene) -> None:
    for number in range(12):
        id_ = scene.message(
            at=START - timedelta(hours=7 * number),
            mapping=f"m{number % 3}",
            language=("de", "en")[number % 2],
            state=(State.READ, State.FAILED, State.SKIPPED)[number % 3],
            contact_id=new_id(),
        )
        follow(store, id_, *(["order"] if number % 4 == 0 else []))
        scene.skip(scene.event(at=START - timedelta(hours=number)), mapping="m1", at=START - timedelta(hours=number))
    rollup.roll_up(store)
    scope = Scope(since=HOUR - timedelta(days=6), until=HOUR + stats.HOUR)
    with store.read() as tx:
        told = figures.report(tx, scope, ZoneInfo("Asia/Kolkata"))
        for found in told.by.values():
            assert sum(item.matched for item in found.values()) == told.total.matched == 12
            assert sum(item.ordered for item in found.values()) == told.total.ordered == 3
        assert sum(step.figures.sent for step in told.course) == told.total.sent == 4
        assert told.total.received == 24
        assert told.total.skipped == sum(item.number for item in told.reasons if item.kind == "skipped") == 12
        assert told.by["mapping"]["m1"].received == 4 + 12
        assert {step.begins.hour for step in told.course} == {0}
        one = figures.total(tx, Scope(since=scope.since, until=scope.until, mapping="m1"))
        assert (one.received, one.matched, one.skipped) == (16, 4, 12)
        german = figures.total(tx, Scope(since=scope.since, until=scope.until, language="de"))
        assert (german.received, german.skipped, german.matched) == (None, None, 6)
        assert figures.total(tx, figures.before(scope)) == Figures()


def test_the_document_tells_of_every_figure() -> None:
    words = (ROOT / "docs" / "analytics.md").read_text()
    told = {
        cell.strip() for line in words.splitlines() if line.startswith("| ") for cell in line.split("|")[1].split(",")
    }
    assert {item.title.lower() for item in DEFINITIONS.values()} <= {cell.lower() for cell in told}
