"""Messages: how far they came, why not further, and what was said on the wire."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from connector.model import Part, Reason, State, new_id, now
from connector.store import audit, schema, templates
from connector.web.console.messages import curl
from tests.scene import CHANNEL, PHONE, SLOTS, START, TEMPLATE
from tests.web.console.room import Room
from tests.web.console.traffic import EVIL, Traffic, assert_plain, listed, read

SAID = {
    "method": "POST",
    "url": "https://graph.example/v26.0/1/messages",
    "type": "application/json",
    "request": json.dumps({"to": PHONE, "text": "Zoë's order"}, ensure_ascii=False),
    "request_size": 50,
    "status": 400,
    "answer_type": "application/json",
    "answer": '{"error":{"message":"(#131026) undeliverable","code":131026}}',
    "answer_size": 60,
}


def attempt(scene: Traffic, message: str, **given: Any) -> None:
    """Store one call of the channel with what was said."""
    values = {
        "id": new_id(), "message_id": message, "started_at": START, "ended_at": START + timedelta(milliseconds=93),
        "outcome": "permanent", "code": "131026", "words": "Undeliverable.", "exchange": [SAID],
    }  # fmt: skip
    with scene.store.write() as tx:
        tx.execute(insert(schema.attempt).values(values | given))


def test_the_funnel_counts_each_step(scene: Traffic, room: Room) -> None:
    for state in (State.READ, State.DELIVERED, State.SENT, State.WAITING):
        scene.message(state=state)
    scene.event()
    client = room.client("viewer")
    for window in ("", "?window=30d"):
        text = read(client, f"/messages{window}")
        assert re.findall(r'class="number">(\d+)<', text) == ["5", "4", "3", "2", "1"]


def test_a_stretch_of_time_leaves_out_what_is_older(scene: Traffic, room: Room) -> None:
    scene.message(at=now() - timedelta(days=3))
    client = room.client("viewer")
    assert "#1001" in read(client, "/messages")
    assert "#1001" not in read(client, "/messages?window=1d")
    assert "Show everything" in read(client, "/messages?window=1d")
    day = f"{now() - timedelta(days=3, hours=1):%Y-%m-%dT%H:%M}"
    assert "#1001" in read(client, f"/messages?from={day}")
    assert "#1001" not in read(client, f"/messages?to={day}")


def test_messages_are_filtered_by_everything_one_may_know_of_them(scene: Traffic, room: Room) -> None:
    person = scene.person()
    scene.message(label="#1", state=State.FAILED, reason="gave_up")
    scene.message(
        label="#2", mapping="order_shipped", at=START + timedelta(seconds=1), language="de", contact_id=person
    )
    client = room.client()

    def shown(query: str) -> list[str]:
        return listed(read(client, f"/messages?window=all&{query}"))

    assert shown("") == ["#2", "#1"]
    assert shown("state=failed") == ["#1"]
    assert shown("mapping=order_shipped") == ["#2"]
    assert shown("language=de&template=order_paid") == ["#2"]
    assert shown("reason=gave_up") == ["#1"]
    assert shown(f"person={person}") == ["#2"]
    assert shown("account=old-line") == ["#2", "#1"]
    assert shown("account=hotline") == []
    assert shown("to=%2B49+170+1234567") == ["#2", "#1"]
    assert shown("state=failed&mapping=order_shipped") == []
    assert shown("state=nonsense&before=%27&mapping=%00&from=x&reason=x&person=%00") == ["#2", "#1"]


def test_a_viewer_cannot_look_for_a_phone_and_is_told_so(scene: Traffic, room: Room) -> None:
    scene.message()
    text = read(room.client("viewer"), "/messages?to=%2B491701234567")
    assert "Your role does not see numbers" in text
    assert 'type="tel"' not in text


def test_older_messages_are_one_page_further(scene: Traffic, room: Room) -> None:
    client = room.client("viewer")
    for number in range(52):
        scene.message(label=f"#{number}")
    first = read(client, "/messages")
    older = re.search(r'href="(/messages\?before=[0-9a-z]{26})"', first)
    assert older is not None
    shown = re.findall(r'href="(/messages/[0-9a-z]{26})"', first + read(client, older[1]))
    assert len(shown) == len(set(shown)) == 52


def test_a_message_is_shown_as_on_the_phone_beside_its_trace(scene: Traffic, room: Room) -> None:
    id_ = scene.message()
    scene.receipt(id_, "read", billing={"billable": True, "category": "utility", "pricing_model": "PMP"})
    text = read(room.client(), f"/messages/{id_}")
    assert '<span class="bold">Zoë</span>' in text
    assert '<span class="italic">€ 59,90</span>' in text
    assert 'aria-label="read"' in text
    assert "View order" in text
    assert "Receipt: read" in text
    assert 'class="tone-ok depth-1"' in text
    assert "billable · utility · PMP" in text
    assert re.search(r'<time datetime="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z">', text)


def test_an_empty_slot_is_seen_in_the_bubble(scene: Traffic, room: Room) -> None:
    id_ = scene.message(slots={**SLOTS, "body.2": ""})
    text = read(room.client(), f"/messages/{id_}")
    assert re.search(r'class="italic hole" title="nothing stands here">\{\{2\}\}<', text)


def test_a_template_that_was_never_synced_says_how(scene: Traffic, room: Room) -> None:
    id_ = scene.message(template="gone")
    assert "was never synced" in read(room.client(), f"/messages/{id_}")


def test_a_cost_that_nobody_has_told_is_a_dash(scene: Traffic, room: Room) -> None:
    assert "said nothing of a price yet" in read(room.client(), f"/messages/{scene.message()}")


def test_a_refusal_says_its_cause_the_next_step_and_what_was_said_on_the_wire(scene: Traffic, room: Room) -> None:
    id_ = scene.message(state=State.FAILED, reason="refused", words="Undeliverable. Check the number.", code="131026")
    attempt(scene, id_)
    text = read(room.client(), f"/messages/{id_}")
    assert "The channel refused it: “Undeliverable. Check the number.” (code 131026)" in text
    assert "Attempt 1: permanent" in text
    assert "93 ms" in text
    assert "&#34;to&#34;: &#34;+491701234567&#34;" in text
    assert "Answered <span" in text
    assert "Authorization: Bearer $TOKEN" in text


def test_what_the_gate_stopped_is_grey_and_leads_to_whoever_can_mend_it(scene: Traffic, room: Room) -> None:
    contact = scene.person()
    id_ = scene.message(state=State.SKIPPED, reason=Reason.BLOCKED, words="The person is blocked.", contact_id=contact)
    text = read(room.client(), f"/messages/{id_}")
    assert 'class="cause cause-skip"' in text
    assert f'<a href="/people/{contact}">To the person</a>' in text


def test_a_viewer_sees_masks_on_the_phone_in_the_slots_and_on_the_wire(scene: Traffic, room: Room) -> None:
    slots, whom = {**SLOTS, "body.1": f"Zoë {PHONE}"}, scene.person(name="Zoë Q")
    id_ = scene.message(state=State.FAILED, words=f"{PHONE} is not there", slots=slots, contact_id=whom)
    attempt(scene, id_)
    text = read(room.client("viewer"), f"/messages/{id_}")
    assert "1701234567" not in text
    assert "Zoë" not in text
    assert "59,90" not in text
    assert "curl" not in text
    assert "Zoë" in read(room.client("editor"), f"/messages/{id_}")


def test_a_look_at_a_message_is_entered_in_the_audit_log_for_those_who_saw_a_person(scene: Traffic, room: Room) -> None:
    id_ = scene.message()
    read(room.client("viewer"), f"/messages/{id_}")
    read(room.client("editor"), f"/messages/{id_}")
    with room.store.read() as tx:
        seen = [entry.actor_name for entry in audit.listing(tx, action="person.seen", object_=f"/messages/{id_}")]
    assert seen == ["Editor Person"]


def test_a_command_for_the_shell_cannot_be_broken_out_of() -> None:
    said = SAID | {"request": "it's; rm -rf $HOME `id`", "url": "https://x.example/'; id"}
    told = curl(said)
    assert "'it'\"'\"'s; rm -rf $HOME `id`'" in told
    assert told.startswith("curl -X POST 'https://x.example/'\"'\"'; id'")


def test_a_file_holds_the_rows_behind_the_filter_and_no_formula(scene: Traffic, room: Room) -> None:
    scene.message(label="=1+1", state=State.FAILED)
    scene.message(label="#2")
    client = room.client()
    answer = client.get("/messages?state=failed&format=csv")
    assert answer.mimetype == "text/csv"
    rows = list(csv.DictReader(answer.text.lstrip("\ufeff").splitlines()))
    assert [(row["order"], row["to"], row["state"]) for row in rows] == [("'=1+1", f"'{PHONE}", "failed")]
    with room.store.read() as tx:
        (entry,) = audit.listing(tx, action="message.exported")
    assert (entry.details["rows"], entry.details["filters"]) == (1, ["state"])


def test_a_viewers_file_is_masked(scene: Traffic, room: Room) -> None:
    scene.message(label="for Zoë", words="Zoë is not there")
    text = room.client("viewer").get("/messages?format=csv").text
    assert "Zoë" not in text
    assert PHONE not in text


def test_whatever_vendors_and_people_write_is_text_and_nothing_else(scene: Traffic, room: Room) -> None:
    evil = f"{EVIL}\"'><img src=x onerror=alert(2)>"
    parts = (
        Part(kind="header", text=f"{evil} {{{{text}}}}", prefix="header"),
        Part(kind="body", text=f"*{evil}* {{{{1}}}} {{{{{2}}}}}", prefix="body"),
        Part(kind="footer", text=evil, prefix="footer"),
        Part(kind="button", text=f"{evil} → javascript:alert(3)", prefix="button.0"),
    )
    with scene.store.write() as tx:
        templates.upsert_all(tx, CHANNEL, [replace(TEMPLATE, name="evil", parts=parts)], now(), partial=True)
    id_ = scene.message(
        label=evil, template="evil", slots={"header.text": evil, "body.1": evil, evil: evil}, words=evil, mapping=evil
    )
    scene.receipt(id_, "failed", words=evil, code=evil, advice=evil, billing={"category": evil})
    attempt(scene, id_, words=evil, exchange=[SAID | {"request": evil, "answer": evil, "url": evil, "method": evil}])
    client = room.client()
    for path in ("/messages", f"/messages/{id_}", f"/messages?mapping={evil}", f"/messages?to={evil}"):
        assert_plain(read(client, path), path)
    assert "&lt;script&gt;" in read(client, f"/messages/{id_}")


@pytest.mark.parametrize("id_", ["0" * 26, "x", "%27", "%00"])
def test_what_is_not_there_is_told_so(room: Room, id_: str) -> None:
    assert "There is no such message" in read(room.client("viewer"), f"/messages/{id_}", 404)


@pytest.mark.parametrize("query", ["", "?state=failed", "?window=1h", "?q=" + "a" * 5000])
def test_an_empty_page_teaches_what_to_do(room: Room, query: str) -> None:
    assert 'class="empty"' in read(room.client("viewer"), f"/messages{query}")
