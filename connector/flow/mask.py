"""Masking personal data for those who may not see it. It fails closed: what is not known to be harmless is hidden."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from connector.contract import Field
from connector.model import Json, parse_time

DOTS = "•••"
_HARMLESS = ("number", "money", "boolean", "time")
"""Kinds of declared fields whose texts tell nothing of a person."""
_CODE = re.compile(r"[A-Z]{2,3}|[a-z]{2}([-_][A-Za-z]{2,4})?|true|false|-?\d{1,4}|-?\d{1,9}\.\d{1,2}")
"""Currencies, countries, languages, counts and amounts."""
_QUOTED = re.compile(r"""“[^”]*”|"(?:[^"\\]|\\.)*"|(?<!\w)'(?:[^'\\]|\\.)*'(?!\w)""")
_SLOT = re.compile(r"(\bslot [^:]{1,80}: ).+", re.DOTALL)
_MAIL = re.compile(r"[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+")
_WORD = re.compile(r"[^\W\d_]{4,}|@")
"""No amount, no moment and no truth has so many letters in a row."""
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:")
"""How a moment begins; digits alone may be read as seconds, and may be a phone number."""
_CALLED = re.compile(r"phone|mobile|whats_?app|msisdn|(?:^|[._])(?:tel|cell|fax|wa_id)(?:$|[._\d])", re.IGNORECASE)
"""What a path says where somebody is called by what stands there, whatever its kind is declared to be."""
_AMOUNT = re.compile(r"-?\d{1,9}\.\d{1,2}")
_FEWEST_DIGITS = 6


def text(value: str) -> str:
    """Hide a text, its length too; of a word its first letter is left, but where that is the whole of it: 김, 李."""
    return f"{value[0]}{DOTS}" if len(value) > 1 and value[0].isalpha() else DOTS if value else ""


def sentence(words: str) -> str:
    """Hide what a sentence of a trace tells of a person: what it quotes, what stands in a slot, addresses."""
    return _MAIL.sub(f"{DOTS}@{DOTS}", _QUOTED.sub(f"“{DOTS}”", _SLOT.sub(rf"\1{DOTS}", words)))


def payload(value: Json, fields: Collection[Field] = ()) -> Json:
    """Hide every text of a payload but those that are of a harmless kind: declared so, or so by their form.

    What may be a phone, at a path that speaks of one, is of no harmless kind.
    """
    harmless = {_bare(each.path) for each in fields if each.type in _HARMLESS}
    return _mask(value, "", harmless)


def _mask(value: Json, path: str, harmless: Collection[str]) -> Json:
    if isinstance(value, dict):
        return {name: _mask(inner, f"{path}.{name}" if path else name, harmless) for name, inner in value.items()}
    if isinstance(value, list):
        return [_mask(inner, path, harmless) for inner in value]
    if value is not None and not isinstance(value, bool) and _may_call(path, str(value)):
        return DOTS
    if isinstance(value, str):
        return value if (path in harmless and fits(value)) or _is_harmless(value) else text(value)
    return value if isinstance(value, bool) or value is None or path in harmless else _number(value)


def _may_call(path: str, value: str) -> bool:
    """Tell whether somebody may be called by a value; amounts and moments are shown at such a path too."""
    if sum(map(str.isdigit, value)) < _FEWEST_DIGITS or not _CALLED.search(path):
        return False
    return not (_AMOUNT.fullmatch(value) or _is_time(value))


def fits(value: str) -> bool:
    """Tell whether a text may be what a field of a harmless kind holds; vendors do not always keep their word."""
    return not _WORD.search(value) or value in ("true", "false")


def _is_harmless(value: str) -> bool:
    return bool(_CODE.fullmatch(value)) or _is_time(value)


def _is_time(value: str) -> bool:
    """A moment; a day alone may be somebody's birthday."""
    return bool(_MOMENT.match(value)) and parse_time(value) is not None


def _number(value: Json) -> Json:
    """Leave numbers alone that are too short to call somebody by, or to look somebody up with."""
    return value if len(str(value)) < 9 else DOTS


def _bare(path: str) -> str:
    return re.sub(r"\[\d*\]", "", path)


def texts(values: Iterable[str]) -> list[str]:
    """Hide texts."""
    return [text(value) for value in values]
