"""People who answer: each of one kind, the same for a seed; the 24-hour window; what they set with Meta."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from connector.errors import ConfigurationError
from connector.sandbox.behaviour import MOODS, Behaviour
from connector.sandbox.server import PHONE_NUMBER_ID, WABA_ID
from tests.sandbox.conftest import PATIENCE, SECRET, Caller, Webhook

Open = Callable[..., Caller]
OpenWebhook = Callable[[str], Webhook]
ASK = {
    "name": "cod",
    "language": "en",
    "category": "UTILITY",
    "components": [
        {"type": "BODY", "text": "Shall we send it?"},
        {
            "type": "BUTTONS",
            "buttons": [
                {"type": "URL", "text": "See", "url": "https://shop.example/"},
                {"type": "QUICK_REPLY", "text": "Yes, send it"},
                {"type": "QUICK_REPLY", "text": "No, cancel it"},
            ],
        },
    ],
}
HELLO = {
    "name": "hello",
    "language": "en",
    "category": "MARKETING",
    "components": [{"type": "BODY", "text": "Hello."}],
}
PAYLOADS = [
    {
        "type": "button",
        "sub_type": "quick_reply",
        "index": str(place),
        "parameters": [{"type": "payload", "payload": one}],
    }
    for place, one in ((1, "COD_YES"), (2, "COD_NO"))
]


def talk(open_graph: Open, webhook: Webhook, **shares: Any) -> Caller:
    return open_graph(
        webhook_url=webhook.url, app_secret=SECRET, templates=[ASK, HELLO], receipt_ms=20.0, answer_ms=20.0, **shares
    )


def values(webhook: Webhook, name: str) -> list[dict[str, Any]]:
    """Return what came in a list of the webhooks' values: ``messages``, ``user_preferences``."""
    return [
        one
        for _, body in webhook.taken
        for entry in json.loads(body)["entry"]
        for change in entry["changes"]
        for one in change["value"].get(name, [])
    ]


def number(n: int) -> str:
    return f"+1212555{n:04}"


def write(graph: Caller, to: str = "+12125550101", **more: Any) -> tuple[int, Any]:
    document = {"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": "All noted."}}
    return graph.ask("POST", f"/v26.0/{PHONE_NUMBER_ID}/messages", document | more)


def test_each_person_is_of_one_kind_in_the_shares_asked_for(open_graph: Open) -> None:
    shares = {"absent": 0.1, "blocked": 0.1, "opts_out": 0.1, "stops": 0.2, "starts": 0.1, "taps": 0.2}
    server, again, other = (open_graph(seed=seed, **shares).server for seed in (3, 3, 4))
    moods = [server.mood(number(n)) for n in range(2000)]
    assert moods == [again.mood(number(n)) for n in range(2000)]
    assert moods != [other.mood(number(n)) for n in range(2000)]
    counts = Counter(moods)
    assert set(counts) == {*MOODS, ""}
    assert all(abs(counts[mood] / 2000 - share) < 0.04 for mood, share in shares.items())


def test_shares_of_people_are_not_more_than_all_of_them() -> None:
    with pytest.raises(ConfigurationError, match="together"):
        Behaviour(stops=0.6, taps=0.5)


def test_some_write_stop_once_after_the_first_message_was_read(open_graph: Open, open_webhook: OpenWebhook) -> None:
    webhook = open_webhook(SECRET)
    graph = talk(open_graph, webhook, stops=1.0, stop_words=["STOP", "Stopp", "توقف"])
    for n in range(20):
        for turn in range(2):
            graph.send(number(n), key=f"m{n}.{turn}")
    assert graph.server.settled(PATIENCE)
    told = values(webhook, "messages")
    assert len({one["from"] for one in told}) == len(told) == 20
    assert {one["text"]["body"] for one in told} == {"STOP", "Stopp", "توقف"}
    said = {one.wa_id: one for one in graph.server.said()}
    assert {one["from"]: one["text"]["body"] for one in told} == {wa_id: one.words for wa_id, one in said.items()}
    assert said["12125550000"].key == "m0.0"


def test_nobody_answers_what_they_have_not_read(open_graph: Open, open_webhook: OpenWebhook) -> None:
    webhook = open_webhook(SECRET)
    graph = talk(open_graph, webhook, stops=1.0)
    graph.server.configure(answer_ms=0.0)
    for n in range(20):
        graph.send(number(n), key=f"m{n}")
    assert graph.server.settled(PATIENCE)
    read: set[str] = set()
    for _, body in webhook.taken:
        value = json.loads(body)["entry"][0]["changes"][0]["value"]
        assert {one["from"] for one in value.get("messages", ())} <= read
        read |= {one["recipient_id"] for one in value.get("statuses", ()) if one["status"] == "read"}
    assert len(read) == 20


def test_a_tap_brings_the_payload_that_was_sent_and_the_message_it_belongs_to(
    open_graph: Open, open_webhook: OpenWebhook
) -> None:
    webhook = open_webhook(SECRET)
    graph = talk(open_graph, webhook, taps=1.0)
    ids = {graph.send(number(n), name="cod", components=PAYLOADS)[1]["messages"][0]["id"] for n in range(12)}
    graph.send(number(50))
    assert graph.server.settled(PATIENCE)
    told = values(webhook, "messages")
    assert {one["context"]["id"] for one in told} == ids
    pairs = {(one["button"]["text"], one["button"]["payload"]) for one in told}
    assert pairs == {("Yes, send it", "COD_YES"), ("No, cancel it", "COD_NO")}


def test_a_button_without_a_payload_brings_its_label(open_graph: Open, open_webhook: OpenWebhook) -> None:
    webhook = open_webhook(SECRET)
    graph = talk(open_graph, webhook, taps=1.0)
    graph.send(name="cod")
    assert graph.server.settled(PATIENCE)
    (told,) = values(webhook, "messages")
    assert told["button"]["text"] == told["button"]["payload"]


def test_who_opts_out_with_meta_is_told_and_gets_no_more_marketing(open_graph: Open, open_webhook: OpenWebhook) -> None:
    webhook = open_webhook(SECRET)
    graph = talk(open_graph, webhook, opts_out=1.0)
    assert graph.send()[0] == 200
    assert graph.server.settled(PATIENCE)
    (told,) = values(webhook, "user_preferences")
    assert (told["value"], told["category"], told["wa_id"]) == ("stop", "marketing_messages", "12125550101")
    assert isinstance(told["timestamp"], int)
    assert graph.send()[1]["error"]["code"] == 131050
    assert graph.send(name="cod")[0] == 200, "utility is not stopped"
    graph.server.speak("+12125550101", preference="resume")
    assert graph.send()[0] == 200


def test_the_blocked_refuse_marketing_and_the_absent_everything_later(
    open_graph: Open, open_webhook: OpenWebhook
) -> None:
    webhook = open_webhook(SECRET)
    graph = talk(open_graph, webhook, blocked=1.0)
    assert graph.send()[1]["error"]["code"] == 131050
    assert graph.send(name="cod")[0] == 200
    absent = open_webhook(SECRET)
    graph = talk(open_graph, absent, absent=1.0)
    assert graph.send(name="cod")[0] == 200
    assert graph.server.settled(PATIENCE)
    (status,) = absent.statuses()
    assert (status["status"], status["errors"][0]["code"]) == ("failed", 131026)


def test_plain_text_is_taken_within_24_hours_of_the_persons_own_message(
    open_graph: Open, open_webhook: OpenWebhook
) -> None:
    webhook = open_webhook(SECRET)
    graph = talk(open_graph, webhook)
    assert write(graph)[1]["error"]["code"] == 131047
    day = {"from": "+12125550101", "text": "Hello", "at": time.time() - 24 * 3600 - 5}
    assert graph.control("POST", "inbound", day)[1]["status"] == 200
    assert write(graph)[1]["error"]["code"] == 131047
    wamid = graph.control("POST", "inbound", day | {"at": time.time() - 24 * 3600 + 60})[1]["id"]
    assert write(graph, context={"message_id": wamid})[0] == 200
    assert write(graph, to="+12125550102")[1]["error"]["code"] == 131047, "the window is one person's"
    assert graph.server.settled(PATIENCE)
    assert [one["status"] for one in webhook.statuses()] == ["sent", "delivered", "read"]
    assert graph.server.stats()["by_template"] == {"(text)": 1}
    assert graph.server.messages()[0]["body"] == "All noted."
    graph.server.reset()
    assert write(graph)[1]["error"]["code"] == 131047


@pytest.mark.parametrize("text", [None, {}, {"body": " "}, {"body": 5}, {"body": "x" * 4097}])
def test_a_text_that_is_none_is_refused(open_graph: Open, open_webhook: OpenWebhook, text: Any) -> None:
    graph = talk(open_graph, open_webhook(SECRET))
    graph.server.speak("+12125550101", text="Hello")
    assert write(graph, text=text)[0] == 400


def test_a_new_number_is_told_by_the_system_without_a_contact(open_graph: Open, open_webhook: OpenWebhook) -> None:
    webhook = open_webhook(SECRET)
    graph = talk(open_graph, webhook)
    graph.control("POST", "inbound", {"from": "+12125550101", "new_number": "+447400123456"})
    (told,) = values(webhook, "messages")
    assert (told["type"], told["system"]["type"], told["system"]["wa_id"]) == (
        "system", "user_changed_number", "447400123456",
    )  # fmt: skip
    assert values(webhook, "contacts") == []


def test_an_app_that_is_not_subscribed_hears_nothing(open_graph: Open, open_webhook: OpenWebhook) -> None:
    webhook = open_webhook(SECRET)
    graph = talk(open_graph, webhook, stops=1.0)
    path = f"/v26.0/{WABA_ID}/subscribed_apps"
    assert len(graph.ask("GET", path)[1]["data"]) == 1
    graph.ask("DELETE", path)
    assert graph.ask("GET", path)[1]["data"] == []
    graph.send()
    assert graph.server.settled(PATIENCE)
    assert webhook.posts == 0
    assert graph.ask("POST", path)[1] == {"success": True}
    graph.send()
    assert graph.server.settled(PATIENCE)
    assert webhook.taken
