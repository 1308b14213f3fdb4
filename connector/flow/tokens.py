"""Tokens shared by all processes: however many workers there are, one of them logs in.

The token lies sealed in the database, and in the memory of each process for as long as it is valid. Where
none is, whoever gets the lease asks the vendor, outside of any transaction, and stores what it got before
anybody sees it; the others wait, and read. A vendor that refuses is not asked again for a while, whoever
asks: a storm of 401 must not become a storm of logins, which vendors punish by locking the user out.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from connector.contract import Grant
from connector.errors import ConfigurationError, CredentialsError, TemporaryError
from connector.flow.accounts import Vault
from connector.flow.owner import is_dead, new_owner
from connector.log import get
from connector.model import AccountId, Secret, now
from connector.store import Store, Transaction, leases, marks, tokens

MARGIN = timedelta(seconds=60)
"""A token is not used for so long before its end, or for a fifth of its life where that is shorter."""
LEASE_SECONDS = 90.0
"""Longer than any login takes."""
WAIT_SECONDS = 8.0
"""How long to wait for whoever is logging in."""
POLL_SECONDS = 0.1
REFUSED_SECONDS = 30.0
"""How long a vendor that refused our credentials is not asked again."""
SOON_SECONDS = 5.0
"""A token refused so soon after it was given shows that another will not help at once."""

log = get(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A grant with what else is known of it."""

    grant: Grant = field(repr=False)
    granted_at: datetime
    expires_at: datetime | None

    def is_valid(self) -> bool:
        """Tell whether it may be used now."""
        if not self.grant.access_token:
            return False
        if self.expires_at is None:
            return True
        margin = min(MARGIN, (self.expires_at - self.granted_at) / 5)
        return now() < self.expires_at - margin


class StoredTokens:
    """One account's token (:class:`connector.contract.Tokens`); safe to use from many threads and processes."""

    def __init__(
        self, store: Store, vault: Vault, account_id: AccountId, *, bound_to: str = "", patient: bool = True
    ) -> None:
        """``bound_to``: where the token may be sent; one that was stored for elsewhere is no longer used.

        ``patient`` False asks the vendor even where it has just refused: for a person who has mended something.
        """
        self._store = store
        self._vault = vault
        self._account = account_id
        self._bound_to = bound_to
        self._patient = patient
        self._lock = threading.Lock()
        self._held: Held | None = None

    def __repr__(self) -> str:
        return f"StoredTokens({self._account})"

    def current(self, renew: Callable[[Grant | None], Grant]) -> Grant:
        """Return the token, asking ``renew`` for another where there is none that is valid.

        Raises what ``renew`` raises; its CredentialsError again for a while, without asking; TemporaryError
        where somebody else has been logging in for too long, or a token was refused as soon as it was given.
        """
        held = self._held
        if held is not None and held.is_valid():
            return held.grant
        if not self._lock.acquire(timeout=WAIT_SECONDS):
            raise _busy()
        try:
            held = self._held
            if held is None or not held.is_valid():
                self._held = held = self._obtain(renew)
            return held.grant
        finally:
            self._lock.release()

    def reject(self, grant: Grant) -> None:
        """Forget a token that the vendor refused, unless it has been replaced already."""
        with self._store.write() as tx:
            stored = self._load(tx)
            if stored is not None and stored.grant.access_token == grant.access_token:
                self._put(tx, replace(stored, grant=replace(stored.grant, access_token=Secret(""))))
        held = self._held
        if held is not None and held.grant.access_token == grant.access_token:
            self._held = None

    def keep(self, grant: Grant) -> None:
        """Store a grant that was got in another way (authorization code)."""
        held = Held(grant=grant, granted_at=now(), expires_at=grant.expires_at)
        with self._store.write() as tx:
            self._put(tx, held)
            marks.delete(tx, self._refusal)
        self._held = held

    @property
    def _lease(self) -> str:
        return f"token:{self._account}"

    @property
    def _refusal(self) -> str:
        return f"login_refused:{self._account}"

    def _obtain(self, renew: Callable[[Grant | None], Grant]) -> Held:
        owner, end = new_owner(), time.monotonic() + WAIT_SECONDS
        while True:
            with self._store.read() as tx:
                stored = self._load(tx)
                holder = leases.holder(tx, self._lease)
            if stored is not None and stored.is_valid():
                return stored
            if not holder or is_dead(holder):
                with self._store.write() as tx:
                    mine = leases.acquire(tx, self._lease, owner, LEASE_SECONDS, is_dead=is_dead)
                    stored = self._load(tx)  # it may have come since we looked
                if mine:
                    return self._renew(renew, owner, stored)
            if time.monotonic() > end:
                raise _busy()
            time.sleep(POLL_SECONDS)

    def _renew(self, renew: Callable[[Grant | None], Grant], owner: str, last: Held | None) -> Held:
        try:
            if last is not None and last.is_valid():
                return last
            self._forbear(last)
            return self._ask(renew, owner, last)
        finally:
            with self._store.write() as tx:
                leases.release(tx, self._lease, owner)

    def _ask(self, renew: Callable[[Grant | None], Grant], owner: str, last: Held | None) -> Held:
        started = now()
        try:
            grant = renew(last.grant if last else None)
        except CredentialsError as error:
            with self._store.write() as tx:
                marks.put(tx, self._refusal, _dump_refusal(error))
            raise
        held = Held(grant=grant, granted_at=started, expires_at=grant.expires_at)
        with self._store.write() as tx:
            stored = self._load(tx)
            if stored is not None and stored.is_valid() and leases.holder(tx, self._lease) != owner:
                return stored  # we were thought dead, and somebody was quicker: all shall use the same
            self._put(tx, held)
            marks.delete(tx, self._refusal)
        log.info("token.renewed", account_id=self._account)
        return held

    def _forbear(self, last: Held | None) -> None:
        """Raise where the vendor has refused so recently that asking again would only do harm."""
        if not self._patient:
            return
        if last is not None and not last.grant.access_token:
            age = (now() - last.granted_at).total_seconds()
            if age < SOON_SECONDS:
                raise TemporaryError(
                    "The vendor refused a token that it had just given; another is asked for in a moment.",
                    retry_after=SOON_SECONDS - age,
                    code="token_refused",
                )
        with self._store.read() as tx:
            refused_at, words = marks.at(tx, self._refusal), marks.get(tx, self._refusal)
        if refused_at and words and (now() - refused_at).total_seconds() < REFUSED_SECONDS:
            raise _load_refusal(words)

    def _load(self, tx: Transaction) -> Held | None:
        row = tokens.get(tx, self._account)
        if row is None:
            return None
        try:
            values = self._vault.open_(row.sealed)
        except ConfigurationError as error:  # the key is another: logging in anew mends it where that can be done
            log.warning("token.not_opened", account_id=self._account, words=str(error))
            return None
        if values.get("bound_to", "") != self._bound_to:
            return None
        return _held(values, row)

    def _put(self, tx: Transaction, held: Held) -> None:
        values = {
            "access_token": held.grant.access_token,
            "refresh_token": held.grant.refresh_token,
            "details": dict(held.grant.details),
            "bound_to": self._bound_to,
        }
        row = tokens.TokenRow(
            account_id=self._account,
            sealed=self._vault.seal(values),
            expires_at=held.expires_at,
            updated_at=held.granted_at,
        )
        tokens.put(tx, row)


def reseal_all(store: Store, vault: Vault) -> list[str]:
    """Seal every token again, with the newest key; return the sealed texts. One that no key opens is forgotten."""
    sealed = {}
    with store.write() as tx:
        for row in tokens.all_(tx):
            try:
                sealed[row.account_id] = vault.seal(vault.open_(row.sealed))
            except ConfigurationError:
                tokens.delete_(tx, row.account_id)
        tokens.reseal(tx, sealed.items())
    return list(sealed.values())


def _held(values: dict[str, Any], row: tokens.TokenRow) -> Held:
    refresh = values.get("refresh_token")
    grant = Grant(
        access_token=Secret(values["access_token"]),
        refresh_token=Secret(refresh) if refresh else None,
        expires_at=row.expires_at,
        details=values.get("details") or {},
    )
    return Held(grant=grant, granted_at=row.updated_at, expires_at=row.expires_at)


def _busy() -> TemporaryError:
    return TemporaryError("Another process is logging in at the vendor, and has not come to an end.", retry_after=5.0)


def _dump_refusal(error: CredentialsError) -> str:
    return json.dumps({"words": error.words, "code": error.code, "status": error.status, "advice": error.advice})


def _load_refusal(text: str) -> CredentialsError:
    told = json.loads(text)
    return CredentialsError(told["words"], code=told["code"], status=told["status"], advice=told["advice"])
