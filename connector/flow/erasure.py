"""The key under which numbers of erased people are hashed: their refusal outlives them, and nothing else."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from connector.flow.accounts import Vault
from connector.flow.keepsake import PEPPER, keepsake
from connector.store import Store


def digester(store: Store, vault: Vault) -> Callable[[str], str]:
    """Return a function that hashes a number or user id under a secret of this installation.

    Phone numbers are few enough to be guessed from a plain hash. The secret is made now where there is none
    yet, and not with the first number: that comes inside a transaction, and SQLite has one writer.
    """
    pepper = keepsake(store, vault, PEPPER)
    return lambda value: hmac.new(pepper, value.encode(), hashlib.sha256).hexdigest()
