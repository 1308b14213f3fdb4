"""Strangers who try and try are slowed down, and shut out nobody but strangers."""

from __future__ import annotations

import pytest
import time_machine
from flask.testing import FlaskClient

from connector.flow import entry, team
from connector.model import now
from connector.store import audit, tries
from connector.web.console import browser
from tests.web.console.room import PASSWORD, Room
from tests.web.console.test_two_factor import code, set_up, wrong_codes

HTML = {"Accept": "text/html"}
OWNER = "owner@example.org"


def come(
    room: Room, client: FlaskClient, password: str, *, address: str = "203.0.113.9", email: str = OWNER
) -> tuple[int, str]:
    """Try to sign in from an address; return what is answered."""
    form = {"csrf_token": room.csrf(client, "/sign-in"), "email": email, "password": password}
    answer = client.post("/sign-in", data=form, headers={**HTML, "X-Forwarded-For": address})
    return answer.status_code, answer.text


def known(room: Room, address: str = "192.0.2.1") -> FlaskClient:
    """A browser in which the owner has signed in, and out again."""
    room.user()
    client = room.stranger()
    assert come(room, client, PASSWORD, address=address)[0] == 303
    assert room.post(client, "/sign-out").status_code == 303
    return client


def test_nobody_holds_the_door_shut_for_a_browser_that_was_let_in_before(room: Room) -> None:
    owner = known(room)
    with time_machine.travel(now(), tick=False):
        for number in range(entry.FREE["account"] + 1):
            come(room, room.stranger(), "wrong-wrong-wrong", address=f"198.51.100.{number}")
        assert come(room, room.stranger(), PASSWORD)[0] == 401, "strangers wait, whatever they know"
        assert come(room, owner, PASSWORD, address="198.51.100.0")[0] == 303
        assert come(room, room.stranger(), PASSWORD)[0] == 401, "that the owner got in forgives them nothing"


def test_an_address_that_tries_everybody_shuts_out_no_browser_that_is_known(room: Room) -> None:
    owner = known(room)
    with room.store.write() as tx:
        for _ in range(entry.FREE["address"] + 10):
            tries.charge(tx, entry._key("address", "203.0.113.9"), now(), free=0)
    assert come(room, owner, PASSWORD)[0] == 303
    assert entry.may_knock(room.store, entry.Guest("203.0.113.9")), "nor anybody with a passkey"


def test_nobody_holds_the_door_shut_where_the_owner_is_signed_in(room: Room) -> None:
    room.user()
    assert come(room, room.stranger(), PASSWORD, address="2001:db8:1:2::9")[0] == 303
    with time_machine.travel(now(), tick=False):
        for _ in range(entry.FREE["account"] + 1):
            come(room, room.stranger(), "wrong-wrong-wrong")
        assert come(room, room.stranger(), PASSWORD, address="198.51.100.1")[0] == 401
        assert come(room, room.stranger(), PASSWORD, address="2001:db8:1:2::77")[0] == 303


def test_a_cookie_that_was_stolen_is_slowed_down_like_everybody(room: Room) -> None:
    thief = known(room)
    with time_machine.travel(now(), tick=False):
        told = {come(room, thief, "wrong-wrong-wrong") for _ in range(entry.FREE["known"] + 1)}
        told.add(come(room, thief, PASSWORD))
        assert {status for status, _ in told} == {401}
        assert all(entry.NO in text for _, text in told)


@pytest.mark.parametrize("forged", ["", "x", "eyJicm93c2VyIjoieCJ9.aaaaaa.bbbb", "other"])
def test_a_cookie_of_ones_own_making_helps_nobody(room: Room, forged: str) -> None:
    cookie = known(room).get_cookie(browser.COOKIE, path=browser.PATH)
    assert cookie is not None
    told, _, seal = cookie.value.rpartition(".")
    other = f"{told}.{'B' if seal[0] == 'A' else 'A'}{seal[1:]}"
    stranger = room.stranger()
    stranger.set_cookie(browser.COOKIE, other if forged == "other" else forged, path=browser.PATH)
    with time_machine.travel(now(), tick=False):
        for _ in range(entry.FREE["account"] + 1):
            come(room, room.stranger(), "wrong-wrong-wrong", address="198.51.100.1")
        assert come(room, stranger, PASSWORD)[0] == 401


def test_a_browser_that_knows_one_is_a_stranger_to_the_others(room: Room) -> None:
    room.add("ada@example.org")
    client = known(room)
    with time_machine.travel(now(), tick=False):
        for _ in range(entry.FREE["account"] + 1):
            come(room, room.stranger(), "wrong-wrong-wrong", email="ada@example.org", address="198.51.100.1")
        assert come(room, client, PASSWORD, email="ada@example.org")[0] == 401
        assert come(room, client, PASSWORD)[0] == 303


def test_what_a_browser_shows_opens_nothing_and_goes_nowhere_but_the_door(room: Room) -> None:
    cookie = known(room).get_cookie(browser.COOKIE, path=browser.PATH)
    assert cookie is not None
    assert cookie.http_only
    assert (cookie.path, cookie.same_site) == ("/sign-in", "Lax")
    stranger = room.stranger()
    stranger.set_cookie(browser.COOKIE, cookie.value)
    stranger.set_cookie("connector_session", cookie.value)
    assert stranger.get("/me", headers=HTML).status_code == 303


def test_who_tries_passwords_at_the_door_does_not_keep_who_is_inside_from_changing_theirs(room: Room) -> None:
    client = room.client()
    with time_machine.travel(now(), tick=False):
        for _ in range(entry.FREE["account"] + 1):
            come(room, room.stranger(), "wrong-wrong-wrong", address="198.51.100.1")
        form = {"old": PASSWORD, "password": "copper-lagoon-thistle", "again": "copper-lagoon-thistle"}
        assert room.post(client, "/me/password", page="/me", **form).status_code == 303


def test_a_thief_of_a_session_does_not_guess_the_password_fast(room: Room) -> None:
    client = room.client()
    form = {"password": "copper-lagoon-thistle", "again": "copper-lagoon-thistle"}
    with time_machine.travel(now(), tick=False):
        for _ in range(entry.FREE["inside"] + 1):
            assert room.post(client, "/me/password", page="/me", old="wrong-wrong", **form).status_code == 400
        assert room.post(client, "/me/password", page="/me", old=PASSWORD, **form).status_code == 400


def test_who_knows_the_password_alone_does_not_shut_the_second_door(room: Room) -> None:
    owner = room.client()
    key, _ = set_up(room, owner)
    room.post(owner, "/sign-out", page="/me")
    with time_machine.travel(now(), tick=False):
        thief = room.sign_in(OWNER)
        for wrong in wrong_codes(key, entry.FREE["second"] + 2):
            assert room.post(thief, "/sign-in/second", code=wrong).status_code == 401
        assert room.post(thief, "/sign-in/second", code=code(key)).status_code == 401
        assert come(room, owner, PASSWORD)[0] == 303
        assert room.post(owner, "/sign-in/second", code=code(key)).status_code == 303


def test_a_link_in_a_mail_signs_nobody_out(room: Room) -> None:
    client = room.client()
    assert client.get("/sign-in/second", headers=HTML).location == "/"
    assert client.get("/me").status_code == 200


@pytest.mark.parametrize("kind", ["account", "address"])
def test_invented_guests_fill_no_table(kind: str) -> None:
    keys = {entry._key(kind, f"{number}@example.org") for number in range(300_000)}
    assert 60_000 < len(keys) <= 65_536


def test_invented_e_mails_fill_no_log(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    room.user()
    monkeypatch.setitem(entry.FREE, "log", 3)
    with time_machine.travel(now(), tick=False):
        for number in range(9):
            come(room, room.stranger(), PASSWORD, email=f"n{number}@example.org", address=f"198.51.100.{number}")
        with room.store.read() as tx:
            assert len(audit.listing(tx, action="user.sign_in_failed")) == 4
        come(room, room.stranger(), "wrong-wrong-wrong", address="198.51.100.99")
        with room.store.read() as tx:
            entered = {each.object for each in audit.listing(tx, action="user.sign_in_failed")}
        assert entered == {"", room.user().id}, "tries against those who are there are entered all the same"


def test_a_browser_keeps_the_last_few_who_signed_in_by_it(room: Room) -> None:
    client = room.stranger()
    people = [room.add(f"p{number}@example.org") for number in range(browser.MOST_USERS + 1)]
    for each in people:
        assert come(room, client, PASSWORD, email=each.email, address="192.0.2.1")[0] == 303
        room.post(client, "/sign-out", page="/me")
    cookie = client.get_cookie(browser.COOKIE, path=browser.PATH)
    assert cookie is not None
    with room.app.test_request_context("/sign-in", headers={"Cookie": f"{browser.COOKIE}={cookie.value}"}):
        assert browser.known()[1] == [each.id for each in reversed(people[1:])]


def test_what_is_told_to_a_known_browser_tells_nobody_who_is_in_the_team(room: Room) -> None:
    client = known(room)
    gone = room.add("gone@example.org")
    team.set_active(room.store, gone.id, active=False)
    emails = (OWNER, "gone@example.org", "nobody@example.org")
    told = [come(room, client, "wrong-wrong-wrong", email=each) for each in emails]
    assert {status for status, _ in told} == {401}
    assert all(entry.NO in text for _, text in told)
