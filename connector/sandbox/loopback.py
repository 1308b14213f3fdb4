"""The fence: a trial tool listens and posts on this machine only."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from connector.errors import ConfigurationError
from connector.http import is_loopback


def loopback_host(host: str) -> str:
    """Return the host when it means this machine. Raises ConfigurationError."""
    if not is_loopback(host.strip("[]")):
        raise ConfigurationError(
            f"The sandbox stays on this machine: use 127.0.0.1, ::1 or localhost instead of {host!r}."
        )
    return host


def loopback_url(url: str) -> SplitResult:
    """Split an http URL of this machine. Raises ConfigurationError for any other."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError("That is not a URL; write http://127.0.0.1:8080/hooks/…") from None
    if parts.scheme != "http" or not parts.hostname or parts.username or port == 0:
        raise ConfigurationError("The sandbox posts to plain http URLs such as http://127.0.0.1:8080/hooks/…")
    loopback_host(parts.hostname)
    return parts
