"""Requests: everything that was received, with what came of it."""

from __future__ import annotations

import pytest

from connector.store.inbox import ERASED
from tests.scene import PHONE
from tests.web.console.room import Room
from tests.web.console.test_events import ORDER, order
from tests.web.console.traffic import EVIL, Traffic, assert_plain, listed, read


def test_what_produced_nothing_comes_first_in_grey_or_red(scene: Traffic, room: Room) -> None:
    scene.request(state="ignored", words="Nobody asked for carts.")
    number = scene.request(state="unreadable", words="The body is not JSON.")
    scene.request(state="done")
    text = read(room.client("viewer"), "/requests")
    assert len(listed(text)) == 2
    assert 'class="end end-skip">ignored topic: Nobody asked for carts.' in text
    assert 'class="end end-fail">unreadable: The body is not JSON.' in text
    assert listed(read(room.client("viewer"), "/requests?state=unreadable")) == [str(number)]


def test_the_lines_of_a_long_topic_end_between_its_parts(scene: Traffic, room: Room) -> None:
    scene.request(state="ignored", topic="customers_marketing_consent/update", words="<b>customers_marketing_consent/")
    text = read(room.client(), "/requests")
    assert "customers_<wbr>marketing_<wbr>consent/<wbr>update" in text
    assert "<b>" not in text.partition("<tbody>")[2].partition("</tbody>")[0]


def test_every_request_says_what_came_of_it(scene: Traffic, room: Room) -> None:
    scene.message()
    scene.reply()
    scene.request(words=ERASED, state="done")
    order(room)
    again = {**ORDER, "created_at": room.house.rows("event")[-1].occurred_at.isoformat()}
    again |= {"updated_at": again["created_at"], "processed_at": again["created_at"]}
    assert room.house.post(again, X_Shopify_Webhook_Id="another-delivery").status_code == 200
    room.house.decide()
    text = read(room.client("viewer"), "/requests?state=all")
    for words in ("message by order_paid", "a reply", "emptied when a person was erased", "no mapping listens"):
        assert words in text
    assert "a duplicate: known already, swallowed" in text


def test_what_could_not_be_read_is_counted_everywhere_and_read_again_from_here(scene: Traffic, room: Room) -> None:
    client = room.client()
    assert 'class="count"' not in read(client, "/messages")
    scene.request(state="unreadable", words="The body is not JSON.")
    assert 'class="count">1<' in read(client, "/messages")
    assert "Read again (1)" in read(client, "/requests")
    assert "Read again" not in read(room.client("viewer"), "/requests")


def test_a_request_shows_its_bytes_as_far_as_who_looks_may_see_them(scene: Traffic, room: Room) -> None:
    number = scene.request(state="unreadable", words="No order.", body=f"<xml>{PHONE}</xml>".encode())
    assert PHONE in read(room.client("editor"), f"/requests/{number}")
    text = read(room.client("viewer"), f"/requests/{number}")
    assert "1701234567" not in text
    assert "nobody can tell what in it is personal" in text
    assert room.client("viewer").get(f"/requests/{number}/raw").status_code == 403
    assert room.client("editor").get(f"/requests/{number}/raw").data == f"<xml>{PHONE}</xml>".encode()


def test_what_was_emptied_is_not_handed_out(scene: Traffic, room: Room) -> None:
    number = scene.request(words=ERASED)
    assert "The bytes are gone" in read(room.client(), f"/requests/{number}/raw", 410)


def test_requests_are_searched_inside_whatever_became_of_them(scene: Traffic, room: Room) -> None:
    number = scene.request(state="ignored", body=b'{"cart": "Zo\\u00eb"}')
    scene.request(state="ignored", body=b"{}")
    assert listed(read(room.client(), "/requests?q=cart:zo%C3%AB")) == [str(number)]
    assert len(listed(read(room.client("viewer"), "/requests?q=cart:zo%C3%AB"))) == 2


@pytest.mark.parametrize("path", ["/requests/0", f"/requests/{2**63}", f"/requests/{'9' * 40}/raw"])
def test_what_is_not_there_is_told_so(room: Room, path: str) -> None:
    assert "There is no such request" in read(room.client(), path, 404)


def test_whatever_a_vendor_sends_is_text_and_nothing_else(scene: Traffic, room: Room) -> None:
    evil = f"{EVIL}\"'><img src=x onerror=alert(2)>"
    number = scene.request(state="unreadable", words=evil, topic=evil, key=evil, body=evil.encode())
    for path in ("/requests", f"/requests/{number}", f"/requests?q={evil}&topic={evil}"):
        assert_plain(read(room.client(), path), path)


@pytest.mark.parametrize("query", ["", "?state=new", "?state=x&before=y&deeper=%27"])
def test_an_empty_page_says_that_nothing_was_left_over(room: Room, query: str) -> None:
    assert 'class="empty"' in read(room.client("viewer"), f"/requests{query}")
