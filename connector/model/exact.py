"""Writing JSON as it was read: numbers of any length come out as they went in, never through a float."""

from __future__ import annotations

import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Any

# json cannot write a Decimal as a number. NUL stands in no text that we store, so it can mark one.
_MARKED = re.compile(r'"\\u0000(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\\u0000"')


def write_json(value: Any) -> str:
    """Write a value as JSON; moments as RFC 3339 in UTC. Raises TypeError for what is none."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
    return _MARKED.sub(r"\1", text)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"\0{value}\0"
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, frozenset | set):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
