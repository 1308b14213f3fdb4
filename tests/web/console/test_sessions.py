"""Sessions: each sign-in is one, everybody sees and ends their own, an owner those of everybody."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import time_machine
from flask.testing import FlaskClient

from connector.flow import entry, team
from connector.model import now
from connector.store import audit, sessions
from tests.web.console.room import Room

HTML = {"Accept": "text/html"}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def is_in(client: FlaskClient) -> bool:
    return client.get("/me", headers=HTML).status_code == 200


def ids(room: Room, role: str = "owner") -> list[str]:
    with room.store.read() as tx:
        return [each.id for each in sessions.of(tx, room.user(role).id)]


def test_a_session_that_is_ended_is_out_at_once(room: Room) -> None:
    kept, lost = room.client(), room.client()
    mine = set(ids(room))
    this = re.search(r"this one</span>.*?/me/sessions/(\w+)/end", kept.get("/me").text, re.DOTALL)
    assert this is not None
    (other,) = mine - {this[1]}
    assert room.post(kept, f"/me/sessions/{other}/end", page="/me").status_code == 303
    assert is_in(kept)
    assert not is_in(lost)
    with room.store.read() as tx:
        (told,) = audit.listing(tx, action="user.session_ended")
    assert told.details == {"session": other}


def test_a_cookie_that_was_copied_is_worth_nothing_after_signing_out(room: Room) -> None:
    client = room.client()
    copied = client.get_cookie("connector_session")
    assert copied is not None
    room.post(client, "/sign-out")
    thief = room.stranger()
    thief.set_cookie("connector_session", copied.value)
    assert not is_in(thief)


def test_all_others_end_together(room: Room) -> None:
    clients = [room.client() for _ in range(3)]
    room.post(clients[0], "/me/sessions/end", page="/me")
    assert [is_in(client) for client in clients] == [True, False, False]


def test_to_end_this_very_session_is_to_sign_out(room: Room) -> None:
    client = room.client()
    (this,) = ids(room)
    assert room.post(client, f"/me/sessions/{this}/end", page="/me").location == "/sign-in"
    assert not is_in(client)


def test_nobody_ends_a_session_of_somebody_else_but_an_owner(room: Room) -> None:
    owner, editor = room.client(), room.client("editor")
    (hers,) = ids(room)
    room.post(editor, f"/me/sessions/{hers}/end", page="/me")
    assert is_in(owner)
    (his,), him = ids(room, "editor"), room.user("editor").id
    assert room.post(editor, f"/team/{him}/sessions/{his}/end", page="/me").status_code == 403
    assert room.post(owner, f"/team/{him}/sessions/{his}/end", page=f"/team/{him}").status_code == 303
    assert not is_in(editor)


def test_a_session_ends_when_nobody_uses_it_and_after_a_month_anyway(room: Room) -> None:
    client, begun = room.client(), now()
    with time_machine.travel(begun + timedelta(days=13), tick=False):
        assert is_in(client)
    with time_machine.travel(begun + timedelta(days=26), tick=False):
        assert is_in(client)
    with time_machine.travel(begun + timedelta(days=31), tick=False):
        assert not is_in(client)
    idle = room.client("viewer")
    with time_machine.travel(begun + timedelta(days=15), tick=False):
        assert not is_in(idle)


def test_old_sessions_are_swept_when_somebody_signs_in(room: Room) -> None:
    room.client()
    with time_machine.travel(now() + timedelta(days=40), tick=False):
        room.client()
        assert len(ids(room)) == 1


def test_use_is_written_down_at_most_every_five_minutes(room: Room) -> None:
    client, begun = room.client(), now()
    (row,) = room.house.rows("console_session")
    with time_machine.travel(begun + timedelta(minutes=4), tick=False):
        client.get("/messages")
        assert room.house.rows("console_session") == [row]
    with time_machine.travel(begun + timedelta(minutes=6), tick=False):
        client.get("/messages")
        assert room.house.rows("console_session")[0].seen_at > row.seen_at


def test_the_word_of_a_session_is_kept_nowhere(room: Room) -> None:
    client = room.client()
    with client.session_transaction() as held:
        word = held["_user_id"]
    (row,) = room.house.rows("console_session")
    assert word not in repr(row)
    assert row.digest == team.digest_of(word)
    assert word not in client.get("/me").text


def test_who_is_disabled_is_out_at_once(room: Room) -> None:
    room.user()
    client = room.client("admin")
    team.set_active(room.store, room.user("admin").id, active=False)
    assert not is_in(client)


def test_a_role_counts_from_the_next_request_on(room: Room) -> None:
    room.user()
    client = room.client("admin")
    team.set_role(room.store, room.user("admin").id, room.user("viewer").role)
    assert "<small>viewer</small>" in client.get("/me").text


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("", "an unknown browser"),
        ("<script>" * 500, "an unknown browser"),
    ],
)
def test_a_browser_is_named_in_words(agent: str, words: str) -> None:
    assert entry.name_browser(agent) == words
