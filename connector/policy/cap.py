"""At most so many messages to one person in so long."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from connector.model import parse_duration

LONGEST = timedelta(days=365)
_CAP = re.compile(r"([0-9]{1,4})\s+per\s+(.{1,40})")


@lru_cache(maxsize=256)
def parse_cap(cap: str) -> tuple[int, timedelta]:
    """Read ``2 per 24h``: how many, and in how long. Raises ValueError, in words for whoever wrote it."""
    match = _CAP.fullmatch(cap.strip())
    if match is None:
        raise ValueError("write a cap as 1 per 7d")
    most, within = int(match[1]), parse_duration(match[2])
    if most < 1:
        raise ValueError("a cap of none sends nothing; unpublish the mapping instead")
    if not timedelta() < within <= LONGEST:
        raise ValueError(f"a cap counts over at least 1s and at most {LONGEST.days} days")
    return most, within


def over(cap: str, sent_at: Iterable[datetime], at: datetime) -> datetime | None:
    """Return None where one more message keeps the cap at this moment, else the first moment when it would.

    ``sent_at`` are the moments of the messages that count, in any order. One that left exactly as long ago as
    the cap counts has left the count. Raises ValueError for a cap that is none.
    """
    most, within = parse_cap(cap)
    counted = sorted((moment for moment in sent_at if moment + within > at), reverse=True)
    return counted[most - 1] + within if len(counted) >= most else None


def over_any(caps: Iterable[str], sent_at: Sequence[datetime], at: datetime) -> datetime | None:
    """Return None where one more message keeps all of these caps, else the first moment when it keeps them all."""
    return max((free for cap in caps if (free := over(cap, sent_at, at))), default=None)


def span_of(caps: Iterable[str]) -> timedelta:
    """Return how far back messages count for the longest of these caps; nothing where there are none."""
    return max((parse_cap(cap)[1] for cap in caps), default=timedelta())
