"""Second factors: authenticator, recovery codes, passkeys, and who must have one."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask.testing import FlaskClient
from passlib.totp import TOTP

from connector.flow import entry, team
from connector.model import now
from connector.store import audit, users
from tests.web.console.authenticator import Authenticator
from tests.web.console.room import PASSWORD, Room

HTML = {"Accept": "text/html"}
SECOND = "/me/second-factor"


def code(key: str, *, ahead: int = 30) -> str:
    """What it shows: the next code, since the one of now is used up by setting it up."""
    return str(TOTP(key=key, format="base32").generate(int(now().timestamp()) + ahead).token)


def wrong_codes(key: str, number: int) -> list[str]:
    """Codes that it does not show now, nor a moment before or after."""
    right = {code(key, ahead=seconds) for seconds in (-60, -30, 0, 30, 60)}
    return [each for each in (f"{guess:06}" for guess in range(number + len(right))) if each not in right][:number]


def set_up(room: Room, client: FlaskClient) -> tuple[str, list[str]]:
    """Set up an authenticator; return its key and the recovery codes."""
    found = re.search(r"Type this key into it: <code>([A-Z2-7-]+)</code>", client.get(SECOND).text)
    assert found is not None
    key = found[1].replace("-", "")
    answer = room.post(client, f"{SECOND}/authenticator", page=SECOND, code=code(key, ahead=0), old=PASSWORD)
    assert answer.status_code == 200, answer.text
    return key, re.findall(r"<li><code>([0-9a-f-]{14})</code>", answer.text)


def actions(room: Room) -> list[str]:
    with room.store.read() as tx:
        return [each.action for each in reversed(audit.listing(tx))]


def half(room: Room) -> FlaskClient:
    client = room.sign_in("owner@example.org")
    assert client.get("/me", headers=HTML).status_code == 303
    return client


def test_an_authenticator_is_set_up_by_its_code_and_then_asked_for(room: Room) -> None:
    key, codes = set_up(room, room.client())
    assert len(codes) == len(set(codes)) == 10
    client = half(room)
    assert "Code of your authenticator app" in client.get("/sign-in/second").text
    assert room.post(client, "/sign-in/second", code=code(key)).location == "/"
    assert client.get("/me").status_code == 200
    assert "user.second_factor_added" in actions(room)


def test_the_qr_code_is_drawn_in_the_page_and_the_secret_is_sealed(room: Room) -> None:
    client = room.client()
    page = client.get(SECOND)
    assert 'src="data:image/svg+xml;base64,' in page.text
    assert "img-src 'self' data:" in page.headers["Content-Security-Policy"]
    key, _ = set_up(room, client)
    (row,) = room.house.rows("console_user")
    assert key not in row.totp
    assert not [each for each in row.recovery.split() if re.fullmatch("[0-9a-f-]{14}", each)]


@pytest.mark.parametrize("given", ["", "000000x", "12345", "abcdef", "١٢٣٤٥٦", "9" * 5000, "\x00"])
def test_a_wrong_code_sets_nothing_up_and_lets_nobody_in(room: Room, given: str) -> None:
    client = room.client()
    assert room.post(client, f"{SECOND}/authenticator", page=SECOND, code=given, old=PASSWORD).status_code == 400
    assert room.house.rows("console_user")[0].totp is None
    set_up(room, client)
    assert room.post(half(room), "/sign-in/second", code=given).status_code == 401


def test_without_the_password_nothing_is_set_up_or_turned_off(room: Room) -> None:
    client = room.client()
    set_up(room, client)
    for path in ("authenticator/remove", "codes"):
        answer = room.post(client, f"{SECOND}/{path}", page=SECOND, old="not the password")
        assert answer.status_code == 400
        assert "not your password" in answer.text
    assert room.house.rows("console_user")[0].totp is not None


def test_no_code_is_taken_twice(room: Room) -> None:
    key, _ = set_up(room, room.client())
    shown = code(key)
    assert room.post(half(room), "/sign-in/second", code=shown).status_code == 303
    assert room.post(half(room), "/sign-in/second", code=shown).status_code == 401


def test_a_recovery_code_lets_in_once(room: Room) -> None:
    _, codes = set_up(room, room.client())
    assert room.post(half(room), "/sign-in/second", code=codes[3].upper().replace("-", " ")).status_code == 303
    assert room.post(half(room), "/sign-in/second", code=codes[3]).status_code == 401
    assert len(room.house.rows("console_user")[0].recovery.split()) == 9


def test_new_recovery_codes_end_the_old_ones(room: Room) -> None:
    client = room.client()
    _, old = set_up(room, client)
    answer = room.post(client, f"{SECOND}/codes", page=SECOND, old=PASSWORD)
    fresh = re.findall(r"<li><code>([0-9a-f-]{14})</code>", answer.text)
    assert not set(old) & set(fresh)
    assert room.post(half(room), "/sign-in/second", code=old[0]).status_code == 401
    assert room.post(half(room), "/sign-in/second", code=fresh[0]).status_code == 303


def test_guessing_codes_is_slowed_down(room: Room) -> None:
    key, _ = set_up(room, room.client())
    client = half(room)
    with time_machine.travel(now(), tick=False):  # two seconds are soon over on a machine that is busy
        for wrong in wrong_codes(key, entry.FREE["second"] + 1):
            assert room.post(client, "/sign-in/second", code=wrong).status_code == 401
        assert room.post(client, "/sign-in/second", code=code(key)).status_code == 401


def test_the_password_alone_is_good_for_five_minutes(room: Room) -> None:
    key, _ = set_up(room, room.client())
    client = half(room)
    token = room.csrf(client, "/sign-in/second")
    with time_machine.travel(now() + timedelta(minutes=6), tick=False):
        answer = client.post("/sign-in/second", data={"csrf_token": token, "code": code(key)})
        assert answer.location == "/sign-in"


def test_a_new_password_ends_what_was_begun_with_the_old_one(room: Room) -> None:
    key, _ = set_up(room, room.client())
    client = half(room)
    token = room.csrf(client, "/sign-in/second")
    team.set_password(room.store, room.user(), "another one entirely")
    assert client.post("/sign-in/second", data={"csrf_token": token, "code": code(key)}).location == "/sign-in"


def test_who_never_showed_the_password_is_not_asked_for_more(room: Room) -> None:
    room.user()
    assert room.stranger().get("/sign-in/second").location == "/sign-in"


def test_turned_off_it_is_asked_for_no_longer_and_its_codes_are_gone(room: Room) -> None:
    client = room.client()
    set_up(room, client)
    assert room.post(client, f"{SECOND}/authenticator/remove", page=SECOND, old=PASSWORD).status_code == 303
    row = room.house.rows("console_user")[0]
    assert (row.totp, row.totp_counter, row.recovery) == (None, None, "")
    assert room.sign_in("owner@example.org").get("/me").status_code == 200


EVERYBODY = {"owner", "admin", "editor", "viewer"}


@pytest.mark.parametrize(("policy", "led"), [("nobody", set()), ("admins", {"owner", "admin"}), ("all", EVERYBODY)])
def test_who_must_have_one_is_led_there_before_anything_else(room: Room, policy: str, led: set[str]) -> None:
    clients = {role: room.client(role) for role in EVERYBODY}
    team.set_policy(room.store, policy)
    for role, client in clients.items():
        where = {client.get(path).location for path in ("/messages", "/me")}
        assert (where == {SECOND}) is (role in led)
        assert client.get(SECOND).status_code == 200
    if led:
        client = clients["owner"]
        assert room.post(client, "/team/policy", page=SECOND, policy="nobody").location == SECOND
        set_up(room, client)
        assert client.get("/messages").status_code == 200


def add_passkey(room: Room, client: FlaskClient, key: Authenticator, old: str = PASSWORD, name: str = "Phone") -> Any:
    form = {"csrf_token": room.csrf(client, SECOND), "old": old, "name": name}
    asked = client.post("/me/passkeys/ask", data=form)
    if asked.status_code != 200:
        return asked
    return client.post("/me/passkeys", data={"csrf_token": form["csrf_token"], "credential": key.make(asked.json)})


def use(room: Room, client: FlaskClient, key: Authenticator, *, page: str = "/sign-in") -> Any:
    token = room.csrf(client, page)
    asked = client.post("/sign-in/passkey/ask", data={"csrf_token": token}).json
    return client.post("/sign-in/passkey", data={"csrf_token": token, "credential": key.sign(asked)})


def test_a_passkey_signs_in_alone(room: Room) -> None:
    key, owner = Authenticator(), room.client()
    answer = add_passkey(room, owner, key, name="My <phone>")
    assert answer.status_code == 200  # and with it the recovery codes
    assert html.escape("My <phone>") in owner.get(SECOND).text
    client = room.stranger()
    assert use(room, client, key).status_code == 303
    assert client.get("/me").status_code == 200
    assert use(room, room.stranger(), key).status_code == 303
    (kept,) = room.house.rows("passkey")
    assert (kept.sign_count, kept.transports) == (2, "internal")


def test_a_passkey_is_asked_for_after_the_password(room: Room) -> None:
    key, other = Authenticator(), Authenticator()
    add_passkey(room, room.client(), key)
    add_passkey(room, room.client("admin"), other)
    client = half(room)
    assert use(room, client, other, page="/sign-in/second").status_code == 401
    assert use(room, client, key, page="/sign-in/second").status_code == 303
    assert client.get("/me").status_code == 200


def test_a_passkey_takes_the_password_to_add_and_to_remove(room: Room) -> None:
    key, client = Authenticator(), room.client()
    assert add_passkey(room, client, key, old="no").status_code == 403
    assert room.house.rows("passkey") == []
    add_passkey(room, client, key)
    (kept,) = room.house.rows("passkey")
    path = f"/me/passkeys/{kept.id}/remove"
    assert room.post(client, path, page=SECOND, old="no").status_code == 400
    assert room.post(client, path, page=SECOND, old=PASSWORD).status_code == 303
    assert room.house.rows("passkey") == []
    assert use(room, room.stranger(), key).status_code == 401


def test_nobody_removes_anothers_passkey(room: Room) -> None:
    add_passkey(room, room.client(), Authenticator())
    (kept,) = room.house.rows("passkey")
    room.post(room.client("admin"), f"/me/passkeys/{kept.id}/remove", page=SECOND, old=PASSWORD)
    assert len(room.house.rows("passkey")) == 1


@pytest.mark.parametrize(
    "wrong",
    [Authenticator(origin="https://evil.example"), Authenticator(host="evil.example"), Authenticator(verifies=False)],
    ids=["another origin", "another site", "nobody verified"],
)
def test_a_passkey_of_elsewhere_is_not_kept(room: Room, wrong: Authenticator) -> None:
    assert add_passkey(room, room.client(), wrong).status_code == 400
    assert room.house.rows("passkey") == []


def test_an_answer_is_good_for_one_question(room: Room) -> None:
    key = Authenticator()
    add_passkey(room, room.client(), key)
    client = room.stranger()
    token = room.csrf(client, "/sign-in")
    asked = client.post("/sign-in/passkey/ask", data={"csrf_token": token}).json
    answer = key.sign(asked)
    client.post("/sign-in/passkey/ask", data={"csrf_token": token})
    assert client.post("/sign-in/passkey", data={"csrf_token": token, "credential": answer}).status_code == 401
    again = room.stranger()
    token = room.csrf(again, "/sign-in")
    assert again.post("/sign-in/passkey", data={"csrf_token": token, "credential": answer}).status_code == 401


def test_a_copied_passkey_is_noticed(room: Room) -> None:
    key = Authenticator()
    add_passkey(room, room.client(), key)
    assert use(room, room.stranger(), key).status_code == 303
    key.count -= 1
    assert use(room, room.stranger(), key).status_code == 401


def test_who_is_disabled_has_no_passkey_that_opens(room: Room) -> None:
    key, admin = Authenticator(), room.user("admin")
    add_passkey(room, room.client("admin"), key)
    room.user()
    team.set_active(room.store, admin.id, active=False)
    assert use(room, room.stranger(), key).status_code == 401


GARBAGE = [
    "", "x", "null", "[]", "{}", '{"id": 1}', '{"id": {}}', "[" * 5000, '{"id": "a", "rawId": "a"}', "\ud83d",
    '{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"oA"}}',
    '{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"!","authenticatorData":null}}',
    "9" * 20_000,
]  # fmt: skip


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_for_a_passkey_is_refused_in_peace(room: Room, garbage: str) -> None:
    client, key = room.client(), Authenticator()
    add_passkey(room, client, key)
    form = {"csrf_token": room.csrf(client, SECOND), "old": PASSWORD, "name": "x"}
    client.post("/me/passkeys/ask", data=form)
    text = garbage.encode("utf-8", "replace").decode()
    assert client.post("/me/passkeys", data=form | {"credential": text}).status_code == 400
    stranger = room.stranger()
    token = room.csrf(stranger, "/sign-in")
    stranger.post("/sign-in/passkey/ask", data={"csrf_token": token})
    known = text.replace('"AA"', f'"{room.house.rows("passkey")[0].id}"')
    for each in (text, known):
        assert stranger.post("/sign-in/passkey", data={"csrf_token": token, "credential": each}).status_code == 401


def test_at_a_bare_number_the_page_says_that_browsers_know_no_passkeys(room: Room) -> None:
    room.user()
    client = room.stranger()
    page = client.get("/sign-in", base_url="http://127.0.0.1:8080")
    assert "passkey" not in page.text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert token is not None
    asked = client.post("/sign-in/passkey/ask", data={"csrf_token": token[1]}, base_url="http://127.0.0.1:8080")
    assert asked.status_code == 409


def test_a_second_factor_that_an_owner_resets_is_gone(room: Room) -> None:
    admin = room.user("admin")
    set_up(room, room.client("admin"))
    add_passkey(room, room.client("owner"), Authenticator())
    owner = room.client("viewer")
    assert owner.post(f"/team/{admin.id}/second-factor/reset").status_code == 400
    boss = room.add("boss@example.org", "owner")
    client = room.sign_in(boss.email)
    room.post(client, f"/team/{admin.id}/second-factor/reset", page=f"/team/{admin.id}")
    with room.store.read() as tx:
        row = users.get(tx, admin.id)
        assert row is not None
        assert (row.totp, row.recovery) == (None, "")
