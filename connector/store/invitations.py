"""Invitations to the console, as rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, insert, select

from connector.model import Role, new_id
from connector.store.engine import Transaction
from connector.store.schema import invitation


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationRow:
    """Somebody is asked to join."""

    digest: str = field(repr=False)
    """Of the word in its link."""
    email: str = field(repr=False)
    role: Role
    by: str
    """Id of a user, or ``command``."""
    created_at: datetime
    expires_at: datetime
    id: str = field(default_factory=new_id)


def put(tx: Transaction, row: InvitationRow) -> None:
    """Keep an invitation in place of the one that this e-mail has."""
    tx.execute(delete(invitation).where(invitation.c.email == row.email))
    tx.execute(insert(invitation), [{name: getattr(row, name) for name in InvitationRow.__dataclass_fields__}])


def find(tx: Transaction, digest: str, at: datetime) -> InvitationRow | None:
    """Return the invitation of a link that is still good, or None."""
    query = select(invitation).where(invitation.c.digest == digest, invitation.c.expires_at > at)
    row = tx.execute(query).mappings().first()
    return InvitationRow(**{**row, "role": Role(row["role"])}) if row is not None else None


def all_(tx: Transaction) -> list[InvitationRow]:
    """Return every invitation that nobody has accepted, the newest first."""
    query = select(invitation).order_by(invitation.c.id.desc())
    return [InvitationRow(**{**row, "role": Role(row["role"])}) for row in tx.execute(query).mappings()]


def remove(tx: Transaction, id_: str) -> bool:
    """Take an invitation back, or spend it; False where there is none of this id."""
    return bool(tx.execute(delete(invitation).where(invitation.c.id == id_)).rowcount)


def remove_of(tx: Transaction, email: str) -> None:
    """Take back what was sent to this e-mail."""
    tx.execute(delete(invitation).where(invitation.c.email == email))
