"""Salesforce's ids and names, checked before they go into a key, a query or a path.

A record's id has 15 characters, where case counts, or 18, where the last three tell the case of the others
(https://help.salesforce.com/s/articleView?id=000385585). Inside, the longer form is used throughout.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping

SHORT = 15
_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

PREFIXES: Mapping[str, str] = {
    "001": "Account",
    "003": "Contact",
    "006": "Opportunity",
    "00Q": "Lead",
    "00T": "Task",
    "00U": "Event",
    "00v": "CampaignMember",
    "500": "Case",
    "701": "Campaign",
    "801": "Order",
}
"""What a record is, by the first three characters of its id; only those that are the same in every organisation."""


def is_id(text: str) -> bool:
    """Tell whether a text is an id: 15 or 18 letters and digits, nothing that a path or a query would read."""
    return _ID.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Tell whether a text can be the API name of an object or a field: ``Contact``, ``Appointment__c``."""
    return _NAME.fullmatch(text) is not None


def long_id(text: str) -> str:
    """Return an id with its 18 characters, or ``""`` where the text is none."""
    if not is_id(text):
        return ""
    return text if len(text) > SHORT else text + suffix(text)


def suffix(short: str) -> str:
    """Return what makes 18 characters of 15: one for each five, telling which of them are capitals."""
    groups = (short[start : start + 5] for start in range(0, SHORT, 5))
    return "".join(_SUFFIX[sum(1 << place for place, c in enumerate(five) if "A" <= c <= "Z")] for five in groups)


def same_id(one: str, other: str) -> bool:
    """Compare two ids by their first 15 characters, where case counts, in constant time."""
    if not (is_id(one) and is_id(other)):
        return False
    return hmac.compare_digest(one[:SHORT].encode(), other[:SHORT].encode())


def object_of(record_id: str) -> str:
    """Return the object that an id belongs to, or ``""`` where its first characters do not tell."""
    return PREFIXES.get(record_id[:3], "") if is_id(record_id) else ""
