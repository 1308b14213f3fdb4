"""Replay: first said what would be swallowed, then done: at once, or as a task."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import update

from connector.flow import replay, tasks
from connector.store import audit, schema
from tests.web.console.room import Room
from tests.web.console.test_events import order
from tests.web.console.traffic import Traffic, read


def form(room: Room, path: str) -> tuple[str, dict[str, str]]:
    text = read(room.client(), path)
    found = dict(re.findall(r'<input type="hidden" name="(source|back|requests)" value="([^"]*)"', text))
    return text, found


def test_a_replay_says_first_what_is_swallowed_and_changes_nothing(scene: Traffic, room: Room) -> None:
    event = scene.event("#7")
    scene.message(event)
    text, _ = form(room, f"/replay?event={event}")
    assert "1 message by order_paid already made: swallowed, nobody is told twice." in text
    assert "1 event known already: planned again" in text
    assert "swallowed, and not planned again" in read(room.client(), f"/replay?event={event}&source=request")
    assert room.house.rows("request")[-1].state == "done"


def test_a_few_are_put_back_at_once_and_it_is_written_down(room: Room) -> None:
    event = order(room)
    _, given = form(room, f"/replay?event={event}")
    client = room.client()
    answer = room.post(client, "/replay", page=f"/replay?event={event}", **given)
    assert (answer.status_code, answer.location) == (303, f"/events/{event}")
    assert room.house.rows("request")[-1].state == "new"
    assert "1 put back into the inbox" in read(client, f"/events/{event}")
    with room.store.read() as tx:
        (entry,) = audit.listing(tx, action="request.replayed")
    assert entry.details == {"put_back": 1, "requests": 1, "source": "mapping", "known_events": 1}
    assert room.house.decide().requests == 1


def test_many_are_a_task_that_can_be_watched_and_tells_what_came_of_it(
    scene: Traffic, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(130):
        scene.event()
    path = "/replay?events=1&window=all&account=old-store"
    text, given = form(room, path)
    assert "Replay 130 requests" in text
    assert "It runs in the background" in text
    answer = room.post(room.client(), "/replay", page=path, **given)
    assert answer.location.startswith("/tasks/")
    assert {row.state for row in room.house.rows("request")} == {"done"}

    monkeypatch.setattr(type(room.tools.queue), "ring", lambda *_: room.house.decide())
    assert tasks.work_off(room.tools, "me", enough=lambda: False) == 1
    (task,) = room.house.rows("task")
    assert (task.kind, task.state, task.result["put_back"]) == (replay.TASK, "done", 130)
    assert "130 requests were read again." in read(room.client("viewer"), answer.location)


@pytest.mark.parametrize(
    ("decided", "told"),
    [
        ([["shopify/order_paid", "send", "", 7]], ["message planned", ">7<", 'href="/mappings/shopify/order_paid"']),
        ([["gone", "skip", "already_said", 2840]], ["swallowed: already said", "2,840"]),
        ([["gone", "skip", "no_recipient", 1]], ["no recipient"]),
        ([], ["Nothing new was decided"]),
    ],
)
def test_what_came_of_a_replay_is_told_by_mapping(room: Room, decided: list[object], told: list[str]) -> None:
    id_ = tasks.begin(room.store, replay.TASK, {"requests": [], "source": "mapping"}, "Ada", "Replay 130 requests")
    result = {"put_back": 128, "asked": 130, "decided": decided}
    with room.store.write() as tx:
        tx.execute(update(schema.task).where(schema.task.c.id == id_).values(state="done", result=result))
    text = read(room.client("viewer"), f"/tasks/{id_}")
    assert "2 were left alone" in text
    assert all(each in text for each in told)


def test_the_rows_that_were_checked_are_what_is_replayed(scene: Traffic, room: Room) -> None:
    events = [scene.event(f"#{n}") for n in range(3)]
    text, given = form(room, f"/replay?event={events[0]}&event={events[2]}")
    assert "2 events that you have chosen" in text
    assert len(given["requests"].split()) == 2


def test_what_could_not_be_read_is_replayed_together(scene: Traffic, room: Room) -> None:
    scene.request(state="unreadable")
    scene.request(state="broken")
    scene.request(state="ignored")
    text, given = form(room, "/replay?requests=unread&source=request")
    assert "every request that could not be read" in text
    assert len(given["requests"].split()) == 2


def test_a_replay_of_nothing_is_told_so(room: Room) -> None:
    for path in ("/replay", "/replay?events=1", "/replay?event=x&request=y", "/replay?event=" + "0" * 26):
        assert "There is nothing to replay" in read(room.client(), path, 404)


def test_who_may_not_replay_cannot(scene: Traffic, room: Room) -> None:
    event = scene.event()
    for role in ("viewer", "editor"):
        client = room.client(role)
        assert client.get(f"/replay?event={event}").status_code == 403
        assert room.post(client, "/replay", page="/me", requests="1", source="request").status_code == 403
        assert "Replay" not in read(client, f"/events/{event}")


def test_a_form_that_was_tampered_with_leads_nowhere_else(room: Room) -> None:
    order(room)
    page = "/me"
    client = room.client()
    for back in ("https://evil.example", "//evil.example", "/events/../team", "/me"):
        answer = room.post(client, "/replay", page=page, requests="1", source="request", back=back)
        assert answer.location == "/events"
    for given in ({"requests": "x"}, {"requests": "1", "source": "evil"}, {}):
        assert room.post(client, "/replay", page=page, **given).status_code == 400
