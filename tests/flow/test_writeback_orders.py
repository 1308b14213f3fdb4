"""Whatever comes in whichever order: in the end the CRM holds what was wanted last, and we know it."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.errors import TemporaryError, UncertainError
from connector.flow.recording import WriteBack
from connector.flow.writeback import Told, Want, learn, read, want
from connector.model import AccountId, Json, now
from connector.store import Store, leases, wanted
from connector.store.accounts import AccountRow, add
from connector.store.wanted import Place
from tests.flow.crm import FakeCrm

AT = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
NUMBERS = count()

plain = st.sampled_from(["in", "out", "unknown"])
spot = st.sampled_from(["Status", "Tags"])
ends = st.sampled_from(
    ["well", "locked", "lost before", "lost after", "down before", "down after", "dies before", "dies after"]
)
step = st.one_of(
    st.tuples(st.just("want"), spot, plain),
    st.tuples(st.just("human"), spot, plain),
    st.tuples(st.just("told"), st.integers(0, 3)),
    st.tuples(st.just("again"), st.integers(0, 20)),
    st.tuples(st.just("drain"), ends),
    st.tuples(st.just("busy"), spot, plain, st.lists(st.tuples(st.sampled_from(["want", "human"]), plain), max_size=2)),
    st.tuples(st.just("wait"), st.sampled_from([1, 4, 20, 90, 4000])),
)


class Scene:
    """One account with one record that has a plain field and a set with one member of interest."""

    def __init__(self, store: Store, time: time_machine.Traveller, *, echoes: bool) -> None:
        self.store, self.time = store, time
        self.account = AccountId(f"crm-{next(NUMBERS)}")
        self.crm = FakeCrm()
        self.queue: list[tuple[str, Json, datetime]] = []
        self.sent: list[tuple[str, Json, datetime]] = []
        self.last: dict[str, Json] = {}
        self.owner = 0
        self.echoes = echoes
        with store.write() as tx:
            add(
                tx,
                AccountRow(
                    id=self.account, adapter="x", name=self.account, token=self.account, settings={}, secrets="",
                    created_at=now(), updated_at=now(),
                ),
            )  # fmt: skip
        write = self.crm._write

        def writing(changes: Any) -> Any:
            outcomes = write(changes)
            for change in changes if self.echoes else ():
                self._announce(change.field)
            return outcomes

        self.crm._write = writing  # type: ignore[method-assign]

    def place(self, field: str) -> Place:
        return Place(self.account, "Contact", "1", field, "vip" if field == "Tags" else "")

    def holds(self, field: str) -> Json:
        held = self.crm.held.get(("Contact", "1", field))
        return "vip" in (held or ()) if field == "Tags" else held

    def _announce(self, field: str) -> None:
        self.queue.append((field, self.holds(field), now()))

    def want(self, field: str, value: Json) -> None:
        self.last[field] = value == "in" if field == "Tags" else value
        with self.store.write() as tx:
            place = self.place(field)
            want(tx, [Want(**place._asdict(), value=self.last[field])], now())

    def human(self, field: str, value: Json) -> None:
        held = {"theirs", "vip"} if value == "in" else {"theirs"}
        self.crm.held["Contact", "1", field] = held if field == "Tags" else value
        self._announce(field)

    def told(self, number: int) -> None:
        for _ in range(number):
            if self.queue:
                self.hear(self.queue.pop(0))

    def hear(self, said: tuple[str, Json, datetime]) -> None:
        """Ours wins: after news, what was wanted is wanted again."""
        self.sent.append(said)
        field, value, at = said
        with self.store.write() as tx:
            news = learn(tx, [Told(**self.place(field)._asdict(), value=value, at=at)], now())
        if news == [True] and field in self.last:
            with self.store.write() as tx:
                want(tx, [Want(**self.place(field)._asdict(), value=self.last[field])], now())

    def again(self, number: int) -> None:
        if self.sent:
            self.hear(self.sent[number % len(self.sent)])

    def drain(self, end: str) -> None:
        self._prepare(end)
        self._run()

    def _prepare(self, end: str) -> None:
        met = {
            "down before": TemporaryError("Down."), "dies before": SystemExit(),
        }.get(end)  # fmt: skip

        def begin() -> None:
            if met is not None:
                raise met

        refuse = {"locked": TemporaryError("Locked."), "lost before": UncertainError("No answer.")}.get(end)
        plain_record = FakeCrm.record

        def record(changes: Any) -> Any:
            outcomes = plain_record(self.crm, changes)
            if end == "down after":
                raise UncertainError("No answer.")
            if end == "dies after":
                raise SystemExit
            if end == "lost after":
                return [type(item)(item.change, UncertainError("No answer.")) for item in outcomes]
            return outcomes

        self.crm.refuse = lambda change: refuse
        self.crm.raises = [begin]
        self.crm.record = record  # type: ignore[method-assign]

    def busy(self, field: str, value: str, doings: list[tuple[str, str]]) -> None:
        """Let things happen to a field while it is being written."""
        self.want(field, value)
        self.wait(61)

        def begin() -> None:
            for kind, value in doings:
                getattr(self, kind)(field, value)
                self.told(1)

        self._prepare("well")
        self.crm.raises = [begin]
        self._run()

    def _run(self) -> None:
        self.owner += 1  # each run is another process; whoever died is known to be dead
        with self.store.write() as tx:
            leases.release(tx, wanted.drain_lease(self.account), str(self.owner - 1))
        stop_at = len(self.crm.calls) + 3
        job = WriteBack(
            self.store, self.account, self.crm, owner=str(self.owner),
            should_stop=lambda: len(self.crm.calls) >= stop_at,
        )  # fmt: skip
        with suppress(SystemExit):
            job.run()

    def wait(self, seconds: float) -> None:
        self.time.shift(timedelta(seconds=seconds))

    def settle(self) -> None:
        """Everything is delivered, and the CRM is well."""
        for _ in range(6):
            self.told(len(self.queue))
            self.wait(100_000)
            self.drain("well")


@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(echoes=st.booleans(), steps=st.lists(step, min_size=1, max_size=14))
def test_in_the_end_the_crm_holds_what_was_wanted_last(
    sqlite_store: Store, echoes: bool, steps: list[tuple[Any, ...]]
) -> None:
    with time_machine.travel(AT, tick=False) as time:
        scene = Scene(sqlite_store, time, echoes=echoes)
        for name, *arguments in steps:
            getattr(scene, name)(*arguments)
            scene.wait(13)
        scene.settle()
        for field, value in scene.last.items():
            assert scene.holds(field) == value
            with sqlite_store.write() as tx:
                (row,) = wanted.load(tx, [scene.place(field)])
            assert row.state == "done"
            assert read(row.known or "null") == value
            assert read(row.value or "null") in (value, None)
        calls = len(scene.crm.calls)
        scene.told(len(scene.queue))
        scene.wait(100)
        scene.drain("well")
        assert len(scene.crm.calls) == calls, "what has settled needs no call"
