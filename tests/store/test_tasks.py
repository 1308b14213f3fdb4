"""Tasks as rows: one is taken at a time, by one worker, and never lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from connector.model import now
from connector.store import Store, tasks
from connector.store.tasks import TaskState

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def _nobody(owner: str) -> bool:
    return False


def _add(store: Store, kind: str = "count", at: datetime = AT) -> str:
    with store.write() as tx:
        return tasks.add(tx, kind, {"of": 3}, "Counts to three", "Ada", at)


def _take(store: Store, owner: str = "one", seconds: float = 60) -> tasks.Task | None:
    with store.write() as tx:
        return tasks.take(tx, owner, seconds, now(), _nobody)


def test_a_task_waits_with_all_that_it_needs(store: Store) -> None:
    id_ = _add(store)

    with store.read() as tx:
        task = tasks.get(tx, id_)
    assert task is not None
    assert (task.state, task.words, task.args, task.by) == ("waiting", "Counts to three", {"of": 3}, "Ada")
    assert not task.has_ended


def test_the_oldest_task_is_taken_first_and_by_one_worker_alone(store: Store) -> None:
    first, _ = _add(store), _add(store)

    taken = _take(store)
    assert taken is not None
    assert (taken.id, taken.state, taken.tries) == (first, "running", 1)
    assert _take(store, "two") is None


def test_the_next_task_is_free_when_the_first_has_ended(store: Store) -> None:
    first, second = _add(store), _add(store)
    _take(store)
    with store.write() as tx:
        assert tasks.end(tx, first, "one", TaskState.DONE, {"counted": 3}, AT)

    taken = _take(store, "two")
    assert taken is not None
    assert taken.id == second


def test_who_has_lost_a_task_can_neither_move_nor_end_it(store: Store) -> None:
    id_ = _add(store)
    _take(store)

    with store.write() as tx:
        beat = tasks.write_progress(tx, id_, "two", 2, 3, None, now() + timedelta(seconds=60), 60)
        assert not beat.ours
        assert not tasks.end(tx, id_, "two", TaskState.DONE, {}, AT)
        task = tasks.get(tx, id_)
    assert task is not None
    assert (task.state, task.done) == ("running", 0)


def test_a_running_task_is_asked_to_stop_and_a_waiting_one_is_cancelled_at_once(store: Store) -> None:
    running, waiting = _add(store), _add(store)
    _take(store)

    with store.write() as tx:
        assert tasks.ask_to_cancel(tx, running, AT) is TaskState.RUNNING
        assert tasks.ask_to_cancel(tx, waiting, AT) is TaskState.CANCELLED
        assert tasks.ask_to_cancel(tx, "none", AT) is None
        assert tasks.write_progress(tx, running, "one", 1, 3, None, now(), 60).cancel_asked


def test_a_task_whose_lease_has_run_out_is_lost(store: Store) -> None:
    id_ = _add(store)
    _take(store, seconds=600)

    with store.write() as tx:
        assert tasks.lost(tx, now(), _nobody) == []
        assert [task.id for task in tasks.lost(tx, now() + timedelta(seconds=601), _nobody)] == [id_]
        assert [task.id for task in tasks.lost(tx, now(), lambda owner: owner == "one")] == [id_]


def test_something_is_due_while_a_task_waits_and_none_runs(store: Store) -> None:
    with store.read() as tx:
        assert not tasks.is_due(tx, now(), _nobody)
    _add(store)
    _add(store)
    with store.read() as tx:
        assert tasks.is_due(tx, now(), _nobody)
    _take(store)
    with store.read() as tx:
        assert not tasks.is_due(tx, now(), _nobody)
        assert tasks.is_due(tx, now() + timedelta(seconds=61), _nobody)


def test_what_ended_long_ago_is_forgotten_and_what_still_runs_is_not(store: Store) -> None:
    old, new, running = _add(store), _add(store), _add(store)
    for id_, at in ((old, AT), (new, AT + timedelta(days=2))):
        _take(store)
        with store.write() as tx:
            tasks.end(tx, id_, "one", TaskState.DONE, {}, at)
    _take(store)

    with store.write() as tx:
        assert tasks.forget_before(tx, AT + timedelta(days=1)) == 1
        assert {task.id for task in tasks.listing(tx)} == {new, running}


def test_a_finished_task_shows_all_of_its_work_as_done(store: Store) -> None:
    id_ = _add(store)
    _take(store)
    with store.write() as tx:
        tasks.write_progress(tx, id_, "one", 7, 9, None, now() + timedelta(seconds=60), 60)
        tasks.end(tx, id_, "one", TaskState.DONE, {"x": 1}, AT)
        task = tasks.get(tx, id_)
    assert task is not None
    assert (task.done, task.total, task.result, task.has_ended) == (9, 9, {"x": 1}, True)
