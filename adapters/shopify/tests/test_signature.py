"""Who sent it: signature, shop and delivery key."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.shopify.receiver import ShopifyReceiver
from adapters.shopify.tests.posting import SECRET, captured, load, post, sign
from connector.errors import SignatureError
from connector.model import Request

BODY = b'{"id": 7405918236450917331, "name": "#1042"}'


def with_header(request: Request, **headers: str) -> Request:
    return replace(request, headers={**request.headers, **{k.replace("_", "-"): v for k, v in headers.items()}})


@pytest.mark.parametrize("name", ["order_paid_2024-10", "order_paid_2026-10", "shipment_new_headers", "not_json"])
def test_a_captured_request_is_genuine(receiver: ShopifyReceiver, name: str) -> None:
    assert receiver.verify(captured(name)) == captured(name)


def test_every_byte_of_the_body_is_signed(receiver: ShopifyReceiver) -> None:
    request = post("orders/paid", BODY)
    for position in range(len(BODY)):
        changed = bytearray(BODY)
        changed[position] ^= 1
        with pytest.raises(SignatureError):
            receiver.verify(replace(request, body=bytes(changed)))


def test_a_shortened_body_is_refused(receiver: ShopifyReceiver) -> None:
    with pytest.raises(SignatureError):
        receiver.verify(replace(post("orders/paid", BODY), body=BODY[:-1]))


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "ä" * 44,
        "é" + sign(BODY)[1:],
        sign(BODY)[:-1],
        sign(BODY)[:-4],
        sign(BODY) + "\n",
        " " + sign(BODY),
        sign(BODY) + sign(BODY),
        b64encode(b"x" * 31).decode(),
        b64encode(b"x" * 33).decode(),
        sign(BODY).replace("=", "!"),
        "sha256=" + sign(BODY)[7:],
    ],
)
def test_a_malformed_signature_is_refused(receiver: ShopifyReceiver, signature: str) -> None:
    with pytest.raises(SignatureError):
        receiver.verify(with_header(post("orders/paid", BODY), x_shopify_hmac_sha256=signature))


@settings(deadline=None)
@given(st.text(max_size=60))
def test_no_text_in_place_of_a_signature_gets_in(signature: str) -> None:
    request = with_header(post("orders/paid", BODY), x_shopify_hmac_sha256=signature)
    if signature != sign(BODY):
        with pytest.raises(SignatureError):
            ShopifyReceiver(load()).verify(request)


def test_another_secret_is_refused_and_the_words_hold_none(receiver: ShopifyReceiver) -> None:
    with pytest.raises(SignatureError) as refused:
        receiver.verify(post("orders/paid", BODY, secret="someone-elses"))
    assert SECRET not in str(refused.value)
    assert sign(BODY) not in str(refused.value)


def test_old_secrets_are_accepted_while_they_are_kept() -> None:
    receiver = ShopifyReceiver(load(webhook_secret=["new-one", "old-one"]))
    for secret in ("new-one", "old-one"):
        receiver.verify(post("orders/paid", BODY, secret=secret))
    with pytest.raises(SignatureError):
        receiver.verify(post("orders/paid", BODY, secret="older-one"))


def test_the_client_secret_signs_too() -> None:
    receiver = ShopifyReceiver(load(webhook_secret=["page-secret"], client_secret="app-secret"))
    receiver.verify(post("orders/paid", BODY, secret="page-secret"))
    receiver.verify(post("orders/paid", BODY, secret="app-secret"))
    alone = ShopifyReceiver(load(webhook_secret=None, client_secret="app-secret"))
    alone.verify(post("orders/paid", BODY, secret="app-secret"))


def test_another_shop_is_refused(receiver: ShopifyReceiver) -> None:
    with pytest.raises(SignatureError, match="fernhill-tea"):
        receiver.verify(post("orders/paid", BODY, x_shopify_shop_domain="other-tea.myshopify.com"))


def test_a_webhook_that_names_no_shop_is_refused(receiver: ShopifyReceiver) -> None:
    with pytest.raises(SignatureError, match="proxy"):
        receiver.verify(post("orders/paid", BODY, x_shopify_shop_domain=None))


def test_the_shop_is_compared_without_regard_to_case(receiver: ShopifyReceiver) -> None:
    receiver.verify(post("orders/paid", BODY, x_shopify_shop_domain="Fernhill-Tea.MyShopify.com"))


def test_headers_without_x_are_read(receiver: ShopifyReceiver) -> None:
    request = receiver.verify(captured("shipment_new_headers"))
    assert not [name for name in request.headers if name.startswith("x-")]
    assert receiver.topic(request) == "fulfillment_events/create"
    assert receiver.key(request) == "0f6b2a90-5d0c-47bb-8f65-1e9a2c7741d3"


def test_a_retry_has_the_same_key_and_another_delivery_another(receiver: ShopifyReceiver) -> None:
    first = receiver.verify(post("orders/paid", BODY))
    later = receiver.verify(post("orders/paid", BODY, x_shopify_triggered_at="2026-11-22T11:00:00Z"))
    other = receiver.verify(post("orders/paid", BODY, x_shopify_webhook_id="another"))
    assert receiver.key(first) == receiver.key(later)
    assert receiver.key(first) != receiver.key(other)


@pytest.mark.parametrize("webhook_id", [None, "x" * 5000, "ä", "a\nb"])
def test_without_a_usable_webhook_id_topic_and_body_are_the_key(
    receiver: ShopifyReceiver, webhook_id: str | None
) -> None:
    def key(topic: str, body: bytes) -> str:
        return receiver.key(receiver.verify(post(topic, body, x_shopify_webhook_id=webhook_id)))

    assert key("orders/paid", BODY) == key("orders/paid", BODY)
    assert len({key("orders/paid", BODY), key("orders/create", BODY), key("orders/paid", BODY + b" ")}) == 3
    assert len(key("orders/paid", BODY)) < 100
