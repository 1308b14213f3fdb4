"""The composition root: builds every tool once, from the settings."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from connector import embedded
from connector.contract import Adapter, Channel, Crm, Feed, Kit, Receiver, Visit
from connector.errors import ConfigurationError
from connector.flow import accounts, retell, share, silence
from connector.flow.catalogue import Catalogue
from connector.flow.crowd import Desk
from connector.flow.doctoring import Practice
from connector.flow.erasure import digester
from connector.flow.knocks import KEEP_SECONDS, Knocks
from connector.flow.people import People
from connector.flow.tokens import StoredTokens
from connector.http import Http
from connector.log import get
from connector.model import Account, AccountId, ContactId, now
from connector.registry import Registry
from connector.security.vault import Vault
from connector.settings import Settings
from connector.store import Store, Transaction, addresses
from connector.store.accounts import AccountRow

if TYPE_CHECKING:
    from connector.queue import Bell

FRESH_SECONDS = 1.0
HASTE_SECONDS = 0.05
"""How soon an unknown token may make us look again: a stranger can cost 20 look-ups a second, no more."""
MOST_THREADS = 200
LEAST_THREADS = 8
KIT_THREADS = 8
"""Calls at once of one account's feed and write-backs together."""

log = get(__name__)
Role = TypeVar("Role")


@dataclass(frozen=True, slots=True)
class Reached:
    """An account with its adapter and receiver."""

    account: Account
    adapter: Adapter
    receiver: Receiver | None


class Directory:
    """The accounts, read again when they may have changed; safe to use from many threads."""

    def __init__(self, store: Store, registry: Registry, vault: Vault) -> None:
        self._store = store
        self._registry = registry
        self._vault = vault
        self._lock = threading.Lock()
        self._by_token: dict[str, Reached] = {}
        self._by_id: dict[AccountId, Reached] = {}
        self._faulty: dict[AccountId, str] = {}
        self._read_at = float("-inf")
        self._stale = False

    def by_token(self, token: str) -> Reached | None:
        """Return whose webhook URL ends in this token."""
        self._refresh(FRESH_SECONDS)
        found = self._by_token.get(token)
        if found is None:
            self._refresh(HASTE_SECONDS)
            found = self._by_token.get(token)
        return found

    def reached(self, id_: AccountId) -> Reached | None:
        """Return an account by id."""
        self._refresh(FRESH_SECONDS)
        return self._by_id.get(id_)

    def account(self, id_: AccountId) -> Account | None:
        """Return an account by id."""
        found = self.reached(id_)
        return found.account if found else None

    def receiver(self, id_: AccountId) -> Receiver | None:
        """Return an account's receiver, if its adapter has that role."""
        found = self.reached(id_)
        return found.receiver if found else None

    def public(self, id_: AccountId) -> Mapping[str, object]:
        """Return an account's settings without its secrets."""
        found = self.reached(id_)
        return accounts.public_settings(found.account) if found else {}

    def senders(self) -> list[Account]:
        """Return the accounts that can send, oldest first."""
        self._refresh(FRESH_SECONDS)
        found = [item.account for item in self._by_id.values() if item.adapter.channel is not None]
        return sorted(found, key=lambda account: account.created_at)

    def listeners(self) -> list[Account]:
        """Return the accounts in use whose silence would mean something."""
        return [item.account for item in self.all_() if item.account.active and silence.listens(item.adapter)]

    def all_(self) -> list[Reached]:
        """Return every account that could be loaded."""
        self._refresh(FRESH_SECONDS)
        return list(self._by_id.values())

    def forget(self) -> None:
        """Read the accounts again when they are asked for next: one of them was changed here."""
        self._read_at = float("-inf")

    def _refresh(self, oldest: float) -> None:
        if time.monotonic() - self._read_at < oldest or not self._lock.acquire(blocking=not self._by_id):
            return  # somebody else is reading: what we have is good enough
        try:
            if time.monotonic() - self._read_at >= oldest:
                self._read()
        except Exception as error:  # the database is away: what is known holds until it is back
            if not self._by_id:
                raise
            self._read_at = time.monotonic()
            if not self._stale:
                log.warning("accounts.not_read", words=type(error).__name__)
            self._stale = True
        finally:
            self._lock.release()

    def _read(self) -> None:
        by_id: dict[AccountId, Reached] = {}
        for account in accounts.load_all(self._store, self._registry, self._vault, on_fault=self._complain):
            known = self._by_id.get(account.id)
            if known is None or known.account != account:
                adapter = self._registry.get(account.adapter)
                try:
                    receiver = adapter.receiver(account.settings) if adapter.receiver else None
                except Exception:  # one adapter's bug must not cost the other accounts their webhooks
                    log.exception("account.not_reached", account=account.name)
                    receiver = None
                known = Reached(account, adapter, receiver)
            by_id[account.id] = known
        with self._store.read() as tx:
            replaced = addresses.old(tx, now())
        by_token = {each.token: by_id[each.account_id] for each in replaced if each.account_id in by_id}
        # Both at the end, and the tokens first: who finds accounts here may believe the tokens.
        self._by_token = by_token | {item.account.token: item for item in by_id.values()}
        self._by_id = by_id
        self._read_at, self._stale = time.monotonic(), False

    def _complain(self, row: AccountRow, error: Exception) -> None:
        if self._faulty.get(row.id) != str(error):
            self._faulty[row.id] = str(error)
            log.error("account.not_loaded", account=row.name, words=str(error))


class Made(Generic[Role]):
    """What was built for accounts, each until its account's settings change; safe to use from many threads."""

    def __init__(self) -> None:
        self._known: dict[AccountId, tuple[Any, Role]] = {}
        self._lock = threading.Lock()

    def get(self, found: Reached, make: Callable[[Reached], Role]) -> Role:
        """Return what was made for these settings, making it where it was not. Raises what ``make`` raises."""
        account = found.account
        with self._lock:
            known = self._known.get(account.id)
            if known is None or known[0] != account.settings:
                known = account.settings, make(found)
                self._known[account.id] = known
            return known[1]


class Wiring:
    """Everything a process of ours may need; parts are built when they are first asked for."""

    def __init__(self, settings: Settings) -> None:
        """Open the store and the vault. Raises ConfigurationError."""
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.settings = settings
        self.store = Store(settings.database_url)
        self.vault = Vault.open(settings.data, os.environ)
        self.registry = Registry()
        self.directory = Directory(self.store, self.registry, self.vault)
        self.redis_url = settings.redis_url or embedded.url(settings.data)
        self._channels: dict[AccountId, tuple[Account, Channel, int]] = {}
        self._kits: Made[Kit] = Made()
        self._feeds: Made[Feed | None] = Made()
        self._crms: Made[Crm | None] = Made()

    @cached_property
    def catalogue(self) -> Catalogue:
        """The mappings in force, compiled."""
        return Catalogue(self.store, self.directory.senders)

    @cached_property
    def practice(self) -> Practice:
        """Who visits accounts as a doctor."""
        return Practice(self.store, self.registry, self.vault, partial(self.kit_of, patient=False))

    @cached_property
    def people(self) -> People:
        """Who recognises people."""
        return People(digester(self.store, self.vault))

    @cached_property
    def desk(self) -> Desk:
        """What is needed to deal with people."""
        holders = Holders(self)
        return Desk(
            people=self.people,
            catalogue=self.catalogue,
            accounts=holders,
            retell=lambda tx, id_: retell.roots(tx, holders, id_),
        )

    def spread(self, tx: Transaction, contacts: Collection[ContactId], at: datetime) -> set[AccountId]:
        """Want what these people's records should hold by now; the clock rings for whoever has to write it."""
        self.catalogue.refresh()
        return share.spread(tx, self.catalogue, self.desk.accounts, contacts, at)

    def remembers(self, found: Reached) -> bool:
        """Tell whether an account remembers people, and holds what it takes to write to it; suspended or not."""
        try:
            return self._crm_of(found) is not None
        except Exception:  # one adapter's bug must not cost the other accounts their write-backs
            log.exception("account.not_reached", account=found.account.name)
            return False

    def _crm_of(self, found: Reached) -> Crm | None:
        make = found.adapter.crm
        if make is None:
            return None
        return self._crms.get(found, lambda found: make(found.account.settings, self.kit(found.account.id)))

    @classmethod
    def from_settings(cls, settings: Settings) -> Wiring:
        """Build everything from the settings. Raises ConfigurationError."""
        return cls(settings)

    @cached_property
    def queue(self) -> Bell:
        """The bell; made when it is first needed, since most commands need none and redis is slow to import."""
        from connector.queue import Bell

        return Bell(self.redis_url)

    @cached_property
    def knocks(self) -> Knocks:
        """Who knocked at the webhook addresses."""
        from connector.limits import Slate

        return Knocks(Slate(self.redis_url, "knocks", keep_seconds=KEEP_SECONDS))

    def channel(self, id_: AccountId) -> tuple[Account, Channel, int] | None:
        """Return an account, its channel and how many threads suit it; None where it cannot send."""
        found = self.directory.reached(id_)
        if found is None or found.adapter.channel is None:
            return None
        known = self._channels.get(id_)
        if known is None or known[0].settings != found.account.settings:
            http = Http(found.adapter.hosts(found.account.settings), threads=MOST_THREADS)
            channel = found.adapter.channel(found.account.settings, http)
            threads = max(LEAST_THREADS, min(MOST_THREADS, int(channel.rate / 2)))
            known = found.account, channel, threads
        self._channels[id_] = found.account, known[1], known[2]
        return self._channels[id_]

    def kit(self, id_: AccountId) -> Kit:
        """Return what an account's roles speak with. Raises ConfigurationError where there is no such account."""
        found = self.directory.reached(id_)
        if found is None:
            raise ConfigurationError("The account is no longer there.")
        return self._kits.get(found, lambda found: self.kit_of(found.adapter, found.account))

    def kit_of(self, adapter: Adapter, account: Account, *, patient: bool = True) -> Kit:
        """Make a kit; ``patient`` False for a person who has just mended something (see StoredTokens)."""
        from connector.limits import RedisBudget

        hosts = sorted(adapter.hosts(account.settings))
        return Kit(
            http=Http(hosts, threads=KIT_THREADS),
            tokens=StoredTokens(self.store, self.vault, account.id, bound_to=" ".join(hosts), patient=patient),
            budget=RedisBudget(self.redis_url, account.id),
        )

    def feed(self, id_: AccountId) -> tuple[Account, Feed] | None:
        """Return an account and its feed; None where it has none, or is suspended."""
        found = self.directory.reached(id_)
        if found is None or found.adapter.feed is None or not found.account.active:
            return None
        make = found.adapter.feed
        feed = self._feeds.get(found, lambda found: make(found.account.settings, self.kit(id_)))
        return (found.account, feed) if feed is not None else None

    def crm(self, id_: AccountId) -> tuple[Account, Crm] | None:
        """Return an account and its CRM; None where it has none, or is suspended."""
        found = self.directory.reached(id_)
        if found is None or not found.account.active:
            return None
        crm = self._crm_of(found)
        return (found.account, crm) if crm is not None else None

    def visit(self, id_: AccountId) -> tuple[Reached, Visit] | None:
        """Return an account in use, and what its adapter needs to look after it."""
        found = self.directory.reached(id_)
        if found is None or not found.account.active:
            return None
        kit, url = self.kit(id_), self.settings.webhook_url(found.account.token)
        return found, Visit(found.account.settings, kit.http, url, kit)

    def close(self) -> None:
        """Close what is open."""
        if "knocks" in self.__dict__:
            self.knocks.close()
        self.store.close()


class Holders:
    """The accounts, as whoever deals with people asks about them."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    def account(self, id_: AccountId) -> Account | None:
        """Return an account by id."""
        return self._wiring.directory.account(id_)

    def receiver(self, id_: AccountId) -> Receiver | None:
        """Return its receiver."""
        return self._wiring.directory.receiver(id_)

    def public(self, id_: AccountId) -> Mapping[str, object]:
        """Return its settings without secrets."""
        return self._wiring.directory.public(id_)

    def crms(self) -> list[Account]:
        """Return the accounts that remember people."""
        return [found.account for found in self._wiring.directory.all_() if self._wiring.remembers(found)]


def build(**given: Any) -> Wiring:
    """Build everything from the environment; ``given`` (data, host, port) goes first."""
    return Wiring(Settings.from_env(**given))
