"""RQ's doors: what the bell wakes. Each opens the wiring, calls one use case, and tells what came of it.

Expected faults end in rows of the store; what leaves these functions as an exception is a bug, and only
bugs stand in RQ's registry of failed jobs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache

from connector import metrics
from connector.errors import RemoteError
from connector.flow import attribution, catchup, drift, outgoing, redact, rollup, tasks, templates, tending
from connector.flow import backtest as backtest  # known by being imported, as are the other kinds of work
from connector.flow import replay as replay
from connector.flow.decide import decide_batch
from connector.flow.deliver import Drain
from connector.flow.described import asker
from connector.flow.erasure import digester
from connector.flow.outcome import note_of
from connector.flow.owner import is_dead, new_owner
from connector.flow.recording import WriteBack
from connector.flow.write import Done
from connector.log import get
from connector.model import AccountId
from connector.queue import stopping
from connector.store import inbox, leases, outbox, wanted
from connector.wiring import Wiring, build

SLICE_SECONDS = 30.0
"""How long a drain goes on while there is work."""
COURTESY_SECONDS = 2.0
"""How long it goes on while other jobs wait for this worker."""
COURTESY_CHECK_SECONDS = 0.25
DECIDE_LEASE_SECONDS = 15.0
HEARTBEAT_SECONDS = 3.0
CHORE_LEASE_SECONDS = 120.0
"""Longer than one page of a feed may take."""
FEW = 50
GATHER_SECONDS = 0.02
"""Each batch costs two commits, whatever its size: where there were few, wait so long for more."""
LINGER_SECONDS = 0.3
"""How long to stay awake when nothing waits: waking up costs 60 Redis commands and four commits."""

log = get(__name__)


@cache
def wiring() -> Wiring:
    """Return this process's wiring."""
    return build()


def _patience(tools: Wiring) -> Callable[[], bool]:
    """Return a question: is it time to make room for others?"""
    started = checked = time.monotonic()
    waiting = False

    def enough() -> bool:
        nonlocal checked, waiting
        at = time.monotonic()
        if stopping.is_set() or at - started > SLICE_SECONDS:
            return True
        if at - started < COURTESY_SECONDS:
            return False
        if at - checked > COURTESY_CHECK_SECONDS:
            checked, waiting = at, bool(tools.queue.depth())
        return waiting

    return enough


def decide() -> None:
    """Work off the inbox until nothing is due, or it is time to make room."""
    tools, owner, started = wiring(), new_owner(), time.monotonic()
    if tools.store.is_sqlite and not _own(tools, owner, first=True):
        return  # one writer is all that SQLite has use for
    try:
        tools.queue.heard("decide")
        total = _work_off(tools, owner, _patience(tools))
    finally:
        if tools.store.is_sqlite:
            with tools.store.write() as tx:
                leases.release(tx, "decide", owner)
    tools.queue.heard("decide")  # a bell of the last moment woke somebody who found us at it, and went away
    with tools.store.read() as tx:
        left = inbox.is_due(tx)
    if left:
        tools.queue.ring("decide")
    if total.requests:
        metrics.job_runs.add("decide")
        log.info(
            "job.done", job="decide", requests=total.requests, events=total.events, duplicates=total.duplicates,
            sends=sum(n for (_, verdict, _), n in total.decisions.items() if verdict == "send"),
            skips=sum(n for (_, verdict, _), n in total.decisions.items() if verdict == "skip"),
            moves=sum(total.moves.values()), seconds=round(time.monotonic() - started, 3), left=left,
        )  # fmt: skip


def _work_off(tools: Wiring, owner: str, enough: Callable[[], bool]) -> Done:
    """Decide batch by batch; where little waits, let some gather, and stay awake for a moment when nothing does."""
    total, renew_at, idle_since = Done(), time.monotonic() + HEARTBEAT_SECONDS, 0.0
    while not enough():
        at = time.monotonic()
        if tools.store.is_sqlite and at > renew_at:
            if not _own(tools, owner):
                break
            renew_at = at + HEARTBEAT_SECONDS
        done = decide_batch(tools.store, tools.desk, owner=owner)
        if done.requests:
            idle_since = 0.0
            _tell(tools, done)
            total.add(done)
        else:
            idle_since = idle_since or at
            if at - idle_since >= LINGER_SECONDS:
                break
        if done.requests < FEW:
            stopping.wait(GATHER_SECONDS)
    return total


def _own(tools: Wiring, owner: str, *, first: bool = False) -> bool:
    with tools.store.write() as tx:
        owned = leases.acquire(tx, "decide", owner, DECIDE_LEASE_SECONDS, is_dead=is_dead)
        if owned and first:
            inbox.free(tx, owner)
        return owned


def _name(tools: Wiring, id_: str) -> str:
    account = tools.directory.account(AccountId(id_))
    return account.name if account else "removed"


def _tell(tools: Wiring, done: Done) -> None:
    for channel_id in done.channels:
        tools.queue.ring("deliver", channel_id)
    for channel_id in done.templates_of:
        tools.queue.ring("sync_templates", channel_id)
    for (mapping, verdict, reason), count in done.decisions.items():
        metrics.decisions.add(mapping, verdict, reason, by=count)
    for (channel_id, state), count in done.moves.items():
        metrics.messages.add(state, _name(tools, channel_id), by=count)


def deliver(channel_id: str) -> None:
    """Send what is due by one channel account."""
    tools, id_, started = wiring(), AccountId(channel_id), time.monotonic()
    found = tools.channel(id_)
    if found is None or not found[0].active:
        return
    account, channel, threads = found
    drain = Drain(
        tools.store, id_, channel, tools.desk, owner=new_owner(), threads=threads, should_stop=_patience(tools)
    )
    if not drain.run(lambda: tools.queue.heard("deliver", channel_id)):
        return
    tally = drain.tally
    tools.queue.heard("deliver", channel_id)
    with tools.store.read() as tx:
        left = not tally.suspended and bool(outbox.restless(tx, [id_]))
    if left:
        tools.queue.ring("deliver", channel_id)
    if tally.suspended:
        log.error("account.suspended", account=account.name, words=tally.suspended)
    if tally.unknown_template:
        tools.queue.ring("sync_templates", channel_id)
    for (outcome, code), count in tally.outcomes.items():
        metrics.attempts.add(outcome, code, by=count)
    for state, count in tally.states.items():
        metrics.messages.add(state, _name(tools, channel_id), by=count)
    for seconds in tally.seconds:
        metrics.send_seconds.observe(seconds)
    for seconds in tally.lags:
        metrics.event_to_accept_seconds.observe(seconds)
    if tally.outcomes or tally.states:
        metrics.job_runs.add("deliver")
        log.info(
            "job.done", job="deliver", account=account.name, attempts=sum(tally.outcomes.values()),
            outcomes={f"{outcome} {code}".strip(): n for (outcome, code), n in tally.outcomes.items()},
            seconds=round(time.monotonic() - started, 3), left=left,
        )  # fmt: skip


def write_back(account_id: str) -> None:
    """Write to a shop or CRM what it should hold."""
    tools, id_, started = wiring(), AccountId(account_id), time.monotonic()
    tools.queue.heard("write_back", account_id)
    found = tools.crm(id_)
    with tools.store.read() as tx:
        if found is None or id_ not in wanted.restless(tx):
            return  # it gathers, holds back, or is being written: the clock rings when it is time
    account, crm = found
    drain = WriteBack(tools.store, id_, crm, owner=new_owner(), should_stop=_patience(tools))
    if not drain.run():
        return
    tally = drain.tally
    tools.queue.heard("write_back", account_id)
    with tools.store.read() as tx:
        left = id_ in wanted.restless(tx)
    if left:
        tools.queue.ring("write_back", account_id)
    if tally.suspended:
        log.error("account.suspended", account=account.name, words=tally.suspended)
    elif tally.trouble:
        log.warning("write_back.held", account=account.name, words=tally.trouble)
    for (outcome, code), count in tally.rows.items():
        metrics.write_back_rows.add(account.name, outcome, code, by=count)
    for kind, count in tally.calls.items():
        metrics.write_back_calls.add(account.name, kind, by=count)
    if tally.calls:
        metrics.job_runs.add("write_back")
        log.info(
            "job.done", job="write_back", account=account.name, calls=tally.calls,
            outcomes={f"{outcome} {code}".strip(): n for (outcome, code), n in tally.rows.items()},
            seconds=round(time.monotonic() - started, 3), left=left,
        )  # fmt: skip


def sync_templates(channel_id: str) -> None:
    """Ask a channel account for its templates."""
    tools = wiring()
    tools.queue.heard("sync_templates", channel_id)
    found = tools.channel(AccountId(channel_id))
    if found is None:
        return
    account, channel, _ = found
    try:
        counts = templates.sync(tools.store, account, channel)
    except RemoteError as error:
        log.warning("templates.not_synced", account=account.name, code=error.code, words=note_of(error))
        return
    metrics.job_runs.add("sync_templates")
    log.info(
        "job.done", job="sync_templates", account=account.name, new=counts.new, changed=counts.changed,
        gone=counts.gone,
    )  # fmt: skip


def catch_up(account_id: str) -> None:
    """Ask a shop or CRM for what its pushes may have lost."""
    tools, id_, started = wiring(), AccountId(account_id), time.monotonic()
    tools.queue.heard("catch_up", account_id)
    found = tools.feed(id_)
    if found is None:
        known = tools.directory.account(id_)
        if known is not None and known.active:
            catchup.postpone(tools.store, id_)
        return
    account, feed = found
    patience = _patience(tools)
    with _alone(tools, f"catch_up:{id_}") as keep:
        if keep is None:
            return
        caught = catchup.catch_up(
            tools.store, account, feed, ring=lambda: tools.queue.ring("decide"), enough=lambda: patience() or not keep()
        )
    if caught.more:
        tools.queue.ring("catch_up", account_id)
    if caught.suspended:
        log.error("account.suspended", account=account.name, words=caught.suspended)
    elif caught.trouble:
        log.warning("feed.not_read", account=account.name, words=caught.trouble)
    metrics.job_runs.add("catch_up")
    log.info(
        "job.done", job="catch_up", account=account.name, found=caught.found, fresh=caught.fresh,
        seconds=round(time.monotonic() - started, 3), left=caught.more,
    )  # fmt: skip


def tend(account_id: str) -> None:
    """Look after what a vendor keeps for an account: its subscriptions."""
    tools, id_ = wiring(), AccountId(account_id)
    tools.queue.heard("tend", account_id)
    found = tools.visit(id_)
    if found is None:
        return
    reached, visit = found
    with _alone(tools, f"tend:{id_}") as keep:
        if keep is None:
            return
        findings = tending.tend(tools.store, reached.adapter, reached.account, visit)
    metrics.job_runs.add("tend")
    log.info(
        "job.done", job="tend", account=reached.account.name, findings=len(findings),
        wrong=sum(finding.ok is False for finding in findings),
    )  # fmt: skip


def privacy() -> None:
    """Forget whoever shops have asked to be forgotten."""
    tools, started = wiring(), time.monotonic()
    tools.queue.heard("privacy")
    patience = _patience(tools)
    with _alone(tools, "privacy") as keep:
        if keep is None:
            return
        worked = redact.work_off(
            tools.store,
            digester(tools.store, tools.vault),
            enough=lambda: patience() or not keep(),
            progress=lambda _what, _count: keep(),
        )
    if worked.left:
        tools.queue.ring("privacy")
    metrics.job_runs.add("privacy")
    log.info(
        "job.done", job="privacy", done=worked.done, failed=worked.failed, contacts=worked.forgotten.contacts,
        seconds=round(time.monotonic() - started, 3), left=worked.left,
    )  # fmt: skip


def roll_up() -> None:
    """Count the hours in which something has changed."""
    tools, started = wiring(), time.monotonic()
    tools.queue.heard(rollup.JOB)
    patience = _patience(tools)
    with _alone(tools, rollup.JOB) as keep:
        if keep is None:
            return
        attributed = attribution.attribute(tools.store, enough=patience)
        rolled = rollup.roll_up(tools.store, enough=lambda: patience() or not keep())
        seconds = time.monotonic() - started
        with tools.store.write() as tx:
            rollup.put_off(tx, max(rollup.EVERY, rollup.CALM * timedelta(seconds=seconds)))
    if rolled.left:
        tools.queue.ring(rollup.JOB)
    metrics.job_runs.add(rollup.JOB)
    log.info(
        "job.done", job=rollup.JOB, hours=rolled.hours, attributed=attributed, seconds=round(seconds, 3),
        left=rolled.left,
    )  # fmt: skip


def watch() -> None:
    """Look for what has changed around mappings, before the first message fails of it."""
    tools, started = wiring(), time.monotonic()
    tools.queue.heard(drift.CHORE)
    accounts = [found.account for found in tools.directory.all_()]
    found = drift.watch(tools.store, tools.registry, tools.desk.accounts, asker(accounts, tools.crm))
    metrics.job_runs.add(drift.CHORE)
    log.info("job.done", job=drift.CHORE, drifted=len(found), seconds=round(time.monotonic() - started, 3))


def work() -> None:
    """Do what pages and commands have begun: backtests, bulk replays, and the like; one after another."""
    tools, started = wiring(), time.monotonic()
    tools.queue.heard(tasks.JOB)
    done = tasks.work_off(tools, new_owner(), enough=_patience(tools), stopping=stopping.is_set)
    tools.queue.heard(tasks.JOB)
    with tools.store.read() as tx:
        left = tasks.is_due(tx)
    if left:
        tools.queue.ring(tasks.JOB)
    if done:
        metrics.job_runs.add(tasks.JOB)
        log.info("job.done", job=tasks.JOB, tasks=done, seconds=round(time.monotonic() - started, 3), left=left)


def notify() -> None:
    """Tell endpoints what has happened."""
    tools, started = wiring(), time.monotonic()
    tools.queue.heard(outgoing.JOB)
    here = outgoing.is_here(tools.settings.public_url)
    tally = outgoing.Courier(tools.store, tools.vault, owner=new_owner(), loopback=here).run(_patience(tools))
    if tally.left:
        tools.queue.ring(outgoing.JOB)
    if tally.done or tally.failed:
        metrics.job_runs.add(outgoing.JOB)
        seconds = round(time.monotonic() - started, 3)
        log.info("job.done", job=outgoing.JOB, done=tally.done, failed=tally.failed, seconds=seconds, left=tally.left)


@contextmanager
def _alone(tools: Wiring, name: str) -> Iterator[Callable[[], bool] | None]:
    """Hold a lease; yields what prolongs it (and tells whether it is still ours), or None where another has it."""
    owner = new_owner()

    def keep() -> bool:
        with tools.store.write() as tx:
            return leases.acquire(tx, name, owner, CHORE_LEASE_SECONDS, is_dead=is_dead)

    if not keep():
        yield None
        return
    try:
        yield keep
    finally:
        with tools.store.write() as tx:
            leases.release(tx, name, owner)
