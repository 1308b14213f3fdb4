"""From which message a reply, an order or an opt-out followed."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select, update

from connector.errors import ConfigurationError
from connector.flow import attribution, rollup
from connector.model import ContactId, Key, KeyKind, MessageId, RemoteId, Status, now
from connector.store import Store, forget, people, schema
from tests.flow.world import ANN, AT, BEN, SHOP, World


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


def told(world: World) -> set[tuple[str, str | None]]:
    """What followed from what."""
    with world.store.read() as tx:
        return {(row.kind, row.message_id) for row in tx.execute(select(schema.sequel))}


def delivered(world: World, id_: MessageId, *, ago: float) -> MessageId:
    """A message was delivered, so many minutes ago."""
    world.receipt(Status.DELIVERED, id_, ago=ago)
    world.work()
    return id_


def buys(world: World, order: int, *, customer: int = 5, ago: float = 0, type_: str = "order.created") -> None:
    """A customer whose record is known orders something."""
    world.event(type_, f"order:{order}", about=[f"customer:{customer}"], ago=ago)
    world.work()


def is_customer(world: World, number: int, phone: str = ANN) -> ContactId:
    """A record of the shop is known to be somebody's."""
    id_ = world.who(phone)
    with world.store.write() as tx:
        people.give_keys(tx, {Key(KeyKind.RECORD, f"customer:{number}", SHOP): id_}, AT)
    return id_


class TestOrders:
    def test_an_order_after_a_delivered_message_counts_for_that_message(self, world: World) -> None:
        id_ = delivered(world, world.sent_one(), ago=60)
        is_customer(world, 5)
        buys(world, 2)

        assert attribution.attribute(world.store) == 1
        assert told(world) == {("order", id_)}

    def test_it_counts_once_whatever_is_told_of_it_and_however_often_one_looks(self, world: World) -> None:
        id_ = delivered(world, world.sent_one(), ago=60)
        is_customer(world, 5)
        buys(world, 2)
        buys(world, 2, type_="order.paid")
        for _ in range(3):
            attribution.attribute(world.store)

        assert told(world) == {("order", id_)}

    def test_a_message_about_the_order_itself_does_not_count_it(self, world: World) -> None:
        delivered(world, world.sent_one(order=2), ago=60)
        is_customer(world, 5)
        buys(world, 2)
        attribution.attribute(world.store)

        assert told(world) == set()

    def test_the_last_message_before_it_wins(self, world: World) -> None:
        with world.store.write() as tx:  # those that the messages are about are orders as well
            attribution.put_rules(tx, attribution.Rules(types=("order.created",)))
        delivered(world, world.sent_one(order=1), ago=90)
        last = delivered(world, world.sent_one(order=3), ago=30)
        delivered(world, world.sent_one(order=4), ago=5)
        is_customer(world, 5)
        buys(world, 2, ago=10)
        attribution.attribute(world.store)

        assert told(world) == {("order", last)}

    def test_a_message_that_nothing_says_was_delivered_counts_none(self, world: World) -> None:
        world.sent_one()
        is_customer(world, 5)
        buys(world, 2)
        attribution.attribute(world.store)

        assert told(world) == set()

    @pytest.mark.parametrize(("days", "counts"), [(3, True), (1, False)])
    def test_the_window_is_a_setting(self, world: World, days: int, counts: bool) -> None:
        delivered(world, world.sent_one(), ago=2 * 24 * 60)
        is_customer(world, 5)
        with world.store.write() as tx:
            attribution.put_rules(tx, attribution.Rules(days=days))
        buys(world, 2)
        attribution.attribute(world.store)

        assert bool(told(world)) is counts

    def test_which_events_count_is_a_setting(self, world: World) -> None:
        id_ = delivered(world, world.sent_one(), ago=60)
        is_customer(world, 5)
        with world.store.write() as tx:
            attribution.put_rules(tx, attribution.Rules(types=("order.paid",)))
        buys(world, 2)
        attribution.attribute(world.store)
        assert told(world) == set()

        buys(world, 2, type_="order.paid")
        attribution.attribute(world.store)
        assert told(world) == {("order", id_)}

    def test_somebody_elses_order_is_theirs(self, world: World) -> None:
        delivered(world, world.sent_one(), ago=60)
        is_customer(world, 6, BEN)
        buys(world, 2, customer=6)
        buys(world, 3, customer=99)
        attribution.attribute(world.store)

        assert told(world) == set()

    def test_without_a_record_the_buyer_is_who_was_written_to_about_the_order(self, world: World) -> None:
        id_ = delivered(world, world.sent_one(order=1), ago=60)
        world.sent_one(order=2)  # its confirmation, of an order.paid without a customer
        attribution.attribute(world.store)

        assert told(world) == {("order", id_)}

    def test_a_receipt_that_came_after_the_order_still_counts(self, world: World) -> None:
        id_ = world.sent_one()
        is_customer(world, 5)
        buys(world, 2)
        attribution.attribute(world.store)
        assert told(world) == set()

        delivered(world, id_, ago=5)
        with time_machine.travel(now() + timedelta(minutes=40)):
            attribution.attribute(world.store)
        assert told(world) == {("order", id_)}

    def test_messages_to_whoever_was_merged_into_the_buyer_count(self, world: World) -> None:
        id_ = delivered(world, world.sent_one(), ago=60)
        old, new = world.who(ANN), world.who(BEN)
        is_customer(world, 5, BEN)
        with world.store.write() as tx:
            gone = update(schema.contact).where(schema.contact.c.id == old)
            tx.execute(gone.values(merged_into=new))
        buys(world, 2)
        attribution.attribute(world.store)

        assert told(world) == {("order", id_)}

    def test_an_order_stays_counted_when_its_buyer_is_erased(self, world: World) -> None:
        id_ = delivered(world, world.sent_one(), ago=60)
        whose = is_customer(world, 5)
        buys(world, 2)
        attribution.attribute(world.store)
        with world.store.write() as tx:
            forget.messages(tx, [id_], now())
            forget.people(tx, [whose])
        with time_machine.travel(now() + timedelta(minutes=40)):
            attribution.attribute(world.store)

        assert told(world) == {("order", id_)}

    @pytest.mark.parametrize("given", [{"days": 0}, {"days": 91}, {"types": ()}])
    def test_rules_that_make_no_sense_are_refused(self, world: World, given: dict[str, object]) -> None:
        with world.store.write() as tx, pytest.raises(ConfigurationError):
            attribution.put_rules(tx, attribution.Rules(**given))  # type: ignore[arg-type]


class TestReplies:
    def test_a_reply_belongs_to_the_message_that_it_quotes(self, world: World) -> None:
        first = world.sent_one(order=1)
        world.sent_one(order=2)
        world.reply("Thank you", to=RemoteId(f"w-{first}"))
        world.work()

        assert told(world) == {("reply", first)}

    def test_without_a_quote_to_the_last_one_before_it(self, world: World) -> None:
        world.sent_one(order=1)
        last = world.sent_one(order=2)
        with time_machine.travel(now() + timedelta(hours=2)):
            world.reply("Thank you", ago=-90)
            world.work()

        assert told(world) == {("reply", last)}

    def test_after_a_day_to_none(self, world: World) -> None:
        world.sent_one()
        with time_machine.travel(now() + timedelta(hours=26)):
            world.reply("Hello", ago=-26 * 60)
            world.work()

        assert told(world) == set()

    def test_two_of_them_count_once(self, world: World) -> None:
        id_ = world.sent_one()
        for text in ("Thank you", "and good night"):
            world.reply(text, to=RemoteId(f"w-{id_}"))
        world.reply(button="yes", to=RemoteId(f"w-{id_}"))
        world.work()

        assert told(world) == {("reply", id_), ("tap", id_)}


class TestStops:
    def test_an_opt_out_belongs_to_the_last_message_delivered_before_it(self, world: World) -> None:
        id_ = delivered(world, world.sent_one(), ago=60)
        world.reply("STOP")
        world.work()
        for _ in range(2):
            attribution.attribute(world.store)

        assert ("opt_out", id_) in told(world)
        with world.store.read() as tx:  # two purposes, one word
            assert sum(row.kind == "opt_out" for row in tx.execute(select(schema.sequel))) == 1

    def test_one_out_of_the_blue_is_counted_without_a_message(self, world: World) -> None:
        world.reply("STOP")
        world.work()
        attribution.attribute(world.store)
        rollup.roll_up(world.store)

        assert told(world) == {("opt_out", None)}
        with world.store.read() as tx:
            (row,) = tx.execute(select(schema.stat)).all()
        assert (row.mapping, row.matched, row.opted_out) == ("", 0, 1)

    def test_who_only_said_stop_has_answered_and_is_not_engaged(self, world: World) -> None:
        id_ = delivered(world, world.sent_one(), ago=60)
        world.reply("STOP", to=RemoteId(f"w-{id_}"))
        world.work()
        attribution.attribute(world.store)
        rollup.roll_up(world.store)

        with world.store.read() as tx:
            (row,) = tx.execute(select(schema.stat).where(schema.stat.c.mapping != "")).all()
        assert (row.delivered, row.replied, row.opted_out, row.engaged) == (1, 1, 1, 0)
