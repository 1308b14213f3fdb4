"""What an operator does to a person by hand: labels, blocks, merging. Each is one transaction, and says who did it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from connector.errors import ConfigurationError
from connector.flow import labels, share
from connector.flow.crowd import Desk
from connector.mapping.people import Owner
from connector.model import AccountId, Contact, ContactId, new_id
from connector.store import Store, Transaction, people
from connector.store.labels import LabelChange

ADMIN = "admin"
_FILLED = ("phone", "raw_phone", "name", "email", "region", "locale", "timezone", "blocked_at", "blocked_words")


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it."""

    changed: bool
    """False: it was so already."""
    accounts: frozenset[AccountId] = frozenset()
    """Shops and CRMs that have something to be written."""


def label(
    store: Store, desk: Desk, id_: ContactId, name: str, at: datetime, *, added: bool, by: str, reason: str = ""
) -> Done:
    """Put a label on a person, or take it off, and share it. Raises ConfigurationError where we may not."""
    desk.catalogue.refresh()
    policy = desk.catalogue.policy()
    if not "".join(name.split()):
        raise ConfigurationError("A label needs a name.")
    if policy.owner(name) is Owner.THEIRS:
        raise ConfigurationError(f"The label {name} belongs to the shops and CRMs (policy/people): change it there.")
    words = f"by {by}: {reason}" if reason else f"by {by}"
    change = LabelChange(
        key=f"{ADMIN}:{new_id()}", contact_id=id_, name=name, added=added, origin=ADMIN, words=words, at=at
    )
    with store.write() as tx:
        _require(tx, [id_])
        done = labels.change(tx, [change], policy)
        gone = {id_: [item.name for item in done if not item.added]}
        accounts = _share(tx, desk, id_, at, gone) if done else set()
    return Done(bool(done), frozenset(accounts))


def block(store: Store, id_: ContactId, at: datetime, *, by: str, reason: str) -> Done:
    """Send nothing to a person any more, also nothing that waits already; their consent stays as it is."""
    with store.write() as tx:
        before = _require(tx, [id_])[id_]
        if before.blocked_at is None:
            people.save(tx, [replace(before, blocked_at=at, blocked_words=f"{reason} ({by})", updated_at=at)])
    return Done(before.blocked_at is None)


def unblock(store: Store, id_: ContactId, at: datetime) -> Done:
    """Let a person be written to again, within what they agreed to; also one who could not be reached."""
    with store.write() as tx:
        before = _require(tx, [id_])[id_]
        after = replace(before, blocked_at=None, blocked_words="", bounces=0, unreachable_at=None)
        if after != before:
            people.save(tx, [replace(after, updated_at=at)])
    return Done(after != before)


def merge(
    store: Store, desk: Desk, keep: ContactId, gone: ContactId, at: datetime, *, by: str, reason: str = ""
) -> Done:
    """Make two contacts one: keys, labels and histories of both count for the one that is kept.

    A revocation of either holds for both. Raises ConfigurationError where it is one contact already.
    """
    if keep == gone:
        raise ConfigurationError("Both are the same contact already.")
    desk.catalogue.refresh()
    words = f"Merged by {by}: {reason}" if reason else f"Merged by {by}."
    with store.write() as tx:
        found = _require(tx, [keep, gone])
        stays, lost = found[keep], found[gone]
        desk.people.merge(tx, keep, gone, words, at)
        filled = {name: getattr(stays, name) or getattr(lost, name) for name in _FILLED}
        people.save(tx, [replace(stays, **filled, updated_at=at)])
        return Done(True, frozenset(_share(tx, desk, keep, at, {})))


def _require(tx: Transaction, ids: list[ContactId]) -> dict[ContactId, Contact]:
    found = people.load(tx, ids, locked=True)
    if any(id_ not in found or found[id_].merged_into for id_ in ids):
        raise ConfigurationError("This contact has just been merged or erased; look again.")
    return found


def _share(
    tx: Transaction, desk: Desk, id_: ContactId, at: datetime, gone: dict[ContactId, list[str]]
) -> set[AccountId]:
    return share.spread(tx, desk.catalogue, desk.accounts, [id_], at, gone_labels=gone)
