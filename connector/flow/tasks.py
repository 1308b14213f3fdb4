"""Work in the background: begun by a page or a command, done by the job ``work``, watched on ``/tasks/<id>``.

A kind of work is a function ``(tools, task, progress) -> result``, registered with :func:`kind`::

    @kind("backtest", needs=Permission.EDIT_MAPPINGS, again=True)
    def run(tools: Tools, task: Task, progress: Progress) -> Mapping[str, Any]:
        for number, item in enumerate(items):
            ...
            progress(number, len(items))
        return {"looked_at": len(items)}

``progress`` is to be called often (it writes at most twice a second) and never inside a read or a write. It
raises :class:`Cancelled` when somebody asked to stop, and :class:`Interrupted` when the process must end or others
wait for this worker; both are to be let through. Where the store says ``running`` and nobody is left who runs
it, the task is begun again if its kind may be (``again``), and has failed in plain words if not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from connector.errors import ConnectorError
from connector.flow import crowd
from connector.flow.owner import is_dead
from connector.log import get
from connector.model import Permission, now
from connector.store import Store, Transaction, tasks
from connector.store.tasks import Task, TaskState

JOB = "work"
"""The bell to ring after :func:`begin`."""
LEASE_SECONDS = 60.0
"""Longer than any stretch between two calls of ``progress`` may take."""
WRITE_SECONDS = 0.5
MOST_TRIES = 3
KEPT = timedelta(days=30)
"""How long finished tasks are kept."""

log = get(__name__)


class Cancelled(Exception):  # noqa: N818 - nothing is wrong: somebody asked for it
    """Somebody asked the task to stop."""


class Interrupted(Exception):  # noqa: N818 - nothing is wrong: it goes on later
    """The process must end, or others wait for this worker."""


class Lost(Exception):  # noqa: N818 - nothing is wrong here: somebody else has it
    """The lease has run out and another worker has the task."""


class Rings(Protocol):
    """What wakes jobs."""

    def ring(self, kind: str, argument: str = "") -> bool:
        """Wake a job."""
        ...


class Tools(crowd.Tools, Protocol):
    """What a kind of work may use; the wiring is one."""

    @property
    def queue(self) -> Rings:
        """The bell."""
        ...


class Progress:
    """Tells how far a task has come, and hears whether it is to stop."""

    def __init__(self, store: Store, task: Task, owner: str, should_stop: Callable[[], bool]) -> None:
        """``should_stop`` is asked at each write; once true, the task is interrupted."""
        self._store, self._task, self._owner, self._should_stop = store, task, owner, should_stop
        self._written_at = 0.0
        self.done, self.total = task.done, task.total
        self.kept: Mapping[str, Any] | None = None

    def __call__(
        self, done: int, total: int | None = None, *, kept: Callable[[], Mapping[str, Any]] | None = None
    ) -> None:
        """Tell how many of how many are done; ``kept`` makes what the task can go on from, where it can.

        Raises Cancelled, Interrupted and Lost.
        """
        self.done, self.total = done, self.total if total is None else total
        at = time.monotonic()
        if at - self._written_at < WRITE_SECONDS:
            return
        self._written_at = at
        stop = self._should_stop()
        if stop and kept is not None:
            self.kept = kept()
        until = now() + timedelta(seconds=LEASE_SECONDS)
        with self._store.write() as tx:
            beat = tasks.write_progress(
                tx, self._task.id, self._owner, self.done, self.total, None, until, LEASE_SECONDS
            )
        if not beat.ours:
            raise Lost
        if beat.cancel_asked:
            raise Cancelled
        if stop:
            raise Interrupted


Doing = Callable[[Tools, Task, Progress], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of work."""

    name: str
    do: Doing
    needs: Permission
    """Who may do this may begin it, and stop it, whoever began it. What comes of it everybody may look at."""
    again: bool
    """It may be begun again after a crash: doing it twice changes nothing more."""
    goes_on: bool
    """It gives ``progress`` what it can go on from, and so may make room for others at any time."""


KINDS: dict[str, Kind] = {}
"""By name; filled by :func:`kind` where the kinds' modules are imported."""


def kind(name: str, *, needs: Permission, again: bool = False, goes_on: bool = False) -> Callable[[Doing], Doing]:
    """Register a kind of work; see the module's words."""

    def register(do: Doing) -> Doing:
        KINDS[name] = Kind(name, do, needs, again, goes_on)
        return do

    return register


def begin(store: Store, kind: str, args: Mapping[str, Any], by: str, words: str = "") -> str:
    """Store a task and return its id; the caller rings ``work`` after it. Not to be called inside a write.

    ``args`` are JSON, and hold nothing secret; ``by`` is the name of whoever begins it, ``words`` say what it
    does.
    """
    with store.write() as tx:
        return tasks.add(tx, kind, args, words, by, now())


def needs(task: Task) -> Permission:
    """Return what somebody must be allowed to do to stop a task; what nobody here knows only admins stop."""
    known = KINDS.get(task.kind)
    return known.needs if known is not None else Permission.EDIT_ACCOUNTS


def cancel(store: Store, id_: str) -> TaskState | None:
    """Cancel a task that waits, or ask one that runs to stop; None where there is none."""
    with store.write() as tx:
        return tasks.ask_to_cancel(tx, id_, now())


def is_due(tx: Transaction) -> bool:
    """Tell whether the job has something to do."""
    return tasks.is_due(tx, now(), is_dead)


def work_off(
    tools: Tools, owner: str, *, enough: Callable[[], bool], stopping: Callable[[], bool] = lambda: False
) -> int:
    """Do what waits, one task after another, until nothing does or it is time to make room; return how many.

    ``enough`` also interrupts tasks that can go on later; ``stopping`` interrupts all.
    """
    store, count = tools.store, 0
    _tidy(store)
    while not enough():
        at = now()
        with store.write() as tx:
            task = tasks.take(tx, owner, LEASE_SECONDS, at, is_dead)
        if task is None:
            return count
        _do(tools, task, owner, enough, stopping)
        count += 1
    return count


def _do(tools: Tools, task: Task, owner: str, enough: Callable[[], bool], stopping: Callable[[], bool]) -> None:
    known = KINDS.get(task.kind)
    if known is None:
        _end(tools.store, task, owner, TaskState.FAILED, {"trouble": f"Nobody here knows how to do {task.kind!r}."})
        return
    progress = Progress(tools.store, task, owner, enough if known.goes_on else stopping)
    try:
        result = known.do(tools, task, progress)
    except Cancelled:
        _end(tools.store, task, owner, TaskState.CANCELLED, {})
    except Interrupted:
        if known.again:
            with tools.store.write() as tx:
                tasks.put_back(tx, task.id, owner, progress.kept)
        else:
            words = "The service was stopped in the middle of it. What was done by then stays; begin it again."
            _end(tools.store, task, owner, TaskState.FAILED, {"trouble": words})
    except Lost:
        log.warning("task.lost", task=task.id, kind=task.kind)
    except ConnectorError as error:
        _end(tools.store, task, owner, TaskState.FAILED, {"trouble": str(error)})
    except Exception as bug:  # it must end in a visible failure, not in a task that runs for ever
        log.exception("task.failed", task=task.id, kind=task.kind)
        words = f"It met a fault of the program ({type(bug).__name__}); the log says more."
        _end(tools.store, task, owner, TaskState.FAILED, {"trouble": words})
    else:
        _end(tools.store, task, owner, TaskState.DONE, result)


def _end(store: Store, task: Task, owner: str, state: TaskState, result: Mapping[str, Any]) -> None:
    with store.write() as tx:
        tasks.end(tx, task.id, owner, state, result, now())


def _tidy(store: Store) -> None:
    """Settle what dead workers have left behind, and forget what ended long ago."""
    at = now()
    with store.write() as tx:
        for task in tasks.lost(tx, at, is_dead):
            known = KINDS.get(task.kind)
            if task.cancel_asked:
                tasks.settle_lost(tx, task.id, TaskState.CANCELLED, {}, at)
            elif known is not None and known.again and task.tries < MOST_TRIES:
                tasks.settle_lost(tx, task.id, TaskState.WAITING, {}, at)
            else:
                tasks.settle_lost(tx, task.id, TaskState.FAILED, {"trouble": _why_lost(task, known)}, at)
        tasks.forget_before(tx, at - KEPT)


def _why_lost(task: Task, known: Kind | None) -> str:
    if known is not None and known.again:
        return f"Its worker died {task.tries} times while it ran; the log says more."
    return "Its worker died while it ran. What was done by then stays; look at it before you begin it again."
