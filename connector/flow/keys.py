"""Keys of the API: made once and shown once, known by a digest, limited to what their maker may do."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256

from connector.errors import ConfigurationError
from connector.model import GRANTS, Permission, Secret, new_id, now
from connector.store import Store, Transaction, api_keys, users
from connector.store.api_keys import KeyRow

PREFIX = "wck"
COMMAND = "command"
"""Who has made the keys of the command line: whoever may run it may do everything."""
SECRET_BYTES = 32
LONGEST_NAME = 80
USED_EVERY = timedelta(minutes=1)
"""How exactly the last use is known: a write for each request would cost more than most requests do."""
_FORM = re.compile(r"wck_([0-9a-z]{26})_([A-Za-z0-9_-]{43})")
MEANING: dict[Permission, str] = {
    Permission.LOOK: "Read events, messages, mappings, templates, figures; people only masked",
    Permission.SEE_PEOPLE: "See names, numbers and contents unmasked; each look is entered in the audit log",
    Permission.EDIT_MAPPINGS: "Write drafts, check and preview them",
    Permission.PUBLISH: "Put a mapping in force, roll it back, take it out of force",
    Permission.REPLAY: "Walk stored requests again",
    Permission.SEND: "Push events, and send messages by a mapping",
    Permission.EDIT_PEOPLE: "Enter consent, put labels on people and take them off",
    Permission.EDIT_ACCOUNTS: "Sync templates, manage webhooks that leave, enter rates",
    Permission.EDIT_TEAM: "Nothing yet: who belongs to the team is decided in the console alone",
}
"""What each scope opens."""
OFFERED = tuple(item for item in Permission if item is not Permission.EDIT_TEAM)
"""Scopes that a key may have: it can make neither people nor keys."""


@dataclass(frozen=True, slots=True)
class Made:
    """A new key, and the one sight of it."""

    row: KeyRow
    token: Secret = field(repr=False)


def make(
    store: Store,
    name: str,
    scopes: Collection[Permission],
    *,
    may: Collection[Permission],
    by: str,
    by_name: str,
    expires_at: datetime | None = None,
) -> Made:
    """Make a key with some of what its maker ``may`` do. Raises ConfigurationError in words for a form."""
    name, at = " ".join(name.split()), now()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise ConfigurationError(f"name: say what the key is for, in at most {LONGEST_NAME} characters.")
    if not scopes:
        raise ConfigurationError("scopes: choose at least one; a key without any opens nothing.")
    if beyond := sorted(set(scopes) - (set(may) & set(OFFERED))):
        raise ConfigurationError(f"scopes: {', '.join(beyond)} is more than you may give.")
    if expires_at is not None and expires_at <= at:
        raise ConfigurationError("expires: choose a moment that is still to come.")
    secret = secrets.token_urlsafe(SECRET_BYTES)
    row = KeyRow(
        id=new_id(), name=name, digest=_digest(secret), scopes=frozenset(scopes), made_by=by, made_by_name=by_name,
        created_at=at, expires_at=expires_at,
    )  # fmt: skip
    with store.write() as tx:
        api_keys.add(tx, row)
    return Made(row, Secret(f"{PREFIX}_{row.id}_{secret}"))


def recognise(store: Store, token: str) -> KeyRow | None:
    """Return the valid key that a token is, or None; notes its use, at most once a minute.

    It opens no more than its maker may still do: those of somebody who was disabled open nothing.
    """
    match = _FORM.fullmatch(token)
    if match is None:
        return None
    id_, secret = match.groups()
    at = now()
    with store.read() as tx:
        row = api_keys.get(tx, id_)
        scopes = _scopes(tx, row) if row else frozenset()
    # Compared also where there is no such key, so that time does not tell which ids there are.
    genuine = hmac.compare_digest(_digest(secret), row.digest if row else _digest(""))
    if row is None or not genuine or not scopes or not row.is_valid(at):
        return None
    if row.used_at is None or at - row.used_at >= USED_EVERY:
        with store.write() as tx:
            api_keys.touch(tx, row.id, at)
    return replace(row, scopes=scopes)


def _scopes(tx: Transaction, row: KeyRow) -> frozenset[Permission]:
    """Return what a key opens by now."""
    if row.made_by == COMMAND:
        return row.scopes
    maker = users.get(tx, row.made_by)
    return row.scopes & GRANTS[maker.role] if maker is not None and maker.active else frozenset()


def list_all(store: Store) -> list[KeyRow]:
    """Return every key, the newest first."""
    with store.read() as tx:
        return api_keys.all_(tx)


def revoke(store: Store, id_: str) -> KeyRow:
    """Let a key open nothing any more. Raises ConfigurationError where there is none, or it is revoked already."""
    at = now()
    with store.write() as tx:
        row = api_keys.get(tx, id_)
        if row is None:
            raise ConfigurationError("There is no API key with this id; `connector api-keys list` names them.")
        if not api_keys.revoke(tx, [id_], at):
            raise ConfigurationError(f"The key {row.name} has been revoked already.")
    return row


def state_of(row: KeyRow, at: datetime) -> str:
    """Say in a word how a key stands: ``valid``, ``revoked`` or ``expired``."""
    if row.revoked_at is not None:
        return "revoked"
    return "valid" if row.is_valid(at) else "expired"


def _digest(secret: str) -> str:
    # One round is enough: 32 random bytes cannot be guessed, so there is nothing to slow down.
    return sha256(secret.encode()).hexdigest()
