"""The jobs of what pages begin, and of watching over mappings: woken by the clock where nobody rang."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from sqlalchemy import update

from connector import clock, jobs
from connector.flow import drift, tasks
from connector.model import now
from connector.settings import Settings
from connector.store import Store, schema
from connector.store import tasks as rows
from connector.wiring import Wiring


@pytest.fixture
def tools(tmp_path: object, sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wiring]:
    settings = Settings.from_env({"CONNECTOR_DATA": str(tmp_path), "DATABASE_URL": sqlite_store.url})
    with closing(Wiring(settings)) as made:
        monkeypatch.setattr(jobs, "wiring", lambda: made)
        yield made


@pytest.fixture
def rung(tools: Wiring, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was rung; nobody listens to the bell itself here."""
    heard: list[str] = []
    monkeypatch.setattr(tools.queue, "ring", lambda kind, argument="": heard.append(kind) or True)
    return heard


def test_a_task_that_nobody_rang_for_is_found_by_the_clock_and_done(tools: Wiring, rung: list[str]) -> None:
    id_ = tasks.begin(tools.store, "unheard-of", {}, "Ada")
    clock.tick(tools)
    assert "work" in rung

    jobs.work()
    with tools.store.read() as tx:
        task = rows.get(tx, id_)
    assert task is not None
    assert task.has_ended
    rung.clear()
    clock.tick(tools)
    assert "work" not in rung


def test_every_kind_of_work_is_known_to_the_worker() -> None:
    assert {"backtest"} <= set(tasks.KINDS)


def test_mappings_are_watched_once_an_hour(tools: Wiring, rung: list[str]) -> None:
    clock.tick(tools)
    assert "watch" in rung
    jobs.watch()
    rung.clear()
    clock.tick(tools)
    assert "watch" not in rung
    with tools.store.write() as tx:
        past = update(schema.mark).where(schema.mark.c.name == drift.CHORE)
        tx.execute(past.values(at=now() - timedelta(minutes=61)))
    clock.tick(tools)
    assert "watch" in rung
