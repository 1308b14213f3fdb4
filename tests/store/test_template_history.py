from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from connector.model import AccountId, Category, Part, Slot, Template, TemplateChange
from connector.store import Store, template_history, templates

AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
CHANNEL = AccountId("channel-1")
PAID = Template(
    name="order_paid",
    language="en",
    category=Category.UTILITY,
    status="approved",
    slots=(Slot(key="body.1", limit=60),),
    parts=(Part(kind="body", text="Hello {{1}}", prefix="body"),),
)


def sync(store: Store, *listed: Template, minutes: int = 0) -> None:
    with store.write() as tx:
        templates.upsert_all(tx, CHANNEL, listed, AT + timedelta(minutes=minutes))


def told(store: Store, name: str = "order_paid") -> list[tuple[str, str, str, str]]:
    with store.read() as tx:
        found = template_history.of(tx, CHANNEL, name, "en")
    return [(each.what, each.before, each.after, each.told_by) for each in found]


def test_a_template_begins_with_what_it_was_when_it_was_found(store: Store) -> None:
    sync(store, PAID)
    assert told(store) == [("category", "", "utility", "list"), ("found", "", "approved", "list")]


def test_a_sync_that_finds_nothing_new_tells_nothing(store: Store) -> None:
    sync(store, PAID)
    sync(store, PAID, minutes=5)
    assert len(told(store)) == 2


def test_each_thing_that_changed_is_told_by_itself(store: Store) -> None:
    sync(store, PAID)
    edited = (Part(kind="body", text="Hi {{1}}", prefix="body"), Part(kind="header", text="", media="image"))
    sync(store, replace(PAID, status="paused", category=Category.MARKETING, quality="red", parts=edited), minutes=5)
    assert told(store)[:4] == [
        ("category", "utility", "marketing", "list"),
        ("quality", "", "red", "list"),
        ("shape", "body: Hello {{1}}", "body: Hi {{1}}\nheader:  [image]", "list"),
        ("status", "approved", "paused", "list"),
    ]


def test_what_the_channel_says_by_itself_is_told_as_such(store: Store) -> None:
    sync(store, PAID)
    change = TemplateChange(name="order_paid", language="en", category="marketing", status="approved")
    with store.write() as tx:
        assert templates.apply_change(tx, CHANNEL, change, AT + timedelta(minutes=1))
    assert told(store)[0] == ("category", "utility", "marketing", "notice")
    assert len(told(store)) == 3, "the status is as it was"


def test_news_about_an_unknown_template_leave_no_trace(store: Store) -> None:
    with store.write() as tx:
        change = TemplateChange(name="other", language="en", status="paused")
        assert not templates.apply_change(tx, CHANNEL, change, AT)
    assert told(store, "other") == []


def test_going_and_coming_back_are_told(store: Store) -> None:
    sync(store, PAID)
    sync(store, minutes=5)
    sync(store, PAID, minutes=10)
    assert [each[:3] for each in told(store)[:2]] == [
        ("status", "deleted", "approved"), ("status", "approved", "deleted"),
    ]  # fmt: skip


def test_what_changed_lately_is_found_over_all_templates(store: Store) -> None:
    sync(store, PAID, replace(PAID, name="shipped"))
    sync(store, PAID, replace(PAID, name="shipped", status="paused"), minutes=60)
    with store.read() as tx:
        found = template_history.since(tx, AT + timedelta(minutes=30))
    assert [(each.name, each.after) for each in found] == [("shipped", "paused")]
