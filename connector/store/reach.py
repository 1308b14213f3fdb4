"""Is the database there?"""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

from connector.errors import ConfigurationError
from connector.store.engine import Store


def reach(store: Store) -> None:
    """Ask the database for a sign of life. Raises ConfigurationError that says what it answered."""
    try:
        with store.read() as tx:
            tx.exec_driver_sql("SELECT 1")
    except DBAPIError as error:
        words = str(error.orig).strip().splitlines()
        place = "the data folder (CONNECTOR_DATA)" if store.is_sqlite else "DATABASE_URL"
        raise ConfigurationError(
            f"The database cannot be used, check {place}: {words[0] if words else 'no answer'}"
        ) from None
