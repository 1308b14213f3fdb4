"""Looking after the webhook subscription: a WABA that no app of ours is subscribed to tells us nothing.

``GET`` and ``POST /{waba_id}/subscribed_apps`` (permission whatsapp_business_management): the token's own
app is what a POST subscribes, and ``GET /app`` tells which one that is. Where the webhooks go is set in the
app's dashboard and is not touched here. Costs two of 200 calls an hour.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from adapters.whatsapp.refusals import fault, tidy
from connector.contract import Finding, Visit, is_loopback
from connector.errors import PayloadError
from connector.model import Json, dig, text_at

NAME = "subscription"


def tend(visit: Visit) -> Iterator[Finding]:
    """Subscribe the app to the WABA again where it is missing; yields one finding. Raises a RemoteError."""
    parts = urlsplit(visit.webhook_url)
    if parts.scheme != "https" or is_loopback(parts.hostname or ""):
        words = "Not looked after: there is no public https address that Meta could post to."
        yield Finding(name=NAME, ok=None, words=words, fix="Set CONNECTOR_PUBLIC_URL.")
        return
    path = f"/{visit.settings['waba_id']}/subscribed_apps"
    apps = dig(_call(visit, "GET", path), "data")
    if not isinstance(apps, list):
        yield Finding(name=NAME, ok=None, words="Meta did not tell which apps are subscribed.")
        return
    names = ", ".join(filter(None, (tidy(text_at(app, "whatsapp_business_api_data.name")) for app in apps)))
    ours = _own_app(visit) if apps else ""
    if apps and not ours:
        yield Finding(name=NAME, ok=True, words=f"Webhooks go to: {names or f'{len(apps)} app(s)'}.")
    elif any(text_at(app, "whatsapp_business_api_data.id") == ours for app in apps):
        yield Finding(name=NAME, ok=True, words="This app is subscribed.")
    else:
        _call(visit, "POST", path)
        others = f" Others are: {names}." if names else ""
        yield Finding(name=NAME, ok=True, words=f"This app was not subscribed, and is again.{others}")


def _own_app(visit: Visit) -> str:
    """Return the id of the app that the token belongs to, or ``""`` where Meta does not say."""
    answer = visit.http.request("GET", f"{visit.settings['api_url']}/app", headers=_headers(visit))
    try:
        return text_at(answer.json(), "id") if answer.status == 200 else ""
    except PayloadError:
        return ""


def _call(visit: Visit, method: str, path: str) -> Json:
    """Call and return the answer. Raises the RemoteError that it stands for."""
    answer = visit.http.request(method, f"{visit.settings['api_url']}{path}", headers=_headers(visit))
    try:
        reply = answer.json()
    except PayloadError:
        reply = None
    if answer.status != 200 or not isinstance(reply, dict):
        raise fault(answer.status, reply)
    return reply


def _headers(visit: Visit) -> dict[str, str]:
    return {"Authorization": f"Bearer {visit.settings['access_token'].reveal()}"}
