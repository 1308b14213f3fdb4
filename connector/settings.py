"""Where things are, from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from connector.errors import ConfigurationError
from connector.security.addresses import LOOPBACK, Network

DEFAULT_DATA = "connector-data"
DEFAULT_PORT = 8080
BODY_CAP = 4 * 1024 * 1024
"""Bytes; WhatsApp posts up to 3 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The set-up of one installation."""

    data: Path
    """Folder of the database, the key and the embedded Valkey."""
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    """``""``: the embedded Valkey of the data folder."""
    public_url: str
    """Where vendors reach us, without a slash at the end."""
    host: str
    port: int
    body_cap: int
    log_level: str
    trusted_proxies: tuple[Network, ...] = LOOPBACK
    """Whose X-Forwarded-For is believed."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **given: object) -> Settings:
        """Read CONNECTOR_DATA, DATABASE_URL, REDIS_URL, CONNECTOR_PUBLIC_URL, CONNECTOR_HOST, CONNECTOR_PORT,
        CONNECTOR_TRUSTED_PROXIES, CONNECTOR_BODY_CAP and CONNECTOR_LOG_LEVEL; ``given`` (data, host, port) goes first.

        Raises ConfigurationError.
        """
        env = dict(os.environ if environ is None else environ)
        data = Path(str(given.get("data") or env.get("CONNECTOR_DATA") or DEFAULT_DATA)).expanduser().absolute()
        host = str(given.get("host") or env.get("CONNECTOR_HOST") or "127.0.0.1")
        port = _number(given.get("port") or env.get("CONNECTOR_PORT") or DEFAULT_PORT, "CONNECTOR_PORT", 65535)
        public = (env.get("CONNECTOR_PUBLIC_URL") or "").rstrip("/")
        if public and (urlsplit(public).scheme not in ("http", "https") or not urlsplit(public).hostname):
            raise ConfigurationError("CONNECTOR_PUBLIC_URL must be a URL such as https://connect.example.org")
        return cls(
            data=data,
            database_url=env.get("DATABASE_URL") or f"sqlite:///{data / 'connector.db'}",
            redis_url=env.get("REDIS_URL") or "",
            public_url=public or f"http://{_reached_at(host)}:{port}",
            host=host,
            port=port,
            body_cap=_number(env.get("CONNECTOR_BODY_CAP") or BODY_CAP, "CONNECTOR_BODY_CAP", 64 * 1024 * 1024),
            log_level=(env.get("CONNECTOR_LOG_LEVEL") or "info").lower(),
            trusted_proxies=_networks(env.get("CONNECTOR_TRUSTED_PROXIES") or "") or LOOPBACK,
        )

    @property
    def local_host(self) -> str:
        """Where this machine itself reaches the web."""
        return _reached_at(self.host)

    def webhook_url(self, token: str) -> str:
        """Return the address to paste at the vendor for the account with this token."""
        return f"{self.public_url}/hooks/{token}"

    def local_url(self, token: str) -> str:
        """Return the same address as this machine itself reaches it, whatever the public one is."""
        return f"http://{self.local_host}:{self.port}/hooks/{token}"

    def authorize_url(self, name: str, step: str) -> str:
        """Return the address where an account's authorization begins (``start``) or ends (``callback``)."""
        return f"{self.public_url}/authorize/{name}/{step}"


def _reached_at(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104 - only compared


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(_network(each.strip()) for each in text.split(",") if each.strip())


def _network(text: str) -> Network:
    try:
        found = ip_network(text)
    except ValueError:
        raise ConfigurationError(
            "CONNECTOR_TRUSTED_PROXIES must be networks with commas between, such as 10.0.0.0/8, 172.18.0.2, ::1;"
            f" {text[:60]} is none."
        ) from None
    if found.prefixlen == 0:
        raise ConfigurationError(
            f"CONNECTOR_TRUSTED_PROXIES must not hold {text[:60]}, which is everybody: anybody could then say that"
            " they come from anywhere. Name the network that the proxy is in."
        )
    return found


def _number(value: object, name: str, most: int) -> int:
    text = str(value)
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= most:
        raise ConfigurationError(f"{name} must be a whole number from 1 to {most}.")
    return int(text)
