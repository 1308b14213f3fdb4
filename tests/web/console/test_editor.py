"""The mapping editor: what is posted is what the file says, and nothing that was typed is lost."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from connector.flow import publish
from connector.model import now
from connector.store import audit, mappings
from tests.web.console.paper import buttons, read_form
from tests.web.console.room import Room

RECIPES = Path(__file__).parents[3] / "mappings"
NOTIFICATIONS = [
    each.relative_to(RECIPES).with_suffix("").as_posix()
    for each in sorted(RECIPES.glob("s*/*.toml"))
    if "kind =" not in each.read_text("utf-8")
]
NAME = "shopify/cod_confirm"
PAGE = f"/mappings/{NAME}/edit"
EVIL = "<script>alert(1)</script>\"'<img src=x onerror=alert(1)>"


@pytest.fixture
def editor(room: Room) -> FlaskClient:
    """Somebody who edits, in a house that knows the shipped templates and one recipe."""
    room.house.know_templates()
    keep(room, NAME)
    return room.client("editor")


def keep(room: Room, name: str, source: str = "") -> str:
    text = source or (RECIPES / f"{name}.toml").read_text("utf-8")
    publish.save(room.store, name, text)
    return text


def draft(room: Room, name: str = NAME) -> str:
    with room.store.read() as tx:
        row = mappings.get(tx, name)
    assert row is not None
    return row.draft


def look(client: FlaskClient, path: str = PAGE, status: int = 200) -> str:
    answer = client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == status, answer.text
    return answer.text


def send(client: FlaskClient, form: MultiDict[str, str], do: str, path: str = PAGE, **changes: str) -> TestResponse:
    data = MultiDict(form)
    for name, value in changes.items():
        data[name] = value
    data["do"] = do
    return client.post(path, data=data, headers={"Accept": "text/html"})


def change(form: MultiDict[str, str], **values: str) -> MultiDict[str, str]:
    return MultiDict([*(item for item in form.items(multi=True) if item[0] not in values), *values.items()])


@pytest.mark.parametrize("name", NOTIFICATIONS)
def test_a_form_that_nobody_touched_gives_back_the_very_same_text(room: Room, name: str) -> None:
    room.house.know_templates()
    source = keep(room, name)
    client = room.client("editor")
    form = read_form(look(client, f"/mappings/{name}/edit"))
    assert send(client, form, "as:text", f"/mappings/{name}/edit").status_code == 200
    text = read_form(send(client, form, "as:text", f"/mappings/{name}/edit").text)
    assert text["source"].replace("\r\n", "\n") == source
    assert send(client, form, "save", f"/mappings/{name}/edit").status_code == 303
    assert draft(room, name) == source


def test_a_changed_slot_changes_one_line_and_is_entered_in_the_audit_log(room: Room, editor: FlaskClient) -> None:
    before = draft(room).splitlines()
    form = change(read_form(look(editor)), **{"slots.body.first_name": "{{ customer.last_name }}"})
    answer = send(editor, form, "save")
    assert answer.status_code == 303
    after = draft(room).splitlines()
    assert [new for old, new in zip(before, after, strict=True) if old != new] == [
        'body.first_name = "{{ customer.last_name }}"'
    ]
    with room.store.read() as tx:
        assert [row.action for row in audit.listing(tx, action="mapping.saved")] == ["mapping.saved"]


@pytest.mark.parametrize(
    ("deed", "path", "values"),
    [
        ("remove:to.phone.0", "to.phone", 4),
        ("remove:after.0", "after", 3),
        ("drop:c.0", "when.conditions", 4),
        ("add:to.phone", "to.phone", 5),
        ("row:c", "when.conditions", 5),
        ("group:c", "when.conditions", 5),
    ],
)
def test_each_button_changes_what_it_says_and_saves_nothing(
    room: Room, editor: FlaskClient, deed: str, path: str, values: int
) -> None:
    before = draft(room)
    page = send(editor, read_form(look(editor)), deed)
    assert page.status_code == 200
    assert draft(room) == before
    import tomllib

    text = read_form(send(editor, read_form(page.text), "as:text").text)["source"]
    found: Any = tomllib.loads(text.replace("\r\n", "\n"))
    for part in path.split("."):
        found = found[part]
    found = found["all"] if path.endswith("conditions") else found
    assert len(found) == values  # rows that nobody has filled in are not written


def test_rows_move_up_and_down(room: Room, editor: FlaskClient) -> None:
    page = send(editor, read_form(look(editor)), "down:to.phone.0").text
    assert read_form(page)["to.phone.1"] == "{{ phone }}"
    page = send(editor, read_form(page), "up:to.phone.1").text
    assert read_form(page)["to.phone.0"] == "{{ phone }}"


def test_a_new_row_takes_the_cursor_and_stays_while_another_is_added(editor: FlaskClient) -> None:
    page = send(editor, read_form(look(editor)), "add:to.phone").text
    assert 'name="to.phone.5"' in page
    assert page.count("data-focus") == 1
    page = send(editor, read_form(page), "add:to.phone").text
    assert 'name="to.phone.6"' in page


def test_unknown_deeds_and_rows_that_are_gone_change_nothing(room: Room, editor: FlaskClient) -> None:
    form = read_form(look(editor))
    for deed in (
        "remove:to.phone.99",
        "remove:title",
        "up:x.y",
        "drop:c.99",
        "drop:c",
        "row:c.0.0.0",
        "add:slots",
        "?",
        "",
    ):
        answer = send(editor, form, deed)
        assert answer.status_code == 200, deed
        assert read_form(send(editor, read_form(answer.text), "as:text").text)["source"].replace("\r\n", "\n") == draft(
            room
        )


def test_a_fallback_is_added_to_a_slot_by_one_button(room: Room, editor: FlaskClient) -> None:
    form = change(read_form(look(editor)), **{"slots.body.first_name": "{{ customer.middle_name }}"})
    page = send(editor, form, "preview").text
    assert "fallback:slots.body.first_name" in buttons(page)
    page = send(editor, read_form(page), "fallback:slots.body.first_name").text
    assert "default:" in read_form(page)["slots.body.first_name"]


def test_a_field_is_inserted_without_a_script(editor: FlaskClient) -> None:
    form = change(read_form(look(editor)), into="slots.body.total", **{"slots.body.total": ""})
    page = send(editor, form, "insert:{{ total_price_set | money }}").text
    assert read_form(page)["slots.body.total"] == "{{ total_price_set | money }}"


def test_a_text_with_a_fault_of_form_is_not_saved_and_stays_in_the_page(room: Room, editor: FlaskClient) -> None:
    before = draft(room)
    form = change(read_form(look(editor)), **{"slots.body.total": "{{ total_price | monney }}"})
    answer = send(editor, form, "save")
    assert answer.status_code == 422
    assert draft(room) == before
    assert read_form(answer.text)["slots.body.total"] == "{{ total_price | monney }}"
    assert "money" in answer.text
    assert 'aria-invalid="true"' in answer.text


def test_a_draft_with_faults_of_meaning_is_saved(room: Room, editor: FlaskClient) -> None:
    form = change(read_form(look(editor)), **{"slots.body.total": "{{ total_prise }}"})
    assert send(editor, form, "save").status_code == 303
    page = look(editor)
    assert "total_prise" in draft(room)
    assert "did you mean" in page


def test_text_that_is_no_toml_is_told_with_its_line_and_stays(room: Room, editor: FlaskClient) -> None:
    page = look(editor, f"{PAGE}?as=text")
    answer = send(editor, change(read_form(page), source='title = "x"\ntitle = = 3\n'), "save")
    assert answer.status_code == 422
    assert "line 2" in answer.text
    assert "title = = 3" in answer.text
    assert send(editor, change(read_form(page), source="title = = 3\n"), "as:form").status_code == 200


def test_text_and_form_are_two_looks_at_one_file(room: Room, editor: FlaskClient) -> None:
    form = change(read_form(look(editor)), title="Paid at the door")
    text = read_form(send(editor, form, "as:text").text)
    back = read_form(send(editor, text, "as:form").text)
    assert back["title"] == "Paid at the door"
    assert send(editor, back, "save").status_code == 303
    assert draft(room).startswith('title = "Paid at the door"\n')


def test_two_people_do_not_write_over_each_other(room: Room, editor: FlaskClient) -> None:
    mine = change(read_form(look(editor)), title="Mine")
    other = room.client("admin")
    assert send(other, change(read_form(look(other)), title="Theirs"), "save").status_code == 303
    answer = send(editor, mine, "save")
    assert answer.status_code == 409
    assert "Theirs" in draft(room)
    assert "Admin Person" in answer.text
    assert "Yours" in answer.text
    assert "Theirs" in answer.text
    again = read_form(answer.text)
    assert again["title"] == "Mine"
    assert send(editor, again, "save").status_code == 303  # by now they have seen it
    assert draft(room).startswith('title = "Mine"')


def test_a_viewer_sees_the_editor_read_only_and_masked(room: Room, editor: FlaskClient) -> None:
    order = {
        "id": 820982911946154508, "name": "#1042", "test": False, "created_at": now().isoformat(), "currency": "GBP",
        "financial_status": "pending", "payment_gateway_names": ["COD"], "total_price": "35.45",
        "customer": {"id": 1, "first_name": "Amelia", "last_name": "Whitcombe", "phone": "+447400123456"},
        "phone": "+447400123456", "line_items": [{"title": "Assam", "quantity": 1}], "customer_locale": "en",
    }  # fmt: skip
    room.house.post(order, "orders/create")
    room.house.decide()
    seen = look(editor)
    assert "Amelia" in seen
    assert "820982911946154508" in seen
    viewer = room.client("viewer")
    page = look(viewer)
    assert "Amelia" not in page
    assert "Whitcombe" not in page
    assert "447400123456" not in page
    assert "read-only" in page
    assert "readonly" in page
    assert buttons(page) == ["preview"] or "save" not in buttons(page)
    form = read_form(seen)
    assert send(viewer, change(form, csrf_token=room.csrf(viewer, "/me")), "save").status_code == 403


# the live preview


def ask(client: FlaskClient, form: MultiDict[str, str], name: str = NAME) -> TestResponse:
    return client.post(f"/mappings/{name}/preview", data=form)


def test_the_preview_shows_values_phone_and_sentence(editor: FlaskClient) -> None:
    seen = ask(editor, change(read_form(look(editor)), **{"slots.body.first_name": "Zoë"})).get_json()
    assert "Zoë" in seen["slots"]["body.first_name"]["html"]
    assert "Zoë" in seen["phone"]
    assert seen["sentence"]
    assert seen["verdict"]


@pytest.mark.parametrize(
    "value",
    [
        "{{",
        "}}",
        "{{ a | b | c }}",
        "{% for x in y %}",
        "{{ 'a' | append: 'b' }" * 50,
        "\0",
        "\U0001f600" * 5000,
        "{{ x" * 2000,
    ],
)
def test_the_preview_answers_whatever_is_typed(editor: FlaskClient, value: str) -> None:
    form = read_form(look(editor))
    for name in (
        "slots.body.first_name",
        "to.phone.0",
        "timing.delay",
        "c.0:field",
        "c.0:was",
        "after.0.on",
        "event",
        "revision",
    ):
        answer = ask(editor, change(form, **{name: value}))
        assert answer.status_code == 200, (name, answer.text)


def test_a_value_that_the_template_has_no_room_for_is_said_to_be_cut(editor: FlaskClient) -> None:
    form = read_form(look(editor))
    key = next(name for name in form if name.startswith("slots.body."))
    shown = [ask(editor, each).get_json()["slots"] for each in (form, change(form, **{key: "x" * 1500}))]
    told = ["the template has no more room" in slots[key.removeprefix("slots.")]["html"] for slots in shown]
    assert told == [False, True]


def test_a_text_that_cannot_be_read_is_not_told_to_choose_a_template(editor: FlaskClient) -> None:
    page = send(
        editor, read_form(send(editor, read_form(look(editor)), "as:text").text), "preview", source="[oops"
    ).text
    assert "The text cannot be read yet" in page
    assert "Choose a template" not in page


def test_what_lands_where_is_told_while_a_rule_is_typed(editor: FlaskClient) -> None:
    form = read_form(send(editor, read_form(look(editor)), "add:after").text)
    place = max(int(name.split(".")[1]) for name in form if re.fullmatch(r"after\.\d+\.on", name))
    seen = ask(editor, change(form, **{f"after.{place}.add_labels": f"vip{EVIL}"})).get_json()["now"]
    assert "label + vip" in seen["deeds"]
    assert "label + vip" in seen[f"after.{place}"]
    assert "<script" not in seen["deeds"] + seen[f"after.{place}"]


def test_the_preview_refuses_what_is_no_form(editor: FlaskClient) -> None:
    token = read_form(look(editor))["csrf_token"]
    assert ask(editor, MultiDict({"csrf_token": token})).status_code == 400
    head = b"as=form&csrf_token=" + token.encode() + b"&slots.body.total="
    kind = "application/x-www-form-urlencoded"
    for body in (head + b"%ff%fe", head + b"\xff\xfe", head + b"%", b"\xff" * 1000 + head):
        answer = editor.post(f"/mappings/{NAME}/preview", data=body, content_type=kind)
        assert answer.status_code < 500, body
    parts = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    form = (
        parts % (b"csrf_token", token.encode())
        + parts % (b"as", b"form")
        + parts % (b"title", b"\xff\xfe")
        + b"--x--\r\n"
    )
    answer = editor.post(f"/mappings/{NAME}/preview", data=form, content_type="multipart/form-data; boundary=x")
    assert answer.status_code == 400
    huge = ask(editor, MultiDict({"csrf_token": token, "as": "text", "source": "x" * (1024 * 1024)}))
    assert 400 <= huge.status_code < 500
    assert ask(editor, MultiDict({"csrf_token": token, "as": "text", "source": "# " + "x" * 70_000})).status_code == 200
    assert editor.post(f"/mappings/{NAME}/preview", data={"as": "form"}).status_code == 400  # no token


def test_the_preview_of_what_is_not_there_is_a_404(editor: FlaskClient) -> None:
    assert ask(editor, read_form(look(editor)), "shopify/nobody").status_code == 404
    assert look(editor, "/mappings/shopify/nobody/edit", 404)


def test_nothing_that_is_typed_or_comes_in_becomes_markup(room: Room, editor: FlaskClient) -> None:
    order = {
        "id": 1, "name": EVIL, "test": False, "created_at": now().isoformat(), "financial_status": "pending",
        "payment_gateway_names": ["COD"], "customer": {"first_name": EVIL}, "phone": "+447400123456",
        "line_items": [{"title": EVIL}], EVIL: EVIL,
    }  # fmt: skip
    room.house.post(order, "orders/create")
    room.house.decide()
    form = read_form(look(editor))
    form = change(
        form, title=EVIL, description=EVIL, **{"slots.body.total": EVIL, "c.0:field": EVIL, "to.phone.0": EVIL}
    )
    for text in (send(editor, form, "preview").text, send(editor, form, "as:text").text, look(editor)):
        assert "<script>alert" not in text
        assert "<img src=x" not in text
    seen = ask(editor, form).get_json()
    assert seen.pop("faults")  # these are texts, and put in as such
    assert "<script>alert" not in json.dumps(seen)
    assert "<img src=x" not in json.dumps(seen)
    assert "&lt;script&gt;alert" in seen["phone"]


def test_a_group_of_conditions_is_written_as_the_file_has_it(room: Room, editor: FlaskClient) -> None:
    page = send(editor, read_form(look(editor)), "group:c").text
    form = change(
        read_form(page),
        **{"c.5:kind": "none", "c.5.0:field": "tags", "c.5.0:operator": "contains", "c.5.0:value": "wholesale"},
    )
    assert send(editor, form, "save").status_code == 303
    assert "wholesale" in draft(room)
    assert "not" in draft(room)
    again = read_form(look(editor))
    assert again["c.5:kind"] == "none"
    assert again["c.5.0:value"] == "wholesale"


def test_a_form_that_makes_too_large_a_file_is_told_and_stays_in_the_page(room: Room, editor: FlaskClient) -> None:
    before = draft(room)
    form = change(read_form(look(editor)), **{"slots.body.total": "x" * 70_000})
    assert ask(editor, form).status_code == 200
    answer = send(editor, form, "save")
    assert answer.status_code == 422
    assert "65536" in answer.text
    assert len(read_form(answer.text)["slots.body.total"]) == 70_000
    assert draft(room) == before
