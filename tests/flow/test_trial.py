"""Test sends: a draft's message with a real event's values, to a phone of the operator's own, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import select

from connector.errors import ConfigurationError
from connector.flow import explain, trial
from connector.model import Category, EventId, Identity, State, Status, now
from connector.registry import Registry
from connector.store import Store, counts, look, people, schema, test_numbers
from tests.flow.world import ANN, BEN, OFFER, PAID, World

NAME = "shop/paid"
MINE = "+4915112345678"


@dataclass
class Bench:
    """As much of the wiring as a test send uses."""

    world: World
    registry: Registry = field(default_factory=Registry)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.world, name)


@pytest.fixture
def world(store: Store) -> World:
    found = World(store)
    trial.allow(store, MINE, "Ada's phone", "Ada")
    return found


def _event(world: World, **payload: Any) -> EventId:
    world.event("order.paid", "order:1", **({"phone": ANN, "name": "Zoë"} | payload))
    world.work()
    with world.store.read() as tx:
        return EventId(str(tx.execute(select(schema.event.c.id)).scalars().first()))


def _send(world: World, event: EventId, source: str = PAID, phone: str = MINE) -> Any:
    return trial.plan(Bench(world), NAME, source, event, phone, "Ada")  # type: ignore[arg-type]


def test_a_draft_is_sent_with_the_events_values_to_ones_own_phone(world: World) -> None:
    _send(world, _event(world))
    (message,), _ = world.send()
    assert (message.recipient, message.slots) == (MINE, {"body.1": "Zoë"})


def test_consent_conditions_and_time_do_not_stand_in_the_way_of_a_test(world: World) -> None:
    source = OFFER.replace("[to]", '[when.conditions]\nfield = "never"\noperator = "is"\nvalue = true\n[to]')
    source = source.replace("quiet = false", 'quiet = "00:00-23:59"\nexpires = "1s"\ndelay = "3d"\ncap = ["1 per 7d"]')
    event = _event(world)
    for _ in range(2):
        _send(world, event, source)
    assert len(world.send()[0]) == 2


def test_a_number_that_is_not_on_the_list_gets_nothing(world: World) -> None:
    event = _event(world)
    with pytest.raises(ConfigurationError, match="list of test numbers"):
        _send(world, event, phone=ANN)
    assert world.messages() == []


def test_a_blocked_person_gets_no_test_either(world: World) -> None:
    event = _event(world)
    id_ = world.who(MINE)
    with world.store.write() as tx:
        contact = people.load(tx, [id_])[id_]
        people.save(tx, [replace(contact, blocked_at=now(), blocked_words="asked to be left alone")])
    _send(world, event)

    assert world.send()[0] == []
    assert [(row.state, row.reason) for row in world.messages()] == [(State.SKIPPED, "blocked")]


def test_who_said_stop_may_still_test_on_their_own_phone(world: World) -> None:
    event = _event(world)
    world.reply("STOP", sender=Identity(phone=MINE))
    world.work()
    _send(world, event)
    assert sorted(message.template for message in world.send()[0]) == ["", "paid"]


def test_a_template_that_is_not_approved_is_not_sent_in_a_test(world: World) -> None:
    event = _event(world)
    world.template("paid", Category.UTILITY, "rejected")
    with pytest.raises(ConfigurationError, match="rejected"):
        _send(world, event)


def test_a_blank_slot_is_told_before_anything_is_sent(world: World) -> None:
    event = _event(world, name="")
    with pytest.raises(ConfigurationError, match=r"cannot be sent with this event: body\.1"):
        _send(world, event)


def test_an_event_that_is_not_there_is_told(world: World) -> None:
    with pytest.raises(ConfigurationError, match="no such order"):
        _send(world, EventId("0" * 26))


def test_a_test_takes_no_real_message_away_and_counts_in_no_cap(world: World) -> None:
    capped = PAID + '[timing]\ncap = ["1 per 7d"]\n'
    world.publish(NAME, capped)
    trial.allow(world.store, ANN, "Ann of the office", "Ada")
    world.event("order.paid", "order:0", phone=BEN, name="x")
    world.work()
    with world.store.read() as tx:
        event = EventId(str(tx.execute(select(schema.event.c.id)).scalars().first()))
    _send(world, event, capped, phone=ANN)
    world.send()

    world.event("order.paid", "order:9", phone=ANN, name="the real one")
    world.work()
    sent, _ = world.send()
    assert [message.slots["body.1"] for message in sent] == ["the real one"]


def test_no_rule_follows_from_a_test(world: World) -> None:
    ruled = PAID + '[[after]]\non = "delivered"\nadd_labels = ["told"]\n'
    world.publish(NAME, ruled)
    world.event("order.paid", "order:0", phone="", name="x")
    world.work()
    with world.store.read() as tx:
        event = EventId(str(tx.execute(select(schema.event.c.id)).scalars().first()))
    id_, _ = _send(world, event, ruled)
    world.send()
    world.receipt(Status.DELIVERED, id_)
    world.work()

    assert [row.state for row in world.messages()] == [State.DELIVERED]
    assert world.labels(MINE) == set()
    assert world.deeds() == []


def test_a_test_makes_no_contact(world: World) -> None:
    _send(world, _event(world))
    with world.store.read() as tx:
        assert tx.execute(select(schema.contact)).all() == []


def test_a_test_is_told_as_such_and_stands_in_no_figure(world: World) -> None:
    id_, _ = _send(world, _event(world))
    with world.store.read() as tx:
        file = look.message_file(tx, id_)
        assert counts.funnel(tx).planned == 0
    assert file is not None
    assert file.message.trial
    assert any("test message" in line.words for line in explain.tell_message(file).lines)


@pytest.mark.parametrize(
    ("phone", "name", "words"),
    [
        ("12345", "Ada", "with its country"),
        ("+44 123", "Ada", "no number"),
        ("+447400123456", " ", "whose phone"),
        (MINE, "again", "already"),
    ],
)
def test_a_number_that_cannot_be_meant_is_not_put_on_the_list(world: World, phone: str, name: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        trial.allow(world.store, phone, name, "Ada")


def test_ten_numbers_are_enough(world: World) -> None:
    for number in range(9):
        trial.allow(world.store, f"0044 7400 12345{number}", f"Phone {number}", "Ada")
    with pytest.raises(ConfigurationError, match="10 test numbers"):
        trial.allow(world.store, "+447400123459", "One more", "Ada")

    assert trial.forbid(world.store, "+447400123450")
    assert not trial.forbid(world.store, "+447400123450")
    with world.store.read() as tx:
        assert len(test_numbers.all_(tx)) == 9
