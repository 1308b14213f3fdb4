"""The suite that every adapter keeps."""

from __future__ import annotations

import uuid
from typing import ClassVar

from adapters.shopify.adapter import ADAPTER
from adapters.shopify.tests.posting import FIXTURES, SECRET, post
from connector.model import Request
from connector.testing import ReceiverContract, SettingsContract, read_captured

GIVEN = {
    "shop": "fernhill-tea",
    "webhook_secret": [SECRET],
    "client_id": "0f1e2d3c",
    "client_secret": "client-secret-77aa",
    "access_token": "shpat_0123456789abcdef",
    "country": "GB",
}


class TestReceiver(ReceiverContract):
    adapter = ADAPTER
    given: ClassVar = GIVEN
    secret_setting = "webhook_secret"
    signature_header = "x-shopify-hmac-sha256"

    def sign(self, body: bytes, topic: str, secret: str) -> Request:
        # Shopify gives each delivery an id and repeats it on retries.
        delivery = str(uuid.uuid5(uuid.NAMESPACE_OID, topic + body.decode("latin-1")))
        return post(topic, body, secret=secret, x_shopify_webhook_id=delivery)


class TestReceiverWithoutWebhookIds(TestReceiver):
    def sign(self, body: bytes, topic: str, secret: str) -> Request:
        return post(topic, body, secret=secret, x_shopify_webhook_id=None)


class TestSettings(SettingsContract):
    adapter = ADAPTER
    given: ClassVar = GIVEN


def test_the_captured_requests_are_read_by_the_suite_s_own_reader() -> None:
    receiver = ADAPTER.receiver(ADAPTER.settings().load(GIVEN))  # type: ignore[misc]
    captured = sorted(FIXTURES.glob("*.http"))
    assert len(captured) == 5
    for file in captured:
        assert receiver.topic(receiver.verify(read_captured(file)))
