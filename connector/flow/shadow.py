"""Shadow runs: a text is tried on live traffic beside what is in force, and nothing is sent by it.

What it would have done is worked out after the event has been dealt with, by the same rehearsal that a backtest
is. It makes no contact, enters nothing in the ledger, and holds nothing up: where it fails, the log tells, and
that is all. A run ends by itself after a week, or after ten thousand events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from connector.errors import ConfigurationError
from connector.flow import publish
from connector.flow.crowd import Desk
from connector.flow.rehearse import Memory, Outcome, Rehearsal, Script
from connector.log import get
from connector.mapping import Mapping as Notification
from connector.mapping.kinds import read
from connector.model import AccountId, Reason, now
from connector.store import Store, past, shadows
from connector.store.events import NewEvent
from connector.store.past import Which
from connector.store.shadows import Group, Run, Seen

LASTS = timedelta(days=7)
MOST_EVENTS = 10_000

log = get(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run would have done, beside what was really done."""

    run: Run
    is_on: bool
    looked_at: int
    sends: int
    skips: tuple[tuple[str, int], ...]
    """Reason and how often, the most frequent first."""
    more: int
    """Would have been sent, and was not."""
    fewer: int
    """Was sent, and would not have been."""
    alike: int


def begin(store: Store, name: str, which: str, by: str) -> str:
    """Begin a run with a text of a mapping (``draft`` or a version), frozen as it is now; an older run ends.

    Raises ConfigurationError, or MappingError where it cannot be read.
    """
    source = publish.text(store, name, which)
    if not isinstance(read(name, source), Notification):
        raise ConfigurationError(f"{name} sends nothing, so there is nothing to try.")
    label, at = f"v{which}" if which.isdigit() else which, now()
    with store.write() as tx:
        return shadows.begin(tx, name, source, label, by, at, at + LASTS)


def stop(store: Store, name: str, by: str) -> bool:
    """End the run of a mapping; False where none is on."""
    with store.write() as tx:
        run = shadows.running(tx, name, now())
        return run is not None and shadows.end(tx, run.id, f"Stopped by {by}.", now())


def report(store: Store, name: str) -> Report | None:
    """Return what the newest run of a mapping has found so far; None where there was none."""
    with store.read() as tx:
        run = shadows.latest(tx, name)
        groups = shadows.groups(tx, run) if run is not None else []
    if run is None:
        return None
    reasons: dict[str, int] = {}
    for group in groups:
        if group.verdict == "skip":
            reasons[group.reason] = reasons.get(group.reason, 0) + group.number
    return Report(
        run=run,
        is_on=run.is_on(now()),
        looked_at=sum(group.number for group in groups),
        sends=_count(groups, "send"),
        skips=tuple(sorted(reasons.items(), key=lambda item: -item[1])),
        more=sum(group.number for group in groups if group.verdict == "send" and group.real != "send"),
        fewer=sum(group.number for group in groups if group.verdict == "skip" and group.real == "send"),
        alike=sum(group.number for group in groups if (group.verdict == "send") == (group.real == "send")),
    )


def observe(store: Store, desk: Desk, fresh: Sequence[NewEvent]) -> None:
    """Let the runs that are on look at events that have just been dealt with; never raises."""
    for run, mapping in desk.catalogue.shadows():
        mine = [new for new in fresh if new.event.type == mapping.when.event]
        if not mine:
            continue
        try:
            _observe(store, desk, run, mapping, mine)
        except Exception:  # a run that fails must cost the real messages nothing
            log.exception("shadow.failed", mapping=run.mapping)


def _observe(store: Store, desk: Desk, run: Run, mapping: Notification, fresh: Sequence[NewEvent]) -> None:
    accounts = {new.account_id for new in fresh if _wants(desk, mapping, new.account_id)}
    which = Which(type=mapping.when.event, accounts=tuple(accounts), ids=tuple(new.id for new in fresh))
    with store.read() as tx:
        came = past.page(tx, which, "", len(fresh))
    rehearsal = Rehearsal(store, desk.accounts, desk.catalogue, run.started_at, fresh=False)
    outcomes = rehearsal.run(came, [(Script(mapping=mapping), Memory())])[0]
    if not outcomes:
        return
    with store.write() as tx:
        said = shadows.spoken(tx, run.id, [outcome.said for outcome in outcomes if outcome.send is not None])
        counts = shadows.add(tx, [_seen(run, outcome, said) for outcome in outcomes])
        if counts.get(run.id, 0) >= MOST_EVENTS:
            shadows.end(tx, run.id, f"It has looked at {MOST_EVENTS:,} events.", now())


def _wants(desk: Desk, mapping: Notification, id_: AccountId) -> bool:
    account = desk.accounts.account(id_)
    return account is not None and mapping.wants(
        adapter=account.adapter, event=mapping.when.event, account=account.name
    )


def _seen(run: Run, outcome: Outcome, said: set[str]) -> Seen:
    send = outcome.send if outcome.said not in said else None
    reason = "" if send is not None else outcome.reason or Reason.ALREADY_SAID.value
    return Seen(
        run_id=run.id,
        event_id=outcome.came.id,
        verdict="send" if send is not None else "skip",
        reason=reason,
        said=outcome.said if send is not None else None,
        template=send.template if send is not None else "",
        language=send.language if send is not None else "",
        category=send.category.value if send is not None else "",
        at=now(),
    )


def _count(groups: Sequence[Group], verdict: str) -> int:
    return sum(group.number for group in groups if group.verdict == verdict)
