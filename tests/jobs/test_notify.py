"""The job that tells endpoints, and the clock that wakes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from connector import clock, jobs
from connector.flow import outgoing
from connector.model import now
from connector.settings import Settings
from connector.store import Store
from connector.store import outgoing as rows
from connector.store.outgoing import News
from connector.wiring import Wiring
from tests.flow.test_outgoing import Ear


@pytest.fixture
def ear(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ear]:
    monkeypatch.setattr(outgoing, "TIMEOUT", (60.0, 60.0))
    with closing(Ear()) as made:
        yield made


@pytest.fixture
def tools(tmp_path: Path, sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wiring]:
    with closing(Wiring(Settings.from_env({}, data=tmp_path))) as made:
        monkeypatch.setattr(jobs, "wiring", lambda: made)
        yield made


def rung(tools: Wiring, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    heard: list[tuple[str, ...]] = []
    monkeypatch.setattr(tools.queue, "ring", lambda *words: heard.append(words))
    clock.tick(tools)
    return heard


def test_the_clock_wakes_the_job_and_the_job_tells(tools: Wiring, ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    outgoing.add(tools.store, tools.vault, ear.url, ["label.changed"], loopback=True)
    assert ("notify",) not in rung(tools, monkeypatch)
    with tools.store.write() as tx:
        rows.tell(tx, [News(type="label.changed", key="k", at=now(), data={"contact_id": "c"})])
    assert ("notify",) in rung(tools, monkeypatch)

    jobs.notify()

    assert [item["type"] for item in ear.told()] == ["label.changed"]
    assert ("notify",) not in rung(tools, monkeypatch)


def test_an_installation_for_others_tells_nothing_on_its_own_machine(
    tmp_path: Path, sqlite_store: Store, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.from_env({"CONNECTOR_PUBLIC_URL": "https://connect.example"}, data=tmp_path)
    with closing(Wiring(settings)) as tools:
        monkeypatch.setattr(jobs, "wiring", lambda: tools)
        made = outgoing.add(tools.store, tools.vault, ear.url, ["label.changed"], loopback=True)
        outgoing.test(tools.store, made.row.id)

        jobs.notify()

    assert ear.heard == []
