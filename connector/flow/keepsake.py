"""Secrets that this installation makes for itself, once, and keeps sealed."""

from __future__ import annotations

import os

from connector.flow.accounts import Vault
from connector.model import AccountId, now
from connector.store import Store, tokens

SESSIONS, SECOND_FACTORS, PEPPER = "sessions", "second-factors", "pepper"
NAMES = (SESSIONS, SECOND_FACTORS, PEPPER)
"""Of all that there are; where one of them does not open, no page does."""


def keepsake(store: Store, vault: Vault, name: str) -> bytes:
    """Return the 32 secret bytes of this name, the same for every process; made where there are none yet.

    Kept beside the tokens, since they are sealed, and sealed anew with another key, as those are. Writes, so
    it is not to be called inside a write.
    """
    id_ = AccountId(name)
    with store.read() as tx:
        row = tokens.get(tx, id_)
    if row is None:
        sealed = vault.seal({name: os.urandom(32).hex()})
        with store.write() as tx:
            row = tokens.get(tx, id_)
            if row is None:
                row = tokens.TokenRow(account_id=id_, sealed=sealed, expires_at=None, updated_at=now())
                tokens.put(tx, row)
    return bytes.fromhex(vault.open_(row.sealed)[name])
