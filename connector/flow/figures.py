"""Figures: what is counted, what each figure means, and their reading for pages, files and the API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from connector.store import Transaction, figures
from connector.store.figures import Scope, Sum
from connector.store.stats import HOUR, SIDES, SUMS


class Definition(NamedTuple):
    """What a figure is called, and what it means."""

    title: str
    words: str


DEFINITIONS: Mapping[str, Definition] = {
    "received": Definition(
        "Received", "Events that came in from shops, CRMs and the API. Of one mapping: those that it listened to."
    ),
    "skipped": Definition("Skipped", "Events for which a mapping decided not to send anything, with the reason."),
    "matched": Definition(
        "Matched",
        "Messages that a mapping planned. One event may be matched by several mappings; a message that a newer event "
        "replaced counts once.",
    ),
    "stopped": Definition(
        "Stopped",
        "Planned messages that were not sent after all: called off by another event, too late, no consent any more, "
        "over a cap.",
    ),
    "sent": Definition("Sent", "Messages that the channel took over."),
    "delivered": Definition("Delivered", "Messages that reached the phone. One that was read counts as delivered too."),
    "read": Definition(
        "Read", "Messages that were opened. People can switch read receipts off, so this is the least there were."
    ),
    "replied": Definition(
        "Replied",
        "Messages that were answered, in words or by a button: the one that the answer quotes, else the last one to "
        "this person in the 24 hours before it. Two answers to one message count once.",
    ),
    "engaged": Definition(
        "Engaged",
        "Delivered messages whose reader tapped, answered or clicked; each person once a message. Who only said stop "
        "does not count.",
    ),
    "engagement": Definition("Engagement rate", "Engaged out of delivered."),
    "ordered": Definition(
        "Ordered",
        "Orders by people who had a message delivered in the days before (the attribution window). The last message "
        "before the order counts, and never one about that very order.",
    ),
    "opted_out": Definition(
        "Opted out",
        "People who took their consent back, by the last message delivered in the 7 days before. Without such a "
        "message it is counted without a mapping.",
    ),
    "failed": Definition("Failed", "Messages that the channel refused or could not deliver, with its code."),
    "clicked": Definition("Clicked", "Data comes with a later version."),
    "cost": Definition("Cost", "Data comes with a later version."),
}
FUNNEL = ("received", "matched", "sent", "delivered", "read", "replied", "ordered")
COLUMNS = (
    "received", "skipped", "matched", "stopped", "sent", "delivered", "read", "replied", "engaged", "ordered",
    "opted_out", "failed", "clicked", "cost",
)  # fmt: skip
DIMENSIONS: Mapping[str, str] = {
    "mapping": "mapping",
    "template": "template",
    "account": "channel_id",
    "source": "source_id",
    "language": "language",
    "country": "country",
}
"""What figures are told by -> the side of the counts."""
MOST_HOURS = 49
"""Up to so many hours are drawn one by one; more as days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was counted; None where a figure has no such side, or is not measured."""

    received: int | None = 0
    skipped: int | None = 0
    matched: int = 0
    stopped: int = 0
    sent: int = 0
    delivered: int = 0
    read: int = 0
    replied: int = 0
    engaged: int = 0
    ordered: int = 0
    opted_out: int = 0
    failed: int = 0
    clicked: int | None = None
    cost: int | None = None

    @property
    def engagement(self) -> float | None:
        """Engaged out of delivered; None where nothing was."""
        return self.engaged / self.delivered if self.delivered else None

    def __add__(self, other: Figures) -> Figures:
        return Figures(**{name: _plus(getattr(self, name), getattr(other, name)) for name in COLUMNS})


def _plus(a: int | None, b: int | None) -> Any:
    return a if b is None else b if a is None else a + b


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasons:
    """How often, for one reason."""

    kind: str
    """``skipped``, ``stopped`` or ``failed``."""
    word: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One column of the course: an hour or a day by the zone asked for."""

    begins: datetime
    """In that zone."""
    figures: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The figures of a stretch of time."""

    scope: Scope
    total: Figures
    by: Mapping[str, Mapping[str, Figures]] = field(default_factory=dict)
    """Dimension -> value -> figures; the most matched first."""
    course: Sequence[Step] = ()
    reasons: Sequence[Reasons] = ()
    types: Mapping[str, int] = field(default_factory=dict)
    """Events by their type."""


def report(tx: Transaction, scope: Scope, zone: tzinfo, by: Iterable[str] = tuple(DIMENSIONS)) -> Report:
    """Read everything about a stretch of time. Days are those of the zone, made of hours of UTC."""
    rows = figures.by_sides(tx, scope)
    whys = figures.reasons(tx, scope)
    events = figures.events(tx, scope)
    told = {name: _by(name, rows, whys, events, scope) for name in by}
    reasons: dict[tuple[str, str], int] = {}
    for why in whys:
        reasons[why.kind, why.word] = reasons.get((why.kind, why.word), 0) + why.number
    types: dict[str, int] = {}
    for _, type_, number in events:
        types[type_] = types.get(type_, 0) + number
    return Report(
        scope=scope,
        total=_total(rows, whys, events, scope),
        by=told,
        course=_course(tx, scope, zone),
        reasons=[
            Reasons(kind=kind, word=word, number=number)
            for (kind, word), number in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
        ],
        types=dict(sorted(types.items(), key=lambda item: (-item[1], item[0]))),
    )


def total(tx: Transaction, scope: Scope) -> Figures:
    """Read the sums of a stretch alone."""
    return _total(figures.by_sides(tx, scope), figures.reasons(tx, scope), figures.events(tx, scope), scope)


def _figures(row: Sum) -> Figures:
    return Figures(
        received=None, skipped=None, **{name: getattr(row, name) for name in SUMS}, clicked=row.clicked, cost=row.cost
    )


def _total(
    rows: Iterable[Sum], whys: Iterable[figures.Why], events: Iterable[tuple[str, str, int]], scope: Scope
) -> Figures:
    found = sum(map(_figures, rows), Figures(received=None, skipped=None))
    skipped = None if _is_of_messages(scope) else sum(why.number for why in whys if why.kind == "skipped")
    received: int | None = None
    if skipped is not None:
        received = found.matched + skipped if scope.mapping else sum(number for _, _, number in events)
    return replace(found, skipped=skipped, received=received)


def _is_of_messages(scope: Scope) -> bool:
    """Tell whether a side is asked for that events do not have: nothing can be said of those then."""
    return bool(scope.template or scope.channel_id or scope.language or scope.country)


def _by(
    name: str, rows: Iterable[Sum], whys: Iterable[figures.Why], events: Iterable[tuple[str, str, int]], scope: Scope
) -> dict[str, Figures]:
    place = SIDES.index(DIMENSIONS[name])
    found: dict[str, Figures] = {}
    for row in rows:
        value = str(row.key[place])
        found[value] = found.get(value, Figures(received=None, skipped=None)) + _figures(row)
    if name in ("mapping", "source") and not _is_of_messages(scope):
        for why in whys:
            if why.kind == "skipped":
                value = why.mapping if name == "mapping" else why.source_id
                found[value] = found.get(value, Figures(received=None)) + Figures(received=None, skipped=why.number)
        if name == "mapping" or scope.mapping:
            found = {value: _heard(item) if value else item for value, item in found.items()}
        else:
            for source, _, number in events:
                found[source] = found.get(source, Figures(received=None)) + Figures(received=number)
    return dict(sorted(found.items(), key=lambda item: (-item[1].matched, item[0])))


def _heard(item: Figures) -> Figures:
    return replace(item, skipped=item.skipped or 0, received=item.matched + (item.skipped or 0))


def _course(tx: Transaction, scope: Scope, zone: tzinfo) -> list[Step]:
    hourly = scope.until - scope.since <= MOST_HOURS * HOUR
    begin = _hour if hourly else _day
    begun = {at: begin(at, zone) for at in _each(scope.since, scope.until)}
    sums: dict[datetime, list[Any]] = {key: [0] * len(SUMS) + [None, None] for key in begun.values()}
    for row in figures.by_hour(tx, scope):  # up to 24 rows a day: added up without making values of each
        step = sums[begun[row.key[0]]]
        for place, value in enumerate(row[1:]):
            if value is not None:
                step[place] = value + (step[place] or 0)
    counted = {key: _figures(Sum((key,), *sums[key])) for key in sorted(sums)}
    if _is_of_messages(scope):
        return [Step(begins=key, figures=item) for key, item in counted.items()]
    skipped, received = dict.fromkeys(sums, 0), dict.fromkeys(sums, 0)
    for hour, number in figures.skips_by_hour(tx, scope).items():
        skipped[begun[hour]] += number
    for hour, number in figures.events_by_hour(tx, scope).items() if not scope.mapping else ():
        received[begun[hour]] += number
    told = {key: replace(item, skipped=skipped[key], received=received[key]) for key, item in counted.items()}
    return [Step(begins=key, figures=_heard(item) if scope.mapping else item) for key, item in told.items()]


def _each(since: datetime, until: datetime) -> Iterable[datetime]:
    at = since
    while at < until:
        yield at
        at += HOUR


def _hour(at: datetime, zone: tzinfo) -> datetime:
    return at.astimezone(zone)


def _day(at: datetime, zone: tzinfo) -> datetime:
    return at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


def before(scope: Scope) -> Scope:
    """Return the stretch of the same length just before."""
    length: timedelta = scope.until - scope.since
    return replace(scope, since=scope.since - length, until=scope.since)


def as_json(item: Figures) -> dict[str, Any]:
    """Return figures by name, as the API tells them."""
    return {name: getattr(item, name) for name in COLUMNS} | {"engagement": item.engagement}
