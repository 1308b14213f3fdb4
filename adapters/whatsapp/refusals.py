"""What Meta's error codes mean to us: one table, by code and never by HTTP status.

The same codes come in answers (``error``), in receipts (``statuses[].errors[]``) and in account news.
Throttles come with HTTP 400 and some passing faults with 500, so the status decides only where there is
no code. Source: Meta's Cloud API error reference (September 2026) and Graph API error handling.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from connector.errors import (
    CredentialsError,
    PermanentError,
    RemoteError,
    Scope,
    TemporaryError,
    UncertainError,
)
from connector.model import Json, Refusal, dig, text_at


class Class(StrEnum):
    """What is to be done about a refusal."""

    RETRY = "retry"
    """Soon, with backoff."""
    LATER = "later"
    """Not before the row's seconds are over."""
    DROP = "drop"
    """Never again for this message."""
    STOP_TEMPLATE = "stop template"
    """Never again with this template as it is."""
    HOLD_TEMPLATE = "hold template"
    """Later, once the template is sendable again."""
    STOP_ACCOUNT = "stop account"
    """Nothing can be sent until a person acts."""


RETRY, LATER, DROP, STOP_TEMPLATE, HOLD_TEMPLATE, STOP_ACCOUNT = Class
ACCOUNT, TEMPLATE, MESSAGE = Scope.ACCOUNT, Scope.TEMPLATE, Scope.MESSAGE
_SCOPES = {STOP_TEMPLATE: TEMPLATE, HOLD_TEMPLATE: TEMPLATE, STOP_ACCOUNT: ACCOUNT}
MINUTE, HOUR = 60, 3600


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; ``seconds`` is the least time to wait, None the caller's own backoff."""

    kind: Class
    words: str
    advice: str
    seconds: float | None = None
    scope: Scope = MESSAGE
    quiet: bool = False
    """Meta's own words are left out: they may repeat the token."""

    @property
    def passing(self) -> bool:
        """Whether the same message may be sent again."""
        return self.kind in (RETRY, LATER, HOLD_TEMPLATE)


_TOKEN = "Make a system user token that does not expire and set it as access_token."  # noqa: S105 - advice
_RIGHTS = "Give the token whatsapp_business_messaging and whatsapp_business_management for this WABA."
_WAIT = "Nothing to do; it is tried again by itself."
_SLOW = "Lower messages_per_second, or wait: it is tried again by itself."
_MAPPING = "Correct the mapping: a value does not fit what Meta takes here."
_SUPPORT = "Open WhatsApp Manager > Account quality, and ask Meta's support where it shows nothing."
_REGISTER = "Register the number again with its PIN (WhatsApp Manager > Phone numbers)."
_EDIT = "Open the template in WhatsApp Manager, correct it, then sync templates and check the mapping."
_PERSON = "Nothing to do for this message; the person can be reached another way."
_MARKETING = "Allow marketing on the Cloud API for this account (WhatsApp Manager), or send it as utility."

# fmt: off
TABLE: Mapping[int, Row] = {
    0: Row(STOP_ACCOUNT, "Meta cannot tell who the token belongs to.", _TOKEN, quiet=True),
    102: Row(STOP_ACCOUNT, "The access token is no longer valid.", _TOKEN, quiet=True),
    190: Row(STOP_ACCOUNT, "The access token is expired or not valid.", _TOKEN, quiet=True),
    3: Row(STOP_ACCOUNT, "The app lacks a capability that this call needs.", _RIGHTS),
    10: Row(STOP_ACCOUNT, "The token lacks a permission.", _RIGHTS),
    131005: Row(STOP_ACCOUNT, "Access was denied to the token.", _RIGHTS),
    33: Row(STOP_ACCOUNT, "The phone number id does not exist, or the token cannot see it.",
            "Check phone_number_id, and that the token's system user has this WABA among its assets."),
    1: Row(RETRY, "Meta met an unknown fault, or did not understand the request.", _WAIT),
    2: Row(RETRY, "Meta is down or overloaded for a moment.", _WAIT, 5, ACCOUNT),
    4: Row(LATER, "The app's hourly limit of API calls is used up.", _SLOW, 5 * MINUTE, ACCOUNT),
    17: Row(LATER, "The token's hourly limit of API calls is used up.", _SLOW, 5 * MINUTE, ACCOUNT),
    613: Row(LATER, "A limit of API calls is used up.", _SLOW, 5 * MINUTE, ACCOUNT),
    80007: Row(LATER, "The WABA's hourly limit of API calls is used up.", _SLOW, 10 * MINUTE, ACCOUNT),
    80008: Row(LATER, "The WABA's hourly limit of API calls is used up.", _SLOW, 10 * MINUTE, ACCOUNT),
    100: Row(DROP, "A parameter is wrong or misspelt.", _MAPPING),
    131008: Row(DROP, "A required parameter is missing.", _MAPPING),
    131009: Row(DROP, "The value of a parameter is not valid.", _MAPPING),
    130429: Row(RETRY, "The number sends faster than Meta allows it.", _SLOW, 1, ACCOUNT),
    131056: Row(RETRY, "Too many messages to this one person in a short time.", _WAIT, 6),
    131048: Row(LATER, "The number is restricted because people blocked it or reported spam.",
                "Stop marketing from this number and look at its quality rating in WhatsApp Manager.", HOUR, ACCOUNT),
    131064: Row(LATER, "The WABA is limited because its templates are in the wrong category.",
                "Correct the templates' categories in WhatsApp Manager.", HOUR, ACCOUNT),
    133016: Row(LATER, "The number was registered too often.", _WAIT, HOUR, ACCOUNT),
    131049: Row(DROP, "Meta held it back to protect the person from too much marketing.",
                "Do not send it again within 24 hours; Meta punishes repeats. US numbers get no marketing at all."),
    131050: Row(DROP, "The person has stopped marketing messages from this business.",
                "Record the opt-out, and send no marketing until the person resumes it."),
    130472: Row(DROP, "The person is in Meta's no-marketing experiment.", _PERSON),
    130403: Row(DROP, "The business has blocked this person.", "Unblock the person to write to them again."),
    131026: Row(DROP, "It cannot be delivered: not on WhatsApp, an old app, or terms not accepted.", _PERSON),
    131021: Row(DROP, "Sender and recipient are the same number.", "Send to another number."),
    131030: Row(DROP, "The recipient is not on the list of this test number.",
                "Add the recipient in the app's API set-up, or connect a real number."),
    131047: Row(DROP, "The person last wrote more than 24 hours ago.", "Send a template instead."),
    131051: Row(DROP, "Meta does not support this type of message.", _MAPPING),
    131052: Row(DROP, "Meta could not fetch media that a person sent.", "Ask the person to send it again."),
    131053: Row(DROP, "Meta could not fetch or read the media of the header.",
                "Check that the link opens without a login and is of a type and size that WhatsApp takes."),
    131000: Row(RETRY, "Something went wrong at Meta.", _WAIT),
    131016: Row(RETRY, "A service at Meta is not available for a moment.", _WAIT, 5, ACCOUNT),
    131057: Row(RETRY, "The number is in maintenance, often for a throughput upgrade.", _WAIT, MINUTE, ACCOUNT),
    131037: Row(STOP_ACCOUNT, "The number's display name is not approved.", "Get the display name approved."),
    131042: Row(STOP_ACCOUNT, "There is a problem with the payment method.",
                "Settle billing in the Meta Business Suite, then resume the account."),
    131045: Row(STOP_ACCOUNT, "The number is not registered properly.", _REGISTER),
    131031: Row(STOP_ACCOUNT, "The account is locked.", _SUPPORT),
    368: Row(STOP_ACCOUNT, "The WABA is blocked for a policy violation.", _SUPPORT),
    130497: Row(DROP, "The business may not write to this country.", "Leave this country out in the mapping."),
    131055: Row(STOP_TEMPLATE, "The template's category does not fit the endpoint.", _EDIT),
    134100: Row(STOP_TEMPLATE, "Only marketing templates may go this way.", _EDIT),
    131063: Row(STOP_TEMPLATE, "Marketing is switched off on the Cloud API for this account.", _MARKETING),
    131061: Row(STOP_TEMPLATE, "A template with a maximum price cannot go through the Cloud API.", _MARKETING),
    131065: Row(DROP, "Maximum prices do not exist in this country.", _PERSON),
    134101: Row(HOLD_TEMPLATE, "The template is still being prepared for marketing.", _WAIT, 10 * MINUTE),
    134102: Row(STOP_TEMPLATE, "The template is not eligible for marketing messages.", _EDIT),
    131062: Row(DROP, "This kind of message cannot go to a person known only by user id.",
                "Ask the person for their number."),
    131070: Row(LATER, "Another responder holds this conversation.", _WAIT, 10 * MINUTE),
    132000: Row(STOP_TEMPLATE, "The number of parameters is not the template's.", _EDIT),
    132001: Row(STOP_TEMPLATE, "The template does not exist in this language, or is not approved.", _EDIT),
    132005: Row(DROP, "The filled-in text is too long.", "Shorten the long value with the truncate filter."),
    132007: Row(DROP, "The content violates a WhatsApp policy.", _MAPPING),
    132008: Row(DROP, "A value is not valid for the template.", _MAPPING),
    132012: Row(DROP, "A parameter has the wrong format.", _MAPPING),
    132018: Row(DROP, "The parameters do not fit the template.", _MAPPING),
    132015: Row(HOLD_TEMPLATE, "The template is paused for low quality.",
                "Improve the template; Meta unpauses it after hours, or a person does in WhatsApp Manager.", HOUR),
    132016: Row(STOP_TEMPLATE, "The template is disabled for good.", "Make a new template and map that."),
    132068: Row(STOP_TEMPLATE, "The flow behind the button is blocked.", "Correct the flow in WhatsApp Manager."),
    132069: Row(HOLD_TEMPLATE, "The flow behind the button is throttled.", "Correct the flow's errors.", HOUR),
    133000: Row(STOP_ACCOUNT, "An earlier deregistration of the number failed.", _REGISTER),
    133004: Row(RETRY, "Meta's registration server is not available.", _WAIT, MINUTE, ACCOUNT),
    133005: Row(STOP_ACCOUNT, "The two-step PIN is wrong.", _REGISTER),
    133006: Row(STOP_ACCOUNT, "The number must be verified again.", _REGISTER),
    133008: Row(STOP_ACCOUNT, "The PIN was entered too often.", _REGISTER),
    133009: Row(STOP_ACCOUNT, "The PIN was entered too fast.", _REGISTER),
    133010: Row(STOP_ACCOUNT, "The number is not registered on the Cloud API.", _REGISTER),
    133015: Row(LATER, "The number was deleted a moment ago.", _WAIT, 5 * MINUTE, ACCOUNT),
    134011: Row(STOP_ACCOUNT, "The payment terms are not accepted.", "Accept the terms in WhatsApp Manager."),
    135000: Row(DROP, "Meta refused it without a reason.", _MAPPING),
    137000: Row(DROP, "The person's identity key has changed.", "Make sure who the person is, then send again."),
    139200: Row(DROP, "Sending without a template is blocked.", "Send a template instead."),
}
# fmt: on
_PERMISSION = Row(STOP_ACCOUNT, "The token lacks a permission.", _RIGHTS, quiet=True)
_MANAGEMENT = Row(STOP_TEMPLATE, "Meta refused the template.", _EDIT)
_UNKNOWN = Row(DROP, "Meta refused it with a code that is not known here.", "Look the code up in Meta's reference.")
_BROKEN = Row(RETRY, "Meta failed with a code that is not known here.", _WAIT)
_ABOUT: Mapping[str, str] = {"131050": "opted_out", "131026": "unreachable", "130403": "blocked"}
"""Codes that tell something of the person: see :attr:`connector.model.Refusal.about`."""
_MISSING_OBJECT = 33
"""As a subcode of 100: the object in the URL does not exist, or the token cannot see it."""


def row_for(code: int, *, status: int = 0, subcode: int = 0, details: str = "") -> Row:
    """Return the table's row; for unknown codes the default: drop, but retry what came with HTTP 5xx."""
    if code == 100 and subcode == _MISSING_OBJECT:
        return TABLE[33]
    if code == 131053 and re.search(r"\b(429|5\d\d)\b", details):
        # Not our link is wrong: the server behind it was busy when Meta asked.
        return Row(RETRY, TABLE[code].words, TABLE[code].advice, 30)
    if 200 <= code <= 299:
        return _PERMISSION
    if str(code).startswith("23880") or code in (2388293, 2388299):
        return _MANAGEMENT
    return TABLE.get(code) or (_BROKEN if status >= 500 else _UNKNOWN)


def fault(status: int, answer: Json) -> RemoteError:
    """Return the error to raise for an answer that is not a success."""
    code, words, row = _read(dig(answer, "error"), status)
    if row is None:
        if status < 300:
            return UncertainError("Meta said yes, but gave no message id.", status=status, advice=_WAIT)
        words = f"Meta answered HTTP {status} without saying what is wrong."
        advice = "Check api_url; where it is Meta's own, this passes."
        if status >= 500:
            return UncertainError(words, status=status, advice=_WAIT)
        # Not Meta's voice but a proxy's or a wrong address: no message is at fault.
        return TemporaryError(words, retry_after=MINUTE, scope=ACCOUNT, status=status, advice=advice)
    if row.kind is STOP_ACCOUNT:
        return CredentialsError(words, code=code, status=status, advice=row.advice)
    scope = _SCOPES.get(row.kind, row.scope)
    if row.passing:
        return TemporaryError(words, retry_after=row.seconds, code=code, scope=scope, status=status, advice=row.advice)
    about = _ABOUT.get(code, "")
    return PermanentError(words, code=code, scope=scope, status=status, advice=row.advice, about=about)


def refusal(errors: Json) -> Refusal:
    """Return what ``errors[]`` of a receipt says; its first entry counts."""
    first = errors[0] if isinstance(errors, Sequence) and not isinstance(errors, str) and errors else None
    code, words, row = _read(first, 0)
    if row is None:
        return Refusal(code="", words="Meta gave no reason.")
    return Refusal(
        code=code, words=words, advice=row.advice, temporary=row.passing,
        retry_after=row.seconds if row.passing else None, about=_ABOUT.get(code, ""),
    )  # fmt: skip


def _read(error: Json, status: int) -> tuple[str, str, Row | None]:
    text = text_at(error, "code") if isinstance(error, Mapping) else ""
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        return "", "", None
    said = next(filter(None, (tidy(text_at(error, path)) for path in ("error_data.details", "message", "title"))), "")
    row = row_for(int(text), status=status, subcode=_number(text_at(error, "error_subcode")), details=said)
    return text, row.words if row.quiet or not said else f"{row.words} Meta says: {said}", row


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


_SECRET = re.compile(r"(?=[a-z0-9_|-]*[A-Z])[A-Za-z0-9_|-]{40,}")
"""Tokens and message ids; names of templates have no capitals."""
_PHONE = re.compile(r"\+?\d[\d ().-]{5,}\d")
MOST = 300


def tidy(text: str) -> str:
    """Make a vendor's words fit for an operator's line: one line, bounded, without numbers of people or tokens."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: MOST * 4]).split())
    line = _PHONE.sub("•••", _SECRET.sub("•••", line))
    return line if len(line) <= MOST else f"{line[: MOST - 1]}…"
