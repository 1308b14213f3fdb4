"""Keys of the API as rows, and the answers that are given again under an Idempotency-Key."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping, delete, insert, select, update

from connector.model import Permission
from connector.store.dialect import insert_new
from connector.store.engine import Transaction
from connector.store.schema import api_answer, api_key


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """One key; the secret itself is nowhere."""

    id: str
    name: str
    digest: str = field(repr=False)
    """SHA-256 of the secret part, in hex."""
    scopes: frozenset[Permission]
    made_by: str
    made_by_name: str
    created_at: datetime
    expires_at: datetime | None = None
    used_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_valid(self, at: datetime) -> bool:
        """Tell whether it opens anything at this moment."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was asked under a name, and what was answered; ``body`` None: nobody has finished it."""

    digest: str
    body: Mapping[str, Any] | None
    at: datetime


def add(tx: Transaction, row: KeyRow) -> None:
    """Store a key."""
    values = {name: getattr(row, name) for name in KeyRow.__dataclass_fields__}
    tx.execute(insert(api_key).values(values | {"scopes": sorted(row.scopes)}))


def get(tx: Transaction, id_: str) -> KeyRow | None:
    """Return a key by id, whether or not it is valid."""
    row = tx.execute(select(api_key).where(api_key.c.id == id_)).mappings().first()
    return _read(row) if row is not None else None


def all_(tx: Transaction) -> list[KeyRow]:
    """Return every key, the newest first."""
    return [_read(row) for row in tx.execute(select(api_key).order_by(api_key.c.id.desc())).mappings()]


def _read(row: RowMapping) -> KeyRow:
    known = {item.value for item in Permission}  # one of an older program may be gone
    return KeyRow(**dict(row) | {"scopes": frozenset(Permission(name) for name in row["scopes"] if name in known)})


def touch(tx: Transaction, id_: str, at: datetime) -> None:
    """Note that a key was used."""
    tx.execute(update(api_key).where(api_key.c.id == id_).values(used_at=at))


def revoke(tx: Transaction, ids: Collection[str], at: datetime) -> int:
    """Let keys open nothing any more; return how many did until now."""
    found = update(api_key).where(api_key.c.id.in_(list(ids)), api_key.c.revoked_at.is_(None))
    return int(tx.execute(found.values(revoked_at=at)).rowcount)


def begin(tx: Transaction, key_id: str, name: str, digest: str, at: datetime) -> Answer | None:
    """Note that something is asked under a name; None where it is new, else what is known of it."""
    row = {"key_id": key_id, "name": name, "digest": digest, "at": at}
    if tx.execute(insert_new(tx, api_answer), [row]).rowcount == 1:
        return None
    asked = select(api_answer).where(api_answer.c.key_id == key_id, api_answer.c.name == name)
    known = tx.execute(asked).one()
    return Answer(known.digest, known.answer, known.at)


def resume(tx: Transaction, key_id: str, name: str, before: datetime, at: datetime) -> bool:
    """Take over what somebody began before a moment and has not finished; False where somebody was quicker."""
    theirs = api_answer.c.key_id == key_id, api_answer.c.name == name
    stale = update(api_answer).where(*theirs, api_answer.c.at < before)
    return tx.execute(stale.values(at=at)).rowcount == 1


def finish(tx: Transaction, key_id: str, name: str, answer: Mapping[str, Any]) -> None:
    """Keep what was answered."""
    theirs = api_answer.c.key_id == key_id, api_answer.c.name == name
    tx.execute(update(api_answer).where(*theirs).values(answer=dict(answer)))


def drop(tx: Transaction, key_id: str, name: str) -> None:
    """Forget that something was asked: it was refused, and may be asked again in another way."""
    tx.execute(delete(api_answer).where(api_answer.c.key_id == key_id, api_answer.c.name == name))


def forget(tx: Transaction, at: datetime, kept: timedelta) -> int:
    """Forget answers that are older than they need be; return how many."""
    return int(tx.execute(delete(api_answer).where(api_answer.c.at < at - kept)).rowcount)
