"""Tables of what became of connections: templates' history, webhook addresses that were replaced."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, Text

from connector.store.columns import Moment, metadata

template_change = Table(  # only added to: one row for each thing that changed
    "template_change",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("what", Text, nullable=False),  # found status category quality shape
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("told_by", Text, nullable=False),  # list notice
    Column("at", Moment, nullable=False),
    Index("ix_template_change_template", "account_id", "name", "language", "at"),
    Index("ix_template_change_at", "at"),
)

old_address = Table(  # tokens of webhook addresses that still work for a while
    "old_address",
    metadata,
    Column("token", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("replaced_at", Moment, nullable=False),
    Column("until", Moment, nullable=False),
    Index("ix_old_address_account", "account_id"),
)
