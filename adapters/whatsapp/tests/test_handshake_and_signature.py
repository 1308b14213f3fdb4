"""Who sent it: challenge, signature and delivery key."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.whatsapp.receiver import WhatsAppReceiver
from adapters.whatsapp.tests.hooks import OLD_SECRET, RECEIVED_AT, SECRET, load, post, sign
from connector.errors import SignatureError
from connector.model import Request

BODY = b'{"object":"whatsapp_business_account","entry":[]}'


def asking(**query: str) -> Request:
    named = {f"hub.{name}": value for name, value in query.items()}
    return Request(method="GET", headers={}, body=b"", query=named, received_at=RECEIVED_AT)


def signed(signature: str | None, body: bytes = BODY) -> Request:
    headers = {} if signature is None else {"x-hub-signature-256": signature}
    return Request(method="POST", headers=headers, body=body, received_at=RECEIVED_AT)


def test_the_challenge_is_answered_verbatim_as_plain_text(receiver: WhatsAppReceiver) -> None:
    answer = receiver.handshake(asking(mode="subscribe", verify_token="let-me-in", challenge="<b>1158"))
    assert answer is not None
    assert (answer.status, answer.body) == (200, b"<b>1158")
    assert answer.content_type.startswith("text/plain")


@pytest.mark.parametrize("token", ["", "let-me-in ", "LET-ME-IN", "lét-me-in", "\ud800", "x" * 5000])
def test_a_wrong_verify_token_is_forbidden(receiver: WhatsAppReceiver, token: str) -> None:
    answer = receiver.handshake(asking(mode="subscribe", verify_token=token, challenge="1158"))
    assert answer is not None
    assert answer.status == 403
    assert b"1158" not in answer.body


@pytest.mark.parametrize("challenge", ["", "1" * 513, "é", "a\nb", "\ud800"])
def test_a_challenge_that_cannot_be_one_is_not_echoed(receiver: WhatsAppReceiver, challenge: str) -> None:
    answer = receiver.handshake(asking(mode="subscribe", verify_token="let-me-in", challenge=challenge))
    assert answer is not None
    assert answer.status == 400
    assert b"\n" not in answer.body


def test_a_missing_token_is_forbidden(receiver: WhatsAppReceiver) -> None:
    answer = receiver.handshake(asking(mode="subscribe", challenge="1"))
    assert answer is not None
    assert answer.status == 403


def test_only_a_get_with_a_mode_is_a_handshake(receiver: WhatsAppReceiver) -> None:
    assert receiver.handshake(asking(challenge="1")) is None
    assert receiver.handshake(replace(asking(mode="subscribe"), method="POST")) is None


@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET])
def test_the_new_and_the_old_secret_both_prove_the_sender(receiver: WhatsAppReceiver, secret: str) -> None:
    assert receiver.verify(signed(sign(BODY, secret))).body == BODY


def test_a_secret_that_is_no_longer_kept_is_refused() -> None:
    receiver = WhatsAppReceiver(load(app_secret=[SECRET]))
    with pytest.raises(SignatureError, match="app_secret"):
        receiver.verify(signed(sign(BODY, OLD_SECRET)))


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "sha256=",
        sign(BODY)[:-1],
        sign(BODY) + "0",
        sign(BODY) + "\n",
        sign(BODY).removeprefix("sha256="),
        sign(BODY).replace("sha256", "sha1"),
        "sha256=" + "é" * 64,
        "sha256=" + "٣" * 64,
        "sha256=" + "0" * 64,
    ],
)
def test_a_missing_or_malformed_signature_is_refused(receiver: WhatsAppReceiver, signature: str | None) -> None:
    with pytest.raises(SignatureError):
        receiver.verify(signed(signature))


def test_a_changed_body_is_refused(receiver: WhatsAppReceiver) -> None:
    with pytest.raises(SignatureError):
        receiver.verify(signed(sign(BODY), BODY + b" "))


def test_the_raw_bytes_are_signed_even_where_they_are_no_text(receiver: WhatsAppReceiver) -> None:
    assert receiver.verify(signed(sign(b"\xff\xfe"), b"\xff\xfe")).body == b"\xff\xfe"


@settings(deadline=None)
@given(st.text())
def test_any_text_as_signature_is_refused_and_breaks_nothing(text: str) -> None:
    with pytest.raises(SignatureError):
        WhatsAppReceiver(load()).verify(signed(text))


def test_a_repeated_delivery_has_the_same_key_and_another_body_another(receiver: WhatsAppReceiver) -> None:
    first, again, other = post({"entry": []}), post({"entry": []}, OLD_SECRET), post({"entry": [1]})
    keys = [receiver.key(receiver.verify(request)) for request in (first, again, other)]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("body", "topic"),
    [
        (b'{"entry":[{"changes":[{"field": "calls"}]}]}', "calls"),
        (b"\xff", ""),
        (b'{"text":"\\"field\\":\\"x\\""}', ""),
    ],
)
def test_the_topic_is_found_without_parsing(receiver: WhatsAppReceiver, body: bytes, topic: str) -> None:
    assert receiver.topic(receiver.verify(signed(sign(body), body))) == topic
