"""Noticing that a vendor has stopped pushing: longer than is usual for this account.

Each hour what was pushed since is read once, for all accounts, and of each account the last 200 gaps and
the longest gap of each of the last 14 days are remembered. A silence is unusual when it is longer than an
hour, than three times the usual gap (19 of 20 gaps are shorter), and than what nights and closed days
have taught (the second longest day's gap, so that one breakdown teaches nothing). What a feed found is not
counted: it works while pushes do not.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.contract import Adapter, Finding
from connector.log import get
from connector.model import Account, AccountId, now
from connector.store import Store, Transaction, marks, pushes

EVERY = timedelta(hours=1)
MOST_READ = 20_000
"""Requests read in one round; of more, the newest."""
GAPS = 200
FEWEST = 20
"""Gaps without which nothing is usual."""
DAYS = 14
LEAST = timedelta(hours=1)
TIMES = 3.0

_MARK = "silence"
log = get(__name__)


@dataclass(slots=True)
class Rhythm:
    """How an account pushes."""

    last_at: datetime
    gaps: list[int] = field(default_factory=list)
    """Seconds, oldest first."""
    days: dict[str, int] = field(default_factory=dict)
    """Day -> the longest gap that ended on it, in seconds."""
    told: bool = False
    """Whether the present silence stands in the log."""

    def hear(self, at: datetime, *, gap: bool = True) -> None:
        """Take in one push; ``gap`` False: something before it was not read, so nothing is learnt of the gap."""
        seconds = int((at - self.last_at).total_seconds())
        if gap and seconds >= 0:
            self.gaps = [*self.gaps[1 - GAPS :], seconds]
            day = f"{at:%Y-%m-%d}"
            self.days[day] = max(self.days.get(day, 0), seconds)
            self.days = dict(sorted(self.days.items())[-DAYS:])
        self.last_at = max(self.last_at, at)

    def usual(self) -> timedelta | None:
        """Return the gap that 19 of 20 stay under; None where too little is known."""
        if len(self.gaps) < FEWEST:
            return None
        return timedelta(seconds=sorted(self.gaps)[int(len(self.gaps) * 0.95)])

    def limit(self) -> timedelta | None:
        """Return how long a silence may be; None where too little is known."""
        usual = self.usual()
        if usual is None:
            return None
        recurring = timedelta(seconds=(sorted(self.days.values())[-2:-1] or [0])[0])
        return max(usual * TIMES, LEAST, recurring * 1.1)

    def is_unusual(self, at: datetime) -> bool:
        """Tell whether it has been too silent for too long."""
        limit = self.limit()
        return limit is not None and at - self.last_at > limit


def listens(adapter: Adapter) -> bool:
    """Tell whether silence of such an account means anything: a channel is silent while nothing is sent."""
    return adapter.receiver is not None and adapter.channel is None


def observe(store: Store) -> None:
    """Take in what was pushed since the last time; bounded, whatever came."""
    with store.read() as tx:
        known, last = int(marks.get(tx, _MARK) or 0), pushes.last_id(tx)
        first = max(known, last - MOST_READ)
        heard: dict[AccountId, list[datetime]] = defaultdict(list)
        for push in pushes.between(tx, first, last):
            heard[push.account_id].append(push.received_at)
        rhythms = {account_id: _load(tx, account_id) for account_id in heard}
    with store.write() as tx:
        for account_id, times in heard.items():
            rhythm = rhythms[account_id]
            for number, at in enumerate(times):
                if rhythm is None:
                    rhythm = Rhythm(at)
                else:
                    rhythm.hear(at, gap=number > 0 or first == known)
            if rhythm is not None:
                if rhythm.told:
                    log.info("account.heard_again", account_id=account_id)
                rhythm.told = False
                _save(tx, account_id, rhythm)
        marks.put(tx, _MARK, str(last))


def is_due(tx: Transaction) -> bool:
    """Tell whether it is time to observe again."""
    observed_at = marks.at(tx, _MARK)
    return observed_at is None or now() - observed_at >= EVERY


def warn(store: Store, accounts: Iterable[Account]) -> list[Account]:
    """Write one line into the log for each silence that is unusual; return whose they are, told before or not."""
    at, silent = now(), []
    with store.read() as tx:
        known = {account.id: _load(tx, account.id) for account in accounts}
    for account in accounts:
        rhythm = known[account.id]
        if rhythm is None or not rhythm.is_unusual(at):
            continue
        silent.append(account)
        if not rhythm.told:
            rhythm.told = True
            with store.write() as tx:
                _save(tx, account.id, rhythm)
            log.warning("account.silent", account=account.name, words=_words(rhythm))
    return silent


def seconds(tx: Transaction, accounts: Iterable[Account]) -> Iterator[tuple[str, float]]:
    """Yield, by account name, how long each unusual silence has lasted; 0 for accounts as usual."""
    at = now()
    for account in accounts:
        rhythm = _load(tx, account.id)
        if rhythm is not None and rhythm.limit() is not None:
            yield account.name, (at - rhythm.last_at).total_seconds() if rhythm.is_unusual(at) else 0.0


def last_heard(tx: Transaction, account_ids: Iterable[AccountId]) -> dict[AccountId, datetime]:
    """Return when each of these accounts last pushed, exact to now; those that never did are left out.

    What the hourly look has read is not read again, and never more than :data:`MOST_READ` requests.
    """
    after = max(int(marks.get(tx, _MARK) or 0), pushes.last_id(tx) - MOST_READ)
    fresh = pushes.latest(tx, after)
    known = {id_: rhythm.last_at for id_ in account_ids if (rhythm := _load(tx, id_))}
    return {id_: fresh.get(id_) or known[id_] for id_ in account_ids if id_ in fresh or id_ in known}


def look(tx: Transaction, account_id: AccountId) -> Finding | None:
    """Tell whether an account has gone silent; None where too little is known to say."""
    rhythm = _load(tx, account_id)
    if rhythm is None or rhythm.limit() is None:
        return None
    if not rhythm.is_unusual(now()):
        return Finding(name="events", ok=True, words=_words(rhythm))
    fix = "See whether its webhooks still stand at the vendor, and whether they reach this machine."
    return Finding(name="events", ok=False, words=_words(rhythm), fix=fix)


def _words(rhythm: Rhythm) -> str:
    usual = rhythm.usual() or timedelta()
    verb = "No event since" if rhythm.is_unusual(now()) else "The last event came"
    return f"{verb} {rhythm.last_at:%Y-%m-%d %H:%M} UTC (usual gap: up to {_span(usual)})."


def _span(span: timedelta) -> str:
    minutes = max(1, round(span.total_seconds() / 60))
    if minutes < 120:
        return f"{minutes} min"
    return f"{round(minutes / 60)} h" if minutes < 48 * 60 else f"{round(minutes / 1440)} days"


def _load(tx: Transaction, account_id: AccountId) -> Rhythm | None:
    text = marks.get(tx, f"{_MARK}:{account_id}")
    if text is None:
        return None
    told = json.loads(text)
    return Rhythm(datetime.fromisoformat(told["last_at"]), told["gaps"], told["days"], told["told"])


def _save(tx: Transaction, account_id: AccountId, rhythm: Rhythm) -> None:
    told = {
        "last_at": rhythm.last_at.isoformat(), "gaps": rhythm.gaps, "days": rhythm.days, "told": rhythm.told,
    }  # fmt: skip
    marks.put(tx, f"{_MARK}:{account_id}", json.dumps(told, separators=(",", ":")))
