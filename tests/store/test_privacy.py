from __future__ import annotations

from datetime import UTC, datetime, timedelta

from connector.model import AccountId, EventId
from connector.store import Store, privacy
from connector.store.privacy import CUSTOMER_REDACT, DATA_REQUEST, SHOP_REDACT, Asked

AT = datetime(2026, 5, 3, 12, tzinfo=UTC)
SHOP, OTHER = AccountId("shop"), AccountId("other")


def ask(number: int, kind: str = CUSTOMER_REDACT, account_id: AccountId = SHOP, record: str = "customer:1") -> Asked:
    at = AT + timedelta(days=number)
    return Asked(
        id=f"p{number}", event_id=EventId(f"e{number}"), account_id=account_id, kind=kind, record=record, asked_at=at,
        due_at=at + timedelta(days=30),
    )  # fmt: skip


def test_one_event_asks_once(store: Store) -> None:
    with store.write() as tx:
        assert privacy.note(tx, [ask(1), ask(2)]) == 2
        assert privacy.note(tx, [ask(1)]) == 0
        assert privacy.note(tx, []) == 0
        assert privacy.get(tx, "p1") == ask(1)
        assert privacy.get(tx, "p9") is None


def test_what_is_due_soonest_comes_first_and_what_is_done_last(store: Store) -> None:
    with store.write() as tx:
        privacy.note(tx, [ask(3), ask(1), ask(2)])
        privacy.finish(tx, "p1", "Done.", AT, forget=True)
        assert [item.id for item in privacy.listing(tx)] == ["p2", "p3"]
        assert [item.id for item in privacy.listing(tx, states=("open", "done"))] == ["p2", "p3", "p1"]
        assert [item.id for item in privacy.open_(tx, [CUSTOMER_REDACT], 1)] == ["p2"]
        done = privacy.get(tx, "p1")
    assert done is not None
    assert (done.state, done.words, done.done_at, done.record) == ("done", "Done.", AT, "")


def test_only_the_kinds_that_are_asked_for_wait(store: Store) -> None:
    with store.write() as tx:
        privacy.note(tx, [ask(1, DATA_REQUEST)])
        assert not privacy.waits(tx, [CUSTOMER_REDACT, SHOP_REDACT])
        assert privacy.waits(tx, [DATA_REQUEST])
        privacy.finish(tx, "p1", "Told.", AT)
        assert not privacy.waits(tx, [DATA_REQUEST])


def test_forgetting_records_ends_what_was_to_be_told_and_leaves_other_wishes_open(store: Store) -> None:
    with store.write() as tx:
        privacy.note(tx, [ask(1, DATA_REQUEST), ask(2), ask(3, DATA_REQUEST, OTHER)])
        privacy.forget_records(tx, {(SHOP, "customer:1")}, AT)
        privacy.forget_records(tx, set(), AT)
        found = {item.id: (item.state, item.record) for item in privacy.listing(tx, states=("open", "done"))}
    assert found == {"p1": ("done", ""), "p2": ("open", "customer:1"), "p3": ("open", "customer:1")}


def test_forgetting_an_account_ends_all_that_it_asked(store: Store) -> None:
    with store.write() as tx:
        privacy.note(tx, [ask(1, DATA_REQUEST), ask(2), ask(3, SHOP_REDACT, record="shop:x"), ask(4, account_id=OTHER)])
        privacy.forget_account(tx, SHOP, AT)
        assert [item.id for item in privacy.listing(tx)] == ["p4"]
        assert all(item.record == "" for item in privacy.listing(tx, states=("done",)))
