"""One way to read, one way to write."""

from __future__ import annotations

import threading
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from connector.errors import ConfigurationError
from connector.model import now
from connector.store import Store, marks
from connector.store.schema import mark


def _increase(store: Store, times: int) -> None:
    for _ in range(times):
        with store.write() as tx:
            tx.execute(mark.update().values(value=str(int(marks.get(tx, "n") or 0) + 1)))


def _race(store: Store) -> int:
    with store.write() as tx:
        marks.put(tx, "n", "0")
    threads = [threading.Thread(target=_increase, args=(store, 25)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as tx:
        return int(marks.get(tx, "n") or 0)


def test_no_read_modify_write_is_lost(sqlite_store: Store) -> None:
    assert _race(sqlite_store) == 100


def test_begin_immediate_alone_loses_nothing_even_without_the_lock_file(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_store, "_turn", nullcontext)

    assert _race(sqlite_store) == 100


def test_without_begin_immediate_a_writer_that_has_read_is_thrown_out(sqlite_store: Store) -> None:
    """What BEGIN IMMEDIATE is for: a plain BEGIN reads first, and may then not write any more."""
    with sqlite_store.write() as tx:
        marks.put(tx, "n", "0")

    with sqlite_store.read() as plain:
        marks.get(plain, "n")
        with sqlite_store.write() as other:
            marks.put(other, "n", "1")
        with pytest.raises(OperationalError, match="locked"):
            marks.put(plain, "n", "2")


def test_a_writer_waits_for_the_writer_before_it(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_store, "_turn", nullcontext)
    order = []
    begun, go_on = threading.Event(), threading.Event()

    def first() -> None:
        with sqlite_store.write() as tx:
            begun.set()
            go_on.wait(60)
            order.append("first")
            marks.put(tx, "n", "1")

    def second() -> None:
        begun.wait(60)
        go_on_soon.start()
        with sqlite_store.write() as tx:
            order.append(f"second after {marks.get(tx, 'n')}")

    go_on_soon = threading.Timer(0.2, go_on.set)
    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert order == ["first", "second after 1"]


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    def fail() -> None:
        with store.write() as tx:
            marks.put(tx, "n", "1")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    with store.read() as tx:
        assert marks.get(tx, "n") is None


def test_moments_come_back_aware_and_exact(store: Store) -> None:
    at = now()
    with store.write() as tx:
        tx.execute(mark.insert(), [{"name": "n", "value": "", "at": at}])

    with store.read() as tx:
        assert marks.at(tx, "n") == at


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "sqlite://", "postgresql+psycopg2://x/y"])
def test_an_unknown_database_is_refused_in_words(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        Store(url)


def test_sqlite_syncs_every_commit(tmp_path: Path) -> None:
    with closing(Store(f"sqlite:///{tmp_path / 'x.db'}")) as store, store.read() as tx:
        assert tx.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert tx.exec_driver_sql("PRAGMA synchronous").scalar() == 2
