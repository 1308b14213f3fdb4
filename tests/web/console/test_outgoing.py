"""Webhooks out in the console: endpoints, deliveries, and every attempt."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from connector.flow import outgoing
from connector.flow.outgoing import Courier
from connector.store import audit
from connector.store import outgoing as rows
from tests.flow.test_outgoing import Ear
from tests.web.console.room import Room

HTML = {"Accept": "text/html"}


@pytest.fixture
def ear() -> Iterator[Ear]:
    made = Ear()
    yield made
    made.close()


def add(room: Room, ear: Ear) -> tuple[str, str]:
    page = room.post(room.client(), "/outgoing", url=ear.url, words="Order desk", type=["message.read"])
    assert page.status_code == 200, page.text
    (secret,) = set(re.findall(r"whsec_[A-Za-z0-9+/=]{32}", page.text))
    with room.store.read() as tx:
        return rows.all_(tx)[-1].id, secret


def carry(room: Room) -> None:
    Courier(room.store, room.tools.vault, owner="test", loopback=True).run()


def test_an_endpoint_is_added_tested_and_its_attempt_shown(room: Room, ear: Ear) -> None:
    id_, secret = add(room, ear)
    client = room.client()
    answer = room.post(client, f"/outgoing/{id_}/test", page=f"/outgoing/{id_}")
    carry(room)

    page = client.get(answer.headers["Location"], headers=HTML).text
    assert "taken with 200" in page
    assert "thanks" in page
    assert "endpoint.test" in client.get(f"/outgoing/{id_}", headers=HTML).text
    assert secret not in page + client.get(f"/outgoing/{id_}", headers=HTML).text
    assert "Order desk" in client.get("/outgoing", headers=HTML).text
    with room.store.read() as tx:
        assert [entry.action for entry in audit.listing(tx, action="outgoing.")] == [
            "outgoing.tested", "outgoing.added"
        ]  # fmt: skip


def test_a_failed_delivery_is_sent_again_by_hand(room: Room, ear: Ear) -> None:
    id_, _ = add(room, ear)
    client = room.client()
    outgoing.test(room.store, id_)
    ear.answers = [(500, b"<b>down</b>")]
    carry(room)
    with room.store.write() as tx:
        tx.exec_driver_sql("UPDATE delivery SET state = 'failed'")
    page = client.get(f"/outgoing/{id_}?state=failed", headers=HTML).text
    assert "endpoint.test" in page

    room.post(client, f"/outgoing/{id_}/redeliver", page=f"/outgoing/{id_}", since="1")
    carry(room)

    assert len(ear.heard) == 2
    with room.store.read() as tx:
        (row,) = rows.listing(tx)
    page = client.get(f"/deliveries/{row.id}", headers=HTML).text
    assert "&lt;b&gt;down&lt;/b&gt;" in page
    assert room.post(client, f"/deliveries/{row.id}/redeliver", page=f"/deliveries/{row.id}").status_code == 303
    carry(room)
    assert len(ear.heard) == 3


def test_an_endpoint_is_changed_rotated_and_removed(room: Room, ear: Ear) -> None:
    id_, secret = add(room, ear)
    client, path = room.client(), f"/outgoing/{id_}"
    room.post(client, path, url=ear.url, type=["label.changed"], personal="yes")
    page = room.post(client, f"{path}/secret", page=path)
    assert secret not in page.text
    assert "whsec_" in page.text
    room.post(client, f"{path}/secret", page=path, do="retire")
    room.post(client, path, do="switch_off")
    with room.store.read() as tx:
        row = rows.get(tx, id_)
    assert row is not None
    assert (row.types, row.with_personal_data, row.active) == (("label.changed",), True, False)
    assert "switched off" in client.get(path, headers=HTML).text
    assert room.post(client, f"{path}/remove", page=path).status_code == 303
    assert client.get(path, headers=HTML).status_code == 404


def test_a_wrong_address_is_said_and_what_was_given_stays(room: Room) -> None:
    page = room.post(room.client(), "/outgoing", url="https://10.0.0.1/x", type=["message.read"], words="Desk")
    assert page.status_code == 400
    assert "public network" in page.text
    assert 'value="Desk"' in page.text


def test_only_who_may_edit_accounts_opens_the_pages(room: Room) -> None:
    for role in ("editor", "viewer"):
        assert room.client(role).get("/outgoing", headers=HTML).status_code == 403
    assert room.client("admin").get("/outgoing", headers=HTML).status_code == 200
