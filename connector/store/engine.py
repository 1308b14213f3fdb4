"""Opening the database: one way to read, one way to write, the same on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError, NoSuchModuleError

from connector.errors import ConfigurationError

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows: SQLite's own busy handler must do
    fcntl = None  # type: ignore[assignment]

BUSY_TIMEOUT_MS = 15_000
IDLE_SECONDS = 2.0
"""A PostgreSQL connection that was not used for so long is asked whether it still lives."""


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal | datetime):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be stored as JSON")


class Store:
    """The database. ``read()`` sees a snapshot; ``write()`` is one transaction, begun as a writer.

    On SQLite a write begins with BEGIN IMMEDIATE: SQLAlchemy's default begins as a reader and loses
    updates of read-modify-write transactions without an error. Writers of all processes queue on a lock
    file, because SQLite's own waiting polls and starves.
    """

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        """Open ``sqlite:///path`` or ``postgresql+psycopg://…``. Raises ConfigurationError."""
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise ConfigurationError(
                "DATABASE_URL is not a database URL, such as sqlite:////var/lib/connector/connector.db"
            ) from None
        self.url = url
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if not self.is_sqlite and parsed.drivername != "postgresql+psycopg":
            raise ConfigurationError("DATABASE_URL must begin with sqlite:/// or postgresql+psycopg://")
        self._lock = threading.Lock()
        self._lock_file: IO[bytes] | None = None
        self._holder: int | None = None
        """The thread that writes now."""
        options: dict[str, Any] = {
            "json_serializer": _dumps,
            "pool_size": pool_size,
            "max_overflow": 32,
            "hide_parameters": True,  # they are people's names and numbers, and errors end in the log
        }
        if self.is_sqlite:
            path = parsed.database or ""
            if not path or path == ":memory:":
                raise ConfigurationError("DATABASE_URL must name a file: several processes share the database.")
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._lock_path = Path(path + ".lock")
            options["connect_args"] = {"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000}
        try:
            self.engine: Engine = create_engine(url, **options)
        except (NoSuchModuleError, ImportError) as error:
            raise ConfigurationError(f"DATABASE_URL needs a driver that is not installed: {error}") from None
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        else:
            event.listen(self.engine, "checkin", _note_use)
            event.listen(self.engine, "checkout", self._ping_idle)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection that sees one snapshot and never waits for writers."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a connection in one transaction that holds the right to write; commits at the end."""
        with (
            self._turn(),
            self.engine.connect().execution_options(writes=True) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self.is_sqlite or fcntl is None:
            yield
            return
        if self._holder == threading.get_ident():
            raise RuntimeError("A write inside a write of the same thread would wait for itself for ever.")
        with self._lock:
            if self._lock_file is None:
                self._lock_file = self._lock_path.open("ab")
            fcntl.flock(self._lock_file, fcntl.LOCK_EX)
            self._holder = threading.get_ident()
            try:
                yield
            finally:
                self._holder = None
                fcntl.flock(self._lock_file, fcntl.LOCK_UN)

    def _ping_idle(self, connection: Any, record: Any, _proxy: Any) -> None:
        """See whether a connection that has been idle still lives; asking each time would cost every exchange."""
        if time.monotonic() - record.info.get("used_at", time.monotonic()) < IDLE_SECONDS:
            return
        try:
            self.engine.dialect.do_ping(connection)
        except self.engine.dialect.loaded_dbapi.Error:
            raise DisconnectionError from None  # the pool makes a new one

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None


def _note_use(_connection: Any, record: Any) -> None:
    record.info["used_at"] = time.monotonic()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we begin transactions ourselves
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "cache_size=-32000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


Transaction = Connection
"""What the functions of this package take; flows pass it on without looking inside."""
Work = Callable[[Transaction], Any]
