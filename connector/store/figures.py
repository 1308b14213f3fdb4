"""Reading what was rolled up: sums of a stretch of hours, by any side. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Table, func, select

from connector.store import schema
from connector.store.engine import Transaction
from connector.store.stats import SIDES, SUMS

_STAT = schema.stat.c
_REASON = schema.stat_reason.c
_EVENT = schema.stat_event.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is asked for: whole hours (UTC), and the sides that must be so; what is empty does not matter."""

    since: datetime
    until: datetime
    mapping: str = ""
    template: str = ""
    channel_id: str = ""
    source_id: str = ""
    language: str = ""
    country: str = ""


class Sum(NamedTuple):
    """Messages of some hour or of some sides, counted."""

    key: tuple[Any, ...]
    matched: int
    sent: int
    delivered: int
    read: int
    replied: int
    engaged: int
    ordered: int
    opted_out: int
    failed: int
    stopped: int
    clicked: int | None
    cost: int | None


class Why(NamedTuple):
    """How often something was not sent, or failed, for one reason."""

    kind: str
    word: str
    mapping: str
    source_id: str
    number: int


def by_sides(tx: Transaction, scope: Scope) -> list[Sum]:
    """Return the messages of a stretch by all sides at once; keys are as SIDES."""
    return _sums(tx, scope, [_STAT[name] for name in SIDES])


def by_hour(tx: Transaction, scope: Scope) -> list[Sum]:
    """Return the messages of a stretch by hour; keys hold the hour."""
    return _sums(tx, scope, [_STAT.hour])


def _sums(tx: Transaction, scope: Scope, by: Sequence[ColumnElement[Any]]) -> list[Sum]:
    sums = [func.sum(_STAT[name]) for name in (*SUMS, "clicked", "cost")]
    query = select(*by, *sums).where(*_within(schema.stat, scope, SIDES)).group_by(*by)
    return [Sum(tuple(row[: len(by)]), *map(_whole, row[len(by) :])) for row in tx.execute(query)]


def _whole(value: Any) -> Any:
    return None if value is None else int(value)  # sums of PostgreSQL's bigints are decimals


def reasons(tx: Transaction, scope: Scope) -> list[Why]:
    """Return why messages of a stretch were not planned, not sent, or failed; the most frequent first."""
    by = _REASON.kind, _REASON.word, _REASON.mapping, _REASON.source_id
    number = func.sum(_REASON.number).label("number")
    query = select(*by, number).where(*_within(schema.stat_reason, scope, SIDES)).group_by(*by)
    found = [Why(*row[:4], int(row.number)) for row in tx.execute(query)]
    return sorted(found, key=lambda row: (-row.number, row.kind, row.word, row.mapping))


def events(tx: Transaction, scope: Scope) -> list[tuple[str, str, int]]:
    """Return the events of a stretch: (source account, type, how many)."""
    by = _EVENT.source_id, _EVENT.type
    query = select(*by, func.sum(_EVENT.number)).where(*_within(schema.stat_event, scope, ("source_id",))).group_by(*by)
    return [(row[0], row[1], int(row[2])) for row in tx.execute(query)]


def events_by_hour(tx: Transaction, scope: Scope) -> dict[datetime, int]:
    """Return how many events came in each hour of a stretch."""
    where = _within(schema.stat_event, scope, ("source_id",))
    query = select(_EVENT.hour, func.sum(_EVENT.number)).where(*where).group_by(_EVENT.hour)
    return {row[0]: int(row[1]) for row in tx.execute(query)}


def skips_by_hour(tx: Transaction, scope: Scope) -> dict[datetime, int]:
    """Return how often nothing was planned in each hour of a stretch."""
    where = [*_within(schema.stat_reason, scope, SIDES), _REASON.kind == "skipped"]
    query = select(_REASON.hour, func.sum(_REASON.number)).where(*where).group_by(_REASON.hour)
    return {row[0]: int(row[1]) for row in tx.execute(query)}


def countries(tx: Transaction, since: datetime, until: datetime) -> list[str]:
    """Return the countries that were counted in a stretch, for choosing one."""
    query = select(_STAT.country).where(_STAT.hour >= since, _STAT.hour < until, _STAT.country != "").distinct()
    return sorted(tx.execute(query).scalars())


def _within(table: Table, scope: Scope, sides: Sequence[str]) -> list[ColumnElement[bool]]:
    asked = [table.c[name] == value for name in sides if (value := getattr(scope, name))]
    return [table.c.hour >= scope.since, table.c.hour < scope.until, *asked]
