"""The suite that every adapter keeps, for the doors that take JSON."""

from __future__ import annotations

from typing import ClassVar

from adapters.salesforce.adapter import ADAPTER
from adapters.salesforce.tests.posting import ORGANIZATION, SECRET, post, request
from connector.model import Request
from connector.testing import ReceiverContract, SettingsContract

KEY = "-----BEGIN PRIVATE KEY-----\nMIIBfixture0key\n-----END PRIVATE KEY-----\n"
GIVEN = {
    "organization_id": ORGANIZATION,
    "webhook_secret": [SECRET],
    "my_domain": "acme.my",
    "client_id": "3MVG9fixture",
    "client_secret": "client-secret-77aa",
    "username": "connector@acme.example",
    "private_key": KEY,
    "country": "GB",
}


def wrapped(body: bytes, topic: str) -> bytes:
    """A body about one record: the suite's bodies are what stands in its place."""
    return b'{"object":"' + topic.removesuffix(".deleted").encode() + b'","record":' + body + b"}"


class TestSigned(ReceiverContract):
    adapter = ADAPTER
    given: ClassVar = GIVEN
    secret_setting = "webhook_secret"
    signature_header = "x-connector-signature"

    def sign(self, body: bytes, topic: str, secret: str) -> Request:
        return post(wrapped(body, topic), secret=secret)

    def unknown(self) -> Request:
        return post({"object": "Contact", "records": []})


class TestShared(TestSigned):
    signature_header = "x-connector-secret"
    signs_body = False

    def sign(self, body: bytes, topic: str, secret: str) -> Request:
        return request(wrapped(body, topic), content_type="application/json", x_connector_secret=secret)

    def unknown(self) -> Request:
        return request(b'{"object":"Contact","deleted":[]}', x_connector_secret=SECRET)


class TestSettings(SettingsContract):
    adapter = ADAPTER
    given: ClassVar = GIVEN
