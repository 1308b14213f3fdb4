"""Analytics: how far messages come and what follows, by mapping, template, account, language, country and time."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from flask import Response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from connector.errors import ConfigurationError
from connector.flow import attribution, figures, rollup
from connector.flow.cause import CAUSES
from connector.flow.figures import DEFINITIONS, DIMENSIONS, FUNNEL, Figures, Report, Step
from connector.model import Permission, now
from connector.store import Transaction, counts, look, templates
from connector.store import figures as counted
from connector.store.figures import Scope
from connector.store.stats import HOUR, hour_of
from connector.store.views import NONE
from connector.web.console import charts
from connector.web.console.frame import console, needs, record, say, store, tools
from connector.web.console.lists import address, argument, cell, one_of

PERIODS: Mapping[str, tuple[str, timedelta]] = {
    "24h": ("24 hours", timedelta(days=1)),
    "7d": ("7 days", timedelta(days=7)),
    "30d": ("30 days", timedelta(days=30)),
    "90d": ("90 days", timedelta(days=90)),
}
PERIOD = "30d"
MOST_DAYS = 731
ZONE_COOKIE = "connector_zone"
SHOWN = (
    "matched", "sent", "delivered", "read", "replied", "engagement", "ordered", "opted_out", "failed", "clicked",
    "cost",
)  # fmt: skip
"""Columns of the table, in their order."""
LINKED = ("sent", "delivered", "read", "failed")
MOST_LINKED = 50
"""Rows of the table beside the chart whose figures lead to their rows; a page is to stay small."""
_PARTS = ("read", "delivered", "sent", "failed")
CHART_CLASSES = tuple(f"chart-{name}" for name in _PARTS)
_TITLES = {"skipped": "Not planned", "stopped": "Planned, then not sent", "failed": "Failed"}


class Asked(NamedTuple):
    """What the address asks for."""

    scope: Scope
    zone: ZoneInfo
    period: str
    """One of PERIODS; ``""``: from and to were given."""
    given: Mapping[str, str]
    """As it stands in the address, without what is the default."""


@console.get("/analytics")
@needs(Permission.LOOK)
def analytics() -> str:
    """Show the figures of a stretch of time."""
    by = one_of("by", DIMENSIONS, "mapping")
    with store().read() as tx:
        asked = ask(tx)
        read = figures.report(tx, asked.scope, asked.zone, [by])
        compared = figures.total(tx, figures.before(asked.scope)) if _compares() else None
        names = look.account_names(tx)
        return render_template(
            "console/analytics.html",
            asked=asked, given=asked.given, read=read, total=read.total, compared=compared, by=by,
            rows=_sorted(read.by[by]), names=names, link=Links(asked, names), choices=_choices(tx, asked.scope),
            reasons=_reasons(read), chart=_chart(read), course=_course(read, asked, names),
            days=[f"{asked.scope.since.astimezone(asked.zone):%d %b}",
                  f"{(asked.scope.until - HOUR).astimezone(asked.zone):%d %b}"],
            rules=attribution.rules(tx), progress=rollup.progress(tx), unread=counts.troubled(tx),
            definitions=DEFINITIONS, funnel=FUNNEL, shown=SHOWN, periods=PERIODS, dimensions=DIMENSIONS,
            causes=CAUSES, titles=_TITLES, address=address, bar=charts.bar,
        )  # fmt: skip


def ask(tx: Transaction) -> Asked:
    """Read what the address asks for: the stretch of time by the viewer's zone, and what must be so."""
    zone = viewers_zone()
    since, until, period = _stretch(zone)
    given = {name: argument(name) for name in DIMENSIONS}
    ids = {name: id_ for id_, name in look.account_names(tx).items()}
    sides = {
        side: ids.get(given[name], given[name]) if name in ("account", "source") else given[name]
        for name, side in DIMENSIONS.items()
    }
    scope = Scope(since=since, until=max(until, since + HOUR), **sides)
    given |= {"period": "" if period == PERIOD else period}
    given |= {} if period else {name: argument(name)[:10] for name in ("from", "to")}
    given |= {"compare": "1" if _compares() else "", "by": one_of("by", DIMENSIONS), "sort": argument("sort")}
    return Asked(scope, zone, period, {name: value for name, value in given.items() if value})


def _stretch(zone: ZoneInfo) -> tuple[datetime, datetime, str]:
    """Return from when, until when, and which period that is; whole hours of UTC."""
    since, until = _day("from", zone), _day("to", zone)
    at = now()  # once: midnight may come between two looks
    end = hour_of(at) + HOUR
    if since is None and until is None:
        period = one_of("period", PERIODS, PERIOD)
        last = end if period == "24h" else _midnight(at, zone) + timedelta(days=1)
        return _whole(last - PERIODS[period][1]), end, period
    last = min(until + timedelta(days=1), end) if until is not None else end
    begun = since if since is not None else last - PERIODS[PERIOD][1]
    return _whole(max(begun, last - timedelta(days=MOST_DAYS))), _whole(last), ""


def viewers_zone() -> ZoneInfo:
    """Return the zone that days are counted in: of the address, else the one the viewer's browser told, else UTC."""
    for name in (argument("zone"), request.cookies.get(ZONE_COOKIE, "")):
        try:
            return ZoneInfo(name[:64])
        except (KeyError, ValueError, OSError):  # no such zone, or no name of one
            continue
    return ZoneInfo("UTC")


def _midnight(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)


def _day(name: str, zone: ZoneInfo) -> datetime | None:
    try:
        day = datetime.fromisoformat(argument(name)[:10]).replace(tzinfo=zone)
    except ValueError:
        return None
    return day if 2000 <= day.year < 3000 else None  # beyond, adding a zone may leave the calendar


def _whole(at: datetime) -> datetime:
    """Return the first whole hour of UTC from a moment on: zones of half hours are met nearly."""
    hour = hour_of(at.astimezone(UTC))
    return hour if hour == at else hour + HOUR


def _compares() -> bool:
    return argument("compare") == "1"


@dataclass(frozen=True, slots=True)
class Links:
    """Leads from a figure to the rows behind it."""

    asked: Asked
    names: Mapping[str, str]

    def to(
        self, name: str, dimension: str = "", value: str = "", *, since: datetime | None = None, hours: int = 0
    ) -> str:
        """Return the address of the rows that a figure counts; ``""`` where there is no such list."""
        scope = self.asked.scope
        if dimension:
            asked: dict[str, Any] = {DIMENSIONS[dimension]: value}
            scope = replace(scope, **asked)
        begin = since or scope.since
        span = {"from": _minute(begin), "to": _minute(begin + hours * HOUR if hours else scope.until)}
        account = scope.channel_id or scope.source_id
        known = {"mapping": scope.mapping, "account": self.names.get(account, account)} | span
        if name in ("received", "skipped"):
            asked_for = {"verdict": "skip"} if name == "skipped" else {}
            return address("/events", known | asked_for)
        if name in ("clicked", "cost") or (dimension and not value):
            return ""
        sides = {"template": scope.template, "language": scope.language, "country": scope.country}
        step = "engaged" if name == "engagement" else name
        return address("/messages", known | sides | {"reached": step})

    def why(self, kind: str, word: str) -> str:
        """Return the address of what was not sent, or failed, for a reason."""
        if kind == "skipped":
            return f"{self.to('skipped')}&{_query(reason=word)}"
        return f"{self.to(kind)}&{_query(word=word or NONE)}"


def _query(**given: str) -> str:
    return address("", given).removeprefix("?")


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M}"


def _sorted(found: Mapping[str, Figures]) -> Sequence[tuple[str, Figures]]:
    asked = argument("sort")
    name, falling = asked.lstrip("-"), asked.startswith("-")
    if name == "name":
        return sorted(found.items(), reverse=falling)
    if name not in SHOWN:
        return list(found.items())
    return sorted(found.items(), key=lambda item: getattr(item[1], name) or 0, reverse=falling)


def _reasons(read: Report) -> Mapping[str, list[figures.Reasons]]:
    told: dict[str, list[figures.Reasons]] = {kind: [] for kind in ("failed", "stopped", "skipped")}
    for item in read.reasons:
        told[item.kind].append(item)
    return {kind: items for kind, items in told.items() if items}


def _is_hourly(read: Report) -> bool:
    return read.scope.until - read.scope.since <= figures.MOST_HOURS * HOUR


def _label(step: Step, *, hourly: bool) -> str:
    return f"{step.begins:%a %d %b, %H:%M}" if hourly else f"{step.begins:%a %d %b}"


def _chart(read: Report) -> Mapping[str, object]:
    hourly = _is_hourly(read)
    given = []
    for step in read.course:
        one = step.figures
        parts = (one.read, one.delivered - one.read, one.sent - one.delivered, one.failed)
        words = f"{_label(step, hourly=hourly)}: {one.sent:,} sent, {one.delivered:,} delivered, {one.read:,} read"
        words += f", {one.failed:,} failed" if one.failed else ""
        given.append(charts.Column(words=words, parts=[max(part, 0) for part in parts]))
    most = charts.ceiling(max((sum(column.parts) for column in given), default=0))
    total = read.total
    words = f"{total.sent:,} sent, {total.delivered:,} delivered, {total.read:,} read, {total.failed:,} failed."
    title = f"Messages by the {'hour' if hourly else 'day'} they were planned in"
    ticks = [read.course[place] for place in _spread(len(read.course))]
    return {
        "svg": charts.columns(title, words, given, CHART_CLASSES, most=most),
        "title": title,
        "top": most,
        "ticks": [f"{step.begins:%H:%M}" if hourly else f"{step.begins:%d %b}" for step in ticks],
    }


def _spread(number: int) -> list[int]:
    return sorted({0, number // 2, number - 1}) if number else []


class Line(NamedTuple):
    """A row of the table beside the chart."""

    words: str
    figures: Figures
    links: Mapping[str, str]
    day: str
    """Address of the figures of this day alone; ``""`` for an hour."""


def _course(read: Report, asked: Asked, names: Mapping[str, str]) -> Sequence[Line]:
    """Return the rows of the table beside the chart, the latest first; of many days each leads to its own page."""
    hourly, links = _is_hourly(read), Links(asked, names)
    linked = LINKED if len(read.course) <= MOST_LINKED else ()
    ends = [step.begins for step in read.course[1:]] + [read.scope.until]
    rows = []
    for step, end in zip(read.course, ends, strict=True):
        begin = max(_whole(step.begins), read.scope.since)
        hours = max(1, round((_whole(end) - begin) / HOUR))
        told = {name: links.to(name, since=begin, hours=hours) for name in linked}
        day = {"from": f"{step.begins:%Y-%m-%d}", "to": f"{step.begins:%Y-%m-%d}", "period": ""}
        alone = "" if hourly else address("/analytics", {**asked.given, **day})
        rows.append(Line(_label(step, hourly=hourly), step.figures, told, alone))
    return rows[::-1]


def _choices(tx: Transaction, scope: Scope) -> Mapping[str, Sequence[str]]:
    rows, sending = templates.all_(tx), {account.id for account in tools().directory.senders()}
    names = look.account_names(tx)
    return {
        "mapping": look.mapping_names(tx),
        "template": sorted({row.template.name for row in rows}),
        "account": sorted(name for id_, name in names.items() if id_ in sending),
        "source": sorted(name for id_, name in names.items() if id_ not in sending),
        "language": sorted({row.template.language for row in rows}),
        "country": counted.countries(tx, scope.since, scope.until),
    }


@console.get("/analytics.csv")
@needs(Permission.LOOK)
def analytics_csv() -> Response:
    """Give the figures as a file: the whole, each hour or day, and each dimension; nothing personal is in it."""
    with store().read() as tx:
        asked = ask(tx)
        read = figures.report(tx, asked.scope, asked.zone)
        names = look.account_names(tx)
    hourly = _is_hourly(read)
    lines: list[tuple[str, str, Figures]] = [("all", "", read.total)]
    lines += [("hour" if hourly else "day", f"{step.begins:%Y-%m-%d %H:%M %z}", step.figures) for step in read.course]
    for name, found in read.by.items():
        lines += [(name, names.get(value, value), item) for value, item in found.items()]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["by", "value", *figures.COLUMNS, "engagement"])
    for kind, value, item in lines:
        told = figures.as_json(item)
        told["engagement"] = None if item.engagement is None else round(item.engagement, 4)
        writer.writerow([kind, cell(value), *("" if one is None else one for one in told.values())])
    answer = Response("\ufeff" + text.getvalue(), mimetype="text/csv")
    answer.headers["Content-Disposition"] = f'attachment; filename="figures-{now():%Y-%m-%d}.csv"'
    return answer


@console.post("/analytics/attribution")
@needs(Permission.EDIT_ACCOUNTS)
def change_attribution() -> AnyResponse:
    """Let another window, or other events, count as orders from now on."""
    days = request.form.get("days", "").strip()
    types = tuple(dict.fromkeys(request.form.get("types", "")[:500].replace(",", " ").split()))
    try:
        given = attribution.Rules(days=int(days) if days.isascii() and days.isdigit() else 0, types=types)
        with store().write() as tx:
            attribution.put_rules(tx, given)
    except ConfigurationError as fault:
        say(f"Not changed. {fault}", "fail")
    else:
        record("attribution.changed", "", f"{given.days} days; {', '.join(given.types)}")
        say(f"From now on an order within {given.days} days counts. What was counted stays as it is.")
    return redirect("/analytics#attribution", 303)
