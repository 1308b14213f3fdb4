"""Every number on a page is the number of rows that it leads to."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from flask.testing import FlaskClient

from connector.flow import rollup
from connector.model import State, now
from connector.store import counts
from tests.web.console.room import Room
from tests.web.console.traffic import Traffic, read

CHIP = re.compile(r'<a class="chip[^"]*" href="([^"]+)"[^>]*>([^<]+) <b>([\d,]+)</b></a>')
STEP = re.compile(r'<dt>([^<]+)</dt>\s*<dd><a href="([^"]+)" class="number">([\d,]+)</a>')
ROW = re.compile(r'class="row-link"')


def rows_at(client: FlaskClient, href: str) -> int:
    """How many rows an address of a page leads to."""
    return len(ROW.findall(read(client, unescape(href))))


@pytest.fixture(name="crowded")
def messages_of_every_kind(scene: Traffic) -> Traffic:
    """Messages in every state, tests, an answer in free words, old ones, and events without any."""
    at = now() - timedelta(minutes=30)
    person = scene.person()
    for number, state in enumerate(State):
        scene.message(at=at, state=state, label=f"#{number}", contact_id=person if number % 2 else None)
    scene.message(at=at, state=State.FAILED, reason="refused", code="131026", mapping="cart")
    scene.message(at=at, state=State.FAILED, reason="refused", mapping="cart")
    scene.message(at=at, state=State.WAITING, reason="quiet_hours", not_before=now() + timedelta(hours=3))
    scene.message(at=at, state=State.WAITING, not_before=now() + timedelta(hours=3))
    for state in (State.READ, State.FAILED, State.WAITING):
        scene.message(at=at, state=state, trial=True, contact_id=person)
    scene.message(at=at, template="", language="", mapping="")
    scene.message(at=now() - timedelta(days=20))
    scene.skip(scene.event("#s", at=at), at=at)
    scene.event("#n", at=at)
    return scene


@pytest.mark.usefixtures("crowded")
@pytest.mark.parametrize(
    "query", ["", "?window=30d", "?window=all", "?mapping=cart", "?state=failed", "?tests=1", "?account=old-line",
              "?reason=refused", "?word=refused", "?word=none", "?reached=delivered", "?language=en",
              "?from=2026-01-01T00:00", "?from=2026-01-01T00:00&to=2999-01-01T00:00", "?tests=1&state=read"],
)  # fmt: skip
def test_the_number_of_every_chip_is_the_number_of_rows_it_opens(room: Room, query: str) -> None:
    client = room.client("viewer")
    chips = CHIP.findall(read(client, f"/messages{query}"))
    assert len(chips) > 1
    for href, words, number in chips:
        assert rows_at(client, href) == int(number), words
    assert "All" in {words for _, words, _ in chips}


@pytest.mark.usefixtures("crowded")
def test_test_messages_are_shown_where_they_are_asked_for_and_counted_nowhere_else(room: Room) -> None:
    client = room.client("viewer")
    told = {words: int(number) for _, words, number in CHIP.findall(read(client, "/messages"))}
    assert told["Tests"] == 3
    assert told["All"] == len(State) + 5
    assert len(ROW.findall(read(client, "/messages"))) == told["All"]
    assert len(ROW.findall(read(client, "/messages?tests=1"))) == 3
    assert len(read(client, "/messages?tests=1&format=csv").splitlines()) == 4


@pytest.mark.usefixtures("crowded")
@pytest.mark.parametrize("query", ["", "?window=all", "?mapping=cart", "?mapping=cart&window=30d"])
def test_every_step_of_the_funnel_leads_to_what_came_so_far(room: Room, query: str) -> None:
    client = room.client("viewer")
    steps = STEP.findall(read(client, f"/messages{query}"))
    assert len(steps) == 5
    for words, href, number in steps:
        assert rows_at(client, href) == int(number), words


@pytest.mark.usefixtures("crowded")
def test_what_fails_and_what_is_held_today_leads_to_as_many_messages(room: Room) -> None:
    rollup.roll_up(room.store)
    client = room.client()
    page = read(client, "/")
    failing = re.findall(r'href="(/messages\?[^"]+)" aria-label="[^"]*?(\d+) messages? ha', page)
    held = re.findall(r'href="(/messages\?state=waiting[^"]+)"[^>]*>(\d+)<', page)
    assert [number for _, number in failing] == ["1", "1", "1"]  # by code, without one, and without any reason
    assert len(held) == 2
    for href, number in failing + held:
        assert rows_at(client, href) == int(number), href


@pytest.mark.usefixtures("crowded")
def test_of_more_than_a_page_should_count_it_counts_none_and_says_so(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "MOST", 5)
    text = read(room.client("viewer"), "/messages")
    assert not CHIP.findall(text)
    assert not STEP.findall(text)
    assert "more than 5 messages or events" in text
    assert len(ROW.findall(text)) == len(State) + 5


@pytest.mark.usefixtures("crowded")
def test_each_reason_of_the_figures_leads_to_as_many_rows(room: Room) -> None:
    rollup.roll_up(room.store)
    client = room.client()
    page = read(client, "/analytics?period=7d")
    reasons = re.findall(r'class="figure" href="([^"]+(?:word|reason)=[^"]+)"[^>]*>([\d,]+)<', page)
    assert len(reasons) >= 5
    for href, number in reasons:
        assert rows_at(client, href) == int(number), href


@pytest.mark.parametrize(
    "query", ["", "?state=all", "?state=unread", "?state=done", "?window=30d", "?account=old-store"]
)
def test_the_number_of_every_chip_of_requests_is_the_number_of_rows_it_opens(
    scene: Traffic, room: Room, query: str
) -> None:
    for state, number in (("done", 4), ("ignored", 3), ("unreadable", 2), ("broken", 1)):
        for _ in range(number):
            scene.request(state=state, at=now() - timedelta(days=number * 15))
    client = room.client("viewer")
    text = read(client, f"/requests{query}")
    for href, words, number in CHIP.findall(text):
        assert rows_at(client, href) == int(number), words
    assert bool(CHIP.findall(text)) is ("window" not in query and "account" not in query)
    assert "3 requests could not be read" in read(room.client(), "/")
    assert len(ROW.findall(read(client, "/requests?state=unread"))) == 3
