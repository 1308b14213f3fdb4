"""Whom to write to: the first candidate that holds a usable phone number."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import phonenumbers
from babel import Locale

from connector.mapping.liquid import BlankError, BrokenError, Expression
from connector.mapping.text import clean
from connector.model import Reason, Skip

_MASKED = re.compile(r"[*•●∙·＊█▪]|[xX#]{2,}|\d[xX]\d[xX]\d")
_LETTERS = re.compile(r"\d")
MAX_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Recipient:
    """A number in E.164 form, and the words that say where it came from."""

    phone: str = field(repr=False)
    words: str = field(repr=False)


def find_recipient(
    candidates: Sequence[Expression], regions: Sequence[Expression], roots: Mapping[str, Any], locale: Locale
) -> Recipient | Skip:
    """Return the first candidate that is a valid number, or a Skip that names each one that was tried.

    A number with ``+`` or ``00`` stands for itself; a national one is read with each region in turn.
    Extensions are dropped. Of several reasons the most telling one is given: masked, invalid, none.
    """
    tried: list[tuple[Reason, str]] = []
    known = _Regions(regions, roots, locale)
    for candidate in candidates:
        raw, failed = _print(candidate, roots, locale)
        if failed is not None:
            tried.append((failed, f"{candidate.label} is {raw}"))
        elif is_masked(raw):
            tried.append((Reason.MASKED_PHONE, f"{candidate.label} is masked ({mask(raw)})"))
        else:
            found, region = parse_phone(raw, known)
            if found:
                by = f", read as a number of {region}" if region else ""
                return Recipient(found, f"{mask(found)} from {candidate.label}{by}.")
            tried.append((Reason.INVALID_PHONE, _invalid(candidate.label, raw, known)))
    reasons = {reason for reason, _ in tried}
    order = (Reason.MASKED_PHONE, Reason.INVALID_PHONE, Reason.SLOT_FAULT)
    reason = next((each for each in order if each in reasons), Reason.NO_RECIPIENT)
    return Skip(reason=reason, words=f"No usable phone number: {'; '.join(words for _, words in tried)}.")


def is_masked(raw: str) -> bool:
    """Tell whether a vendor shows only a part of the number: ``+291****0123``."""
    return _MASKED.search(raw) is not None


def mask(text: str) -> str:
    """Hide all letters and digits but the last two digits, and what a terminal would obey: it is typed by buyers."""
    text = clean(text)
    places = [match.start() for match in _LETTERS.finditer(text)][-2:]
    shown = "".join("•" if char.isalnum() and place not in places else char for place, char in enumerate(text))
    return shown if len(shown) <= 40 else f"{shown[:39]}…"


def _print(expression: Expression, roots: Mapping[str, Any], locale: Locale) -> tuple[str, Reason | None]:
    try:
        return expression.render(roots, locale).strip(), None
    except BlankError:
        return "blank", Reason.NO_RECIPIENT
    except BrokenError as error:
        return f"broken ({error})", Reason.SLOT_FAULT


class _Regions:
    """The country codes that these print, in order, without what is none; worked out as far as they are needed."""

    def __init__(self, expressions: Sequence[Expression], roots: Mapping[str, Any], locale: Locale) -> None:
        self._found: list[str] = []
        printed = (_print(each, roots, locale) for each in expressions)
        codes = (text.upper() for text, failed in printed if not failed)
        self._rest = (code for code in codes if code in phonenumbers.SUPPORTED_REGIONS)

    def __iter__(self) -> Iterator[str]:
        yield from self._found
        for code in self._rest:
            if code not in self._found:
                self._found.append(code)
                yield code


def parse_phone(raw: str, regions: Iterable[str]) -> tuple[str, str]:
    """Return the number in E.164 form and the region it was read with, or two empty texts.

    A number with ``+`` or ``00`` stands for itself (the region is ``""``); a national one is read with each
    region in turn, given by its two ISO letters in capitals.
    """
    if len(raw) > MAX_LENGTH or phonenumbers.is_alpha_number(raw):  # 555-555-SHIP would be read as digits
        return "", ""
    if raw.startswith("00"):
        raw = "+" + raw[2:]
    is_international = raw.lstrip("( ").startswith(("+", "＋", "tel:+"))
    for region in [None] if is_international else regions:
        try:
            parsed = phonenumbers.parse(raw, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(parsed):
            return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164), region or ""
    return "", ""


def _invalid(label: str, raw: str, regions: Iterable[str]) -> str:
    if raw.lstrip("( ").startswith(("+", "＋", "00", "tel:+")):
        return f"{label} is no possible number ({mask(raw)})"
    known = list(regions)
    if not known:
        return f"{label} has no country code, and no region is known ({mask(raw)})"
    return f"{label} is no possible number in {' or '.join(known)} ({mask(raw)})"
