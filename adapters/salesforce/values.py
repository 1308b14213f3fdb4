"""What a field's text or number means, where nothing tells its type.

An outbound message holds text alone: numbers come as ``39.0`` also where Salesforce shows 39, and large ones as
``1.25E7``. Only what can hardly be anything else is turned into a number; see the README.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from connector.model import Json

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}|-?[1-9]\.[0-9]{1,17}E[0-9]{1,2}")
_KEPT = re.compile(r"phone|mobile|fax|zip|postal|street|version", re.IGNORECASE)
"""Fields whose value is text however much it looks like a number: ``0.17``, ``555.1234``."""
_MOMENT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{3})?(?:Z|\+00:?00)")
_WORDS: Mapping[str, bool] = {"true": True, "false": False}
_MOST_DIGITS = 38
_MOST_DEPTH = 8


def typed(name: str, text: str | None) -> Json:
    """Return the value of a field of an outbound message: booleans and numbers as such, all else as it came."""
    if text is None or text in _WORDS:
        return text if text is None else _WORDS[text]
    if _NUMBER.fullmatch(text) and not _KEPT.search(name):
        return _exact(Decimal(text))
    return _alike(text)


def plain(value: Json, depth: int = 0) -> Json:
    """Return a value of Salesforce's JSON as payloads hold it: whole numbers whole, and without ``attributes``."""
    if isinstance(value, Decimal):
        return _exact(value)
    if isinstance(value, str):
        return _alike(value)
    if depth >= _MOST_DEPTH:
        return None  # no record of Salesforce's goes so deep
    if isinstance(value, Mapping):
        return {name: plain(inner, depth + 1) for name, inner in value.items() if name != "attributes"}
    if isinstance(value, Sequence):
        return [plain(inner, depth + 1) for inner in value]
    return value


def _alike(text: str) -> str:
    """Return a moment as outbound messages write it: the API ends it with ``+0000``, and a mapping compares texts."""
    found = _MOMENT.fullmatch(text)
    return f"{found[1]}{found[2] or '.000'}Z" if found else text


def _exact(number: Decimal) -> Json:
    if number != number.to_integral_value():
        return number
    return int(number) if abs(number.adjusted()) < _MOST_DIGITS else number
