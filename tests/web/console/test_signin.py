"""Signing in and out: who gets in, what is said to who does not, and what nobody learns."""

from __future__ import annotations

import statistics
import time

import pytest
import time_machine
from flask.testing import FlaskClient

from connector.flow import entry, team
from connector.model import now
from connector.security import passwords
from connector.store import audit, tries
from connector.store.audit import Entry
from tests.web.console.room import PASSWORD, Room

HTML = {"Accept": "text/html"}


def entries(room: Room, action: str = "user.") -> list[Entry]:
    with room.store.read() as tx:
        return audit.listing(tx, action=action)


def attempt(room: Room, client: FlaskClient, email: str, password: str = "wrong-wrong-wrong") -> tuple[int, str]:
    answer = room.post(client, "/sign-in", email=email, password=password)
    return answer.status_code, answer.text


def test_who_knows_the_password_is_let_in_and_out_again(room: Room) -> None:
    client = room.client("editor")
    assert "Editor Person" in client.get("/me").text
    assert room.post(client, "/sign-out").status_code == 303
    assert client.get("/me", headers=HTML).location == "/sign-in?next=%2Fme"
    assert [each.action for each in entries(room)] == ["user.signed_out", "user.signed_in"]


def test_the_e_mail_may_be_typed_in_any_case_and_the_password_in_no_other(room: Room) -> None:
    room.user()
    assert attempt(room, room.stranger(), " OWNER@Example.ORG ", PASSWORD)[0] == 303
    assert attempt(room, room.stranger(), "owner@example.org", PASSWORD.upper())[0] == 401


def test_a_password_is_the_same_however_a_keyboard_composes_it(room: Room) -> None:
    team.add(room.store, email_="a@example.org", name_="A", role=room.user().role, password="zwölf Bäume am Fluß")
    composed = "zwo\u0308lf Ba\u0308ume am Fluß"
    assert attempt(room, room.stranger(), "a@example.org", composed)[0] == 303


def test_unknown_wrong_disabled_and_shut_out_are_told_the_same(room: Room) -> None:
    room.user()
    gone = room.add("gone@example.org")
    team.set_active(room.store, gone.id, active=False)
    told = [
        attempt(room, room.stranger(), email, password)
        for email, password in (
            ("owner@example.org", "wrong-wrong-wrong"),
            ("nobody@example.org", PASSWORD),
            ("gone@example.org", PASSWORD),
            ("", ""),
            ("owner@example.org", "x" * 10_000),
            ("not an address\x00", PASSWORD),
        )
    ]
    with time_machine.travel(now(), tick=False):
        for _ in range(entry.FREE["account"] + 1):
            attempt(room, room.stranger(), "owner@example.org")
        told.append(attempt(room, room.stranger(), "owner@example.org", PASSWORD))  # shut, though it is right
    assert {status for status, _ in told} == {401}
    for _, text in told:
        assert entry.NO in text
        assert "nobody" not in text.replace("nobody@example.org", "")


def test_it_takes_as_long_to_refuse_who_is_unknown(room: Room) -> None:
    room.user()
    hashed = room.user().password

    def spent(of: str | None) -> float:
        began = time.process_time()  # not by the clock: others may be busy on the same machine
        passwords.verify("wrong-wrong-wrong", of)
        return time.process_time() - began

    pairs = [(spent(None), spent(hashed)) for _ in range(7)]
    unknown, known = (statistics.median(each) for each in zip(*pairs, strict=True))
    assert known / 3 < unknown


def test_whoever_is_unknown_leaves_no_e_mail_in_the_log(room: Room) -> None:
    known = room.user()
    attempt(room, room.stranger(), "stranger@example.org")
    attempt(room, room.stranger(), known.email)
    last, first = entries(room, "user.sign_in_failed")
    assert (first.actor, first.object, first.words) == ("unknown", "", "by password")
    assert (last.actor, last.object) == ("unknown", known.id)
    assert "stranger@" not in repr((first, last))


def test_after_a_few_tries_the_door_is_shut_for_longer_each_time(room: Room) -> None:
    room.user()
    with time_machine.travel(now(), tick=False) as clock:
        for _ in range(entry.FREE["account"] + 1):
            attempt(room, room.stranger(), "owner@example.org")
        assert attempt(room, room.stranger(), "owner@example.org", PASSWORD)[0] == 401
        clock.shift(3)
        assert attempt(room, room.stranger(), "owner@example.org")[0] == 401
        clock.shift(2)
        assert attempt(room, room.stranger(), "owner@example.org", PASSWORD)[0] == 401  # four seconds now
        clock.shift(15)
        assert attempt(room, room.stranger(), "owner@example.org", PASSWORD)[0] == 303


def test_what_is_tried_at_a_shut_door_fills_neither_log_nor_table(room: Room) -> None:
    room.user()
    with room.store.write() as tx:
        for _ in range(entry.FREE["address"] + 15):
            tries.charge(tx, entry._key("address", "127.0.0.1"), now(), free=0)
    before = len(entries(room))
    for number in range(5):
        assert attempt(room, room.stranger(), f"n{number}@example.org")[0] == 401
    assert len(entries(room)) == before
    assert len(room.house.rows("sign_in_try")) == 1


def test_who_gets_in_is_not_counted_against_the_others_of_the_office(room: Room) -> None:
    room.user()
    for _ in range(entry.FREE["address"] + 3):
        room.sign_in("owner@example.org")
    assert attempt(room, room.stranger(), "owner@example.org", PASSWORD)[0] == 303


def test_a_proxy_on_this_machine_says_whom_it_speaks_for(room: Room) -> None:
    room.user()
    for told, kept in (("203.0.113.9", "203.0.113.9"), ("1.2.3.4, 203.0.113.9", "203.0.113.9"), ("x\ny", "127.0.0.1")):
        client = room.stranger()
        token = room.csrf(client, "/sign-in")
        form = {"csrf_token": token, "email": "owner@example.org", "password": PASSWORD}
        client.post("/sign-in", data=form, headers={"X-Forwarded-For": told.replace("\n", " ")})
        assert entries(room, "user.signed_in")[0].address == kept
    client = room.stranger()
    token = room.csrf(client, "/sign-in")
    form = {"csrf_token": token, "email": "owner@example.org", "password": PASSWORD}
    strangers = {"REMOTE_ADDR": "198.51.100.7"}
    client.post("/sign-in", data=form, headers={"X-Forwarded-For": "203.0.113.9"}, environ_overrides=strangers)
    assert entries(room, "user.signed_in")[0].address == "198.51.100.7"


@pytest.mark.parametrize(
    "evil",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "///evil.example", "javascript:alert(1)",
     "/\t/evil.example", "https:evil.example", "/sign-out", "\\\\evil.example", "/%0d%0aX: y\r\nX: y"],
)  # fmt: skip
def test_nobody_is_sent_elsewhere_after_signing_in(room: Room, evil: str) -> None:
    room.user()
    client = room.stranger()
    answer = room.post(client, "/sign-in", email="owner@example.org", password=PASSWORD, next=evil)
    assert answer.status_code == 303
    assert answer.location == "/"
    assert "X" not in answer.headers


def test_who_was_on_the_way_somewhere_arrives_there(room: Room) -> None:
    room.user()
    client = room.stranger()
    there = client.get("/messages?state=failed", headers=HTML).location
    form = {"email": "owner@example.org", "password": PASSWORD, "next": "/messages?state=failed"}
    assert room.post(client, "/sign-in", page=there, **form).location == "/messages?state=failed"


def test_signing_in_begins_another_session_than_the_one_before(room: Room) -> None:
    room.user()
    client = room.stranger()
    token = room.csrf(client, "/sign-in")
    before = client.get_cookie("connector_session")
    client.post("/sign-in", data={"csrf_token": token, "email": "owner@example.org", "password": PASSWORD})
    after = client.get_cookie("connector_session")
    assert before is not None
    assert after is not None
    assert before.value != after.value
    again = client.post("/me/theme", data={"csrf_token": token, "theme": "dark"})
    assert again.status_code == 400  # what stood on pages before does not count any more


def test_the_cookie_is_kept_from_scripts_and_other_sites(room: Room) -> None:
    room.user()
    client = room.stranger()
    token = room.csrf(client, "/sign-in")
    form = {"csrf_token": token, "email": "owner@example.org", "password": PASSWORD}
    cookie = client.post("/sign-in", data=form).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    https = room.stranger()
    page = https.get("/sign-in", base_url="https://connect.example.org")
    assert "Secure" in page.headers["Set-Cookie"]


def test_a_form_without_its_token_is_refused(room: Room) -> None:
    room.user()
    answer = room.stranger().post("/sign-in", data={"email": "owner@example.org", "password": PASSWORD})
    assert answer.status_code == 400
    assert entries(room) == []


@pytest.mark.parametrize("value", ["", "x", ".e30.x.y", "é", "a" * 4000, ".eJwDAAAAAAE.aaaaaa.AAAA"])
def test_garbage_for_a_cookie_is_nobody(room: Room, value: str) -> None:
    room.user()
    client = room.stranger()
    for name in ("connector_session", "remember_token"):
        client.set_cookie(name, value)
    assert client.get("/messages", headers=HTML).status_code == 303
    assert client.get("/sign-in").status_code == 200
    assert client.get("/healthz").status_code == 200


def test_tokens_in_header_or_address_let_nobody_in(room: Room) -> None:
    row = room.user()
    with room.app.test_request_context():
        token = room.app.extensions["security"].remember_token_serializer.dumps({"ver": "5", "uid": row.id, "exp": 0})
    stranger = room.stranger()
    assert stranger.get("/me", headers={"Authentication-Token": token}).status_code == 401
    assert stranger.get(f"/me?auth_token={token}").status_code == 401


def test_none_of_the_librarys_own_pages_is_there(room: Room) -> None:
    rules = {rule.rule for rule in room.app.url_map.iter_rules()}
    assert not rules & {"/login", "/logout", "/register", "/reset", "/change", "/tf-setup", "/wan-register", "/verify"}
    assert not [endpoint for endpoint in room.app.view_functions if endpoint.startswith("security.")]


def test_no_page_of_health_asks_who_is_signed_in(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    client = room.client()
    seen: list[str] = []
    real = entry.who
    monkeypatch.setattr(entry, "who", lambda *args: seen.append("asked") or real(*args))
    assert client.get("/healthz").status_code == 200
    assert seen == []
    assert client.get("/me").status_code == 200
    assert seen == ["asked"]
