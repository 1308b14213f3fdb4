"""One's own page: name, look, password."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from flask.testing import FlaskClient

from connector.flow import team
from connector.model import now
from connector.store import audit
from tests.web.console.room import PASSWORD, Room

HTML = {"Accept": "text/html"}
NEW = "velvet-harbour-onion"


def test_a_name_is_changed_and_shown_as_it_is(room: Room) -> None:
    client = room.client("viewer")
    assert room.post(client, "/me/name", page="/me", name="  Zoë <b>  O'Neil ").status_code == 303
    assert "Zoë &lt;b&gt; O&#39;Neil" in client.get("/me").text
    answer = room.post(client, "/me/name", page="/me", name=" \x00 ")
    assert answer.status_code == 400
    assert "A name has 1 to 100 characters." in answer.text


@pytest.mark.parametrize("theme", ["light", "dark", "auto"])
def test_a_look_is_remembered_in_this_browser(room: Room, theme: str) -> None:
    client = room.client("viewer")
    answer = room.post(client, "/me/theme", page="/me", theme=theme)
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert f'<html lang="en" data-bs-theme="{theme}"' in client.get("/messages").text


def test_no_other_look_is_taken(room: Room) -> None:
    assert room.post(room.client(), "/me/theme", page="/me", theme='"><script>').status_code == 400


def test_a_new_password_ends_the_other_sessions(room: Room) -> None:
    client, other = room.client(), room.client()
    answer = room.post(client, "/me/password", page="/me", old=PASSWORD, password=NEW, again=NEW)
    assert answer.status_code == 303
    assert "1 other session is over." in client.get("/me").text
    assert other.get("/me", headers=HTML).status_code == 303
    room.sign_in("owner@example.org", NEW)
    with room.store.read() as tx:
        (entry,) = audit.listing(tx, action="user.password_changed")
    assert entry.actor == room.user().id


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"old": "not this one"}, "not your password"),
        ({"again": "velvet-harbour"}, "not the same"),
        ({"password": "short", "again": "short"}, "at least 12 characters"),
        ({"password": "owner@example.org", "again": "owner@example.org"}, "too close to your name"),
        ({"password": "Password12345!", "again": "Password12345!"}, "Anybody would try this"),
        ({"password": "123456789012", "again": "123456789012"}, "Anybody would try this"),
        ({"password": "abababababab", "again": "abababababab"}, "repeats"),
        ({"password": "x1" * 150, "again": "x1" * 150}, "at most 256"),
    ],
)
def test_a_password_that_is_no_good_is_refused_in_words(room: Room, change: dict[str, str], words: str) -> None:
    given = {"old": PASSWORD, "password": NEW, "again": NEW} | change
    answer = room.post(room.client(), "/me/password", page="/me", **given)
    assert answer.status_code == 400
    assert words in answer.text
    room.sign_in("owner@example.org")  # it is still the old one


def test_who_came_by_a_link_chooses_a_new_password_without_the_old_one_for_a_while(room: Room) -> None:
    room.user()

    def come() -> tuple[FlaskClient, dict[str, str]]:
        word = team.make_link(room.store, room.user("editor").id)
        client = room.stranger()
        assert client.get(f"/sign-in/link/{word}").status_code == 200
        assert client.get(f"/sign-in/link/{word}").status_code == 200  # looking spends nothing
        assert room.post(client, f"/sign-in/link/{word}").location == "/me"
        assert "Password that you have now" not in client.get("/me").text
        assert room.stranger().get(f"/sign-in/link/{word}").status_code == 404
        return client, {"csrf_token": room.csrf(client, "/me"), "password": NEW, "again": NEW}

    client, form = come()
    with time_machine.travel(now() + timedelta(minutes=16), tick=False):
        assert client.post("/me/password", data=form).status_code == 400
    client, form = come()
    assert client.post("/me/password", data=form).status_code == 303
    room.sign_in("editor@example.org", NEW)


def test_a_link_is_good_once_and_for_fifteen_minutes(room: Room) -> None:
    room.user()
    editor = room.user("editor")
    old = team.make_link(room.store, editor.id)
    word = team.make_link(room.store, editor.id)
    client = room.stranger()
    csrf = room.csrf(client, "/sign-in")
    assert client.post(f"/sign-in/link/{old}", data={"csrf_token": csrf}).status_code == 404  # another took its place
    with time_machine.travel(now() + timedelta(minutes=16), tick=False):
        assert client.get(f"/sign-in/link/{word}").status_code == 404
    assert client.post(f"/sign-in/link/{word}", data={"csrf_token": csrf}).status_code == 303
    assert team.spend_link(room.store, word) is None


@pytest.mark.parametrize("word", ["x", "%00", "a" * 3000, "é"])
def test_garbage_for_a_link_is_no_link(room: Room, word: str) -> None:
    room.user()
    for path in ("/sign-in/link/", "/invitation/"):
        assert room.stranger().get(path + word).status_code == 404
