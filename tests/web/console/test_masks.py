"""Whoever may not see people sees nobody, wherever they look; whoever may is written down."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.routing import Rule

from connector.flow import keys, outgoing
from connector.flow.outgoing import Courier
from connector.model import GRANTS, Permission, Role, now
from connector.store import audit, schema
from connector.store import outgoing as rows
from tests.flow.test_outgoing import Ear
from tests.web.console.crawl import HTML, addresses, crawl, rules
from tests.web.console.crowd import EMAIL, FIRST, MAPPING, PHONE, STREET, Crowd, order, traces
from tests.web.console.room import Room

WORDS = ("%231001", "987650000778", "%231003", "1001", "nobody")
QUERIES = [f"/{page}?q={word}" for page in ("why", "people", "events", "messages", "mappings") for word in WORDS]
FILES = [f"{page}?window=all&format=csv" for page in ("/events", "/messages", "/people")] + ["/analytics.csv"]
SCOPES = tuple(each for each in keys.OFFERED if each is not Permission.SEE_PEOPLE)


@pytest.fixture
def crowd(room: Room) -> Crowd:
    """Somebody whose every trace would be known again."""
    return Crowd(room.house)


@pytest.fixture
def ear() -> Iterator[Ear]:
    """An endpoint on this machine."""
    made = Ear()
    yield made
    made.close()


def everywhere(room: Room, crowd: Crowd) -> list[str]:
    """Return where to look."""
    own = list(addresses(crowd, rules(room.app, "GET", "console")))
    picked = [f"/mappings/{MAPPING}/edit?event={id_}" for id_ in crowd.ids("event")]
    return own + picked + QUERIES + FILES


def around(text: str) -> str:
    """Show where somebody is told of."""
    for each in traces(text):
        at = text.casefold().find(each.casefold())
        return text[max(0, at - 200) : at + 100]
    return ""


def test_a_viewer_sees_nobody_anywhere(room: Room, crowd: Crowd) -> None:
    looked, found = 0, []
    for seen in crawl(room.client("viewer"), everywhere(room, crowd)):
        found += [(seen.path, around(seen.whole))] if traces(seen.whole) else []
        assert seen.answer.status_code in (200, 303, 400, 403, 404, 405), seen.path
        looked += seen.answer.status_code == 200
    assert found == []
    assert looked > 150
    with room.store.read() as tx:
        assert audit.listing(tx, action="person.seen") == []


def test_every_page_and_file_that_shows_somebody_is_written_down(room: Room, crowd: Crowd) -> None:
    told: dict[str, set[str]] = {}
    for seen in crawl(room.client("editor"), everywhere(room, crowd), each=2):
        if seen.answer.status_code == 200 and (known := traces(seen.answer.get_data().decode("utf-8", "replace"))):
            told.setdefault(seen.path.partition("?")[0], set()).update(known)
    with room.store.read() as tx:
        noted = {entry.object for entry in audit.listing(tx, action="person.seen", most=10_000)}
        noted |= {f"/requests/{entry.object}/raw" for entry in audit.listing(tx, action="request.downloaded")}
        files = {
            entry.action for entry in audit.listing(tx, action="", most=10_000) if entry.action.endswith(".exported")
        }
    assert {path for path in told if not path.startswith("/events/") or not path.endswith("/raw")} - noted == set()
    assert {"event.exported", "message.exported"} <= files
    assert len(told) > 30
    every = set().union(*told.values())
    assert {FIRST, "7400123456", "quibbles.example", STREET.partition(" ")[2], "purple doorbell"} <= every


def test_what_was_looked_for_is_kept_nowhere(room: Room, crowd: Crowd) -> None:
    before = dict.fromkeys(f"{name}|{row}" for name, row in crowd.everything())
    client = room.client("admin")
    for page in ("why", "people", "events", "messages"):
        for word in (FIRST, PHONE, EMAIL):
            client.get(f"/{page}", query_string={"q": word, "window": "all"}, headers=HTML)
            client.get(f"/{page}", query_string={"q": word, "window": "all", "format": "csv"}, headers=HTML).get_data()
    fresh = [row for name, row in crowd.everything() if f"{name}|{row}" not in before]
    assert fresh
    assert [row for row in fresh if traces(row)] == []


# the API


def key(room: Room, *scopes: Permission) -> dict[str, str]:
    """Return the header of a key."""
    made = keys.make(room.store, "desk", scopes or SCOPES, may=GRANTS[Role.OWNER], by=room.user().id, by_name="Ada")
    return {"Authorization": f"Bearer {made.token.reveal()}"}


def resources(room: Room) -> list[Rule]:
    """Return what can be read by a key; the document holds an example's number, and nobody's."""
    found = rules(room.app.extensions["api"], "GET")
    return [rule for rule in found if rule.rule.startswith("/api/v1/")]


def deliver(room: Room, ear: Ear, crowd: Crowd) -> None:
    """Let an endpoint hear of the person, and repeat it."""
    made = outgoing.add(room.store, room.tools.vault, ear.url, ["message.read"], personal=True, loopback=True)
    ear.answers += [(200, f"thank you, {FIRST} {PHONE}".encode())]
    with room.store.write() as tx:
        data = {"message_id": crowd.message, "contact_id": str(crowd.person), "account_id": str(room.house.number.id)}
        rows.add_one(tx, made.row.id, "message.read", "k", data, now())
    Courier(room.store, room.tools.vault, owner="test", loopback=True).run()
    assert FIRST in ear.heard[-1][1].decode()


def test_a_key_that_may_not_see_people_reads_nobody(room: Room, crowd: Crowd, ear: Ear) -> None:
    deliver(room, ear, crowd)
    headers, client, found, looked = key(room), room.stranger(), [], 0
    paths = list(addresses(crowd, resources(room)))
    for path in [
        *paths,
        "/api/v1/events?q=1001",
        "/api/v1/contacts?phone=%2B447400123456",
        "/api/v1/messages?limit=200",
    ]:
        answer = client.get(path, headers=headers)
        whole = f"{answer.headers}\n{answer.text}"
        found += [(path, around(whole))] if traces(whole) else []
        looked += answer.status_code == 200
        assert answer.status_code in (200, 404, 403, 422), (path, answer.text)
    assert found == []
    assert looked > 60


def test_what_a_key_is_answered_tells_nobody_either(room: Room, crowd: Crowd) -> None:
    headers, client = key(room), room.stranger()
    once = headers | {"Idempotency-Key": "one"}

    def post(path: str, body: Any, given: dict[str, str] = headers) -> str:
        answer = client.post(f"/api/v1{path}", json=json.loads(json.dumps(body)), headers=given)
        assert answer.status_code < 500, answer.text
        return f"{answer.status_code} {answer.headers}\n{answer.text}"

    told = [
        post(f"/mappings/{MAPPING}/preview", {}),
        *(post(f"/mappings/{MAPPING}/preview", {"event": id_}) for id_ in crowd.ids("event")),
        post("/messages", {"mapping": MAPPING, "data": order(room.house, 9)}, once),
        post("/messages", {"mapping": MAPPING, "data": order(room.house, 9)}, once),
        post("/messages", {"mapping": "only_bob", "data": order(room.house, 9)}, headers | {"Idempotency-Key": "two"}),
        post("/events", {"account": "main-store", "topic": "orders/paid", "body": order(room.house, 10)}),
        post("/replays/survey", {"label": "#1001"}),
    ]
    assert [around(each) for each in told if traces(each)] == []
    assert sum(each.startswith("2") for each in told) > 4


def test_every_resource_that_tells_of_somebody_is_written_down(room: Room, crowd: Crowd, ear: Ear) -> None:
    deliver(room, ear, crowd)
    headers, client, told = key(room, *keys.OFFERED), room.stranger(), set()
    for path in addresses(crowd, resources(room)):
        answer = client.get(path, headers=headers)
        if answer.status_code == 200 and traces(answer.text):
            told.add(path)
    with room.store.read() as tx:
        noted = set(tx.execute(select(schema.audit.c.object).where(schema.audit.c.action == "person.seen")).scalars())
    assert told - noted == set()
    assert len(told) > 10
