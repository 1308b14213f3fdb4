"""Sending by a mapping: through the same gates, and once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from connector.flow.decide import decide_batch
from tests.web.api.conftest import Caller, problem
from tests.web.api.test_events import PHONE, order, push
from tests.web.api.test_events import ready as ready
from tests.web.conftest import House

Make = Callable[..., Caller]
OTHER = "+4915112345678"


def send(api: Caller, key: str = "one", **body: Any) -> Any:
    return api("POST", "/messages", {"mapping": "order_paid"} | body, Idempotency_Key=key)


def sent(api: Caller, key: str = "one", **body: Any) -> dict[str, Any]:
    answer = send(api, key, **body)
    assert answer.status_code == 202, answer.get_data(as_text=True)
    told: dict[str, Any] = json.loads(answer.data)
    return told


def test_a_message_is_planned_from_data_by_the_mapping(ready: House, api: Caller) -> None:
    told = sent(api, data=order(ready))

    assert told["status"] == "planned"
    message = api.get(f"/messages/{told['message_id']}")
    assert (message["state"], message["recipient"], message["mapping"]) == ("waiting", PHONE, "order_paid")
    assert message["slots"]["body.3"] == "#1001"
    event = api.get(f"/events/{told['event_id']}")
    assert event["type"] == "message.requested"
    assert [step["name"] for step in event["decisions"][0]["steps"]][-1] == "consent"
    assert event["payload"]["name"] == "#1001"


def test_a_gate_that_stops_it_is_told(ready: House, api: Caller) -> None:
    told = sent(api, data=order(ready, test=True))

    assert (told["status"], told["reason"], told["message_id"]) == ("skipped", "condition_not_met", None)
    assert told["words"]
    assert api.get("/messages")["items"] == []


def test_the_same_key_gives_the_same_answer_and_one_message(ready: House, api: Caller) -> None:
    data = order(ready)
    first, second = send(api, data=data), send(api, data=data)

    assert first.data == second.data
    assert len(api.get("/messages")["items"]) == 1
    assert len(api.get("/events")["items"]) == 1


def test_the_same_key_for_something_else_is_a_conflict(ready: House, api: Caller) -> None:
    sent(api, data=order(ready))

    assert "Idempotency-Key" in problem(send(api, data=order(ready, 2)), 409)["detail"]


def test_another_key_of_another_caller_is_another_wish(ready: House, api: Caller, caller: Make) -> None:
    first, second = sent(api, data=order(ready, 1)), sent(caller(), data=order(ready, 2))

    assert first["message_id"] != second["message_id"]


def test_many_at_once_under_one_key_plan_one_message(ready: House, api: Caller) -> None:
    data, answers = order(ready), []
    threads = [threading.Thread(target=lambda: answers.append(send(api, data=data))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {answer.status_code for answer in answers} <= {202, 409}
    assert 202 in {answer.status_code for answer in answers}
    assert len(api.get("/messages")["items"]) == 1


def test_the_key_is_required(ready: House, api: Caller) -> None:
    told = problem(api("POST", "/messages", {"mapping": "order_paid", "data": {}}), 422)
    assert told["errors"][0]["path"] == "Idempotency-Key"


def test_the_caller_may_name_whom_to_write_to(ready: House, api: Caller) -> None:
    told = sent(api, data=order(ready), to=OTHER)

    assert api.get(f"/messages/{told['message_id']}")["recipient"] == OTHER
    problem(send(api, "two", data={}, to="+999000000000"), 409)


def test_a_stored_event_can_be_what_it_is_made_of(ready: House, api: Caller) -> None:
    push(api, order(ready, test=True))  # skipped by its condition
    ready.decide()
    (event,) = api.get("/events")["items"]
    ready.publish("again", source=_without_conditions())

    told = sent(api, mapping="again", event=event["id"])

    assert told["status"] == "planned"
    message = api.get(f"/messages/{told['message_id']}")
    assert (message["subject"], message["label"]) == (event["subject"], "#1001")


def test_a_mapping_speaks_once_about_an_event_whoever_asks(ready: House, api: Caller) -> None:
    push(api, order(ready))
    ready.decide()
    (event,) = api.get("/events")["items"]

    told = sent(api, event=event["id"])

    assert (told["status"], told["reason"]) == ("skipped", "already_said")
    assert len(api.get("/messages")["items"]) == 1


def test_other_mappings_do_not_hear_of_it(ready: House, api: Caller) -> None:
    ready.publish("again", source=_without_conditions())

    sent(api, data=order(ready))

    assert [item["mapping"] for item in api.get("/messages")["items"]] == ["order_paid"]


def test_what_is_not_in_force_or_not_there_is_told(ready: House, api: Caller) -> None:
    problem(send(api, mapping="none", data={}), 404)
    problem(send(api, event="0" * 26), 404)
    problem(send(api, data={}, account="hotline"), 409)
    told = problem(send(api), 422)
    assert told["errors"][0]["path"] == "data"


def test_a_refused_wish_may_be_asked_again_in_another_way(ready: House, api: Caller) -> None:
    problem(send(api, mapping="none", data={}), 404)

    assert sent(api, data=order(ready))["status"] == "planned"


def test_a_wish_that_a_crash_broke_off_is_answered_later(
    ready: House, api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt  # nothing is tidied up, as by a kill

    data = order(ready)
    with monkeypatch.context() as patched:
        patched.setattr("connector.flow.requested.decide_request", crash)
        with pytest.raises(KeyboardInterrupt):
            send(api, data=data)
    problem(send(api, data=data), 409)
    monkeypatch.setattr("connector.flow.again.BROKEN_OFF", timedelta(seconds=-5))
    with ready.store.write() as tx:
        tx.exec_driver_sql("UPDATE request SET lease_until = 0")
    decide_batch(ready.store, ready.tools.desk, owner="worker")

    told = sent(api, data=data)

    assert told["status"] == "planned"
    assert len(api.get("/messages")["items"]) == 1


def test_nobody_outside_may_claim_to_be_the_api(ready: House, api: Caller) -> None:
    body = json.dumps({"key": "k", "type": "order.paid", "subject": "s", "label": "l", "data": {}})
    answer = ready.post(body.encode(), X_Connector_Message="order_paid")
    ready.decide()

    assert answer.status_code == 200
    assert [item["type"] for item in api.get("/events")["items"]] in ([], ["order.paid"])
    (stored,) = ready.rows("request")
    assert "x-connector-message" not in stored.headers


def _without_conditions() -> str:
    return """
title = "Again"
[when]
event = "order.paid"
adapter = "shopify"
[to]
phone = ["{{ phone }}"]
[template]
name = "order_paid"
language = "en"
[slots]
body.1 = "{{ customer.first_name | default: 'there' }}"
body.2 = "{{ total_price_set | money }}"
body.3 = "{{ name }}"
button.0.url = "{{ order_status_url | split: '/' | slice: 3, 20 | join: '/' }}"
"""
