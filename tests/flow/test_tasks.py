"""Work in the background: begun, watched, cancelled, taken up again or failed in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from connector.errors import ConfigurationError
from connector.flow import tasks
from connector.flow.tasks import KINDS, Progress, Tools
from connector.model import Permission, now
from connector.store import Store, schema
from connector.store import tasks as rows
from connector.store.tasks import Task

DEAD = "elsewhere:1:abcdefgh"


@dataclass
class Bench:
    """As much of the wiring as these kinds use."""

    store: Store
    rung: list[str] = field(default_factory=list)


@pytest.fixture(autouse=True)
def _kinds(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = dict(KINDS)
    monkeypatch.setattr(tasks, "WRITE_SECONDS", 0.0)
    yield
    KINDS.clear()
    KINDS.update(before)


def _begin(store: Store, kind: str = "count", **args: Any) -> str:
    return tasks.begin(store, kind, args, "Ada", "Counts")


def _work(store: Store, *, enough: Any = lambda: False, stopping: Any = lambda: False) -> int:
    return tasks.work_off(Bench(store), "here:1:one", enough=enough, stopping=stopping)  # type: ignore[arg-type]


def _get(store: Store, id_: str) -> Task:
    with store.read() as tx:
        found = rows.get(tx, id_)
    assert found is not None
    return found


def _lose(store: Store, id_: str, *, tries: int = 1) -> None:
    """Leave a task as a worker leaves it that is killed."""
    with store.write() as tx:
        tx.execute(
            update(schema.task)
            .where(schema.task.c.id == id_)
            .values(state="running", lease_owner=DEAD, lease_until=now() - timedelta(seconds=1), tries=tries)
        )


def test_a_task_is_done_and_its_result_kept(store: Store) -> None:
    @tasks.kind("count", needs=Permission.LOOK)
    def count(tools: Tools, task: Task, progress: Progress) -> Mapping[str, Any]:
        for number in range(int(task.args["of"])):
            progress(number, int(task.args["of"]))
        return {"counted": task.args["of"]}

    id_ = _begin(store, of=4)
    assert _work(store) == 1

    task = _get(store, id_)
    assert (task.state, task.result, task.done, task.total) == ("done", {"counted": 4}, 4, 4)
    assert _work(store) == 0


def test_progress_can_be_seen_while_it_runs(sqlite_store: Store) -> None:
    seen: list[tuple[str, int, int]] = []

    @tasks.kind("count", needs=Permission.LOOK)
    def count(tools: Tools, task: Task, progress: Progress) -> Mapping[str, Any]:
        progress(5, 20)
        now_ = _get(sqlite_store, task.id)
        seen.append((now_.state, now_.done, now_.total))
        return {}

    _begin(sqlite_store)
    _work(sqlite_store)
    assert seen == [("running", 5, 20)]


def test_progress_is_written_at_most_twice_a_second(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    class Watch:
        at = 5000.0

        def monotonic(self) -> float:
            return self.at

    clock = Watch()
    written: list[int] = []
    monkeypatch.setattr(tasks, "time", clock)
    monkeypatch.setattr(tasks, "WRITE_SECONDS", 0.5)
    write = rows.write_progress

    def watch(tx: Any, id_: str, owner: str, done: int, *rest: Any) -> rows.Beat:
        written.append(done)
        return write(tx, id_, owner, done, *rest)

    monkeypatch.setattr(rows, "write_progress", watch)

    @tasks.kind("count", needs=Permission.LOOK)
    def count(tools: Tools, task: Task, progress: Progress) -> Mapping[str, Any]:
        for number in range(1000):
            progress(number, 1000)
            clock.at += 2**-8
        return {}

    _begin(sqlite_store)
    _work(sqlite_store)
    assert written == list(range(0, 1000, 128))


def test_a_task_stops_when_somebody_asks_it_to(store: Store) -> None:
    @tasks.kind("count", needs=Permission.LOOK)
    def count(tools: Tools, task: Task, progress: Progress) -> Mapping[str, Any]:
        for number in range(10):
            if number == 3:
                tasks.cancel(store, task.id)
            progress(number, 10)
        raise AssertionError("it went on")

    id_ = _begin(store)
    _work(store)

    task = _get(store, id_)
    assert (task.state, task.done, task.ended_at is not None) == ("cancelled", 3, True)


def test_a_foreseen_fault_fails_the_task_in_its_own_words(store: Store) -> None:
    @tasks.kind("count", needs=Permission.LOOK)
    def count(tools: Tools, task: Task, progress: Progress) -> Mapping[str, Any]:
        raise ConfigurationError("There is no mapping named 'x'.")

    id_ = _begin(store)
    _work(store)
    assert _get(store, id_).trouble == "There is no mapping named 'x'."


def test_a_bug_fails_the_task_without_its_words_and_the_next_one_is_done(store: Store) -> None:
    @tasks.kind("broken", needs=Permission.LOOK)
    def broken(tools: Tools, task: Task, progress: Progress) -> Mapping[str, Any]:
        raise ValueError("+447400123456")

    @tasks.kind("count", needs=Permission.LOOK)
    def count(tools: Tools, task: Task, progress: Progress) -> Mapping[str, Any]:
        return {}

    first, second = _begin(store, "broken"), _begin(store)
    assert _work(store) == 2

    assert _get(store, first).state == "failed"
    assert "ValueError" in _get(store, first).trouble
    assert "+44" not in _get(store, first).trouble
    assert _get(store, second).state == "done"


def test_a_kind_that_nobody_knows_fails_in_words(store: Store) -> None:
    id_ = _begin(store, "unheard-of")
    _work(store)
    assert "unheard-of" in _get(store, id_).trouble


def test_a_lost_task_that_may_is_begun_again(store: Store) -> None:
    @tasks.kind("count", needs=Permission.LOOK, again=True)
    def count(tools: Tools, task: Task, progress: Progress) -> Mapping[str, Any]:
        return {"tries": task.tries}

    id_ = _begin(store)
    _lose(store, id_)
    assert _work(store) == 1
    assert _get(store, id_).result == {"tries": 2}


def test_a_lost_task_that_may_not_be_done_twice_fails_honestly(store: Store) -> None:
    @tasks.kind("count", needs=Permission.LOOK)
    def count(tools: Tools, task: Task, progress: Progress) -> Mapping[str, Any]:
        raise AssertionError("it was begun again")

    id_ = _begin(store)
    _lose(store, id_)
    assert _work(store) == 0
    assert _get(store, id_).state == "failed"
    assert "worker died" in _get(store, id_).trouble


def test_a_task_that_kills_its_worker_again_and_again_is_given_up(store: Store) -> None:
    @tasks.kind("count", needs=Permission.LOOK, again=True)
    def count(tools: Tools, task: Task, progress: Progress) -> Mapping[str, Any]:
        raise AssertionError("it was begun again")

    id_ = _begin(store)
    _lose(store, id_, tries=3)
    _work(store)
    assert "died 3 times" in _get(store, id_).trouble


def test_a_lost_task_that_was_to_stop_is_cancelled(store: Store) -> None:
    @tasks.kind("count", needs=Permission.LOOK, again=True)
    def count(tools: Tools, task: Task, progress: Progress) -> Mapping[str, Any]:
        raise AssertionError("it was begun again")

    id_ = _begin(store)
    _lose(store, id_)
    tasks.cancel(store, id_)
    _work(store)
    assert _get(store, id_).state == "cancelled"


def test_a_task_that_can_go_on_makes_room_and_goes_on_where_it_was(store: Store) -> None:
    begun: list[int] = []

    @tasks.kind("count", needs=Permission.LOOK, again=True, goes_on=True)
    def count(tools: Tools, task: Task, progress: Progress) -> Mapping[str, Any]:
        start = int(task.kept.get("at", 0))
        begun.append(start)
        for number in range(start, 6):
            progress(number, 6, kept=lambda: {"at": number})  # noqa: B023 - called at once
        return {"from": start}

    id_ = _begin(store)
    asked: list[int] = []

    def enough() -> bool:
        asked.append(1)
        return len(asked) > 3  # the first is asked before the task, the others within it

    _work(store, enough=enough)
    task = _get(store, id_)
    assert (task.state, task.kept, task.tries) == ("waiting", {"at": 2}, 0)

    _work(store)
    assert begun == [0, 2]
    assert _get(store, id_).result == {"from": 2}


def test_stopping_the_service_ends_a_task_that_cannot_be_done_twice_in_words(store: Store) -> None:
    @tasks.kind("count", needs=Permission.LOOK)
    def count(tools: Tools, task: Task, progress: Progress) -> Mapping[str, Any]:
        progress(1, 2)
        raise AssertionError("it went on")

    id_ = _begin(store)
    _work(store, stopping=lambda: True)
    assert "service was stopped" in _get(store, id_).trouble


def test_finished_tasks_are_kept_for_thirty_days(store: Store) -> None:
    @tasks.kind("count", needs=Permission.LOOK)
    def count(tools: Tools, task: Task, progress: Progress) -> Mapping[str, Any]:
        return {}

    old, new = _begin(store), _begin(store)
    _work(store)
    with store.write() as tx:
        moved = update(schema.task).where(schema.task.c.id == old)
        tx.execute(moved.values(ended_at=now() - timedelta(days=31)))
    _work(store)

    with store.read() as tx:
        assert [task.id for task in rows.listing(tx)] == [new]
