"""The editor's words for what a template and an event are made of: slots, kinds, types, how long ago."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from connector.model import Json, Template, now

KINDS: Mapping[str, str] = {
    "text": "text",
    "url_suffix": "end of a link",
    "payload": "comes back when tapped",
    "code": "code",
    "media": "https link, or id of an upload",
    "number": "number",
    "json": "structure (JSON)",
    "": "no slot of the template",
}
TYPES: Mapping[str, str] = {
    "text": "Aa", "number": "12", "money": "$", "boolean": "✓", "time": "◷", "phone": "☏", "url": "↗", "id": "ID",
    "list": "[ ]", "object": "{ }",
}  # fmt: skip
"""A type of field -> the sign in front of it."""
TAILS: Mapping[str, str] = {
    "url": "end of its link", "payload": "what it sends back", "code": "code to copy", "token": "token of its form",
    "data": "data of its form", "sections": "products", "text": "value", "expires": "when it ends",
}  # fmt: skip
_CARD = re.compile(r"card\.(\d+)\.")


def slot_words(key: str, template: Template | None = None) -> str:
    """Say a slot's key in words: ``body.1`` is the "Body, 1st value"."""
    card = _CARD.match(key)
    if card:
        inner = slot_words(key[card.end() :])
        return f"Card {int(card[1]) + 1}: {inner[0].lower()}{inner[1:]}"
    part, _, tail = key.partition(".")
    if part == "button":
        place, _, tail = tail.partition(".")
        return f"{_button(place, template)}, {TAILS.get(tail, tail.replace('_', ' '))}"
    what = (
        f"{ordinal(int(tail))} value" if tail.isdigit() and len(tail) < 4 else TAILS.get(tail, tail.replace("_", " "))
    )
    if part == "header":
        return f"Header {what}" if what != "value" else "Header, its value"
    return f"{part.replace('_', ' ').capitalize()}{f', {what}' if what else ''}"


def _button(place: str, template: Template | None) -> str:
    parts = template.parts if template else ()
    label = next((part.text.partition(" → ")[0] for part in parts if part.prefix == f"button.{place}"), "")
    return f"Button “{label}”" if label else f"{ordinal(int(place) + 1)} button" if place.isdigit() else "Button"


def ordinal(number: int) -> str:
    """Write ``1st``, ``2nd``, ``11th``."""
    last = 0 if number % 100 in (11, 12, 13) else number % 10
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(last, 'th') }"


def ago(at: datetime, present: datetime | None = None) -> str:
    """Say how long ago something was."""
    seconds = ((present or now()) - at).total_seconds()
    if seconds < 60:
        return "just now"
    for length, unit in ((86_400, "day"), (3_600, "h"), (60, "min")):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''} ago"
    return "just now"


def show_json(value: Json) -> str:
    """Write a payload as indented JSON; every digit of a number stays."""
    return _indent(value, "")


def _indent(value: Any, room: str) -> str:
    inner = f"{room}  "
    if isinstance(value, Mapping) and value:
        lines = (
            f"{inner}{json.dumps(str(key), ensure_ascii=False)}: {_indent(each, inner)}" for key, each in value.items()
        )
        return "{\n" + ",\n".join(lines) + f"\n{room}}}"
    if isinstance(value, list | tuple) and value:
        return "[\n" + ",\n".join(f"{inner}{_indent(each, inner)}" for each in value) + f"\n{room}]"
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value, ensure_ascii=False, default=str)
