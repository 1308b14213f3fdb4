"""The stand-in answers as the Graph API does, over real HTTP."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from connector.errors import ConfigurationError
from connector.sandbox.server import PHONE_NUMBER_ID, WABA_ID, SandboxServer
from tests.sandbox.conftest import TEMPLATES, Caller, body_of, button

MESSAGES = f"/v26.0/{PHONE_NUMBER_ID}/messages"
PAID = [body_of("Zoë", "€ 10", "#1001"), button(0, "url", type="text", text="abc")]


def test_an_accepted_message_is_answered_as_meta_does(graph: Caller) -> None:
    status, answer = graph.send("+1 (212) 555-0101", name="order_paid", components=PAID, key="m1")
    assert status == 200
    assert answer["messaging_product"] == "whatsapp"
    assert answer["contacts"] == [{"input": "+1 (212) 555-0101", "wa_id": "12125550101"}]
    assert answer["messages"][0]["id"].startswith("wamid.")
    assert answer["messages"][0]["message_status"] == "accepted"
    assert graph.server.messages()[0]["body"] == "Hi Zoë, we have got € 10 for #1001."


def test_a_number_without_a_plus_gets_the_country_of_the_business(graph: Caller) -> None:
    assert graph.send("4930 2312 5123")[1]["contacts"][0]["wa_id"] == "1493023125123"


def test_a_person_is_reached_by_user_id_alone(graph: Caller) -> None:
    status, answer = graph.send(to=None, recipient="US.13491208655302741918")
    assert status == 200
    assert answer["contacts"] == [{"input": "US.13491208655302741918", "user_id": "US.13491208655302741918"}]


@pytest.mark.parametrize(
    ("code", "status", "changes"),
    [
        (100, 400, {"messaging_product": "sms"}),
        (100, 400, {"recipient_type": "group"}),
        (100, 400, {"recipient": "US.1349"}),
        (100, 400, {"unknown": 1}),
        (100, 400, {"biz_opaque_callback_data": "x" * 513}),
        (131008, 400, {"to": None}),
        (131009, 400, {"to": "+12"}),
        (131009, 400, {"to": "call me"}),
        (131009, 400, {"to": None, "recipient": "nobody"}),
        (131051, 400, {"type": "image"}),
        (131008, 400, {"type": "text"}),
        (131047, 400, {"type": "text", "text": {"body": "Hello"}}),
        (131008, 400, {"template": None}),
        (131008, 400, {"template": {"name": "hello"}}),
        (132001, 404, {"template": {"name": "hello", "language": {"code": "de"}}}),
        (132015, 400, {"template": {"name": "paused", "language": {"code": "en"}}}),
        (132000, 400, {"template": {"name": "order_paid", "language": {"code": "en"}}}),
    ],
)
def test_a_wrong_message_gets_meta_s_code(graph: Caller, code: int, status: int, changes: dict[str, Any]) -> None:
    answer = graph.send(**changes)
    assert (answer[0], answer[1]["error"]["code"]) == (status, code), answer
    assert answer[1]["error"]["error_data"]["details"]
    assert graph.server.stats()["accepted"] == 0
    assert graph.server.stats()["refused"] == {str(code): 1}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"[" * 100_000, b"\xff"])
def test_a_body_that_is_no_object_is_refused(graph: Caller, body: bytes) -> None:
    assert graph.ask("POST", MESSAGES, body)[1]["error"]["code"] == 100


def test_a_wrong_token_is_refused_with_401(graph: Caller) -> None:
    graph.token = "another"
    status, answer = graph.send()
    assert (status, answer["error"]["code"]) == (401, 190)


def test_without_a_token_of_its_own_any_is_good_but_none_is_not(open_graph: Callable[..., Caller]) -> None:
    graph = open_graph(token="")
    assert graph.send()[0] == 200
    assert graph.ask("POST", MESSAGES, {}, Authorization="")[0] == 401


@pytest.mark.parametrize("path", ["/26/1/messages", "/v26.0/999/messages", f"/v26.0/{WABA_ID}/messages", "/v26.0", "/"])
def test_an_unknown_path_is_no_message(graph: Caller, path: str) -> None:
    status, answer = graph.ask("POST", path, {"messaging_product": "whatsapp"})
    assert status == 400
    assert answer["error"]["code"] in (33, 2500)


@pytest.mark.parametrize(
    ("ending", "status", "code"),
    [("9026", 400, 131026), ("9047", 400, 131047), ("9049", 400, 131049), ("9050", 400, 131050), ("9130", 401, 190)],
)
def test_the_last_digits_bring_a_refusal_every_time(graph: Caller, ending: str, status: int, code: int) -> None:
    for _ in range(2):
        answer = graph.send(f"+1212555{ending}")
        assert (answer[0], answer[1]["error"]["code"]) == (status, code)


@pytest.mark.parametrize(("ending", "status", "code"), [("9429", 400, 130429), ("9500", 500, 131000)])
def test_some_last_digits_bring_a_refusal_once_for_each_message(
    graph: Caller, ending: str, status: int, code: int
) -> None:
    for key in ("m1", "m2"):
        answer = graph.send(f"+1212555{ending}", key=key)
        assert (answer[0], answer[1]["error"]["code"]) == (status, code)
        assert graph.send(f"+1212555{ending}", key=key)[0] == 200


def test_9503_says_nothing_and_accepts_nothing(graph: Caller) -> None:
    assert graph.send("+12125559503") == (503, None)
    assert graph.server.stats()["accepted"] == 0


def test_9600_accepts_and_hangs_up(graph: Caller) -> None:
    with pytest.raises(http.client.RemoteDisconnected):
        graph.send("+12125559600", key="m1")
    assert graph.server.stats()["accepted"] == 1


def test_9800_takes_two_seconds(graph: Caller) -> None:
    started = time.monotonic()
    assert graph.send("+12125559800")[0] == 200
    assert time.monotonic() - started >= 1.9


def test_errors_by_rate_are_the_same_in_every_run_of_a_seed(open_graph: Callable[..., Caller]) -> None:
    def run(seed: int) -> list[int]:
        graph = open_graph(error_rate=0.4, seed=seed)
        return [graph.send(f"+121255501{n:02d}")[0] for n in range(20)]

    assert set(run(1)) == {200, 500}
    assert run(1) == run(1) != run(2)


def test_a_second_message_with_our_key_is_counted_as_a_duplicate(graph: Caller) -> None:
    for key in ("m1", "m2", "m1", ""):
        graph.send(key=key)
    stats = graph.server.stats()
    assert (stats["accepted"], stats["unique"], stats["duplicates"], stats["duplicated"]) == (4, 3, 1, ["m1"])
    assert stats["by_template"] == {"hello": 4}


def test_templates_are_listed_page_by_page(graph: Caller) -> None:
    seen: list[str] = []
    path = f"/v26.0/{WABA_ID}/message_templates?limit=2&fields=name,status"
    status, page = graph.ask("GET", path)
    while True:
        assert status == 200
        seen += [item["name"] for item in page["data"]]
        assert all(set(item) == {"id", "name", "status"} for item in page["data"])
        if "next" not in page["paging"]:
            break
        after = page["paging"]["cursors"]["after"]
        assert page["paging"]["next"].startswith(graph.server.url)
        status, page = graph.ask("GET", f"{path}&after={after}")
    assert seen == ["hello", "order_paid", "paused"]


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "after=%21", "limit=99999"])
def test_a_wrong_page_is_refused(graph: Caller, query: str) -> None:
    assert graph.ask("GET", f"/v26.0/{WABA_ID}/message_templates?{query}")[1]["error"]["code"] == 100


def test_templates_are_found_by_status(graph: Caller) -> None:
    _, page = graph.ask("GET", f"/v26.0/{WABA_ID}/message_templates?status=PAUSED")
    assert [item["name"] for item in page["data"]] == ["paused"]


def test_a_new_template_is_pending_and_then_approved(graph: Caller) -> None:
    document = TEMPLATES[0] | {"name": "brand_new", "status": "REJECTED"}
    status, answer = graph.ask("POST", f"/v26.0/{WABA_ID}/message_templates", document)
    assert (status, answer["status"], answer["category"]) == (200, "PENDING", "UTILITY")
    assert graph.send(name="brand_new", components=PAID)[0] == 200
    again = graph.ask("POST", f"/v26.0/{WABA_ID}/message_templates", document)
    assert (again[0], again[1]["error"]["error_subcode"]) == (400, 2388024)


def test_a_new_template_stays_pending_where_told_so(open_graph: Callable[..., Caller]) -> None:
    graph = open_graph(approve=False)
    graph.ask("POST", f"/v26.0/{WABA_ID}/message_templates", TEMPLATES[0] | {"name": "brand_new"})
    assert graph.send(name="brand_new", components=PAID)[1]["error"]["code"] == 132001


@pytest.mark.parametrize(
    "changes", [{"name": "No Good"}, {"language": "english"}, {"category": "NEWS"}, {"components": []}]
)
def test_a_template_that_could_never_be_approved_is_refused(graph: Caller, changes: dict[str, Any]) -> None:
    status, answer = graph.ask("POST", f"/v26.0/{WABA_ID}/message_templates", TEMPLATES[1] | {"name": "n"} | changes)
    assert (status, answer["error"]["code"]) == (400, 100)


def test_an_edited_template_is_enforced_at_once(graph: Caller) -> None:
    _, page = graph.ask("GET", f"/v26.0/{WABA_ID}/message_templates?name=hello")
    new = {"components": [{"type": "BODY", "text": "Hello {{1}}."}]}
    assert graph.ask("POST", f"/v26.0/{page['data'][0]['id']}", new) == (200, {"success": True})
    assert graph.send()[1]["error"]["code"] == 132000
    assert graph.send(components=[body_of("Zoë")])[0] == 200


def test_what_a_doctor_asks_is_answered(graph: Caller) -> None:
    number = graph.ask("GET", f"/v26.0/{PHONE_NUMBER_ID}?fields=display_phone_number,verified_name")[1]
    assert number == {"id": PHONE_NUMBER_ID, "display_phone_number": "+15550100100", "verified_name": "Sandbox"}
    assert graph.ask("GET", f"/v26.0/{WABA_ID}/subscribed_apps")[1] == {"data": []}
    assert graph.ask("GET", "/v26.0/12345")[1]["error"]["code"] == 33


def test_uploaded_media_comes_back(graph: Caller) -> None:
    parts = (("messaging_product", "whatsapp"), ("type", "image/png"))
    form = b"".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode() for name, value in parts
    )
    form += b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    form += b"\x89PNG\r\n\x1a\n\x00\xff\r\n--b--\r\n"
    multipart = "multipart/form-data; boundary=b"
    status, answer = graph.ask("POST", f"/v26.0/{PHONE_NUMBER_ID}/media", form, **{"Content-Type": multipart})
    assert status == 200
    media = graph.ask("GET", f"/v26.0/{answer['id']}")[1]
    assert (media["mime_type"], media["file_size"]) == ("image/png", "10")
    connection = http.client.HTTPConnection(urlsplit(media["url"]).netloc)
    connection.request("GET", urlsplit(media["url"]).path)
    assert connection.getresponse().read() == b"\x89PNG\r\n\x1a\n\x00\xff"
    connection.close()


def test_one_connection_carries_many_messages(graph: Caller) -> None:
    connection = http.client.HTTPConnection(urlsplit(graph.server.url).netloc)
    connection.connect()
    socket = connection.sock
    for _ in range(3):
        connection.request("GET", f"/v26.0/{PHONE_NUMBER_ID}", headers={"Authorization": f"Bearer {graph.token}"})
        assert connection.getresponse().read()
    assert connection.sock is socket
    connection.close()


def test_many_callers_at_once_lose_nothing(graph: Caller) -> None:
    def work(caller: int) -> None:
        for n in range(10):
            assert graph.send(key=f"m{caller}-{n}")[0] == 200

    threads = [threading.Thread(target=work, args=(caller,)) for caller in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats = graph.server.stats()
    assert (stats["accepted"], stats["unique"], stats["duplicates"]) == (100, 100, 0)


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
def test_a_web_page_cannot_steer_it(graph: Caller, headers: dict[str, str]) -> None:
    assert graph.ask("POST", "/_sandbox/reset", {}, **headers)[0] == 403


@pytest.mark.parametrize("headers", [{"Content-Length": "99999999999"}, {"Transfer-Encoding": "chunked"}])
def test_an_unbounded_body_is_not_read(graph: Caller, headers: dict[str, str]) -> None:
    assert graph.ask("POST", MESSAGES, None, **headers)[0] in (411, 413)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "example.com", ""])
def test_it_listens_on_this_machine_only(host: str) -> None:
    with pytest.raises(ConfigurationError, match="stays on this machine"):
        SandboxServer(host=host, templates=[])


@pytest.mark.parametrize(
    "url",
    ["http://example.com/", "http://127.0.0.1.example.com/", "https://127.0.0.1/", "http://x@127.0.0.1/", "http://"],
)
def test_it_posts_to_this_machine_only(url: str) -> None:
    with pytest.raises(ConfigurationError):
        SandboxServer(templates=[], webhook_url=url, app_secret="s")


def test_a_port_in_use_is_told_clearly(graph: Caller) -> None:
    with pytest.raises(ConfigurationError, match="choose another"):
        SandboxServer(templates=[], port=urlsplit(graph.server.url).port or 0)


def test_secrets_are_not_shown(open_graph: Callable[..., Caller]) -> None:
    graph = open_graph(app_secret="hidden-one")
    shown = graph.control("GET", "config")[1]
    assert shown["token"] is True
    assert "hidden-one" not in str(shown)
    assert graph.token not in str(shown)
