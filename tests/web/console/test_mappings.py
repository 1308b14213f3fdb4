"""Pages of mappings: the list, the home of each, versions, differences, publishing, import and export."""

from __future__ import annotations

import io
import zipfile
from base64 import b64encode

import pytest

from connector.flow import publish, templates
from connector.mapping.rates_form import EXAMPLE
from connector.model import TemplateChange, now
from connector.store import audit, mappings
from connector.store import templates as stored
from tests.web.conftest import RECIPES
from tests.web.console.room import Room

NAME = "shopify/order_paid"
SOURCE = (RECIPES / "order_paid.toml").read_text("utf-8")
OTHER = SOURCE.replace("default: 'there'", "default: 'friend'")
HTML = {"Accept": "text/html"}


@pytest.fixture
def shop(room: Room) -> Room:
    """A room whose number has its templates, with one draft."""
    adapter = room.tools.registry.get("whatsapp")
    listed = templates.read(adapter, (RECIPES / "templates.json").read_bytes())
    templates.take(room.store, room.house.number, listed)
    publish.save(room.store, NAME, SOURCE, by="Ada")
    assert OTHER != SOURCE
    return room


def _page(room: Room, path: str, role: str = "owner", code: int = 200) -> str:
    answer = room.client(role).get(path, headers=HTML)
    assert answer.status_code == code, answer.text
    return answer.text


def _row(room: Room, name: str = NAME) -> mappings.MappingRow:
    with room.store.read() as tx:
        row = mappings.get(tx, name)
    assert row is not None
    return row


def _done(room: Room, action: str) -> list[str]:
    with room.store.read() as tx:
        return [entry.object for entry in audit.listing(tx, action=action)]


def _publish(room: Room) -> None:
    publish.publish(room.store, room.tools.registry, NAME)


def test_without_mappings_the_list_teaches_the_next_action(room: Room) -> None:
    page = _page(room, "/mappings")
    assert "There is no mapping yet" in page
    assert 'href="/mappings/new"' in page


def test_the_list_says_each_mapping_in_a_sentence_and_how_it_stands(shop: Room) -> None:
    page = _page(shop, "/mappings")
    assert "When an order is paid" in page
    assert "not in force" in page

    _publish(shop)
    publish.save(shop.store, NAME, OTHER)
    page = _page(shop, "/mappings")
    assert "in force, version 1" in page
    assert "the draft differs" in page


def test_the_list_can_be_narrowed_to_one_event(shop: Room) -> None:
    assert NAME in _page(shop, "/mappings?event=order.paid")
    page = _page(shop, "/mappings?event=order.cancelled")
    assert NAME not in page
    assert "No mapping listens to order.cancelled" in page


def test_a_mapping_that_has_drifted_is_flagged_in_the_list_and_at_home(shop: Room) -> None:
    _publish(shop)
    with shop.store.write() as tx:
        change = TemplateChange(name="order_paid", language="en", status="paused")
        stored.apply_change(tx, shop.house.number.id, change, now())
    assert "is paused at the channel" in _page(shop, "/mappings")
    page = _page(shop, f"/mappings/{NAME}")
    assert "Something has changed since it was published" in page
    assert "Messages are planned and wait" in page


def test_the_home_of_a_mapping_has_the_checklist_that_comes_before_going_live(shop: Room) -> None:
    page = _page(shop, f"/mappings/{NAME}")
    for words in ("Connected", "Template approved", "Mapping complete", "Consent rule", "Test sent", "Backtested"):
        assert words in page
    assert "Ready to go live" in page

    publish.save(shop.store, NAME, SOURCE.replace("order_paid", "order_payed"))
    page = _page(shop, f"/mappings/{NAME}")
    assert "Before it can go live" in page
    assert "not there" in page


def test_there_is_no_page_of_a_mapping_that_is_not_there(shop: Room) -> None:
    for path in ("", "/versions", "/diff", "/publish", "/backtest", "/shadow", "/test", "/export"):
        assert "There is no such" in _page(shop, f"/mappings/shopify/none{path}", code=404)


def test_viewers_look_and_change_nothing(shop: Room) -> None:
    page = _page(shop, f"/mappings/{NAME}", "viewer")
    assert "Publish…" not in page
    _page(shop, f"/mappings/{NAME}/publish", "viewer", 403)
    _page(shop, "/mappings/import", "viewer", 403)


def test_publishing_shows_what_it_means_and_asks_why(shop: Room) -> None:
    client = shop.client("editor")
    page = client.get(f"/mappings/{NAME}/publish", headers=HTML).text
    assert "from the next event on" in page
    assert "Publish version 1" in page

    answer = shop.post(client, f"/mappings/{NAME}/publish", note=" shorter \n greeting ", revision="1")
    assert answer.status_code == 303
    with shop.store.read() as tx:
        (version,) = mappings.versions(tx, NAME)
    assert (version.note, version.by) == ("shorter greeting", "Editor Person")
    assert _done(shop, "mapping.published") == [NAME]


def test_publishing_shows_what_changes_field_by_field_and_line_by_line(shop: Room) -> None:
    _publish(shop)
    publish.save(shop.store, NAME, OTHER)
    page = _page(shop, f"/mappings/{NAME}/publish")
    assert "Slot body.1" in page
    assert "friend" in page
    assert "Publish version 2" in page


def test_a_draft_that_somebody_changed_meanwhile_is_not_published(shop: Room) -> None:
    client = shop.client()
    publish.save(shop.store, NAME, OTHER, by="Grace")
    answer = shop.post(client, f"/mappings/{NAME}/publish", revision="1")
    assert answer.status_code == 303
    assert _row(shop).published is None
    assert "Grace changed the draft" in client.get(answer.location, headers=HTML).text


def test_a_form_without_a_revision_publishes_nothing(shop: Room) -> None:
    client = shop.client()
    shop.post(client, f"/mappings/{NAME}/publish")
    assert _row(shop).published is None


def test_a_faulty_draft_cannot_be_published_and_says_why(shop: Room) -> None:
    publish.save(shop.store, NAME, SOURCE.replace("order_paid", "order_payed"))
    client = shop.client()
    page = client.get(f"/mappings/{NAME}/publish", headers=HTML).text
    assert "to be mended first" in page
    assert "template.name" in page
    shop.post(client, f"/mappings/{NAME}/publish", page="/mappings/import", revision="2")
    assert _row(shop).published is None


def test_versions_tell_who_when_and_why_and_lead_back(shop: Room) -> None:
    publish.publish(shop.store, shop.tools.registry, NAME, note="first of all", by="Ada")
    publish.save(shop.store, NAME, OTHER)
    publish.publish(shop.store, shop.tools.registry, NAME, by="Grace")
    client = shop.client()
    page = client.get(f"/mappings/{NAME}/versions", headers=HTML).text
    for words in ("first of all", "Ada", "Grace", "Go back to it"):
        assert words in page

    back = f"/mappings/{NAME}/versions/1/roll-back"
    assert "with the text of version 1" in client.get(back, headers=HTML).text
    answer = shop.post(client, back, note="wrong word", revision="2")
    assert answer.status_code == 303
    assert _row(shop).published == 3
    assert _row(shop).draft == SOURCE
    assert _done(shop, "mapping.rolled_back") == [NAME]


def test_any_two_texts_can_be_compared(shop: Room) -> None:
    _publish(shop)
    publish.save(shop.store, NAME, OTHER)
    assert "Both say the same" in _page(shop, f"/mappings/{NAME}/diff?a=1&b=published")
    page = _page(shop, f"/mappings/{NAME}/diff")
    assert "Slot body.1" in page
    assert "<ins>" in page
    _page(shop, f"/mappings/{NAME}/diff?a=9", code=404)
    _page(shop, f"/mappings/{NAME}/diff?a=%3Cscript%3E", code=404)


def test_a_mapping_is_paused_and_says_what_that_means(shop: Room) -> None:
    _publish(shop)
    client = shop.client("editor")
    assert "No event leads to a message by it" in client.get(f"/mappings/{NAME}", headers=HTML).text
    answer = shop.post(client, f"/mappings/{NAME}/pause", page=f"/mappings/{NAME}")
    assert answer.status_code == 303
    assert _row(shop).published is None
    assert _done(shop, "mapping.unpublished") == [NAME]


# files


def test_an_export_is_what_the_command_line_writes_byte_for_byte(shop: Room) -> None:
    odd = SOURCE + "# Zoë\r\n\n"
    publish.save(shop.store, NAME, odd)
    answer = shop.client("viewer").get(f"/mappings/{NAME}/export")
    assert answer.data == odd.encode()
    assert 'filename="order_paid.toml"' in answer.headers["Content-Disposition"]


def test_all_mappings_come_as_one_archive_that_can_be_imported_again(shop: Room) -> None:
    body = shop.client().get("/mappings/export").data
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.namelist() == [f"mappings/{NAME}.toml"]
        assert archive.read(f"mappings/{NAME}.toml") == SOURCE.encode()


def _upload(room: Room, role: str = "editor", **form: object) -> str:
    client = room.client(role)
    token = room.csrf(client, "/mappings/import")
    answer = client.post(
        "/mappings/import", data={"csrf_token": token} | form, content_type="multipart/form-data", headers=HTML
    )
    return str(answer.text)


def _zip(*files: tuple[str, bytes]) -> tuple[io.BytesIO, str]:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name, text in files:
            archive.writestr(name, text)
    return io.BytesIO(body.getvalue()), "all.zip"


def test_an_import_is_looked_at_before_anything_is_stored(shop: Room) -> None:
    page = _upload(shop, files=_zip((f"backup/mappings/{NAME}.toml", OTHER.encode()), ("mappings/x.toml", b"a = 1")))
    assert "Takes the place of the draft" in page
    assert "by <bdi>Ada</bdi>" in page
    assert "Nothing is imported while" in page
    assert _row(shop).draft == SOURCE


def test_what_was_exported_comes_back_as_the_mapping_that_it_was(shop: Room) -> None:
    answer = shop.client().get(f"/mappings/{NAME}/export")
    name = answer.headers["Content-Disposition"].partition("filename=")[2].strip('"')
    page = _upload(shop, files=(io.BytesIO(answer.data), name))
    assert "The draft says this already." in page
    assert f'name="name" value="{NAME}"' in page
    assert "A new draft." in _upload(shop, files=(io.BytesIO(answer.data), "another.toml"))


def test_an_import_tells_before_it_is_kept_what_will_stop_its_publishing(shop: Room) -> None:
    foreign = SOURCE.replace('adapter = "shopify"', 'adapter = "etsy"')
    page = _upload(shop, files=(io.BytesIO(foreign.encode()), "foreign.toml"))
    assert "not be published before this is mended" in page
    assert "<code>when.adapter</code>" in page
    assert "Import 1 draft" in page


def test_what_was_looked_at_is_imported_byte_for_byte(shop: Room) -> None:
    odd = OTHER + "# Zoë\r\n\n"
    page = _upload(shop, files=(io.BytesIO(odd.encode()), "order_paid.toml"))
    carried = b64encode(odd.encode()).decode()
    assert carried in page

    client = shop.client("editor")
    answer = shop.post(
        client, "/mappings/import/take", page="/mappings/import", name=NAME, source=carried, revision="1"
    )
    assert answer.status_code == 303
    assert _row(shop).draft == odd
    assert _row(shop).draft_by == "Editor Person"
    assert _done(shop, "mapping.saved") == [NAME]


def test_an_import_over_a_draft_that_somebody_changed_meanwhile_stores_nothing(shop: Room) -> None:
    publish.save(shop.store, NAME, OTHER, by="Grace")
    client = shop.client("editor")
    answer = shop.post(
        client, "/mappings/import/take", page="/mappings/import", name=NAME,
        source=b64encode(SOURCE.replace("there", "you").encode()).decode(), revision="1",
    )  # fmt: skip
    assert answer.status_code == 409
    assert "Grace changed the draft" in answer.text
    assert _row(shop).draft == OTHER


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ((io.BytesIO(b"PK\x03\x04 no archive"), "x.zip"), "cannot be read as a ZIP"),
        ((io.BytesIO(b"\xff\xfe"), "x.toml"), "not UTF-8"),
        ((io.BytesIO(b"a = 1\n" * 20_000), "x.toml"), "longer than 64 KB"),
        (_zip(("readme.md", b"x")), "no .toml file"),
        (_zip(("../../etc/x.toml", SOURCE.encode())), "name is of small letters"),
        ((io.BytesIO(b""), ""), "Choose a file"),
    ],
)
def test_what_is_no_mapping_is_refused_in_words(shop: Room, file: tuple[io.BytesIO, str], words: str) -> None:
    assert words in _upload(shop, files=file)


def test_a_pasted_text_is_checked_and_named(shop: Room) -> None:
    page = _upload(shop, text=SOURCE.replace("\n", "\r\n"), name="shopify/second")
    assert "A new draft." in page
    assert b64encode(SOURCE.encode()).decode() in page


# rates


def test_rates_begin_with_a_form_and_no_figure_of_ours(shop: Room) -> None:
    page = _page(shop, "/mappings/policy/rates")
    assert "No rates are entered" in page
    client = shop.client("admin")
    answer = shop.post(client, "/mappings/policy/rates/enter", page="/mappings/policy/rates", source=EXAMPLE)
    assert "holds no figure yet" in answer.text

    source = EXAMPLE.replace("# DE =", "DE = 0.05")
    answer = shop.post(client, "/mappings/policy/rates/enter", page="/mappings/policy/rates", source=source)
    assert answer.status_code == 303
    assert _row(shop, "policy/rates").draft == source
    assert "What it says" in _page(shop, "/mappings/policy/rates")


def test_rates_are_changed_by_admins_alone_whichever_way(shop: Room) -> None:
    source = EXAMPLE.replace("# DE =", "DE = 0.05")
    editor, here = shop.client("editor"), "/mappings/policy/rates"
    assert "Keep as draft" not in editor.get(here, headers=HTML).text
    assert shop.post(editor, f"{here}/enter", page="/me", source=source).status_code == 403
    looked = shop.post(editor, "/mappings/import", text=source, name="policy/rates")
    assert (looked.status_code, "by admins alone" in looked.text) == (422, True)
    body = b64encode(source.encode()).decode()
    taken = shop.post(editor, "/mappings/import/take", page="/me", name="policy/rates", source=body, revision="0")
    assert taken.status_code == 422
    with shop.store.read() as tx:
        assert mappings.get(tx, "policy/rates") is None

    shop.post(shop.client("admin"), f"{here}/enter", page=here, source=source)
    page = editor.get(here, headers=HTML).text
    assert f"{here}/publish" not in page
    assert editor.get(f"{here}/edit", headers=HTML).status_code == 200
    for where in ("edit", "publish", "pause"):
        assert shop.post(editor, f"{here}/{where}", page="/me", do="save", source="x").status_code == 403, where
    assert shop.post(shop.client("admin"), f"{here}/publish", revision="1").status_code == 303


def test_rates_that_were_entered_are_edited_as_a_text(shop: Room) -> None:
    source, here = EXAMPLE.replace("# DE =", "DE = 0.05"), "/mappings/policy/rates"
    admin = shop.client("admin")
    shop.post(admin, f"{here}/enter", page=here, source=source)
    assert "TOML, as files and the command line have it" in _page(shop, f"{here}/edit", "admin")
    dearer = source.replace("DE = 0.05", "DE = 0.06")
    form = {"do": "save", "as": "text", "revision": "1", "base": source, "source": dearer}
    assert shop.post(admin, f"{here}/edit", **form).status_code == 303
    assert _row(shop, "policy/rates").draft == dearer
    assert "readonly" in _page(shop, f"{here}/edit", "editor")
