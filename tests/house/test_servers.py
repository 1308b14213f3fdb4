"""The servers that tests lean on: started once, clean for each test, gone afterwards."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from connector.model import now
from connector.store.engine import Store
from connector.store.schema import mark
from tests.servers import PATIENCE, Valkey


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_finds_an_empty_store(store: Store, turn: int) -> None:
    with store.read() as tx:
        assert tx.execute(mark.select()).all() == []
    with store.write() as tx:
        tx.execute(mark.insert().values(name="turn", value=str(turn), at=now()))


def test_an_empty_database_has_no_tables(database_url: str) -> None:
    store = Store(database_url)
    with store.read() as tx:
        assert not store.engine.dialect.has_table(tx, "mark")
    store.close()


def test_valkey_comes_back_empty_after_a_stop(valkey: Valkey) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        client.set("colour", "blue")
        valkey.stop()
        with pytest.raises(redis.ConnectionError):
            client.get("colour")
        valkey.start()
        assert client.get("colour") is None


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder with room for a socket, whose path may not be as long as some that pytest gives."""
    with tempfile.TemporaryDirectory(prefix="connector-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def test_a_server_ends_with_the_process_that_it_serves(short_path: Path) -> None:
    program = (
        "import os; from pathlib import Path; from tests.servers import Valkey\n"
        f"Valkey(Path({str(short_path)!r})).start(); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2])
    assert killed.returncode == -9
    assert (short_path / "valkey.log").read_text().count("Ready to accept connections") == 1
    deadline = time.monotonic() + PATIENCE
    with redis.Redis.from_url(f"unix://{short_path}/valkey.sock") as client:
        while _answers(client):
            assert time.monotonic() < deadline, "the server outlives its process"
            time.sleep(0.02)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
