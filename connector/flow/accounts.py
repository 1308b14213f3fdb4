"""Connecting accounts: settings checked by the adapter's schema, secrets sealed, rows turned into accounts."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from connector.contract import Adapter, Receiver
from connector.errors import ConfigurationError
from connector.flow import settings as schemas
from connector.model import Account, AccountId, Secret, new_id, now
from connector.store import Store, Transaction, accounts, addresses, marks
from connector.store.accounts import AccountRow

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
TOKEN_BYTES = 24
TAKEN = ("add",)
"""Names that no account can have."""
GRACE = timedelta(days=7)
"""How long a webhook address that was replaced still works."""


class Registry(Protocol):
    """Where adapters are found."""

    def get(self, name: str) -> Adapter:
        """Return the adapter of this name. Raises ConfigurationError."""

    def names(self) -> Sequence[str]:
        """Return the names of all adapters."""


class Vault(Protocol):
    """What keeps secrets at rest."""

    @property
    def place(self) -> str:
        """Where its keys are, in words."""

    def seal(self, values: Mapping[str, Any]) -> str:
        """Encrypt a JSON object."""

    def open_(self, sealed: str) -> dict[str, Any]:
        """Decrypt it. Raises ConfigurationError where the key is another."""


class Accounts(Protocol):
    """What is asked about accounts by whoever works with what they tell."""

    def account(self, id_: AccountId) -> Account | None:
        """Return an account by id."""

    def receiver(self, id_: AccountId) -> Receiver | None:
        """Return its receiver."""

    def public(self, id_: AccountId) -> Mapping[str, Any]:
        """Return its settings without secrets."""

    def crms(self) -> Sequence[Account]:
        """Return the accounts that remember people."""


def connect(
    store: Store, registry: Registry, vault: Vault, adapter_name: str, name: str, given: Mapping[str, Any]
) -> Account:
    """Check and store a new account; ``given`` maps the adapter's settings to values, secrets among them.

    Raises SettingsError that names every faulty field: ``webhook_secret: …``, ``shop: …``.
    """
    adapter = registry.get(adapter_name)
    faults = list(schemas.check(adapter, given))
    if name in TAKEN:
        faults.insert(0, f"name: {name!r} means something else in addresses of pages; take another.")
    if not _NAME.fullmatch(name):
        faults.insert(0, "name: must be 1 to 63 letters, digits, dots, dashes or underscores, such as main-store.")
    with store.read() as tx:
        if accounts.get_by_name(tx, name):
            faults.insert(0, f"name: an account named {name!r} exists already.")
    if faults:
        raise schemas.SettingsError(faults)
    parts = schemas.split(adapter, given)
    at = now()
    row = AccountRow(
        id=AccountId(new_id()),
        adapter=adapter.name,
        name=name,
        token=secrets.token_urlsafe(TOKEN_BYTES),
        settings=parts.public,
        secrets=vault.seal(parts.secret),
        created_at=at,
        updated_at=at,
    )
    with store.write() as tx:
        accounts.add(tx, row)
    return load(registry, vault, row)


def load(registry: Registry, vault: Vault, row: AccountRow) -> Account:
    """Turn a row into an account. Raises ConfigurationError that names the account."""
    try:
        settings = schemas.load(registry.get(row.adapter), {**row.settings, **vault.open_(row.secrets)})
    except ConfigurationError as error:
        raise ConfigurationError(f"Account {row.name}: {error}") from None
    return Account(
        id=row.id,
        adapter=row.adapter,
        name=row.name,
        token=row.token,
        settings=settings,
        active=row.active,
        note=row.note,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def load_all(
    store: Store,
    registry: Registry,
    vault: Vault,
    *,
    on_fault: Callable[[AccountRow, ConfigurationError], None] | None = None,
) -> tuple[Account, ...]:
    """Load every account, by name.

    An account that cannot be loaded raises its ConfigurationError; with ``on_fault`` it is handed to that
    instead, and the others are loaded.
    """
    with store.read() as tx:
        rows = accounts.all_(tx)
    found = []
    for row in rows:
        try:
            found.append(load(registry, vault, row))
        except ConfigurationError as error:
            if on_fault is None:
                raise
            on_fault(row, error)
    return tuple(found)


def find(store: Store, name: str) -> AccountRow:
    """Return the account of this name. Raises ConfigurationError that lists the names there are."""
    with store.read() as tx:
        return _find(tx, name)


def change(
    store: Store, registry: Registry, vault: Vault, name: str, given: Mapping[str, Any], cleared: Collection[str] = ()
) -> Account:
    """Replace some of an account's settings, and take ``cleared`` ones away; the others stay.

    Raises SettingsError, as :func:`connect`.
    """

    def turn(stored: Mapping[str, Any]) -> dict[str, Any]:
        return {field: value for field, value in {**stored, **given}.items() if field not in cleared}

    return _rewrite(store, registry, vault, name, turn)


def rotate(
    store: Store,
    registry: Registry,
    vault: Vault,
    name: str,
    field: str,
    value: Secret | None,
    *,
    drop_old: bool = False,
) -> Account:
    """Give a secret a new value; where the field rotates, older values stay valid until dropped.

    ``value`` None with ``drop_old`` keeps the newest alone. Raises ConfigurationError.
    """
    adapter = registry.get(find(store, name).adapter)
    setting = next((setting for setting in schemas.settings_of(adapter) if setting.name == field), None)
    if setting is None or not setting.secret:
        names = ", ".join(setting.name for setting in schemas.settings_of(adapter) if setting.secret)
        raise ConfigurationError(f"{field}: is not a secret of {adapter.title}, which has {names or 'none'}.")
    if value is None and not drop_old:
        raise ConfigurationError(f"{field}: no new value was given.")

    def turn(stored: Mapping[str, Any]) -> dict[str, Any]:
        known = stored.get(field, [])
        old = known if isinstance(known, list) else [known]
        values = old if value is None else [value.reveal(), *(text for text in old if text != value.reveal())]
        if not values:
            raise ConfigurationError(f"{field}: is not set, so there is nothing to keep.")
        return {**stored, field: (values[:1] if drop_old else values) if setting.rotates else values[0]}

    account = _rewrite(store, registry, vault, name, turn)
    if value is not None:
        with store.write() as tx:
            times = secret_times(tx, account.id) | {field: now()}
            marks.put(tx, _times(account.id), json.dumps({each: at.isoformat() for each, at in times.items()}))
    return account


def secret_times(tx: Transaction, account_id: AccountId) -> dict[str, datetime]:
    """Return when secrets of an account were last given a value, by setting; the first ones came with the account."""
    text = marks.get(tx, _times(account_id))
    return {field: datetime.fromisoformat(at) for field, at in json.loads(text).items()} if text else {}


def renew_address(store: Store, name: str) -> str:
    """Give an account a new webhook address and return its token; the old one works for :data:`GRACE` more.

    Raises ConfigurationError where there is no such account.
    """
    token, at = secrets.token_urlsafe(TOKEN_BYTES), now()
    with store.write() as tx:
        addresses.replace(tx, _find(tx, name).id, token, at=at, until=at + GRACE)
    return token


def drop_old_addresses(store: Store, name: str) -> int:
    """Let an account's replaced webhook addresses answer 404 from now on; return how many. Raises as above."""
    with store.write() as tx:
        return addresses.drop(tx, _find(tx, name).id)


def suspend(store: Store, name: str, note: str) -> bool:
    """Stop using an account, with the reason; False where it was suspended already. Raises ConfigurationError."""
    with store.write() as tx:
        return accounts.suspend(tx, _find(tx, name).id, note, now())


def resume(store: Store, name: str) -> bool:
    """Use a suspended account again; False where it was in use. Raises ConfigurationError."""
    with store.write() as tx:
        return accounts.resume(tx, _find(tx, name).id, now())


def remove(store: Store, name: str, *, force: bool = False) -> accounts.Pending:
    """Remove an account; its history stays. Returns what was cut off.

    Raises ConfigurationError while messages or unread webhooks wait for it, unless ``force``: then they
    end, and say why.
    """
    with store.write() as tx:
        row = _find(tx, name)
        pending = accounts.pending(tx, row.id)
        if pending and not force:
            raise ConfigurationError(
                f"{name} is still needed: {pending.messages} messages have not left by it and "
                f"{pending.requests} of its webhooks have not been read. Wait until they are done, or remove it by "
                "force, which cancels them."
            )
        accounts.abandon(tx, row.id, now())
        accounts.remove(tx, row.id)
    return pending


def public_settings(account: Account) -> dict[str, Any]:
    """Return an account's settings without its secrets."""
    return schemas.public(account.settings)


def reseal_all(store: Store, vault: Vault) -> list[str]:
    """Seal every account's secrets again, with the newest key, in one transaction; return the sealed texts.

    Raises ConfigurationError, and changes nothing, where one of them cannot be opened.
    """
    sealed = []
    with store.write() as tx:
        for row in accounts.all_(tx):
            sealed.append(vault.seal(vault.open_(row.secrets)))
            accounts.update_settings(tx, row.id, settings=row.settings, secrets=sealed[-1], at=row.updated_at)
    return sealed


def _times(account_id: AccountId) -> str:
    return f"secrets:{account_id}"


def _find(tx: Transaction, name: str) -> AccountRow:
    row = accounts.get_by_name(tx, name)
    if row is None:
        names = (
            ", ".join(row.name for row in accounts.all_(tx)) or "none yet; connect one with `connector accounts add`"
        )
        raise ConfigurationError(f"There is no account named {name!r}; there are: {names}.")
    return row


def _rewrite(
    store: Store,
    registry: Registry,
    vault: Vault,
    name: str,
    rewrite: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> Account:
    with store.write() as tx:
        row = _find(tx, name)
        stored = {**row.settings, **vault.open_(row.secrets)}
        parts = schemas.split(registry.get(row.adapter), rewrite(stored))
        sealed, at = vault.seal(parts.secret), now()
        accounts.update_settings(tx, row.id, settings=parts.public, secrets=sealed, at=at)
    return load(registry, vault, replace(row, settings=parts.public, secrets=sealed, updated_at=at))
