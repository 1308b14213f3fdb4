"""The jobs of what pages begin, and of watching over mappings: woken by the clock where nobody rang."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from redis import Redis
from sqlalchemy import update

from connector import clock, jobs
from connector.flow import drift, tasks
from connector.model import now
from connector.settings import Settings
from connector.store import Store, schema
from connector.store import tasks as rows
from connector.wiring import Wiring
from tests.servers import Valkey


@pytest.fixture
def tools(tmp_path: object, sqlite_store: Store, valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wiring]:
    settings = Settings.from_env(
        {"CONNECTOR_DATA": str(tmp_path), "DATABASE_URL": sqlite_store.url, "REDIS_URL": valkey.url}
    )
    with closing(Wiring(settings)) as made:
        monkeypatch.setattr(jobs, "wiring", lambda: made)
        yield made


def _rung(tools: Wiring) -> set[str]:
    with closing(Redis.from_url(tools.redis_url)) as client:
        found = {key.decode() for key in client.keys("wake:*")}  # type: ignore[union-attr]
        client.flushdb()
    return found


def test_a_task_that_nobody_rang_for_is_found_by_the_clock_and_done(tools: Wiring) -> None:
    id_ = tasks.begin(tools.store, "unheard-of", {}, "Ada")
    clock.tick(tools)
    assert "wake:work" in _rung(tools)

    jobs.work()
    with tools.store.read() as tx:
        task = rows.get(tx, id_)
    assert task is not None
    assert task.has_ended
    clock.tick(tools)
    assert "wake:work" not in _rung(tools)


def test_every_kind_of_work_is_known_to_the_worker() -> None:
    assert {"backtest"} <= set(tasks.KINDS)


def test_mappings_are_watched_once_an_hour(tools: Wiring) -> None:
    clock.tick(tools)
    assert "wake:watch" in _rung(tools)
    jobs.watch()
    clock.tick(tools)
    assert "wake:watch" not in _rung(tools)
    with tools.store.write() as tx:
        past = update(schema.mark).where(schema.mark.c.name == drift.CHORE)
        tx.execute(past.values(at=now() - timedelta(minutes=61)))
    clock.tick(tools)
    assert "wake:watch" in _rung(tools)
