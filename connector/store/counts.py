"""Counting: what waits, what is stuck, what became of the rest. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Column, ColumnElement, and_, case, func, or_, select, text

from connector.model import State, first_id, now
from connector.store import look, schema, stats
from connector.store.engine import Transaction
from connector.store.inbox import RequestState
from connector.store.views import MessageFilter

_REQUEST = schema.request.c
_EVENT = schema.event.c
_DECISION = schema.decision.c
_MESSAGE = schema.message.c
_RECEIPT = schema.receipt.c

RECENT = 20_000
"""So many of the newest requests of which nothing came are looked at for a number that every page shows."""
MOST = 100_000
"""Of more messages or events than that, a page that is asked for again and again counts none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """How often one mapping came to one verdict."""

    mapping: str
    verdict: str
    """``send`` or ``skip``."""
    reason: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Everything at one moment."""

    messages: Mapping[State, int]
    """Every state has a number."""
    requests: Mapping[RequestState, int]
    """Every state has a number."""
    verdicts: tuple[Verdicts, ...]
    due: int
    """Messages that wait and could leave now."""
    oldest: datetime | None
    """Since when the oldest thing that could be worked off has been waiting; None: nothing waits."""
    parked: int
    """Receipts whose message we do not know yet."""

    @property
    def inbox(self) -> int:
        """Requests that have not been read yet."""
        return self.requests[RequestState.NEW]

    @property
    def outbox(self) -> int:
        """Messages that have not left yet, due or not."""
        return self.messages[State.WAITING]

    @property
    def in_doubt(self) -> int:
        """Messages that may have left."""
        return self.messages[State.IN_DOUBT]

    @property
    def skips(self) -> dict[str, int]:
        """How often nothing was sent, by reason; the most frequent first."""
        told: dict[str, int] = {}
        for row in self.verdicts:
            if row.verdict == "skip":
                told[row.reason] = told.get(row.reason, 0) + row.number
        return dict(sorted(told.items(), key=lambda item: -item[1]))


@dataclass(frozen=True, slots=True)
class Tally:
    """How many messages of a list there are, by where they stand now."""

    states: Mapping[State, int]
    """Every state has a number; test messages do not count."""
    tests: int

    @property
    def total(self) -> int:
        """All that are no tests."""
        return sum(self.states.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """How far things have come: each step holds those that came at least so far."""

    events: int
    planned: int
    """Messages that were decided to be sent."""
    sent: int
    """The channel took them over."""
    delivered: int
    read: int
    failed: int
    states: Mapping[State, int]
    """The planned messages by where they stand now."""


def count(tx: Transaction, at: datetime) -> Counts:
    """Count everything, as of a moment."""
    messages = _by(tx, _MESSAGE.state)
    due = and_(_MESSAGE.state == State.WAITING, _MESSAGE.not_before <= at)
    number, waiting = tx.execute(select(func.count(), func.min(_MESSAGE.not_before)).where(due)).one()
    unread = tx.scalar(select(func.min(_REQUEST.received_at)).where(_REQUEST.state == RequestState.NEW))
    parked = tx.scalar(select(func.count()).select_from(schema.receipt).where(_RECEIPT.message_id.is_(None)))
    return Counts(
        messages={state: messages.get(state, 0) for state in State},
        requests=requests_by_state(tx),
        verdicts=_verdicts(tx),
        due=number,
        oldest=min((moment for moment in (waiting, unread) if moment), default=None),
        parked=parked or 0,
    )


def _by(tx: Transaction, column: Column[str]) -> dict[str, int]:
    return {row[0]: row[1] for row in tx.execute(select(column, func.count()).group_by(column))}


def _verdicts(tx: Transaction) -> tuple[Verdicts, ...]:
    by = (_DECISION.mapping, _DECISION.verdict, _DECISION.reason)
    rows = tx.execute(select(*by, func.count().label("number")).group_by(*by).order_by(*by))
    return tuple(Verdicts(mapping=name, verdict=verdict, reason=why, number=n) for name, verdict, why, n in rows)


def requests_by_state(tx: Transaction) -> dict[RequestState, int]:
    """Count requests; every state has a number. Read from indexes alone: bodies are long."""
    barren = select(_REQUEST.state, func.count()).where(text(schema.IS_BARREN)).group_by(_REQUEST.state)
    found = dict.fromkeys(RequestState, 0) | {RequestState(row[0]): row[1] for row in tx.execute(barren)}
    every = select(func.count()).select_from(schema.request)
    found[RequestState.NEW] = tx.scalar(every.where(text("state = 'new'"))) or 0
    found[RequestState.DONE] = (tx.scalar(every) or 0) - sum(found.values())
    return found


def troubled(tx: Transaction) -> int:
    """Count the requests that need a person (unreadable, or broken on our side) among the newest fruitless ones."""
    newest = select(_REQUEST.state).where(text(schema.IS_BARREN)).order_by(_REQUEST.id.desc()).limit(RECENT).subquery()
    return tx.scalar(select(func.count()).select_from(newest).where(newest.c.state.in_(schema.UNREAD))) or 0


def funnel(tx: Transaction, since: datetime | None = None, *, mapping: str = "") -> Funnel:
    """Count how far the events and messages since a moment have come; of one mapping, where one is named.

    A read message counts as delivered and sent, also where those receipts never came. Test messages and answers in
    free words do not count.
    """
    events = select(func.count()).select_from(schema.event)
    messages = (
        select(
            _MESSAGE.state,
            func.count(),
            *(_sum(stats.reached(step)) for step in ("sent", "delivered", "read")),
        )
        .where(stats.is_counted())
        .group_by(_MESSAGE.state)
    )
    if since:
        events = events.where(_EVENT.id >= first_id(since))
        messages = messages.where(_MESSAGE.id >= first_id(since))
    if mapping:
        heard = select(_DECISION.event_id).where(_DECISION.mapping == mapping)
        events = events.where(_EVENT.id.in_(heard))
        messages = messages.where(_MESSAGE.mapping == mapping)
    rows = tx.execute(messages).all()
    states = {row[0]: row[1] for row in rows}
    return Funnel(
        events=tx.scalar(events) or 0,
        planned=sum(row[1] for row in rows),
        sent=sum(row[2] for row in rows),
        delivered=sum(row[3] for row in rows),
        read=sum(row[4] for row in rows),
        failed=states.get(State.FAILED, 0),
        states={state: states.get(state, 0) for state in State},
    )


def is_much(tx: Transaction, since: datetime | None = None, until: datetime | None = None) -> bool:
    """Tell whether a stretch of time holds more messages or events than a page should count."""
    for column in (_MESSAGE.id, _EVENT.id):
        query = select(column).order_by(column.desc()).offset(MOST).limit(1)
        query = query.where(column >= first_id(since)) if since else query
        if tx.scalar(query.where(column < first_id(until)) if until else query) is not None:
            return True
    return False


def tally(tx: Transaction, wanted: MessageFilter) -> Tally:
    """Count the messages of a filter by state, whatever state it asks for, and the tests among them apart."""
    query = select(_MESSAGE.state, _MESSAGE.trial, func.count()).group_by(_MESSAGE.state, _MESSAGE.trial)
    states, tests = dict.fromkeys(State, 0), 0
    for state, trial, number in tx.execute(look.narrow_messages(query, replace(wanted, states=(), trial=None))):
        tests += number if trial else 0
        states[State(state)] += 0 if trial else number
    return Tally(states, tests)


def _sum(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def count_open(tx: Transaction) -> dict[str, int]:
    """Return how many messages wait, are being sent, or are in doubt."""
    query = select(_MESSAGE.state, func.count()).where(
        or_(_MESSAGE.state == State.WAITING, _MESSAGE.state.in_([State.SENDING, State.IN_DOUBT]))
    )
    return {row[0]: row[1] for row in tx.execute(query.group_by(_MESSAGE.state))}


def oldest_due(tx: Transaction) -> datetime | None:
    """Return since when the longest waiting due message has been due; None where none is."""
    query = select(func.min(_MESSAGE.not_before)).where(_MESSAGE.state == State.WAITING, _MESSAGE.not_before <= now())
    found: datetime | None = tx.execute(query).scalar()
    return found
