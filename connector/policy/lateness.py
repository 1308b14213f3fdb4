"""News that has gone stale is not sent."""

from __future__ import annotations

from datetime import datetime, timedelta

from connector.model import Reason, Skip


def late(expires_at: datetime | None, now: datetime) -> Skip | None:
    """Stop what had to leave before now; None as ``expires_at`` means that it never goes stale."""
    if expires_at is None or now <= expires_at:
        return None
    words = f"It had to leave by {expires_at:%Y-%m-%d %H:%M} UTC, which is {span(now - expires_at)} ago."
    return Skip(reason=Reason.TOO_LATE, words=words)


def span(time: timedelta) -> str:
    """Say how long something is, in its two largest units: ``1 d 4 h``, ``10 min``, ``45 s``."""
    seconds = int(abs(time).total_seconds())
    parts = [
        f"{amount} {unit}"
        for amount, unit in (
            (seconds // 86400, "d"),
            (seconds // 3600 % 24, "h"),
            (seconds // 60 % 60, "min"),
            (seconds % 60, "s"),
        )
        if amount
    ]
    return " ".join(parts[:2]) or "0 s"
