"""Who may sign in to the console, as rows; and their passkeys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from connector.model import Role, new_id
from connector.store.dialect import insert_new, lock_rows
from connector.store.engine import Transaction
from connector.store.schema import console_session, console_user, passkey, sign_in_link


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRow:
    """Somebody who may sign in, or could."""

    email: str = field(repr=False)
    """In small letters."""
    name: str
    role: Role
    password: str = field(repr=False)
    """Hashed with argon2."""
    handle: str = field(repr=False)
    """What the user's passkeys know them by."""
    created_at: datetime
    password_at: datetime
    active: bool = True
    totp: str | None = field(default=None, repr=False)
    """The secret of their authenticator, sealed; None where they have none."""
    totp_counter: int | None = None
    """Of the last code that was taken: none is taken twice."""
    recovery: str = field(default="", repr=False)
    """Sealed recovery codes, a space between."""
    signed_in_at: datetime | None = None
    id: str = field(default_factory=new_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyRow:
    """One passkey of a user."""

    id: str
    """The credential's id, base64url without padding."""
    user_id: str
    name: str
    public_key: bytes = field(repr=False)
    sign_count: int
    transports: str = ""
    """A space between."""
    created_at: datetime
    used_at: datetime | None = None


def add(tx: Transaction, row: UserRow) -> bool:
    """Add a user; False where somebody has this e-mail already."""
    return bool(tx.execute(insert_new(tx, console_user), [_values(row)]).rowcount)


def get(tx: Transaction, id_: str, *, lock: bool = False) -> UserRow | None:
    """Return a user, or None; ``lock`` holds them until the transaction ends."""
    query = select(console_user).where(console_user.c.id == id_)
    return _user(tx.execute(lock_rows(tx, query) if lock else query).mappings().first())


def by_email(tx: Transaction, email: str) -> UserRow | None:
    """Return the user with this e-mail, in small letters, or None."""
    return _user(tx.execute(select(console_user).where(console_user.c.email == email)).mappings().first())


def by_handle(tx: Transaction, handle: str) -> UserRow | None:
    """Return the user whom passkeys know by this, or None."""
    return _user(tx.execute(select(console_user).where(console_user.c.handle == handle)).mappings().first())


def all_(tx: Transaction) -> list[UserRow]:
    """Return every user, by name."""
    query = select(console_user).order_by(func.lower(console_user.c.name), console_user.c.id)
    return [UserRow(**{**row, "role": Role(row["role"])}) for row in tx.execute(query).mappings()]


def is_any(tx: Transaction) -> bool:
    """Tell whether there is any user."""
    return tx.execute(select(console_user.c.id).limit(1)).first() is not None


def lock_owners(tx: Transaction) -> list[str]:
    """Return the ids of all active owners, and hold them: nobody else makes one less at the same time."""
    query = select(console_user.c.id).where(console_user.c.role == Role.OWNER, console_user.c.active)
    return list(tx.execute(lock_rows(tx, query.order_by(console_user.c.id))).scalars())


def change(tx: Transaction, id_: str, values: Mapping[str, Any], *, if_: Mapping[str, Any] | None = None) -> bool:
    """Change columns of a user; where ``if_`` is given, only as long as those stand as it says. Tell whether."""
    statement = update(console_user).where(console_user.c.id == id_)
    for name, value in (if_ or {}).items():
        column = console_user.c[name]
        statement = statement.where(column.is_(None) if value is None else column == value)
    return bool(tx.execute(statement.values(**values)).rowcount)


def second_factors(tx: Transaction) -> set[str]:
    """Return the ids of users with an authenticator or a passkey."""
    ids = set(tx.execute(select(console_user.c.id).where(console_user.c.totp.is_not(None))).scalars())
    return ids | set(tx.execute(select(passkey.c.user_id).distinct()).scalars())


def passkeys(tx: Transaction, user_id: str) -> list[PasskeyRow]:
    """Return a user's passkeys, the oldest first."""
    query = select(passkey).where(passkey.c.user_id == user_id).order_by(passkey.c.created_at, passkey.c.id)
    return [PasskeyRow(**row) for row in tx.execute(query).mappings()]


def find_passkey(tx: Transaction, id_: str) -> PasskeyRow | None:
    """Return a passkey, or None."""
    row = tx.execute(select(passkey).where(passkey.c.id == id_)).mappings().first()
    return PasskeyRow(**row) if row is not None else None


def add_passkey(tx: Transaction, row: PasskeyRow) -> bool:
    """Add a passkey; False where it is known already."""
    values = {name: getattr(row, name) for name in PasskeyRow.__dataclass_fields__}
    return bool(tx.execute(insert_new(tx, passkey), [values]).rowcount)


def use_passkey(tx: Transaction, id_: str, *, before: int, count: int, at: datetime) -> bool:
    """Note that a passkey was used; False where it was used meanwhile."""
    statement = update(passkey).where(passkey.c.id == id_, passkey.c.sign_count == before)
    return bool(tx.execute(statement.values(sign_count=count, used_at=at)).rowcount)


def remove_passkeys(tx: Transaction, user_id: str, id_: str = "") -> int:
    """Remove one passkey of a user, or all of them; return how many."""
    statement = delete(passkey).where(passkey.c.user_id == user_id)
    return int(tx.execute(statement.where(passkey.c.id == id_) if id_ else statement).rowcount)


def put_link(tx: Transaction, digest: str, user_id: str, expires_at: datetime) -> None:
    """Keep a sign-in link in place of those that the user has."""
    tx.execute(delete(sign_in_link).where(sign_in_link.c.user_id == user_id))
    tx.execute(insert(sign_in_link), [{"digest": digest, "user_id": user_id, "expires_at": expires_at}])


def find_link(tx: Transaction, digest: str, at: datetime) -> UserRow | None:
    """Return the active user of a sign-in link that is still good, or None."""
    joined = console_user.join(sign_in_link, sign_in_link.c.user_id == console_user.c.id)
    query = select(console_user).select_from(joined)
    good = (sign_in_link.c.digest == digest) & (sign_in_link.c.expires_at > at) & console_user.c.active
    return _user(tx.execute(query.where(good)).mappings().first())


def spend_link(tx: Transaction, digest: str) -> bool:
    """Forget a sign-in link; False where it was spent already."""
    return bool(tx.execute(delete(sign_in_link).where(sign_in_link.c.digest == digest)).rowcount)


def forget_doors(tx: Transaction, user_id: str, *, but: str = "") -> int:
    """End the sessions of a user, except the one of this id, and their sign-in links; return how many sessions."""
    tx.execute(delete(sign_in_link).where(sign_in_link.c.user_id == user_id))
    statement = delete(console_session).where(console_session.c.user_id == user_id, console_session.c.id != but)
    return int(tx.execute(statement).rowcount)


def _values(row: UserRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in UserRow.__dataclass_fields__}


def _user(row: Mapping[Any, Any] | None) -> UserRow | None:
    return UserRow(**{**row, "role": Role(row["role"])}) if row is not None else None
