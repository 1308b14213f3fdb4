"""The clock: rings for whatever a lost bell left behind, and for what only time makes due.

Our own small loop and not RQ's scheduler, which is slow, keeps whole seconds, and swallows jobs after a
kill. Two clocks do no harm: they only ring.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

from connector.flow import catchup, drift, due, redact, rollup, silence, tasks, tending
from connector.flow import outgoing as notify
from connector.log import get
from connector.model import Account, AccountId, now
from connector.store import Transaction, inbox, marks, outbox, outgoing, wanted
from connector.wiring import Wiring

TICK_SECONDS = 1.0
TEMPLATES_EVERY = timedelta(days=1)
TROUBLE_SECONDS = 5.0

log = get(__name__)


def run(tools: Wiring, stopping: threading.Event) -> None:
    """Tick until told to stop. A database that is away for a while is waited for."""
    while not stopping.is_set():
        started = time.monotonic()
        try:
            tick(tools)
        except Exception:  # the clock must outlive whatever it meets; what it met is in the log
            log.exception("clock.failed")
            stopping.wait(TROUBLE_SECONDS)
        stopping.wait(max(0.0, TICK_SECONDS - (time.monotonic() - started)))


def tick(tools: Wiring) -> None:
    """Look once, and ring for what is due."""
    senders = [account.id for account in tools.directory.senders() if account.active]
    chores = _chores(tools)
    with tools.store.read() as tx:
        restless = outbox.restless(tx, senders)
        unwritten = wanted.restless(tx)
        stale = [id_ for id_ in senders if _is_stale(tx, id_)]
        quiet = silence.is_due(tx)
        asked = [(chore, id_) for chore, found in chores.items() for id_ in due.due(tx, chore, found)]
        ready = [job for job, is_due in _WAITING.items() if is_due(tx)]
        chosen = [job for job, (is_due, _) in _NOW_AND_THEN.items() if is_due(tx)]
    for job in ready:
        tools.queue.ring(job)
    for id_ in restless:
        tools.queue.ring("deliver", id_)
    for id_ in unwritten:
        if (found := tools.directory.reached(id_)) is not None and tools.remembers(found):
            tools.queue.ring("write_back", id_)
    for id_ in stale:
        with tools.store.write() as tx:
            marks.put(tx, _mark(id_), "asked")
        tools.queue.ring("sync_templates", id_)
    if asked:
        with tools.store.write() as tx:
            for chore, id_ in asked:
                due.set_due(tx, chore, id_, now() + due.ASKED)
    for chore, id_ in asked:
        tools.queue.ring(chore, id_)
    for job in chosen:
        with tools.store.write() as tx:
            _NOW_AND_THEN[job][1](tx)
        tools.queue.ring(job)
    if quiet:
        silence.observe(tools.store)
        silence.warn(tools.store, tools.directory.listeners())


_WAITING: dict[str, Callable[[Transaction], bool]] = {
    "decide": inbox.is_due, tasks.JOB: tasks.is_due, notify.JOB: outgoing.is_due,
}  # fmt: skip
"""Jobs that work off rows, and what tells whether there are any."""
_NOW_AND_THEN: dict[str, tuple[Callable[[Transaction], bool], Callable[[Transaction], object]]] = {
    redact.CHORE: (redact.is_due, redact.put_off),
    rollup.JOB: (rollup.is_due, rollup.put_off),
    drift.CHORE: (drift.is_due, drift.put_off),
}
"""Jobs that are due at times, and what keeps them from being rung for until they have had their time."""


def _chores(tools: Wiring) -> dict[str, list[Account]]:
    """Return which accounts may have a chore at all; nothing is built to find out."""
    active = [item for item in tools.directory.all_() if item.account.active]
    return {
        catchup.CHORE: [item.account for item in active if item.adapter.feed is not None],
        tending.CHORE: [item.account for item in active if item.adapter.tend is not None],
    }


def _is_stale(tx: Transaction, id_: AccountId) -> bool:
    asked_at = marks.at(tx, _mark(id_))
    return asked_at is None or now() - asked_at > TEMPLATES_EVERY


def _mark(id_: AccountId) -> str:
    return f"templates:{id_}"
