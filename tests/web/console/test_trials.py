"""The page of test sends: a list of numbers that admins keep, and a draft that goes to one of them."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from connector.flow import publish, templates, trial
from connector.store import audit, schema, test_numbers
from tests.web.conftest import RECIPES
from tests.web.console.room import Room

NAME = "shopify/order_paid"
SOURCE = (RECIPES / "order_paid.toml").read_text("utf-8")
HTML = {"Accept": "text/html"}
MINE = "+4915112345678"


@pytest.fixture
def shop(room: Room) -> Room:
    adapter = room.tools.registry.get("whatsapp")
    templates.take(room.store, room.house.number, templates.read(adapter, (RECIPES / "templates.json").read_bytes()))
    publish.save(room.store, NAME, SOURCE)
    return room


def _order(room: Room) -> str:
    topic = next(each for each in room.tools.registry.get("shopify").topics if each.event == "order.paid")
    room.house.post(json.loads(json.dumps(topic.sample(), default=str)))
    room.house.decide()
    with room.store.read() as tx:
        return str(tx.execute(select(schema.event.c.id)).scalars().one())


def _allow(room: Room, role: str = "admin", **form: str) -> str:
    client = room.client(role)
    given = {"phone": MINE, "name": "Ada's phone", "mine": "yes", "back": NAME} | form
    answer = room.post(client, "/test-numbers", page=f"/mappings/{NAME}/test", **given)
    assert answer.status_code == 303
    return str(client.get(answer.location, headers=HTML).text)


def _numbers(room: Room) -> list[str]:
    with room.store.read() as tx:
        return [number.phone for number in test_numbers.all_(tx)]


def _messages(room: Room) -> list[tuple[str, bool]]:
    with room.store.read() as tx:
        rows = tx.execute(select(schema.message.c.recipient, schema.message.c.trial))
        return [(row.recipient, row.trial) for row in rows]


def test_an_admin_keeps_the_list_of_test_numbers(shop: Room) -> None:
    page = _allow(shop)
    assert "Ada&#39;s phone may get test messages now." in page
    assert _numbers(shop) == [MINE]
    with shop.store.read() as tx:
        (entry,) = audit.listing(tx, action="test_number.added")
    assert MINE not in entry.words

    shop.post(shop.client("admin"), "/test-numbers/remove", page=f"/mappings/{NAME}/test", to="0", back=NAME)
    assert _numbers(shop) == []


def test_a_number_is_put_on_the_list_only_with_its_owners_word(shop: Room) -> None:
    assert "owner agrees" in _allow(shop, mine="")
    assert "with its country" in _allow(shop, phone="01511 2345678")
    assert _numbers(shop) == []


def test_editors_keep_no_list(shop: Room) -> None:
    client = shop.client("editor")
    page = client.get(f"/mappings/{NAME}/test", headers=HTML).text
    assert "Put it on the list" not in page
    assert "that an admin keeps" in page
    answer = shop.post(client, "/test-numbers", page="/mappings/import", phone=MINE, name="x", mine="yes")
    assert answer.status_code == 403


def test_before_any_event_came_a_test_is_sent_with_the_sample(shop: Room) -> None:
    _allow(shop)
    editor = shop.client("editor")
    assert "no such event came yet" in editor.get(f"/mappings/{NAME}/test", headers=HTML).text

    answer = shop.post(editor, f"/mappings/{NAME}/test", event="sample", to="0")
    assert answer.status_code == 303, answer.text
    assert _messages(shop) == [(MINE, True)]
    assert editor.get(answer.location, headers=HTML).status_code == 200


def test_a_draft_is_sent_to_a_number_of_the_list(shop: Room) -> None:
    _allow(shop)
    event = _order(shop)
    client = shop.client("editor")
    answer = shop.post(client, f"/mappings/{NAME}/test", event=event, to="0")
    assert answer.status_code == 303, answer.text
    assert _messages(shop) == [(MINE, True)]
    page = client.get(answer.location, headers=HTML).text
    assert "test message" in page
    assert "a test of the draft" in page
    assert "version 0" not in page
    with shop.store.read() as tx:
        assert [entry.object for entry in audit.listing(tx, action="mapping.test_sent")] == [NAME]
    assert "This draft has been sent to a test number." in client.get(f"/mappings/{NAME}", headers=HTML).text


@pytest.mark.parametrize("to", ["1", "-1", "", MINE])
def test_nothing_is_sent_to_a_number_that_is_not_on_the_list(shop: Room, to: str) -> None:
    _allow(shop)
    event = _order(shop)
    answer = shop.post(shop.client("editor"), f"/mappings/{NAME}/test", event=event, to=to)
    assert answer.status_code == 422
    assert "list of test numbers" in answer.text
    assert _messages(shop) == []


def test_viewers_see_the_ends_of_numbers_and_send_nothing(shop: Room) -> None:
    trial.allow(shop.store, MINE, "Ada's phone", "Ada")
    _order(shop)
    page = shop.client("viewer").get(f"/mappings/{NAME}/test", headers=HTML).text
    assert MINE not in page
    assert "Send the test" not in page
