"""Bringing the tables to the present form, and back.

Alembic is imported only where something is to be migrated: it costs every command a quarter of a second.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from connector.errors import ConfigurationError
from connector.store.engine import Store
from connector.store.reach import reach

if TYPE_CHECKING:
    from alembic.config import Config

FOLDER = Path(__file__).parent / "migrations"
NEWEST = "0009"
"""The newest revision this program knows; a test compares it with the folder."""


def _config(connection: object = None) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = connection
    return config


def newest() -> str:
    """Return the newest revision this program knows."""
    return NEWEST


def current(store: Store) -> str:
    """Return the revision the database is at; ``""`` where it is empty. Raises ConfigurationError."""
    reach(store)
    with store.read() as tx:
        if not inspect(tx).has_table("alembic_version"):
            return ""
        return tx.execute(text("SELECT version_num FROM alembic_version")).scalar() or ""


def upgrade(store: Store, revision: str = "head") -> str:
    """Migrate forward in one transaction and return the revision reached. Safe to run twice, and at once."""
    if revision == "head" and current(store) == newest():
        return newest()
    from alembic import command

    with store.write() as tx:
        if not store.is_sqlite:
            tx.exec_driver_sql("SELECT pg_advisory_xact_lock(7306121)")
        command.upgrade(_config(tx), revision)
    return current(store)


def downgrade(store: Store, revision: str) -> str:
    """Migrate back (``base``: drop everything) and return the revision reached."""
    from alembic import command

    with store.write() as tx:
        command.downgrade(_config(tx), revision)
    return current(store)


def require(store: Store) -> None:
    """Refuse to work on tables of another form. Raises ConfigurationError."""
    at = current(store)
    if at != newest():
        raise ConfigurationError(
            f"The database is at revision {at or '(empty)'}, this program needs {newest()}: run `connector migrate`."
        )
