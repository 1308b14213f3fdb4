"""Where a request comes from: the one place that says so, for throttles, limits and the audit log."""

from __future__ import annotations

from flask import current_app, request

from connector.security.addresses import sender
from connector.settings import Settings


def address() -> str:
    """Return the address of who sent this request; proxies that are trusted are asked whom they speak for."""
    settings: Settings = current_app.extensions["connector"].settings
    told = ",".join(request.headers.getlist("X-Forwarded-For"))
    return sender(request.remote_addr or "", told, settings.trusted_proxies)
