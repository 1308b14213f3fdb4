"""Events: what came, what stood in it, what was decided about it."""

from __future__ import annotations

import csv
import json
import re
from datetime import timedelta
from typing import Any

import pytest

from connector.flow.inside import test_of as inside
from connector.model import ConsentState, Reason, State, now
from connector.store import Store, audit
from connector.store.deep import dig
from connector.store.inbox import ERASED
from tests.scene import PHONE, Scene
from tests.web.console.room import Room
from tests.web.console.traffic import EVIL, Traffic, assert_plain, listed, read

BIG = 450789469123456789
ORDER: dict[str, Any] = {
    "id": BIG,
    "admin_graphql_api_id": f"gid://shopify/Order/{BIG}",
    "name": "#1042",
    "email": "ann@example.org",
    "phone": "+447400123456",
    "total_price": "50.10",
    "currency": "GBP",
    "total_price_set": {"shop_money": {"amount": "50.10", "currency_code": "GBP"}},
    "order_status_url": "https://fernhill-tea.example/orders/1042",
    "test": False,
    "customer": {"id": 5521, "first_name": "Änn", "email": "ann@example.org"},
    "line_items": [{"title": "Tea", "quantity": 2}, {"title": "Pot", "quantity": 1}],
}


def order(room: Room, **changes: Any) -> str:
    """Let the shop post an order, read it, and return its event."""
    at = now().isoformat()
    payload = {**ORDER, "created_at": at, "updated_at": at, "processed_at": at, **changes}
    assert room.house.post(payload).status_code == 200
    room.house.decide()
    return str(room.house.rows("event")[-1].id)


def test_events_are_filtered_by_what_was_decided_and_where_they_are_from(scene: Traffic, room: Room) -> None:
    scene.message(label="#1", state=State.FAILED)
    scene.skip(scene.event("#2"))
    scene.event("#3", type_="order.updated")
    client = room.client("viewer")

    def shown(query: str) -> list[str]:
        return listed(read(client, f"/events?{query}"))

    assert sorted(shown("")) == ["#1", "#2", "#3"]
    assert shown("verdict=send") == ["#1"]
    assert shown("verdict=skip") == ["#2"]
    assert shown("verdict=none") == ["#3"]
    assert shown("type=order.updated") == ["#3"]
    assert shown(f"reason={Reason.NO_AGREEMENT}") == ["#2"]
    assert shown("state=failed") == ["#1"]
    assert shown("mapping=order_paid&verdict=skip") == ["#2"]
    assert shown("account=main-store") == []
    assert sorted(shown("verdict=x&reason=x&state=x&before=%27&type=%00&from=%ff")) == ["#1", "#2", "#3"]


def test_a_stretch_of_time_is_from_and_to(scene: Traffic, room: Room) -> None:
    scene.event("#1", at=now() - timedelta(days=20))
    scene.event("#2", at=now() - timedelta(days=10))
    day = f"{now() - timedelta(days=15):%Y-%m-%d}"
    client = room.client("viewer")
    assert listed(read(client, "/events")) == []
    assert "No event is like that" in read(client, "/events")
    assert listed(read(client, f"/events?from={day}")) == ["#2"]
    assert listed(read(client, f"/events?to={day}T00:00")) == ["#1"]


def test_every_filter_is_kept_when_one_pages_and_exports(scene: Traffic, room: Room) -> None:
    for number in range(52):
        scene.skip(scene.event(f"#{number}"))
    text = read(room.client(), "/events?verdict=skip&account=old-store&window=all")
    older = re.search(r'href="(/events\?[^"]*before=[0-9a-z]{26})"', text)
    assert older is not None
    for part in ("verdict=skip", "account=old-store", "window=all"):
        assert part in older[1]
        assert part in re.findall(r'href="(/events\?[^"]*format=csv[^"]*)"', text)[0]
    assert len(listed(read(room.client(), older[1].replace("&amp;", "&")))) == 2


def test_skipped_is_grey_and_never_red(scene: Traffic, room: Room) -> None:
    scene.skip(scene.event())
    assert 'class="end end-skip">skipped: no agreement' in read(room.client("viewer"), "/events")


def test_an_event_without_a_mapping_teaches_the_next_step(scene: Traffic, room: Room) -> None:
    event = scene.event(type_="order.updated")
    text = read(room.client(), f"/events/{event}")
    assert "No published mapping listens to order.updated" in text
    assert 'href="/mappings?event=order.updated"' in text


def test_an_event_shows_where_the_person_stands_now(scene: Traffic, room: Room) -> None:
    contact, event = scene.person(), scene.event()
    scene.entry(contact, ConsentState.GRANTED, key=f"{event}:agreed")
    text = read(room.client("viewer"), f"/events/{event}")
    assert "Ledger: marketing granted" in text
    assert "stand stands-granted" in text


# inside payloads


def test_the_payload_is_a_tree_of_exact_values_with_their_paths(room: Room) -> None:
    event = order(room)
    text = read(room.client(), f"/events/{event}")
    assert f">{BIG}<" in text
    assert 'data-path="line_items[1].title"' in text
    assert re.search(r'data-path="total_price" data-leaf>.*?<span class="t">money</span>', text)
    assert ">false<" in text
    assert "Edit the mapping" not in text  # nothing has been decided


def test_a_viewer_sees_the_shape_of_a_payload_and_not_who_it_is_about(room: Room) -> None:
    event = order(room)
    text = read(room.client("viewer"), f"/events/{event}")
    assert "ann@" not in text
    assert "Änn" not in text
    assert "7400123456" not in text
    assert ">50.10<" in text
    assert 'data-path="customer.email"' in text
    assert "/raw" not in text


def test_the_bytes_are_handed_out_to_those_who_see_people_and_it_is_written_down(room: Room) -> None:
    event = order(room)
    answer = room.client("editor").get(f"/events/{event}/raw")
    assert answer.json["email"] == "ann@example.org"
    assert "attachment" in answer.headers["Content-Disposition"]
    assert room.client("viewer").get(f"/events/{event}/raw").status_code == 403
    with room.store.read() as tx:
        (entry,) = audit.listing(tx, action="request.downloaded")
    assert entry.actor_name == "Editor Person"


@pytest.mark.parametrize(
    "term", ["customer.email:ann@EXAMPLE", "line_items.title:pot", "line_items[1].title:Pot", "ANN@", "änn", str(BIG)]
)
def test_a_search_inside_payloads_takes_texts_and_fields(room: Room, term: str) -> None:
    order(room)
    order(
        room,
        id=7,
        admin_graphql_api_id="",
        name="#7",
        email="bob@example.org",
        customer={"id": 8, "first_name": "Bob"},
        line_items=[],
    )
    client = room.client()
    text = client.get("/events", query_string={"q": term}).text
    assert listed(text) == ["#1042"]
    assert "1 of 2 stored requests holds" in text


@pytest.mark.parametrize(
    ("written", "term"),
    [
        (r'{"note": "call me \"Ned\""}', 'me "ned"'),
        (r'{"note": "a\\b"}', r"a\b"),
        (r'{"url": "https:\/\/tea.example\/7"}', "https://tea.example/7"),
        (r'{"note": "50%_off \ud83c\udf75"}', "50%_off 🍵"),
        ('{"note": "Zoe\u0308"}', "zoë"),
        ('{"note": "Zoë"}', "zoe\u0308"),
        ('{"note": "Zoe\u0308"}', "note:zoë"),
        (r'{"a": "\q", "note": "x"}', '"note": "x"'),
    ],
)
def test_a_text_is_found_as_one_reads_it_however_it_is_written(written: str, term: str) -> None:
    holds = inside(term)
    assert holds is not None
    assert holds(written.encode())
    assert not holds(b'{"note": "50 off, Ned"}')


@pytest.mark.parametrize("term", ["customer.phone:ann", "line_items[0].title:pot", "nobody", "test:true"])
def test_a_search_inside_payloads_finds_no_more_than_is_there(room: Room, term: str) -> None:
    order(room)
    text = room.client().get("/events", query_string={"q": term}).text
    assert listed(text) == []
    assert "Nothing was found inside these payloads" in text


def test_a_viewer_cannot_search_inside_payloads(room: Room) -> None:
    order(room)
    client = room.client("viewer")
    assert listed(client.get("/events?q=nobody-at-all").text) == ["#1042"], "the term must not narrow the list"
    assert "needs a role that sees people" in client.get("/events").text


def test_a_search_looks_only_so_far_says_so_and_goes_on_from_there(store: Store) -> None:
    scene = Scene(store)
    for number in range(600):
        scene.request(body=b'{"n": "%d needle"}' % number)
    holds = inside("needle")
    assert holds is not None
    seen: list[int] = []
    before: int | None = None
    for _ in range(600):  # twelve, where the machine never lets it stop for want of time
        with store.read() as tx:
            dug = dig(tx, holds, before=before)
        assert len(dug.request_ids) <= 50
        seen += dug.request_ids
        before = dug.at
        if before is None:
            break
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 600
    with store.read() as tx:
        short = dig(tx, holds, seconds=0)
    assert (short.looked, short.at is not None) == (1, True)


def test_a_search_passes_over_what_is_emptied_and_what_is_no_json(store: Store) -> None:
    scene = Scene(store)
    scene.request(body=b"\xff\xfe needle <x>")
    scene.request(body=b'{"a": "needle"}', words=ERASED)
    scene.request(body=b'{"a": {"b": [{"c": null}, {"c": "n\\u00e9\\u0065dle"}]}}')
    with store.read() as tx:
        assert len(dig(tx, inside("needle") or bool).request_ids) == 1
        assert len(dig(tx, inside("a.b.c:NÉEDLE") or bool).request_ids) == 1
        assert len(dig(tx, inside("a.b.c:null") or bool).request_ids) == 1


@pytest.mark.parametrize("term", ["%00", "%ff", "%F0%9F%A6%8A", "a" * 5000, "%27%22%3E", "a[:", "..:x", "[[[[0]:", ":"])
@pytest.mark.parametrize("path", ["/events", "/requests", "/why", "/people"])
def test_no_search_is_too_strange(scene: Traffic, room: Room, path: str, term: str) -> None:
    scene.request(body=b'{"a": [[[[1]]]]}')
    read(room.client(), f"{path}?q={term}")


def test_a_file_of_events_holds_the_rows_behind_the_filter(scene: Traffic, room: Room) -> None:
    scene.skip(scene.event("@SUM(1)"))
    scene.event("#3")
    rows = list(csv.DictReader(room.client().get("/events?verdict=skip&format=csv").text.lstrip("\ufeff").splitlines()))
    assert [(row["order"], row["reasons"]) for row in rows] == [("'@SUM(1)", "no_agreement")]


def test_whatever_a_vendor_sends_is_text_and_nothing_else(scene: Traffic, room: Room) -> None:
    evil = f"{EVIL}\"'><img src=x onerror=alert(2)>"
    event = scene.event(evil, subject=evil, type_=f"order.{EVIL}")
    scene.skip(event, words=evil, steps=[[evil, False, evil]], mapping=evil)
    came = order(room, name=evil, note=evil, **{evil: {evil: [evil]}})
    client = room.client()
    for path in ("/events", f"/events/{event}", f"/events/{came}", f"/events?mapping={evil}", f"/events?q={evil}"):
        assert_plain(read(client, path), path)
    assert "&lt;script&gt;" in read(client, f"/events/{came}")


def test_a_payload_without_end_is_cut_and_says_so(room: Room) -> None:
    event = order(room, note_attributes=[{"name": str(n), "value": "x"} for n in range(4000)])
    text = read(room.client(), f"/events/{event}")
    assert "It goes on" in text
    assert len(text) < 900_000


@pytest.mark.parametrize("id_", ["0" * 26, "%00", "x"])
@pytest.mark.parametrize("more", ["", "/raw"])
def test_what_is_not_there_is_told_so(room: Room, id_: str, more: str) -> None:
    assert "There is no such event" in read(room.client(), f"/events/{id_}{more}", 404)


def test_no_list_and_no_trace_shows_a_whole_phone(scene: Traffic, room: Room) -> None:
    event = scene.event("#2")
    scene.skip(event, words=f"{PHONE} has not agreed")
    client = room.client()
    for path in ("/events", f"/events/{event}", "/why?q=2"):
        assert "1701234567" not in re.sub(r'<section class="viewer.*?</section>', "", read(client, path)), path


def test_an_empty_page_teaches_what_to_do(room: Room) -> None:
    text = read(room.client("viewer"), "/events")
    assert "No event has come in yet" in text
    assert json.dumps("/accounts") in text
