"""Shopify's webhooks: who sent them, which delivery this is, and what they tell.

Only the body is signed: topic, shop, ids and time come in headers that are not. So the shop must be the
account's in the header and, where the body names one, there too.
https://shopify.dev/docs/apps/build/webhooks/verify-deliveries , …/delivery-structure
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import b64decode
from collections.abc import Iterator, Sequence
from datetime import datetime

from adapters.shopify.events import Delivery, read
from adapters.shopify.rules import CARRIER_TOPIC, RULES
from adapters.shopify.topics import BY_NAME
from connector.contract import Receiver, Settings
from connector.errors import PayloadError, SignatureError
from connector.model import Ignored, Item, Payload, Request, Secret, Verified, parse_object, parse_time

# Two families: classic webhooks, and the names without X- that came with 2026.
SIGNATURE = ("x-shopify-hmac-sha256", "shopify-hmac-sha256")
SHOP = ("x-shopify-shop-domain", "shopify-shop-domain")
TOPIC = ("x-shopify-topic", "shopify-topic")
WEBHOOK_ID = ("x-shopify-webhook-id", "shopify-webhook-id")
TRIGGERED_AT = ("x-shopify-triggered-at", "shopify-triggered-at")
FEED = "x-connector-feed"
"""On what our own feed found, which nobody signed; refused where it comes over the web."""

_KEY_LIMIT = 100
_TOPIC_LIMIT = 80
_SIGNATURE_LENGTH = 44
"""Characters of 32 bytes in base64."""


class ShopifyReceiver(Receiver):
    """Receives one shop's webhooks, signed by any of the account's secrets."""

    topics = BY_NAME

    def __init__(self, settings: Settings) -> None:
        self._shop: str = settings["shop"].lower()
        self._secrets = tuple(secret.reveal().encode() for secret in _secrets(settings))

    def verify(self, request: Request) -> Verified:
        """Prove the sender: base64 HMAC-SHA256 over the raw body, and the shop in the header."""
        if FEED in request.headers:
            raise SignatureError(f"The header {FEED} is this connector's own and never comes from Shopify.")
        claimed = _decode(request.header(*SIGNATURE))
        genuine = False
        for secret in self._secrets:  # to the end, so that timing does not tell which secret is in use
            genuine |= hmac.compare_digest(hmac.digest(secret, request.body, "sha256"), claimed)
        if not genuine:
            raise SignatureError(
                "The signature fits none of this account's secrets. Compare webhook_secret and client_secret "
                "with the app in the Dev Dashboard, or with Settings > Notifications > Webhooks."
            )
        shop = request.header(*SHOP)
        if shop.strip().lower() != self._shop:
            raise SignatureError(
                f"The webhook does not come from {self._shop}; each shop needs its own account and URL."
                if shop
                else "The webhook does not name its shop (X-Shopify-Shop-Domain); does a proxy drop headers?"
            )
        return Verified(request)

    def key(self, request: Verified) -> str:
        """Return the webhook id, which a retry repeats; else a digest of topic and body."""
        webhook_id = request.header(*WEBHOOK_ID)
        if webhook_id and len(webhook_id) <= _KEY_LIMIT and webhook_id.isascii() and webhook_id.isprintable():
            return webhook_id
        digest = hashlib.sha256(self.topic(request).encode())
        digest.update(b"\0")
        digest.update(request.body)
        return f"sha256:{digest.hexdigest()}"

    def topic(self, request: Verified) -> str:
        """Return the topic of the header: ``orders/paid``."""
        topic = request.header(*TOPIC).strip().lower()[:_TOPIC_LIMIT]
        return topic if topic.isascii() and topic.isprintable() else ascii(topic)[1:-1][:_TOPIC_LIMIT]

    def pushed(self, topic: str, body: bytes, at: datetime) -> Verified:
        """Return what stands for a webhook of this topic that our own API took."""
        headers = {"content-type": "application/json", TOPIC[0]: topic, SHOP[0]: self._shop}
        return Verified(Request(method="POST", headers=headers, body=body, received_at=at))

    def parse(self, request: Verified) -> Sequence[Item]:
        """Translate one webhook into its events. Raises PayloadError."""
        topic = self.topic(request)
        if not topic:
            raise PayloadError("The webhook has no topic (X-Shopify-Topic); does a proxy drop headers?")
        if topic not in RULES and topic != CARRIER_TOPIC:
            return [Ignored(topic)]
        _require_json(request.header("content-type"))
        payload = parse_object(request.body)
        self._require_own(payload)
        return read(
            Delivery(
                topic=topic,
                payload=payload,
                body=request.body,
                shop=self._shop,
                triggered_at=parse_time(request.header(*TRIGGERED_AT)),
                received_at=request.received_at,
            )
        )

    def _require_own(self, payload: Payload) -> None:
        for name in ("myshopify_domain", "shop_domain"):
            shop = payload.get(name)
            if isinstance(shop, str) and shop and shop.strip().lower() != self._shop:
                raise PayloadError(
                    f"The body speaks of another shop than {self._shop}: it was signed for one shop and sent "
                    "for another. Check which app and shop post to this URL."
                )


def _secrets(settings: Settings) -> Iterator[Secret]:
    yield from settings.get("webhook_secret") or ()
    if settings.get("client_secret"):
        yield settings["client_secret"]


def _decode(signature: str) -> bytes:
    """Return the 32 bytes of a signature. Raises SignatureError for anything else."""
    if not signature:
        raise SignatureError("The webhook is not signed (X-Shopify-Hmac-Sha256 is missing).")
    try:
        claimed = b64decode(signature, validate=True) if len(signature) == _SIGNATURE_LENGTH else b""
    except (binascii.Error, ValueError):  # ValueError: characters beyond ASCII
        claimed = b""
    if len(claimed) != hashlib.sha256().digest_size:
        raise SignatureError("The signature is not 32 bytes in base64; it was changed or cut on its way.")
    return claimed


def _require_json(content_type: str) -> None:
    media = content_type.partition(";")[0].strip().lower()
    if media and media != "application/json" and not media.endswith("+json"):
        raise PayloadError(
            "The webhook was not sent as JSON. Set the subscription's format to JSON "
            "(Settings > Notifications > Webhooks, or format: JSON in webhookSubscriptionCreate)."
        )
