"""Receipts: any order, any number of times, before or after the reply to the send; one end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.flow.settle import advance, settle, settle_parked
from connector.model import (
    AccountId,
    Category,
    EventId,
    MessageId,
    Receipt,
    Refusal,
    RemoteId,
    Send,
    State,
    Status,
    now,
)
from connector.store import Store, outbox

SHOP, NUMBER = AccountId("shop"), AccountId("number")
AT = now().replace(microsecond=0)
WORDS = {
    Status.SENT: "sent",
    Status.DELIVERED: "delivered",
    Status.READ: "read",
    Status.FAILED: "failed",
}


def receipt(status: Status, minute: int = 0, *, remote: str = "w1", ours: str | None = "m1", **more: object) -> Receipt:
    refusal = Refusal(code="131026", words="Undeliverable.") if status is Status.FAILED else None
    return Receipt(
        key=f"{remote}:{WORDS[status]}",
        remote_id=RemoteId(remote),
        message_id=MessageId(ours) if ours else None,
        status=status,
        word=WORDS[status],
        occurred_at=AT + timedelta(minutes=minute),
        **({"refusal": refusal} | more),
    )


def put(store: Store, id_: str = "m1") -> None:
    message = outbox.NewMessage(
        id=MessageId(id_),
        event_id=EventId("e"),
        mapping="shop/paid",
        version=1,
        source_id=SHOP,
        dedupe_key=id_,
        subject="order:1",
        label="#1",
        occurred_at=AT,
        send=Send(
            channel=NUMBER,
            recipient="+447400123456",
            template="paid",
            language="en",
            category=Category.UTILITY,
            slots={},
            not_before=AT,
        ),
    )
    with store.write() as tx:
        outbox.add(tx, [message], AT)


def begin(store: Store, id_: str = "m1") -> None:
    with store.write() as tx:
        outbox.begin(tx, [outbox.Cleared(row) for row in outbox.load(tx, [MessageId(id_)])], "me", 60)


def hear(store: Store, receipts: Sequence[Receipt], account: AccountId = NUMBER) -> None:
    with store.write() as tx:
        settle(tx, [(account, item) for item in receipts], AT)


def row(store: Store, id_: str = "m1") -> outbox.Row:
    with store.write() as tx:
        return outbox.load(tx, [MessageId(id_)])[0]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
def test_receipts_in_any_order_end_as_read(store: Store, order: tuple[int, int, int]) -> None:
    put(store)
    begin(store)
    trio = [receipt(Status.SENT, 1), receipt(Status.DELIVERED, 2), receipt(Status.READ, 3)]

    for index in order:
        hear(store, [trio[index], trio[index]])
        hear(store, [trio[index]])

    found = row(store)
    assert found.state is State.READ
    assert found.remote_id == "w1"
    assert [found.sent_at, found.delivered_at, found.read_at] == [AT + timedelta(minutes=n) for n in (1, 2, 3)]


def test_read_without_delivered_means_delivered(store: Store) -> None:
    put(store)
    begin(store)

    hear(store, [receipt(Status.READ, 3)])

    assert row(store).delivered_at == AT + timedelta(minutes=3)


def test_failed_after_delivered_is_ignored(store: Store) -> None:
    put(store)
    begin(store)

    hear(store, [receipt(Status.DELIVERED), receipt(Status.FAILED)])

    assert row(store).state is State.DELIVERED


def test_delivered_after_failed_wins(store: Store) -> None:
    put(store)
    begin(store)

    hear(store, [receipt(Status.FAILED)])
    assert row(store).state is State.FAILED
    assert row(store).code == "131026"
    hear(store, [receipt(Status.SENT)])
    assert row(store).state is State.FAILED
    hear(store, [receipt(Status.DELIVERED)])

    assert row(store).state is State.DELIVERED
    assert row(store).code == ""


def test_a_temporary_failure_is_sent_again(store: Store) -> None:
    put(store)
    begin(store)
    busy = Refusal(code="131016", words="Unavailable.", temporary=True, retry_after=10)

    hear(store, [receipt(Status.FAILED, refusal=busy)])

    found = row(store)
    assert found.state is State.WAITING
    assert found.not_before >= AT + timedelta(seconds=10)
    assert found.remote_id is None


def test_receipts_that_come_before_the_reply_are_parked_and_found_again(store: Store) -> None:
    put(store)
    begin(store)
    hear(store, [receipt(Status.DELIVERED, ours=None)])
    assert row(store).state is State.SENDING

    with store.write() as tx:
        found = outbox.load(tx, [MessageId("m1")])[0]
        found.remote_id, found.state = RemoteId("w1"), State.ACCEPTED
        outbox.save(tx, [found])
        settle_parked(tx, NUMBER, [RemoteId("w1")], AT)

    assert row(store).state is State.DELIVERED


def test_a_receipt_with_our_id_counts_whichever_account_it_came_through(store: Store) -> None:
    put(store)
    begin(store)

    hear(store, [receipt(Status.SENT, ours=None)], account=AccountId("stranger"))
    assert row(store).state is State.SENDING
    hear(store, [receipt(Status.READ)], account=AccountId("sibling"))

    assert row(store).state is State.READ


def test_the_end_of_an_earlier_attempt_says_nothing_about_the_present_one(store: Store) -> None:
    put(store)
    begin(store)
    with store.write() as tx:
        found = outbox.load(tx, [MessageId("m1")])[0]
        found.state = State.WAITING
        outbox.save(tx, [found])
    begin(store)

    hear(store, [receipt(Status.FAILED)])

    assert row(store).state is State.SENDING


def _bare() -> outbox.Row:
    return outbox.Row(
        id=MessageId("m1"), channel_id=NUMBER, source_id=SHOP, event_id=EventId("e"), mapping="m",
        version=1, subject="s", label="#1", contact_id=None, gates={},
        template="t", language="en",
        category="utility", recipient="", slots={}, state=State.SENDING, reason="", words="", code="", tries=1,
        remote_id=None, in_reply_to=None, recipient_id="", cancel_when=[], resend_in_doubt=True,
        created_at=AT, occurred_at=AT,
        not_before=AT, expires_at=None, lease_owner="me", lease_until=AT, accepted_at=None, sent_at=None,
        delivered_at=None, read_at=None, ended_at=None,
    )  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.sampled_from(list(WORDS)), max_size=12), st.randoms())
def test_the_end_depends_on_what_came_and_not_on_the_order(statuses: list[Status], random: object) -> None:
    shuffled = list(statuses)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    ends = []
    for order in (statuses, shuffled):
        found = _bare()
        for status in order:
            advance(found, receipt(status), AT)
        ends.append((found.state, found.sent_at, found.delivered_at, found.read_at))

    assert ends[0] == ends[1]
    if Status.READ in statuses:
        assert ends[0][0] is State.READ


@settings(deadline=None)
@given(st.lists(st.sampled_from(list(WORDS)), max_size=12))
def test_a_delivered_message_never_goes_back(statuses: list[Status]) -> None:
    found = _bare()
    advance(found, receipt(Status.DELIVERED), AT)
    for status in statuses:
        advance(found, receipt(status), AT)
        assert found.state in (State.DELIVERED, State.READ)
