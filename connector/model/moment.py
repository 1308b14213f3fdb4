"""Moments: always aware, always UTC once inside."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_DURATION = re.compile(r"(\d+)\s*(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_FRACTION = re.compile(r"(\.\d{6})\d+")


def now() -> datetime:
    """Return the present moment in UTC; the one place that reads the clock."""
    return datetime.now(UTC)


def parse_time(text: str) -> datetime | None:
    """Read RFC 3339 (nanoseconds are cut) or Unix seconds; None where it is neither or has no zone."""
    text = text.strip()
    try:
        if text.isascii() and text.isdigit() and len(text) <= 11:
            return datetime.fromtimestamp(int(text), UTC)
        moment = datetime.fromisoformat(_FRACTION.sub(r"\1", text))
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError, OSError):
        return None


def parse_duration(text: str) -> timedelta:
    """Read ``90s``, ``10m``, ``12h``, ``2d`` or a sum of them (``1d 12h``). Raises ValueError."""
    found = _DURATION.findall(text)
    if not found or _DURATION.sub("", text).strip():
        raise ValueError("write a duration as 90s, 10m, 12h, 2d or a sum such as 1d 12h")
    total = timedelta()
    for number, unit in found:
        if len(number) > 6:
            raise ValueError("a duration of more than 999999 units is not sensible")
        total += timedelta(**{_UNITS[unit]: int(number)})
    return total
