"""Catching up: asking a vendor for what its pushes may have lost.

What a feed finds goes through the same door as what is pushed: into the inbox, where its key makes it
once. The cursor is written in the transaction that stores the last of a page, never before: a crash asks
for the page again, and loses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from connector.contract import Feed, Finding, Page
from connector.errors import CredentialsError, PermanentError, RemoteError, TemporaryError
from connector.flow import due
from connector.flow.outcome import note_of
from connector.log import get
from connector.model import Account, AccountId, now
from connector.store import Store, Transaction, accounts, inbox, marks

CHORE = "catch_up"
AT_ONCE = 200
"""Requests stored in one transaction."""
FIRST_WAIT = timedelta(minutes=1)
"""After a fault that passes; doubled each time, up to the feed's own rhythm."""
LONGEST_WAIT = timedelta(days=1)
NO_FEED_WAIT = timedelta(days=1)
"""Where the settings hold no access to the API; changed settings are looked at at once."""

log = get(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """What came of asking."""

    found: int = 0
    fresh: int = 0
    """Of these, what no push had brought and no earlier look had found."""
    more: bool = False
    """There is more to ask for at once; time was over."""
    suspended: str = ""
    """Why the account was suspended, where it was."""
    trouble: str = ""
    """What went wrong, where something did."""


def catch_up(
    store: Store,
    account: Account,
    feed: Feed,
    *,
    ring: Callable[[], object],
    enough: Callable[[], bool] = lambda: False,
) -> Caught:
    """Pull pages from the saved cursor on and store what they hold, until there are no more or ``enough`` says so.

    ``ring`` is called after each commit that stored something new. A RemoteError is recorded and not raised:
    a temporary one is due again soon, wrong credentials suspend the account, others wait for the next time.
    """
    found = fresh = 0
    more = True
    with store.read() as tx:
        cursor = marks.get(tx, _cursor(account.id)) or ""
    while more and not enough():
        try:
            page = feed.pull(cursor, now())
        except Exception as error:  # noqa: BLE001 - a vendor's fault and an adapter's bug both end in a visible record
            return _fail(store, account, feed, error, found, fresh)
        fresh += _take(store, account.id, page, ring)
        found += len(page.found)
        if page.more and page.cursor == cursor:
            stuck = PermanentError("The vendor says that there is more, and does not move on.")
            return _fail(store, account, feed, stuck, found, fresh)
        more, cursor = page.more, page.cursor
    with store.write() as tx:
        _record(tx, account.id, found=found, fresh=fresh)
        due.set_due(tx, CHORE, account.id, now() + (timedelta() if more else feed.every))
    return Caught(found=found, fresh=fresh, more=more)


def postpone(store: Store, account_id: AccountId) -> None:
    """Leave an account alone that has no feed with its present settings."""
    with store.write() as tx:
        due.set_due(tx, CHORE, account_id, now() + NO_FEED_WAIT)
        marks.delete(tx, _state(account_id))


def look(tx: Transaction, account_id: AccountId) -> Finding | None:
    """Tell how the last catch-up went; None where there never was one."""
    text = marks.get(tx, _state(account_id))
    if text is None:
        return None
    told = json.loads(text)
    return Finding(name="catch-up", ok=told["ok"], words=told["words"], fix=told["fix"])


def _take(store: Store, account_id: AccountId, page: Page, ring: Callable[[], object]) -> int:
    arrivals = [
        inbox.Arrival(account_id=account_id, delivery_key=item.key[:255], topic=item.topic[:255], request=item.request)
        for item in page.found
    ]
    fresh = 0
    for start in range(0, max(1, len(arrivals)), AT_ONCE):
        part = arrivals[start : start + AT_ONCE]
        with store.write() as tx:
            new = sum(inbox.add(tx, part)) if part else 0
            if start + AT_ONCE >= len(arrivals):
                marks.put(tx, _cursor(account_id), page.cursor)
        if new:
            ring()
        fresh += new
    return fresh


def _fail(store: Store, account: Account, feed: Feed, error: Exception, found: int, fresh: int) -> Caught:
    """Write down what went wrong, and when to ask again."""
    at = now()
    if isinstance(error, RemoteError):
        words, fix = error.words, error.advice
    else:
        log.error("feed.failed", account=account.name, exc_info=error)
        words, fix = f"The adapter failed ({type(error).__name__}).", "See the log, and report it."
    suspended = ""
    with store.write() as tx:
        tries = _tries(tx, account.id) + 1
        _record(tx, account.id, found=found, fresh=fresh, words=words, fix=fix, tries=tries)
        if isinstance(error, CredentialsError):
            suspended = note_of(error)
            accounts.suspend(tx, account.id, suspended, at)
        due.set_due(tx, CHORE, account.id, at + _wait(error, tries, feed.every))
    return Caught(found=found, fresh=fresh, suspended=suspended, trouble=words)


def _wait(error: Exception, tries: int, every: timedelta) -> timedelta:
    if not isinstance(error, TemporaryError):
        return every
    if error.retry_after is not None:
        return timedelta(seconds=min(max(1.0, error.retry_after), LONGEST_WAIT.total_seconds()))
    return min(FIRST_WAIT * float(2 ** min(tries - 1, 10)), every)


def _record(
    tx: Transaction, account_id: AccountId, *, found: int, fresh: int, words: str = "", fix: str = "", tries: int = 0
) -> None:
    at = f"{now():%Y-%m-%d %H:%M} UTC"
    told = f"{at}: {words}" if words else f"{at}: looked at {found}, of which {fresh} had not been pushed."
    state = {"ok": not words, "words": told, "fix": fix, "tries": tries}
    marks.put(tx, _state(account_id), json.dumps(state, ensure_ascii=False))


def _tries(tx: Transaction, account_id: AccountId) -> int:
    text = marks.get(tx, _state(account_id))
    return int(json.loads(text)["tries"]) if text else 0


def _cursor(account_id: AccountId) -> str:
    return f"feed:{account_id}"


def _state(account_id: AccountId) -> str:
    return f"{CHORE}:{account_id}"
