"""What an event offers to insert into an expression, and the words that complete one."""

from __future__ import annotations

import inspect
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from typing import Any

from connector.contract import Field
from connector.flow import mask
from connector.mapping import filters
from connector.mapping.check import EVENT_FIELDS
from connector.mapping.conditions import OPERATORS
from connector.mapping.liquid import TAGS
from connector.mapping.scalar import is_missing, number, plain
from connector.mapping.text import cut
from connector.mapping.wording import label_of
from connector.model import Event, Json, Payload, dig
from connector.model.payload import steps

MOST_OFFERS = 2_000
MOST_ITEMS = 25
"""Items of one list that are offered one by one."""
MOST_DEPTH = 12
MOST_VALUE = 200
"""Characters of a value that is shown beside its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One thing to insert."""

    path: str
    """``customer.first_name``, ``line_items[0].title``, ``order.name`` (remembered), ``account.name``."""
    label: str
    """In words: ``Customer: first name``."""
    type: str
    """As declared (``text``, ``money``, …), else by what stands there."""
    value: str = field(default="", repr=False)
    """As Liquid would print it; for lists and objects in words (``2 items``); ``""`` where nothing stands there."""
    liquid: str
    """``{{ customer.first_name }}``; for lists and money with the filter that prints them."""
    where: str
    """The root it is of: ``event`` (the payload's own), ``order`` and others that are remembered, ``account``,
    ``about`` (``event.type`` and the like)."""
    words: str = ""
    """What the adapter says about it."""
    hint: str = ""
    """For lists: the filter that prints all of it."""
    present: bool = True
    """False: there is nothing in this event, or an empty text or list."""
    declared: bool = True
    """False: in this event, and nobody declared it."""
    usable: bool = True
    """False: an object, which prints nothing itself but whose parts are offered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One word that completes an expression."""

    word: str
    """``money``"""
    kind: str
    """``filter``, ``tag``, ``field`` or ``root``."""
    arguments: str = ""
    """``style, zone``: what may stand behind the colon."""
    words: str = ""
    """One line of help."""
    example: str = ""


def offer(
    fields: Sequence[Field],
    payload: Payload,
    remembered: Mapping[str, tuple[Sequence[Field], Payload]],
    account: Mapping[str, Any],
    event: Event,
) -> list[Offer]:
    """Return everything that an expression may use here, at most :data:`MOST_OFFERS`, declared ones first.

    ``remembered``: root -> what is declared of it and what stands there; ``account``: public settings with ``name``.
    """
    roots = {"account", "event", *remembered}
    own = list(_offers("event", "", fields, {name: value for name, value in payload.items() if name not in roots}))
    for root, (inner, earlier) in remembered.items():
        own += _offers(root, f"{root}.", inner, earlier)
    own.sort(key=lambda each: not each.declared)  # stable: what nobody declared comes last
    told = {"type": event.type, "label": event.label, "occurred_at": event.occurred_at.isoformat()}
    about = [Field(name, "time" if name == "occurred_at" else "text") for name in EVENT_FIELDS]
    fixed = [
        *_offers("account", "account.", (Field("name", "text"),), account),
        *_offers("about", "event.", about, told),
    ]
    return [*own[: MOST_OFFERS - len(fixed)], *fixed]


def _offers(where: str, start: str, fields: Sequence[Field], payload: Payload) -> Iterator[Offer]:
    """Yield what is declared of one root, in its order, and then what else stands there."""
    known: set[tuple[str, ...]] = set()
    for each in fields:
        if "*" in each.path:
            continue
        known.add(steps(each.path))
        yield _offer(where, start, each, dig(payload, each.path), declared=True)
    kinds = {_bare(each.path): each for each in fields}
    left = MOST_OFFERS
    for path, value in _walk(payload, "", 0):
        if steps(path) in known:
            continue
        left -= 1
        if left < 0:
            return
        like = kinds.get(_bare(path))
        found = Field(path, like.type, like.words) if like else Field(path, type_of(value))
        yield _offer(where, start, found, value, declared=like is not None)


def _walk(value: Json, path: str, depth: int) -> Iterator[tuple[str, Json]]:
    if depth > MOST_DEPTH:
        return
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if _is_name(name):
                here = f"{path}.{name}" if path else name
                yield here, inner
                yield from _walk(inner, here, depth + 1)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for place, inner in enumerate(value[:MOST_ITEMS]):
            yield f"{path}[{place}]", inner
            yield from _walk(inner, f"{path}[{place}]", depth + 1)


def _is_name(name: str) -> bool:
    """Tell whether expressions can reach a name by a dot; what begins with ``_`` is not data."""
    return not name.startswith("_") and re.fullmatch(r"[\w-]+", name) is not None


def _bare(path: str) -> str:
    return re.sub(r"\[\d+\]", "[]", path)


def _offer(where: str, start: str, found: Field, value: Json, *, declared: bool) -> Offer:
    path = start + found.path
    present = not is_missing(value) and value not in ("", [], {})
    is_list = isinstance(value, Sequence) and not isinstance(value, str) if present else found.type == "list"
    is_object = isinstance(value, Mapping) if present else found.type == "object"
    hint = _hint(path, value) if is_list else ""
    is_set = is_object and found.type == "money"
    liquid = hint or (f"{{{{ {path} | money }}}}" if is_set else f"{{{{ {path} }}}}")
    return Offer(
        path=path, label=label_of(path), type=found.type, value=_show(value), liquid=liquid, where=where,
        words=found.words, hint=hint, present=present, declared=declared, usable=not is_object or is_set,
    )  # fmt: skip


def _hint(path: str, value: Json) -> str:
    items = value if isinstance(value, Sequence) else ()
    first = next((item for item in items if item is not None), None)
    if isinstance(first, Mapping):
        texts = [name for name, inner in first.items() if isinstance(inner, str) and _is_name(name)]
        named = next((name for name in ("title", "name", "label") if name in texts), texts[0] if texts else "")
        return f"{{{{ {path} | list: '{named}' }}}}" if named else ""
    return f"{{{{ {path} | join: ', ' }}}}"


def _show(value: Json) -> str:
    if is_missing(value):
        return ""
    if isinstance(value, Mapping):
        money = value.get("presentment_money") or value.get("shop_money") or value
        parts = [money.get("amount"), money.get("currency_code")] if isinstance(money, Mapping) else []
        return " ".join(map(str, parts)) if all(isinstance(part, str) for part in parts) and parts else "an object"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"{len(value)} item{'' if len(value) == 1 else 's'}"
    try:
        return cut(plain(value), MOST_VALUE)
    except ValueError:
        return "a value too large to print"


def type_of(value: Json) -> str:
    """Return the type of what stands somewhere, in the words of declared fields."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, Mapping):
        return "object"
    if isinstance(value, str):
        return _type_of_text(value)
    if isinstance(value, Sequence):
        return "list"
    return "number" if number(value) is not None else "text"


def _type_of_text(value: str) -> str:
    if value.startswith(("https://", "http://")):
        return "url"
    if re.match(r"\d{4}-\d\d-\d\d", value):
        try:
            date.fromisoformat(value[:10])
        except ValueError:
            return "text"
        return "time"
    if re.fullmatch(r"\+[\d ()/-]{7,20}", value):
        return "phone"
    return "number" if re.fullmatch(r"-?\d{1,12}\.\d{1,4}", value) else "text"


def find(offers: Iterable[Offer], words: str) -> list[Offer]:
    """Return those whose path, label or value hold all of these words; case and accents do not matter."""
    wanted = _fold(words).split()
    return [each for each in offers if _holds(each, wanted)]


def _holds(each: Offer, wanted: Sequence[str]) -> bool:
    text = _fold(f"{each.path} {each.label} {each.value} {each.words}")
    return all(word in text for word in wanted)


@lru_cache(maxsize=8192)
def _fold(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text)
    return "".join(char for char in apart if not unicodedata.combining(char)).casefold()


_EXAMPLES: Mapping[str, tuple[str, str]] = {
    "default": ("customer.first_name", "'there'"),
    "money": ("total_price_set", ""),
    "date": ("created_at", "'long'"),
    "list": ("line_items", "'title', 3"),
    "phone": ("shipping_address.phone", "'DE'"),
    "url_suffix": ("order_status_url", "'https://shop.example/'"),
    "append": ("name", "'!'"),
    "prepend": ("name", "'Order '"),
    "replace": ("name", "'#', 'No. '"),
    "replace_first": ("name", "'#', 'No. '"),
    "remove": ("name", "'#'"),
    "remove_first": ("name", "'#'"),
    "slice": ("name", "0, 20"),
    "split": ("tags", "', '"),
    "join": ("tags", "', '"),
    "map": ("line_items", "'title'"),
    "where": ("line_items", "'sku', 'T1'"),
    "sum": ("line_items", "'price'"),
    "truncate": ("note", "40"),
    "truncatewords": ("note", "10"),
    "plus": ("total_price", "1"),
    "minus": ("total_price", "1"),
    "times": ("total_price", "2"),
    "divided_by": ("total_weight", "1000.0"),
    "modulo": ("total_weight", "1000"),
    "round": ("total_price", "2"),
    "at_least": ("total_price", "0"),
    "at_most": ("total_price", "100"),
}
"""Filter -> what it is used on, and what stands behind its colon; ``mappings/README.md`` has them all."""
_FIRST = ("default", "money", "date", "list", "url_suffix", "phone", "truncate")
_TAG_WORDS = {
    "if": "Prints what stands between only where something holds.",
    "unless": "Prints what stands between only where something does not hold.",
    "case": "Chooses by a value: {% case status %}{% when 'a' %}…{% endcase %}",
    "assign": "Gives a value a name, for the rest of the expression.",
    "comment": "Is not printed.",
    "raw": "Is printed as it stands.",
}
_ROOTS = {"account": "The account whose event it is: its name and public settings.", "event": "Type, label and time."}


def completions(offers: Iterable[Offer] = ()) -> list[Completion]:
    """Return filters with their arguments, tags, roots, and these fields."""
    found = [Completion(word=each.path, kind="field", words=each.label, example=each.liquid) for each in offers]
    found += [Completion(word=name, kind="root", words=words) for name, words in _ROOTS.items()]
    return [*found, *_filters(), *(Completion(word=tag, kind="tag", words=_TAG_WORDS.get(tag, "")) for tag in TAGS)]


@lru_cache(maxsize=1)
def _filters() -> tuple[Completion, ...]:
    return tuple(map(_filter, sorted(filters.FILTERS, key=lambda name: (name not in _FIRST, name))))


def _filter(name: str) -> Completion:
    function = inspect.unwrap(filters.FILTERS[name])
    words = (inspect.getdoc(function) or "").split("\n\n")[0].replace("\n", " ").replace("``", "")
    on, arguments = _EXAMPLES.get(name, ("name", ""))
    ending = f": {arguments}" if arguments else ""
    return Completion(
        word=name, kind="filter", arguments=arguments, words=words or _PLAIN_WORDS.get(name, ""),
        example=f"{{{{ {on} | {name}{ending} }}}}",
    )  # fmt: skip


_PLAIN_WORDS = {
    "upcase": "Make all letters large.",
    "downcase": "Make all letters small.",
    "strip": "Take away spaces at both ends.",
    "lstrip": "Take away spaces at the beginning.",
    "rstrip": "Take away spaces at the end.",
    "abs": "Take away the sign of a number.",
}
_WORDS = {
    "is": "is", "is_not": "is not", "in": "is one of", "not_in": "is none of", "contains": "contains",
    "greater_than": "is more than", "less_than": "is less than", "is_blank": "is blank", "is_present": "is there",
    "starts_with": "begins with", "matches_any": "has one of",
}  # fmt: skip
_BLANKS = ("is_present", "is_blank")
_NUMBERS = ("is", "is_not", "greater_than", "less_than", *_BLANKS, "in", "not_in")
_TEXTS = ("is", "is_not", "in", "not_in", "contains", "starts_with", *_BLANKS, "matches_any")
_FITTING: Mapping[str, Sequence[str]] = {
    "boolean": ("is", "is_not", *_BLANKS),
    "number": _NUMBERS,
    "money": ("greater_than", "less_than", "is", "is_not", *_BLANKS),
    "id": ("is", "is_not", "in", "not_in", *_BLANKS),
    "time": (*_BLANKS, "starts_with"),
    "phone": (*_BLANKS, "starts_with", "is", "is_not"),
    "url": (*_BLANKS, "starts_with", "contains"),
    "list": ("matches_any", "contains", *_BLANKS),
    "object": _BLANKS,
}


def operators_for(type_: str) -> list[tuple[str, str]]:
    """Return the operators that make sense for a field of this type, with their words, the likeliest first."""
    return [(name, _WORDS.get(name, name)) for name in _FITTING.get(type_, _TEXTS) if name in OPERATORS]


_FALLBACKS = {"number": "0", "money": "'–'", "list": "'your items'", "time": "'soon'", "url": "'–'", "phone": "'–'"}
_OUTPUT = re.compile(r"\{\{-?(.*?)-?\}\}", re.DOTALL)


def with_fallback(expression: str, type_: str = "text", words: str = "") -> str:
    """Return the expression with ``| default: …`` for a value of this type; one that has a default is left as it is.

    ``words``: what to say where nothing stands, if not what suits the type.
    """
    said = words.replace("'", "’")
    fallback = f"'{said}'" if said else _FALLBACKS.get(type_, "'there'")

    def add(found: re.Match[str]) -> str:
        inner = found[1].strip()
        return found[0] if re.search(r"\|\s*default\b", inner) else f"{{{{ {inner} | default: {fallback} }}}}"

    return _OUTPUT.sub(add, expression)


def masked(offers: Iterable[Offer]) -> list[Offer]:
    """Return offers whose values are hidden, but for the harmless."""
    hidden = []
    for each in offers:
        counted = each.type in ("list", "object") and each.value[:1].isdigit()
        plain = each.where == "account" or counted or (each.type in _HARMLESS and mask.fits(each.value))
        value = each.value if plain else str(mask.payload(each.value))
        hidden.append(replace(each, value=value))
    return hidden


_HARMLESS = ("number", "money", "boolean", "time")
"""As :mod:`connector.flow.mask` has it for declared fields."""
