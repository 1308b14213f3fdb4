"""What every adapter promises."""

from __future__ import annotations

from typing import Any, ClassVar

from adapters.whatsapp.adapter import ADAPTER
from adapters.whatsapp.tests.hooks import GIVEN, OURS, RECEIVED_AT, fixture, message, sign
from connector.model import Message, Payload, Request
from connector.testing import ChannelContract, ReceiverContract, SettingsContract, Staged

SAMPLES = ("statuses", "status_failed", "two_numbers", "messages", "system", "preferences", "value_errors")
NEWS = ("template_paused", "template_quality", "category_announced", "number_upgraded", "account_restricted")


class TestSettings(SettingsContract):
    adapter = ADAPTER
    given = GIVEN


class TestReceiver(ReceiverContract):
    adapter = ADAPTER
    given = GIVEN
    secret_setting = "app_secret"
    signature_header = "x-hub-signature-256"

    def sign(self, body: bytes, topic: str, secret: str) -> Request:
        headers = {"content-type": "application/json", "x-hub-signature-256": sign(body, secret)}
        return Request(method="POST", headers=headers, body=body, received_at=RECEIVED_AT)

    def samples(self) -> list[tuple[str, Payload]]:
        return [(name, fixture(name)) for name in (*SAMPLES, *NEWS)]


class TestChannel(ChannelContract):
    adapter = ADAPTER
    given: ClassVar[dict[str, Any]] = GIVEN

    def message(self) -> Message:
        return message(body__1="Zoë Müller", button__1__url="orders/abc")

    def accepted(self) -> Staged:
        contact = {"input": "+491712345678", "wa_id": "491712345678"}
        answer = {"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": f"wamid.{OURS}"}]}
        return Staged(answer, remote_id=f"wamid.{OURS}")

    def token_refused(self) -> Staged:
        words = f"Error validating access token {GIVEN['access_token']}: Session has expired"
        error = {"message": words, "type": "OAuthException", "code": 190, "error_subcode": 463, "fbtrace_id": "A1"}
        return Staged({"error": error}, status=401)
