"""What the stand-in tells the webhook: statuses, inbound messages and template news, as Meta words them."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import phonenumbers

from connector.sandbox.behaviour import Behaviour
from connector.sandbox.chance import digits, draw
from connector.sandbox.refusal import failure

Json = dict[str, Any]

_STATUSES_PER_CHANGE = 10
_SHARE = {"sent": 0.1, "delivered": 0.4, "read": 1.0, "failed": 0.4}


@dataclass(frozen=True, slots=True)
class Number:
    """The business number that speaks, and the account it belongs to."""

    id: str
    waba_id: str
    display: str = "15550100100"

    @property
    def metadata(self) -> Json:
        """Return what every message webhook says about the number."""
        return {"display_phone_number": self.display, "phone_number_id": self.id}


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A message that the stand-in took over."""

    wamid: str
    number: Number
    to: str
    """As it was written in the request."""
    wa_id: str
    """Digits; empty where the message went to a user id."""
    user_id: str
    key: str
    """``biz_opaque_callback_data``, or empty."""
    template: str
    language: str
    category: str
    body: str
    """The text as the recipient reads it."""
    accepted_at: float
    """Unix seconds."""
    fails: int = 0
    nth: int = 1
    """The how-manieth to this recipient: part of every draw."""

    @property
    def recipient(self) -> str:
        """Return whom it goes to, by number or by user id."""
        return self.wa_id or self.user_id


@dataclass(frozen=True, slots=True)
class Update:
    """One status of one message, ready to be put into a webhook."""

    number: Number
    status: Json
    contact: Json | None
    posted: threading.Event | None = field(default=None, compare=False)
    """Set when the webhook has answered 200; the send's answer waits for it."""


@lru_cache(maxsize=65536)
def user_id_of(wa_id: str) -> str:
    """Return the business-scoped user id of a number: its country and 20 digits, always the same."""
    try:
        region = phonenumbers.region_code_for_country_code(phonenumbers.parse(f"+{wa_id}").country_code or 1)
    except phonenumbers.NumberParseException:
        region = "US"
    return f"{region}.{digits(0, 20, 'user', wa_id)}"


def plan(message: Accepted, behaviour: Behaviour) -> list[tuple[float, str]]:
    """Return when each receipt of a message comes: seconds after acceptance, and its status, in order.

    Depends on the seed, the recipient and the how-manieth message it is, so that a run can be repeated.
    """
    about = (message.recipient, message.nth)
    words: tuple[str, ...] = ("failed",) if message.fails else ("sent", "delivered", "read")
    whole = behaviour.receipt_ms / 1000 * (0.5 + draw(behaviour.seed, "pace", *about))
    moments = [whole * _SHARE[word] for word in words]
    if is_early(message, behaviour):
        moments[0] = 0.0
    elif len(words) > 1 and draw(behaviour.seed, "reorder", *about) < behaviour.reorder:
        turn = 1 + int(draw(behaviour.seed, "turn", *about) * (len(words) - 1))
        words = words[turn:] + words[:turn]
    planned = list(zip(moments, words, strict=True))
    for moment, word in tuple(planned):
        if draw(behaviour.seed, "twice", word, *about) < behaviour.duplicates:
            planned.append((moment + whole * (0.05 + draw(behaviour.seed, "again", word, *about)), word))
    return sorted(planned)


def is_early(message: Accepted, behaviour: Behaviour) -> bool:
    """Tell whether ``sent`` comes before the answer to the send."""
    about = (message.recipient, message.nth)
    return not message.fails and draw(behaviour.seed, "early", *about) < behaviour.early


def update(message: Accepted, word: str, receipt_ms: float, posted: threading.Event | None = None) -> Update:
    """Return a status in Meta's words; people known by user id only are named by it alone.

    Its timestamp tells when it happened, not when it is posted: out of order, it is still true.
    """
    happened_at = message.accepted_at + receipt_ms / 1000 * _SHARE[word]
    status: Json = {"id": message.wamid, "status": word, "timestamp": str(int(happened_at))}
    if message.wa_id:
        status["recipient_id"] = message.wa_id
    if word != "failed" or not message.wa_id:
        status["recipient_user_id"] = message.user_id
    if message.key:
        status["biz_opaque_callback_data"] = message.key
    if word in ("sent", "delivered"):
        status["pricing"] = {
            "billable": True,
            "pricing_model": "PMP",
            "type": "regular",
            "category": message.category.lower(),
        }
    if word == "failed":
        status["errors"] = [failure(message.fails, "Reported by the stand-in because of the number's last digits.")]
        return Update(message.number, status, None, posted)
    contact: Json = {"profile": {"name": f"Customer {message.recipient[-4:]}"}, "user_id": message.user_id}
    if message.wa_id:
        contact["wa_id"] = message.wa_id
    return Update(message.number, status, contact, posted)


def statuses_body(updates: Sequence[Update]) -> bytes:
    """Put statuses into one webhook: one entry for each account, several changes, several statuses in each."""
    groups: dict[Number, list[Update]] = {}
    for one in updates:
        groups.setdefault(one.number, []).append(one)
    entries: dict[str, list[Json]] = {}
    for number, group in groups.items():
        for start in range(0, len(group), _STATUSES_PER_CHANGE):
            part = group[start : start + _STATUSES_PER_CHANGE]
            value: Json = {"messaging_product": "whatsapp", "metadata": number.metadata}
            if contacts := [one.contact for one in part if one.contact]:
                value["contacts"] = contacts
            value["statuses"] = [one.status for one in part]
            entries.setdefault(number.waba_id, []).append({"value": value, "field": "messages"})
    return envelope([{"id": waba_id, "changes": changes} for waba_id, changes in entries.items()])


def inbound_body(number: Number, message: Json, contact: Json | None) -> bytes:
    """Return the webhook of one inbound message; what the system tells comes without a contact."""
    value = {
        "messaging_product": "whatsapp",
        "metadata": number.metadata,
        **({"contacts": [contact]} if contact else {}),
        "messages": [message],
    }
    return envelope([{"id": number.waba_id, "changes": [{"value": value, "field": "messages"}]}])


def preference_body(number: Number, wa_id: str, value: str, at: float) -> bytes:
    """Return the webhook of a person's marketing preference: ``stop``, ``resume`` or ``signup``."""
    about = {"wa_id": wa_id, "user_id": user_id_of(wa_id)}
    told: Json = about | {
        "detail": f"User requested to {value} marketing messages", "category": "marketing_messages", "value": value,
        "timestamp": int(at),
    }  # fmt: skip
    if value == "signup":
        told["signup_id"] = "1"
    value_of: Json = {
        "messaging_product": "whatsapp", "metadata": number.metadata,
        "contacts": [about | {"profile": {"name": f"Customer {wa_id[-4:]}"}}], "user_preferences": [told],
    }  # fmt: skip
    return envelope([{"id": number.waba_id, "changes": [{"value": value_of, "field": "user_preferences"}]}])


def news_body(waba_id: str, name: str, value: Json) -> bytes:
    """Return the webhook of an account-level field, such as ``message_template_status_update``."""
    return envelope([{"id": waba_id, "time": int(time.time()), "changes": [{"value": value, "field": name}]}])


def envelope(entries: list[Json]) -> bytes:
    """Serialise as Meta does: ASCII only, slashes escaped, so that only the raw bytes carry the signature."""
    document = {"object": "whatsapp_business_account", "entry": entries}
    return json.dumps(document, separators=(",", ":")).replace("/", "\\/").encode()


def signature(secret: str, body: bytes) -> str:
    """Return the value of ``X-Hub-Signature-256``."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
