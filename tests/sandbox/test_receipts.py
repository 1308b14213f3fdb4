"""Receipts: signed, in batches, twice, out of order, too early, again after a refusal; the same for a seed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from connector.sandbox import transport
from tests.sandbox.conftest import PATIENCE, SECRET, Caller, Webhook

Open = Callable[..., Caller]
OpenWebhook = Callable[[str], Webhook]


def run(open_graph: Open, webhook: Webhook, count: int = 30, **behaviour: Any) -> dict[str, list[str]]:
    graph = open_graph(webhook_url=webhook.url, app_secret=SECRET, **behaviour)
    for n in range(count):
        assert graph.send(f"+121255501{n:02d}", key=f"m{n}")[0] == 200
    assert graph.server.settled(PATIENCE)
    return webhook.words()


def test_every_message_moves_to_read_with_signed_receipts(open_graph: Open, open_webhook: OpenWebhook) -> None:
    webhook = open_webhook(SECRET)
    words = run(open_graph, webhook)
    assert not webhook.refused
    assert len(words) == 30
    assert all(found == ["sent", "delivered", "read"] for found in words.values())


def test_receipts_that_are_due_together_share_a_webhook(open_graph: Open, open_webhook: OpenWebhook) -> None:
    webhook = open_webhook(SECRET)
    words = run(open_graph, webhook, receipt_ms=1.0)  # those of one message at least, however slow we are
    assert [sorted(found) for found in words.values()] == [["delivered", "read", "sent"]] * 30
    assert len(webhook.taken) <= 30


def test_a_status_says_what_meta_says(open_graph: Open, open_webhook: OpenWebhook) -> None:
    webhook = open_webhook(SECRET)
    run(open_graph, webhook, 1)
    sent, delivered, read = webhook.statuses()
    assert sent["pricing"] == {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "marketing"}
    assert "pricing" in delivered
    assert "pricing" not in read
    assert (sent["recipient_id"], sent["biz_opaque_callback_data"]) == ("12125550100", "m0")
    assert sent["id"] == read["id"]
    assert sent["timestamp"].isdigit()
    value = json.loads(webhook.taken[0][1])["entry"][0]["changes"][0]["value"]
    assert value["metadata"]["phone_number_id"]
    assert value["contacts"][0]["wa_id"] == "12125550100"
    assert value["contacts"][0]["user_id"] == sent["recipient_user_id"]
    assert sent["recipient_user_id"].startswith("US.")


def test_a_person_known_by_user_id_has_no_number_in_receipts(open_graph: Open, open_webhook: OpenWebhook) -> None:
    webhook = open_webhook(SECRET)
    graph = open_graph(webhook_url=webhook.url, app_secret=SECRET)
    graph.send(to=None, recipient="DE.abc123", key="m1")
    assert graph.server.settled(PATIENCE)
    assert len(webhook.statuses()) == 3
    assert all("recipient_id" not in status for status in webhook.statuses())
    assert all(status["recipient_user_id"] == "DE.abc123" for status in webhook.statuses())
    assert b"wa_id" not in b"".join(body for _, body in webhook.taken)


def test_slashes_and_unicode_are_escaped_so_that_only_raw_bytes_verify(
    open_graph: Open, open_webhook: OpenWebhook
) -> None:
    webhook = open_webhook(SECRET)
    graph = open_graph(webhook_url=webhook.url, app_secret=SECRET)
    graph.control("POST", "inbound", {"from": "+12125550101", "text": "https://ä"})
    raw = webhook.taken[0][1]
    assert b"https:\\/\\/\\u00e4" in raw
    assert json.dumps(json.loads(raw), separators=(",", ":")).encode() != raw


def test_another_secret_is_refused_by_the_receiver(open_graph: Open, open_webhook: OpenWebhook) -> None:
    webhook = open_webhook("something else")
    graph = open_graph(webhook_url=webhook.url, app_secret=SECRET)
    graph.send()
    deadline = time.monotonic() + PATIENCE
    while not webhook.refused:
        assert time.monotonic() < deadline, "nothing was posted"
        time.sleep(0.01)
    assert not graph.server.settled(0)
    assert not webhook.taken


def test_duplicates_come_at_their_rate_and_the_same_for_a_seed(open_graph: Open, open_webhook: OpenWebhook) -> None:
    first = run(open_graph, open_webhook(SECRET), duplicates=0.3, seed=3)
    again = run(open_graph, open_webhook(SECRET), duplicates=0.3, seed=3)
    other = run(open_graph, open_webhook(SECRET), duplicates=0.3, seed=4)
    extra = sum(map(len, first.values())) - 90
    assert 10 < extra < 50
    assert all(set(words) == {"sent", "delivered", "read"} for words in first.values())
    assert first == again != other


def test_out_of_order_is_the_same_for_a_seed(open_graph: Open, open_webhook: OpenWebhook) -> None:
    first = run(open_graph, open_webhook(SECRET), reorder=0.5, seed=3)
    again = run(open_graph, open_webhook(SECRET), reorder=0.5, seed=3)
    turned = [words for words in first.values() if words != ["sent", "delivered", "read"]]
    assert 5 < len(turned) < 25
    assert all(sorted(words) == ["delivered", "read", "sent"] for words in turned)
    assert first == again


def test_an_early_receipt_comes_before_the_answer(
    open_graph: Open, open_webhook: OpenWebhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_EARLY_WAIT", PATIENCE)
    webhook = open_webhook(SECRET)
    graph = open_graph(webhook_url=webhook.url, app_secret=SECRET, early=1, receipt_ms=60_000)
    answer = graph.send(key="m1")[1]
    (status,) = webhook.statuses()
    assert (status["status"], status["id"]) == ("sent", answer["messages"][0]["id"])


def test_a_number_that_fails_later_brings_a_failed_receipt(open_graph: Open, open_webhook: OpenWebhook) -> None:
    webhook = open_webhook(SECRET)
    graph = open_graph(webhook_url=webhook.url, app_secret=SECRET)
    assert graph.send("+12125559700", key="m1")[0] == 200
    assert graph.server.settled(PATIENCE)
    (status,) = webhook.statuses()
    assert (status["status"], status["errors"][0]["code"]) == ("failed", 131026)
    assert "recipient_user_id" not in status
    assert b"contacts" not in webhook.taken[0][1]


def test_a_cut_connection_still_brings_receipts_and_a_mute_number_none(
    open_graph: Open, open_webhook: OpenWebhook
) -> None:
    webhook = open_webhook(SECRET)
    graph = open_graph(webhook_url=webhook.url, app_secret=SECRET)
    with pytest.raises(ConnectionError):
        graph.send("+12125559600", key="cut")
    assert graph.send("+12125559900", key="mute")[0] == 200
    assert graph.server.settled(PATIENCE)
    assert webhook.words() == {"cut": ["sent", "delivered", "read"]}


def test_what_is_not_taken_is_posted_again_with_the_same_bytes(open_graph: Open, open_webhook: OpenWebhook) -> None:
    webhook = open_webhook(SECRET)
    webhook.answer = lambda nth: 503 if nth <= 2 else 200
    words = run(open_graph, webhook, 2)
    assert all(body in [again for _, again in webhook.taken] for body in webhook.missed)
    assert len(webhook.missed) == 2
    assert {key: sorted(found) for key, found in words.items()} == {
        key: ["delivered", "read", "sent"] for key in ("m0", "m1")
    }
    assert webhook.posts == len(webhook.taken) + 2


def test_receipts_can_be_switched_off(open_graph: Open, open_webhook: OpenWebhook) -> None:
    webhook = open_webhook(SECRET)
    assert run(open_graph, webhook, 2, receipts=False) == {}


def test_the_webhook_can_be_set_while_it_runs_after_a_handshake(open_graph: Open, open_webhook: OpenWebhook) -> None:
    webhook = open_webhook(SECRET)
    graph = open_graph()
    wrong = {"webhook_url": webhook.url, "app_secret": SECRET, "verify_token": "wrong"}
    status, answer = graph.control("POST", "config", wrong)
    assert (status, "challenge" in answer["error"]) == (400, True)
    assert graph.control("POST", "config", wrong | {"verify_token": "handshake"})[0] == 200
    graph.send(key="m1")
    assert graph.server.settled(PATIENCE)
    assert webhook.words()["m1"] == ["sent", "delivered", "read"]
    assert graph.ask("GET", f"/v26.0/{graph.server.waba_id}/subscribed_apps")[1]["data"]


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook_url": "http://127.0.0.1:1/"},
        {"webhook_url": "http://example.com/", "app_secret": "s"},
        {"latency_ms": -1},
        {"latency_ms": "10"},
        {"latency_ms": True},
        {"duplicates": 1.5},
        {"batch": 1001},
        {"receipts": "on"},
        {"nonsense": 1},
        {"app_secret": "é"},
        {"error_rate": float("nan")},
    ],
)
def test_a_wrong_setting_changes_nothing(open_graph: Open, changes: dict[str, Any]) -> None:
    graph = open_graph()
    before = graph.control("GET", "config")[1]
    status, answer = graph.control("POST", "config", changes)
    assert (status, bool(answer["error"])) == (400, True)
    assert graph.control("GET", "config")[1] == before


def test_a_customer_writes_and_taps(open_graph: Open, open_webhook: OpenWebhook) -> None:
    webhook = open_webhook(SECRET)
    graph = open_graph(webhook_url=webhook.url, app_secret=SECRET)
    text = graph.control("POST", "inbound", {"from": "+12125550101", "text": "STOP", "name": "Zoë"})[1]
    tap = {"from": "+12125550101", "button": "Stop", "payload": "OPT_OUT", "in_reply_to": "wamid.x"}
    graph.control("POST", "inbound", tap)
    assert text["status"] == 200
    values = [json.loads(body)["entry"][0]["changes"][0]["value"] for _, body in webhook.taken]
    assert values[0]["messages"][0]["text"] == {"body": "STOP"}
    assert values[0]["messages"][0]["id"] == text["id"]
    assert values[0]["contacts"][0]["profile"]["name"] == "Zoë"
    assert values[1]["messages"][0]["button"] == {"text": "Stop", "payload": "OPT_OUT"}
    assert values[1]["messages"][0]["context"]["id"] == "wamid.x"
    assert graph.control("POST", "inbound", {"from": "+12125550101"})[0] == 400


def test_a_template_that_is_paused_is_announced_and_refused(open_graph: Open, open_webhook: OpenWebhook) -> None:
    webhook = open_webhook(SECRET)
    graph = open_graph(webhook_url=webhook.url, app_secret=SECRET)
    pause = {"name": "hello", "language": "en", "status": "paused"}
    assert graph.control("POST", "template", pause)[0] == 200
    assert graph.control("POST", "template", pause | {"status": "approved", "category": "utility"})[0] == 200
    assert graph.server.settled(PATIENCE)
    changes = [json.loads(body)["entry"][0]["changes"][0] for _, body in webhook.taken]
    told = [(change["field"], change["value"].get("event")) for change in changes]
    assert told == [
        ("message_template_status_update", "PAUSED"),
        ("message_template_status_update", "APPROVED"),
        ("template_category_update", None),
    ]
    assert changes[2]["value"]["previous_category"] == "MARKETING"
    graph.control("POST", "template", pause)
    assert graph.send()[1]["error"]["code"] == 132015
    assert graph.control("POST", "template", pause | {"status": "gone"})[0] == 400
    assert graph.control("POST", "template", {"name": "no", "language": "en", "status": "paused"})[0] == 400


def test_reset_forgets_counts_and_pending_receipts(open_graph: Open, open_webhook: OpenWebhook) -> None:
    webhook = open_webhook(SECRET)
    graph = open_graph(webhook_url=webhook.url, app_secret=SECRET, receipt_ms=60_000)
    graph.send("+12125550137", key="m1")  # somebody whose receipts take their time
    assert graph.server.stats()["receipts"]["pending"] == 3
    assert graph.control("POST", "reset")[0] == 200
    stats = graph.control("GET", "stats")[1]
    assert (stats["accepted"], stats["receipts"]["pending"], stats["by_template"]) == (0, 0, {})
    assert graph.control("GET", "messages")[1] == {"messages": []}


def test_latency_is_added_to_every_send(open_graph: Open) -> None:
    graph = open_graph(latency_ms=100)
    started = time.monotonic()
    graph.send()
    assert time.monotonic() - started >= 0.1
