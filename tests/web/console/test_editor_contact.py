"""Contact mappings and the people policy in the editor, and new mappings."""

from __future__ import annotations

import re
import tomllib

import pytest
from flask.testing import FlaskClient

from connector.mapping.document import read_form as read_mapping
from connector.store import mappings
from tests.web.console.paper import buttons, read_form
from tests.web.console.room import Room
from tests.web.console.test_editor import EVIL, ask, change, draft, keep, look, send

CONTACT = "shopify/contact"
PAGE = f"/mappings/{CONTACT}/edit"


@pytest.fixture
def editor(room: Room) -> FlaskClient:
    room.house.know_templates()
    keep(room, CONTACT)
    return room.client("editor")


@pytest.mark.parametrize("name", ["shopify/contact", "salesforce/contact", "salesforce/lead"])
def test_a_contact_form_that_nobody_touched_gives_back_the_very_same_text(room: Room, name: str) -> None:
    source = keep(room, name)
    client = room.client("editor")
    form = read_form(look(client, f"/mappings/{name}/edit"))
    text = read_form(send(client, form, "as:text", f"/mappings/{name}/edit").text)
    assert text["source"].replace("\r\n", "\n") == source
    assert send(client, form, "save", f"/mappings/{name}/edit").status_code == 303
    assert draft(room, name) == source


def test_rows_and_values_are_added_and_taken_away(room: Room, editor: FlaskClient) -> None:
    before = tomllib.loads(draft(room, CONTACT))["fields"]
    page = send(editor, read_form(look(editor, PAGE)), "add:fields", PAGE).text
    new = f"fields.{len(before)}"
    form = change(read_form(page), **{f"{new}.contact": "timezone", f"{new}.paths": "customer.timezone, timezone"})
    page = send(editor, form, "remove:fields.0", PAGE).text
    page = send(editor, read_form(page), "remove:fields.4.values.0", PAGE).text
    assert send(editor, read_form(page), "save", PAGE).status_code == 303
    after = tomllib.loads(draft(room, CONTACT))["fields"]
    assert after[0] == before[1]
    assert after[-1] == {"contact": "timezone", "in": ["customer.timezone", "timezone"]}
    assert list(after[4]["values"]) == list(before[5]["values"])[1:]


def test_a_fault_of_a_contact_mapping_stands_beside_its_row_and_nothing_is_lost(
    room: Room, editor: FlaskClient
) -> None:
    before = draft(room, CONTACT)
    form = change(read_form(look(editor, PAGE)), **{"fields.0.direction": "out"})
    answer = send(editor, form, "save", PAGE)
    assert answer.status_code == 422
    assert draft(room, CONTACT) == before
    assert "only comes in" in answer.text
    assert read_form(answer.text)["fields.0.direction"] == "out"


def test_the_preview_of_a_contact_mapping_reads_the_event(room: Room, editor: FlaskClient) -> None:
    form = read_form(look(editor, PAGE))
    seen = ask(editor, form, CONTACT).get_json()
    assert any("→" in each for each in seen["now"].values())
    for value in (EVIL, "\0", "{{", "x" * 50_000):
        answer = ask(editor, change(form, **{"fields.0.paths": value, "title": value}), CONTACT)
        assert answer.status_code == 200
        assert "<script>alert" not in "".join(answer.get_json()["now"].values())


def test_each_sample_of_a_contact_mapping_can_be_told_from_the_others_and_chosen(editor: FlaskClient) -> None:
    offered = re.findall(r'<option value="(sample-[^"]+)"[^>]*>([^<]+)<', look(editor, PAGE))
    assert len(offered) > 3
    assert len({words for _, words in offered}) == len(offered)
    for value, words in (offered[0], offered[-1]):
        page = look(editor, f"{PAGE}?event={value}")
        assert re.findall(r'<option value="(sample-[^"]+)" selected>', page) == [value]
        shown = re.search(r'<span class="quiet">([a-z_.]+)</span>', page)
        assert shown is not None
        assert shown[1] in words


def test_a_viewer_sees_a_contact_mapping_read_only(room: Room, editor: FlaskClient) -> None:
    page = look(room.client("viewer"), PAGE)
    assert "read-only" in page
    assert "save" not in buttons(page)
    assert "+4411" not in page  # the sample is masked as any other event


def test_the_people_policy_is_a_text_with_the_same_check(room: Room) -> None:
    path = "/mappings/policy/people/edit"
    source = keep(room, "policy/people")
    client = room.client("editor")
    form = read_form(look(client, path))
    assert form["source"].replace("\r\n", "\n") == source
    broken = send(
        client, change(form, source=source.replace('marketing = "2 per 24h"', 'marketing = "twice"')), "save", path
    )
    assert broken.status_code == 422
    assert "cap.marketing" in broken.text
    assert draft(room, "policy/people") == source
    better = source.replace('marketing = "2 per 24h"', 'marketing = "3 per 24h"')
    assert send(client, change(form, source=better), "save", path).status_code == 303
    assert draft(room, "policy/people") == better


# new mappings


def names(room: Room) -> list[str]:
    with room.store.read() as tx:
        return [row.name for row in mappings.all_(tx)]


def test_a_recipe_becomes_a_draft_under_a_name_that_is_free(room: Room, editor: FlaskClient) -> None:
    for name in ("shopify/order_paid", "shopify/order_paid_2"):
        answer = room.post(editor, "/mappings/new", recipe="shopify/order_paid")
        assert answer.status_code == 303
        assert answer.location == f"/mappings/{name}/edit"
        assert look(editor, answer.location)
    assert {"shopify/order_paid", "shopify/order_paid_2"} <= set(names(room))


def test_an_event_and_a_template_become_a_draft_that_is_mostly_filled(room: Room, editor: FlaskClient) -> None:
    answer = room.post(
        editor, "/mappings/new", event="shopify order.created", template="hotline cod_confirm", name="Door Pay!"
    )
    assert answer.location == "/mappings/shopify/door_pay_/edit"
    form = read_mapping(draft(room, "shopify/door_pay_"))
    assert form.when.event == "order.created"
    assert form.template.name == "cod_confirm"
    assert len(form.to.phone) > 1
    assert {"body.first_name", "body.total"} <= set(form.slots)


@pytest.mark.parametrize(
    "given",
    [
        {"recipe": "nobody/nothing"}, {"recipe": "../../etc/passwd"}, {}, {"event": "x y"},
        {"event": "shopify order.created", "template": "hotline nothing"},
        {"event": "shopify order.created", "template": "hotline cod_confirm", "name": "x" * 300},
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_told_and_nothing_is_stored(
    room: Room, editor: FlaskClient, given: dict[str, str]
) -> None:
    before = names(room)
    answer = room.post(editor, "/mappings/new", **given)
    assert answer.status_code == 422
    assert 'class="fault"' in answer.text
    assert names(room) == before


def test_a_name_that_is_taken_is_refused(room: Room, editor: FlaskClient) -> None:
    given = {"event": "shopify order.created", "template": "hotline cod_confirm", "name": "contact"}
    source = draft(room, CONTACT)
    assert room.post(editor, "/mappings/new", **given).status_code == 409
    assert draft(room, CONTACT) == source


def test_a_viewer_makes_no_mapping(room: Room, editor: FlaskClient) -> None:
    viewer = room.client("viewer")
    look(viewer, "/mappings/new", 403)
