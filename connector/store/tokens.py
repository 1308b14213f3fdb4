"""Tokens that vendors gave, as rows: one sealed text an account."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, select, update

from connector.model import AccountId
from connector.store.dialect import upsert
from connector.store.engine import Transaction
from connector.store.schema import token


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """A stored token."""

    account_id: AccountId
    sealed: str = field(repr=False)
    expires_at: datetime | None
    updated_at: datetime
    """When the vendor gave it."""


def get(tx: Transaction, account_id: AccountId) -> TokenRow | None:
    """Return an account's token, or None."""
    row = tx.execute(select(token).where(token.c.account_id == account_id)).mappings().first()
    return TokenRow(**row) if row is not None else None


def all_(tx: Transaction) -> list[TokenRow]:
    """Return every token."""
    return [TokenRow(**row) for row in tx.execute(select(token).order_by(token.c.account_id)).mappings()]


def put(tx: Transaction, row: TokenRow) -> None:
    """Store an account's token in place of the one before."""
    values = {name: getattr(row, name) for name in TokenRow.__dataclass_fields__}
    tx.execute(upsert(tx, token, "sealed", "expires_at", "updated_at"), [values])


def reseal(tx: Transaction, sealed: Iterable[tuple[AccountId, str]]) -> None:
    """Replace sealed texts, and nothing else."""
    for account_id, text in sealed:
        tx.execute(update(token).where(token.c.account_id == account_id).values(sealed=text))


def delete_(tx: Transaction, account_id: AccountId) -> None:
    """Forget an account's token."""
    tx.execute(delete(token).where(token.c.account_id == account_id))
