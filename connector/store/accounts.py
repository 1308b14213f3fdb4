"""Accounts as rows: public settings in the clear, secrets as one sealed text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from connector.errors import ConfigurationError
from connector.model import OPEN, AccountId, State
from connector.store import news, schema
from connector.store.engine import Transaction

_ACCOUNT = schema.account.c
_MESSAGE = schema.message.c
_REQUEST = schema.request.c


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """An account as it is stored; ``settings`` and ``secrets`` hold what was given, not yet loaded."""

    id: AccountId
    adapter: str
    name: str
    token: str = field(repr=False)
    settings: Mapping[str, Any]
    """What may be shown."""
    secrets: str = field(repr=False)
    """Sealed JSON."""
    active: bool = True
    note: str = ""
    """Why it is suspended."""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """What still needs an account."""

    messages: int
    """Messages that are to leave by it and have not."""
    requests: int
    """Webhooks of it that have not been read yet."""

    def __bool__(self) -> bool:
        return bool(self.messages or self.requests)


def _read(row: RowMapping) -> AccountRow:
    return AccountRow(**row)


def add(tx: Transaction, row: AccountRow) -> None:
    """Insert an account. Raises ConfigurationError where the name is taken."""
    values = {name: getattr(row, name) for name in AccountRow.__dataclass_fields__}
    try:
        tx.execute(insert(schema.account).values(values))
    except IntegrityError:
        raise ConfigurationError(f"name: an account named {row.name!r} exists already.") from None


def get(tx: Transaction, id_: AccountId) -> AccountRow | None:
    """Return the account with this id, or None."""
    row = tx.execute(select(schema.account).where(_ACCOUNT.id == id_)).mappings().first()
    return _read(row) if row is not None else None


def get_by_name(tx: Transaction, name: str) -> AccountRow | None:
    """Return the account of this name, or None."""
    row = tx.execute(select(schema.account).where(_ACCOUNT.name == name)).mappings().first()
    return _read(row) if row is not None else None


def all_(tx: Transaction) -> list[AccountRow]:
    """Return every account, by name."""
    return [_read(row) for row in tx.execute(select(schema.account).order_by(_ACCOUNT.name)).mappings()]


def update_settings(
    tx: Transaction, id_: AccountId, *, settings: Mapping[str, Any], secrets: str, at: datetime
) -> bool:
    """Replace an account's settings and sealed secrets; False where there is no such account."""
    return _update(tx, id_, settings=dict(settings), secrets=secrets, updated_at=at)


def suspend(tx: Transaction, id_: AccountId, note: str, at: datetime) -> bool:
    """Stop using an account, with the reason; False where it was suspended already, or is gone."""
    values = {"active": False, "note": note, "updated_at": at}
    statement = update(schema.account).where(_ACCOUNT.id == id_, _ACCOUNT.active.is_(True))
    done = tx.execute(statement.values(values)).rowcount == 1
    if done:
        news.stood(tx, id_, note or "suspended", at)
    return done


def resume(tx: Transaction, id_: AccountId, at: datetime) -> bool:
    """Use a suspended account again; False where it was in use already, or is gone."""
    values = {"active": True, "note": "", "updated_at": at}
    statement = update(schema.account).where(_ACCOUNT.id == id_, _ACCOUNT.active.is_(False))
    done = tx.execute(statement.values(values)).rowcount == 1
    if done:
        news.stood(tx, id_, "", at)
    return done


def pending(tx: Transaction, id_: AccountId) -> Pending:
    """Count what would be cut off if the account went away."""
    messages = select(func.count()).where(_MESSAGE.channel_id == id_, _MESSAGE.state.in_(OPEN))
    requests = select(func.count()).where(_REQUEST.account_id == id_, _REQUEST.state == "new")
    return Pending(messages=tx.scalar(messages) or 0, requests=tx.scalar(requests) or 0)


def abandon(tx: Transaction, id_: AccountId, at: datetime) -> None:
    """End whatever still needs the account, saying why, so that nothing waits for ever.

    A message that was being sent may have arrived: it ends as failed, and its words say so.
    """
    end = update(schema.message).where(_MESSAGE.channel_id == id_)
    gone = {"ended_at": at, "lease_owner": None, "lease_until": None}
    tx.execute(
        end.where(_MESSAGE.state == State.WAITING).values(
            gone | {"state": State.CANCELLED, "words": "Its account was removed."}
        )
    )
    tx.execute(
        end.where(_MESSAGE.state.in_((State.SENDING, State.IN_DOUBT))).values(
            gone
            | {
                "state": State.FAILED,
                "words": "Its account was removed while it was sent; it may have arrived.",
            }
        )
    )
    tx.execute(
        update(schema.request)
        .where(_REQUEST.account_id == id_, _REQUEST.state == "new")
        .values(state="ignored", words="Its account was removed before it was read.")
    )


def remove(tx: Transaction, id_: AccountId) -> bool:
    """Delete an account with its templates and its token; events, messages and receipts keep its id as history."""
    tx.execute(delete(schema.template).where(schema.template.c.account_id == id_))
    tx.execute(delete(schema.token).where(schema.token.c.account_id == id_))
    tx.execute(delete(schema.old_address).where(schema.old_address.c.account_id == id_))
    return tx.execute(delete(schema.account).where(_ACCOUNT.id == id_)).rowcount == 1


def _update(tx: Transaction, id_: AccountId, **values: Any) -> bool:
    return tx.execute(update(schema.account).where(_ACCOUNT.id == id_).values(values)).rowcount == 1
