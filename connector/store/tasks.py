"""Work in the background: what is to be done, how far it has come, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from connector.model import new_id
from connector.store import leases
from connector.store.dialect import lock_rows
from connector.store.engine import Transaction
from connector.store.schema import task

LEASE = "work"
"""One task runs at a time, so that what is to be sent always finds a worker."""
_T = task.c


class TaskState(StrEnum):
    """Where a task stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = (TaskState.DONE, TaskState.FAILED, TaskState.CANCELLED)
OPEN = (TaskState.WAITING, TaskState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task as it stands."""

    id: str
    kind: str
    state: TaskState
    words: str
    """What it does, for people."""
    args: Mapping[str, Any] = field(repr=False)
    done: int
    total: int
    """0: not known."""
    kept: Mapping[str, Any] = field(repr=False)
    """What it goes on from after an interruption; empty: from the beginning."""
    result: Mapping[str, Any] = field(repr=False)
    by: str
    """Name of whoever began it."""
    tries: int
    cancel_asked: bool
    lease_owner: str | None
    lease_until: datetime | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def has_ended(self) -> bool:
        """Tell whether nothing more will come of it."""
        return self.state in ENDED

    @property
    def trouble(self) -> str:
        """Say why it failed; ``""`` where it did not."""
        return str(self.result.get("trouble", "")) if self.state is TaskState.FAILED else ""


def _read(row: Any) -> Task:
    return Task(**dict(row._mapping) | {"state": TaskState(row.state)})


def add(tx: Transaction, kind: str, args: Mapping[str, Any], words: str, by: str, at: datetime) -> str:
    """Store a task that waits to be done, and return its id."""
    id_ = new_id()
    tx.execute(
        insert(task).values(
            id=id_, kind=kind, state=TaskState.WAITING, words=words, args=dict(args), done=0, total=0, kept={},
            result={}, by=by, tries=0, cancel_asked=False, created_at=at,
        )
    )  # fmt: skip
    return id_


def get(tx: Transaction, id_: str) -> Task | None:
    """Return a task, or None."""
    row = tx.execute(select(task).where(_T.id == id_)).first()
    return _read(row) if row is not None else None


def listing(tx: Transaction, kind: str = "", *, since: datetime | None = None, most: int = 20) -> list[Task]:
    """Return the newest tasks, of one kind or of all."""
    query = select(task).order_by(_T.id.desc()).limit(most)
    if kind:
        query = query.where(_T.kind == kind)
    if since:
        query = query.where(_T.created_at >= since)
    return [_read(row) for row in tx.execute(query)]


def is_due(tx: Transaction, at: datetime, is_dead: Callable[[str], bool]) -> bool:
    """Tell whether a task waits while nothing runs, or one has lost whoever ran it."""
    rows = tx.execute(select(_T.state, _T.lease_owner, _T.lease_until).where(_T.state.in_(OPEN))).all()
    alive = [row for row in rows if row.state == TaskState.RUNNING and not _is_lost(row, at, is_dead)]
    return bool(rows) and not alive


def take(tx: Transaction, owner: str, seconds: float, at: datetime, is_dead: Callable[[str], bool]) -> Task | None:
    """Begin the oldest task that waits; None where there is none, or another worker is at one."""
    if not leases.acquire(tx, LEASE, owner, seconds, is_dead=is_dead):
        return None
    query = select(task).where(_T.state == TaskState.WAITING).order_by(_T.id).limit(1)
    row = tx.execute(lock_rows(tx, query, skip_locked=True)).first()
    if row is None:
        leases.release(tx, LEASE, owner)
        return None
    tx.execute(
        update(task)
        .where(_T.id == row.id)
        .values(
            state=TaskState.RUNNING, tries=_T.tries + 1, lease_owner=owner,
            lease_until=at + timedelta(seconds=seconds), started_at=row.started_at or at,
        )
    )  # fmt: skip
    return get(tx, row.id)


@dataclass(frozen=True, slots=True)
class Beat:
    """What whoever runs a task learns when they write how far they are."""

    ours: bool
    """False: the lease has run out and somebody else has it."""
    cancel_asked: bool


def write_progress(
    tx: Transaction, id_: str, owner: str, done: int, total: int, kept: Mapping[str, Any] | None, until: datetime,
    seconds: float,
) -> Beat:  # fmt: skip
    """Write how far a task has come, and prolong its lease."""
    values: dict[str, Any] = {"done": done, "total": total, "lease_until": until}
    if kept is not None:
        values["kept"] = dict(kept)
    ours = tx.execute(update(task).where(*_held(id_, owner)).values(values)).rowcount == 1
    ours = ours and leases.acquire(tx, LEASE, owner, seconds)
    asked = tx.execute(select(_T.cancel_asked).where(_T.id == id_)).scalar()
    return Beat(ours, bool(asked))


def end(tx: Transaction, id_: str, owner: str, state: TaskState, result: Mapping[str, Any], at: datetime) -> bool:
    """Write what came of a task; False where it is no longer ours."""
    values = {
        "state": state, "result": dict(result), "kept": {}, "ended_at": at, "lease_owner": None, "lease_until": None,
    }  # fmt: skip
    if state is TaskState.DONE:
        values["done"] = (
            func.max(_T.done, _T.total) if tx.dialect.name == "sqlite" else func.greatest(_T.done, _T.total)
        )
    ended = tx.execute(update(task).where(*_held(id_, owner)).values(values)).rowcount == 1
    leases.release(tx, LEASE, owner)
    return ended


def put_back(tx: Transaction, id_: str, owner: str, kept: Mapping[str, Any] | None) -> bool:
    """Let a task that was interrupted on purpose wait again: that was no failed try. False: no longer ours."""
    values: dict[str, Any] = {
        "state": TaskState.WAITING, "tries": _T.tries - 1, "lease_owner": None, "lease_until": None,
    }  # fmt: skip
    if kept is not None:
        values["kept"] = dict(kept)
    done = tx.execute(update(task).where(*_held(id_, owner)).values(values)).rowcount == 1
    leases.release(tx, LEASE, owner)
    return done


def lost(tx: Transaction, at: datetime, is_dead: Callable[[str], bool]) -> list[Task]:
    """Return the tasks whose worker died, locked until the transaction ends."""
    query = select(task).where(_T.state == TaskState.RUNNING).order_by(_T.id)
    return [_read(row) for row in tx.execute(lock_rows(tx, query, skip_locked=True)) if _is_lost(row, at, is_dead)]


def settle_lost(tx: Transaction, id_: str, state: TaskState, result: Mapping[str, Any], at: datetime) -> None:
    """Write what becomes of a task whose worker died: it waits again, or has failed, or was cancelled."""
    values: dict[str, Any] = {"state": state, "lease_owner": None, "lease_until": None}
    if state is not TaskState.WAITING:
        values |= {"result": dict(result), "kept": {}, "ended_at": at}
    tx.execute(update(task).where(_T.id == id_, _T.state == TaskState.RUNNING).values(values))


def ask_to_cancel(tx: Transaction, id_: str, at: datetime) -> TaskState | None:
    """Cancel a task that waits, ask one that runs to stop; returns where it stands now, None: there is none."""
    waiting = update(task).where(_T.id == id_, _T.state == TaskState.WAITING)
    tx.execute(waiting.values(state=TaskState.CANCELLED, cancel_asked=True, kept={}, ended_at=at))
    tx.execute(update(task).where(_T.id == id_, _T.state == TaskState.RUNNING).values(cancel_asked=True))
    state = tx.execute(select(_T.state).where(_T.id == id_)).scalar()
    return TaskState(state) if state is not None else None


def forget_before(tx: Transaction, moment: datetime) -> int:
    """Delete the tasks that ended before a moment, and return how many they were."""
    return int(tx.execute(delete(task).where(_T.state.in_(ENDED), _T.ended_at < moment)).rowcount)


def _held(id_: str, owner: str) -> tuple[Any, ...]:
    return _T.id == id_, _T.state == TaskState.RUNNING, _T.lease_owner == owner


def _is_lost(row: Any, at: datetime, is_dead: Callable[[str], bool]) -> bool:
    return row.lease_until is None or row.lease_until < at or bool(row.lease_owner and is_dead(row.lease_owner))
