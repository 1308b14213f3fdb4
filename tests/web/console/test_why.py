"""Why did, or didn't, they get it? One page that answers from whatever is at hand."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from connector.model import ConsentState, Purpose, Reason, State
from tests.scene import PHONE, START
from tests.web.console.room import Room
from tests.web.console.test_events import order
from tests.web.console.traffic import EVIL, Traffic, assert_plain, read

OTHER = "+447400123456"


def gates(text: str) -> list[tuple[str, str]]:
    found = re.findall(r'gate-name">([^<]*)</span><span class="gate-verdict">([^<]*)', text)
    return [(name, verdict) for name, verdict in found]


@pytest.mark.parametrize("term", ["1001", "%231001", "%2B49%20170%201234567", "01701234567", "zoe@example.org"])
def test_orders_and_people_lead_to_every_gate(scene: Traffic, room: Room, term: str) -> None:
    contact = scene.person(email="zoe@example.org")
    event = scene.event()
    scene.skip(event)
    scene.message(event, mapping="order_shipped", contact_id=contact)
    text = read(room.client(), f"/why?q={term}")
    told = {
        mapping: gates(chain) for mapping, chain in re.findall(r'/mappings/(\w+)">.*?(<ol.*?</ol>)', text, re.DOTALL)
    }
    assert told == {
        "order_paid": [("conditions", "passed"), ("recipient", "passed"), ("agreement", "stopped")],
        "order_shipped": [("conditions", "passed"), ("recipient", "passed"), ("the channel", "read")],
    }
    assert "Nothing says that the person agreed to this purpose." in text
    assert f'href="/people/{contact}"' in text


def test_of_several_decisions_those_made_later_say_when(scene: Traffic, room: Room) -> None:
    event = scene.event()
    scene.skip(event)
    scene.skip(event, at=START + timedelta(hours=2))
    text = read(room.client(), "/why?q=1001")
    assert text.count(", decided <time") == 1


def test_a_message_leads_to_the_whole_answer(scene: Traffic, room: Room) -> None:
    id_ = scene.message()
    assert f'href="/why?q={id_}"' in read(room.client("viewer"), f"/messages/{id_}")
    assert gates(read(room.client("viewer"), f"/why?q={id_}"))


def test_ids_of_every_kind_are_answered(scene: Traffic, room: Room) -> None:
    id_ = scene.message()
    event = scene.event("#7")
    scene.skip(event)
    client = room.client("viewer")
    for term in (id_, f"wamid.{id_}", event):
        assert gates(read(client, f"/why?q={term}")), term
    number = scene.request(state="unreadable", words="The body is not JSON.")
    assert client.get(f"/why?q=request%20{number}").location == f"/requests/{number}"


def test_what_the_last_gate_stopped_held_or_the_channel_refused_is_told(scene: Traffic, room: Room) -> None:
    scene.message(label="#1", state=State.SKIPPED, reason=Reason.REVOKED, words="They wrote STOP.")
    scene.message(label="#2", state=State.WAITING, reason="quiet_hours", words="Held: it is night.")
    scene.message(label="#3", state=State.FAILED, reason="refused", words="Not there.")
    client = room.client()
    assert gates(read(client, "/why?q=1"))[-1] == ("before sending", "stopped")
    assert gates(read(client, "/why?q=2"))[-1] == ("before sending", "held")
    text = read(client, "/why?q=3")
    assert gates(text)[-1] == ("the channel", "refused")
    assert "gate-fail" in text


def test_several_people_are_offered_for_choosing(scene: Traffic, room: Room) -> None:
    first, second = scene.person(name="Zoë M"), scene.person(OTHER, name="Zoë N")
    text = read(room.client(), "/why?q=zo%C3%AB")
    assert "Whom do you mean?" in text
    assert f"/people/{first}" in text
    assert f"/people/{second}" in text


def test_a_viewer_asks_by_orders_and_ids_alone(scene: Traffic, room: Room) -> None:
    contact = scene.person(name="Zoë", email="zoe@example.org")
    scene.message(contact_id=contact)
    client = room.client("viewer")
    for term in (PHONE.replace("+", "%2B"), "zoe@example.org", "Zo%C3%AB"):
        text = read(client, f"/why?q={term}")
        assert "Your role does not see names and numbers" in text
        assert gates(text) == []
    text = read(client, "/why?q=1001")
    assert gates(text)
    for private in ("Zoë", "1701234567", "zoe@", "59,90"):
        assert private not in text


def test_it_tells_what_would_be_decided_if_it_came_now(room: Room) -> None:
    event = order(room)
    client = room.client()
    assert "No mapping in force listens to it." in read(client, f"/why?q={event}&now={event}")
    room.house.know_templates()
    room.house.publish("order_paid")
    text = read(client, f"/why?q=%231042&now={event}")
    assert "would be sent" in text, re.findall(r'class="chain.*?</article>', text, re.DOTALL)
    assert ("gate", "passed") in gates(text)
    assert room.house.rows("message") == []
    assert room.house.rows("decision") == []


def test_what_would_be_decided_heeds_where_the_person_stands_now(scene: Traffic, room: Room) -> None:
    event = order(room)
    contact = scene.person(OTHER)
    scene.entry(contact, ConsentState.REVOKED, Purpose.UTILITY)
    room.house.know_templates()
    room.house.publish("order_paid")
    text = read(room.client(), f"/why?q={event}&now={event}")
    assert "would be skipped: revoked" in text
    assert ("consent", "stopped") in gates(text)


def test_nothing_found_teaches_where_to_look(scene: Traffic, room: Room) -> None:
    scene.message()
    text = read(room.client(), "/why?q=%231002")
    assert "Nothing is known of that" in text
    assert "labels of orders" in text
    assert 'href="/why?q=%231001"' in text
    assert "/events?verdict=none" in text


def test_who_is_in_a_payload_alone_is_found_there(scene: Traffic, room: Room) -> None:
    event = order(room)
    other = order(room, id=7, admin_graphql_api_id="", name="#7", email="bob@example.org", customer={"id": 8})
    for term in ("Änn", "ann@example.org"):
        text = room.client().get("/why", query_string={"q": term}).text
        assert "It stands inside what was received" in text
        assert f'href="/why?q={event}"' in text
        assert other not in text
        assert "Nothing is known of that" not in text
    for term in ("nobody@example.org", "Än"):  # two letters stand in every payload
        assert "Nothing is known of that" in room.client().get("/why", query_string={"q": term}).text
    assert event not in room.client("viewer").get("/why", query_string={"q": "Änn"}).text


def test_a_person_without_events_says_what_that_means(scene: Traffic, room: Room) -> None:
    contact = scene.person()
    assert "No event is stored about this person" in read(room.client(), f"/why?q={contact}")


def test_an_event_that_nobody_listened_to_says_so(scene: Traffic, room: Room) -> None:
    event = scene.event(type_="order.updated")
    assert "No published mapping listens to order.updated." in read(room.client("viewer"), f"/why?q={event}")


def test_an_empty_question_shows_what_one_may_want_to_ask(scene: Traffic, room: Room) -> None:
    scene.skip(scene.event("#7"))
    text = read(room.client("viewer"), "/why")
    assert "One page answers" in text
    assert "#7" in text


def test_whatever_is_asked_is_text_and_nothing_else(scene: Traffic, room: Room) -> None:
    evil = f"{EVIL}\"'><img src=x onerror=alert(2)>"
    event = scene.event(evil, subject=evil)
    scene.skip(event, words=evil, steps=[[evil, False, evil]], mapping=evil)
    client = room.client()
    for query in ({"q": evil}, {"q": event, "now": event}, {"q": event, "now": evil}):
        assert_plain(client.get("/why", query_string=query).text)
