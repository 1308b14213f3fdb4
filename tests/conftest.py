"""Fixtures with real servers: one PostgreSQL cluster a run, one Valkey a worker, databases ready-made.

========================  ==========================================================================
fixture                   gives
========================  ==========================================================================
``valkey``                a running, empty :class:`tests.servers.Valkey`; ``valkey.url`` is a REDIS_URL
``postgres_url``          a DATABASE_URL of an empty PostgreSQL database
``sqlite_url``            a DATABASE_URL of a SQLite file that is not there yet
``database_url``          each of the two above, in turn
``store``                 a migrated, empty Store, on SQLite and on PostgreSQL in turn
``sqlite_store``          the same, on SQLite alone
``postgres_store``        the same, on PostgreSQL alone
========================  ==========================================================================
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from connector.store.engine import Store
from connector.store.migrate import upgrade
from connector.store.schema import metadata
from tests.servers import Postgres, Valkey

FOLDER = "CONNECTOR_TEST_SERVERS"
"""Names, in the environment of one run's workers, the folder of the servers that they share."""
RUN = "CONNECTOR_TEST_RUN"
"""The process id of the run; its servers end with it."""


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder of this run's servers: short, as socket paths must be, and open to PostgreSQL's user."""
    if not hasattr(config, "workerinput"):
        folder = tempfile.mkdtemp(prefix="connector-")
        Path(folder).chmod(0o711)
        os.environ[FOLDER], os.environ[RUN] = folder, str(os.getpid())


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the shared cluster, where one was started."""
    if not hasattr(config, "workerinput"):
        folder = Path(os.environ.pop(FOLDER))
        Postgres(folder / "pg").stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def _valkey_server(worker_id: str) -> Iterator[Valkey]:
    server = Valkey(Path(os.environ[FOLDER]) / worker_id)
    yield server
    server.stop()


@pytest.fixture
def valkey(_valkey_server: Valkey) -> Valkey:
    """A running, empty Valkey of this worker; a test may stop and start it."""
    _valkey_server.start()
    _valkey_server.flush()
    return _valkey_server


@pytest.fixture(scope="session")
def postgres() -> Postgres:
    """The cluster that all workers of this run share."""
    server = Postgres(Path(os.environ[FOLDER]) / "pg")
    server.start(watched=int(os.environ[RUN]))
    return server


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """An empty PostgreSQL database of its own."""
    name = f"test_{uuid.uuid4().hex}"
    postgres.run(f"CREATE DATABASE {name}")
    yield postgres.url(name)
    postgres.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite database that is not there yet."""
    return f"sqlite:///{tmp_path / 'connector.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database, on SQLite and on PostgreSQL."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture(scope="session")
def _migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "connector.db"
    with closing(Store(f"sqlite:///{path}")) as store:
        upgrade(store)  # once; copying the file is many times faster
    return path


@pytest.fixture
def sqlite_store(sqlite_url: str, _migrated_file: Path) -> Iterator[Store]:
    """A migrated, empty store on SQLite."""
    shutil.copy(_migrated_file, sqlite_url.removeprefix("sqlite:///"))
    with closing(Store(sqlite_url)) as store:
        yield store


@pytest.fixture(scope="session")
def _migrated_database(postgres: Postgres, worker_id: str) -> str:
    postgres.run(f"CREATE DATABASE worker_{worker_id}")
    url = postgres.url(f"worker_{worker_id}")
    with closing(Store(url)) as store:
        upgrade(store)
    return url


@pytest.fixture
def postgres_store(_migrated_database: str) -> Iterator[Store]:
    """A migrated, empty store on PostgreSQL."""
    with closing(Store(_migrated_database)) as store:
        with store.write() as tx:
            tx.exec_driver_sql("SET LOCAL lock_timeout = '60s'")
            tx.exec_driver_sql(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY CASCADE")
        yield store


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Store:
    """A migrated, empty store, on SQLite and on PostgreSQL."""
    found: Store = request.getfixturevalue("sqlite_store" if request.param == "sqlite" else "postgres_store")
    return found
