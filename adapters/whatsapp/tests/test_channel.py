"""Sending, and what becomes of each answer."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
import responses

from adapters.whatsapp.channel import WhatsAppChannel
from adapters.whatsapp.settings import API_URL, hosts
from adapters.whatsapp.tests.hooks import NUMBER, OURS, WABA, fixture, load, message
from connector.errors import CredentialsError, PermanentError, Scope, TemporaryError, UncertainError
from connector.http import Http
from connector.model import Sent

MESSAGES = f"{API_URL}/{NUMBER}/messages"
TEMPLATES = f"{API_URL}/{WABA}/message_templates"
ACCEPTED = {
    "messaging_product": "whatsapp",
    "contacts": [{"input": "+491712345678", "wa_id": "491712345678"}],
    "messages": [{"id": "wamid.OUT1", "message_status": "accepted"}],
}


def test_a_message_leaves_with_our_id_and_comes_back_with_metas(
    channel: WhatsAppChannel, meta: responses.RequestsMock
) -> None:
    meta.post(MESSAGES, json=ACCEPTED)
    assert channel.send(message(body__1="Zoë", button__1__url="abc")) == Sent("wamid.OUT1", "491712345678")
    request = meta.calls[0].request
    assert request.headers["Authorization"] == "Bearer EAAtoken5f"
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.body) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+491712345678",
        "type": "template",
        "biz_opaque_callback_data": OURS,
        "template": {
            "name": "order_paid",
            "language": {"code": "en_US"},
            "components": [
                {"type": "body", "parameters": [{"type": "text", "text": "Zoë"}]},
                {
                    "type": "button",
                    "sub_type": "url",
                    "index": "1",
                    "parameters": [{"type": "text", "text": "abc"}],
                },
            ],
        },
    }


def test_the_operator_sets_the_pace_and_how_long_a_doubt_lasts() -> None:
    settings = load(messages_per_second=20, in_doubt_seconds=300)
    channel = WhatsAppChannel(settings, Http(hosts(settings)))
    assert (channel.rate, channel.doubt_seconds) == (20, 300)


def test_a_user_id_goes_as_recipient_and_comes_back_as_user_id(
    channel: WhatsAppChannel, meta: responses.RequestsMock
) -> None:
    person = "DE.8801234567890123"
    meta.post(MESSAGES, json={"contacts": [{"input": person, "user_id": person}], "messages": [{"id": "wamid.2"}]})
    assert channel.send(message(recipient=person)) == Sent("wamid.2", person)
    sent = json.loads(meta.calls[0].request.body)
    assert sent["recipient"] == person
    assert "to" not in sent
    assert "components" not in sent["template"]


def test_broken_unicode_in_a_value_still_leaves(channel: WhatsAppChannel, meta: responses.RequestsMock) -> None:
    meta.post(MESSAGES, json=ACCEPTED)
    channel.send(message(body__1="a\ud800b"))
    assert meta.calls[0].request.body.isascii()


@pytest.mark.parametrize(
    ("status", "code", "wanted", "scope"),
    [
        (400, 130429, TemporaryError, Scope.ACCOUNT),
        (400, 131026, PermanentError, Scope.MESSAGE),
        (404, 132001, PermanentError, Scope.TEMPLATE),
        (400, 132015, TemporaryError, Scope.TEMPLATE),
        (401, 190, CredentialsError, Scope.ACCOUNT),
        (500, 131000, TemporaryError, Scope.MESSAGE),
        (200, 131026, PermanentError, Scope.MESSAGE),
    ],
)
def test_the_code_decides(
    channel: WhatsAppChannel, meta: responses.RequestsMock, status: int, code: int, wanted: type, scope: Scope
) -> None:
    meta.post(MESSAGES, status=status, json={"error": {"message": f"(#{code})", "code": code}})
    with pytest.raises(wanted) as caught:
        channel.send(message())
    assert type(caught.value) is wanted
    assert caught.value.scope is scope


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("body", ["<html>Bad Gateway</html>", "", "{}", '{"error":'])
def test_a_server_fault_without_metas_voice_is_uncertain(
    channel: WhatsAppChannel, meta: responses.RequestsMock, status: int, body: str
) -> None:
    meta.post(MESSAGES, status=status, body=body)
    with pytest.raises(UncertainError):
        channel.send(message())


@pytest.mark.parametrize("body", ["", "{}", "[]", '{"messages":[]}', '{"messages":[{}]}', '{"messages":[{"id":""}]}'])
def test_a_yes_without_an_id_is_uncertain(channel: WhatsAppChannel, meta: responses.RequestsMock, body: str) -> None:
    meta.post(MESSAGES, status=200, body=body)
    with pytest.raises(UncertainError, match="no message id"):
        channel.send(message())


def test_no_answer_is_uncertain_and_no_connection_is_not(
    channel: WhatsAppChannel, meta: responses.RequestsMock
) -> None:
    meta.post(MESSAGES, body=requests.ReadTimeout())
    with pytest.raises(UncertainError):
        channel.send(message())
    meta.replace("POST", MESSAGES, body=requests.ConnectTimeout())
    with pytest.raises(TemporaryError) as caught:
        channel.send(message())
    assert type(caught.value) is TemporaryError


def test_no_error_holds_the_token_or_the_recipient(channel: WhatsAppChannel, meta: responses.RequestsMock) -> None:
    said = "(#131026) 491712345678 is not reachable"
    meta.post(MESSAGES, status=400, json={"error": {"message": said, "code": 131026}})
    with pytest.raises(PermanentError) as caught:
        channel.send(message())
    assert "491712345678" not in str(caught.value)
    assert "EAAtoken5f" not in repr(channel) + str(caught.value)


def test_what_does_not_fit_is_refused_without_a_call(channel: WhatsAppChannel, meta: responses.RequestsMock) -> None:
    with pytest.raises(PermanentError):
        channel.send(message(body__2="b"))
    assert len(meta.calls) == 0


def test_many_threads_may_send_at_once(channel: WhatsAppChannel, meta: responses.RequestsMock) -> None:
    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        sent = json.loads(request.body)
        value = sent["template"]["components"][0]["parameters"][0]["text"]
        return 200, {}, json.dumps({"messages": [{"id": f"wamid.{value}"}]})

    meta.add_callback("POST", MESSAGES, answer)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: channel.send(message(body__1=str(n))).remote_id, range(200)))
    assert found == [f"wamid.{n}" for n in range(200)]


def page(names: list[str], after: str = "", more: bool = False) -> dict[str, Any]:
    paging: dict[str, Any] = {"cursors": {"after": after}} if after else {}
    if more:
        paging["next"] = "https://elsewhere.example/?access_token=EAAtoken5f"
    template = fixture("templates")["data"][0]
    return {"data": [template | {"name": name} for name in names], "paging": paging}


def test_templates_are_read_page_by_page_by_the_cursor(channel: WhatsAppChannel, meta: responses.RequestsMock) -> None:
    asked = responses.matchers.query_param_matcher
    meta.get(TEMPLATES, json=page(["a", "b"], "C1", more=True), match=[asked({"limit": "200"}, strict_match=False)])
    meta.get(TEMPLATES, json=page(["c"], "C2"), match=[asked({"after": "C1"}, strict_match=False)])
    assert [template.name for template in channel.templates()] == ["a", "b", "c"]
    assert len(meta.calls) == 2
    assert "components" in meta.calls[0].request.url


def test_a_cursor_that_stands_still_ends_the_list(channel: WhatsAppChannel, meta: responses.RequestsMock) -> None:
    meta.get(TEMPLATES, json=page(["a"], "C1", more=True))
    assert [template.name for template in channel.templates()] == ["a", "a"]


def test_one_unreadable_template_does_not_cost_the_rest(channel: WhatsAppChannel, meta: responses.RequestsMock) -> None:
    listing = page(["a", "b"])
    listing["data"][0]["components"] = [{"type": "HEADER", "format": "PRODUCT"}]
    meta.get(TEMPLATES, json=listing)
    assert [template.status for template in channel.templates()] == ["unreadable", "approved"]


@pytest.mark.parametrize(
    ("status", "body", "wanted"),
    [
        (401, {"error": {"code": 190}}, CredentialsError),
        (400, {"error": {"code": 80007}}, TemporaryError),
        (200, {}, TemporaryError),
        (200, [], TemporaryError),
        (200, {"data": "x"}, TemporaryError),
    ],
)
def test_a_refused_listing_raises(
    channel: WhatsAppChannel, meta: responses.RequestsMock, status: int, body: Any, wanted: type
) -> None:
    meta.get(TEMPLATES, status=status, json=body)
    with pytest.raises(wanted) as caught:
        list(channel.templates())
    assert type(caught.value) is wanted


def test_the_rate_is_the_accounts() -> None:
    settings = load(messages_per_second=250)
    assert WhatsAppChannel(settings, Http(hosts(settings))).rate == 250
