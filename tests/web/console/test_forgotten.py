"""After somebody was erased nothing of them is left in any table, whatever the console has made of them."""

from __future__ import annotations

import json

import pytest

from connector.flow import keys
from connector.flow.privacy import erase
from connector.model import GRANTS, Role
from tests.desks import digest
from tests.flow.test_outgoing import Ear
from tests.web.console.crawl import HTML, addresses, rules
from tests.web.console.crowd import EMAIL, FAULT, FIRST, MAPPING, PHONE, Crowd, order, traces
from tests.web.console.room import Room
from tests.web.console.test_masks import crowd as crowd
from tests.web.console.test_masks import deliver
from tests.web.console.test_masks import ear as ear


@pytest.fixture
def used(room: Room, crowd: Crowd, ear: Ear) -> Crowd:
    """The same, after everybody has looked at everything, and programs have asked for more."""
    deliver(room, ear, crowd)
    made = keys.make(
        room.store, "desk", keys.OFFERED, may=GRANTS[Role.OWNER], by=room.user().id, by_name="Ada"
    )  # fmt: skip
    headers = {"Authorization": f"Bearer {made.token.reveal()}", "Idempotency-Key": "one"}
    body = json.loads(json.dumps({"mapping": MAPPING, "data": order(room.house, 9)}))
    assert room.stranger().post("/api/v1/messages", json=body, headers=headers).status_code == 202
    said = {"who": {"phone": PHONE}, "purpose": "marketing", "state": "revoked", "place": f"call of {FIRST}"}
    room.stranger().post("/api/v1/consent", json=said, headers=headers)
    client = room.client("owner")
    for path in addresses(crowd, rules(room.app, "GET", "console")):
        client.get(path, headers=HTML).get_data()
    person = f"/people/{crowd.person}"
    room.post(client, f"{person}/block", page=person, reason=f"{FIRST} asked for it", do="block")
    room.post(client, f"{person}/label", page=person, name="vip", do="add")
    room.post(client, f"{person}/export", page=person).get_data()
    for word in (FIRST, PHONE, EMAIL):
        client.get("/why", query_string={"q": word}, headers=HTML)
        client.get("/people", query_string={"q": word, "format": "csv"}, headers=HTML).get_data()
    room.house.decide()
    return crowd


def test_nothing_of_somebody_is_left_once_they_are_erased(used: Crowd) -> None:
    before = {name for name, row in used.everything() if traces(row)}
    assert {"contact", "request", "message", "attempt", "inbound", "label_change"} <= before
    erase(used.store, digest, used.person)
    others = ("acc-shop", "'mapping': 'gone'")  # what the scene has beside, of nobody that the house has met
    rows = [(name, row.replace(FAULT, "")) for name, row in used.everything() if not any(map(row.count, others))]
    assert [(name, traces(row), row[:300]) for name, row in rows if traces(row)] == []
