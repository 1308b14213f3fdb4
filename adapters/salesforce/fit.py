"""What an object's description says of its fields: as we name their types, and whether a value can be written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from adapters.salesforce.errors import coded
from connector.contract import Field
from connector.errors import RemoteError
from connector.model import Json, Payload, text_at

TYPES: Mapping[str, str] = {
    "boolean": "boolean", "int": "number", "long": "number", "double": "number", "percent": "number",
    "currency": "money", "date": "time", "datetime": "time", "time": "time", "phone": "phone", "url": "url",
    "id": "id", "reference": "id", "multipicklist": "list", "address": "object", "location": "object",
    "complexvalue": "object", "anyType": "text",
}  # fmt: skip
"""Salesforce's field type -> ours; all others are text."""
PICKLIST_MOST = 20
"""Values of a picklist that are told in words."""
_NUMBERS = frozenset({"int", "long", "double", "percent", "currency"})
_OTHER = frozenset({"boolean", "address", "location", "complexvalue", "base64"}) | _NUMBERS
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)")


def by_name(described: Payload) -> dict[str, Payload]:
    """Return an object's fields by name."""
    fields = described.get("fields")
    found = [field for field in fields if isinstance(field, Mapping)] if isinstance(fields, Sequence) else []
    return {text_at(field, "name"): field for field in found if text_at(field, "name")}


def field_of(described: Payload) -> Field:
    """Return one described field in our words: its label, the values it takes, and whether it can be edited."""
    words = [text_at(described, "label")]
    if values := picklist(described):
        shown = ", ".join(values[:PICKLIST_MOST])
        words.append(f"values: {shown}{', …' if len(values) > PICKLIST_MOST else ''}")
    if described.get("updateable") is not True:
        words.append("read only")
    return Field(
        text_at(described, "name"), TYPES.get(text_at(described, "type"), "text"), "; ".join(filter(None, words))
    )


def picklist(described: Payload) -> list[str]:
    """Return the active values of a picklist, none for other fields."""
    values = described.get("picklistValues")
    found = values if isinstance(values, Sequence) and not isinstance(values, str) else []
    return [text_at(value, "value") for value in found if isinstance(value, Mapping) and value.get("active") is True]


def misfits(fields: Mapping[str, Payload], values: Mapping[str, Json]) -> dict[str, RemoteError]:
    """Return the fields that cannot be written so, each with the error that Salesforce has for it."""
    found = {name: _misfit(fields.get(name), value) for name, value in values.items()}
    return {name: coded(code) for name, code in found.items() if code}


def _misfit(described: Payload | None, value: Json) -> str:
    if described is None:
        return "INVALID_FIELD"
    if described.get("updateable") is not True:
        return "INVALID_FIELD_FOR_INSERT_UPDATE"
    kind = text_at(described, "type")
    if value is None:
        return "INVALID_TYPE_ON_FIELD_IN_RECORD" if kind == "boolean" else ""
    fits = {
        "boolean": isinstance(value, bool),
        "date": isinstance(value, str) and _DATE.fullmatch(value) is not None,
        "datetime": isinstance(value, str) and _MOMENT.fullmatch(value) is not None,
    }.get(kind)
    if fits is None:
        number = isinstance(value, int | Decimal) and not isinstance(value, bool)
        fits = number if kind in _NUMBERS else isinstance(value, str) and kind not in _OTHER
    return "" if fits else "INVALID_TYPE_ON_FIELD_IN_RECORD"
