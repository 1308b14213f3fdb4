"""Sending the doctor to an account, with patience that ends, and keeping what was found for whoever looks later.

A vendor that hangs holds nobody up: the visit goes on in a thread of its own, writes down what it found when it is
done, and the page says that it is still on its way. One visit of an account goes on at a time.
"""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from connector.contract import Adapter, Finding, Kit
from connector.errors import ConfigurationError
from connector.flow import accounts, doctor
from connector.flow.accounts import Registry, Vault
from connector.log import get
from connector.model import Account, AccountId, now
from connector.store import Store, Transaction, marks

PATIENCE = 10.0
"""Seconds that somebody who pressed the button waits."""
MOST = 50
"""Findings kept of one visit."""

MakeKit = Callable[[Adapter, Account], Kit]

log = get(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the doctor last found about an account."""

    at: datetime
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Tell whether nothing was wrong."""
        return doctor.passes(self.findings)

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """The findings that need somebody."""
        return tuple(finding for finding in self.findings if finding.ok is False)


class Practice:
    """Visits accounts; one of them in each process."""

    def __init__(self, store: Store, registry: Registry, vault: Vault, make_kit: MakeKit) -> None:
        self._store = store
        self._registry = registry
        self._vault = vault
        self._make_kit = make_kit
        self._busy: dict[AccountId, threading.Event] = {}
        self._lock = threading.Lock()

    def examine(self, name: str, webhook_url: str, *, patience: float = PATIENCE) -> Report | None:
        """Visit an account and return what was found; None where that takes longer than ``patience`` seconds.

        Then it goes on, and what it finds is kept. Raises ConfigurationError where there is no such account.
        """
        row = accounts.find(self._store, name)
        with self._lock:
            done = self._busy.get(row.id)
            if done is None:
                done = self._busy[row.id] = threading.Event()
                work = threading.Thread(
                    target=self._visit, args=(row.id, name, webhook_url, done), name=f"doctor-{name}", daemon=True
                )
                work.start()
        if not done.wait(patience):
            return None
        with self._store.read() as tx:
            return last(tx, row.id)

    def is_busy(self, account_id: AccountId) -> bool:
        """Tell whether a visit of this account is under way."""
        with self._lock:
            return account_id in self._busy

    def _visit(self, account_id: AccountId, name: str, webhook_url: str, done: threading.Event) -> None:
        try:
            findings = examine(self._store, self._registry, self._vault, name, webhook_url, self._make_kit)
            keep(self._store, account_id, findings)
        except Exception:  # the page must hear of it, and the log says what it was
            log.exception("account.not_examined", account=name)
            words = "The doctor failed by a fault of the connector's own."
            keep(self._store, account_id, [Finding(name="doctor", ok=False, words=words, fix="The log says which.")])
        finally:
            with self._lock:
                self._busy.pop(account_id, None)
            done.set()


def examine(
    store: Store, registry: Registry, vault: Vault, name: str, webhook_url: str, make_kit: MakeKit
) -> tuple[Finding, ...]:
    """Visit an account, be its settings fit to be loaded or not. Raises ConfigurationError where there is none."""
    row = accounts.find(store, name)
    try:
        account = accounts.load(registry, vault, row)
    except ConfigurationError as error:
        fix = f"Correct it on the account's page, or with `connector accounts set {name}`."
        return (Finding(name="settings", ok=False, words=str(error), fix=fix),)
    kit = make_kit(registry.get(account.adapter), account)
    return doctor.examine(store, registry, account, webhook_url, kit)


def keep(store: Store, account_id: AccountId, findings: Sequence[Finding]) -> None:
    """Keep what was found, in place of what was found before."""
    told = {"at": now().isoformat(), "findings": [dataclasses.asdict(finding) for finding in findings[:MOST]]}
    with store.write() as tx:
        marks.put(tx, _mark(account_id), json.dumps(told, ensure_ascii=False))


def last(tx: Transaction, account_id: AccountId) -> Report | None:
    """Return what the doctor last found; None where nobody has asked yet."""
    text = marks.get(tx, _mark(account_id))
    if text is None:
        return None
    told = json.loads(text)
    found = tuple(Finding(**finding) for finding in told["findings"])
    return Report(at=datetime.fromisoformat(told["at"]), findings=found)


def _mark(account_id: AccountId) -> str:
    return f"doctor:{account_id}"
