"""The first owner: made with the set-up token, once, and by nobody else."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask.testing import FlaskClient

from connector.store import users
from connector.web import page_token
from tests.web.console.room import PASSWORD, Room

HTML = {"Accept": "text/html"}
GIVEN = {"name": "Ada", "email": "Ada@example.org", "password": PASSWORD, "again": PASSWORD}


def token(room: Room) -> str:
    return page_token(room.tools.settings.data)


def people(room: Room) -> list[users.UserRow]:
    with room.store.read() as tx:
        return users.all_(tx)


def test_every_page_leads_to_the_set_up_while_there_is_nobody(room: Room) -> None:
    client = room.stranger()
    for path in ("/", "/messages", "/me", "/team"):
        answer = client.get(path, headers=HTML, follow_redirects=True)
        assert answer.request.path == "/setup"
        assert "Set-up token" in answer.text


def test_the_token_of_the_link_stands_in_the_form_and_makes_the_owner(room: Room) -> None:
    client = room.stranger()
    page = f"/setup?token={token(room)}"
    assert f'value="{token(room)}"' in client.get(page).text
    answer = room.post(client, "/setup", page=page, token=token(room), **GIVEN)
    assert answer.status_code == 303
    (owner,) = people(room)
    assert (owner.email, owner.name, owner.role) == ("ada@example.org", "Ada", "owner")
    assert "Ada" in client.get("/me").text


@pytest.mark.parametrize("wrong", ["", "x", "é", "\x00", "a" * 5000])
def test_without_the_token_nobody_is_made(room: Room, wrong: str) -> None:
    answer = room.post(room.stranger(), "/setup", token=wrong, **GIVEN)
    assert answer.status_code == 400
    assert "not the set-up token" in answer.text
    assert people(room) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password": "short", "again": "short"}, "at least 12 characters"),
        ({"again": "another one entirely"}, "not the same"),
        ({"email": "no address"}, "not an e-mail address"),
        ({"name": " \u200b "}, "A name has"),
        ({"password": "x" * 300, "again": "x" * 300}, "at most 256"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(room: Room, change: dict[str, str], words: str) -> None:
    answer = room.post(room.stranger(), "/setup", token=token(room), **GIVEN | change)
    assert answer.status_code == 400
    assert words in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert PASSWORD not in answer.text
    assert people(room) == []


def test_the_set_up_is_closed_for_good_and_its_token_signs_in_nobody(room: Room) -> None:
    room.user("viewer")
    client = room.stranger()
    assert client.get(f"/setup?token={token(room)}").status_code == 404
    csrf = room.csrf(client, "/sign-in")
    assert client.post("/setup", data={"csrf_token": csrf, "token": token(room)} | GIVEN).status_code == 404
    assert client.get(f"/messages?token={token(room)}", headers=HTML).status_code == 303
    assert client.get("/messages", headers=HTML).status_code == 303
    assert len(people(room)) == 1


def test_two_who_set_up_at_once_make_one_owner(room: Room) -> None:
    def form(number: int) -> tuple[FlaskClient, dict[str, str]]:
        client = room.stranger()
        own = {"email": f"n{number}@example.org", "token": token(room), "csrf_token": room.csrf(client, "/setup")}
        return client, GIVEN | own

    forms, both = [form(number) for number in range(2)], threading.Barrier(2)

    def found(number: int) -> int:
        client, given = forms[number]
        both.wait(60)
        return client.post("/setup", data=given, headers=HTML).status_code

    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(found, range(2)))
    assert len(people(room)) == 1
    assert told.count(303) == 1
