from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connector.model import AccountId
from connector.store import Store, accounts, addresses
from connector.store.accounts import AccountRow

AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
UNTIL = AT + timedelta(days=7)
ID = AccountId("shop-1")


@pytest.fixture(autouse=True)
def _connected(store: Store) -> None:
    row = AccountRow(
        id=ID, adapter="shopify", name="main-store", token="first", settings={}, secrets="sealed",
        created_at=AT, updated_at=AT,
    )  # fmt: skip
    with store.write() as tx:
        accounts.add(tx, row)


def test_a_replaced_address_works_until_its_time_is_over(store: Store) -> None:
    with store.write() as tx:
        assert addresses.replace(tx, ID, "second", at=AT, until=UNTIL)
    with store.read() as tx:
        found = accounts.get(tx, ID)
        assert found is not None
        assert found.token == "second"
        assert [each.token for each in addresses.old(tx, UNTIL - timedelta(seconds=1))] == ["first"]
        assert addresses.old(tx, UNTIL) == []
        assert addresses.old(tx, AT, AccountId("other")) == []


def test_replacing_the_address_of_nobody_does_nothing(store: Store) -> None:
    with store.write() as tx:
        assert not addresses.replace(tx, AccountId("other"), "second", at=AT, until=UNTIL)
    with store.read() as tx:
        assert addresses.old(tx, AT) == []


def test_replaced_addresses_go_with_their_account(store: Store) -> None:
    with store.write() as tx:
        addresses.replace(tx, ID, "second", at=AT, until=UNTIL)
        accounts.remove(tx, ID)
    with store.read() as tx:
        assert addresses.old(tx, AT) == []


def test_replaced_addresses_can_be_dropped_before_their_time(store: Store) -> None:
    with store.write() as tx:
        addresses.replace(tx, ID, "second", at=AT, until=UNTIL)
        assert addresses.drop(tx, ID) == 1
    with store.read() as tx:
        assert addresses.old(tx, AT) == []
