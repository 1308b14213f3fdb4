"""The job that writes back, and the clock that wakes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from connector import clock, jobs
from connector.errors import CredentialsError
from connector.flow import accounts
from connector.flow.writeback import Want, want
from connector.model import Account, now
from connector.settings import Settings
from connector.store import Store, write_backs
from connector.store import accounts as rows
from connector.wiring import Wiring
from tests.flow.crm import FakeCrm
from tests.toys import SHOP, ToyRegistry


class Roles(ToyRegistry):
    def __init__(self) -> None:
        super().__init__()
        self.crm: FakeCrm | None = FakeCrm()

    def get(self, name: str) -> Any:
        return replace(SHOP, crm=lambda settings, kit: self.crm) if name == "toyshop" else super().get(name)


@pytest.fixture
def roles() -> Roles:
    return Roles()


@pytest.fixture
def rung(tools: Wiring, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What was rung; nobody listens to the bell itself here."""
    found: list[tuple[str, ...]] = []
    monkeypatch.setattr(tools.queue, "ring", lambda *what: found.append(what) or True)
    return found


@pytest.fixture
def tools(tmp_path: Path, sqlite_store: Store, roles: Roles, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wiring]:
    with closing(Wiring(Settings.from_env({}, data=tmp_path))) as made:
        made.registry = made.directory._registry = roles
        monkeypatch.setattr(jobs, "wiring", lambda: made)
        yield made


@pytest.fixture
def shop(tools: Wiring) -> Account:
    return accounts.connect(
        tools.store, tools.registry, tools.vault, "toyshop", "main-store", {"shop": "a", "access_token": "one"}
    )


def wish(tools: Wiring, account: Account, *, seconds_ago: float) -> None:
    with tools.store.write() as tx:
        wants = [Want(account_id=account.id, object="customer", record_id="5521", field="status", value="in")]
        want(tx, wants, now() - timedelta(seconds=seconds_ago))


def test_the_job_writes_what_is_due(tools: Wiring, shop: Account, roles: Roles) -> None:
    assert roles.crm is not None
    wish(tools, shop, seconds_ago=60)
    jobs.write_back(shop.id)
    assert roles.crm.held == {("customer", "5521", "status"): "in"}
    with tools.store.read() as tx:
        assert write_backs.count(tx) == {}


def test_the_clock_rings_when_it_has_gathered(tools: Wiring, shop: Account, rung: list[tuple[str, ...]]) -> None:
    with time_machine.travel(now(), tick=False):
        wish(tools, shop, seconds_ago=0)
        clock.tick(tools)
    assert ("write_back", shop.id) not in rung
    with tools.store.write() as tx:
        tx.exec_driver_sql("UPDATE wanted SET not_before = 0")
    clock.tick(tools)
    assert ("write_back", shop.id) in rung


def test_an_account_without_access_to_the_api_is_not_rung_for(
    tools: Wiring, shop: Account, roles: Roles, rung: list[tuple[str, ...]]
) -> None:
    roles.crm = None
    wish(tools, shop, seconds_ago=60)
    clock.tick(tools)
    assert ("write_back", shop.id) not in rung
    jobs.write_back(shop.id)


def test_refused_credentials_suspend_the_account(tools: Wiring, shop: Account, roles: Roles) -> None:
    assert roles.crm is not None
    roles.crm.raises = [CredentialsError("The token is refused.")]
    wish(tools, shop, seconds_ago=60)
    jobs.write_back(shop.id)
    with tools.store.read() as tx:
        account = rows.get(tx, shop.id)
    assert account is not None
    assert (account.active, account.note) == (False, "The token is refused.")
