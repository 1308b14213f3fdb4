"""The job that counts, and the clock that wakes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import select

from connector import clock, jobs
from connector.flow import rollup
from connector.model import now
from connector.settings import Settings
from connector.store import Store, leases, schema
from connector.wiring import Wiring
from tests.scene import Scene


class Silent:
    """A bell that only remembers what it rang for."""

    def __init__(self) -> None:
        self.rung: list[str] = []

    def ring(self, kind: str, argument: str = "") -> bool:
        """Ring."""
        self.rung.append(kind)
        return True

    def heard(self, kind: str, argument: str = "") -> None:
        """Hear."""

    def depth(self) -> int:
        """Nothing waits."""
        return 0


@pytest.fixture(name="tools")
def some_tools(sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wiring]:
    with closing(Wiring(Settings.from_env({"DATABASE_URL": sqlite_store.url}, data=tmp_path))) as tools:
        tools.__dict__["queue"] = Silent()
        monkeypatch.setattr(jobs, "wiring", lambda: tools)
        yield tools


def counted(tools: Wiring) -> int:
    """How many messages are in the counts."""
    with tools.store.read() as tx:
        return sum(tx.execute(select(schema.stat.c.matched)).scalars())


def test_the_clock_rings_once_a_minute_and_the_job_counts(tools: Wiring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollup, "CALM", 0)  # however long it takes to count
    scene = Scene(tools.store)
    scene.message()
    clock.tick(tools)
    clock.tick(tools)
    rung: list[str] = tools.queue.rung  # type: ignore[attr-defined]
    assert rung.count("roll_up") == 1

    jobs.roll_up()
    assert counted(tools) == 1
    scene.message(at=now())
    clock.tick(tools)
    with time_machine.travel(now() + timedelta(seconds=61)):
        clock.tick(tools)
    assert rung.count("roll_up") == 2


def test_what_is_left_is_rung_for_again(tools: Wiring, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(tools.store)
    for days in range(4):
        scene.message(at=now() - timedelta(days=days))
    monkeypatch.setattr(jobs, "_patience", lambda _tools: lambda: True)
    jobs.roll_up()
    assert "roll_up" in tools.queue.rung  # type: ignore[attr-defined]
    assert 0 < counted(tools) < 4

    jobs.roll_up()
    assert counted(tools) == 4


def test_one_counts_at_a_time(tools: Wiring) -> None:
    Scene(tools.store).message()
    with tools.store.write() as tx:
        leases.acquire(tx, rollup.JOB, "somebody:1:else", 60)
    jobs.roll_up()

    assert counted(tools) == 0
