"""A made-up number, and ways to post as Meta would."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters.whatsapp.adapter import ADAPTER
from connector.model import Category, Message, MessageId, Request

FIXTURES = Path(__file__).parent.parent / "fixtures"
NUMBER, WABA = "220000000000001", "310000000000001"
SECRET, OLD_SECRET = "app-secret-new-71c2", "app-secret-old-09fe"
OURS = "01kb3m8q9v6w2x4y5z7a8b9c0d"
RECEIVED_AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


GIVEN: dict[str, Any] = {
    "phone_number_id": NUMBER,
    "waba_id": WABA,
    "access_token": "EAAtoken5f",
    "app_secret": [SECRET, OLD_SECRET],
    "verify_token": "let-me-in",
}


def load(**settings: Any) -> Mapping[str, Any]:
    given = GIVEN | settings
    return ADAPTER.settings().load({name: value for name, value in given.items() if value is not None})


def fixture(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_text("utf-8"))


def sign(body: bytes, secret: str = SECRET) -> str:
    return f"sha256={hmac.digest(secret.encode(), body, 'sha256').hex()}"


def post(payload: object, secret: str = SECRET) -> Request:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    headers = {"content-type": "application/json", "x-hub-signature-256": sign(body, secret)}
    return Request(method="POST", headers=headers, body=body, received_at=RECEIVED_AT)


def message(category: Category = Category.UTILITY, recipient: str = "+491712345678", **slots: str) -> Message:
    """Make a message; a double underscore in a slot's name stands for a dot."""
    return Message(
        id=MessageId(OURS),
        recipient=recipient,
        template="order_paid",
        language="en_US",
        category=category,
        slots={name.replace("__", "."): value for name, value in slots.items()},
    )
