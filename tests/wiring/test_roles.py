"""Feeds and CRMs are built once, from the account's present settings, and not at all for suspended ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from connector.contract import Crm, Feed, Field, Kit, Outcome, Page, Settings
from connector.errors import ConfigurationError
from connector.flow import accounts
from connector.model import Account, AccountId, now
from connector.settings import Settings as Installation
from connector.store import Store
from connector.store import accounts as rows
from connector.wiring import Wiring
from tests.toys import LINE, SHOP, ToyRegistry


class Asker(Feed):
    def __init__(self, settings: Settings, kit: Kit) -> None:
        self.settings, self.kit = settings, kit

    def pull(self, cursor: str, now: datetime) -> Page:
        return Page((), "", more=False)


class Memory(Crm):
    def __init__(self, settings: Settings, kit: Kit) -> None:
        self.settings, self.kit = settings, kit

    def record(self, changes: Any) -> list[Outcome]:
        return [Outcome(change) for change in changes]

    def fields(self, object: str) -> tuple[Field, ...]:  # noqa: A002
        return ()


class Roles(ToyRegistry):
    def get(self, name: str) -> Any:
        if name == "toyshop":
            return replace(SHOP, feed=Asker, crm=lambda settings, kit: Memory(settings, kit))
        if name == "toyline":
            return replace(LINE, feed=lambda settings, kit: None, crm=lambda settings, kit: None)
        return super().get(name)


@pytest.fixture
def tools(tmp_path: Path, sqlite_store: Store) -> Iterator[Wiring]:
    with closing(Wiring(Installation.from_env({}, data=tmp_path))) as made:
        made.registry = made.directory._registry = Roles()
        yield made


def connect(tools: Wiring, adapter: str = "toyshop", name: str = "main-store") -> Account:
    given = {"shop": "a", "access_token": "one"}
    return accounts.connect(tools.store, tools.registry, tools.vault, adapter, name, given)


def look_again(tools: Wiring) -> None:
    tools.directory._read_at = float("-inf")


def test_a_role_is_built_once(tools: Wiring) -> None:
    account = connect(tools)
    found = tools.crm(account.id)
    assert found is not None
    assert found[0] == account
    assert tools.crm(account.id) == found
    feed = tools.feed(account.id)
    assert feed is not None
    assert isinstance(feed[1], Asker)
    assert isinstance(found[1], Memory)
    assert feed[1].kit is found[1].kit is tools.kit(account.id)
    assert feed[1].kit.http.hosts == {"toy.example"}


def test_a_role_is_built_anew_with_changed_settings(tools: Wiring) -> None:
    account = connect(tools)
    before = tools.feed(account.id)
    accounts.change(tools.store, tools.registry, tools.vault, "main-store", {"shop": "b"})
    look_again(tools)
    after = tools.feed(account.id)
    assert before is not None
    assert after is not None
    assert isinstance(after[1], Asker)
    assert after[1] is not before[1]
    assert (after[0].settings["shop"], after[1].settings["shop"]) == ("b", "b")


def test_a_suspended_account_has_no_feed_and_no_crm_but_keeps_its_kit(tools: Wiring) -> None:
    account = connect(tools)
    with tools.store.write() as tx:
        rows.suspend(tx, account.id, "Refused.", now())
    look_again(tools)
    assert tools.feed(account.id) is None
    assert tools.crm(account.id) is None
    assert tools.kit(account.id)


def test_an_adapter_without_access_to_the_api_has_neither(tools: Wiring) -> None:
    account = connect(tools, "toyline", "line")
    assert tools.feed(account.id) is None
    assert tools.crm(account.id) is None


def test_an_account_that_is_gone_has_nothing(tools: Wiring) -> None:
    gone = AccountId("gone")
    assert tools.feed(gone) is None
    assert tools.crm(gone) is None
    with pytest.raises(ConfigurationError, match="no longer there"):
        tools.kit(gone)
