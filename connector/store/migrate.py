"""Bringing the tables to the present form, and back."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from connector.errors import ConfigurationError
from connector.store.engine import Store

FOLDER = Path(__file__).parent / "migrations"


def _config(connection: object = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = connection
    return config


def newest() -> str:
    """Return the newest revision this program knows."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def current(store: Store) -> str:
    """Return the revision the database is at; ``""`` where it is empty."""
    with store.read() as tx:
        return MigrationContext.configure(tx).get_current_revision() or ""


def upgrade(store: Store, revision: str = "head") -> str:
    """Migrate forward in one transaction and return the revision reached. Safe to run twice, and at once."""
    if revision == "head" and current(store) == newest():
        return newest()
    with store.write() as tx:
        if not store.is_sqlite:
            tx.exec_driver_sql("SELECT pg_advisory_xact_lock(7306121)")
        command.upgrade(_config(tx), revision)
    return current(store)


def downgrade(store: Store, revision: str) -> str:
    """Migrate back (``base``: drop everything) and return the revision reached."""
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
