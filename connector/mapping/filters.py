"""The filters of an expression. All of them pass a missing or blank value on, so that ``default`` or the
strict output decides about it; an argument that is missing makes the result missing.

Their table, with examples that the tests run, is in ``mappings/README.md``.
"""

from __future__ import annotations

import functools
import inspect
import json as json_text
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any
from urllib.parse import quote

from liquid.exceptions import FilterError, LiquidError
from liquid.expression import Expression

from connector.mapping import formats
from connector.mapping.scalar import is_missing, number, plain
from connector.mapping.text import cut, is_blank

MAX_TEXT = 20_000
"""Characters that a filter may take apart or make."""

Filter = Callable[..., Any]


def _fail(words: str) -> FilterError:
    return FilterError(words, token=None)


def _text(value: Any) -> str:
    try:
        return plain(value)
    except ValueError as error:
        raise _fail(f"a value {error}") from None


def _number(value: Any) -> int | Decimal:
    found = number(value)
    if found is None:
        raise _fail("a value is not a number")
    return found


def _whole(value: Any) -> int:
    found = _number(value)
    if found != int(found) or not -MAX_TEXT <= found <= MAX_TEXT:
        raise _fail(f"a whole number up to {MAX_TEXT} is needed")
    return int(found)


def _bounded(length: int) -> None:
    if length > MAX_TEXT:
        raise _fail(f"a text would be longer than {MAX_TEXT} characters")


def _list(value: Any) -> list[Any]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(value)
    raise _fail("a list is needed here")


def _item(value: Any, key: Any) -> Any:
    return value.get(key) if isinstance(value, Mapping) and isinstance(key, str) else None


def default(value: Any, fallback: Any = None, *, allow_false: bool = False) -> Any:
    """Give another value where there is none to show; false counts as none unless ``allow_false: true``."""
    if value is False:
        return value if allow_false is True else fallback
    if is_missing(value) or (isinstance(value, str) and is_blank(value)):
        return fallback
    return fallback if isinstance(value, Sequence | Mapping) and not value else value


def append(value: Any, end: Any) -> str:
    """Put a text behind."""
    before, after = _text(value), _text(end)
    _bounded(len(before) + len(after))
    return before + after


def prepend(value: Any, start: Any) -> str:
    """Put a text before."""
    return append(start, value)


def capitalize(value: Any) -> str:
    """Make the first letter large and the others small."""
    return _text(value).capitalize()


def replace(value: Any, old: Any, new: Any = "") -> str:
    """Put one text in the place of another, wherever it stands."""
    return _replace(_text(value), _text(old), _text(new), -1)


def replace_first(value: Any, old: Any, new: Any = "") -> str:
    """Put one text in the place of another, once."""
    return _replace(_text(value), _text(old), _text(new), 1)


def remove(value: Any, old: Any) -> str:
    """Take a text out, wherever it stands."""
    return _replace(_text(value), _text(old), "", -1)


def remove_first(value: Any, old: Any) -> str:
    """Take a text out, once."""
    return _replace(_text(value), _text(old), "", 1)


def _replace(text: str, old: str, new: str, times: int) -> str:
    if not old:
        raise _fail("the text to look for is empty")
    found = text.count(old) if times < 0 else 1
    _bounded(found * len(new))
    return text.replace(old, new, times)


def slice_(value: Any, start: Any, length: Any = 1) -> Any:
    """Take some characters of a text, or items of a list, from a position on (-1 is the last)."""
    first, count = _whole(start), _whole(length)
    whole = _list(value) if isinstance(value, Sequence) and not isinstance(value, str) else _text(value)
    if first < 0:
        first += len(whole)
    return whole[first : first + count] if first >= 0 and count > 0 else whole[:0]


def split(value: Any, separator: Any) -> list[str]:
    """Cut a text into a list."""
    text, mark = _text(value), _text(separator)
    _bounded(len(text))
    if not mark:
        return list(text)
    return text.split(None if mark == " " else mark)


def truncate(value: Any, length: Any = 50, end: Any = "…") -> str:
    """Shorten a text to so many characters, its end mark included."""
    return cut(_text(value), _whole(length), _text(end))


def truncatewords(value: Any, count: Any = 15, end: Any = "…") -> str:
    """Shorten a text to so many words."""
    words, most = _text(value).split(), max(1, _whole(count))
    return " ".join(words[:most]) + (_text(end) if len(words) > most else "")


def url_encode(value: Any) -> str:
    """Write a text so that it can stand inside a link."""
    return quote(_text(value), safe="", errors="replace")


def json(value: Any) -> str:
    """Write a text or number as JSON, for slots that hold a structure."""
    return json_text.dumps(value, ensure_ascii=False) if isinstance(value, str) else _text(value)


def join(value: Any, separator: Any = " ") -> str:
    """Make one text of a list; missing and blank items are left out."""
    texts = [text for text in map(_text, _list(value)) if not is_blank(text)]
    mark = _text(separator)
    _bounded(sum(map(len, texts)) + len(mark) * len(texts))
    return mark.join(texts)


def first(value: Any) -> Any:
    """Take the first item of a list."""
    return next(iter(_list(value)), None)


def last(value: Any) -> Any:
    """Take the last item of a list."""
    return next(reversed(_list(value)), None)


def size(value: Any) -> int:
    """Count the items of a list or the characters of a text."""
    return len(value) if isinstance(value, Sequence | Mapping) else len(_text(value))


def map_(value: Any, key: Any) -> list[Any]:
    """Take one field of every item."""
    return [_item(item, key) for item in _list(value)]


def where(value: Any, key: Any, wanted: Any = None) -> list[Any]:
    """Keep the items whose field has this value, or holds anything."""
    items = _list(value)
    if wanted is None:
        return [item for item in items if _item(item, key) not in (None, False, "")]
    return [item for item in items if _item(item, key) == wanted]


def compact(value: Any) -> list[Any]:
    """Leave out what is missing or blank."""
    return [item for item in _list(value) if not is_missing(item) and item != ""]


def uniq(value: Any) -> list[Any]:
    """Leave out repetitions."""
    items = _list(value)
    _bounded(len(items) ** 2)
    return [item for place, item in enumerate(items) if item not in items[:place]]


def reverse(value: Any) -> list[Any]:
    """Turn a list round."""
    return _list(value)[::-1]


def sum_(value: Any, key: Any = None) -> int | Decimal:
    """Add up a list of numbers, or one field of its items."""
    values = _list(value) if key is None else map_(value, key)
    return sum((_number(each) for each in values if not is_missing(each)), start=0)


def plus(value: Any, other: Any) -> int | Decimal:
    """Add."""
    return _number(value) + _number(other)


def minus(value: Any, other: Any) -> int | Decimal:
    """Subtract."""
    return _number(value) - _number(other)


def times(value: Any, other: Any) -> int | Decimal:
    """Multiply."""
    return _number(value) * _number(other)


def divided_by(value: Any, other: Any) -> int | Decimal:
    """Divide; two whole numbers give a whole number, as in Shopify's Liquid."""
    above, below = _number(value), _not_zero(other)
    if isinstance(above, int) and isinstance(below, int):
        return above // below
    return Decimal(above) / Decimal(below)


def modulo(value: Any, other: Any) -> int | Decimal:
    """Give the remainder of a division."""
    return _number(value) % _not_zero(other)


def _not_zero(value: Any) -> int | Decimal:
    found = _number(value)
    if not found:
        raise _fail("nothing can be divided by 0")
    return found


def round_(value: Any, digits: Any = 0) -> int | Decimal:
    """Round, halves away from zero."""
    places = _whole(digits)
    if not 0 <= places <= 10:
        raise _fail("round takes 0 to 10 digits")
    rounded = Decimal(_number(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return rounded if places else int(rounded)


def ceil(value: Any) -> int:
    """Round up to a whole number."""
    return int(Decimal(_number(value)).to_integral_value(ROUND_CEILING))


def floor(value: Any) -> int:
    """Round down to a whole number."""
    return int(Decimal(_number(value)).to_integral_value(ROUND_FLOOR))


def at_least(value: Any, least: Any) -> int | Decimal:
    """Give the larger of two numbers."""
    return max(_number(value), _number(least))


def at_most(value: Any, most: Any) -> int | Decimal:
    """Give the smaller of two numbers."""
    return min(_number(value), _number(most))


def _on_text(method: Callable[[str], str]) -> Filter:
    return lambda value: method(_text(value))


def _guard(function: Filter) -> Filter:
    """Pass missing and blank values by, and drop the result where an argument is missing."""

    @functools.wraps(function)
    def guarded(value: Any, *args: Any, **kwargs: Any) -> Any:
        if is_blank(value) if isinstance(value, str) else is_missing(value):
            return value
        if args and any(map(is_missing, args)):
            return None
        return function(value, *args, **kwargs)

    return guarded


def _vocabulary() -> dict[str, Filter]:
    by_name: dict[str, Filter] = {
        "upcase": _on_text(str.upper), "downcase": _on_text(str.lower), "strip": _on_text(str.strip),
        "lstrip": _on_text(str.lstrip), "rstrip": _on_text(str.rstrip), "abs": lambda value: abs(_number(value)),
        "slice": slice_, "map": map_, "sum": sum_, "round": round_, "list": formats.list_,
    }  # fmt: skip
    plainly: list[Filter] = [
        append, prepend, capitalize, replace, replace_first, remove, remove_first, split, truncate, truncatewords,
        url_encode, json, join, first, last, size, where, compact, uniq, reverse, plus, minus, times, divided_by,
        modulo, ceil, floor, at_least, at_most, formats.money, formats.date, formats.phone, formats.url_suffix,
    ]  # fmt: skip
    by_name |= {function.__name__: function for function in plainly}
    guarded = {name: _guard(function) for name, function in by_name.items()}
    for name in ("money", "date"):
        guarded[name].with_context = True  # type: ignore[attr-defined]  # they ask for its locale
    return guarded | {"default": default}


FILTERS: Mapping[str, Filter] = _vocabulary()
_TRIALS: Mapping[str, Callable[[list[Any]], Any]] = {
    "date": lambda args: "2026-01-02T03:04:05+00:00",
    "money": lambda args: {"shop_money": None, "presentment_money": None} if args[0] in ("shop", "presentment") else 1,
    "phone": lambda args: "+4930901820",
    "url_suffix": lambda args: f"{args[0]}x",
    "divided_by": lambda args: 1, "modulo": lambda args: 1, "plus": lambda args: 1, "minus": lambda args: 1,
    "times": lambda args: 1, "round": lambda args: 1, "at_least": lambda args: 1, "at_most": lambda args: 1,
    "truncate": lambda args: "x", "truncatewords": lambda args: "x", "slice": lambda args: "x",
    "replace": lambda args: "x", "remove": lambda args: "x", "list": lambda args: [],
}  # fmt: skip
"""A value each to try literal arguments on, so that a misspelt pattern is told when the mapping is saved."""


def refuse_arguments(name: str, positional: list[Any], keyword: dict[str, Any]) -> str:
    """Say what is wrong with the arguments of a filter, or return ``""``; unknown values are Expressions."""
    try:
        inspect.signature(FILTERS[name]).bind(None, *positional, **keyword)
    except TypeError as error:
        return f"the filter {name!r} is given wrong arguments: {error}"
    known = not any(isinstance(value, Expression) for value in (*positional, *keyword.values()))
    if not (known and positional and name in _TRIALS):
        return ""
    context = {"context": formats.NEUTRAL} if getattr(FILTERS[name], "with_context", False) else {}
    try:
        FILTERS[name](_TRIALS[name](positional), *positional, **keyword, **context)
    except LiquidError as error:
        return f"the filter {name!r} is given wrong arguments: {error.message}"
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError):
        return f"the filter {name!r} cannot use these arguments"
    return ""
