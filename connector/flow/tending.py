"""Looking after what a vendor keeps for us, hourly: subscriptions that it dropped are made again."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import timedelta

from connector.contract import Adapter, Finding, Visit
from connector.errors import ConnectorError, RemoteError, TemporaryError
from connector.flow import due
from connector.log import get
from connector.model import Account, AccountId, now
from connector.store import Store, Transaction, marks

CHORE = "tend"
EVERY = timedelta(hours=1)
SOON = timedelta(minutes=10)
"""After a fault that passes."""
MOST = 50
"""Findings kept of one round."""

log = get(__name__)


def tend(store: Store, adapter: Adapter, account: Account, visit: Visit) -> tuple[Finding, ...]:
    """Let the adapter look after an account, and keep what it found. Raises nothing that a vendor says.

    Wrong credentials suspend nothing here: what a vendor refuses to its caretaker it may grant to a sender.
    """
    found: list[Finding] = []
    again = EVERY
    try:
        for finding in adapter.tend(visit) if adapter.tend else ():
            found.append(finding)
            if len(found) >= MOST:
                break
    except ConnectorError as error:
        fix = error.advice if isinstance(error, RemoteError) else ""
        passing = isinstance(error, TemporaryError)
        again = SOON if passing else EVERY
        found.append(Finding(name="upkeep", ok=None if passing else False, words=str(error), fix=fix))
    except Exception as error:  # an adapter's bug must end in a visible record
        log.exception("account.not_tended", account=account.name)
        words = f"The adapter failed ({type(error).__name__})."
        found.append(Finding(name="upkeep", ok=False, words=words, fix="See the log, and report it."))
    told = {"at": now().isoformat(), "findings": [dataclasses.asdict(finding) for finding in found]}
    with store.write() as tx:
        marks.put(tx, _mark(account.id), json.dumps(told, ensure_ascii=False))
        due.set_due(tx, CHORE, account.id, now() + again)
    for finding in found:
        if finding.ok is False:
            log.warning("account.needs_care", account=account.name, finding=finding.name, words=finding.words)
    return tuple(found)


def look(tx: Transaction, account_id: AccountId) -> Iterator[Finding]:
    """Yield what the last round found, each with the time."""
    text = marks.get(tx, _mark(account_id))
    if text is None:
        return
    told = json.loads(text)
    at = told["at"][:16].replace("T", " ")
    for finding in told["findings"]:
        yield Finding(**finding | {"words": f"{at} UTC: {finding['words']}"})


def _mark(account_id: AccountId) -> str:
    return f"tend:{account_id}"
