"""The pages: who may look, what is shown, and what never is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from connector.model import ConsentState, Part, State, now
from connector.store import Store, people, templates
from connector.web.pages import COOKIE, HEADERS, pages
from tests.scene import CHANNEL, PHONE, SLOTS, START, TEMPLATE, Scene

TOKEN = "k3-vQ0token-of-the-page"
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def scene(sqlite_store: Store) -> Scene:
    return Scene(sqlite_store)


def app(store: Store, token: str = TOKEN) -> Flask:
    made = Flask("tests.pages")
    made.config.update(TESTING=True, PAGE_TOKEN=token)
    made.extensions["connector"] = SimpleNamespace(store=store)
    made.register_blueprint(pages)
    return made


@pytest.fixture
def stranger(scene: Scene) -> FlaskClient:
    return app(scene.store).test_client()


@pytest.fixture
def client(stranger: FlaskClient) -> Iterator[FlaskClient]:
    assert stranger.get("/messages", query_string={"token": TOKEN}).status_code == 303
    return stranger


def read(client: FlaskClient, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    return answer.text


PATHS = ["/", "/messages", "/messages/x", "/events", "/events/x", "/requests", "/people/x"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?token=k3-vQ0token-of-the-pag%C3%A9", "?token=%00"])
def test_without_the_token_nothing_is_shown_but_where_to_find_it(stranger: FlaskClient, path: str, query: str) -> None:
    answer = stranger.get(path + query)
    assert answer.status_code == 401
    assert "page.token" in answer.text
    assert "funnel" not in answer.text
    assert "Set-Cookie" not in answer.headers


def test_the_token_leaves_the_address_for_a_cookie_that_scripts_cannot_read(stranger: FlaskClient) -> None:
    answer = stranger.get("/messages", query_string={"token": TOKEN, "state": "failed", "_external": "1", "x": "y"})
    assert answer.status_code == 303
    assert answer.location == "/messages?state=failed"
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    assert stranger.get("/messages").status_code == 200


def test_the_cookie_is_for_https_alone_where_it_came_by_https(stranger: FlaskClient) -> None:
    answer = stranger.get("/messages", query_string={"token": TOKEN}, base_url="https://connect.example.org")
    assert "Secure" in answer.headers["Set-Cookie"]


def test_a_changed_token_turns_old_cookies_away(scene: Scene, client: FlaskClient) -> None:
    cookie = client.get_cookie(COOKIE)
    assert cookie is not None
    other = app(scene.store, "another").test_client()
    other.set_cookie(COOKIE, cookie.value)
    assert other.get("/messages").status_code == 401


@pytest.mark.parametrize("given", ["", TOKEN, "x" * 64, "ü"])
def test_no_other_cookie_opens_the_pages(stranger: FlaskClient, given: str) -> None:
    stranger.set_cookie(COOKIE, given)
    assert stranger.get("/messages").status_code == 401


def test_without_a_token_configured_the_pages_stay_shut(scene: Scene) -> None:
    shut = app(scene.store, "").test_client()
    for query in ("", "?token="):
        assert shut.get("/messages" + query).status_code == 401


@pytest.mark.parametrize("path", [*PATHS, "/messages?token=wrong"])
def test_every_answer_is_sealed(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert answer.headers["Cache-Control"] == "no-store"
    assert "unsafe" not in answer.headers["Content-Security-Policy"]


def test_nothing_is_written_inline_that_the_policy_forbids(scene: Scene, client: FlaskClient) -> None:
    message, event = scene.message(), scene.event()
    for path in (
        "/messages",
        f"/messages/{message}",
        f"/events/{event}",
        "/events",
        "/requests",
        "/messages?q=nobody",
    ):
        text = read(client, path)
        assert not re.search(r"<script(?![^>]* src=)", text)
        assert not re.search(r"\s(?:style|on\w+)=", text)
        assert "<style" not in text


@pytest.mark.parametrize("name", ["connector.css", "connector.js", "icon.svg"])
def test_looks_need_no_token(stranger: FlaskClient, name: str) -> None:
    answer = stranger.get(f"/assets/{name}")
    assert answer.status_code == 200
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    answer.close()


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_the_pages_are_read_only(client: FlaskClient, method: str) -> None:
    assert getattr(client, method)("/messages").status_code == 405


def test_the_front_leads_to_the_messages(client: FlaskClient) -> None:
    assert client.get("/").location == "/messages"


def test_no_list_and_no_trace_shows_a_whole_phone(scene: Scene, client: FlaskClient) -> None:
    message = scene.message(
        state=State.FAILED,
        words=f"{PHONE} is not there",
        slots={**SLOTS, "body.1": f"Zoë {PHONE}"},
        template="other",
    )
    event = scene.event("#2")
    scene.skip(event, words=f"{PHONE} has not agreed")
    scene.request(state="unreadable", words=f"No order for {PHONE}")
    paths = [
        "/messages",
        "/events",
        "/requests",
        f"/messages/{message}",
        f"/events/{event}",
        "/messages?q=1001",
    ]
    for path in paths:
        text = read(client, path)
        assert "1701234567" not in text, path
    assert "••• 4567" in read(client, "/messages")


def test_the_funnel_counts_each_step(scene: Scene, client: FlaskClient) -> None:
    for state in (State.READ, State.DELIVERED, State.SENT, State.WAITING):
        scene.message(state=state)
    scene.event()
    text = read(client, "/messages")
    assert re.findall(r'class="number">(\d+)<', text) == ["5", "4", "3", "2", "1"]
    old = read(client, "/messages?window=1d")
    assert re.findall(r'class="number">(\d+)<', old) == ["5", "4", "3", "2", "1"]


def test_a_stretch_of_time_leaves_out_what_is_older(scene: Scene, client: FlaskClient) -> None:
    scene.message(at=now() - timedelta(days=3))
    assert "#1001" in read(client, "/messages")
    assert "#1001" not in read(client, "/messages?window=1d")
    assert "Show everything" in read(client, "/messages?window=1d")
    assert "#1001" in read(client, "/messages?window=all")


def test_messages_are_filtered_by_state_and_mapping(scene: Scene, client: FlaskClient) -> None:
    scene.message(label="#1", state=State.FAILED)
    scene.message(label="#2", state=State.READ, mapping="order_shipped", at=START + timedelta(seconds=1))

    def listed(query: str) -> list[str]:
        return re.findall(r'class="row-link"[^>]*>([^<]+)<', read(client, f"/messages{query}"))

    assert listed("") == ["#2", "#1"]
    assert listed("?state=failed") == ["#1"]
    assert listed("?mapping=order_shipped") == ["#2"]
    assert listed("?state=failed&mapping=order_shipped") == []
    assert listed("?state=nonsense&window=nonsense&before=%27&mapping=%00") == ["#2", "#1"]


def test_older_messages_are_one_page_further(scene: Scene, client: FlaskClient) -> None:
    for number in range(52):
        scene.message(label=f"#{number}")
    first = read(client, "/messages")
    older = re.search(r'href="(/messages\?before=[0-9a-z]{26})"', first)
    assert older is not None
    shown = re.findall(r'href="(/messages/[0-9a-z]{26})"', first + read(client, older[1]))
    assert len(shown) == len(set(shown)) == 52


@pytest.mark.parametrize("term", ["1001", "%231001", "%2B49%20170%201234567", "01701234567"])
def test_a_search_takes_orders_and_phones(scene: Scene, client: FlaskClient, term: str) -> None:
    id_ = scene.message()
    scene.message(label="#2", recipient="+33612345678")
    text = read(client, f"/messages?q={term}")
    assert re.findall(r'href="/messages/([0-9a-z]{26})"', text) == [id_]


def test_a_search_takes_ids_and_finds_what_was_skipped(scene: Scene, client: FlaskClient) -> None:
    id_ = scene.message()
    event = scene.event("#7")
    scene.skip(event)
    assert f"/messages/{id_}" in read(client, f"/messages?q=wamid.{id_}")
    assert f"/messages/{id_}" in read(client, f"/messages?q={id_}")
    text = read(client, "/messages?q=7")
    assert f"/events/{event}" in text
    assert "skipped: no agreement" in text


def test_a_search_for_a_request_tells_its_end(scene: Scene, client: FlaskClient) -> None:
    number = scene.request(state="unreadable", words="The body is not JSON.")
    assert "unreadable. The body is not JSON." in read(client, f"/messages?q=request%20{number}")


def test_a_search_that_finds_nothing_shows_nothing_and_says_where_it_looked(scene: Scene, client: FlaskClient) -> None:
    scene.message()
    text = read(client, "/messages?q=%239999")
    assert "row-link" not in text
    assert "labels of orders" in text
    near = read(client, "/messages?q=%231002")
    assert 'href="/messages?q=%231001"' in near


@pytest.mark.parametrize("term", ["%00", "%ff", "%F0%9F%A6%8A", "a" * 5000, "%27%22%3E"])
def test_no_search_is_too_strange(scene: Scene, client: FlaskClient, term: str) -> None:
    read(client, f"/messages?q={term}")


@pytest.mark.parametrize(
    "path",
    [
        "/messages/" + "0" * 26,
        "/messages/x",
        "/events/" + "0" * 26,
        "/events/%00",
        "/messages/%27",
        "/people/x",
        "/people/%00",
    ],
)
def test_what_is_not_there_is_told_so(client: FlaskClient, path: str) -> None:
    assert "There is no such" in read(client, path, 404)


def test_a_message_is_shown_as_on_the_phone_beside_its_trace(scene: Scene, client: FlaskClient) -> None:
    id_ = scene.message()
    scene.receipt(id_, "read")
    text = read(client, f"/messages/{id_}")
    assert '<span class="bold ">Zoë</span>' in text
    assert '<span class="italic ">€ 59,90</span>' in text
    assert 'aria-label="read"' in text
    assert "View order" in text
    assert "https://shop.example" not in re.sub(r"<details>.*</details>", "", text, flags=re.DOTALL)
    assert "Receipt: read" in text
    assert 'class="tone-ok depth-1"' in text
    assert re.search(r'<time datetime="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z">', text)


def test_an_empty_slot_is_seen_in_the_bubble(scene: Scene, client: FlaskClient) -> None:
    id_ = scene.message(slots={**SLOTS, "body.2": ""})
    assert re.search(r'class="italic hole" title="nothing stands here">\{\{2\}\}<', read(client, f"/messages/{id_}"))


def test_a_template_that_was_never_synced_says_how(scene: Scene, client: FlaskClient) -> None:
    id_ = scene.message(template="gone")
    assert "connector templates sync" in read(client, f"/messages/{id_}")


def test_an_event_without_a_mapping_teaches_the_next_step(scene: Scene, client: FlaskClient) -> None:
    event = scene.event(type_="order.updated")
    text = read(client, f"/events/{event}")
    assert "No published mapping listens to order.updated" in text
    assert f"connector replay {event} --source mapping" in text


def test_events_are_filtered_by_what_was_decided(scene: Scene, client: FlaskClient) -> None:
    scene.message(label="#1")
    scene.skip(scene.event("#2"))
    scene.event("#3")
    for verdict, label in (("send", "#1"), ("skip", "#2"), ("none", "#3")):
        assert re.findall(r'class="row-link"[^>]*>([^<]+)<', read(client, f"/events?verdict={verdict}")) == [label]


def test_skipped_is_grey_and_failed_is_red(scene: Scene, client: FlaskClient) -> None:
    scene.skip(scene.event())
    scene.message(state=State.FAILED)
    scene.request(state="ignored")
    assert 'class="end end-skip">skipped: no agreement' in read(client, "/events")
    assert "badge-failed" in read(client, "/messages")
    assert 'class="end end-skip">ignored' in read(client, "/requests")


def test_requests_that_could_not_be_read_are_counted_everywhere(scene: Scene, client: FlaskClient) -> None:
    assert "could not be read</span>" not in read(client, "/messages")
    scene.request(state="unreadable", words="The body is not JSON.")
    scene.request(state="done")
    text = read(client, "/requests?state=unreadable")
    assert "The body is not JSON." in text
    assert "connector replay --unreadable" in text
    assert 'title="could not be read">1<' in read(client, "/messages")


@pytest.mark.parametrize("path", ["/messages", "/events", "/requests", "/requests?state=new", "/messages?state=failed"])
def test_an_empty_page_teaches_what_to_do(client: FlaskClient, path: str) -> None:
    assert 'class="empty"' in read(client, path)


def test_whatever_vendors_and_people_write_is_text_and_nothing_else(scene: Scene, client: FlaskClient) -> None:
    evil = f"{EVIL}\"'><img src=x onerror=alert(2)>"
    template = replace(
        TEMPLATE,
        name="evil",
        parts=(
            Part(kind="header", text=f"{evil} {{{{text}}}}", prefix="header"),
            Part(kind="body", text=f"*{evil}* {{{{1}}}} {{{{{2}}}}}", prefix="body"),
            Part(kind="footer", text=evil, prefix="footer"),
            Part(kind="button", text=f"{evil} → javascript:alert(3)", prefix="button.0"),
        ),
    )
    with scene.store.write() as tx:
        templates.upsert_all(tx, CHANNEL, [template], now(), partial=True)
    event = scene.event(evil, subject=evil, type_=f"order.{EVIL}")
    scene.skip(event, words=evil, steps=[[evil, False, evil]], mapping=evil)
    id_ = scene.message(
        label=evil,
        template="evil",
        slots={"header.text": evil, "body.1": evil, evil: evil},
        words=evil,
        mapping=evil,
    )
    scene.receipt(id_, "failed", words=evil, code=evil, advice=evil)
    scene.request(state="unreadable", words=evil, topic=evil, key=evil)
    paths = ["/messages", "/events", "/requests", f"/messages/{id_}", f"/events/{event}"]
    for path in [*paths, "/messages?q=" + evil.replace("<", "%3C"), f"/messages?mapping={evil}"]:
        text = read(client, path)
        assert EVIL not in text, path
        assert "<img src=x" not in text, path
        assert 'href="javascript:' not in text, path
    assert "&lt;script&gt;" in read(client, f"/messages/{id_}")


def test_a_person_has_a_page_with_the_ledger_and_the_decisions(scene: Scene, client: FlaskClient) -> None:
    contact = scene.person(record="customer:5521", name="Zoë", email="zoe@example.org")
    entry = scene.entry(contact, ConsentState.REVOKED, wording=f"stop, I am {PHONE}")
    message = scene.message(contact_id=contact)
    text = read(client, f"/people/{contact}")
    assert re.search(r'stands-revoked">\s*<h2>Marketing', text)
    assert re.search(r'stands-unknown">\s*<h2>Utility', text)
    assert entry in text
    assert "customer:5521 of main-store" in text
    assert "message by order_paid" in text
    assert "1701234567" not in text
    assert "zoe@" not in text
    assert f'href="/people/{contact}"' in read(client, f"/messages/{message}")


@pytest.mark.parametrize("term", ["%2B491701234567", "zoe@example.org", "customer:5521"])
def test_a_search_takes_whatever_a_person_is_known_by(scene: Scene, client: FlaskClient, term: str) -> None:
    contact = scene.person(record="customer:5521", email="zoe@example.org")
    text = read(client, f"/messages?q={term}")
    assert f'href="/people/{contact}"' in text
    assert "Nothing is known" not in text


def test_an_event_shows_where_the_person_stands_now(scene: Scene, client: FlaskClient) -> None:
    contact, event = scene.person(), scene.event()
    scene.entry(contact, ConsentState.GRANTED, key=f"{event}:agreed")
    text = read(client, f"/events/{event}")
    assert "Ledger: marketing granted" in text
    assert 'class="stands-granted"' in text


def test_the_page_of_a_merged_person_leads_to_who_they_are_now(scene: Scene, client: FlaskClient) -> None:
    keep, gone = scene.person(), scene.person("+447400123456")
    with scene.store.write() as tx:
        people.merge(tx, keep, gone, "The same.", START)
    assert client.get(f"/people/{gone}").location == f"/people/{keep}"


def test_a_person_of_whom_everything_is_evil_is_text_and_nothing_else(scene: Scene, client: FlaskClient) -> None:
    contact = scene.person(name=EVIL, blocked_at=START, blocked_words=EVIL, email=f"a@{EVIL}")
    scene.entry(contact, ConsentState.GRANTED, place=EVIL, wording=EVIL, evidence=EVIL)
    text = read(client, f"/people/{contact}")
    assert EVIL not in text
    assert "&lt;script&gt;" in text
    assert not re.search(r"\s(?:style|on\w+)=", text)
