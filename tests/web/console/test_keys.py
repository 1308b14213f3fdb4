"""API keys in the console: made by owners, shown once."""

from __future__ import annotations

import re

from connector.flow import keys
from connector.store import audit
from tests.web.console.room import Room

HTML = {"Accept": "text/html"}
MADE = {"name": "Order desk", "scope": ["look", "send"], "lasts": "90"}


def test_an_owner_makes_a_key_that_works_and_is_shown_once(room: Room) -> None:
    client = room.client()
    page = room.post(client, "/keys", **MADE)

    (token,) = set(re.findall(r"wck_[0-9a-z]{26}_[\w-]{43}", page.text))
    found = keys.recognise(room.store, token)
    assert found is not None
    assert sorted(found.scopes) == ["look", "send"]
    assert found.expires_at is not None
    listed = client.get("/keys", headers=HTML).text
    assert token not in listed
    assert "Order desk" in listed
    with room.store.read() as tx:
        (entry,) = audit.listing(tx, action="key.")
    assert (entry.action, entry.object) == ("key.made", found.id)
    assert token.split("_", 2)[2] not in str(entry)  # the secret may hold underscores of its own


def test_a_key_is_revoked_and_stays_listed(room: Room) -> None:
    client = room.client()
    room.post(client, "/keys", **MADE)
    (row,) = keys.list_all(room.store)

    answer = room.post(client, f"/keys/{row.id}/revoke", page="/keys")

    assert answer.status_code == 303
    assert "revoked" in client.get("/keys", headers=HTML).text
    assert keys.list_all(room.store)[0].revoked_at is not None
    assert room.post(client, f"/keys/{row.id}/revoke", page="/keys").status_code == 404


def test_what_is_wrong_is_said_and_what_was_given_stays(room: Room) -> None:
    client = room.client()
    page = room.post(client, "/keys", name="Order desk", lasts="90")

    assert page.status_code == 400
    assert "choose at least one" in page.text
    assert 'value="Order desk"' in page.text
    assert keys.list_all(room.store) == []


def test_only_owners_open_the_page(room: Room) -> None:
    for role in ("admin", "editor", "viewer"):
        assert room.client(role).get("/keys", headers=HTML).status_code == 403
