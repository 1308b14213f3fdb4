"""The key under which numbers of erased people are hashed: their refusal outlives them, and nothing else."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable

from connector.flow.accounts import Vault
from connector.model import AccountId, now
from connector.store import Store, tokens

_NAME = AccountId("pepper")
"""Kept beside the tokens, since it is sealed, and sealed anew with another key, as they are."""


def digester(store: Store, vault: Vault) -> Callable[[str], str]:
    """Return a function that hashes a number or user id under a secret of this installation.

    Phone numbers are few enough to be guessed from a plain hash. The secret is made now where there is none
    yet, and not with the first number: that comes inside a transaction, and SQLite has one writer.
    """
    pepper = _pepper(store, vault)
    return lambda value: hmac.new(pepper, value.encode(), hashlib.sha256).hexdigest()


def _pepper(store: Store, vault: Vault) -> bytes:
    with store.read() as tx:
        row = tokens.get(tx, _NAME)
    if row is None:
        sealed = vault.seal({"pepper": os.urandom(32).hex()})
        with store.write() as tx:
            row = tokens.get(tx, _NAME)
            if row is None:
                row = tokens.TokenRow(account_id=_NAME, sealed=sealed, expires_at=None, updated_at=now())
                tokens.put(tx, row)
    return bytes.fromhex(vault.open_(row.sealed)["pepper"])
