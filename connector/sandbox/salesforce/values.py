"""How a field's value is checked, and how it is written in JSON, in SOAP and in CSV."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from connector.model import parse_time
from connector.sandbox.salesforce.faults import RowError
from connector.sandbox.salesforce.objects import FieldSpec

NULL = "#N/A"
"""How Bulk 2.0 writes that a field shall be cleared; an empty cell leaves it alone."""
_NUMBERS = ("double", "currency", "int")


def checked(spec: FieldSpec, value: Any) -> Any:
    """Return a value from JSON as the org keeps it; blank is None. Raises RowError."""
    if value is None or value == "":
        if spec.type == "boolean":
            raise _mistyped(spec, value)
        return None
    if spec.type == "boolean":
        if not isinstance(value, bool):
            raise _mistyped(spec, value)
        return value
    if spec.type in _NUMBERS:
        return _number(spec, value)
    if not isinstance(value, str):
        raise _mistyped(spec, value)
    if spec.type == "datetime":
        moment = parse_time(value)
        if moment is None:
            raise _mistyped(spec, value)
        return moment.astimezone(UTC).replace(microsecond=0)
    if spec.type == "date":
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            raise _mistyped(spec, value) from None
    return _text(spec, value)


def _number(spec: FieldSpec, value: Any) -> float | int:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _mistyped(spec, value)
    try:
        return int(value) if spec.type == "int" else float(value)
    except ValueError:
        raise _mistyped(spec, value) from None


def _text(spec: FieldSpec, value: str) -> str:
    if spec.type in ("picklist", "multipicklist"):
        chosen = [one for one in value.split(";") if one] if spec.type == "multipicklist" else [value]
        if spec.restricted and (unknown := [one for one in chosen if one not in spec.choices]):
            raise RowError(
                "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
                f"bad value for restricted picklist field: {unknown[0]}",
                spec.name,
            )
        # A multi-select picklist keeps the order of its own list, not that of the write.
        order = {one: place for place, one in enumerate(spec.choices)}
        chosen = sorted(dict.fromkeys(chosen), key=lambda one: order.get(one, len(order)))
        return ";".join(chosen)
    if len(value) > spec.length:
        shown = value[:40]
        raise RowError(
            "STRING_TOO_LONG", f"{spec.name}: data value too large: {shown} (max length={spec.length})", spec.name
        )
    return value


def _mistyped(spec: FieldSpec, value: Any) -> RowError:
    kind = "VALUE_STRING" if isinstance(value, str) else f"VALUE_{type(value).__name__.upper()}"
    return RowError(
        "JSON_PARSER_ERROR",
        f"Cannot deserialize instance of {spec.type} from {kind} value {str(value)[:40]} or request may be missing a "
        "required field",
        spec.name,
    )


def from_csv(spec: FieldSpec, text: str) -> Any:
    """Return a cell as JSON would have it. Raises RowError."""
    if text == NULL:
        return None
    if spec.type == "boolean":
        if text.lower() not in ("true", "false"):
            raise _mistyped(spec, text)
        return text.lower() == "true"
    return text


def as_json(value: Any) -> Any:
    """Return a kept value as REST writes it: ``2026-11-22T10:00:00.000+0000``."""
    return f"{value:%Y-%m-%dT%H:%M:%S}.000+0000" if isinstance(value, datetime) else value


def as_text(value: Any) -> str:
    """Return a kept value as SOAP writes it: ``39.0``, ``true``, ``…T10:00:00.000Z``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S}.000Z"
    return str(value)
