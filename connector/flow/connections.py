"""How every account stands: what it does, when it last heard and sent, what waits for it, what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from connector.contract import Adapter, Finding
from connector.errors import ConfigurationError, MappingError
from connector.flow import accounts, catchup, doctoring, silence, tending
from connector.flow.accounts import Registry, Vault
from connector.flow.doctoring import Report
from connector.mapping import Mapping
from connector.mapping.contact import ContactMapping
from connector.mapping.kinds import read
from connector.model import AccountId
from connector.store import Store, Transaction, mappings, standing, tokens, write_backs
from connector.store import accounts as rows
from connector.store.accounts import AccountRow
from connector.store.mappings import VersionRow
from connector.store.tokens import TokenRow


class Health(StrEnum):
    """How an account is, in one word."""

    WELL = "well"
    NEW = "new"
    """Nobody has looked yet, and nothing has come."""
    TROUBLE = "needs care"
    """In use, but something was found to be wrong."""
    SUSPENDED = "suspended"
    BROKEN = "broken"
    """Its settings or its adapter cannot be loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """An account and what is known of it."""

    row: AccountRow
    adapter: Adapter | None
    """None: it is no longer installed."""
    fault: str = ""
    """Why it cannot be loaded, where it cannot."""
    heard_at: datetime | None = None
    """When the vendor last pushed something that was proven."""
    sent_at: datetime | None = None
    unsent: int = 0
    unread: int = 0
    unwritten: int = 0
    not_written: int = 0
    """Values that the vendor refused for good."""
    token: TokenRow | None = None
    report: Report | None = None
    """What the doctor last found."""
    looked: tuple[Finding, ...] = ()
    """What was found since without the doctor: catching up, upkeep, silence."""

    @property
    def title(self) -> str:
        """What the vendor is called."""
        return self.adapter.title if self.adapter else self.row.adapter

    @property
    def sends(self) -> bool:
        """Tell whether messages leave by it."""
        return self.adapter is not None and self.adapter.channel is not None

    @property
    def does(self) -> tuple[str, ...]:
        """What it does, in words."""
        adapter = self.adapter
        if adapter is None:
            return ()
        parts = {
            "tells us what happens": adapter.receiver is not None and adapter.channel is None,
            "sends messages": adapter.channel is not None,
            "hears receipts and answers": adapter.channel is not None and adapter.receiver is not None,
            "is asked for what was lost": adapter.feed is not None,
            "is written back to": adapter.crm is not None,
        }
        return tuple(words for words, plays in parts.items() if plays)

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """What needs somebody: by the doctor, and by what was found since."""
        return (*(self.report.wrong if self.report else ()), *(each for each in self.later if each.ok is False))

    @property
    def later(self) -> tuple[Finding, ...]:
        """What was found without the doctor, and that the doctor has not told too."""
        told = self.report.findings if self.report else ()
        return tuple(each for each in self.looked if each not in told)

    @property
    def health(self) -> Health:
        """How it is."""
        if self.fault:
            return Health.BROKEN
        if not self.row.active:
            return Health.SUSPENDED
        if self.wrong:
            return Health.TROUBLE
        known = self.report or self.heard_at or self.sent_at or any(each.ok for each in self.looked)
        return Health.WELL if known else Health.NEW


def look(store: Store, registry: Registry, vault: Vault) -> list[Connection]:
    """Return every account, by name; asks no vendor."""
    with store.read() as tx:
        known = rows.all_(tx)
        heard = silence.last_heard(tx, [row.id for row in known])
        sent, unsent, unread = standing.last_sent(tx), standing.unsent(tx), standing.unread(tx)
        written = write_backs.count(tx)
        held = {row.account_id: row for row in tokens.all_(tx)}
        found = {row.id: (doctoring.last(tx, row.id), _looked(tx, registry, row)) for row in known}
    return [
        Connection(
            row=row,
            adapter=_adapter(registry, row),
            fault=_fault(registry, vault, row),
            heard_at=heard.get(row.id),
            sent_at=sent.get(row.id),
            unsent=unsent.get(row.id, 0),
            unread=unread.get(row.id, 0),
            unwritten=sum(number for state, number in written.get(row.id, {}).items() if state != "failed"),
            not_written=written.get(row.id, {}).get("failed", 0),
            token=held.get(row.id),
            report=found[row.id][0],
            looked=found[row.id][1],
        )
        for row in known
    ]


def needed_by(tx: Transaction, row: AccountRow) -> list[str]:
    """Return the names of mappings in force that send by an account, or speak of what it tells."""
    return [version.name for version in mappings.in_force(tx) if _needs(version, row)]


def heard(tx: Transaction, account_id: AccountId) -> datetime | None:
    """Return when an account last pushed something that was proven."""
    return silence.last_heard(tx, [account_id]).get(account_id)


def _looked(tx: Transaction, registry: Registry, row: AccountRow) -> tuple[Finding, ...]:
    adapter = _adapter(registry, row)
    if adapter is None:
        return ()
    found: list[Finding | None] = []
    if adapter.feed is not None:
        found.append(catchup.look(tx, row.id))
    if adapter.tend is not None:
        found += tending.look(tx, row.id)
    if silence.listens(adapter):
        found.append(silence.look(tx, row.id))
    return tuple(each for each in found if each is not None)


def _needs(version: VersionRow, row: AccountRow) -> bool:
    if any(each.account_id == row.id for each in version.templates):
        return True
    try:
        mapping = read(version.name, version.source)
    except MappingError:
        return False
    if isinstance(mapping, ContactMapping):
        return mapping.wants(adapter=row.adapter, account=row.name)
    if isinstance(mapping, Mapping):
        return mapping.wants(adapter=row.adapter, event=mapping.when.event, account=row.name)
    return False


def _adapter(registry: Registry, row: AccountRow) -> Adapter | None:
    try:
        return registry.get(row.adapter)
    except ConfigurationError:
        return None


def _fault(registry: Registry, vault: Vault, row: AccountRow) -> str:
    try:
        accounts.load(registry, vault, row)
    except ConfigurationError as error:
        return str(error)
    return ""
