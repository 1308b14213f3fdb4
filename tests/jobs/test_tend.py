"""The job that looks after accounts, the clock that wakes it, and where its findings are seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connector import jobs
from connector.contract import Finding, Visit
from connector.errors import CredentialsError, TemporaryError
from connector.flow import accounts, doctor, due, tending
from connector.model import Account, now
from connector.settings import Settings
from connector.store import Store, leases, marks
from connector.store import accounts as rows
from connector.wiring import Wiring
from tests.toys import SHOP, ToyRegistry


class Roles(ToyRegistry):
    def __init__(self) -> None:
        super().__init__()
        self.visits: list[Visit] = []
        self.finds: list[Finding | Exception] = []

    def get(self, name: str) -> Any:
        return replace(SHOP, tend=self.tend) if name == "toyshop" else super().get(name)

    def tend(self, visit: Visit) -> Iterator[Finding]:
        self.visits.append(visit)
        for one in self.finds:
            if isinstance(one, Exception):
                raise one
            yield one


@pytest.fixture
def roles() -> Roles:
    return Roles()


@pytest.fixture
def tools(tmp_path: Path, sqlite_store: Store, roles: Roles, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wiring]:
    settings = Settings.from_env({"CONNECTOR_PUBLIC_URL": "https://connect.example"}, data=tmp_path)
    with closing(Wiring(settings)) as made:
        made.registry = made.directory._registry = roles
        monkeypatch.setattr(jobs, "wiring", lambda: made)
        yield made


@pytest.fixture
def shop(tools: Wiring) -> Account:
    given = {"shop": "a", "access_token": "one"}
    return accounts.connect(tools.store, tools.registry, tools.vault, "toyshop", "main-store", given)


def examine(tools: Wiring, account: Account) -> dict[str, Finding]:
    url = tools.settings.webhook_url(account.token)
    return {one.name: one for one in doctor.examine(tools.store, tools.registry, account, url)}


def due_in(tools: Wiring, account: Account) -> timedelta:
    with tools.store.read() as tx:
        return datetime.fromisoformat(marks.get(tx, f"due:tend:{account.id}") or "") - now()


def test_an_adapter_is_given_the_address_and_the_kit(tools: Wiring, shop: Account, roles: Roles) -> None:
    jobs.tend(shop.id)
    [visit] = roles.visits
    assert visit.webhook_url == f"https://connect.example/hooks/{shop.token}"
    assert visit.kit is tools.kit(shop.id)
    assert visit.settings["shop"] == "a"


def test_what_was_found_last_is_told_by_the_doctor(tools: Wiring, shop: Account, roles: Roles) -> None:
    assert "subscriptions" not in examine(tools, shop)
    roles.finds = [Finding(name="subscriptions", ok=False, words="2 are missing.", fix="Give it write_webhooks.")]
    jobs.tend(shop.id)
    told = examine(tools, shop)["subscriptions"]
    assert (told.ok, told.fix) == (False, "Give it write_webhooks.")
    assert told.words.endswith(" UTC: 2 are missing.")
    roles.finds = [Finding(name="subscriptions", ok=True, words="All 12 stand.")]
    jobs.tend(shop.id)
    assert examine(tools, shop)["subscriptions"].ok


def test_what_a_vendor_refuses_is_a_finding_and_suspends_nothing(tools: Wiring, shop: Account, roles: Roles) -> None:
    roles.finds = [
        Finding(name="one", ok=True, words="Stands."),
        CredentialsError("No permission.", advice="Grant it."),
    ]
    jobs.tend(shop.id)
    told = examine(tools, shop)
    assert told["one"].ok
    assert (told["upkeep"].ok, told["upkeep"].fix) == (False, "Grant it.")
    with tools.store.read() as tx:
        row = rows.get(tx, shop.id)
    assert row is not None
    assert row.active
    assert timedelta(minutes=59) < due_in(tools, shop) <= tending.EVERY


def test_a_fault_that_passes_is_no_alarm_and_is_tried_again_soon(tools: Wiring, shop: Account, roles: Roles) -> None:
    roles.finds = [TemporaryError("Down.")]
    jobs.tend(shop.id)
    assert examine(tools, shop)["upkeep"].ok is None
    assert due_in(tools, shop) <= tending.SOON


def test_a_bug_of_an_adapter_is_a_finding(tools: Wiring, shop: Account, roles: Roles) -> None:
    roles.finds = [KeyError("data")]
    jobs.tend(shop.id)
    assert "KeyError" in examine(tools, shop)["upkeep"].words


def test_an_adapter_cannot_fill_the_database(tools: Wiring, shop: Account, roles: Roles) -> None:
    roles.finds = [Finding(name=f"f{n}", ok=True, words="x") for n in range(1000)]
    jobs.tend(shop.id)
    assert sum(name.startswith("f") for name in examine(tools, shop)) == tending.MOST


def test_a_suspended_account_is_not_looked_after(tools: Wiring, shop: Account, roles: Roles) -> None:
    with tools.store.write() as tx:
        rows.suspend(tx, shop.id, "Refused.", now())
    jobs.tend(shop.id)
    assert roles.visits == []


def test_past_trouble_does_not_keep_an_account_suspended(tools: Wiring, shop: Account, roles: Roles) -> None:
    roles.finds = [Finding(name="subscriptions", ok=False, words="2 are missing.")]
    jobs.tend(shop.id)
    with tools.store.write() as tx:
        rows.suspend(tx, shop.id, "Refused.", now())
    assert "subscriptions" in examine(tools, shop)
    told = examine(tools, replace(shop, active=False, note="Refused."))
    assert told["account"].ok
    assert "subscriptions" not in told


def test_one_worker_looks_after_an_account_at_a_time(tools: Wiring, shop: Account, roles: Roles) -> None:
    with tools.store.write() as tx:
        leases.acquire(tx, f"tend:{shop.id}", "elsewhere:1:x", 60)
    jobs.tend(shop.id)
    assert roles.visits == []


def test_an_account_is_looked_after_every_hour(tools: Wiring, shop: Account) -> None:
    with tools.store.read() as tx:
        assert due.due(tx, "tend", [shop]) == [shop.id]
    jobs.tend(shop.id)
    with tools.store.read() as tx:
        assert due.due(tx, "tend", [shop]) == []
