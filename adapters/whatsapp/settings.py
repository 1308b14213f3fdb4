"""What the operator gives to connect a WhatsApp number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from marshmallow import post_load, validate
from marshmallow.fields import Integer, String

from connector.contract import ApiUrl, SecretField, Settings, SettingsSchema, is_loopback

API_VERSION = "v26.0"
"""Meta's Graph API of 2026-07-29. Always pinned: without it Meta uses the app's newest."""
API_URL = f"https://graph.facebook.com/{API_VERSION}"
META_RATE = 80
"""Messages a second that Meta gives to every number (20 where the Business app is used beside it)."""
STAND_IN_RATE = 1000
"""Of a stand-in on this machine; also Meta's upper tier."""

_ID = validate.Regexp(
    r"[A-Za-z0-9_.-]{1,64}\Z",
    error="must be an id of letters and digits, as WhatsApp Manager shows it.",
)


class WhatsAppSettings(SettingsSchema):
    """One business phone number."""

    phone_number_id = String(
        required=True,
        validate=_ID,
        metadata={"title": "Phone number ID", "description": "App dashboard > WhatsApp > API set-up."},
    )
    waba_id = String(
        required=True,
        validate=_ID,
        metadata={
            "title": "WhatsApp Business Account ID",
            "description": "Stands beside the phone number ID.",
        },
    )
    access_token = SecretField(
        required=True,
        metadata={
            "title": "Access token",
            "description": "Of a system user, without expiry, with whatsapp_business_messaging and "
            "whatsapp_business_management.",
        },
    )
    app_secret = SecretField(
        required=True,
        rotates=True,
        validate=validate.Length(min=1, error="must hold at least one secret."),
        metadata={"title": "App secret", "description": "App dashboard > App settings > Basic."},
    )
    verify_token = SecretField(
        required=True,
        metadata={
            "title": "Verify token",
            "description": "Any text of yours; paste the same one beside the webhook's URL.",
        },
    )
    api_url = ApiUrl(
        load_default=API_URL,
        metadata={"title": "API URL", "description": "Meta's Graph API with its version, or a stand-in."},
    )
    messages_per_second = Integer(
        validate=validate.Range(1, 2000),
        metadata={
            "title": "Messages a second",
            "description": f"{META_RATE} unless Meta has given this number more.",
        },
    )
    in_doubt_seconds = Integer(
        load_default=90,
        validate=validate.Range(10, 3600),
        metadata={
            "title": "Seconds in doubt",
            "description": "How long to wait for a receipt when a send got no answer.",
        },
    )

    @post_load
    def fill_rate(self, data: dict[str, Any], **kwargs: object) -> dict[str, Any]:
        """Take what Meta gives to every number, or a stand-in's rate, where none is set."""
        stand_in = is_loopback(urlsplit(data["api_url"]).hostname or "")
        data.setdefault("messages_per_second", STAND_IN_RATE if stand_in else META_RATE)
        return data


def hosts(settings: Settings) -> tuple[str, ...]:
    """Return the one host, with its port where there is one, that this account speaks to."""
    return (urlsplit(str(settings["api_url"])).netloc.lower(),)


def secrets(settings: Mapping[str, Any], name: str) -> tuple[bytes, ...]:
    """Return the secrets of a rotating setting as bytes, newest first."""
    return tuple(secret.reveal().encode() for secret in settings[name])
