"""Which mappings use a template: as versions in force, and as drafts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import dataclass

from connector.errors import MappingError
from connector.mapping import Mapping
from connector.mapping.kinds import read
from connector.model import Account, AccountId
from connector.store import Transaction, mappings

Key = tuple[AccountId, str, str]
"""Account, name, language."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A mapping that uses a template."""

    mapping: str
    version: int | None
    """The version in force that uses it; None: only the draft does."""
    changed: bool = False
    """Its shape is another than when that version was published."""


def find(
    tx: Transaction, senders: Sequence[Account], shapes: Dictionary[Key, str] | None = None
) -> dict[Key, list[Use]]:
    """Return by whom each template is used, by the mapping's name; ``shapes`` are the fingerprints of now."""
    uses: dict[Key, dict[str, Use]] = defaultdict(dict)
    for row in mappings.all_(tx):
        for key in _wanted(row.name, row.draft, senders):
            uses[key][row.name] = Use(mapping=row.name, version=None)
    for version in mappings.in_force(tx):
        for each in version.templates:
            key = (each.account_id, each.name, each.language)
            now = (shapes or {}).get(key, each.fingerprint)
            uses[key][version.name] = Use(
                mapping=version.name, version=version.version, changed=now != each.fingerprint
            )
    return {key: [by_name[name] for name in sorted(by_name)] for key, by_name in uses.items()}


def _wanted(name: str, source: str, senders: Sequence[Account]) -> list[Key]:
    try:
        mapping = read(name, source)
    except MappingError:
        return []  # a draft that somebody is in the middle of
    if not isinstance(mapping, Mapping):
        return []
    choice = mapping.template
    channels = [each.id for each in senders if choice.account in ("", None, each.name)]
    if not choice.account and len(channels) > 1:
        return []
    return [(id_, choice.name, language) for id_ in channels for language in choice.language.all]
