"""The job that catches up, and the clock that wakes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connector import clock, jobs
from connector.contract import Feed, Fetched, Page
from connector.errors import CredentialsError
from connector.flow import accounts
from connector.model import Account, Request, Verified, now
from connector.settings import Settings
from connector.store import Store, inbox, leases, marks
from connector.store import accounts as rows
from connector.wiring import Wiring
from tests.toys import SHOP, ToyRegistry


class Asker(Feed):
    every = timedelta(minutes=10)
    found: list[str]
    refuses = False

    def pull(self, cursor: str, now: datetime) -> Page:
        if self.refuses:
            raise CredentialsError("The token was revoked.")
        request = Verified(Request(method="POST", headers={}, body=b"{}", received_at=now, query={}))
        page = [Fetched(key=key, topic="orders/updated", request=request) for key in self.found]
        return Page(page, "next", more=False)


class Roles(ToyRegistry):
    def __init__(self) -> None:
        super().__init__()
        self.feed: Feed | None = Asker()

    def get(self, name: str) -> Any:
        return replace(SHOP, feed=lambda settings, kit: self.feed) if name == "toyshop" else super().get(name)


@pytest.fixture
def tools(tmp_path: Path, sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wiring]:
    with closing(Wiring(Settings.from_env({}, data=tmp_path))) as made:
        made.registry = made.directory._registry = Roles()
        monkeypatch.setattr(jobs, "wiring", lambda: made)
        yield made


@pytest.fixture
def shop(tools: Wiring) -> Account:
    given = {"shop": "a", "access_token": "one"}
    return accounts.connect(tools.store, tools.registry, tools.vault, "toyshop", "main-store", given)


def feed_of(tools: Wiring) -> Any:
    return tools.registry.feed  # type: ignore[attr-defined]


Rung = Callable[[], list[tuple[str, ...]]]


@pytest.fixture
def rung(tools: Wiring, monkeypatch: pytest.MonkeyPatch) -> Rung:
    """What was rung since this was asked last."""
    heard: list[tuple[str, ...]] = []
    monkeypatch.setattr(tools.queue, "ring", lambda *words: heard.append(words) or True)

    def since() -> list[tuple[str, ...]]:
        found = sorted(heard)
        heard.clear()
        return found

    return since


def waiting(tools: Wiring) -> int:
    with tools.store.read() as tx:
        return inbox.measure(tx)[0]


def test_the_clock_wakes_a_feed_once_and_then_when_its_time_has_come(tools: Wiring, shop: Account, rung: Rung) -> None:
    bell = ("catch_up", shop.id)
    clock.tick(tools)
    assert bell in rung()
    clock.tick(tools)
    assert bell not in rung()
    with tools.store.write() as tx:
        marks.put(tx, f"due:catch_up:{shop.id}", (now() - timedelta(seconds=1)).isoformat())
    clock.tick(tools)
    assert bell in rung()


def test_the_clock_builds_no_feed(tools: Wiring, shop: Account) -> None:
    clock.tick(tools)
    assert tools._feeds._known == {}


def test_what_a_feed_finds_wakes_the_deciding(tools: Wiring, shop: Account, rung: Rung) -> None:
    feed_of(tools).found = ["a", "b"]
    jobs.catch_up(shop.id)
    assert waiting(tools) == 2
    assert rung() == [("decide",)]
    clock.tick(tools)
    assert ("catch_up", shop.id) not in rung()


def test_one_worker_catches_up_at_a_time(tools: Wiring, shop: Account) -> None:
    feed_of(tools).found = ["a"]
    with tools.store.write() as tx:
        leases.acquire(tx, f"catch_up:{shop.id}", "elsewhere:1:x", 60)
    jobs.catch_up(shop.id)
    assert waiting(tools) == 0
    with tools.store.write() as tx:
        leases.release(tx, f"catch_up:{shop.id}", "elsewhere:1:x")
    jobs.catch_up(shop.id)
    assert waiting(tools) == 1
    with tools.store.read() as tx:
        assert leases.holder(tx, f"catch_up:{shop.id}") == ""


def test_a_suspended_account_is_not_asked_for_until_it_is_used_again(tools: Wiring, shop: Account, rung: Rung) -> None:
    feed_of(tools).refuses = True
    jobs.catch_up(shop.id)
    tools.directory._read_at = float("-inf")
    rung()
    clock.tick(tools)
    assert ("catch_up", shop.id) not in rung()
    jobs.catch_up(shop.id)
    feed_of(tools).refuses, feed_of(tools).found = False, ["a"]
    with tools.store.write() as tx:
        rows.resume(tx, shop.id, now())
    tools.directory._read_at = float("-inf")
    clock.tick(tools)
    assert ("catch_up", shop.id) in rung()
    jobs.catch_up(shop.id)
    assert waiting(tools) == 1


def test_an_account_without_access_to_the_api_is_left_alone(tools: Wiring, shop: Account, rung: Rung) -> None:
    tools.registry.feed = None  # type: ignore[attr-defined]
    jobs.catch_up(shop.id)
    clock.tick(tools)
    assert ("catch_up", shop.id) not in rung()
