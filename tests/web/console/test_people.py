"""People: found by whatever is at hand, shown as far as one may see them, changed by hand, handed out, forgotten."""

from __future__ import annotations

import csv
import json
import re

import pytest

from connector.flow import publish
from connector.model import ConsentState, ContactId, Purpose
from connector.store import audit, consents, labels, people
from tests.scene import PHONE, START
from tests.web.conftest import RECIPES
from tests.web.console.room import Room
from tests.web.console.traffic import EVIL, Traffic, assert_plain, listed, read

OTHER = "+447400123456"


def found(room: Room, query: str, role: str = "owner") -> list[str]:
    text = room.client(role).get("/people", query_string={"q": query}).text
    return re.findall(r'class="row-link" href="/people/([0-9a-z]{26})"', text)


@pytest.mark.parametrize(
    "term", [PHONE, "0049 170 1234567", "zoe@example.org", "customer:5521", "zoë", "Müll", "1001", "#1001"]
)
def test_people_are_found_by_name_number_address_record_and_order(scene: Traffic, room: Room, term: str) -> None:
    contact = scene.person(record="customer:5521", name="Zoë Müller", email="zoe@example.org")
    scene.person(OTHER, name="Bob")
    scene.message(contact_id=contact)
    assert found(room, term) == [contact]


@pytest.mark.parametrize("term", [PHONE, "491701234567", "zoe@example.org", "zoë", "1701234567"])
def test_a_viewer_finds_nobody_by_name_or_number_and_is_told_so(scene: Traffic, room: Room, term: str) -> None:
    contact = scene.person(name="Zoë", email="zoe@example.org")
    assert found(room, term, "viewer") == []
    assert "Your role does not see names and numbers" in room.client("viewer").get(f"/people?q={term}").text
    assert found(room, contact, "viewer") == [contact]


def test_a_viewer_finds_people_by_their_order(scene: Traffic, room: Room) -> None:
    contact = scene.person()
    scene.message(contact_id=contact)
    assert found(room, "#1001", "viewer") == [contact]


def test_people_are_filtered_by_label_consent_and_barriers(scene: Traffic, room: Room) -> None:
    agreed, refused, blocked = scene.person(), scene.person(OTHER), scene.person("+441134960123", blocked_at=START)
    scene.entry(agreed, ConsentState.GRANTED)
    scene.entry(refused, ConsentState.REVOKED)
    client = room.client()

    def shown(query: str) -> set[str]:
        return set(re.findall(r'class="row-link" href="/people/([0-9a-z]{26})"', read(client, f"/people?{query}")))

    assert shown("marketing=granted") == {agreed}
    assert shown("marketing=revoked") == {refused}
    assert shown("marketing=unknown") == {blocked}
    assert shown("blocked=1") == {blocked}
    room.post(client, f"/people/{agreed}/label", page=f"/people/{agreed}", name="vip")
    assert shown("label=VIP") == {agreed}
    assert shown("label=&marketing=x&blocked=2") == {agreed, refused, blocked}


def test_a_person_has_a_page_with_the_ledger_and_the_decisions(scene: Traffic, room: Room) -> None:
    contact = scene.person(record="customer:5521", name="Zoë", email="zoe@example.org")
    entry = scene.entry(contact, ConsentState.REVOKED, wording=f"stop, I am {PHONE}")
    message = scene.message(contact_id=contact)
    text = read(room.client("viewer"), f"/people/{contact}")
    assert re.search(r'stands-revoked">\s*<h2>Marketing', text)
    assert re.search(r'stands-unknown">\s*<h2>Utility', text)
    assert entry in text
    assert "customer:5521 of old-store" in text
    assert "message by order_paid" in text
    for private in ("1701234567", "zoe@", "Zoë", "stop, I am", "Enter what they said", "Erase", "/proof"):
        assert private not in text, private
    assert f'href="/people/{contact}"' in read(room.client("viewer"), f"/messages/{message}")
    text = read(room.client("editor"), f"/people/{contact}")
    for private in (PHONE, "zoe@example.org", "Zoë", "stop, I am", "/proof"):
        assert private in text, private
    assert "Erase" not in text


def test_the_page_of_a_merged_person_leads_to_who_they_are_now(scene: Traffic, room: Room) -> None:
    keep, gone = scene.person(), scene.person(OTHER)
    with scene.store.write() as tx:
        people.merge(tx, keep, gone, "The same.", START)
    assert room.client("viewer").get(f"/people/{gone}").location == f"/people/{keep}"


def test_labels_are_put_on_and_taken_off_with_a_name_to_it(scene: Traffic, room: Room) -> None:
    contact = scene.person()
    client, page = room.client("admin"), f"/people/{contact}"
    room.post(client, f"{page}/label", page=page, name="vip")
    assert "Label “vip” added." in read(client, page)
    with room.store.read() as tx:
        assert list(labels.of(tx, [contact])[contact]) == ["vip"]
        assert "by Admin Person" in labels.history(tx, [contact])[0].words
    room.post(client, f"{page}/label", page=page, name="vip", do="remove")
    with room.store.read() as tx:
        assert labels.of(tx, [contact]) == {}
        assert len(audit.listing(tx, action="person.labelled")) == 2


def test_consent_by_hand_needs_a_source_and_says_who_entered_it(scene: Traffic, room: Room) -> None:
    contact = scene.person()
    client, page = room.client("admin"), f"/people/{contact}"
    room.post(client, f"{page}/consent", page=page, state="granted", purpose="marketing")
    assert "A grant needs its source" in read(client, page)
    room.post(
        client, f"{page}/consent", page=page, state="granted", purpose=["marketing", "utility"],
        place="form at the till", wording="Yes, write to me", at="2026-01-05T10:00",
    )  # fmt: skip
    with room.store.read() as tx:
        entries = consents.of(tx, [contact])
        assert {entry.purpose for entry in entries} == {Purpose.MARKETING, Purpose.UTILITY}
        assert {(entry.actor, entry.place, entry.wording) for entry in entries} == {
            ("Admin Person", "form at the till", "Yes, write to me")
        }
        assert consents.standings(tx, [contact])[contact, Purpose.MARKETING].state is ConsentState.GRANTED
        (told,) = audit.listing(tx, action="person.consent_changed")
    assert "write to me" not in json.dumps(told.details)
    for wrong in (
        {"state": "granted", "purpose": "x"},
        {"state": "unknown", "purpose": "utility"},
        {"purpose": "utility"},
    ):
        room.post(client, f"{page}/consent", page=page, place="x", **wrong)
    room.post(client, f"{page}/consent", page=page, state="revoked", purpose="utility", at="yesterday")
    room.post(client, f"{page}/consent", page=page, state="revoked", purpose="utility", at="2999-01-01")
    with room.store.read() as tx:
        assert len(consents.of(tx, [contact])) == 2


def test_a_block_says_why_and_is_lifted_again(scene: Traffic, room: Room) -> None:
    contact = scene.person()
    client, page = room.client("admin"), f"/people/{contact}"
    room.post(client, f"{page}/block", page=page)
    assert "Say why" in read(client, page)
    room.post(client, f"{page}/block", page=page, reason="disputed order")
    assert "disputed order" in read(client, page)
    room.post(client, f"{page}/block", page=page, do="unblock")
    assert "disputed order" not in read(client, page)
    with room.store.read() as tx:
        assert [e.action for e in audit.listing(tx, object_=contact)] == ["person.unblocked", "person.blocked"]


def test_who_sees_no_names_is_told_what_would_bring_them(scene: Traffic, room: Room) -> None:
    client = room.client("admin")
    assert "Nobody reads yet" not in read(client, "/people"), "nobody is known at all: the page says something else"
    scene.person()
    assert "Nobody reads yet what main-store tells of people" in read(client, "/people")
    assert "/mappings/new#recipes-h" in read(client, "/people")
    assert "/mappings/new#recipes-h" not in read(room.client("viewer"), "/people")
    publish.save(room.store, "shopify/contact", (RECIPES / "contact.toml").read_text("utf-8"))
    publish.publish(room.store, room.tools.registry, "shopify/contact")
    room.tools.desk.catalogue.refresh(at_most_old=0)
    assert "Nobody reads yet" not in read(client, "/people")


def test_a_merge_says_first_what_comes_together(scene: Traffic, room: Room) -> None:
    keep, gone = scene.person(name="Zoë"), scene.person(OTHER, name="Zoë M")
    scene.entry(gone, ConsentState.REVOKED)
    client, page = room.client("admin"), f"/people/{keep}/merge?other={gone}"
    text = read(client, page)
    assert "Becomes a part of it: <bdi>Zoë M</bdi>" in text
    assert OTHER in text, "whoever may do this for good sees the whole number: ends of numbers are often the same"
    assert "revoked" in text
    room.post(client, f"/people/{keep}/merge", page=page, other=gone, reason="said so")
    with room.store.read() as tx:
        assert people.load(tx, [gone])[ContactId(gone)].merged_into == keep
    room.post(client, f"/people/{keep}/merge", page=f"/people/{keep}", other=keep)
    assert "same contact already" in read(client, f"/people/{keep}")


def test_the_proof_is_a_page_of_its_own_whose_style_may_run(scene: Traffic, room: Room) -> None:
    contact = scene.person(name="Zoë")
    scene.entry(contact, ConsentState.GRANTED, wording=EVIL)
    answer = room.client("editor").get(f"/people/{contact}/proof")
    assert answer.status_code == 200
    assert "Zoë" in answer.text
    assert EVIL not in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "style-src 'sha256-" in policy
    assert "unsafe" not in policy
    assert "style=" not in answer.text, "the policy forbids it: columns would be of another width than in a file"
    assert room.client("viewer").get(f"/people/{contact}/proof").status_code == 403


def test_all_that_is_stored_is_handed_out_as_json_and_written_down(scene: Traffic, room: Room) -> None:
    contact = scene.person(name="Zoë")
    scene.message(contact_id=contact)
    answer = room.post(room.client("admin"), f"/people/{contact}/export", page=f"/people/{contact}")
    told = json.loads(answer.text)
    assert told["contact"]["name"] == "Zoë"
    assert len(told["messages"]) == 1
    with room.store.read() as tx:
        assert len(audit.listing(tx, action="person.exported")) == 1


def test_erasing_states_what_goes_and_takes_the_digits_of_the_number(scene: Traffic, room: Room) -> None:
    contact = scene.person(name="Zoë")
    scene.message(contact_id=contact)
    client, page = room.client("admin"), f"/people/{contact}/erase"
    text = read(client, page)
    assert re.search(r"<b>1</b>\s*messages to them are emptied", text)
    assert room.post(client, page, confirm="0000").location == page
    assert "nothing was erased" in read(client, page)
    assert room.post(client, page, confirm=PHONE[-4:]).location == "/people"
    assert "Forgotten: 1 messages" in read(client, "/people")
    assert room.client("admin").get(f"/people/{contact}").status_code == 404
    with room.store.read() as tx:
        (entry,) = audit.listing(tx, action="person.erased")
    assert (entry.object, entry.details["messages"]) == (contact, 1)


@pytest.mark.parametrize("path", ["label", "block", "consent", "merge", "export", "erase"])
@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_who_may_not_edit_people_cannot(scene: Traffic, room: Room, role: str, path: str) -> None:
    contact = scene.person()
    assert room.post(room.client(role), f"/people/{contact}/{path}", page="/me").status_code == 403


@pytest.mark.parametrize("path", ["", "/merge", "/erase", "/proof"])
@pytest.mark.parametrize("id_", ["x", "%00", "0" * 26])
def test_nobody_is_told_so(room: Room, id_: str, path: str) -> None:
    assert "There is no such person" in read(room.client(), f"/people/{id_}{path}", 404)


@pytest.mark.parametrize("path", ["label", "block", "consent", "merge", "export", "erase"])
def test_changing_nobody_changes_nothing(room: Room, path: str) -> None:
    given = {"name": "x", "reason": "x", "state": "revoked", "purpose": "utility", "other": "1" * 26, "confirm": "0000"}
    answer = room.post(room.client(), f"/people/{'0' * 26}/{path}", page="/me", **given)
    assert answer.status_code in (303, 404)
    assert room.house.rows("contact") == []


def test_a_person_of_whom_everything_is_evil_is_text_and_nothing_else(scene: Traffic, room: Room) -> None:
    contact = scene.person(name=EVIL, blocked_at=START, blocked_words=EVIL, email=f"a@{EVIL}")
    scene.entry(contact, ConsentState.GRANTED, place=EVIL, wording=EVIL, evidence=EVIL)
    client = room.client()
    room.post(client, f"/people/{contact}/label", page=f"/people/{contact}", name=EVIL)
    for path in ("", "/erase", f"/merge?other={EVIL}"):
        text = read(client, f"/people/{contact}{path}")
        assert_plain(text, path)
        assert "&lt;script&gt;" in text
    assert_plain(read(client, f"/people?q={EVIL}&label={EVIL}"))


def test_a_file_of_people_is_whole_or_masked_by_the_role(scene: Traffic, room: Room) -> None:
    scene.person(name="=Zoë", email="zoe@example.org")
    rows = list(csv.DictReader(room.client("editor").get("/people?format=csv").text.lstrip("\ufeff").splitlines()))
    assert [(row["phone"], row["name"], row["email"]) for row in rows] == [(f"'{PHONE}", "'=Zoë", "zoe@example.org")]
    text = room.client("viewer").get("/people?format=csv").text
    assert "Zoë" not in text
    assert "zoe@" not in text


def test_an_empty_page_teaches_what_to_do(room: Room) -> None:
    assert "Nobody is known yet" in read(room.client("viewer"), "/people")
    assert listed(read(room.client("viewer"), "/people?before=" + "0" * 26)) == []
