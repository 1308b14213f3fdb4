"""Today: what needs somebody, how far today's messages have come, what is held, and what left last."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from flask import render_template

from connector.flow import figures, mask, today
from connector.flow.bubble import Bubble, fill
from connector.flow.figures import DEFINITIONS, FUNNEL, Figures
from connector.model import AccountId, Permission, now
from connector.store import Transaction, counts, look, templates
from connector.store.figures import Scope
from connector.store.stats import HOUR, hour_of
from connector.store.views import MessageFilter, MessageRow
from connector.web.console import charts
from connector.web.console.analytics import Asked, Links, viewers_zone
from connector.web.console.frame import console, needs, store, tools
from connector.web.console.lists import address
from connector.web.console.sight import sees_people

LATEST = 6
WEEK = 7


class Week(NamedTuple):
    """Seven days up to today."""

    total: Figures
    spark: str
    link: Links


@console.get("/")
@needs(Permission.LOOK)
def overview() -> str:
    """Show today."""
    zone, at = viewers_zone(), now()
    bell = tools().queue
    failures = bell.failures()
    engine = today.Engine(queue_answers=failures is not None, failed_jobs=failures or 0)
    listeners = tools().directory.listeners()
    with store().read() as tx:
        since = _midnight(at, zone)
        scope = Scope(since=since, until=hour_of(at) + HOUR)
        day = timedelta(days=1)
        yesterday = Scope(since=scope.since - day, until=scope.until - day)
        latest = look.list_messages(tx, MessageFilter(reached="matched"), most=LATEST)
        newest = latest[0] if latest else None
        names = look.account_names(tx)
        return render_template(
            "console/overview.html",
            at=at, zone=zone, needs=today.needs(tx, listeners, engine), waits=today.waits(tx),
            total=figures.total(tx, scope), compared=figures.total(tx, yesterday),
            link=Links(Asked(scope, zone, "24h", {}), names), week=_week(tx, zone, at, names),
            latest=latest, newest=newest, bubble=_bubble(tx, newest), definitions=DEFINITIONS, funnel=FUNNEL,
            bar=charts.bar, address=address, unread=counts.troubled(tx),
        )  # fmt: skip


def _midnight(at: datetime, zone: ZoneInfo) -> datetime:
    begun = at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(at.tzinfo)
    hour = hour_of(begun)
    return hour if hour == begun else hour + HOUR


def _week(tx: Transaction, zone: ZoneInfo, at: datetime, names: dict[str, str]) -> Week:
    since = _midnight(at - timedelta(days=WEEK - 1), zone)
    scope = Scope(since=since, until=hour_of(at) + HOUR)
    read = figures.report(tx, scope, zone, [])
    sent = [step.figures.sent for step in read.course]
    words = ", ".join(f"{step.begins:%a} {step.figures.sent:,}" for step in read.course)
    return Week(
        read.total, charts.spark(f"Messages sent by day: {words}", sent), Links(Asked(scope, zone, "", {}), names)
    )


def _bubble(tx: Transaction, row: MessageRow | None) -> Bubble | None:
    """Return the last message as its reader sees it, as far as who looks may see it."""
    found = templates.get(tx, AccountId(row.channel_id), row.template, row.language) if row else None
    if row is None or found is None:
        return None
    whole = sees_people()
    return fill(found, {key: value if whole else mask.text(value) for key, value in row.slots.items()})
