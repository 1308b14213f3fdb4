"""The connection doctor for a WhatsApp number: token, number, subscription, templates, clock, public URL."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from adapters.whatsapp.channel import UNREADABLE, WhatsAppChannel
from adapters.whatsapp.refusals import fault, tidy
from adapters.whatsapp.settings import META_RATE
from connector.contract import Finding, Visit, is_loopback
from connector.errors import ConnectorError, PayloadError, RemoteError
from connector.http import Answer
from connector.model import Json, dig, now, text_at

NUMBER_FIELDS = "display_phone_number,verified_name,quality_rating,throughput,code_verification_status,name_status"
SKEW_MOST = 60
"""Seconds; expiry times and quiet hours stay right within it."""


def check(visit: Visit) -> Iterator[Finding]:
    """Yield one finding a line; asks Meta three kinds of question and changes nothing."""
    number = _ask(visit, f"/{visit.settings['phone_number_id']}", fields=NUMBER_FIELDS)
    yield from _token(visit, number)
    yield _clock(number)
    if isinstance(number, Answer) and number.status == 200:
        # Without a token that works, the rest would only say so again.
        yield _subscription(_ask(visit, f"/{visit.settings['waba_id']}/subscribed_apps"))
        yield _templates(visit)
    if not _stands_in(visit):  # a stand-in is on this machine, and reaches us here
        yield _public_url(visit.webhook_url)


def _ask(visit: Visit, path: str, **params: str) -> Answer | ConnectorError:
    headers = {"Authorization": f"Bearer {visit.settings['access_token'].reveal()}"}
    try:
        answer = visit.http.request("GET", f"{visit.settings['api_url']}{path}", headers=headers, params=params)
    except ConnectorError as error:
        return error
    return answer


def _reply(answer: Answer) -> Json:
    try:
        return answer.json()
    except PayloadError:
        return None


def _token(visit: Visit, answer: Answer | ConnectorError) -> Iterator[Finding]:
    if not isinstance(answer, Answer):
        yield Finding(name="token", ok=None, words=str(answer), fix="Check the network and api_url.")
        return
    reply = _reply(answer)
    if answer.status != 200 or not isinstance(reply, dict):
        error = fault(answer.status, reply)
        yield Finding(name="token", ok=False, words=error.words, fix=error.advice or "Check access_token.")
        return
    name, shown = tidy(text_at(reply, "verified_name")), text_at(reply, "display_phone_number")
    yield Finding(name="token", ok=True, words=f"Works for {shown or 'the number'} ({name or 'no verified name'}).")
    yield from _number(visit, reply)


def _number(visit: Visit, reply: Json) -> Iterator[Finding]:
    state = text_at(reply, "name_status").upper()
    if state and not state.startswith("APPROVED") and not state.startswith("AVAILABLE"):
        words = f"The display name is {state.lower().replace('_', ' ')}."
        yield Finding(name="display name", ok=False, words=words, fix="Get it approved in WhatsApp Manager.")
    quality = text_at(reply, "quality_rating").upper()
    if quality:
        fix = "Stop marketing from this number until people block it less." if quality == "RED" else ""
        yield Finding(name="quality", ok=quality != "RED", words=f"Meta rates the number {quality.lower()}.", fix=fix)
    rate, level = visit.settings["messages_per_second"], text_at(reply, "throughput.level").upper()
    if level == "HIGH" and rate < 1000:
        words = f"Meta allows 1,000 messages a second; {rate} are used."
        yield Finding(name="throughput", ok=True, words=words, fix="Set messages_per_second to 1000.")
    elif level == "STANDARD" and rate > META_RATE and not _stands_in(visit):
        words = f"Meta allows {META_RATE} messages a second; {rate} are set."
        yield Finding(name="throughput", ok=False, words=words, fix=f"Set messages_per_second to {META_RATE}.")
    elif level:
        yield Finding(name="throughput", ok=True, words=f"{level.lower().capitalize()}; {rate} messages a second.")


def _stands_in(visit: Visit) -> bool:
    return is_loopback(urlsplit(visit.settings["api_url"]).hostname or "")


def _subscription(answer: Answer | ConnectorError) -> Finding:
    if not isinstance(answer, Answer):
        return Finding(name="subscription", ok=None, words=str(answer), fix="Check the network and api_url.")
    apps = dig(_reply(answer), "data")
    if answer.status != 200 or not isinstance(apps, list):
        error = fault(answer.status, _reply(answer))
        fix = error.advice or "Check waba_id and the token's permissions."
        return Finding(name="subscription", ok=False, words=error.words, fix=fix)
    if not apps:
        fix = "Subscribe the app to this WABA: POST /{waba_id}/subscribed_apps, or API set-up in the app dashboard."
        return Finding(name="subscription", ok=False, words="No app gets this WABA's webhooks.", fix=fix)
    names = ", ".join(filter(None, (tidy(text_at(app, "whatsapp_business_api_data.name")) for app in apps)))
    return Finding(name="subscription", ok=True, words=f"Webhooks go to: {names or f'{len(apps)} app(s)'}.")


def _templates(visit: Visit) -> Finding:
    try:
        found = list(WhatsAppChannel(visit.settings, visit.http).templates())
    except RemoteError as error:
        fix = error.advice or "Check waba_id and the token's permissions."
        return Finding(name="templates", ok=False, words=error.words, fix=fix)
    approved = sum(template.status == "approved" for template in found)
    odd = [template.name for template in found if template.status == UNREADABLE]
    words = f"{approved} of {len(found)} approved."
    if odd:
        words = f"{words} Not usable from here: {tidy(', '.join(odd))}."
    if not approved:
        return Finding(name="templates", ok=False, words=words, fix="Have a template approved in WhatsApp Manager.")
    return Finding(name="templates", ok=True, words=words)


def _clock(answer: Answer | ConnectorError) -> Finding:
    try:
        theirs = parsedate_to_datetime(answer.headers["date"]) if isinstance(answer, Answer) else None
        skew = abs((now() - theirs).total_seconds()) if theirs else None
    except (KeyError, ValueError, TypeError):
        skew = None
    if skew is None:
        return Finding(name="clock", ok=None, words="Meta's time is not known.")
    if skew > SKEW_MOST:
        words = f"This machine's clock is {skew:.0f} seconds off."
        return Finding(name="clock", ok=False, words=words, fix="Let NTP set the clock.")
    return Finding(name="clock", ok=True, words="Agrees with Meta's.")


def _public_url(url: str) -> Finding:
    parts = urlsplit(url)
    if parts.scheme != "https" or is_loopback(parts.hostname or ""):
        fix = "Set CONNECTOR_PUBLIC_URL to an https address that Meta can reach."
        return Finding(name="public URL", ok=False, words="Meta cannot reach this address from outside.", fix=fix)
    return Finding(name="public URL", ok=True, words="Is https. Paste it under WhatsApp > Configuration.")
