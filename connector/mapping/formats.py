"""Filters that speak the reader's language: money, dates, phone numbers, lists; and ends of links."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from datetime import date as day
from decimal import Decimal
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import phonenumbers
from babel import Locale, UnknownLocaleError
from babel.dates import PATTERN_CHARS, format_date, format_datetime, format_time, get_datetime_format, get_timezone
from babel.numbers import format_currency
from liquid.exceptions import FilterError

from connector.mapping.scalar import is_missing, number, plain
from connector.mapping.text import is_blank

ENGLISH = Locale("en")
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " "})
_CURRENCY = re.compile(r"[A-Z]{3}")
_FRACTION = re.compile(r"(\.\d{6})\d+")
_QUOTED = re.compile(r"'[^']*'")
_LETTERS = re.compile(r"[A-Za-z]")
_TOUCHING = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
"""Where a currency's letters touch its amount: CHF12.50, for which Babel does not keep Unicode's rule."""
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Voice(Protocol):
    """What a filter sees of the rendering: whom it speaks to."""

    locale: Locale


class _Neutral:
    locale = ENGLISH


NEUTRAL: Voice = _Neutral()


def _fail(words: str) -> FilterError:
    return FilterError(words, token=None)


@lru_cache(maxsize=512)
def read_locale(text: str) -> Locale | None:
    """Read ``pt-BR``, ``pt_BR``, ``zh-TW`` or ``de``; an unknown country falls back to the language, junk to None."""
    if len(text) > 35:
        return None
    tag = text.strip().split(".")[0].replace("_", "-")
    for attempt in (tag, tag.split("-")[0]):
        try:
            return Locale.parse(attempt, sep="-")
        except (UnknownLocaleError, ValueError, TypeError):
            continue
    return None


def choose_locale(candidates: Iterable[str]) -> Locale:
    """Return the first of these that names a known language, else English."""
    return next((found for text in candidates if (found := read_locale(text))), ENGLISH)


def money(value: Any, currency: Any = "", *, context: Voice = NEUTRAL) -> str | None:
    """Print an amount.

    A Shopify money set gives what the buyer saw, or the shop's side with ``'shop'``; a bare amount needs
    its currency.
    """
    if isinstance(value, Mapping):
        amount, code = _of_set(value, currency)
        if is_missing(amount) or is_missing(code):
            return None
    else:
        amount, code = value, currency
    exact = number(amount)
    if exact is None:
        raise _fail("money needs an amount such as 12.50, or a money set")
    if not isinstance(code, str) or not _CURRENCY.fullmatch(code.upper()):
        raise _fail("money needs a currency code such as EUR: {{ total_price | money: currency }}")
    text: str = format_currency(Decimal(exact), code.upper(), locale=context.locale)
    return _TOUCHING.sub(" ", text.translate(_SPACES))


def _of_set(value: Mapping[str, Any], side: Any) -> tuple[Any, Any]:
    if "presentment_money" in value or "shop_money" in value:
        first, second = "presentment_money", "shop_money"
        if side == "shop":
            first, second = second, ""
        elif side not in ("", "presentment"):
            raise _fail("of a money set, money takes 'presentment' or 'shop'")
        chosen = value.get(first) or value.get(second)
        if not isinstance(chosen, Mapping):
            return None, None
        value = chosen
    return value.get("amount"), value.get("currency_code") or value.get("currency") or side or None


_DATES = ("short", "medium", "long", "full")
_STRFTIME = {
    "Y": "yyyy", "y": "yy", "m": "MM", "-m": "M", "B": "MMMM", "b": "MMM", "h": "MMM", "d": "dd", "-d": "d", "e": "d",
    "A": "EEEE", "a": "EEE", "H": "HH", "-H": "H", "k": "H", "I": "hh", "-I": "h", "l": "h", "M": "mm", "-M": "m",
    "S": "ss", "p": "a", "P": "a", "z": "xx", "Z": "zzz", "j": "DDD", "F": "yyyy-MM-dd", "T": "HH:mm:ss",
    "R": "HH:mm", "D": "MM/dd/yy", "%": "'%'",
}  # fmt: skip


def date(value: Any, style: Any = "medium", zone: Any = "", *, context: Voice = NEUTRAL) -> str:
    """Print a moment in the contact's language, at the UTC offset it was written with, or in a named zone.

    Styles: ``short``, ``medium``, ``long``, ``full`` (the day), ``time``, ``datetime``, a pattern of
    Unicode (``d. MMMM yyyy``) or of strftime (``%d %B %Y``). A day, or a time without an offset, is taken
    as it stands: no zone moves it.
    """
    moment = _moment(value)
    if zone and moment.tzinfo is not None:
        try:
            moment = moment.astimezone(get_timezone(plain(zone)))
        except (LookupError, ValueError):
            raise _fail("this time zone is not known; write one such as Europe/Berlin") from None
    text: str
    locale = context.locale
    if style in _DATES:
        text = format_date(moment.date(), style, locale=locale)
    elif style == "time":
        text = format_time(moment, "short", locale=locale)
    elif style == "datetime":
        both = str(get_datetime_format("medium", locale=locale)).replace("'", "")
        text = both.replace("{1}", format_date(moment.date(), "medium", locale=locale))
        text = text.replace("{0}", format_time(moment, "short", locale=locale))
    elif isinstance(style, str) and style.strip():
        text = format_datetime(moment, _pattern(style), locale=locale)
    else:
        raise _fail("date takes a style such as 'long', or a pattern")
    return text.translate(_SPACES)


def _moment(value: Any) -> datetime:
    """Read ISO 8601, a day, or Unix seconds; keeps the offset that was written."""
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str) and len(value) <= 40:
            return datetime.fromisoformat(_FRACTION.sub(r"\1", value.strip()))
    except (ValueError, OverflowError, OSError):
        pass
    if isinstance(value, day):
        return value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)  # noqa: DTZ001
    raise _fail("date needs a time such as 2026-11-22T10:30:00+01:00")


@lru_cache(maxsize=512)
def _pattern(style: str) -> str:
    if len(style) > 60:
        raise _fail("a date pattern has at most 60 characters")
    if "%" in style:
        return re.sub(r"%(-?.?)|([A-Za-z']+)", _translate, style)
    unknown = [letter for letter in _LETTERS.findall(_QUOTED.sub("", style)) if letter not in PATTERN_CHARS]
    if unknown or style.count("'") % 2:
        names = ", ".join((*_DATES, "time", "datetime"))
        raise _fail(f"{style!r} is no date style ({names}) and no pattern; put plain words in '…'")
    return style


def _translate(match: re.Match[str]) -> str:
    directive, words = match.groups()
    if words is not None:
        return "'" + words.replace("'", "''") + "'"
    if directive not in _STRFTIME:
        raise _fail(f"the date pattern %{directive} is not known")
    return _STRFTIME[directive]


def phone(value: Any, region: Any = "") -> str:
    """Print a phone number in its international form; a national one needs its country code."""
    try:
        parsed = phonenumbers.parse(plain(value), plain(region).upper() or None)
    except (phonenumbers.NumberParseException, ValueError):
        raise _fail("phone needs a number with +, or a country code such as 'DE'") from None
    if not phonenumbers.is_valid_number(parsed):
        raise _fail("this is not a possible phone number")
    text: str = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    return text


def list_(value: Any, field: Any = "", most: Any = 0) -> str | None:
    """Name the items of a list, with their quantity where it is more than one, and count what is left over."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise _fail("list needs a list, such as line_items")
    limit = number(most)
    if limit is None or limit < 0 or limit != int(limit):
        raise _fail("list takes a whole number of items")
    names = [name for item in value if (name := _name(item, field))]
    shown = names[: int(limit)] if limit else names
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" +{rest}" if rest else "") if shown else None


def _name(item: Any, field: Any) -> str:
    quantity = None
    if isinstance(item, Mapping):
        quantity, item = number(item.get("quantity")), item.get(field)
    elif field:
        return ""
    try:
        name = plain(item).strip()
    except ValueError:
        raise _fail("list needs a field that holds a text") from None
    if is_blank(name) or quantity == 0:
        return ""
    return f"{plain(quantity)} × {name}" if quantity is not None and quantity > 1 else name


def url_suffix(value: Any, base: Any) -> str:
    """Give what follows the fixed beginning of a link, for buttons whose template holds that beginning."""
    link, start = plain(value).strip(), plain(base).strip()
    host = urlsplit(start)
    if host.scheme not in ("http", "https") or not host.hostname or len(start) == len(f"{host.scheme}://{host.netloc}"):
        raise _fail("url_suffix needs the link's beginning up to a '/', such as 'https://shop.example/'")
    fixed = len(f"{host.scheme}://{host.netloc}")
    if link[:fixed].lower() != start[:fixed].lower() or not link[fixed:].startswith(start[fixed:]):
        raise _fail(f"the link does not begin with {start}")
    return quote(_BAD_PERCENT.sub("%25", link[len(start) :]), safe="%/?#[]@!$&'()*+,;=:-._~", errors="replace")
