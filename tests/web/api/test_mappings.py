"""Mappings by the API: nobody overwrites anybody, and what is in force is what was checked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from connector.flow import rollup
from connector.mapping.rates_form import EXAMPLE
from connector.model import Permission
from tests.web.api.conftest import Caller, problem
from tests.web.api.test_events import PHONE, order, push
from tests.web.api.test_events import ready as ready
from tests.web.conftest import RECIPES, House

TOML = (RECIPES / "order_paid.toml").read_text("utf-8")
OTHER = TOML.replace('title = "Order paid"', 'title = "Paid"')


def put(api: Caller, text: str, name: str = "mine", **headers: str) -> Any:
    return api("PUT", f"/mappings/{name}/draft", {"toml": text}, **headers)


@pytest.fixture
def sheet(house: House) -> House:
    house.know_templates()
    return house


def test_a_draft_is_saved_read_and_put_in_force(sheet: House, api: Caller) -> None:
    answer = put(api, TOML)
    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"r1"'
    told = api.get("/mappings/mine/draft")
    assert told["toml"] == TOML
    assert told["form"]["when"]["event"] == "order.paid"
    assert told["form"]["slots"]["body.3"] == "{{ name }}"

    assert json.loads(api("POST", "/mappings/mine/publish", {"note": "first"}).data) == {"version": 1, "new": True}
    assert json.loads(api("POST", "/mappings/mine/publish").data) == {"version": 1, "new": False}

    (version,) = api.get("/mappings/mine/versions")["items"]
    assert (version["note"], version["by"]) == ("first", "API key desk")
    assert api.get("/mappings/mine/versions/1")["toml"] == TOML
    assert not api.get("/mappings/mine")["changed"]
    actions = [row.action for row in sheet.rows("audit")]
    assert actions == ["mapping.saved", "mapping.published"]


def test_a_draft_that_changed_in_the_meantime_is_not_overwritten(sheet: House, api: Caller) -> None:
    put(api, TOML)
    assert put(api, OTHER, If_Match='"r1"').headers["ETag"] == '"r2"'

    problem(put(api, TOML, If_Match='"r1"'), 412)
    problem(put(api, TOML), 409)
    problem(put(api, TOML, If_Match="nonsense"), 412)
    problem(api("POST", "/mappings/mine/publish", {}, If_Match='"r1"'), 412)
    assert api.get("/mappings/mine/draft")["toml"] == OTHER
    assert api("POST", "/mappings/mine/publish", {}, If_Match='"r2"').status_code == 200


def test_faults_come_with_their_paths(sheet: House, api: Caller) -> None:
    told = problem(put(api, TOML.replace("{{ name }}", "{{ name | nonsense }}")), 422)
    assert [item["path"] for item in told["errors"]] == ["slots.body.3"]

    broken = TOML.replace('body.3 = "{{ name }}"', "")
    checked = json.loads(api("POST", "/mappings/mine/check", {"toml": broken}).data)
    assert not checked["ok"]
    assert "slots.body.3" in [item["path"] for item in checked["faults"]]
    put(api, broken)
    told = problem(api("POST", "/mappings/mine/publish", {}), 422)
    assert "slots.body.3" in [item["path"] for item in told["errors"]]


def test_going_back_and_out_of_force(sheet: House, api: Caller) -> None:
    put(api, TOML)
    api("POST", "/mappings/mine/publish")
    put(api, OTHER, If_Match='"r1"')
    lines = api.get("/mappings/mine/diff")["lines"]
    assert '+title = "Paid"' in lines
    api("POST", "/mappings/mine/publish")

    assert json.loads(api("POST", "/mappings/mine/rollback", {"version": 1}).data)["version"] == 3
    problem(api("POST", "/mappings/mine/rollback", {"version": 9}), 404)
    assert api.get("/mappings/mine/versions?limit=2")["next"] == "2"
    assert [item["version"] for item in api.get("/mappings/mine/versions?limit=2&cursor=2")["items"]] == [1]
    assert json.loads(api("POST", "/mappings/mine/unpublish").data) == {"changed": True}
    assert json.loads(api("POST", "/mappings/mine/unpublish").data) == {"changed": False}
    assert api.get("/mappings/mine")["published"] is None


def test_names_with_slashes_are_names(sheet: House, api: Caller) -> None:
    assert put(api, TOML, "shop/paid").status_code == 200
    assert put(api, TOML, "shop%2Fother").status_code == 200
    assert [item["name"] for item in api.get("/mappings")["items"]] == ["shop/other", "shop/paid"]
    assert api.get("/mappings/shop/paid/draft")["name"] == "shop/paid"
    first = api.get("/mappings?limit=1")
    assert [item["name"] for item in api.get(f"/mappings?cursor={first['next']}")["items"]] == ["shop/paid"]


def test_a_preview_shows_what_would_be_sent_and_sends_nothing(ready: House, api: Caller) -> None:
    push(api, order(ready, test=True))
    ready.decide()
    (event,) = api.get("/events")["items"]

    told = json.loads(api("POST", "/mappings/order_paid/preview", {"event": event["id"]}).data)
    assert (told["verdict"], told["reason"], told["faults"]) == ("skip", "condition_not_met", [])
    sample = json.loads(api("POST", "/mappings/order_paid/preview").data)
    assert sample["sentence"]
    assert sample["body"]
    assert {item["key"] for item in sample["slots"]} >= {"body.1", "body.2", "body.3"}
    assert api.get("/messages")["items"] == []
    problem(api("POST", "/mappings/none/preview"), 404)
    broken = json.loads(api("POST", "/mappings/none/preview", {"toml": "title ="}).data)
    assert broken["faults"]


def test_figures_are_those_of_the_page(ready: House, api: Caller) -> None:
    push(api, order(ready))
    ready.decide()
    rollup.roll_up(ready.store)

    told = api.get("/stats?by=mapping")
    assert [row["value"] for row in told["rows"] if row["figures"]["matched"]] == ["order_paid"]
    assert set(told["total"]) >= {"received", "matched", "sent", "engagement"}
    assert told["total"]["received"] == 1
    problem(api("GET", "/stats?by=nonsense"), 422)


def test_templates_accounts_and_replay_are_told(ready: House, api: Caller) -> None:
    listed = api.get("/templates?limit=1")
    assert listed["next"]
    one = listed["items"][0]
    assert api.get(f"/templates/{one['account']}/{one['name']}/{one['language']}") == one
    names = [item["name"] for item in api.get("/accounts")["items"]]
    assert names == ["hotline", "main-store"]
    text = api("GET", "/accounts").get_data(as_text=True)
    assert "secret" not in text
    assert ready.shop.token not in text
    assert json.loads(api("POST", "/templates/sync", {}).data) == {"accounts": ["hotline"]}
    problem(api("POST", "/templates/sync", {"account": "main-store"}), 409)
    push(api, order(ready))
    ready.decide()
    survey = json.loads(api("POST", "/replays/survey", {"term": "#1001"}).data)
    assert (survey["requests"], survey["events"], survey["words"] != []) == (1, 1, True)
    started = json.loads(api("POST", "/replays", {"term": "#1001"}).data)
    assert (started["put_back"], started["task"]) == (1, "")
    problem(api("POST", "/replays", {}), 409)


def test_many_are_replayed_by_a_task_that_can_be_watched(ready: House, api: Caller) -> None:
    for number in range(101):
        ready.post({"id": number}, topic="fulfillments/update")
    ready.decide()
    started = json.loads(api("POST", "/replays", {"since": "2020-01-01T00:00:00Z"}).data)
    assert (started["requests"], started["put_back"]) == (101, 0)
    assert {row.state for row in ready.rows("request")} == {"done"}, "none is put back while somebody waits"
    told = api.get(f"/tasks/{started['task']}")
    assert (told["kind"], told["state"]) == ("replay", "waiting")
    assert told["words"] == "Replay 101 requests, from the request"


def test_consent_is_entered_with_evidence_and_once_by_its_key(ready: House, api: Caller) -> None:
    said = {"who": PHONE, "purpose": "marketing", "state": "granted", "place": "form at the till", "key": "form 7"}
    first = json.loads(api("POST", "/consent", said).data)
    second = json.loads(api("POST", "/consent", said).data)
    assert (first["before"], first["after"], first["entered"]) == ("unknown", "granted", True)
    assert (second["after"], second["entered"]) == ("granted", False)

    ledger = api.get(f"/contacts/{first['contact_id']}/consent")
    (entry,) = ledger["entries"]
    assert (entry["source"], entry["actor"], entry["place"]) == ("api", "API key desk", "form at the till")
    problem(api("POST", "/consent", said | {"state": "revoked"}), 409)
    problem(api("POST", "/consent", said | {"purpose": "utility"}), 409)
    problem(api("POST", "/consent", said | {"who": "+447400123457"}), 409)
    problem(api("POST", "/consent", said | {"place": "", "key": ""}), 409)
    problem(api("POST", "/consent", said | {"who": "nobody at all", "key": ""}), 409)
    (found,) = api.get("/contacts?q=%2B44 7400 123456")["items"]
    assert found["id"] == first["contact_id"]
    api("PUT", f"/contacts/{found['id']}/labels/VIP%20buyer")
    file = api.get(f"/contacts/{found['id']}")
    assert file["labels"] == ["VIP buyer"]
    assert {"kind": "phone", "value": PHONE, "account": ""} in file["identities"]
    assert api.get("/labels")["items"] == [{"name": "VIP buyer", "people": 1}]
    assert json.loads(api("DELETE", f"/contacts/{found['id']}/labels/VIP%20buyer").data)["changed"]


def test_rates_take_the_scope_of_whoever_connects_accounts(house: House, caller: Callable[..., Caller]) -> None:
    rates = EXAMPLE.replace("# DE =", "DE = 0.05")
    editor = caller(Permission.LOOK, Permission.EDIT_MAPPINGS, Permission.PUBLISH, name="editor")
    assert "edit_accounts" in problem(put(editor, rates, "policy/rates"), 403)["detail"]
    admin = caller(Permission.LOOK, Permission.EDIT_ACCOUNTS, name="admin")
    assert put(admin, rates, "policy/rates").status_code == 200
    problem(editor("POST", "/mappings/policy/rates/publish"), 403)
    assert admin("POST", "/mappings/policy/rates/publish").status_code == 200
