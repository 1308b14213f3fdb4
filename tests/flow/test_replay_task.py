"""Replaying many: a step at a time, so that what comes in meanwhile has its turn, and that it can be stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from connector.flow import replay, tasks
from connector.flow.replay import Source
from connector.model import RequestId, now
from connector.store import Store, inbox, requeue
from connector.store import tasks as rows
from connector.store.inbox import RequestState
from connector.store.tasks import Task, TaskState
from tests.scene import Scene

MANY, STEP = 25, 10


@dataclass
class Bench:
    """As much of the wiring as a replay uses; whoever is rung for works the inbox off at once."""

    store: Store
    works: bool = True
    taken: list[list[RequestId]] = field(default_factory=list)
    then: Callable[[], object] = bool
    """What happens after each time."""

    @property
    def queue(self) -> Bench:
        """The bell."""
        return self

    @property
    def all(self) -> list[RequestId]:
        """Return what was worked off, in this order."""
        return [id_ for step in self.taken for id_ in step]

    def ring(self, kind: str, argument: str = "") -> bool:
        """Work off the inbox as the job does, without deciding anything."""
        assert kind == "decide"
        with self.store.write() as tx:
            leased = inbox.lease(tx, "worker", 1000, 60) if self.works else []
            inbox.finish(tx, "worker", {each.id: (RequestState.DONE, "") for each in leased})
        self.taken.append([each.id for each in leased])
        self.then()
        return True


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "STEP", STEP)
    monkeypatch.setattr(replay, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(tasks, "WRITE_SECONDS", 0.0)


@pytest.fixture
def scene(store: Store) -> Scene:
    return Scene(store)


def begun(scene: Scene) -> tuple[str, list[RequestId]]:
    ids = [RequestId(scene.request()) for _ in range(MANY)]
    return tasks.begin(scene.store, replay.TASK, {"requests": ids, "source": Source.REQUEST.value}, "Ada"), ids


def work(bench: Bench, enough: Callable[[], bool] = lambda: False) -> int:
    return tasks.work_off(bench, "here:1:one", enough=enough)  # type: ignore[arg-type]


def look(store: Store, id_: str) -> Task:
    with store.read() as tx:
        found = rows.get(tx, id_)
    assert found is not None
    return found


def test_a_step_is_put_back_when_the_one_before_is_worked_off(scene: Scene) -> None:
    id_, ids = begun(scene)
    bench = Bench(scene.store)
    work(bench)
    assert bench.taken == [ids[:10], ids[10:20], ids[20:]]
    task = look(scene.store, id_)
    assert (task.state, task.done, task.total) == (TaskState.DONE, MANY, MANY)
    assert task.result == {"put_back": MANY, "asked": MANY, "decided": []}


def test_what_comes_in_meanwhile_waits_for_one_step_only(scene: Scene) -> None:
    begun(scene)
    fresh: list[int] = []
    bench = Bench(scene.store, then=lambda: None if fresh else fresh.append(scene.request(state="new")))
    work(bench)
    assert fresh[0] in bench.taken[1]
    assert len(bench.taken) == 3


def test_whoever_stops_it_keeps_the_rest_from_being_read_again(scene: Scene) -> None:
    id_, ids = begun(scene)
    bench = Bench(scene.store, then=lambda: tasks.cancel(scene.store, id_))
    work(bench)
    task = look(scene.store, id_)
    assert (task.state, bench.taken) == (TaskState.CANCELLED, [ids[:10]])
    with scene.store.read() as tx:
        assert requeue.waiting(tx, ids) == 0


def test_it_makes_room_for_others_and_goes_on_where_it_was(scene: Scene) -> None:
    id_, ids = begun(scene)
    bench = Bench(scene.store)
    busy = iter([False, False, True])
    work(bench, enough=lambda: next(busy, True))
    assert look(scene.store, id_).state is TaskState.WAITING
    assert 0 < len(bench.all) < MANY
    work(bench)
    assert bench.all == ids, "each once"
    assert look(scene.store, id_).result["put_back"] == MANY


def test_where_nobody_works_them_off_all_are_put_back_nevertheless(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "STALL_SECONDS", 0.01)
    id_, ids = begun(scene)
    work(Bench(scene.store, works=False))
    assert look(scene.store, id_).state is TaskState.DONE
    with scene.store.read() as tx:
        assert requeue.waiting(tx, ids) == MANY


def test_what_was_decided_since_it_began_is_told_and_nothing_older(scene: Scene) -> None:
    request = scene.request()
    event = scene.event("#5", request_id=request)
    scene.skip(event, mapping="of_old")
    id_ = tasks.begin(scene.store, replay.TASK, {"requests": [request], "source": "mapping"}, "Ada")
    twice = [scene.skip] * 2
    again = Bench(scene.store, then=lambda: [skip(event, mapping="of_now", at=now()) for skip in twice])
    work(again)
    (told,) = look(scene.store, id_).result["decided"]
    assert (told[0], told[1], told[3]) == ("of_now", "skip", 1)
