"""Settings of a Shopify account: one shop."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from marshmallow import ValidationError, fields, post_load, validates_schema
from marshmallow.validate import Length

from connector.contract import ApiUrl, Country, SecretField, Settings, SettingsSchema, Timezone

API_VERSION = "2026-10"
"""The stable version this adapter was written against; Shopify keeps a version for a year."""

_SHOP = re.compile(r"[a-z0-9][a-z0-9-]*[a-z0-9]\.myshopify\.com")
_ADMIN = re.compile(r"\s*(?:https://)?admin\.shopify\.com/store/([A-Za-z0-9-]+)(?:[/?#]\S*)?\s*")
"""What stands in the address bar of whoever is in the shop's admin."""
_LOCALE = re.compile(r"[a-z]{2,3}([-_][A-Za-z0-9]{2,8})*")


class ShopDomain(fields.Field[str]):
    """A shop's permanent name: ``my-shop``, ``my-shop.myshopify.com``, or its admin's address; loads to the second."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if isinstance(value, str) and _SHOP.fullmatch(value):
            return value  # as it was stored: Shopify's library takes a quarter of a second to import
        from shopify.utils.shop_url import sanitize_shop_domain

        if isinstance(value, str) and (found := _ADMIN.fullmatch(value)):
            value = found[1]
        try:
            shop = sanitize_shop_domain(value) if isinstance(value, str) else None
        except ValueError:  # urlparse, on brackets
            shop = None
        if not shop:
            raise ValidationError(
                "must be the shop's permanent name, such as my-shop.myshopify.com "
                "(Shopify admin > Settings > Domains), not its own domain."
            )
        return str(shop)


class Locale(fields.Field[str]):
    """A language, with or without a region: ``en``, ``pt-BR``."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        locale = str(value).strip()
        if not _LOCALE.fullmatch(locale):
            raise ValidationError("must be a language such as en, de or pt-BR.")
        return locale


class ShopifySettings(SettingsSchema):
    """What a Shopify account holds; see the README for where each value is found."""

    shop = ShopDomain(required=True, metadata={"description": "my-shop or my-shop.myshopify.com"})
    webhook_secret = SecretField(
        rotates=True,
        metadata={"description": "Secret that webhooks are signed with, where it is not the client secret"},
    )
    client_id = fields.String(
        validate=Length(min=1, error="must not be empty."),
        metadata={"description": "Client ID of the app in the Dev Dashboard"},
    )
    client_secret = SecretField(
        metadata={"description": "Client secret of the app; Shopify also signs its webhooks with it"}
    )
    access_token = SecretField(
        metadata={"description": "Admin API token (shpat_…) of an older custom app, instead of client ID and secret"}
    )
    api_url = ApiUrl(metadata={"description": f"Default: https://<shop>/admin/api/{API_VERSION}"})
    keep_subscriptions = fields.Boolean(
        load_default=True,
        metadata={"description": "Make missing webhook subscriptions again, hourly; false with shopify.app.toml"},
    )
    country = Country(metadata={"description": "Region of phone numbers without a country code: GB"})
    locale = Locale(metadata={"description": "Language where the buyer's is unknown: en"})
    timezone = Timezone(metadata={"description": "For dates in messages: Europe/London"})

    @validates_schema
    def _can_verify(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if not data.get("webhook_secret") and not data.get("client_secret"):
            raise ValidationError(
                "Set webhook_secret or client_secret: without one of them no webhook can be verified.",
                "webhook_secret",
            )

    @post_load
    def _default_url(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        data.setdefault("api_url", f"https://{data['shop']}/admin/api/{API_VERSION}")
        return data


def hosts(settings: Settings) -> tuple[str, ...]:
    """Return the one host the account's session may speak to: that of ``api_url``."""
    return (urlsplit(settings["api_url"]).netloc,)
