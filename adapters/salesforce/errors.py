"""What Salesforce's error codes mean to us: one table for answers, for rows of an answer and for bulk results.

An answer that is no success is usually a list of ``{message, errorCode, fields}``, but may be one bare
object (a body that Salesforce could not read), a list of URLs (300: an external id that several records
have), OAuth's ``{error, error_description}``, or the HTML of a proxy or a maintenance page. Rows of an
answer with HTTP 200 carry ``{message, statusCode, fields}``, rows of a bulk result a text ``CODE:message:fields --``.
Source: REST API Developer Guide, "Status Codes and Error Responses"; SOAP API Developer Guide, "Core data types",
StatusCode (both API 64.0).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from connector.errors import CredentialsError, PermanentError, RemoteError, Scope, TemporaryError, UncertainError
from connector.model import Json, text_at


class Class(StrEnum):
    """What is to be done about a refusal."""

    RETRY = "retry"
    """This row, or this call, again with backoff."""
    PAUSE = "pause"
    """The whole account, for the row's seconds, or with backoff."""
    DROP = "drop"
    """Never again with this value."""
    STOP = "stop"
    """Nothing until a person acts."""


RETRY, PAUSE, DROP, STOP = Class
MINUTE, HOUR = 60, 3600


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; ``seconds`` is the least time to wait, None the caller's own backoff."""

    kind: Class
    words: str
    advice: str
    seconds: float | None = None


_WAIT = "Nothing to do; it is tried again by itself."
_ACCESS = "Give the integration user the permission set WhatsApp Connector, and access to these records."
_FIELD = "Check the contact mapping's field against the object in Salesforce (Setup > Object Manager), and its rights."
_VALUE = "Correct the value table of the contact mapping, or the field in Salesforce."
_RULE = "A rule in Salesforce refuses the change; let it pass changes by the integration user."
_GONE = "Nothing to do: the record is gone, or the integration user cannot see it."
_LOGIN = "Check the app's consumer key and secret, and its run-as user; then check the account."

# fmt: off
TABLE: Mapping[str, Row] = {
    "UNABLE_TO_LOCK_ROW": Row(RETRY, "Somebody else is changing the record or its account.", _WAIT),
    "SERVER_UNAVAILABLE": Row(PAUSE, "Salesforce is not available for a moment.", _WAIT),
    "SERVICE_UNAVAILABLE": Row(PAUSE, "Salesforce is not available for a moment.", _WAIT),
    "QUERY_TIMEOUT": Row(RETRY, "A query took too long.", _WAIT, MINUTE),
    "REQUEST_RUNNING_TOO_LONG": Row(RETRY, "The call took too long.", _WAIT, MINUTE),
    "UNKNOWN_EXCEPTION": Row(RETRY, "Salesforce met an unknown fault.", _WAIT, MINUTE),
    "INTERNAL_ERROR": Row(RETRY, "Salesforce met an unknown fault.", _WAIT, MINUTE),
    "PROCESSING_HALTED": Row(RETRY, "It was rolled back because another record failed.", _WAIT),
    "ALL_OR_NONE_OPERATION_ROLLED_BACK": Row(RETRY, "It was rolled back because another record failed.", _WAIT),
    "TRANSACTION_HALTED": Row(RETRY, "It was rolled back because another record failed.", _WAIT),
    "CANNOT_EXECUTE_FLOW_TRIGGER": Row(DROP, "A flow that the change starts has failed.", _RULE),
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": Row(DROP, "A trigger that the change starts has failed.", _RULE),
    "REQUEST_LIMIT_EXCEEDED": Row(PAUSE, "The organisation's API calls of the last 24 hours are used up.",
                                  "Wait, or find what uses them: Setup > API Usage. Nothing is lost.", HOUR),
    "TXN_SECURITY_RUNTIME_EXCEPTION": Row(STOP, "A transaction security policy refuses the integration user.", _ACCESS),
    "INVALID_SESSION_ID": Row(STOP, "Salesforce does not accept the token.", _LOGIN),
    "API_DISABLED_FOR_ORG": Row(STOP, "The API is not switched on for this organisation or user.",
                                "Give the integration user the permission API Enabled; some editions have no API."),
    "API_CURRENTLY_DISABLED": Row(STOP, "The API is switched off for this user for now.",
                                  "Ask the Salesforce admin to allow API access for the integration user."),
    "INVALID_LOGIN": Row(STOP, "The user may not log in.", _LOGIN),
    "PASSWORD_LOCKOUT": Row(STOP, "The user is locked out.", _LOGIN),
    "ORG_LOCKED": Row(STOP, "The organisation is locked.", "Ask the Salesforce admin or Salesforce's support."),
    "INVALID_FIELD": Row(DROP, "There is no such field, or the integration user cannot see it.", _FIELD),
    "INVALID_FIELD_FOR_INSERT_UPDATE": Row(DROP, "The integration user may not edit this field.", _FIELD),
    "INVALID_TYPE": Row(DROP, "There is no such object, or the integration user cannot see it.", _FIELD),
    "INVALID_TYPE_ON_FIELD_IN_RECORD": Row(DROP, "The value is of another type than the field.", _VALUE),
    "JSON_PARSER_ERROR": Row(DROP, "The value is of another type than the field.", _VALUE),
    "FIELD_INTEGRITY_EXCEPTION": Row(DROP, "The value does not fit the field.", _VALUE),
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": Row(DROP, "A validation rule refuses the change.", _RULE),
    "FIELD_FILTER_VALIDATION_EXCEPTION": Row(DROP, "A lookup filter refuses the change.", _RULE),
    "REQUIRED_FIELD_MISSING": Row(DROP, "The record lacks a field that is required by now.",
                                  "Fill in the field on the record in Salesforce."),
    "STRING_TOO_LONG": Row(DROP, "The text is longer than the field.", _VALUE),
    "NUMBER_OUTSIDE_VALID_RANGE": Row(DROP, "The number does not fit the field.", _VALUE),
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": Row(DROP, "The picklist does not hold this value.",
                                                   "Add the value to the picklist, or correct the value table."),
    "MALFORMED_ID": Row(DROP, "The record id is not one of this object.", _GONE),
    "INVALID_CROSS_REFERENCE_KEY": Row(DROP, "The record does not exist for the integration user.", _GONE),
    "INVALID_ID_FIELD": Row(DROP, "The record id is not one of this object.", _GONE),
    "DUPLICATES_DETECTED": Row(DROP, "A duplicate rule refuses the change.", _RULE),
    "DUPLICATE_VALUE": Row(DROP, "Another record has this value already.", _VALUE),
    "DUPLICATE_EXTERNAL_ID": Row(DROP, "Several records have this external id.",
                                 "Merge the records in Salesforce, or correct the external id."),
    "INSUFFICIENT_ACCESS": Row(DROP, "The integration user may not change this record.", _ACCESS),
    "INSUFFICIENT_ACCESS_OR_READONLY": Row(DROP, "The integration user may not change this record.", _ACCESS),
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": Row(
        DROP, "The integration user may not see or change this record.", _ACCESS),
    "CANNOT_UPDATE_CONVERTED_LEAD": Row(DROP, "The lead has been converted.", "Map the contact it has become."),
    "ENTITY_IS_LOCKED": Row(RETRY, "The record is locked by an approval.", "Finish the approval in Salesforce.", HOUR),
    "NOT_FOUND": Row(DROP, "The record does not exist, or the integration user cannot see it.", _GONE),
    "ENTITY_IS_DELETED": Row(DROP, "The record is deleted.", _GONE),
    "FUNCTIONALITY_NOT_ENABLED": Row(DROP, "The organisation has this function switched off.", _FIELD),
    "STORAGE_LIMIT_EXCEEDED": Row(PAUSE, "The organisation has no storage left.", "See Setup > Storage Usage.", HOUR),
    "INVALID_QUERY_LOCATOR": Row(RETRY, "A query's further pages are gone.", _WAIT),
    "MALFORMED_QUERY": Row(DROP, "Salesforce did not understand a query.", _FIELD),
}
# fmt: on
_CONCURRENT = Row(PAUSE, "Too many calls run at once in this organisation.", _WAIT, 2 * MINUTE)
_UNKNOWN = Row(DROP, "Salesforce refused it with a code that is not known here.", "Look the code up in its reference.")
_REFUSED = Row(STOP, "Salesforce refuses the token.", _LOGIN)
_CODE = re.compile(r"[A-Z][A-Z0-9_]{2,79}")
_COLUMN = re.compile(r"No such column '([A-Za-z]\w{0,79})'")
_BULK = re.compile(r"\s*([A-Z][A-Z0-9_]{2,79}):(.*?)(?::([\w, ]*))?\s*(?:--\s*)?", re.DOTALL)


def fault(status: int, body: Json) -> RemoteError:
    """Return the error to raise for a whole answer that is not a success; ``body`` is its JSON, or its text."""
    entry = first(body)
    code = text_at(entry, "errorCode", "statusCode")
    if _CODE.fullmatch(code):
        row = _row(code, text_at(entry, "message"), status)
        return _error(row, code, _quote(row, text_at(entry, "message")), status)
    if status == 300 and isinstance(body, Sequence) and not isinstance(body, str):
        row = TABLE["DUPLICATE_EXTERNAL_ID"]
        return _error(row, "DUPLICATE_EXTERNAL_ID", f"{row.words} Salesforce names {len(body)}.", status)
    if status == 401:
        return _error(_REFUSED, "", _REFUSED.words, status)
    words = f"Salesforce answered HTTP {status} without saying what is wrong."
    if status >= 500 or status in (408, 429):
        kind = UncertainError if status >= 500 else TemporaryError
        return kind(words, retry_after=MINUTE, scope=Scope.ACCOUNT, status=status, advice=_WAIT)
    # Not the API's voice but a proxy's, a login page's or that of a wrong address: no record is at fault.
    advice = "Check my_domain, api_url and api_version; where they are right, this passes."
    return TemporaryError(words, retry_after=5 * MINUTE, scope=Scope.ACCOUNT, status=status, advice=advice)


def unreadable(status: int) -> RemoteError:
    """Return the error for a success whose body is not what was asked for: HTML, or other JSON."""
    return TemporaryError(
        f"Salesforce answered HTTP {status} with something else than was asked for.",
        retry_after=5 * MINUTE,
        scope=Scope.ACCOUNT,
        status=status,
        advice="Check api_url: is a proxy or a login page in between?",
    )


def row_fault(errors: Json) -> RemoteError:
    """Return what ``errors`` of one row says; never about the account, except by its ``scope``."""
    entry = first(errors)
    code = text_at(entry, "statusCode", "errorCode")
    return coded(code, text_at(entry, "message"))


def coded(code: str, message: str = "") -> RemoteError:
    """Return the error of one row by its code; a code that suspends the account is only refused here."""
    row = _row(code, message, 200)
    if row.kind is STOP:
        return PermanentError(_quote(row, message), code=code, advice=row.advice)
    return _error(row, code if _CODE.fullmatch(code) else "", _quote(row, message), None)


def named_fields(errors: Json) -> frozenset[str]:
    """Return the fields that one row's errors blame, where they say."""
    entry = first(errors)
    fields = entry.get("fields") if isinstance(entry, Mapping) else None
    found = {name for name in fields if isinstance(name, str)} if isinstance(fields, Sequence) else set()
    column = _COLUMN.search(text_at(entry, "message"))
    return frozenset(found | ({column[1]} if column else set()))


def bulk_errors(text: str) -> Json:
    """Return ``sf__Error`` of a bulk result in the form of a row's errors: ``CODE:message:field, field --``."""
    found = _BULK.fullmatch(text[:4000])
    if not found:
        return [{"statusCode": "", "message": text, "fields": []}]
    fields = [name.strip() for name in (found[3] or "").split(",") if name.strip()]
    return [{"statusCode": found[1], "message": found[2], "fields": fields}]


def first(body: Json) -> Mapping[str, Json]:
    """Return the first error of a list, or the object itself; empty where there is none."""
    entry = body[0] if isinstance(body, Sequence) and not isinstance(body, str) and body else body
    return entry if isinstance(entry, Mapping) else {}


def _row(code: str, message: str, status: int) -> Row:
    if code == "REQUEST_LIMIT_EXCEEDED" and "concurrent" in message.lower():
        return _CONCURRENT
    if "UNABLE_TO_LOCK_ROW" in message:  # inside a trigger's or a flow's error
        return TABLE["UNABLE_TO_LOCK_ROW"]
    known = TABLE.get(code)
    if known is None and code.startswith("INSUFFICIENT_ACCESS"):
        return TABLE["INSUFFICIENT_ACCESS"]
    if known is None and status >= 500:
        return TABLE["UNKNOWN_EXCEPTION"]
    if known is None and status == 401:
        return _REFUSED
    return known or _UNKNOWN


def _error(row: Row, code: str, words: str, status: int | None) -> RemoteError:
    if row.kind is STOP:
        return CredentialsError(words, code=code, status=status, advice=row.advice)
    if row.kind is DROP:
        return PermanentError(words, code=code, status=status, advice=row.advice)
    scope = Scope.ACCOUNT if row.kind is PAUSE else Scope.MESSAGE
    return TemporaryError(words, retry_after=row.seconds, code=code, scope=scope, status=status, advice=row.advice)


def _quote(row: Row, said: str) -> str:
    # A session's errors may repeat the token.
    return row.words if row.kind is STOP or not said else f"{row.words} Salesforce says: {tidy(said)}"


_SECRET = re.compile(r"(?=[A-Za-z0-9_!.|-]*\d)[A-Za-z0-9_!.|-]{40,}")
_PHONE = re.compile(r"\+?\d[\d ().-]{5,}\d")
_EMAIL = re.compile(r"[^\s@<>\"',;:]+@[^\s@<>\"',;:]+")
MOST = 300


def tidy(text: str) -> str:
    """Make Salesforce's words fit for an operator's line: one line, bounded, without people or tokens."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: MOST * 4]).split())
    line = _EMAIL.sub("•••", _PHONE.sub("•••", _SECRET.sub("•••", line)))
    return line if len(line) <= MOST else f"{line[: MOST - 1]}…"
