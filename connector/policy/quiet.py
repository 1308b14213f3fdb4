"""Hours in which a person is not written to, by the clock on their own wall."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

LONGEST = timedelta(hours=48)
"""Where no moment within this suits all zones, the first zone decides alone."""
_QUIET = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])\s*-\s*([01][0-9]|2[0-3]):([0-5][0-9])")
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


@lru_cache(maxsize=256)
def parse_quiet(quiet: str) -> tuple[time, time]:
    """Read ``21:00-09:00``: from when, and until when. Raises ValueError, in words for whoever wrote it."""
    match = _QUIET.fullmatch(quiet.strip())
    if match is None:
        raise ValueError("write quiet hours as 21:00-09:00")
    first_hour, first_minute, last_hour, last_minute = map(int, match.groups())
    begins, ends = time(first_hour, first_minute), time(last_hour, last_minute)
    if begins == ends:
        raise ValueError("begin and end at the same time; nobody could ever be written to")
    return begins, ends


def opens_at(at: datetime, quiet: str, zones: Sequence[str]) -> datetime | None:
    """Return None where one may write at this moment, else the first moment when one may, in UTC.

    ``zones`` are IANA names; it must be outside the quiet hours in all of them, since which of them a person
    is in is not known. Where that is never so within :data:`LONGEST`, the first of them decides. Quiet is
    what the clock on the wall shows, so an hour that a change of clocks skips or repeats is counted as shown.
    Raises ValueError for quiet hours that are none; ``""`` means that there are none. No zones mean UTC.
    """
    if not quiet.strip():
        return None
    begins, ends = parse_quiet(quiet)
    known = [zone for name in zones if (zone := _zone(name))] or [ZoneInfo("UTC")]
    moment = at.astimezone(UTC)
    opened = _open_in_all(moment, begins, ends, known) or _open_in_all(moment, begins, ends, known[:1])
    return None if opened is None or opened == moment else opened


def zones_of(phone: str, timezone: str, fallback: str) -> tuple[str, ...]:
    """Return the zones that a person may be in: their own, else those of their number, else the account's, else UTC.

    ``phone`` is E.164 or ``""``; a number of a country with several zones that does not tell which gives all
    of them. Names that are no zone count as not given.
    """
    if _zone(timezone):
        return (timezone,)
    if by_number := _zones_of_number(phone):
        return by_number
    return (fallback,) if _zone(fallback) else ("UTC",)


@lru_cache(maxsize=4096)
def _zones_of_number(phone: str) -> tuple[str, ...]:
    if not phone.startswith("+"):
        return ()
    # Its tables are large; most processes never ask.
    from phonenumbers import NumberParseException, parse
    from phonenumbers.timezone import time_zones_for_number

    try:
        names = time_zones_for_number(parse(phone))
    except NumberParseException:
        return ()
    return tuple(name for name in names if _zone(name))


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name and len(name) < 100 else None
    except (KeyError, ValueError, OSError):
        return None


def _open_in_all(at: datetime, begins: time, ends: time, zones: Sequence[ZoneInfo]) -> datetime | None:
    """Return the first moment from ``at`` on that is quiet in none of these, or None within the longest wait."""
    moment, latest = at, at + LONGEST
    while moment <= latest:
        quiet = [zone for zone in zones if _is_quiet(moment, begins, ends, zone)]
        if not quiet:
            return moment
        moment = max(_ends_in(moment, begins, ends, zone) for zone in quiet)
    return None


def _is_quiet(moment: datetime, begins: time, ends: time, zone: ZoneInfo) -> bool:
    shown = moment.astimezone(zone).time()
    return begins <= shown < ends if begins < ends else shown >= begins or shown < ends


def _ends_in(moment: datetime, begins: time, ends: time, zone: ZoneInfo) -> datetime:
    """Return when the quiet hours end that a zone is in now."""
    while True:
        shown = moment.astimezone(zone)
        ahead = (datetime.combine(shown.date(), ends) - shown.replace(tzinfo=None)) % _DAY
        end = moment + ahead
        if end.astimezone(zone).utcoffset() == shown.utcoffset():
            return end
        # The clocks change before: from then on the wall shows something else.
        moment = _change_between(moment, end, zone)
        if not _is_quiet(moment, begins, ends, zone):
            return moment


def _change_between(early: datetime, late: datetime, zone: ZoneInfo) -> datetime:
    """Return the first whole second after ``early`` at which the zone's clocks have been changed."""
    before = early.astimezone(zone).utcoffset()
    low = early.replace(microsecond=0)
    high = late.replace(microsecond=0) + (_SECOND if late.microsecond else timedelta())
    while high - low > _SECOND:
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high
