"""Suggesting expressions for the slots of a template, from what an event declares and from a mapping like it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from connector.contract import Field
from connector.mapping.nearest import nearest
from connector.model import Slot, SlotKind, Template

_NUMBER = re.compile(r"#\s?\w*\d+")
_MONEY = re.compile(r"(?:[$€£¥₹]|[A-Z]{3})\s?\d[\d.,\s]*|\d[\d.,\s]*\s?(?:[$€£¥₹]|[A-Z]{3})")
_FIRST_NAMES = ("customer.first_name", "first_name", "FirstName", "billing_address.first_name")


def suggest_slots(template: Template, fields: Sequence[Field], like: Mapping[str, str]) -> dict[str, str]:
    """Return an expression for each slot that something fits; the others are left for people.

    ``like`` are the slots of a mapping for the same event: taken for the same key, where it is of one name.
    """
    found = {}
    for slot in template.slots:
        expression = _of_name(slot, fields, like) or _of_example(slot, fields)
        if expression:
            found[slot.key] = expression
    return found


def _of_name(slot: Slot, fields: Sequence[Field], like: Mapping[str, str]) -> str:
    tail = slot.key.rpartition(".")[2]
    if slot.kind is SlotKind.URL_SUFFIX:
        return next((text for key, text in like.items() if key.endswith(".url")), "")
    if tail.isdigit() or slot.kind is not SlotKind.TEXT:
        return ""
    if slot.key in like:
        return like[slot.key]
    by_name = {field.path.rpartition(".")[2]: field for field in reversed(fields) if "[" not in field.path}
    if tail in by_name:
        return expression_of(by_name[tail])
    hint = nearest(tail, by_name)
    return next((expression_of(field) for name, field in by_name.items() if hint and repr(name) in hint), "")


def _of_example(slot: Slot, fields: Sequence[Field]) -> str:
    example = slot.example.strip()
    if slot.kind is not SlotKind.TEXT or not example:
        return ""
    if _NUMBER.fullmatch(example):
        return _first(fields, "name", "CaseNumber", "order_number")
    if _MONEY.fullmatch(example):
        return next((expression_of(field) for field in fields if field.type == "money"), "")
    if example.isalpha() and example.istitle():
        return _first(fields, *_FIRST_NAMES)
    return ""


def _first(fields: Sequence[Field], *paths: str) -> str:
    known = {field.path: field for field in fields}
    return next((expression_of(known[path]) for path in paths if path in known), "")


def expression_of(field: Field) -> str:
    """Return the expression that prints a field: with the filter that its type asks for, and a greeting's fallback."""
    last = field.path.rpartition(".")[2].lower().replace("_", "")
    if field.type == "money":
        return f"{{{{ {field.path} | money }}}}"
    if field.type == "time":
        return f"{{{{ {field.path} | date }}}}"
    if last == "firstname":
        return f"{{{{ {field.path} | default: 'there' }}}}"
    return f"{{{{ {field.path} }}}}"
