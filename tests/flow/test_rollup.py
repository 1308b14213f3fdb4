"""Counts that are rolled up little by little are the same as counts made from the rows at once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from connector.flow import rollup
from connector.model import MessageId, State, first_id, moment_of, new_id
from connector.store import Store, forget, migrate, schema, sequels, stats
from connector.store.sequels import Sequel
from tests.scene import PHONE, Scene

BEGIN = datetime.fromisoformat("2026-03-01T22:10:00+00:00")
SUMS = ("matched", "sent", "delivered", "read", "replied", "engaged", "ordered", "opted_out", "failed", "stopped")


def straight(store: Store) -> dict[tuple[Any, ...], Counter[str]]:
    """Count everything at once, row by row: hour and sides -> sums, and reasons."""
    found: dict[tuple[Any, ...], Counter[str]] = {}
    with store.read() as tx:
        told: dict[str, set[str]] = {}
        for row in tx.execute(select(schema.sequel)):
            told.setdefault(row.message_id, set()).add(row.kind)
        for row in tx.execute(select(schema.message).where(schema.message.c.template != "")):
            if row.trial:
                continue
            hour = moment_of(row.id).replace(minute=0, second=0, microsecond=0)
            key = (hour, row.mapping, row.template, row.channel_id, row.source_id, row.language, row.country or "")
            kinds, sums = told.get(row.id, set()), found.setdefault(key, Counter())
            delivered = bool(row.delivered_at or row.read_at)
            sums["matched"] += 1
            sums["sent"] += bool(row.accepted_at or row.sent_at or delivered)
            sums["delivered"] += delivered
            sums["read"] += bool(row.read_at)
            sums["replied"] += bool(kinds & {"reply", "tap"})
            sums["engaged"] += bool(delivered and kinds & {"reply", "tap", "click"} and "opt_out" not in kinds)
            sums["ordered"] += "order" in kinds
            sums["opted_out"] += "opt_out" in kinds
            sums["failed"] += row.state == "failed"
            sums["stopped"] += row.state in ("skipped", "expired", "cancelled")
            if row.state == "failed":
                sums[f"failed {row.code or row.reason}"] += 1
            elif row.state in ("skipped", "expired", "cancelled"):
                sums[f"stopped {row.reason}"] += 1
        event = schema.event.c
        query = select(schema.decision, event.account_id).join(schema.event, event.id == schema.decision.c.event_id)
        for row in tx.execute(query.where(schema.decision.c.verdict == "skip")):
            hour = moment_of(row.id).replace(minute=0, second=0, microsecond=0)
            key = (hour, row.mapping, "", "", row.account_id, "", "")
            found.setdefault(key, Counter())[f"skipped {row.reason}"] += 1
        for row in tx.execute(select(schema.event)):
            hour = moment_of(row.id).replace(minute=0, second=0, microsecond=0)
            found.setdefault((hour, row.type), Counter())["events"] += 1
    return {key: +sums for key, sums in found.items()}


def rolled(store: Store) -> dict[tuple[Any, ...], Counter[str]]:
    """Return what was counted, in the same form."""
    found: dict[tuple[Any, ...], Counter[str]] = {}
    with store.read() as tx:
        for row in tx.execute(select(schema.stat)).mappings():
            key = row["hour"], *(row[name] for name in stats.SIDES)
            found.setdefault(key, Counter()).update({name: row[name] for name in SUMS})
        for row in tx.execute(select(schema.stat_reason)).mappings():
            key = row["hour"], *(row[name] for name in stats.SIDES)
            found.setdefault(key, Counter())[f"{row['kind']} {row['word']}"] += row["number"]
        for row in tx.execute(select(schema.stat_event)).mappings():
            found.setdefault((row["hour"], row["type"]), Counter())["events"] += row["number"]
    return {key: +sums for key, sums in found.items()}


class Life:
    """A shop's life, at random, on a clock of its own."""

    def __init__(self, store: Store, seed: int) -> None:
        self.store, self.dice, self.at = store, random.Random(seed), BEGIN
        with time_machine.travel(self.at, tick=False):
            self.scene = Scene(store)
        self.messages: list[MessageId] = []

    def goes_on(self, what: str) -> None:
        """Let something happen, some time later."""
        self.at += timedelta(seconds=self.dice.choice((1, 40, 700, 3000, 9000)))
        with time_machine.travel(self.at, tick=False):
            getattr(self, f"_{what}")()

    def _plan(self) -> None:
        given = {
            "template": self.dice.choice(("order_paid", "cart", "")),
            "language": self.dice.choice(("en", "de")),
            "mapping": self.dice.choice(("order_paid", "cart")),
            "trial": self.dice.random() < 0.1,
            "contact_id": new_id(),
            "state": State.WAITING,
        }
        phone = self.dice.choice((PHONE, "+447400123456", "+12025550123", "GB.someone"))
        self.messages.append(self.scene.message(at=self.at, recipient=phone, **given))

    def _skip(self) -> None:
        event = self.scene.event(at=self.at)
        self.scene.skip(event, at=self.at, reason=self.dice.choice(("no_agreement", "condition_not_met")))

    def _accept(self) -> None:
        if open_ := self._open():
            self._set(self.dice.choice(open_), state=State.ACCEPTED, accepted_at=self.at)

    def _receipt(self) -> None:
        """A receipt comes, in time or late; its transaction may have begun a while ago."""
        if not self.messages:
            return
        word = self.dice.choice(("sent", "delivered", "read", "failed"))
        id_ = self.dice.choice(self.messages)
        self.scene.receipt(id_, word, at=self.at - timedelta(seconds=self.dice.choice((0, 30, 110))))
        moments = {"sent": "sent_at", "delivered": "delivered_at", "read": "read_at", "failed": "ended_at"}
        code = {"code": self.dice.choice(("131026", ""))} if word == "failed" else {}
        self._set(id_, state=State(word), reason="refused", **{moments[word]: self.at}, **code)

    def _stop(self) -> None:
        """A gate, an event or time stops a message: nothing but the message tells of it."""
        state = self.dice.choice((State.SKIPPED, State.EXPIRED, State.CANCELLED))
        if open_ := self._open():
            self._set(self.dice.choice(open_), state=state, reason="overtaken", ended_at=self.at)

    def _follow(self) -> None:
        if self.messages:
            id_, kind = self.dice.choice(self.messages), self.dice.choice(("reply", "tap", "order", "opt_out"))
            with self.store.write() as tx:
                sequels.add(tx, [Sequel(key=f"{kind}:{id_}", kind=kind, message_id=id_, at=self.at)])

    def _erase(self) -> None:
        if self.messages:
            with self.store.write() as tx:
                forget.messages(tx, [self.dice.choice(self.messages)], self.at)

    def _roll(self) -> None:
        rollup.roll_up(self.store)

    def _roll_a_little(self) -> None:
        """The run ends after its first slice, or dies before it."""
        if self.dice.random() < 0.5:
            rollup.find_due(self.store)
        else:
            rollup.roll_up(self.store, enough=lambda: True)

    def _open(self) -> list[MessageId]:
        with self.store.read() as tx:
            query = select(schema.message.c.id).where(schema.message.c.state == State.WAITING)
            return sorted(MessageId(id_) for id_ in tx.execute(query).scalars())

    def _set(self, id_: MessageId, **values: Any) -> None:
        with self.store.write() as tx:
            tx.execute(update(schema.message).where(schema.message.c.id == id_).values(**values))


WHAT = (
    "plan",
    "plan",
    "plan",
    "skip",
    "accept",
    "receipt",
    "receipt",
    "stop",
    "follow",
    "erase",
    "roll",
    "roll_a_little",
)


@pytest.fixture(scope="module", name="hall")
def an_empty_hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path: Path = tmp_path_factory.mktemp("rollup") / "connector.db"
    with closing(Store(f"sqlite:///{path}")) as store:
        migrate.upgrade(store)
        yield store


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(seed=st.integers(0, 2**32), course=st.lists(st.sampled_from(WHAT), max_size=60))
def test_whatever_happens_in_whatever_order_the_counts_are_those_of_the_rows(
    hall: Store, seed: int, course: list[str]
) -> None:
    store = hall
    with store.write() as tx:
        for table in reversed(schema.metadata.sorted_tables):
            if table.name not in ("audit", "mapping_version"):
                tx.execute(table.delete())
    life = Life(store, seed)
    for what in course:
        life.goes_on(what)
    life.goes_on("roll")

    assert rolled(store) == straight(store)


def test_a_life_is_counted_alike_on_both_databases(store: Store) -> None:
    life = Life(store, 7)
    for number in range(120):
        life.goes_on(WHAT[number % len(WHAT)])
    life.goes_on("roll")

    assert rolled(store) == straight(store)
    assert sum(sums["matched"] for sums in rolled(store).values()) > 20


def test_counting_again_changes_nothing(sqlite_store: Store) -> None:
    life = Life(sqlite_store, 3)
    for what in WHAT * 3:
        life.goes_on(what)
    life.goes_on("roll")
    before = rolled(sqlite_store)
    with sqlite_store.write() as tx:
        stats.put_due(tx, [key[0] for key in before])

    assert rollup.roll_up(sqlite_store).hours >= len({key[0] for key in before})
    assert rolled(sqlite_store) == before


def test_erasing_a_person_changes_no_count_of_what_had_left(store: Store) -> None:
    scene = Scene(store)
    id_ = scene.message(state=State.READ, contact_id=new_id())
    rollup.roll_up(store)
    before = rolled(store)
    with store.write() as tx:
        forget.messages(tx, [id_], BEGIN)
        stats.put_due(tx, [key[0] for key in before])
    rollup.roll_up(store)

    assert rolled(store) == before
    assert {key[6] for key in before if len(key) > 2} == {"DE"}


def test_test_messages_and_answers_in_free_words_are_not_counted(store: Store) -> None:
    scene = Scene(store)
    scene.message(trial=True)
    scene.message(template="", language="")
    rollup.roll_up(store)

    assert [len(key) for key in rolled(store)] == [2], "the events"


def test_a_message_that_a_gate_stopped_weeks_later_changes_the_hour_it_was_planned_in(store: Store) -> None:
    with time_machine.travel(BEGIN, tick=False) as clock:
        scene = Scene(store)
        id_ = scene.message(at=BEGIN, state=State.WAITING)
        rollup.roll_up(store)
        clock.shift(timedelta(days=20))
        with store.write() as tx:
            gone = update(schema.message).where(schema.message.c.id == id_)
            tx.execute(gone.values(state=State.EXPIRED, reason="too_late", ended_at=BEGIN + timedelta(days=20)))
        rollup.roll_up(store)

    assert rolled(store) == straight(store)
    (sums,) = (sums for key, sums in rolled(store).items() if len(key) > 2)
    assert sums["stopped too_late"] == 1


def test_it_is_due_once_a_minute_where_something_was_made_and_seldom_where_not(sqlite_store: Store) -> None:
    def is_due() -> bool:
        with sqlite_store.read() as tx:
            return rollup.is_due(tx)

    with time_machine.travel(BEGIN, tick=False) as clock:
        scene = Scene(sqlite_store)
        assert is_due()
        rollup.roll_up(sqlite_store)
        with sqlite_store.write() as tx:
            rollup.put_off(tx)
        scene.message(at=BEGIN)
        assert not is_due()
        clock.shift(timedelta(seconds=61))
        assert is_due()
        clock.shift(timedelta(minutes=3))
        rollup.roll_up(sqlite_store)
        clock.shift(timedelta(minutes=5))
        assert not is_due()
        clock.shift(timedelta(minutes=6))
        assert is_due()


def test_the_past_is_counted_in_slices_the_latest_first_and_tells_how_far_it_has_come(sqlite_store: Store) -> None:
    scene = Scene(sqlite_store)
    last = BEGIN + timedelta(days=5)
    for day in range(6):
        scene.message(at=BEGIN + timedelta(days=day))
    with time_machine.travel(last + timedelta(minutes=1), tick=False):
        done = rollup.roll_up(sqlite_store, enough=lambda: True)
        with sqlite_store.read() as tx:
            progress = rollup.progress(tx)
    assert 0 < done.left < progress.total == 5 * 24 + 1
    assert progress.left == done.left
    assert max(key[0] for key in rolled(sqlite_store)) == stats.hour_of(last)

    with time_machine.travel(last + timedelta(minutes=2), tick=False):
        assert rollup.roll_up(sqlite_store).left == 0
    assert rolled(sqlite_store) == straight(sqlite_store)


def test_a_moment_comes_back_from_an_id() -> None:
    assert moment_of(first_id(BEGIN)) == BEGIN
