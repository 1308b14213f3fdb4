"""Deciding: once, together with what was stored before, and whatever else stands in the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select

from connector.contract import Receiver
from connector.flow.catalogue import Catalogue
from connector.flow.decide import REPLAY, decide_batch
from connector.flow.write import Done
from connector.model import (
    Account,
    AccountId,
    Category,
    Event,
    Item,
    Notice,
    Request,
    Slot,
    State,
    Template,
    TemplateChange,
    Verified,
    now,
    parse_object,
    text_at,
)
from connector.store import Store, inbox, mappings, templates
from connector.store.inbox import Arrival
from connector.store.schema import decision, event, inbound, message, request
from connector.store.schema import template as template_table
from tests.desks import desk_over

SHOP, NUMBER = AccountId("shop"), AccountId("number")
AT = datetime(2026, 5, 3, 12, 30, tzinfo=UTC)
PAID = """
title = "Paid"
[when]
event = "order.paid"
adapter = "toy"
[to]
phone = ["{{ phone }}", "{{ order.phone }}"]
[template]
name = "hello"
language = "en"
[slots]
body.1 = "{{ name }}"
[timing]
expires = "12h"
cancel_when = ["order.cancelled"]
"""
REMINDER = PAID.replace("order.paid", "checkout.updated").replace(
    'expires = "12h"\ncancel_when = ["order.cancelled"]', 'delay = "1h"\nrestart = true\ncancel_when = ["order.paid"]'
)


class Toy(Receiver):
    """Reads {"type","id","phone","name","about","at"}; ``boom`` trips a bug."""

    def verify(self, request: Request) -> Verified:
        return Verified(request)

    def key(self, request: Verified) -> str:
        return request.body.decode()

    def parse(self, request: Verified) -> Sequence[Item]:
        body = parse_object(request.body)
        if body.get("boom"):
            raise RuntimeError("a bug")
        if body.get("notice"):
            change = TemplateChange(name="hello", language="en", status="paused")
            return [Notice(key="n", kind="status", words="Paused.", template=change, occurred_at=AT, payload=body)]
        kind, id_ = text_at(body, "type"), text_at(body, "id")
        return [
            Event(
                key=f"{kind}:{id_}:{text_at(body, 'version')}",
                type=kind,
                topic=kind,
                subject=text_at(body, "subject") or f"order:{id_}",
                about=tuple(filter(None, [text_at(body, "about")])),
                remembers={"order": text_at(body, "about")} if body.get("about") else {},
                label=f"#{id_}",
                occurred_at=AT - timedelta(hours=int(text_at(body, "age") or 0)),
                payload=body,
            )
        ]


class People:
    """Knows one shop and one number."""

    def __init__(self) -> None:
        self.shop = Account(id=SHOP, adapter="toy", name="shop", token="t", settings={}, created_at=AT, updated_at=AT)

    def account(self, id_: AccountId) -> Account | None:
        return self.shop if id_ == SHOP else None

    def receiver(self, id_: AccountId) -> Receiver | None:
        return Toy() if id_ in (SHOP, NUMBER) else None

    def public(self, id_: AccountId) -> Mapping[str, object]:
        return {}

    def crms(self) -> Sequence[Account]:
        return []


Post = Callable[..., None]


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    """Each test begins at AT, however long ago its module was read."""
    with time_machine.travel(AT, tick=True):
        yield


@pytest.fixture
def desk(store: Store) -> tuple[Catalogue, Callable[[], Done]]:
    sender = Account(
        id=NUMBER, adapter="toy", name="number", token="n", settings={}, created_at=AT, updated_at=AT
    )  # fmt: skip
    catalogue = Catalogue(store, lambda: [sender])
    hello = Template(
        name="hello", language="en", category=Category.UTILITY, status="approved", slots=(Slot(key="body.1"),)
    )
    with store.write() as tx:
        templates.upsert_all(tx, NUMBER, [hello], AT)

    def work() -> Done:
        total = Done()
        catalogue.refresh(at_most_old=0)
        while (done := decide_batch(store, desk_over(store, People(), catalogue), owner="me")).requests:
            total.add(done)
            total.channels |= done.channels
            total.templates_of |= done.templates_of
        return total

    return catalogue, work


@pytest.fixture
def work(desk: tuple[Catalogue, Callable[[], Done]]) -> Callable[[], Done]:
    return desk[1]


@pytest.fixture
def post(store: Store) -> Post:
    def send(body: str, *, account: AccountId = SHOP) -> None:
        arrival = Arrival(
            account_id=account,
            delivery_key=body,
            topic="t",
            request=Request(method="POST", headers={}, body=body.encode(), received_at=now()),
        )
        with store.write() as tx:
            inbox.add(tx, [arrival])

    return send


def publish(store: Store, source: str, name: str = "toy/paid") -> None:
    with store.write() as tx:
        mappings.save_draft(tx, name, source, AT)
        mappings.publish(tx, name, source, [], at=AT)


def states(store: Store) -> list[str]:
    with store.read() as tx:
        return list(tx.execute(select(message.c.state).order_by(message.c.id)).scalars())


def reasons(store: Store) -> list[str]:
    with store.read() as tx:
        return list(tx.execute(select(decision.c.reason).order_by(decision.c.id)).scalars())


def requests(store: Store) -> list[tuple[str, str]]:
    with store.read() as tx:
        return [(row.state, row.words) for row in tx.execute(select(request).order_by(request.c.id))]


def order(id_: int = 1, kind: str = "order.paid", **more: str) -> str:
    fields = {"type": kind, "id": str(id_), "phone": "+447400123456", "name": f"#{id_}"} | more
    return "{" + ",".join(f'"{name}":"{value}"' for name, value in fields.items()) + "}"


def test_an_event_becomes_a_message_with_its_decision(store: Store, post: Post, work: Callable[[], Done]) -> None:
    publish(store, PAID)
    post(order())

    done = work()

    assert states(store) == ["waiting"]
    assert done.channels == {NUMBER}
    with store.read() as tx:
        row = tx.execute(select(message)).one()
        trace = tx.execute(select(decision)).one()
    assert (row.recipient, row.slots, row.mapping, row.version) == ("+447400123456", {"body.1": "#1"}, "toy/paid", 1)
    assert (trace.verdict, trace.message_id) == ("send", row.id)
    assert trace.steps[0][0] == "conditions"


def test_one_fact_told_twice_is_one_event_and_one_message(store: Store, post: Post, work: Callable[[], Done]) -> None:
    publish(store, PAID)
    post(order())
    post(order(delivery="again"))
    work()
    post(order(delivery="later"))

    done = work()

    assert states(store) == ["waiting"]
    assert done.duplicates == 1
    assert [state for state, _ in requests(store)] == ["done"] * 3


def test_a_mapping_speaks_once_about_a_subject(store: Store, post: Post, work: Callable[[], Done]) -> None:
    publish(store, PAID)
    post(order(version="1"))
    post(order(version="2"))
    work()
    post(order(version="3"))
    work()

    assert states(store) == ["waiting"]
    assert sorted(reasons(store)) == ["", "already_said", "already_said"]


def test_a_cancelling_event_takes_back_what_waits(store: Store, post: Post, work: Callable[[], Done]) -> None:
    publish(store, REMINDER)
    post(order(kind="checkout.updated", subject="checkout:ab"))
    work()
    assert states(store) == ["waiting"]

    post(order(kind="order.paid", about="checkout:ab"))
    work()

    assert states(store) == ["cancelled"]


@pytest.mark.parametrize("together", [True, False])
def test_a_cancelling_event_that_came_first_prevents_the_message(
    store: Store, post: Post, work: Callable[[], Done], together: bool
) -> None:
    publish(store, REMINDER)
    post(order(kind="order.paid", about="checkout:ab"))
    if not together:
        work()
    post(order(kind="checkout.updated", subject="checkout:ab"))
    work()

    assert states(store) == []
    assert reasons(store) == ["overtaken"]


def test_a_newer_event_restarts_the_reminder(store: Store, post: Post, work: Callable[[], Done]) -> None:
    publish(store, REMINDER)
    post(order(kind="checkout.updated", subject="checkout:ab", version="1", name="old", age="2"))
    post(order(kind="checkout.updated", subject="checkout:ab", version="2", name="new"))
    work()
    post(order(kind="checkout.updated", subject="checkout:ab", version="3", name="newest"))
    work()

    with store.read() as tx:
        row = tx.execute(select(message)).one()
    assert row.slots == {"body.1": "newest"}
    assert row.not_before == AT + timedelta(hours=1)


@pytest.mark.parametrize("together", [True, False])
def test_an_event_without_a_phone_remembers_the_order(
    store: Store, post: Post, work: Callable[[], Done], together: bool
) -> None:
    publish(store, PAID.replace("order.paid", "refund.created"))
    post(order(5, kind="order.created"))
    if not together:
        work()
    post(order(6, kind="refund.created", subject="refund:6", about="order:5", phone=""))
    work()

    with store.read() as tx:
        assert tx.execute(select(message.c.recipient)).scalars().all() == ["+447400123456"]


def test_a_late_event_is_not_written_about(store: Store, post: Post, work: Callable[[], Done]) -> None:
    publish(store, PAID)
    post(order(age="20"))
    work()

    assert states(store) == []
    assert reasons(store) == ["too_late"]


def test_an_unreadable_body_is_kept_and_shown_and_costs_the_others_nothing(
    store: Store, post: Post, work: Callable[[], Done]
) -> None:
    publish(store, PAID)
    post("{not json")
    post(order())
    work()

    (state, words), (other, _) = requests(store)
    assert state == "unreadable"
    assert "not JSON" in words
    assert other == "done"
    assert states(store) == ["waiting"]


def test_a_request_that_trips_a_bug_is_set_aside_in_the_end(
    store: Store, post: Post, work: Callable[[], Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.flow.decide.RETRY_SECONDS", 0)
    publish(store, PAID)
    post('{"boom":true}')
    post(order())

    work()

    assert [state for state, _ in requests(store)] == ["broken", "done"]
    assert states(store) == ["waiting"]


def test_known_events_are_planned_again_only_by_a_replay_from_the_mapping(
    store: Store, post: Post, work: Callable[[], Done]
) -> None:
    post(order())
    work()
    assert states(store) == []
    publish(store, PAID)
    with store.write() as tx:
        tx.execute(request.update().values(state="new", words=""))
    work()
    assert states(store) == []

    with store.write() as tx:
        tx.execute(request.update().values(state="new", words=REPLAY))
    work()
    with store.write() as tx:
        tx.execute(request.update().values(state="new", words=REPLAY))
    work()

    assert states(store) == ["waiting"]
    with store.read() as tx:
        assert len(tx.execute(select(event)).all()) == 1


def test_a_notice_about_a_template_changes_it(store: Store, post: Post, work: Callable[[], Done]) -> None:
    post('{"notice":true}', account=NUMBER)

    done = work()

    assert done.templates_of == {NUMBER}
    with store.read() as tx:
        assert tx.execute(select(template_table.c.status)).scalar_one() == "paused"
        assert tx.execute(select(inbound.c.words)).scalar_one() == "Paused."


def test_a_request_whose_lease_ran_out_is_written_by_its_new_holder_only(
    store: Store, post: Post, desk: tuple[Catalogue, Callable[[], Done]], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store, PAID)
    post(order())
    catalogue, _ = desk
    catalogue.refresh(at_most_old=0)

    class Slow(People):
        def receiver(self, id_: AccountId) -> Receiver | None:
            with store.write() as tx:  # while we parse, somebody else takes it
                tx.execute(request.update().values(lease_owner="somebody else"))
            return Toy()

    decide_batch(store, desk_over(store, Slow(), catalogue), owner="me")

    assert states(store) == []
    assert requests(store)[0][0] == "new"


def test_a_broken_published_mapping_does_not_stop_the_others(
    store: Store, post: Post, work: Callable[[], Done]
) -> None:
    publish(store, "title = 1", name="toy/broken")
    publish(store, PAID)
    post(order())

    work()

    assert states(store) == [State.WAITING]
