"""The mappings in force and the templates they may use, compiled and kept for a moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from connector.errors import MappingError
from connector.log import get
from connector.mapping import Mapping as NotificationMapping
from connector.mapping import load
from connector.model import Account, AccountId, Template
from connector.store import Store, mappings, templates
from connector.store.mappings import TemplateUse, VersionRow

FRESH_SECONDS = 1.0

log = get(__name__)


@dataclass(frozen=True, slots=True)
class Recipe:
    """A published mapping, ready to plan with."""

    mapping: NotificationMapping
    version: int
    uses: tuple[TemplateUse, ...]

    def fingerprints(self, channel: AccountId | None) -> Mapping[tuple[str, str], str]:
        """Return the shapes its templates had when it was published."""
        return {(use.name, use.language): use.fingerprint for use in self.uses if use.account_id == channel}


class Catalogue:
    """What is in force now. ``refresh`` is cheap while nothing has changed."""

    def __init__(self, store: Store, senders: Callable[[], Sequence[Account]]) -> None:
        """``senders`` returns the accounts that can send, oldest first."""
        self._store = store
        self._senders = senders
        self._compiled: dict[tuple[str, int], Recipe | None] = {}
        self._by_event: dict[str, list[Recipe]] = {}
        self._templates: dict[AccountId, dict[tuple[str, str], Template]] = {}
        self._channels: list[Account] = []
        self._read_at = float("-inf")

    def refresh(self, *, at_most_old: float = FRESH_SECONDS) -> None:
        """Read again what is older than so many seconds."""
        if time.monotonic() - self._read_at < at_most_old:
            return
        with self._store.read() as tx:
            versions = mappings.in_force(tx)
            rows = templates.all_(tx)
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
        self._by_event = {}
        for recipe in self._compiled.values():
            if recipe is not None:
                self._by_event.setdefault(recipe.mapping.when.event, []).append(recipe)
        self._read_at = time.monotonic()

    def listening(self, event_type: str, account: Account) -> Collection[Recipe]:
        """Return the recipes that want this type of event from this account."""
        return [
            recipe
            for recipe in self._by_event.get(event_type, ())
            if recipe.mapping.wants(adapter=account.adapter, event=event_type, account=account.name)
        ]

    def channel(self, mapping: NotificationMapping) -> AccountId | None:
        """Return the account a mapping sends by: the one it names, or the only one there is."""
        if name := mapping.template.account:
            return next((account.id for account in self._channels if account.name == name), None)
        return self._channels[0].id if len(self._channels) == 1 else None

    def finder(self, channel: AccountId | None) -> Callable[[str, str], Template | None]:
        """Return a look-up of a channel's templates by name and language."""
        found = self._templates.get(channel, {}) if channel else {}
        return lambda name, language: found.get((name, language))


def _compile(row: VersionRow) -> Recipe | None:
    try:
        return Recipe(mapping=load(row.name, row.source), version=row.version, uses=row.templates)
    except MappingError as error:
        log.error("mapping.not_loaded", mapping=row.name, version=row.version, faults=str(error))
        return None
