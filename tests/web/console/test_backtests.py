"""Pages of backtests and shadow runs: begun with a button, watched, and read."""

from __future__ import annotations

import json

import pytest

from connector.flow import publish, tasks, templates
from connector.store import audit
from connector.store import tasks as rows
from connector.store.tasks import Task
from tests.web.conftest import RECIPES
from tests.web.console.room import Room

NAME = "shopify/order_paid"
SOURCE = (RECIPES / "order_paid.toml").read_text("utf-8")
HTML = {"Accept": "text/html"}
PHONE, OTHER_NAME = "+447400123456", "Zoë"


@pytest.fixture
def shop(room: Room) -> Room:
    """A room with a draft, and two orders that came: one with a phone, one without."""
    adapter = room.tools.registry.get("whatsapp")
    templates.take(room.store, room.house.number, templates.read(adapter, (RECIPES / "templates.json").read_bytes()))
    publish.save(room.store, NAME, SOURCE)
    topic = next(each for each in room.tools.registry.get("shopify").topics if each.event == "order.paid")
    for number, phone in ((1, PHONE), (2, "")):
        order = json.loads(json.dumps(topic.sample(), default=str))
        order |= {"id": 7000 + number, "name": f"#{7000 + number}", "phone": phone, "test": False}
        for part in ("customer", "shipping_address", "billing_address"):
            order[part] = (order.get(part) or {}) | {"phone": phone, "first_name": OTHER_NAME}
            order[part]["default_address"] = {"phone": phone}
        assert room.house.post(order).status_code == 200
    assert room.house.decide().events == 2
    return room


def _work(room: Room) -> None:
    tasks.work_off(room.tools, "here:1:me", enough=lambda: False)


def _begin(room: Room, role: str = "editor", **form: str) -> str:
    client = room.client(role)
    answer = room.post(client, f"/mappings/{NAME}/backtest", **({"which": "draft", "window": "24h"} | form))
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def _tasks(room: Room) -> list[Task]:
    with room.store.read() as tx:
        return rows.listing(tx)


def _page(room: Room, path: str, role: str = "editor") -> str:
    answer = room.client(role).get(path, headers=HTML)
    assert answer.status_code == 200, answer.text
    return str(answer.text)


def test_a_backtest_is_begun_in_the_background_and_says_so(shop: Room) -> None:
    path = _begin(shop)
    page = _page(shop, path)
    assert "Backtest of shopify/order_paid (draft) over the last 24 hours" in page
    assert "Waiting" in page
    assert 'http-equiv="refresh"' in page
    with shop.store.read() as tx:
        assert [entry.object for entry in audit.listing(tx, action="mapping.backtested")] == [NAME]


def test_the_report_says_what_would_be_sent_and_why_not_the_rest(shop: Room) -> None:
    path = _begin(shop)
    _work(shop)
    page = _page(shop, path)
    assert "Of 2 events, <strong>1</strong> would have led to a message and <strong>1</strong> to none." in page
    assert "No recipient" in page
    assert "#7002" in page
    assert "No rates are entered" in page
    assert OTHER_NAME in page
    assert 'http-equiv="refresh"' not in page


def test_viewers_see_the_report_without_the_people(shop: Room) -> None:
    path = _begin(shop)
    _work(shop)
    page = _page(shop, path, "viewer")
    assert "would have led to a message" in page
    assert OTHER_NAME not in page


def test_whoever_saw_people_in_a_report_is_in_the_audit_log(shop: Room) -> None:
    path = _begin(shop)
    _work(shop)
    _page(shop, path)
    with shop.store.read() as tx:
        assert path in [entry.object for entry in audit.listing(tx, action="person.seen")]


def test_reports_are_listed_with_the_mapping(shop: Room) -> None:
    assert "None yet" in _page(shop, f"/mappings/{NAME}/backtest")
    _begin(shop)
    _work(shop)
    page = _page(shop, f"/mappings/{NAME}/backtest")
    assert "1 of 2" in page
    assert "as the draft is now" in page
    assert "This draft has been tried on what came." in _page(shop, f"/mappings/{NAME}")


def test_chosen_events_that_are_not_there_are_told_in_the_form(shop: Room) -> None:
    answer = shop.post(
        shop.client("editor"), f"/mappings/{NAME}/backtest", which="draft", window="chosen", chosen="#nothing"
    )
    assert answer.status_code == 422
    assert "No stored order.paid is meant by that" in answer.text
    assert "#nothing" in answer.text
    assert _tasks(shop) == []


def test_one_order_can_be_named(shop: Room) -> None:
    path = _begin(shop, window="chosen", chosen="#7001")
    _work(shop)
    assert "Of 1 event," in _page(shop, path)


def test_viewers_begin_nothing(shop: Room) -> None:
    client = shop.client("viewer")
    assert "Begin the backtest" not in client.get(f"/mappings/{NAME}/backtest", headers=HTML).text
    token = shop.csrf(shop.client("editor"), f"/mappings/{NAME}/backtest")
    answer = client.post(f"/mappings/{NAME}/backtest", data={"csrf_token": token, "window": "24h"}, headers=HTML)
    assert answer.status_code in (400, 403)
    assert _tasks(shop) == []


def test_what_the_backtest_estimates_is_what_was_entered(shop: Room) -> None:
    rates = (
        'kind = "rates"\ncurrency = "EUR"\n[[card]]\nvalid_from = 2026-01-01\n[card.prices.utility]\ndefault = 0.07\n'
    )
    publish.save(shop.store, "policy/rates", rates)
    publish.publish(shop.store, shop.tools.registry, "policy/rates")
    path = _begin(shop)
    _work(shop)
    assert "about 0.07 EUR" in _page(shop, path)


def test_a_shadow_run_is_begun_watched_and_stopped(shop: Room) -> None:
    client = shop.client("editor")
    assert "Begin the shadow run" in client.get(f"/mappings/{NAME}/shadow", headers=HTML).text
    assert shop.post(client, f"/mappings/{NAME}/shadow", which="draft").status_code == 303
    topic = next(each for each in shop.tools.registry.get("shopify").topics if each.event == "order.paid")
    order = json.loads(json.dumps(topic.sample(), default=str)) | {"id": 8001, "name": "#8001", "phone": PHONE}
    shop.house.post(order)
    shop.house.decide()

    page = client.get(f"/mappings/{NAME}/shadow", headers=HTML).text
    assert "looks at 1 event so far" in page
    assert "#8001" in page
    assert "1 events so far" in _page(shop, f"/mappings/{NAME}")

    answer = shop.post(client, f"/mappings/{NAME}/shadow/stop", page=f"/mappings/{NAME}/shadow")
    assert answer.status_code == 303
    assert "Stopped by Editor Person." in client.get(f"/mappings/{NAME}/shadow", headers=HTML).text
    with shop.store.read() as tx:
        done = [entry.action for entry in audit.listing(tx, action="mapping.shadow")]
    assert sorted(done) == ["mapping.shadow_begun", "mapping.shadow_ended"]


def test_a_report_of_a_text_that_was_changed_since_says_so(shop: Room) -> None:
    path = _begin(shop)
    _work(shop)
    publish.save(shop.store, NAME, SOURCE + "# later\n")
    assert "The draft has been changed since" in _page(shop, path)


def test_a_backtest_of_a_time_in_which_nothing_came_says_what_to_do(shop: Room) -> None:
    publish.save(shop.store, "shopify/refund_issued", (RECIPES / "refund_issued.toml").read_text("utf-8"))
    given = {"which": "draft", "window": "24h"}
    begun = shop.post(shop.client("editor"), "/mappings/shopify/refund_issued/backtest", **given)
    _work(shop)
    page = _page(shop, str(begun.location))
    assert "There was nothing to try it on" in page
    assert "Would send" not in page
    assert "Publish…" not in page


def test_a_report_of_a_version_says_nothing_of_the_draft(shop: Room) -> None:
    publish.publish(shop.store, shop.tools.registry, NAME)
    publish.save(shop.store, NAME, SOURCE + "# changed\n")
    path = _begin(shop, which="1")
    _work(shop)
    assert "The draft has been changed since" not in _page(shop, path)


def test_a_report_leads_to_publishing_only_what_can_be_published(shop: Room) -> None:
    path = _begin(shop)
    _work(shop)
    assert "Publish…" in _page(shop, path)
    publish.publish(shop.store, shop.tools.registry, NAME)
    assert "Publish…" not in _page(shop, path), "it is in force already"
    publish.save(shop.store, NAME, SOURCE + "# changed\n")
    assert "Publish…" not in _page(shop, path), "the draft is another text by now"
