"""The page of a task: progress while it runs, a way to stop it, and what came of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from connector.flow import tasks
from connector.model import now
from connector.store import audit, schema
from connector.store import tasks as rows
from connector.store.tasks import TaskState
from tests.web.console.room import Room

HTML = {"Accept": "text/html"}


def _begin(room: Room, kind: str = "count", **values: object) -> str:
    id_ = tasks.begin(room.store, kind, {}, "Ada", "Counts the tea leaves")
    if values:
        with room.store.write() as tx:
            tx.execute(update(schema.task).where(schema.task.c.id == id_).values(values))
    return id_


def _page(room: Room, id_: str, role: str = "viewer", code: int = 200) -> str:
    answer = room.client(role).get(f"/tasks/{id_}", headers=HTML)
    assert answer.status_code == code
    return str(answer.text)


def test_a_running_task_shows_how_far_it_is(room: Room) -> None:
    lease = {"lease_owner": "a:1:b", "lease_until": now() + timedelta(minutes=1)}
    id_ = _begin(room, state="running", done=1500, total=6000, **lease)
    page = _page(room, id_)
    assert "Counts the tea leaves" in page
    assert 'value="1500" max="6000"' in page
    assert "1,500 of 6,000" in page
    assert "by <bdi>Ada</bdi>" in page


def test_a_task_that_waits_for_the_queue_says_so(room: Room) -> None:
    assert "begins by itself when the queue is back" in _page(room, _begin(room))


def test_scripts_are_told_the_same_as_json(room: Room) -> None:
    id_ = _begin(room, state="running", done=3, total=9, cancel_asked=True)
    told = room.client("viewer").get(f"/tasks/{id_}/state").json
    assert told is not None
    assert (told["state"], told["done"], told["total"], told["ended"], told["stopping"]) == (
        "running",
        3,
        9,
        False,
        True,
    )
    assert room.client().get("/tasks/none/state").status_code == 404


def test_a_task_is_cancelled_by_a_button(room: Room) -> None:
    id_ = _begin(room, "backtest")
    client = room.client("editor")
    answer = room.post(client, f"/tasks/{id_}/cancel", page=f"/tasks/{id_}")
    assert answer.status_code == 303
    with room.store.read() as tx:
        task = rows.get(tx, id_)
        done = [entry.object for entry in audit.listing(tx, action="task.cancelled")]
    assert task is not None
    assert (task.state, done) == (TaskState.CANCELLED, [id_])
    assert "Somebody stopped it" in _page(room, id_)


@pytest.mark.parametrize(
    ("kind", "may", "may_not"),
    [("backtest", "editor", "viewer"), ("replay", "admin", "editor"), ("of another release", "admin", "editor")],
)
def test_only_who_may_do_such_work_may_stop_it(room: Room, kind: str, may: str, may_not: str) -> None:
    id_ = _begin(room, kind)
    assert "Stop it" not in _page(room, id_, may_not)
    refused = room.post(room.client(may_not), f"/tasks/{id_}/cancel", page="/me")
    with room.store.read() as tx:
        task = rows.get(tx, id_)
    assert (refused.status_code, task and task.state) == (403, TaskState.WAITING)
    assert "Stop it" in _page(room, id_, may)
    assert room.post(room.client(may), f"/tasks/{id_}/cancel", page=f"/tasks/{id_}").status_code == 303


def test_a_task_that_failed_says_why(room: Room) -> None:
    id_ = _begin(room, state="failed", result={"trouble": "The shop did not answer."}, ended_at=now())
    assert "The shop did not answer." in _page(room, id_)


def test_a_result_without_a_page_of_its_own_is_shown_plainly(room: Room) -> None:
    id_ = _begin(room, state="done", result={"leaves_counted": 1234}, ended_at=now())
    page = _page(room, id_)
    assert "Leaves counted" in page
    assert "1,234" in page


@pytest.mark.parametrize("id_", ["none", "0" * 26, "x" * 99])
def test_there_is_no_page_of_a_task_that_is_not_there(room: Room, id_: str) -> None:
    assert "There is no such task" in _page(room, id_, code=404)
