"""A key of the secrets that is lost: what went with it, and how an installation goes on without it."""

from __future__ import annotations

from dataclasses import dataclass

from connector.errors import ConfigurationError
from connector.flow import outgoing
from connector.flow.accounts import Vault
from connector.flow.keepsake import NAMES, SECOND_FACTORS
from connector.model import AccountId, now
from connector.store import Store, Transaction, accounts, tokens, users

NOTE = "Its secrets were lost with the key that sealed them: enter them again, then check the connection."


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What is sealed with a key that is not there."""

    accounts: tuple[str, ...]
    """Names."""
    tokens: int
    """Given by vendors to accounts; asked for anew where that can be done."""
    endpoints: int
    """Webhooks out, whose secrets are lost."""
    kept: frozenset[str]
    """Which of our own: :data:`connector.flow.keepsake.NAMES`."""
    second_factors: int
    """People whose authenticator is of no use any more."""

    def __bool__(self) -> bool:
        return bool(self.accounts or self.tokens or self.endpoints or self.kept)


def look(tx: Transaction, vault: Vault) -> Loss:
    """Return what no key opens."""
    sealed = [row.account_id for row in tokens.all_(tx) if not _opens(vault, row.sealed)]
    kept = frozenset(sealed).intersection(NAMES)
    endpoints = sum(id_.startswith(outgoing.SEALED) for id_ in sealed)
    codes = [row for row in users.all_(tx) if row.totp] if SECOND_FACTORS in kept else []
    return Loss(
        accounts=tuple(row.name for row in accounts.all_(tx) if not _opens(vault, row.secrets)),
        tokens=len(sealed) - len(kept) - endpoints,
        endpoints=endpoints,
        kept=frozenset(map(str, kept)),
        second_factors=len(codes),
    )


def require(store: Store, vault: Vault) -> None:
    """Raise ConfigurationError where the keys open nothing of what this installation made for itself."""
    with store.read() as tx:
        found = [row for id_ in NAMES if (row := tokens.get(tx, AccountId(id_))) is not None]
    if any(not _opens(vault, row.sealed) for row in found):
        raise ConfigurationError(
            f"The secrets in the database were sealed with another key than {vault.place}. Put the old key back from "
            "a backup; without one, `connector keys reset` says what is lost, and goes on without it."
        )


def reset(store: Store, vault: Vault) -> Loss:
    """Drop what no key opens: accounts wait for their secrets, everybody signs in anew; return what was lost."""
    at = now()
    with store.write() as tx:
        loss = look(tx, vault)
        for row in accounts.all_(tx):
            if row.name in loss.accounts:
                accounts.update_settings(tx, row.id, settings=row.settings, secrets=vault.seal({}), at=at)
                accounts.suspend(tx, row.id, NOTE, at)
        for token in tokens.all_(tx):
            if not _opens(vault, token.sealed):
                tokens.delete_(tx, token.account_id)
        if SECOND_FACTORS in loss.kept:
            for user in users.all_(tx):
                users.change(tx, user.id, {"totp": None, "totp_counter": None, "recovery": ""})
                users.forget_doors(tx, user.id)
    return loss


def _opens(vault: Vault, sealed: str) -> bool:
    try:
        vault.open_(sealed)
    except ConfigurationError:
        return False
    return True
