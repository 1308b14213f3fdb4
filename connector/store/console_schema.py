"""Tables of the console: who signs in, and the audit log."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Index, Table, Text

from connector.store.columns import Moment, metadata

audit = Table(  # append-only: a trigger refuses every UPDATE and every DELETE
    "audit",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("actor", Text, nullable=False),  # id of a user or key; "command" for the command line, "system" for us
    Column("actor_name", Text, nullable=False),  # as it was then
    Column("action", Text, nullable=False),  # mapping.published, person.seen, ...
    Column("object", Text, nullable=False, default=""),  # what it was done to: a name or an id, nothing personal
    Column("words", Text, nullable=False, default=""),
    Column("details", JSON, nullable=False),
    Column("address", Text, nullable=False, default=""),  # from where
    Index("ix_audit_actor", "actor", "id"),
    Index("ix_audit_action", "action", "id"),
    Index("ix_audit_object", "object", "id"),
)
