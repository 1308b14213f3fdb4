"""Today: calm where all is well, and where it is not, what is wrong with the next step."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import update

from connector.flow import rollup, today
from connector.model import State, now
from connector.store import accounts, mappings, schema, templates
from connector.store.mappings import TemplateUse
from connector.store.schema import wanted
from tests.scene import CHANNEL, PHONE, TEMPLATE
from tests.web.console.room import Room
from tests.web.console.traffic import Traffic, read


@pytest.fixture(autouse=True)
def _bell(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue answers, and no job has failed."""
    monkeypatch.setattr(type(room.tools.queue), "failures", lambda _self: 0)


def needs(room: Room) -> dict[str, today.Need]:
    """What needs somebody, by kind."""
    engine = today.Engine(queue_answers=True, failed_jobs=0)
    with room.store.read() as tx:
        return {need.kind: need for need in today.needs(tx, room.tools.directory.listeners(), engine)}


def test_where_all_is_well_nothing_needs_you(room: Room, scene: Traffic) -> None:
    scene.message(at=now())
    rollup.roll_up(room.store)
    page = read(room.client(), "/")

    assert "Nothing needs you" in page
    assert 'class="need ' not in page
    assert "Nothing is held" in page


def test_a_fresh_installation_teaches_the_first_steps(room: Room) -> None:
    page = read(room.client(), "/")
    assert "No message has been planned yet" in page
    assert "/start" in page


def test_the_last_message_stands_in_a_phone_masked_for_those_who_may_not_see_people(room: Room, scene: Traffic) -> None:
    scene.message(at=now())
    assert "Zoë" in read(room.client("editor"), "/")

    page = read(room.client("viewer"), "/")
    assert 'class="tel-bubble"' in page
    assert "Zoë" not in page
    assert PHONE not in page


def test_the_funnel_is_todays_and_its_figures_lead_to_rows(room: Room, scene: Traffic) -> None:
    with time_machine.travel(now().replace(hour=15, minute=5)):
        scene.message(at=now() - timedelta(hours=1))
        scene.message(at=now() - timedelta(hours=20))
        rollup.roll_up(room.store)
        client = room.client()
        page = read(client, "/")
        funnel = page[page.index("Since midnight") : page.index("Latest messages")]
        told = dict(re.findall(r'<a class="figure" href="([^"]+)"[^>]*>(\d+)</a>', funnel))
        assert set(told.values()) == {"1"}
        href = next(href for href in told if "reached=read" in href).replace("&amp;", "&")
        assert read(client, href).count('class="row-link"') == 1


def test_failed_messages_are_told_by_cause_with_their_number(room: Room, scene: Traffic) -> None:
    at = now() - timedelta(minutes=50)
    for _ in range(3):
        scene.message(at=at, state=State.FAILED, code="131026", words="Message undeliverable.")
    scene.message(at=at, state=State.FAILED, code="131026", trial=True)
    rollup.roll_up(room.store)
    need = needs(room)["failed"]
    assert (need.title, need.words) == ("3 messages have failed: code 131026", "Message undeliverable.")

    client = room.client()
    page = read(client, "/")
    assert "1 thing needs you" in page
    assert read(client, need.href).count('class="row-link"') == 3


def test_a_suspended_account_comes_first(room: Room, scene: Traffic) -> None:
    with room.store.write() as tx:
        accounts.suspend(tx, CHANNEL, "The token was refused.", now())
    scene.request(state="unreadable")
    page = read(room.client(), "/")

    assert page.index("old-line is suspended") < page.index("could not be read")
    assert "The token was refused." in page
    assert 'href="/accounts/old-line"' in page


def test_unreadable_requests_and_refused_write_backs_are_told(room: Room, scene: Traffic) -> None:
    scene.request(state="unreadable")
    values: dict[str, Any] = {
        "account_id": CHANNEL, "object": "customer", "record_id": "5", "field": "tags", "item": "vip",
        "state": "failed", "version": 1, "not_before": now(), "wanted_at": now(), "words": "No such field.",
        "written": "[]",
    }  # fmt: skip
    with room.store.write() as tx:
        tx.execute(wanted.insert().values(values))
    found = needs(room)

    assert found["requests"].title == "1 request could not be read"
    assert (found["write_back"].title, found["write_back"].words) == (
        "1 field could not be written to old-line",
        "No such field.",
    )


def test_a_queue_that_is_away_and_a_clock_that_stands_are_told(room: Room, scene: Traffic) -> None:
    scene.message(at=now())
    rollup.roll_up(room.store)
    with room.store.read() as tx:
        assert today.needs(tx, [], today.Engine(queue_answers=True, failed_jobs=0)) == []
        (need,) = today.needs(tx, [], today.Engine(queue_answers=False, failed_jobs=0))
        assert "queue does not answer" in need.title
        (need,) = today.needs(tx, [], today.Engine(queue_answers=True, failed_jobs=2))
        assert need.title == "2 jobs have ended in a fault"
    with time_machine.travel(now() + timedelta(hours=1)), room.store.read() as tx:
        (need,) = today.needs(tx, [], today.Engine(queue_answers=True, failed_jobs=0))
        assert "stand still" in need.title


def test_what_is_held_says_why_how_much_and_until_when(room: Room, scene: Traffic) -> None:
    later = now() + timedelta(hours=3)
    for reason, until in (("quiet_hours", later), ("quiet_hours", later), ("", later), ("", now())):
        scene.message(at=now(), state=State.WAITING, reason=reason, not_before=until)
    with room.store.read() as tx:
        told = {item.title: (item.number, item.due, item.until) for item in today.waits(tx)}
    moment = told["Quiet hours"][2]
    assert moment is not None
    assert abs(moment - later) < timedelta(milliseconds=1)
    assert told == {"Quiet hours": (2, 0, moment), "Planned for later": (2, 1, moment)}

    page = read(room.client(), "/")
    assert "leaves by itself when they end" in page
    assert "1 due now" in page


def test_a_template_that_is_paused_is_told_on_the_mapping_that_uses_it(room: Room, scene: Traffic) -> None:
    with room.store.read() as tx:
        before = templates.get(tx, CHANNEL, TEMPLATE.name, "en")
    assert before is not None
    with room.store.write() as tx:
        use = TemplateUse(CHANNEL, TEMPLATE.name, "en", before.fingerprint)
        mappings.save_draft(tx, "order_paid", "title = 'x'", now())
        mappings.publish(tx, "order_paid", "title = 'x'", [use], at=now())
        tx.execute(update(schema.template).where(schema.template.c.account_id == CHANNEL).values(status="paused"))
    need = needs(room)["mapping"]

    assert need.title == "order_paid: its template is paused"
    assert need.href == "/mappings/order_paid"


def test_nothing_on_the_page_is_inline(room: Room, scene: Traffic) -> None:
    scene.message(at=now())
    page = read(room.client(), "/")
    assert " style=" not in page
    assert not re.search(r"\son\w+=", page)
