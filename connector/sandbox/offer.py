"""What a sandbox beside an installation offers to connect: a shop and a number, with secrets of its own.

Written to the data folder by ``connector run --sandbox`` and read by the console, which knows neither vendors nor
this room (:mod:`connector.flow.playground`).
"""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from connector.errors import ConfigurationError
from connector.flow import playground
from connector.sandbox.orders import SHOP
from connector.sandbox.server import GRAPH_VERSION, PHONE_NUMBER_ID, WABA_ID
from connector.sandbox.stage import free_port

PORT = 9400
SHOP_NAME, NUMBER_NAME = "sandbox-shop", "sandbox-number"
CLIENT = "sandbox-client"
COUNT_FILE = "sandbox.count"
"""In the data folder; how many orders were placed."""
SHOP_VERSION = "2026-10"
_ACTS = (
    ("order", "Place and pay an order", ("orders/create", "orders/paid")),
    ("shipped", "Place, pay and ship an order", ("orders/create", "orders/paid", "fulfillments/create")),
    ("cancelled", "Place and cancel an order", ("orders/create", "orders/cancelled")),
)
_COMMAND = {
    "SANDBOX_GRAPH_TOKEN": "graph_token", "SANDBOX_APP_SECRET": "app_secret",
    "SANDBOX_CLIENT_SECRET": "client_secret", "SANDBOX_STORE_SECRET": "client_secret",
}  # fmt: skip
"""Variables of ``connector sandbox serve`` -> which secret they get."""


def prepare(data: Path) -> dict[str, str]:
    """Write down what the sandbox of this data folder offers, the same as before where it was offered before.

    Return the variables that the process needs; it is to be started with :func:`words`. Raises ConfigurationError.
    """
    path = data / playground.FILE
    known: dict[str, Any] = {}
    if path.exists():
        playground.read(data)  # or say that it cannot be read
        known = json.loads(path.read_text("utf-8"))
    keys = known.get("keys") or {
        name: secrets.token_hex(16) for name in ("graph_token", "app_secret", "client_secret", "verify_token")
    }
    port = int(known.get("port") or _port())
    playground.write(data, offer(port, keys) | {"webhooks": known.get("webhooks", {})})
    return {variable: keys[name] for variable, name in _COMMAND.items()}


def offer(port: int, keys: Mapping[str, str]) -> dict[str, Any]:
    """Return what a sandbox at this port offers."""
    url = f"http://127.0.0.1:{port}"
    shop = {
        "shop": SHOP, "client_id": CLIENT, "client_secret": keys["client_secret"],
        "api_url": f"{url}/admin/api/{SHOP_VERSION}", "country": "US", "locale": "en",
    }  # fmt: skip
    number = {
        "phone_number_id": PHONE_NUMBER_ID, "waba_id": WABA_ID, "access_token": keys["graph_token"],
        "app_secret": [keys["app_secret"]], "verify_token": keys["verify_token"], "api_url": f"{url}/{GRAPH_VERSION}",
    }  # fmt: skip
    told_number = {"webhook_url": playground.URL, "app_secret": keys["app_secret"]}
    return {
        "port": port,
        "keys": dict(keys),
        "url": url,
        "accounts": [
            {
                "adapter": "shopify", "name": SHOP_NAME, "settings": shop, "tell_path": "/_sandbox/shop/config",
                "tell": {"webhook_url": playground.URL},
            },
            {
                "adapter": "whatsapp", "name": NUMBER_NAME, "settings": number, "tell_path": "/_sandbox/config",
                "tell": told_number,
            },
        ],
        "acts": [
            {"key": key, "title": title, "path": "/_sandbox/shop/sell", "body": {"topics": list(topics)}}
            for key, title, topics in _ACTS
        ],
    }  # fmt: skip


def words(data: Path) -> tuple[str, ...]:
    """Return the command that serves what :func:`prepare` wrote down. Raises ConfigurationError."""
    try:
        told = json.loads((data / playground.FILE).read_text("utf-8"))
        webhooks = told.get("webhooks", {})
        found = ["sandbox", "serve", "--port", str(told["port"]), "--client-id", CLIENT, "--shop", SHOP, "--json"]
        found += ["--count-file", str((data / COUNT_FILE).absolute())]
    except (OSError, ValueError, KeyError):
        raise ConfigurationError(f"{data / playground.FILE} cannot be read; start with --sandbox again.") from None
    options = {"--shop-webhook-url": SHOP_NAME, "--webhook-url": NUMBER_NAME}
    for option, name in options.items():
        found += [option, webhooks[name]] if webhooks.get(name) else []
    return tuple(found)


def _port() -> int:
    with socket.socket() as probe, suppress(OSError):
        probe.bind(("127.0.0.1", PORT))
        return PORT
    return free_port()
