"""The team: what each role may open and do, invitations, and the owner who stays."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from connector.flow import team
from connector.model import GRANTS, Permission, Role, now
from connector.store import audit, users
from tests.web.console.room import PASSWORD, Room

HTML = {"Accept": "text/html"}
LOOKS = {Permission.LOOK, Permission.SEE_PEOPLE}


def console_views(room: Room) -> list[tuple[str, str, Any]]:
    """Every address of the console: path, method, view."""

    def path(rule: str) -> str:
        return re.sub(r"<[^>]+>", "x", re.sub(r"<int:[^>]+>", "1", rule))

    return [
        (path(rule.rule), method, room.app.view_functions[rule.endpoint])
        for rule in room.app.url_map.iter_rules()
        if rule.endpoint.startswith("console.") and rule.endpoint != "console.static"
        for method in (rule.methods or set()) & {"GET", "POST", "PUT", "PATCH", "DELETE"}
    ]


def test_every_view_says_what_it_takes(room: Room) -> None:
    views = console_views(room)
    assert len(views) > 20
    assert [path for path, _, view in views if not isinstance(getattr(view, "needs", None), Permission)] == []


def test_nobody_opens_anything_without_signing_in(room: Room) -> None:
    room.user()
    client = room.stranger()
    token = room.csrf(client, "/sign-in")
    for path, method, _ in console_views(room):
        answer = client.open(path, method=method, headers=HTML, data={"csrf_token": token})
        assert answer.status_code == (303 if method == "GET" else 401), (method, path)
        if method == "GET":
            assert answer.location.startswith("/sign-in?next=")


@pytest.mark.parametrize("role", ["viewer", "editor", "admin"])
def test_nobody_does_more_than_their_role_grants(room: Room, role: str) -> None:
    client = room.client(role)
    token = room.csrf(client, "/me")
    refused = 0
    for path, method, view in console_views(room):
        if view.needs not in GRANTS[Role(role)]:
            refused += 1
            assert client.open(path, method=method, data={"csrf_token": token}).status_code == 403, (method, path)
    assert refused > 5
    assert client.get("/me").status_code == 200


def test_a_viewer_changes_nothing_but_themselves(room: Room) -> None:
    changing = {path for path, method, view in console_views(room) if method != "GET" and view.needs in LOOKS}
    assert {path for path in changing if not path.startswith("/me/")} <= {
        path for path in changing if "preview" in path or "start" in path
    }


def test_no_change_is_taken_without_the_token_of_its_form(room: Room) -> None:
    client = room.client()
    for path, method, _ in console_views(room):
        if method != "GET":
            assert client.open(path, method=method).status_code == 400, (method, path)


def invite(room: Room, client: Any, email: str = "new@example.org", role: str = "editor") -> str:
    answer = room.post(client, "/team/invitations", page="/team", email=email, role=role)
    found = re.search(r"/invitation/([\w-]+)", answer.text)
    assert found is not None, answer.text
    return found[1]


def test_who_is_invited_chooses_name_and_password_and_is_in(room: Room) -> None:
    owner = room.client()
    word = invite(room, owner)
    assert word not in owner.get("/team").text  # shown once
    assert "new@example.org" in owner.get("/team").text
    guest = room.stranger()
    path = f"/invitation/{word}"
    assert "invited as <b>editor</b>" in guest.get(path).text
    assert room.post(guest, path, name="New", password="short", again="short").status_code == 400
    assert room.post(guest, path, name="New", password=PASSWORD, again=PASSWORD).status_code == 303
    assert "<small>editor</small>" in guest.get("/me").text
    assert guest.get(path).status_code == 404
    assert "Nobody is invited now." in owner.get("/team").text
    (kept,) = [row for row in room.house.rows("console_user") if row.email == "new@example.org"]
    assert kept.role == "editor"


def test_the_word_of_an_invitation_is_not_kept(room: Room) -> None:
    word = invite(room, room.client())
    (row,) = room.house.rows("invitation")
    assert word not in repr(row)


def test_an_invitation_ends_when_it_is_taken_back_or_replaced_or_old(room: Room) -> None:
    owner, guest = room.client(), room.stranger()
    first = invite(room, owner)
    second = invite(room, owner)
    assert guest.get(f"/invitation/{first}").status_code == 404
    with time_machine.travel(now() + timedelta(days=8), tick=False):
        assert guest.get(f"/invitation/{second}").status_code == 404
    (row,) = room.house.rows("invitation")
    room.post(owner, f"/team/invitations/{row.id}/revoke", page="/team")
    assert guest.get(f"/invitation/{second}").status_code == 404
    actions = [each.action for each in _entries(room)]
    assert actions.count("user.invited") == 2
    assert "user.invitation_revoked" in actions


def test_an_invitation_says_what_is_wrong_with_it(room: Room) -> None:
    owner = room.client()
    for given, words in (
        ({"email": "nonsense", "role": "editor"}, "not an e-mail address"),
        ({"email": "owner@example.org", "role": "editor"}, "in the team already"),
        ({"email": "a@example.org", "role": "king"}, "Say what they may do."),
    ):
        answer = room.post(owner, "/team/invitations", page="/team", **given)
        assert answer.status_code == 400
        assert words in answer.text


def test_the_last_owner_stays_one_and_stays_in(room: Room) -> None:
    owner, id_ = room.client(), room.user().id
    room.user("admin")
    for path, form in (("role", {"role": "admin"}), ("active", {"active": "no"})):
        room.post(owner, f"/team/{id_}/{path}", page=f"/team/{id_}", **form)
        assert "The last owner stays" in owner.get(f"/team/{id_}").text
    second = room.add("second@example.org", "owner")
    room.post(owner, f"/team/{second.id}/active", page=f"/team/{id_}", active="no")
    room.post(owner, f"/team/{id_}/role", page=f"/team/{id_}", role="viewer")  # one who is disabled does not count
    with room.store.read() as tx:
        row = users.get(tx, id_)
    assert row is not None
    assert row.role == "owner"


def test_a_change_of_role_is_entered_with_ids_alone(room: Room) -> None:
    owner, other = room.client(), room.user("viewer")
    room.post(owner, f"/team/{other.id}/role", page=f"/team/{other.id}", role="editor")
    told = next(each for each in _entries(room) if each.action == "user.role_changed")
    assert (told.actor, told.object, told.words) == (room.user().id, other.id, "viewer to editor")
    assert not [each for each in _entries(room) if "@" in repr((each.object, each.words, each.details))]


def test_a_link_for_who_forgot_the_password_is_shown_once(room: Room) -> None:
    owner, other = room.client(), room.user("viewer")
    answer = room.post(owner, f"/team/{other.id}/link", page=f"/team/{other.id}")
    found = re.search(r"/sign-in/link/([\w-]+)", answer.text)
    assert found is not None
    assert team.linked(room.store, found[1]) is not None
    assert found[1] not in repr(_entries(room))
    team.set_active(room.store, other.id, active=False)
    assert "disabled" in room.post(owner, f"/team/{other.id}/link", page=f"/team/{other.id}").text


def test_who_is_not_there_is_missing(room: Room) -> None:
    owner = room.client()
    for path in ("/team/x", "/team/%00", "/team/" + "a" * 500):
        assert owner.get(path).status_code == 404
    for name in ("role", "active", "link", "second-factor/reset"):
        assert room.post(owner, f"/team/nobody/{name}", page="/team", role="viewer").status_code == 404


def test_what_people_call_themselves_is_not_taken_for_html(room: Room) -> None:
    evil = room.add("evil@example.org", "viewer", "<script>alert(1)</script>")
    owner = room.client()
    for path in ("/team", f"/team/{evil.id}", "/audit"):
        assert "<script>alert" not in owner.get(path).text


def _entries(room: Room) -> list[audit.Entry]:
    with room.store.read() as tx:
        return audit.listing(tx)


def test_who_may_not_is_told_so_in_words(room: Room) -> None:
    viewer = room.client("viewer")
    answer = viewer.get("/team", headers=HTML)
    assert answer.status_code == 403
    assert "not for your role" in answer.text
    old = viewer.post("/me/name", data={"csrf_token": "of-long-ago", "name": "x"}, headers=HTML)
    assert old.status_code == 400
    assert "This form is no longer good" in old.text
