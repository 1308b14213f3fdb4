"""The few places where SQLite and PostgreSQL want other words."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, Table
from sqlalchemy.dialects import postgresql, sqlite

from connector.store.engine import Transaction


def insert_new(tx: Transaction, table: Table) -> Any:
    """Return an INSERT that passes over rows which break a unique constraint; its rowcount tells how many went in."""
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    # Without the option SQLAlchemy's batches on PostgreSQL report a rowcount of -1, which reads as true.
    return dialect.insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)


def upsert(tx: Transaction, table: Table, *update: str) -> Any:
    """Return an INSERT that, where the primary key is taken, overwrites these columns."""
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns), set_={name: statement.excluded[name] for name in update}
    )


def lock_rows(tx: Transaction, query: Select[Any], *, skip_locked: bool = False) -> Select[Any]:
    """Lock what a query returns until the transaction ends; on SQLite the writer has the database anyway."""
    return query if tx.dialect.name == "sqlite" else query.with_for_update(skip_locked=skip_locked)
