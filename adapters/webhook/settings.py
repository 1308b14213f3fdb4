"""How a sender signs, and where its payloads say what happened."""

from __future__ import annotations

from typing import Any

from marshmallow import validate
from marshmallow.fields import String

from connector.contract import SecretField, SettingsSchema

FROM_HEADER = "header:"
_HEADER_NAME = r"[A-Za-z0-9_-]{1,60}"
_PATH = validate.Regexp(
    rf"(header:{_HEADER_NAME}|[^\s:]{{1,120}})?\Z",
    error="must be a path such as data.order.id, or header:X-Name.",
)


def _path(default: str, description: str) -> Any:
    return String(load_default=default, validate=_PATH, metadata={"description": description})


class WebhookSettings(SettingsSchema):
    """One sender."""

    secret = SecretField(
        required=True,
        rotates=True,
        validate=validate.Length(min=1),
        metadata={"description": "What the sender signs with; the old one stays valid while it rotates"},
    )
    mode = String(
        load_default="hmac",
        validate=validate.OneOf(["hmac", "shared"], error="must be hmac or shared."),
        metadata={"description": "hmac: the header holds a digest of the body; shared: it holds the secret itself"},
    )
    header = String(
        load_default="X-Signature",
        validate=validate.Regexp(rf"{_HEADER_NAME}\Z", error="must be the name of a header."),
        metadata={"description": "The header that holds it"},
    )
    algorithm = String(
        load_default="sha256",
        validate=validate.OneOf(["sha256", "sha512"], error="must be sha256 or sha512."),
        metadata={"description": "Of the digest: sha256 or sha512"},
    )
    encoding = String(
        load_default="hex",
        validate=validate.OneOf(["hex", "base64"], error="must be hex or base64."),
        metadata={"description": "Of the digest: hex or base64"},
    )
    prefix = String(
        load_default="",
        validate=validate.Regexp(r"[ -~]{0,40}\Z", error="must be plain ASCII."),
        metadata={"description": "What stands before the digest or the secret: sha256="},
    )
    event_type = _path("type", "Where the kind of event stands")
    id = _path("id", "Where the id of the event stands; empty: every other body is another event")
    time = _path("time", "Where the moment stands: RFC 3339, or Unix time in seconds or milliseconds")
    phone = _path("phone", "Where the phone number stands; mappings read it as {{ phone }}")
    subject = _path("", "Where the id of the thing stands that it happened to: order.id")
    label = _path("", "Where a name for people stands: order.number")
    country = String(
        validate=validate.Regexp(r"[A-Z]{2}\Z", error="must be the two letters of a country, such as GB, DE or US."),
        metadata={"description": "Region of phone numbers without a country code: GB"},
    )
    locale = String(
        validate=validate.Regexp(
            r"[a-z]{2,3}([-_][A-Za-z0-9]{2,8})*\Z", error="must be a language such as en, de or pt-BR."
        ),
        metadata={"description": "Language where the payload names none: en"},
    )
