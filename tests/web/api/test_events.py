"""Events: listed, shown as they came, and pushed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from connector.model import Permission
from tests.web.api.conftest import Caller, problem
from tests.web.conftest import House, fresh

Make = Callable[..., Caller]
PHONE = "+447400123456"


def order(house: House, number: int = 1, **more: Any) -> dict[str, Any]:
    """The shop's own sample of a paid order, as if it had just happened."""
    topics = house.tools.registry.get("shopify").topics
    topic = next(item for item in topics if item.name == "orders/paid")
    sample = json.loads(json.dumps(dict(topic.sample()), default=float))
    return (
        fresh(sample) | {"id": 5_500_000_000_000_000_000 + number, "name": f"#{1000 + number}", "phone": PHONE} | more
    )


@pytest.fixture
def ready(house: House) -> House:
    house.know_templates()
    house.publish("order_paid")
    return house


def push(api: Caller, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    answer = api("POST", "/events", {"account": "main-store", "topic": "orders/paid", "body": body}, **headers)
    assert answer.status_code == 202, answer.get_data(as_text=True)
    told: dict[str, Any] = json.loads(answer.data)
    return told


def test_a_pushed_event_takes_the_road_of_a_webhook(ready: House, api: Caller) -> None:
    told = push(api, order(ready))
    assert told["new"]
    waiting = api.get(told["href"].removeprefix("/api/v1"))
    assert (waiting["state"], waiting["events"]) == ("new", [])

    ready.decide()

    done = api.get(told["href"].removeprefix("/api/v1"))
    assert done["state"] == "done"
    (event,) = done["events"]
    assert (event["type"], event["label"], event["account"]) == ("order.paid", "#1001", "main-store")
    (decision,) = event["decisions"]
    assert decision["verdict"] == "send", decision
    (message,) = api.get("/messages")["items"]
    assert (message["id"], message["state"], message["recipient"]) == (decision["message_id"], "waiting", PHONE)


def test_an_event_that_is_pushed_twice_is_taken_once(ready: House, api: Caller) -> None:
    body = order(ready)
    first, second = push(api, body), push(api, body)
    ready.decide()

    assert (first["new"], second["new"]) == (True, False)
    assert first["request_id"] == second["request_id"]
    assert len(api.get("/events")["items"]) == 1


def test_a_fact_that_is_pushed_in_two_states_is_planned_once(ready: House, api: Caller) -> None:
    assert push(api, order(ready))["new"]
    assert push(api, order(ready, note="changed since"))["new"]
    ready.decide()

    assert len(api.get("/events")["items"]) == 1


def test_another_event_under_the_same_key_is_refused(ready: House, api: Caller) -> None:
    push(api, order(ready, 1), Idempotency_Key="one")
    body = {"account": "main-store", "topic": "orders/paid", "body": order(ready, 2)}

    assert "key" in problem(api("POST", "/events", body, Idempotency_Key="one"), 409)["detail"]


def test_an_event_pushed_and_posted_is_planned_once(ready: House, api: Caller) -> None:
    ready.post(order(ready))
    push(api, order(ready))
    ready.decide()

    assert len(api.get("/events")["items"]) == 1
    assert len(api.get("/messages")["items"]) == 1


def test_an_account_that_takes_no_events_is_refused(ready: House, api: Caller) -> None:
    told = problem(api("POST", "/events", {"account": "hotline", "body": {"entry": []}}), 409)
    assert told["errors"][0]["path"] == "account"
    problem(api("POST", "/events", {"account": "nobody", "body": {}}), 404)


def test_a_pushed_body_that_cannot_be_read_is_shown_as_that(ready: House, api: Caller) -> None:
    told = push(api, {"id": 7})
    ready.decide()

    assert api.get(told["href"].removeprefix("/api/v1"))["state"] in ("unreadable", "done", "ignored")


def test_numbers_come_out_as_they_went_in(ready: House, api: Caller) -> None:
    raw = json.dumps(order(ready)).replace('"total_price": "', '"huge": 9007199254740993123, "total_price": "')
    raw = raw.replace('"huge"', '"exact": 12345678901234567890.10, "huge"', 1)
    api("POST", "/events", f'{{"account":"main-store","topic":"orders/paid","body":{raw}}}')
    ready.decide()
    (event,) = api.get("/events")["items"]

    text = api("GET", f"/events/{event['id']}").get_data(as_text=True)

    assert '"huge":9007199254740993123' in text
    assert '"exact":12345678901234567890.10' in text
    assert '"id":5500000000000000001' in text


def test_without_the_scope_nothing_personal_is_told(ready: House, api: Caller, caller: Make) -> None:
    push(api, order(ready))
    ready.decide()
    (event,) = api.get("/events")["items"]
    (message,) = api.get("/messages")["items"]
    (person,) = api.get("/contacts")["items"]
    masked = caller(Permission.LOOK)

    paths = ["/events", f"/events/{event['id']}", "/messages", f"/messages/{message['id']}", "/contacts"]
    paths += [f"/contacts/{person['id']}", f"/contacts/{person['id']}/consent"]
    for path in paths:
        text = masked("GET", path).get_data(as_text=True)
        assert PHONE not in text, path
        assert PHONE.removeprefix("+") not in text, path
    assert PHONE in api("GET", "/contacts").get_data(as_text=True)
    assert masked.get(f"/events/{event['id']}")["payload"]["phone"] != PHONE


def test_a_look_at_people_is_entered_once_in_a_while(ready: House, api: Caller, caller: Make) -> None:
    push(api, order(ready))
    ready.decide()
    caller(Permission.LOOK).get("/messages")
    assert not [row for row in ready.rows("audit") if row.action == "person.seen"]

    for _ in range(3):
        api.get("/messages")
    api.get("/contacts")

    seen = [row for row in ready.rows("audit") if row.action == "person.seen"]
    assert [(row.object, row.actor_name) for row in seen] == [
        ("/api/v1/messages", "API key desk"), ("/api/v1/contacts", "API key desk")
    ]  # fmt: skip


def test_pages_neither_repeat_nor_hide_anything_when_more_comes_in(ready: House, api: Caller) -> None:
    for number in range(5):
        push(api, order(ready, number))
    ready.decide()
    first = api.get("/events?limit=2")
    push(api, order(ready, 9))
    ready.decide()

    second = api.get(f"/events?limit=2&cursor={first['next']}")
    third = api.get(f"/events?limit=2&cursor={second['next']}")

    ids = [item["id"] for page in (first, second, third) for item in page["items"]]
    assert len(ids) == len(set(ids)) == 5
    assert ids == sorted(ids, reverse=True)
    assert third["next"] is None


def test_events_are_filtered(ready: House, api: Caller) -> None:
    push(api, order(ready, 1))
    push(api, order(ready, 2, test=True))
    ready.decide()

    def labels(query: str) -> list[str]:
        return [item["label"] for item in api.get(f"/events?{query}")["items"]]

    assert labels("label=1001") == ["#1001"]
    assert labels("verdict=skip") == ["#1002"]
    assert labels("reason=condition_not_met") == ["#1002"]
    assert labels("type=order.cancelled") == []
    assert labels("since=2999-01-01T00:00:00Z") == []
    assert len(labels("account=main-store&mapping=order_paid")) == 2
