"""Webhooks that leave, managed by the API, delivered over HTTP and checked by what the documents say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from connector.flow.outgoing import Courier
from tests.flow.test_outgoing import Ear
from tests.web.api.conftest import Caller, problem
from tests.web.conftest import House


@pytest.fixture
def ear() -> Iterator[Ear]:
    made = Ear()
    yield made
    made.close()


def add(api: Caller, ear: Ear, *types: str, **more: Any) -> dict[str, Any]:
    answer = api("POST", "/webhooks", {"url": ear.url, "types": list(types) or ["label.changed"]} | more)
    assert answer.status_code == 201, answer.get_data(as_text=True)
    told: dict[str, Any] = json.loads(answer.data)
    return told


def carry(house: House) -> None:
    Courier(house.store, house.tools.vault, owner="test", loopback=True).run()


def labelled(house: House, api: Caller) -> str:
    body = {"who": "+447400123456", "purpose": "marketing", "state": "granted", "place": "at the till"}
    who = json.loads(api("POST", "/consent", body).data)["contact_id"]
    assert api("PUT", f"/contacts/{who}/labels/vip").status_code == 200
    return str(who)


def test_an_endpoint_is_told_what_the_api_changes(house: House, api: Caller, ear: Ear) -> None:
    made = add(api, ear, "label.changed", "consent.changed")
    assert made["secret"].startswith("whsec_")
    assert "secret" not in api.get(f"/webhooks/{made['id']}")
    who = labelled(house, api)
    carry(house)

    consent, label = ear.told()
    assert consent["data"]["contact_id"] == label["data"]["contact_id"] == who
    assert "contact" not in label["data"]
    log = api.get("/deliveries?state=done")["items"]
    assert {item["type"] for item in log} == {"label.changed", "consent.changed"}
    file = api.get(f"/deliveries/{log[0]['id']}")
    assert (file["attempts"][0]["status"], file["attempts"][0]["answer"]) == (200, "thanks")


def test_the_code_of_the_documents_checks_a_signature(house: House, api: Caller, ear: Ear) -> None:
    text = (Path(__file__).parents[3] / "docs" / "api.md").read_text()
    code = text.partition("```python\n")[2].partition("```")[0]
    page = house.open("/api/docs").get_data(as_text=True)
    assert code.strip() in unescape(page), "the page shows the same"
    names: dict[str, Any] = {}
    exec(compile(code, "docs/api.md", "exec"), names)  # our own document
    made = add(api, ear)
    labelled(house, api)
    carry(house)
    ((headers, body),) = ear.heard

    assert names["is_ours"](made["secret"], headers, body)
    assert not names["is_ours"](made["secret"], headers, body + b" ")
    assert not names["is_ours"]("whsec_" + "A" * 32, headers, body)
    assert not names["is_ours"](made["secret"], headers | {"webhook-timestamp": "1600000000"}, body)
    assert not names["is_ours"](made["secret"], {}, body)


def test_tests_and_redeliveries_leave_again(house: House, api: Caller, ear: Ear) -> None:
    made = add(api, ear)
    told = json.loads(api("POST", f"/webhooks/{made['id']}/test").data)
    carry(house)
    assert api("POST", f"/deliveries/{told['delivery_id']}/redeliver").status_code == 202
    carry(house)
    assert [headers["webhook-id"] for headers, _ in ear.heard] == [told["delivery_id"]] * 2
    with house.store.write() as tx:
        tx.exec_driver_sql("UPDATE delivery SET state = 'failed'")
    assert json.loads(api("POST", f"/webhooks/{made['id']}/redeliver", {}).data) == {"deliveries": 1}


def test_an_endpoint_is_changed_switched_off_and_removed(house: House, api: Caller, ear: Ear) -> None:
    made = add(api, ear)
    path = f"/webhooks/{made['id']}"
    changed = json.loads(api("PATCH", path, {"types": ["message.read"], "with_personal_data": True}).data)
    assert (changed["types"], changed["with_personal_data"], changed["url"]) == (["message.read"], True, ear.url)
    assert not json.loads(api("PATCH", path, {"active": False}).data)["active"]
    problem(api("POST", f"{path}/test"), 409)
    assert json.loads(api("POST", f"{path}/secret").data)["secret"] != made["secret"]
    assert api("DELETE", path).status_code == 204
    problem(api("DELETE", path), 404)
    assert api.get("/webhooks")["items"] == []
    actions = [row.action for row in house.rows("audit")]
    assert actions == [
        "outgoing.added", "outgoing.changed", "outgoing.changed", "outgoing.secret_rotated", "outgoing.removed",
    ]  # fmt: skip


@pytest.mark.parametrize("url", ["https://10.0.0.1/x", "http://shop.example/x", "https://user:pw@shop.example/"])
def test_an_address_that_is_not_outside_is_refused(api: Caller, url: str) -> None:
    told = problem(api("POST", "/webhooks", {"url": url, "types": ["message.read"]}), 409)
    assert told["errors"][0]["path"] == "url"


def test_kinds_of_news_are_named_where_they_are_wrong(api: Caller) -> None:
    body = {"url": "https://shop.example/x", "types": ["message.read", "nonsense"]}
    told = problem(api("POST", "/webhooks", body), 422)
    assert told["errors"][0]["path"] == "types.1"
