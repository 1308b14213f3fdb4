"""Templates in the console: listed, drawn, used by, and what became of them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from connector.flow import publish, template_uses
from connector.flow.templates import take
from connector.model import Category, Part, TemplateChange, now
from connector.store import templates
from tests.web.conftest import RECIPES
from tests.web.console.room import Room

PAGE = "/templates/hotline/order_paid/en"


def told(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


@pytest.fixture
def known(room: Room) -> Room:
    room.house.know_templates()
    return room


def change(room: Room, **values: str) -> None:
    with room.store.write() as tx:
        said = TemplateChange(name="order_paid", language="en", **values)
        assert templates.apply_change(tx, room.house.number.id, said, now() + timedelta(seconds=1))


def test_without_templates_the_page_teaches_what_to_do(room: Room) -> None:
    assert "No template is known" in room.client("viewer").get("/templates").text


def test_every_template_is_listed_with_who_uses_it(known: Room) -> None:
    known.house.publish("order_paid")
    text = (RECIPES / "order_shipped.toml").read_text("utf-8")
    publish.save(known.store, "shopify/order_shipped", text)
    page = known.client("viewer").get("/templates").text
    rows = {row.split("row-link")[1].split(">")[1].split("<")[0]: told(row) for row in page.split("<tr>")[2:]}
    assert "order_paid in force" in rows["order_paid"]
    assert "shopify/order_shipped draft" in rows["order_shipped"]
    assert "nobody" in rows["order_cancelled"]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("?status=paused", {"order_paid"}),
        ("?category=marketing&q=order", set()),
        ("?q=ORDER_PAID", {"order_paid"}),
        ("?language=xx", set()),
        ("?used=yes", {"order_shipped"}),
    ],
)
def test_the_list_is_narrowed_by_what_one_asks_for(known: Room, query: str, shown: set[str]) -> None:
    change(known, status="paused")
    known.house.publish("order_shipped")
    page = known.client("viewer").get(f"/templates{query}").text
    assert set(re.findall(r'class="row-link"[^>]*>(\w+)<', page)) == shown


def test_a_template_is_drawn_with_its_examples_and_its_slots(known: Room) -> None:
    page = known.client("viewer").get(PAGE).text
    assert 'class="tel-body"' in page
    assert "body.1" in page
    assert "button.0.url" in page


def test_what_became_of_a_template_is_told_with_what_it_means(known: Room) -> None:
    change(known, category="marketing")
    page = told(known.client("viewer").get(PAGE).text)
    assert "Now marketing, was utility." in page
    assert "The channel said so by itself." in page
    assert "only to people who agreed to marketing" in page
    assert page.index("Now marketing") < page.index("Found for the first time")


def test_an_edited_template_shows_both_texts_and_whom_it_concerns(known: Room) -> None:
    known.house.publish("order_paid")
    with known.store.read() as tx:
        before = templates.get(tx, known.house.number.id, "order_paid", "en")
    assert before is not None
    take(
        known.store, known.house.number, [replace(before, parts=(Part(kind="body", text="New words", prefix="body"),))]
    )
    page = told(known.client("viewer").get(PAGE).text)
    assert "Its text or its slots were edited." in page
    assert "body: New words" in page
    assert "its shape has changed since" in page


def test_a_template_that_may_not_be_sent_says_so_to_its_users(known: Room) -> None:
    known.house.publish("order_paid")
    change(known, status="disabled")
    page = told(known.client("viewer").get(PAGE).text)
    assert "stopped it for good" in page
    assert "sends nothing while it is disabled" in page


@pytest.mark.parametrize(
    "path", ["/templates/hotline/none/en", "/templates/nobody/order_paid/en", "/templates/hotline/order_paid/xx"]
)
def test_what_is_not_there_is_told_as_such(known: Room, path: str) -> None:
    assert known.client("viewer").get(path).status_code == 404


def test_asking_for_templates_rings_and_says_so_honestly(known: Room) -> None:
    client = known.client("admin")
    answer = known.post(client, "/templates/sync", page="/templates")
    assert answer.status_code == 303
    assert "The queue does not answer" in client.get("/templates").text  # no Redis in this test
    assert client.post("/templates/sync").status_code == 400
    viewer = known.client("viewer")
    assert viewer.post("/templates/sync", data={"csrf_token": known.csrf(viewer, "/me")}).status_code == 403


def test_a_draft_that_cannot_be_read_uses_nothing(known: Room) -> None:
    publish.save(known.store, "mine", (RECIPES / "order_paid.toml").read_text("utf-8"))
    with known.store.write() as tx:
        from connector.store import mappings

        mappings.save_draft(tx, "mine", "[when", now())
    with known.store.read() as tx:
        assert template_uses.find(tx, known.tools.directory.senders()) == {}


def test_a_marketing_template_is_not_told_by_colour_alone(known: Room) -> None:
    change(known, category=Category.MARKETING.value)
    assert 'category-marketing">marketing<' in known.client("viewer").get("/templates").text
