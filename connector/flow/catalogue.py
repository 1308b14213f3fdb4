"""The mappings in force, of every kind, and the templates they may use: compiled and kept for a moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from connector.errors import MappingError
from connector.log import get
from connector.mapping import Mapping as NotificationMapping
from connector.mapping.contact import ContactMapping
from connector.mapping.kinds import read
from connector.mapping.people import PeoplePolicy
from connector.mapping.people_form import shipped
from connector.mapping.rates import Rates
from connector.model import Account, AccountId, Template, now
from connector.store import Store, Transaction, mappings, shadows, templates
from connector.store.mappings import TemplateUse, VersionRow
from connector.store.shadows import Run

FRESH_SECONDS = 1.0
MOST_OLDER = 500
"""Versions kept that are no longer in force; messages of them may still be answered."""

log = get(__name__)


@dataclass(frozen=True, slots=True)
class Recipe:
    """A published mapping, ready to plan with."""

    mapping: NotificationMapping
    version: int
    uses: tuple[TemplateUse, ...]
    """The shapes of its templates when it was published."""


class Catalogue:
    """What is in force now. ``refresh`` is cheap while nothing has changed."""

    def __init__(self, store: Store, senders: Callable[[], Sequence[Account]]) -> None:
        """``senders`` returns the accounts that can send, oldest first."""
        self._store = store
        self._senders = senders
        self._compiled: dict[tuple[str, int], _Compiled] = {}
        self._older: dict[tuple[str, int], _Compiled] = {}
        self._by_event: dict[str, list[Recipe]] = {}
        self._contacts: list[ContactMapping] = []
        self._policy: PeoplePolicy | None = None
        self._rates: Rates | None = None
        self._templates: dict[AccountId, dict[tuple[str, str], Template]] = {}
        self._channels: list[Account] = []
        self._shadows: dict[str, tuple[Run, NotificationMapping]] = {}
        self._read_at = float("-inf")

    def refresh(self, *, at_most_old: float = FRESH_SECONDS) -> None:
        """Read again what is older than so many seconds."""
        if time.monotonic() - self._read_at < at_most_old:
            return
        with self._store.read() as tx:
            versions = mappings.in_force(tx)
            rows = templates.all_(tx)
            runs = shadows.open_runs(tx, now())
        self._shadows = {run.id: self._shadows.get(run.id) or found for run in runs if (found := _shadowed(run))}
        self._channels = list(self._senders())
        self._templates = {}
        for row in rows:
            key = row.template.name, row.template.language
            self._templates.setdefault(row.account_id, {})[key] = row.template
        known = self._compiled
        keys = [(row.name, row.version) for row in versions]
        self._compiled = {
            key: known[key] if key in known else _compile(row) for key, row in zip(keys, versions, strict=True)
        }
        self._sort(self._compiled.values())
        self._read_at = time.monotonic()

    def _sort(self, compiled: Iterable[_Compiled]) -> None:
        by_event: dict[str, list[Recipe]] = {}
        contacts: list[ContactMapping] = []
        policy: PeoplePolicy | None = None
        rates: Rates | None = None
        for each in compiled:
            if isinstance(each, Recipe):
                by_event.setdefault(each.mapping.when.event, []).append(each)
            elif isinstance(each, ContactMapping):
                contacts.append(each)
            elif isinstance(each, Rates):
                rates = each
            elif each is not None:
                policy = each
        self._by_event, self._contacts, self._policy, self._rates = by_event, contacts, policy, rates

    def listening(self, event_type: str, account: Account) -> Collection[Recipe]:
        """Return the recipes that want this type of event from this account."""
        return [
            recipe
            for recipe in self._by_event.get(event_type, ())
            if recipe.mapping.wants(adapter=account.adapter, event=event_type, account=account.name)
        ]

    def named(self, name: str) -> Recipe | None:
        """Return the notification mapping of this name that is in force, or None."""
        found = (each for each in self._compiled.values() if isinstance(each, Recipe) and each.mapping.name == name)
        return next(found, None)

    def contacts(self, account: Account) -> Sequence[ContactMapping]:
        """Return the contact mappings in force that are about this account's records, by name."""
        return [each for each in self._contacts if each.wants(adapter=account.adapter, account=account.name)]

    def policy(self) -> PeoplePolicy:
        """Return the people policy in force: the published one, else the one that is shipped (version 0)."""
        return self._policy or shipped()

    def rates(self) -> Rates | None:
        """Return what messages cost, as somebody has entered and published it; None: nobody has."""
        return self._rates

    def shadows(self) -> Collection[tuple[Run, NotificationMapping]]:
        """Return the texts that are tried on what comes, without anything being sent by them."""
        return self._shadows.values()

    def version_of(self, name: str, version: int, tx: Transaction | None = None) -> Recipe | None:
        """Return any published version of a notification mapping, in force or not; None where there is none.

        It is read once, in ``tx`` where one is given; versions never change.
        """
        key = name, version
        found = self._compiled[key] if key in self._compiled else self._older.get(key)
        if found is None and key not in self._compiled and key not in self._older:
            row = self._load(name, version, tx)
            if row is None:
                return None
            if len(self._older) >= MOST_OLDER:
                self._older.clear()
            found = self._older[key] = _compile(row)
        return found if isinstance(found, Recipe) else None

    def _load(self, name: str, version: int, tx: Transaction | None) -> VersionRow | None:
        if tx is not None:
            return mappings.version(tx, name, version)
        with self._store.read() as reading:
            return mappings.version(reading, name, version)

    def channel(self, mapping: NotificationMapping) -> AccountId | None:
        """Return the account a mapping sends by: the one it names, or the only one there is."""
        if name := mapping.template.account:
            return next((account.id for account in self._channels if account.name == name), None)
        return self._channels[0].id if len(self._channels) == 1 else None

    def channels(self) -> Sequence[Account]:
        """Return the accounts that can send, oldest first."""
        return self._channels

    def templates(self, channel: AccountId | None) -> list[Template]:
        """Return a channel's templates, whatever their status."""
        return list(self._templates.get(channel, {}).values()) if channel else []

    def finder(self, channel: AccountId | None) -> Callable[[str, str], Template | None]:
        """Return a look-up of a channel's templates by name and language."""
        found = self._templates.get(channel, {}) if channel else {}
        return lambda name, language: found.get((name, language))


_Compiled: TypeAlias = Recipe | ContactMapping | PeoplePolicy | Rates | None
"""A version, ready for use; None: it can no longer be read, which the log has told."""


def _shadowed(run: Run) -> tuple[Run, NotificationMapping] | None:
    try:
        found = read(run.mapping, run.source)
    except MappingError:
        return None  # it could be read when the run began; another release may think otherwise
    return (run, found) if isinstance(found, NotificationMapping) else None


def _compile(row: VersionRow) -> _Compiled:
    try:
        found = read(row.name, row.source)
    except MappingError as error:
        log.error("mapping.not_loaded", mapping=row.name, version=row.version, faults=str(error))
        return None
    if isinstance(found, PeoplePolicy | Rates):
        return replace(found, version=row.version)
    if isinstance(found, ContactMapping):
        return found
    return Recipe(mapping=found, version=row.version, uses=row.templates)
