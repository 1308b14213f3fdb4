"""The job that forgets, and the clock that wakes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from connector import clock, jobs
from connector.flow import redact
from connector.settings import Settings
from connector.store import Store, leases, privacy
from connector.wiring import Wiring
from tests.flow.forgetting import AT, JANE, SHOP, World
from tests.toys import ToyRegistry


@pytest.fixture
def tools(tmp_path: Path, sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wiring]:
    with closing(Wiring(Settings.from_env({}, data=tmp_path))) as made:
        made.registry = made.directory._registry = ToyRegistry()
        monkeypatch.setattr(jobs, "wiring", lambda: made)
        yield made


@pytest.fixture
def rung(tools: Wiring, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    heard: list[str] = []
    monkeypatch.setattr(type(tools.queue), "ring", lambda _self, kind, argument="": heard.append(kind))
    return heard


def ask(tools: Wiring) -> World:
    world = World(tools.store)
    world.people = tools.people
    world.person(JANE, (SHOP, "customer:55"))
    event = world.event("customer:55", type_="privacy.customer_redact", body={"customer": {"phone": JANE}})
    item = privacy.Asked(
        id="p1", event_id=event.id, account_id=SHOP, kind="customer_redact", record="customer:55", asked_at=AT,
        due_at=AT + timedelta(days=30),
    )  # fmt: skip
    with tools.store.write() as tx:
        privacy.note(tx, [item])
    return world


def test_the_clock_wakes_it_only_while_somebody_waits(tools: Wiring, rung: list[str]) -> None:
    clock.tick(tools)
    assert redact.CHORE not in rung
    ask(tools)
    clock.tick(tools)
    clock.tick(tools)
    assert rung.count(redact.CHORE) == 1


def test_the_job_forgets_and_lets_nobody_forget_beside_it(tools: Wiring, rung: list[str]) -> None:
    world = ask(tools)
    with tools.store.write() as tx:
        assert leases.acquire(tx, "privacy", "another.host:1:1", 60)
    jobs.privacy()
    assert JANE[1:] in world.everything()
    with tools.store.write() as tx:
        leases.release(tx, "privacy", "another.host:1:1")
    jobs.privacy()
    assert JANE[1:] not in world.everything()
    assert "privacy" not in rung
