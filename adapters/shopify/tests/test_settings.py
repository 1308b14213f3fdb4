"""What a Shopify account accepts."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from marshmallow import ValidationError

from adapters.shopify.settings import ShopifySettings, hosts
from adapters.shopify.tests.posting import load
from connector.model import Secret


@pytest.mark.parametrize(
    "shop",
    [
        "fernhill-tea", "fernhill-tea.myshopify.com", " Fernhill-Tea ", "https://fernhill-tea.myshopify.com/admin",
        "https://admin.shopify.com/store/fernhill-tea", " admin.shopify.com/store/fernhill-tea/settings/domains?x=1 ",
    ],
)  # fmt: skip
def test_a_shop_is_known_by_each_way_of_writing_it(shop: str) -> None:
    assert load(shop=shop)["shop"] == "fernhill-tea.myshopify.com"


@pytest.mark.parametrize(
    "shop",
    [
        "",
        "fernhill-tea.example",
        "fernhill-tea.myshopify.com.evil.example",
        "[::1",
        "a b",
        5,
        ["x"],
        "x@y",
        "https://admin.shopify.com/",
        "https://admin.shopify.com.evil.example/store/a",
    ],
)
def test_anything_else_says_how_a_shop_is_written(shop: Any) -> None:
    with pytest.raises(ValidationError, match=r"my-shop\.myshopify\.com"):
        load(shop=shop)


def test_without_a_secret_no_account_is_made() -> None:
    with pytest.raises(ValidationError, match="webhook_secret or client_secret"):
        load(webhook_secret=None)


def test_secrets_are_secrets_and_old_ones_are_kept() -> None:
    settings = load(webhook_secret=["new", "old"], client_secret="app", access_token="shpat_1")
    assert settings["webhook_secret"] == (Secret("new"), Secret("old"))
    assert settings["client_secret"] == Secret("app")
    assert "shpat_1" not in repr(settings)


def test_the_address_is_the_shop_s_own_with_the_version_pinned() -> None:
    settings = load()
    assert settings["api_url"] == "https://fernhill-tea.myshopify.com/admin/api/2026-10"
    assert hosts(settings) == ("fernhill-tea.myshopify.com",)
    assert hosts(load(api_url="http://127.0.0.1:8123/admin/api/2026-10")) == ("127.0.0.1:8123",)
    with pytest.raises(ValidationError, match="https"):
        load(api_url="http://fernhill-tea.example/admin/api/2026-10")


@pytest.mark.parametrize(
    ("name", "good", "loaded", "bad"),
    [
        ("country", "gb", "GB", "UK"),
        ("locale", "pt-BR", "pt-BR", "Portuguese (Brazil)"),
        ("timezone", "Europe/London", "Europe/London", "../../etc/passwd"),
        ("client_id", "abc", "abc", ""),
    ],
)
def test_public_settings_are_checked(name: str, good: str, loaded: str, bad: str) -> None:
    assert load(**{name: good})[name] == loaded
    with pytest.raises(ValidationError):
        load(**{name: bad})


def test_what_was_loaded_once_loads_again_to_the_same() -> None:
    settings = load(client_id="abc", client_secret="app", country="GB", timezone="Europe/London")
    assert ShopifySettings().load(dict(settings)) == settings


def test_a_stored_account_is_opened_without_importing_the_shopify_library() -> None:
    code = (
        "import sys; from adapters.shopify.adapter import ADAPTER as A;"
        "A.receiver(A.settings().load({'shop': 'fernhill-tea.myshopify.com', 'client_secret': 'x'}));"
        "sys.exit('shopify' in sys.modules or 'phonenumbers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
