from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select

from connector.errors import ConfigurationError
from connector.model import AccountId, Category, Template
from connector.store import Store, accounts, schema, templates
from connector.store.accounts import AccountRow

AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
LATER = AT + timedelta(minutes=1)
SHOP = AccountRow(
    id=AccountId("shop-1"),
    adapter="shopify",
    name="main-store",
    token="unguessable-token",
    settings={"shop": "a.example", "größe": "ü"},
    secrets="sealed-text",
    created_at=AT,
    updated_at=AT,
)


@pytest.fixture
def shop(store: Store) -> AccountRow:
    with store.write() as tx:
        accounts.add(tx, SHOP)
    return SHOP


def test_an_added_account_is_read_back_as_it_was(store: Store, shop: AccountRow) -> None:
    with store.read() as tx:
        assert accounts.get(tx, shop.id) == shop
        assert accounts.get_by_name(tx, "main-store") == shop
        assert accounts.get_by_name(tx, "other") is None
        assert accounts.get(tx, AccountId("other")) is None


def test_accounts_are_listed_by_name(store: Store, shop: AccountRow) -> None:
    other = replace(shop, id=AccountId("shop-2"), name="a-store", token="another")
    with store.write() as tx:
        accounts.add(tx, other)
        assert [row.name for row in accounts.all_(tx)] == ["a-store", "main-store"]


def test_a_name_is_given_once(store: Store, shop: AccountRow) -> None:
    twin = replace(shop, id=AccountId("shop-2"), token="another")
    with (
        pytest.raises(ConfigurationError, match="name: an account named 'main-store' exists already"),
        store.write() as tx,
    ):
        accounts.add(tx, twin)


def test_a_row_shows_neither_token_nor_secrets() -> None:
    assert "unguessable" not in repr(SHOP)
    assert "sealed" not in repr(SHOP)


def test_settings_and_secrets_are_replaced_together(store: Store, shop: AccountRow) -> None:
    with store.write() as tx:
        assert accounts.update_settings(tx, shop.id, settings={"shop": "b.example"}, secrets="new", at=LATER)
        row = accounts.get(tx, shop.id)
        assert row == replace(shop, settings={"shop": "b.example"}, secrets="new", updated_at=LATER)
        assert not accounts.update_settings(tx, AccountId("gone"), settings={}, secrets="", at=LATER)


def test_an_account_is_suspended_and_resumed_once_each(store: Store, shop: AccountRow) -> None:
    with store.write() as tx:
        assert accounts.suspend(tx, shop.id, "The token was withdrawn.", LATER)
        assert not accounts.suspend(tx, shop.id, "Again.", LATER)
        row = accounts.get(tx, shop.id)
        assert row == replace(shop, active=False, note="The token was withdrawn.", updated_at=LATER)
        assert accounts.resume(tx, shop.id, LATER)
        assert not accounts.resume(tx, shop.id, LATER)
        row = accounts.get(tx, shop.id)
        assert row == replace(shop, updated_at=LATER)


def _put_message(store: Store, number: int, state: str, channel: str = "shop-1") -> None:
    row = {
        "id": f"message-{number}", "event_id": "e", "mapping": "m", "version": 1, "source_id": "s",
        "channel_id": channel, "dedupe_key": str(number), "subject": "", "label": "", "recipient": "+4915",
        "template": "t", "language": "en", "category": "utility", "slots": {}, "state": state,
        "occurred_at": AT, "not_before": AT, "cancel_when": [], "resend_in_doubt": True, "created_at": AT,
        "lease_owner": "somebody",
    }  # fmt: skip
    with store.write() as tx:
        tx.execute(insert(schema.message).values(row))


def _put_request(store: Store, key: str, state: str) -> None:
    row = {
        "account_id": "shop-1", "delivery_key": key, "topic": "", "method": "POST", "headers": {}, "body": b"",
        "received_at": AT, "state": state,
    }  # fmt: skip
    with store.write() as tx:
        tx.execute(insert(schema.request).values(row))


def test_only_open_messages_and_unread_requests_hold_an_account(store: Store, shop: AccountRow) -> None:
    _put_message(store, 1, "delivered")
    _put_message(store, 2, "waiting", channel="another")
    _put_request(store, "a", "done")
    with store.read() as tx:
        assert not accounts.pending(tx, shop.id)
    for number, state in enumerate(("waiting", "sending", "in_doubt"), 3):
        _put_message(store, number, state)
    _put_request(store, "b", "new")
    with store.read() as tx:
        assert accounts.pending(tx, shop.id) == accounts.Pending(messages=3, requests=1)


def test_abandoned_work_ends_and_says_why(store: Store, shop: AccountRow) -> None:
    for number, state in enumerate(("waiting", "sending", "in_doubt", "read")):
        _put_message(store, number, state)
    _put_message(store, 9, "waiting", channel="another")
    _put_request(store, "a", "new")
    with store.write() as tx:
        accounts.abandon(tx, shop.id, LATER)
        assert not accounts.pending(tx, shop.id)
        rows = tx.execute(select(schema.message).order_by(schema.message.c.id)).all()
        assert [row.state for row in rows] == ["cancelled", "failed", "failed", "read", "waiting"]
        assert [row.ended_at for row in rows] == [LATER, LATER, LATER, None, None]
        assert [row.lease_owner for row in rows] == [None, None, None, "somebody", "somebody"]
        assert "may have arrived" in rows[1].words
        assert tx.scalar(select(schema.request.c.state)) == "ignored"


def test_a_removed_account_takes_its_templates_and_leaves_its_history(store: Store, shop: AccountRow) -> None:
    _put_message(store, 1, "read")
    template = Template(name="t", language="en", category=Category.UTILITY, status="approved")
    with store.write() as tx:
        templates.upsert_all(tx, shop.id, [template], AT)
        templates.upsert_all(tx, AccountId("another"), [template], AT)
        assert accounts.remove(tx, shop.id)
        assert not accounts.remove(tx, shop.id)
        assert accounts.all_(tx) == []
        assert [row.account_id for row in templates.all_(tx)] == ["another"]
        assert tx.scalar(select(schema.message.c.channel_id)) == "shop-1"
