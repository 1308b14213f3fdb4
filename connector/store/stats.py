"""Counts of every hour: counting one from the rows, keeping it, and finding which hours are to be counted again.

A message belongs to the hour in which it was planned, which its id tells; whatever becomes of it later changes
that hour. Test messages and answers in free words are not counted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    case,
    delete,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    true,
    update,
)

from connector.model import MessageId, State, first_id, moment_of
from connector.store import schema
from connector.store.dialect import insert_new, lock_rows
from connector.store.engine import Transaction

HOUR = timedelta(hours=1)
SIDES = ("mapping", "template", "channel_id", "source_id", "language", "country")
"""By what is counted."""
SUMS = ("matched", "sent", "delivered", "read", "replied", "engaged", "ordered", "opted_out", "failed", "stopped")
"""What is counted of messages: how far they came, and what followed; ``matched``: they were planned."""
_STOPPED = (State.SKIPPED, State.EXPIRED, State.CANCELLED)
_PREFIX, _COARSE = 7, 6
"""Letters of an id that tell when it was made: to 33 seconds, and to 17 minutes."""

_MESSAGE = schema.message.c
_DECISION = schema.decision.c
_EARLIER = schema.decision.alias("earlier")
_EVENT = schema.event.c
_RECEIPT = schema.receipt.c
_SEQUEL = schema.sequel.c

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """One hour, as rows of ``stat``, ``stat_reason`` and ``stat_event``."""

    messages: Rows
    reasons: Rows
    events: Rows


def hour_of(at: datetime) -> datetime:
    """Return the beginning of the hour (UTC) that a moment lies in."""
    return at.replace(minute=0, second=0, microsecond=0)


def is_counted() -> ColumnElement[bool]:
    """Tell of a message whether it is counted: no test, no answer in free words."""
    return and_(_MESSAGE.template != "", _MESSAGE.trial.is_(False))


def is_first() -> ColumnElement[bool]:
    """Tell of a decision whether it is its mapping's first about the event: a replay decides about the same anew."""
    return (
        ~select(literal_column("1"))
        .select_from(_EARLIER)
        .where(_EARLIER.c.event_id == _DECISION.event_id, _EARLIER.c.mapping == _DECISION.mapping)
        .where(_EARLIER.c.id < _DECISION.id)
        .correlate(schema.decision)
        .exists()
    )


def word_of() -> ColumnElement[str]:
    """Return the word by which what became of a message is counted: the channel's code of a failure, else a reason."""
    return case((and_(_MESSAGE.state == State.FAILED, _MESSAGE.code != ""), _MESSAGE.code), else_=_MESSAGE.reason)


def reached(step: str) -> ColumnElement[bool]:
    """Tell of a counted message whether it came as far as one of SUMS."""
    later = {
        "sent": (_MESSAGE.accepted_at, _MESSAGE.sent_at, _MESSAGE.delivered_at, _MESSAGE.read_at),
        "delivered": (_MESSAGE.delivered_at, _MESSAGE.read_at),
        "read": (_MESSAGE.read_at,),
    }
    match step:
        case "matched":
            return true()
        case "failed":
            return _MESSAGE.state == State.FAILED
        case "stopped":
            return _MESSAGE.state.in_(_STOPPED)
        case "engaged":
            return and_(reached("delivered"), _followed(_TOLD["answered"]), not_(_followed(_TOLD["opted_out"])))
        case "replied" | "ordered" | "opted_out":
            return _followed(_TOLD[step])
    return or_(*(moment.is_not(None) for moment in later[step]))


def _followed(kinds: Sequence[str]) -> ColumnElement[bool]:
    return select(_SEQUEL.id).where(_SEQUEL.message_id == _MESSAGE.id, _SEQUEL.kind.in_(kinds)).exists()


_TOLD = {
    "replied": ("reply", "tap"),
    "answered": ("reply", "tap", "click"),
    "ordered": ("order",),
    "opted_out": ("opt_out",),
}
"""Which kinds of sequel make a message what."""


def count(tx: Transaction, hour: datetime) -> Counted:
    """Count an hour from the rows."""
    since, until = first_id(hour), first_id(hour + HOUR)
    messages = [{"hour": hour} | dict(row._mapping) for row in tx.execute(_messages(since, until))]
    strangers = tx.execute(
        select(_SEQUEL.account_id, func.count())
        .where(_SEQUEL.kind == "opt_out", _SEQUEL.message_id.is_(None), _SEQUEL.at >= hour, _SEQUEL.at < hour + HOUR)
        .group_by(_SEQUEL.account_id)
    )
    for account_id, number in strangers:
        blank = dict.fromkeys(SIDES, "") | {"channel_id": account_id}
        messages.append({"hour": hour} | blank | dict.fromkeys(SUMS, 0) | {"opted_out": number})
    reasons = [{"hour": hour} | dict(row._mapping) for row in tx.execute(_ends(since, until))]
    reasons += [{"hour": hour} | dict(row._mapping) for row in tx.execute(_skips(since, until))]
    by = _EVENT.account_id.label("source_id"), _EVENT.type, _EVENT.topic
    query = select(*by, func.count().label("number")).where(_EVENT.id >= since, _EVENT.id < until)
    query = query.group_by(_EVENT.account_id, _EVENT.type, _EVENT.topic)
    events = [{"hour": hour} | dict(row._mapping) for row in tx.execute(query)]
    return Counted(messages=messages, reasons=reasons, events=events)


def _sides() -> list[ColumnElement[Any]]:
    columns: list[ColumnElement[Any]] = [_MESSAGE[name] for name in SIDES[:-1]]
    # Written out and no parameter: what is grouped by must be the same expression as what is selected.
    return [*columns, func.coalesce(_MESSAGE.country, literal_column("''")).label("country")]


def _messages(since: str, until: str) -> Select[Any]:
    told = (
        select(
            _SEQUEL.message_id,
            *(func.max(case((_SEQUEL.kind.in_(kinds), 1), else_=0)).label(name) for name, kinds in _TOLD.items()),
        )
        .where(_SEQUEL.message_id >= since, _SEQUEL.message_id < until)
        .group_by(_SEQUEL.message_id)
        .subquery()
    )
    followed = {name: func.sum(func.coalesce(told.c[name], 0)) for name in ("replied", "ordered", "opted_out")}
    answered = and_(told.c.answered == 1, told.c.opted_out == 0, reached("delivered"))
    sums = {name: _sum(reached(name)) for name in ("sent", "delivered", "read", "failed", "stopped")}
    sums |= {"matched": func.count(), "engaged": _sum(answered)} | followed
    return (
        select(*_sides(), *(sums[name].label(name) for name in SUMS))
        .select_from(schema.message.outerjoin(told, told.c.message_id == _MESSAGE.id))
        .where(_MESSAGE.id >= since, _MESSAGE.id < until, is_counted())
        .group_by(*_sides())
    )


def _sum(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _ends(since: str, until: str) -> Select[Any]:
    failed = _MESSAGE.state == State.FAILED
    ended = (
        select(
            *_sides(),
            case((failed, "failed"), else_="stopped").label("kind"),
            word_of().label("word"),
        )
        .where(_MESSAGE.id >= since, _MESSAGE.id < until, is_counted())
        .where(_MESSAGE.state.in_((State.FAILED, *_STOPPED)))
        .subquery()
    )
    return select(*ended.c, func.count().label("number")).group_by(*ended.c)


def _skips(since: str, until: str) -> Select[Any]:
    return (
        select(
            _DECISION.mapping, _EVENT.account_id.label("source_id"),
            *(literal("").label(name) for name in ("template", "channel_id", "language", "country")),
            literal("skipped").label("kind"), _DECISION.reason.label("word"), func.count().label("number"),
        )
        .join(schema.event, _EVENT.id == _DECISION.event_id)
        .where(_DECISION.id >= since, _DECISION.id < until, _DECISION.verdict == "skip", is_first())
        .group_by(_DECISION.mapping, _EVENT.account_id, _DECISION.reason)
    )  # fmt: skip


def put(tx: Transaction, hours: Mapping[datetime, Counted]) -> None:
    """Keep how hours were counted, instead of how they were counted before; they are due no more."""
    if not hours:
        return
    for table in (schema.stat, schema.stat_reason, schema.stat_event, schema.stat_due):
        tx.execute(delete(table).where(table.c.hour.in_(list(hours))))
    for table, name in ((schema.stat, "messages"), (schema.stat_reason, "reasons"), (schema.stat_event, "events")):
        rows = [row for counted in hours.values() for row in getattr(counted, name)]
        if rows:
            tx.execute(table.insert(), [dict(row) for row in rows])


def size(tx: Transaction, hour: datetime) -> int:
    """Return roughly how much there is to count in an hour."""
    query = select(func.count()).where(_MESSAGE.id >= first_id(hour), _MESSAGE.id < first_id(hour + HOUR))
    return tx.scalar(query) or 0


def put_due(tx: Transaction, hours: Iterable[datetime]) -> None:
    """Note that hours are to be counted."""
    rows = [{"hour": hour} for hour in sorted(set(hours))]
    if rows:
        tx.execute(insert_new(tx, schema.stat_due), rows)


def due(tx: Transaction, most: int) -> list[datetime]:
    """Return hours that are to be counted, the latest first."""
    column = schema.stat_due.c.hour
    return list(tx.execute(select(column).order_by(column.desc()).limit(most)).scalars())


def left(tx: Transaction) -> int:
    """Return how many hours are to be counted."""
    return tx.scalar(select(func.count()).select_from(schema.stat_due)) or 0


def first(tx: Transaction) -> datetime | None:
    """Return the hour of the first thing that could be counted; None where nothing has happened yet."""
    found = [tx.scalar(select(func.min(table.c.id))) for table in (schema.message, schema.event, schema.decision)]
    ids = [id_ for id_ in found if id_]
    return hour_of(moment_of(min(ids))) if ids else None


def has_news(tx: Transaction, since: datetime) -> bool:
    """Tell whether anything was made since a moment that counts could go by; cheap."""
    tables = (schema.message, schema.event, schema.receipt, schema.attempt, schema.sequel)
    asked = (select(table.c.id).where(table.c.id >= first_id(since)).limit(1) for table in tables)
    return any(tx.execute(query).first() is not None for query in asked)


def touched(tx: Transaction, since: datetime) -> set[datetime]:
    """Return the hours that something made since a moment belongs to, or is about."""
    id_ = first_id(since)
    begun: set[str] = set()
    for told, column in (
        (_MESSAGE.id, _MESSAGE.id),
        (_EVENT.id, _EVENT.id),
        (_DECISION.id, _DECISION.id),
        (_DECISION.id, _DECISION.message_id),
        (_RECEIPT.id, _RECEIPT.message_id),
        (_SEQUEL.id, _SEQUEL.message_id),
    ):
        prefix = func.substr(column, 1, _PREFIX)
        query = select(prefix).where(told >= id_, column.is_not(None)).distinct()
        begun.update(tx.execute(query).scalars())
    alone = select(_SEQUEL.at).where(_SEQUEL.id >= id_, _SEQUEL.message_id.is_(None))
    return {hour for prefix in begun for hour in _hours(prefix)} | {hour_of(at) for at in tx.execute(alone).scalars()}


def waiting(tx: Transaction) -> dict[str, int]:
    """Return how many messages have not left yet, by when they were planned (the beginnings of their ids).

    Whatever ends without a receipt (accepted, stopped by a gate, called off, erased) leaves this, so that
    comparing it with what it was tells which hours have changed. Read from the indexes of open messages.
    """
    found: dict[str, int] = {}
    prefix = func.substr(_MESSAGE.id, 1, _COARSE)
    for states in ((State.WAITING,), (State.SENDING, State.IN_DOUBT)):
        chosen = _MESSAGE.state == states[0] if len(states) == 1 else _MESSAGE.state.in_(states)
        for start, number in tx.execute(select(prefix, func.count()).where(chosen).group_by(prefix)):
            found[start] = found.get(start, 0) + number
    return found


def hours_between(before: Mapping[str, int], after: Mapping[str, int]) -> set[datetime]:
    """Return the hours in which two answers of :func:`waiting` differ."""
    changed = {start for start in before.keys() | after.keys() if before.get(start) != after.get(start)}
    return {hour for start in changed for hour in _hours(start)}


def _hours(prefix: str) -> set[datetime]:
    first_, last = moment_of(prefix), moment_of(prefix.ljust(10, "z"))
    return {hour_of(first_), hour_of(last)}


def countryless(tx: Transaction, hour: datetime, most: int) -> dict[MessageId, str]:
    """Return messages of an hour whose number's country was not worked out yet: id -> recipient; locked."""
    query = (
        select(_MESSAGE.id, _MESSAGE.recipient)
        .where(_MESSAGE.id >= first_id(hour), _MESSAGE.id < first_id(hour + HOUR), _MESSAGE.country.is_(None))
        .order_by(_MESSAGE.id)
        .limit(most)
    )
    return {MessageId(row.id): row.recipient for row in tx.execute(lock_rows(tx, query, skip_locked=True))}


def has_countryless(tx: Transaction, hour: datetime) -> bool:
    """Tell whether there are such."""
    query = select(_MESSAGE.id).where(
        _MESSAGE.id >= first_id(hour), _MESSAGE.id < first_id(hour + HOUR), _MESSAGE.country.is_(None)
    )
    return tx.execute(query.limit(1)).first() is not None


def put_countries(tx: Transaction, found: Mapping[str, Collection[MessageId]]) -> None:
    """Remember of which country the numbers of messages are; that stays when the number is erased."""
    for country, ids in found.items():
        tx.execute(update(schema.message).where(_MESSAGE.id.in_(sorted(ids))).values(country=country))
