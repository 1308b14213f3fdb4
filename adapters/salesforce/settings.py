"""Settings of a Salesforce account: one organisation."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from marshmallow import ValidationError, fields, post_load, validates_schema
from marshmallow.validate import Length, Range, Regexp

from adapters.salesforce.ids import SHORT, is_name, long_id, suffix
from connector.contract import ApiUrl, Country, SecretField, Settings, SettingsSchema, Timezone
from connector.model import Secret

API_VERSION = "64.0"
"""The version this adapter was written against; Salesforce keeps one for at least three years."""
DEFAULT_OBJECTS = ("Contact", "Lead")

_SALESFORCE = ".salesforce.com"
_MY_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)?\.my")
_PEM = re.compile(r"-----BEGIN ((?:RSA |EC )?PRIVATE KEY)-----([A-Za-z0-9+/=\s]+)-----END \1-----")
_KEY_LIMIT = 20_000
_EVENT = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)+")


class OrganizationId(fields.Field[str]):
    """An organisation's id, 15 or 18 characters; loads to 18."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = value.strip() if isinstance(value, str) else ""
        found = long_id(text)
        if not found.startswith("00D"):
            raise ValidationError("must be the 15 or 18 characters that begin with 00D (Setup > Company Information).")
        if found[SHORT:] != suffix(found):
            raise ValidationError(
                "has other capitals than Salesforce gave it; copy it from Setup > Company Information."
            )
        return found


class MyDomain(fields.Field[str]):
    """A My Domain: ``acme.my``, ``acme--uat.sandbox.my``, or either with ``.salesforce.com``; loads to the host."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = value.strip().lower() if isinstance(value, str) else ""
        name = text.removeprefix("https://").removesuffix("/").removesuffix(_SALESFORCE)
        # Whole and strict: client secret and key are sent to this host, and nothing else may hide in it.
        if not _MY_DOMAIN.fullmatch(name):
            raise ValidationError(
                "must be the organisation's My Domain, such as acme.my.salesforce.com or "
                "acme--uat.sandbox.my.salesforce.com (Setup > My Domain), not the address of its pages."
            )
        return name + _SALESFORCE


class PrivateKey(SecretField):
    """A private key in PEM, or the base64 of one, which fits on one line; loads to a Secret with the PEM."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = value.reveal() if isinstance(value, Secret) else value
        if not isinstance(text, str) or not text.isascii() or len(text) > _KEY_LIMIT:
            raise ValidationError(_KEY_WORDS)
        text = text.strip()
        if not text.startswith("-----"):
            try:
                text = b64decode("".join(text.split()), validate=True).decode("ascii").strip()
            except (binascii.Error, ValueError):
                raise ValidationError(_KEY_WORDS) from None
        found = _PEM.fullmatch(text)
        if not found:
            raise ValidationError(_KEY_WORDS)
        lines = "\n".join(found[2].split())
        return Secret(f"-----BEGIN {found[1]}-----\n{lines}\n-----END {found[1]}-----\n")


_KEY_WORDS = "must be an unencrypted private key in PEM, from -----BEGIN to -----END, or the base64 of that file."


class ObjectNames(fields.List[str]):
    """API names of objects, as a list or with commas between."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(fields.String(), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        names = value.split(",") if isinstance(value, str) else value
        if not isinstance(names, list | tuple) or not 0 < len(names) <= 50:
            raise ValidationError("must be names of objects, such as Contact, Lead.")
        found = [name.strip() if isinstance(name, str) else "" for name in names]
        if wrong := [name for name in found if not is_name(name)]:
            raise ValidationError(f"holds {wrong[0][:40]!r}, which is no API name such as Contact or Appointment__c.")
        return list(dict.fromkeys(found))


class Actions(fields.Dict):
    """Id of an outbound message -> our word for what it tells; ids load to 18 characters."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, str]:
        if not isinstance(value, Mapping) or len(value) > 200:
            raise ValidationError('must be ids and events, such as {"04k000000000001AAA": "case.closed"}.')
        found: dict[str, str] = {}
        for given, event in value.items():
            action = long_id(given.strip()) if isinstance(given, str) else ""
            if not action:
                raise ValidationError("holds a key that is no id: take the ActionId that Salesforce shows, 04k….")
            if not isinstance(event, str) or len(event) > 80 or not _EVENT.fullmatch(event):
                raise ValidationError(f"gives {action} an event that is not written as case.closed.")
            found[action] = event
        return found


class SalesforceSettings(SettingsSchema):
    """What a Salesforce account holds; see the README for where each value is found."""

    organization_id = OrganizationId(required=True, metadata={"description": "00D…, from Setup > Company Information"})
    webhook_secret = SecretField(
        rotates=True,
        metadata={"description": "For JSON from Flow or Apex; Outbound Messages need none"},
    )
    actions = Actions(metadata={"description": 'Our word for an outbound message: {"04k…": "case.closed"}'})
    my_domain = MyDomain(metadata={"description": "acme.my.salesforce.com, from Setup > My Domain"})
    client_id = fields.String(
        validate=Regexp(r"[!-~]{1,300}\Z", error="must be the consumer key of the app, without spaces."),
        metadata={"description": "Consumer key of the External Client App"},
    )
    client_secret = SecretField(metadata={"description": "Consumer secret of the app"})
    username = fields.String(
        validate=Regexp(r"[^\s@]{1,64}@[^\s@]{1,80}\Z", error="must be a user's name, such as connector@acme.example."),
        metadata={"description": "With private_key instead of the consumer secret: the user to act as"},
    )
    private_key = PrivateKey(metadata={"description": "PEM (or its base64) whose certificate the app holds"})
    api_version = fields.String(
        load_default=API_VERSION,
        validate=Regexp(r"[5-9][0-9]\.0\Z", error="must be a version such as 64.0."),
        metadata={"description": "Version of Salesforce's API"},
    )
    api_url = ApiUrl(metadata={"description": "Default: https://<my_domain>"})
    objects = ObjectNames(
        load_default=lambda: list(DEFAULT_OBJECTS), metadata={"description": "What to ask for: Contact, Lead"}
    )
    feed_minutes = fields.Integer(
        load_default=15,
        validate=Range(5, 1440, error="must be between 5 and 1440."),
        metadata={"description": "How often to ask for what has changed"},
    )
    country = Country(metadata={"description": "Region of phone numbers without a country code: GB"})
    locale = fields.String(
        validate=[
            Length(max=35),
            Regexp(r"[a-z]{2,3}([-_][A-Za-z0-9]{2,8})*\Z", error="must be a language such as en, de or pt-BR."),
        ],
        metadata={"description": "Language where the person's is unknown: en"},
    )
    timezone = Timezone(metadata={"description": "For dates in messages: Europe/London"})

    @validates_schema
    def _can_sign_in(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        # A secret is set by itself, after what it belongs to: what is public may stand alone.
        if data.get("private_key") and not data.get("username"):
            raise ValidationError("is required with private_key: the user to act as.", "username")
        if (data.get("private_key") or data.get("client_secret")) and not data.get("client_id"):
            raise ValidationError("is required with client_secret or private_key.", "client_id")
        if data.get("client_id") and not (data.get("my_domain") or data.get("api_url")):
            raise ValidationError("is required with client_id: tokens are asked for there.", "my_domain")

    @post_load
    def _default_url(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        if data.get("my_domain"):
            data.setdefault("api_url", f"https://{data['my_domain']}")
        return data


def hosts(settings: Settings) -> tuple[str, ...]:
    """Return the one host the account's session may speak to: that of ``api_url``; none without access to the API."""
    return (urlsplit(settings["api_url"]).netloc,) if settings.get("api_url") else ()
