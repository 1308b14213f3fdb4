from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connector.model import AccountId, Category, Part, Slot, SlotKind, Template, TemplateChange
from connector.store import Store, templates
from connector.store.templates import Counts

AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
LATER = AT + timedelta(minutes=1)
CHANNEL = AccountId("channel-1")
PAID = Template(
    name="order_paid",
    language="en",
    category=Category.UTILITY,
    status="approved",
    slots=(Slot(key="body.1", limit=60, example="Zoë"), Slot(key="button.0.url", kind=SlotKind.URL_SUFFIX)),
    parts=(Part(kind="body", text="Hello {{1}}", prefix="body"), Part(kind="header", text="", media="image")),
    budget=(("body", 1013),),
    remote_id="987654321",
    quality="green",
)
SHIPPED = Template(name="shipped", language="pt_BR", category=Category.MARKETING, status="paused")


@pytest.fixture(autouse=True)
def _synced(store: Store) -> None:
    with store.write() as tx:
        assert templates.upsert_all(tx, CHANNEL, iter([PAID, SHIPPED]), AT) == Counts(new=2)


def test_a_template_is_read_back_as_it_was(store: Store) -> None:
    with store.read() as tx:
        assert templates.get(tx, CHANNEL, "order_paid", "en") == PAID
        assert templates.get(tx, CHANNEL, "order_paid", "de") is None
        assert templates.get(tx, AccountId("another"), "order_paid", "en") is None
        assert [row.template for row in templates.all_(tx, CHANNEL)] == [PAID, SHIPPED]
        assert templates.all_(tx, AccountId("another")) == []


def test_a_second_sync_tells_what_is_new_changed_and_gone(store: Store) -> None:
    edited = replace(PAID, parts=(Part(kind="body", text="Hi {{1}}", prefix="body"),))
    with store.write() as tx:
        counts = templates.upsert_all(tx, CHANNEL, [edited, replace(PAID, language="de")], LATER)
        assert counts == Counts(new=1, changed=1, gone=1)
        rows = {(row.template.name, row.template.language): row for row in templates.all_(tx)}
    assert rows["order_paid", "en"].template == edited
    assert rows["shipped", "pt_BR"].template == replace(SHIPPED, status="deleted")
    assert rows["shipped", "pt_BR"].seen_at == AT
    assert {row.changed_at for row in rows.values()} == {LATER}


def test_what_is_gone_is_told_once_and_may_come_back(store: Store) -> None:
    with store.write() as tx:
        assert templates.upsert_all(tx, CHANNEL, [PAID], LATER).gone == 1
        assert templates.upsert_all(tx, CHANNEL, [PAID], LATER) == Counts(unchanged=1)
        assert templates.upsert_all(tx, CHANNEL, [PAID, SHIPPED], LATER) == Counts(changed=1, unchanged=1)
        assert templates.get(tx, CHANNEL, "shipped", "pt_BR") == SHIPPED


def test_an_unchanged_template_is_seen_and_not_changed(store: Store) -> None:
    with store.write() as tx:
        assert templates.upsert_all(tx, CHANNEL, [PAID, SHIPPED], LATER) == Counts(unchanged=2)
        assert {(row.seen_at, row.changed_at) for row in templates.all_(tx)} == {(LATER, AT)}


def test_a_partial_list_lets_the_others_be(store: Store) -> None:
    with store.write() as tx:
        assert templates.upsert_all(tx, CHANNEL, [PAID], LATER, partial=True) == Counts(unchanged=1)
        assert templates.get(tx, CHANNEL, "shipped", "pt_BR") == SHIPPED


def test_one_accounts_sync_leaves_another_accounts_templates(store: Store) -> None:
    with store.write() as tx:
        assert templates.upsert_all(tx, AccountId("another"), [], LATER) == Counts()
        assert templates.get(tx, CHANNEL, "order_paid", "en") == PAID


def test_a_notice_changes_what_it_speaks_of(store: Store) -> None:
    change = TemplateChange(name="order_paid", language="en", status="paused", category="marketing")
    with store.write() as tx:
        assert templates.apply_change(tx, CHANNEL, change, LATER)
        expected = replace(PAID, status="paused", category=Category.MARKETING)
        assert templates.get(tx, CHANNEL, "order_paid", "en") == expected
        assert templates.apply_change(tx, CHANNEL, replace(change, status=None, category=None, quality="red"), LATER)
        assert templates.get(tx, CHANNEL, "order_paid", "en") == replace(expected, quality="red")


@pytest.mark.parametrize(
    "change",
    [
        TemplateChange(name="unknown", language="en", status="paused"),
        TemplateChange(name="order_paid", language="en"),
        TemplateChange(name="order_paid", language="en", category="a new one"),
    ],
)
def test_a_notice_that_says_nothing_of_ours_changes_nothing(store: Store, change: TemplateChange) -> None:
    with store.write() as tx:
        assert not templates.apply_change(tx, CHANNEL, change, LATER)
        assert templates.get(tx, CHANNEL, "order_paid", "en") == PAID


def test_a_notice_outlives_a_list_that_was_asked_for_before_it(store: Store) -> None:
    with store.write() as tx:
        templates.apply_change(tx, CHANNEL, TemplateChange(name="order_paid", language="en", status="paused"), LATER)
        before = LATER - timedelta(seconds=1)
        assert templates.upsert_all(tx, CHANNEL, [PAID, SHIPPED], before) == Counts(unchanged=2)
        found = templates.get(tx, CHANNEL, "order_paid", "en")
        assert found == replace(PAID, status="paused")
        assert templates.upsert_all(tx, CHANNEL, [PAID, SHIPPED], LATER) == Counts(changed=1, unchanged=1)
