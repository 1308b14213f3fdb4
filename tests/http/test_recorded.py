"""What was said on the wire: kept for whoever asks, bounded, and without secrets."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest

from connector.errors import RemoteError
from connector.http import Http, recorded
from connector.model.exchange import ANSWER_CAP, HIDDEN, REQUEST_CAP, Exchange

TOKEN = "EAAG-top-secret-token"


def answer(body: bytes = b"{}", status: str = "200 OK") -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/json", "X-Trace: a"]
    return "\r\n".join([*head, "", ""]).encode() + body


def replying(data: bytes) -> Any:
    def behave(connection: Any, request: bytes) -> bool:
        connection.sendall(data)
        return bool(data)

    return behave


def test_request_and_answer_are_recorded_without_headers_and_without_the_token(serve: Any) -> None:
    server = serve(replying(answer(b'{"error": "token EAAG-top-secret-token has expired"}', "401 Unauthorized")))
    with recorded() as said:
        Http([server.host]).request(
            "POST",
            f"{server.url}/v26.0/1/messages",
            headers={"Authorization": f"Bearer {TOKEN}"},
            json={"to": "+447400123456", "note": TOKEN},
            params={"access_token": TOKEN, "x": "1"},
        )
    (shape,) = [exchange.shape() for exchange in said]
    assert TOKEN not in json.dumps(shape)
    assert shape["url"] == f"{server.url}/v26.0/1/messages?access_token={HIDDEN}&x={HIDDEN}"
    assert shape["request"] == f'{{"to":"+447400123456","note":"{HIDDEN}"}}'
    assert (shape["status"], shape["answer_type"]) == (401, "application/json")
    assert "has expired" in shape["answer"]
    assert "X-Trace" not in json.dumps(shape)


def test_a_call_without_an_answer_is_recorded_too(serve: Any) -> None:
    server = serve(replying(b""))
    with recorded() as said, suppress(RemoteError):
        Http([server.host]).request("POST", server.url, json={"a": 1})
    assert [(item.method, item.status, item.request) for item in said] == [("POST", None, b'{"a":1}')]


def test_nothing_is_recorded_where_nobody_asks(serve: Any) -> None:
    server = serve(replying(answer()))
    with recorded() as said:
        pass
    Http([server.host]).request("GET", server.url)
    assert said == []


def exchange(request: bytes = b"", answer: bytes = b"", secrets: tuple[str, ...] = ()) -> dict[str, Any]:
    return Exchange("POST", "https://vendor.example/x", "text/plain", request, secrets, 200, "", answer).shape()


def test_what_is_kept_is_bounded_and_says_how_long_it_was() -> None:
    shape = exchange("ä".encode() * 9000, b"y" * 9000)
    assert len(shape["request"].encode()) == REQUEST_CAP
    assert len(shape["answer"].encode()) == ANSWER_CAP
    assert (shape["request_size"], shape["answer_size"]) == (18000, 9000)


def test_a_secret_across_the_cut_leaves_no_half_of_itself() -> None:
    shape = exchange(b"x" * (REQUEST_CAP - 5) + TOKEN.encode(), secrets=(TOKEN,))
    assert "EAAG" not in shape["request"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"access_token": "s3cr3t-word"}',
        b'{"a": {"Client_Secret":"s3cr3t-word"}}',
        b'{"api_key":"s3cr3t-word',
        b'{"password": "s3cr3t\\"-word"}',
    ],
)
def test_what_a_body_calls_a_secret_is_hidden(body: bytes) -> None:
    assert "word" not in exchange(body)["request"].replace("password", "")


def test_bytes_that_are_no_text_are_kept_as_far_as_they_are() -> None:
    assert exchange(b"\x00\xffab")["request"] == "\ufffd\ufffdab"
