"""Authorization by code: somebody is sent to the vendor, and must come back in the same browser, once, soon.

What proves it is a random state, which goes to the vendor and comes back, and a random word in a cookie of
the browser that began. Kept of both is one digest an account; a newer beginning takes the place of the older.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from datetime import datetime, timedelta

from connector.contract import Authorizer
from connector.model import Account, AccountId, now
from connector.store import Store, Transaction, marks

LASTS = timedelta(minutes=10)


def begin(store: Store, account: Account, authorizer: Authorizer, redirect_url: str) -> tuple[str, str]:
    """Return where to send them, and the word for the cookie. Raises ConfigurationError, or a RemoteError."""
    state, word = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    url = authorizer.begin(account.settings, state=state, redirect_url=redirect_url)
    told = {"digest": _digest(state, word), "until": (now() + LASTS).isoformat()}
    with store.write() as tx:
        marks.put(tx, _mark(account.id), json.dumps(told))
    return url, word


def redeem(store: Store, account_id: AccountId, state: str, word: str) -> bool:
    """Tell whether they who come back are they who went; true only once."""
    digest = _digest(state, word)
    with store.read() as tx:  # a stranger shall not keep the database from writing
        if not _fits(tx, account_id, digest):
            return False
    with store.write() as tx:
        if not _fits(tx, account_id, digest):
            return False
        return marks.delete(tx, _mark(account_id))


def _fits(tx: Transaction, account_id: AccountId, digest: str) -> bool:
    text = marks.get(tx, _mark(account_id))
    if text is None:
        return False
    told = json.loads(text)
    return hmac.compare_digest(told["digest"], digest) and now() < datetime.fromisoformat(told["until"])


def _digest(state: str, word: str) -> str:
    return hashlib.sha256(f"{state}\n{word}".encode("utf-8", "replace")).hexdigest()


def _mark(account_id: AccountId) -> str:
    return f"authorize:{account_id}"
