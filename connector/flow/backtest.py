"""Backtest: what a text would have made of the events of the last day, week or month, or of some that were chosen.

Nothing is sent, and nothing is stored but the report, which holds figures and ids of events: what it shows of
people is worked out again from their events whenever somebody looks, so erasing them leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from connector.errors import ConfigurationError
from connector.flow import publish
from connector.flow.accounts import Accounts
from connector.flow.rehearse import Memory, Outcome, Rehearsal, Script
from connector.flow.tally import Count, Tally
from connector.flow.tasks import Progress, Tools, kind
from connector.mapping import Mapping as Notification
from connector.mapping.kinds import read
from connector.mapping.rates import Rates
from connector.model import AccountId, Category, Permission, first_id, now
from connector.store import Store, Transaction, accounts, find, mappings, past
from connector.store.past import Came, Which
from connector.store.tasks import Task

KIND = "backtest"
WINDOWS: Mapping[str, tuple[str, timedelta]] = {
    "24h": ("the last 24 hours", timedelta(hours=24)),
    "7d": ("the last 7 days", timedelta(days=7)),
    "30d": ("the last 30 days", timedelta(days=30)),
}
CHOSEN = "chosen"
MOST_EVENTS = 200_000
"""The newest so many; more would take minutes and tell nothing else."""
BATCH = 200
MOST_CHOSEN = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be backtested: a text of a mapping, over which events."""

    name: str
    label: str
    """``draft`` or ``v3``."""
    source: str
    window: str
    """One of WINDOWS, or ``chosen``."""
    ids: tuple[str, ...] = ()
    against: int | None = None
    """The version in force at the time, to compare with; None: there is none, or it is the text itself."""

    def words(self) -> str:
        """Say it in a few words."""
        over = WINDOWS[self.window][0] if self.window in WINDOWS else f"{len(self.ids)} chosen events"
        return f"Backtest of {self.name} ({self.label}) over {over}"

    def args(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "name": self.name, "label": self.label, "source": self.source, "window": self.window,
            "ids": list(self.ids), "against": self.against,
        }  # fmt: skip


def want(store: Store, name: str, which: str, window: str, chosen: str = "") -> Wanted:
    """Find what is meant, before anything is begun: ``which`` is ``draft``, ``published`` or a version.

    ``chosen`` names events where the window is ``chosen``: ids, or an order, a person, whatever a search takes.
    Raises ConfigurationError (or MappingError) in words for whoever asked.
    """
    if window not in (*WINDOWS, CHOSEN):
        raise ConfigurationError(f"Choose one of {', '.join(WINDOWS)}, or {CHOSEN} events.")
    source = publish.text(store, name, which)
    mapping = read(name, source)
    if not isinstance(mapping, Notification):
        raise ConfigurationError(f"{name} sends nothing, so there is nothing to backtest.")
    with store.read() as tx:
        row = publish.find(tx, name)
        ids = _chosen(tx, mapping, chosen) if window == CHOSEN else ()
        current = mappings.version(tx, name, row.published) if row.published else None
    same = current is not None and current.source == source
    number = f"v{row.published}" if which == publish.PUBLISHED else f"v{which}" if which.isdigit() else which
    return Wanted(
        name=name, label=number, source=source, window=window, ids=ids,
        against=row.published if current is not None and not same else None,
    )  # fmt: skip


def _chosen(tx: Transaction, mapping: Notification, chosen: str) -> tuple[str, ...]:
    terms = chosen.replace(",", "\n").split("\n")
    found: dict[str, None] = {}
    for term in [term.strip() for term in terms if term.strip()][:MOST_CHOSEN]:
        found |= dict.fromkeys(find.find(tx, term).event_ids)
    which = Which(type=mapping.when.event, accounts=tuple(row.id for row in accounts.all_(tx)), ids=tuple(found))
    ids = tuple(str(came.id) for came in past.page(tx, which, "", MOST_CHOSEN))
    if not ids:
        more = f" ({len(found)} events of other kinds were found)" if found else ""
        raise ConfigurationError(f"No stored {mapping.when.event} is meant by that{more}.")
    return ids


@kind(KIND, needs=Permission.EDIT_MAPPINGS, again=True, goes_on=True)
def run(tools: Tools, task: Task, progress: Progress) -> Mapping[str, Any]:
    """Do a backtest; see :class:`connector.flow.tasks.Doing`."""
    tools.desk.catalogue.refresh(at_most_old=0)
    work = _Work(tools, task.args, task.created_at)
    work.go_on(task.kept)
    while work.step():
        progress(work.done, work.total, kept=work.keep)
    return work.report()


class _Work:
    """One backtest on its way; can be left and gone on with."""

    def __init__(self, tools: Tools, args: Mapping[str, Any], began_at: datetime) -> None:
        self._tools, self._args, self._began_at = tools, args, began_at
        mapping = read(str(args["name"]), str(args["source"]))
        if not isinstance(mapping, Notification):
            raise ConfigurationError(f"{args['name']} sends nothing, so there is nothing to backtest.")
        self._mapping = mapping
        self._scripts = [Script(mapping=mapping)]
        if args.get("against") and (recipe := tools.desk.catalogue.version_of(str(args["name"]), int(args["against"]))):
            self._scripts.append(Script(mapping=recipe.mapping, version=recipe.version, uses=recipe.uses))
        self._tallies = [Tally() for _ in self._scripts]
        self._memories = [Memory() for _ in self._scripts]
        self._more, self._fewer, self._other = Count(), Count(), Count()
        self._which, self._since, self.total, self._left_out = self._choose()
        self._rehearsal = Rehearsal(tools.store, tools.desk.accounts, tools.desk.catalogue, self._since)
        self._after, self.done = "", 0

    def _choose(self) -> tuple[Which, datetime, int, int]:
        ids = tuple(self._args.get("ids") or ())
        with self._tools.store.read() as tx:
            theirs = _accounts(tx, self._tools.desk.accounts, self._mapping)
            which = Which(type=self._mapping.when.event, accounts=theirs, before=first_id(self._began_at))
            if ids:
                which, since = replace(which, ids=ids, before=""), self._began_at
                first = past.page(tx, which, "", 1)
                return which, first[0].planned_at if first else since, past.count(tx, which), 0
            since = self._began_at - WINDOWS[str(self._args["window"])][1]
            which = replace(which, first=first_id(since))
            total = past.count(tx, which)
            if total > MOST_EVENTS:
                which = replace(which, first=past.newest_from(tx, which, MOST_EVENTS))
            return which, since, min(total, MOST_EVENTS), max(0, total - MOST_EVENTS)

    def step(self) -> bool:
        """Rehearse one batch; False: that was all."""
        with self._tools.store.read() as tx:
            batch = past.page(tx, self._which, self._after, BATCH)
        if not batch:
            return False
        outcomes = self._rehearsal.run(batch, list(zip(self._scripts, self._memories, strict=True)))
        for script, tally, made in zip(self._scripts, self._tallies, outcomes, strict=True):
            for outcome in made:
                tally.add(outcome, script.mapping)
        if len(outcomes) > 1:
            self._compare(*outcomes)
        self._after, self.done = str(batch[-1].id), self.done + len(batch)
        return True

    def _compare(self, drafted: Sequence[Outcome], current: Sequence[Outcome]) -> None:
        before = {outcome.came.id: outcome for outcome in current}
        for outcome in drafted:
            now_, then = outcome.send, before[outcome.came.id].send if outcome.came.id in before else None
            if now_ is not None and then is None:
                self._more.add(outcome.came.id)
            elif now_ is None and then is not None:
                self._fewer.add(outcome.came.id)
            elif now_ is not None and then is not None and _said(now_) != _said(then):
                self._other.add(outcome.came.id)

    def keep(self) -> dict[str, Any]:
        """Return what it can be gone on with from."""
        return {
            "after": self._after, "done": self.done, "unreadable": self._rehearsal.unreadable,
            "tallies": [tally.write() for tally in self._tallies],
            "memories": [[memory.said, memory.sent] for memory in self._memories],
            "compared": [[count.number, count.events] for count in (self._more, self._fewer, self._other)],
        }  # fmt: skip

    def go_on(self, kept: Mapping[str, Any]) -> None:
        """Go on from what was kept; nothing: from the beginning."""
        if not kept:
            return
        self._after, self.done = str(kept["after"]), int(kept["done"])
        self._rehearsal.unreadable = int(kept["unreadable"])
        self._tallies = [Tally.read(told) for told in kept["tallies"]]
        self._memories = [Memory(said, sent) for said, sent in kept["memories"]]
        self._more, self._fewer, self._other = (Count(number, events) for number, events in kept["compared"])

    def report(self) -> dict[str, Any]:
        """Return the report as JSON."""
        tally = self._tallies[0]
        told = tally.write()
        told.pop("variety")
        told |= {
            "skipped": tally.skipped(), "unreadable": self._rehearsal.unreadable, "left_out_events": self._left_out,
            "previews": tally.previews(), "cost": estimate(self._tools.desk.catalogue.rates(), tally.priced),
            "since": self._since.isoformat(),
        }  # fmt: skip
        if len(self._tallies) > 1:
            told["compared"] = {
                "version": self._scripts[1].version,
                "sends": self._tallies[1].sends,
                **{
                    name: {"number": count.number, "events": count.events}
                    for name, count in (("more", self._more), ("fewer", self._fewer), ("other", self._other))
                },
            }
        return told


def estimate(rates: Rates | None, priced: Mapping[str, int]) -> dict[str, Any]:
    """Return what so many messages by ``category country`` would cost, by the rates that hold today.

    Without rates, or for what they do not name, messages are counted and not priced.
    """
    rows, unpriced, total, today = [], 0, Decimal(0), now().date()
    for key, number in sorted(priced.items(), key=lambda item: -item[1]):
        category, country = key.split(" ")
        price = rates.price(Category(category), country, today) if rates else None
        amount = price * number if price is not None else None
        total += amount or 0
        unpriced += number if amount is None else 0
        rows.append([category, country, number, _plain(price), _plain(amount)])
    card = rates.card(today) if rates else None
    return {
        "rows": rows, "unpriced": unpriced, "total": _plain(total) if card else None,
        "currency": rates.currency if rates else "", "valid_from": card.valid_from.isoformat() if card else "",
        "version": rates.version if rates else 0, "note": card.note if card else "",
    }  # fmt: skip


def rehearse(tools: Tools, args: Mapping[str, Any], ids: Sequence[str]) -> list[Outcome]:
    """Work out again what a backtest's text makes of some events, each by itself, to show them."""
    mapping = read(str(args["name"]), str(args["source"]))
    if not isinstance(mapping, Notification) or not ids:
        return []
    tools.desk.catalogue.refresh()
    with tools.store.read() as tx:
        theirs = _accounts(tx, tools.desk.accounts, mapping)
        which = Which(type=mapping.when.event, accounts=theirs, ids=tuple(ids))
        batch = {str(came.id): came for came in past.page(tx, which, "", len(ids))}
    shown = [_alone(tools, mapping, batch[id_]) for id_ in ids if id_ in batch]
    return [outcome for outcome in shown if outcome is not None]


def _alone(tools: Tools, mapping: Notification, came: Came) -> Outcome | None:
    rehearsal = Rehearsal(tools.store, tools.desk.accounts, tools.desk.catalogue, came.planned_at)
    found = rehearsal.run([came], [(Script(mapping=mapping), Memory())])[0]
    return found[0] if found else None


def _accounts(tx: Transaction, known: Accounts, mapping: Notification) -> tuple[AccountId, ...]:
    """Return the accounts whose events the mapping listens to."""
    found = [known.account(row.id) for row in accounts.all_(tx)]
    return tuple(
        account.id
        for account in found
        if account is not None
        and mapping.wants(adapter=account.adapter, event=mapping.when.event, account=account.name)
    )


def _said(send: Any) -> tuple[Any, ...]:
    return send.recipient, send.template, send.language, dict(send.slots)


def _plain(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount.normalize():f}"
