"""Webhook addresses of accounts: the one in use, and those that were replaced and still work for a while."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from connector.model import AccountId
from connector.store import schema
from connector.store.connection_schema import old_address
from connector.store.engine import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class OldAddress:
    """An address that was replaced."""

    token: str = field(repr=False)
    account_id: AccountId
    replaced_at: datetime
    until: datetime
    """From then on it answers 404."""


def replace(tx: Transaction, id_: AccountId, token: str, *, at: datetime, until: datetime) -> bool:
    """Give an account a new token; the present one works until then. False where there is no such account."""
    here = schema.account.c.id == id_
    known = tx.execute(select(schema.account.c.token).where(here).with_for_update()).first()
    if known is None:
        return False
    tx.execute(insert(old_address).values(token=known.token, account_id=id_, replaced_at=at, until=until))
    tx.execute(update(schema.account).where(here).values(token=token))
    return True


def old(tx: Transaction, at: datetime, id_: AccountId | None = None) -> list[OldAddress]:
    """Return the replaced addresses that still work, of one account or of all, the newest first."""
    query = select(old_address).where(old_address.c.until > at).order_by(old_address.c.replaced_at.desc())
    if id_ is not None:
        query = query.where(old_address.c.account_id == id_)
    return [OldAddress(**row) for row in tx.execute(query).mappings()]


def drop(tx: Transaction, id_: AccountId) -> int:
    """Forget an account's replaced addresses, whether they still work or not; return how many there were."""
    return int(tx.execute(delete(old_address).where(old_address.c.account_id == id_)).rowcount)
