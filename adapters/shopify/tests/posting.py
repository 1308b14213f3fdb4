"""A made-up shop, and ways to post as Shopify would."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters.shopify.adapter import ADAPTER
from connector.model import Request
from connector.testing import read_captured

FIXTURES = Path(__file__).parent.parent / "fixtures"
SHOP = "fernhill-tea.myshopify.com"
SECRET = "fixture-secret-3f9a"
RECEIVED_AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


def load(**settings: Any) -> Mapping[str, Any]:
    given = {"shop": "fernhill-tea", "webhook_secret": [SECRET]} | settings
    return ADAPTER.settings().load({name: value for name, value in given.items() if value is not None})


def sign(body: bytes, secret: str = SECRET) -> str:
    return b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()


def post(
    topic: str, payload: object, *, secret: str = SECRET, received_at: datetime = RECEIVED_AT, **headers: str | None
) -> Request:
    """Make a signed request; ``None`` takes a header away, underscores stand for hyphens."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=False).encode()
    own = {
        "content-type": "application/json; charset=utf-8",
        "x-shopify-topic": topic,
        "x-shopify-hmac-sha256": sign(body, secret),
        "x-shopify-shop-domain": SHOP,
        "x-shopify-webhook-id": "b1946ac9-2490-4f7a-8f3c-6a2f0e5d7712",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    kept = {name: value for name, value in own.items() if value is not None}
    return Request(method="POST", headers=kept, body=body, received_at=received_at)


def captured(name: str) -> Request:
    return read_captured(FIXTURES / f"{name}.http", received_at=RECEIVED_AT)


def sample(topic: str) -> dict[str, Any]:
    return dict(json.loads((FIXTURES / "samples" / f"{topic.replace('/', '-')}.json").read_bytes()))
