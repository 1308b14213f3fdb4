"""Rolling up: hours in which something changed are counted again, a few at a time, the latest first.

Found by whatever was made since the last look (:func:`connector.store.stats.touched`) and by how many messages
have not left yet; each look begins a little before the last one, for transactions that were open then. Counting
an hour twice changes nothing, so a crash anywhere costs a little work. Once a day the last days are counted
afresh, in case a machine's clock was wrong. Nothing here holds the right to write longer than it takes to put
down what was counted.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connector.model import MessageId, now
from connector.policy import country_of
from connector.store import Store, Transaction, marks, stats
from connector.store.stats import HOUR

JOB = "roll_up"
EVERY = timedelta(minutes=1)
QUIET = timedelta(minutes=10)
"""So often also where nothing was made: messages may have been called off or have come too late."""
OVERLAP = timedelta(minutes=2)
"""Longer than a transaction may be open, and than clocks of machines may differ."""
AFRESH = timedelta(days=8)
MOST_HOURS = 48
MOST_MESSAGES = 20_000
"""Hours are written together until they hold so many messages."""
FILL = 500
CALM = 10
"""After counting for a second, count no more for so many."""

_LOOKED = "stats"
_WAITING = "stats:waiting"
_NEXT = "stats:next"
_BACKLOG = "stats:backlog"
_DAY = "stats:day"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolled:
    """What one run did."""

    hours: int
    left: int
    """Hours that are still to be counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far counting the past has come."""

    left: int
    total: int
    counted_at: datetime | None
    """When was last looked for what has changed; None: never."""


def is_due(tx: Transaction) -> bool:
    """Tell whether it is time to look again, and there may be something to find."""
    asked = marks.many(tx, (_NEXT, _LOOKED))
    if _NEXT not in asked:
        return True
    at = now()
    if at < datetime.fromisoformat(asked[_NEXT][0]):
        return False
    looked_at = _moment(asked[_LOOKED][0]) if _LOOKED in asked else None
    if looked_at is None or at - looked_at >= QUIET or stats.due(tx, 1):
        return True
    return stats.has_news(tx, looked_at - OVERLAP)


def put_off(tx: Transaction, span: timedelta = EVERY) -> None:
    """Look no sooner than in so long."""
    marks.put(tx, _NEXT, (now() + span).isoformat())


def progress(tx: Transaction) -> Progress:
    """Tell how far counting has come."""
    told = marks.many(tx, (_LOOKED, _BACKLOG))
    left = stats.left(tx)
    total = int(told[_BACKLOG][0]) if _BACKLOG in told else 0
    looked_at = _moment(told[_LOOKED][0]) if _LOOKED in told else None
    return Progress(left=left, total=max(total, left), counted_at=looked_at)


def roll_up(store: Store, *, enough: Callable[[], bool] = lambda: False) -> Rolled:
    """Find the hours that have changed, and count them until it is ``enough``. For one at a time."""
    find_due(store)
    done = 0
    while True:
        counted = _count_some(store)
        done += counted
        if not counted or enough():
            break
    with store.read() as tx:
        return Rolled(hours=done, left=stats.left(tx))


def find_due(store: Store) -> None:
    """Note which hours have changed since the last look. A crash before the end is as if it had not been begun."""
    with store.read() as tx:
        at = now()
        told = marks.many(tx, (_LOOKED, _WAITING, _DAY))
        waiting = stats.waiting(tx)
        if _LOOKED in told:
            before = json.loads(told[_WAITING][0]) if _WAITING in told else {}
            hours = stats.touched(tx, _moment(told[_LOOKED][0]) - OVERLAP) | stats.hours_between(before, waiting)
        else:
            hours = set(_hours(stats.first(tx), at))
        today = f"{at:%Y-%m-%d}"
        if _DAY not in told or told[_DAY][0] != today:
            first = stats.first(tx)
            hours |= {hour for hour in _hours(first, at) if hour >= at - AFRESH}
    with store.write() as tx:
        stats.put_due(tx, hours)
        marks.put(tx, _LOOKED, at.isoformat())
        marks.put(tx, _WAITING, json.dumps(waiting, separators=(",", ":")))
        marks.put(tx, _DAY, today)
        if len(hours) > MOST_HOURS or _LOOKED not in told:
            marks.put(tx, _BACKLOG, str(stats.left(tx)))


def _hours(first: datetime | None, at: datetime) -> list[datetime]:
    hour, found = first, []
    while hour is not None and hour <= at:
        found.append(hour)
        hour += HOUR
    return found


def _count_some(store: Store) -> int:
    """Count a few hours, and write them down together; return how many."""
    with store.read() as tx:
        hours = stats.due(tx, MOST_HOURS)
    for hour in hours:
        _fill(store, hour)
    counted: dict[datetime, stats.Counted] = {}
    with store.read() as tx:
        room = MOST_MESSAGES
        for hour in hours:
            counted[hour] = stats.count(tx, hour)
            room -= sum(row["matched"] for row in counted[hour].messages)
            if room <= 0:
                break
    with store.write() as tx:
        stats.put(tx, counted)
    return len(counted)


def _fill(store: Store, hour: datetime) -> None:
    """Work out of which country numbers are, for messages that were planned before this was remembered."""
    while True:
        with store.read() as tx:
            if not stats.has_countryless(tx, hour):
                return
        with store.write() as tx:
            rows = stats.countryless(tx, hour, FILL)
            found: dict[str, list[MessageId]] = defaultdict(list)
            for id_, recipient in rows.items():
                found[country_of(recipient)].append(id_)
            stats.put_countries(tx, found)
        if len(rows) < FILL:
            return  # what is locked now changes now, and is counted again


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
