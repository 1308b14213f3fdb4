"""Receipts that come after the person has answered."""

from __future__ import annotations

import pytest

from connector.model import RemoteId, Status
from connector.store import Store
from tests.flow.world import PAID, World

RULES = """
[[after]]
on = "delivered"
add_labels = ["asked"]

[[after]]
on = "button"
payload = "yes"
add_labels = ["confirmed"]
remove_labels = ["asked"]
"""


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


@pytest.mark.parametrize("together", [True, False])
def test_a_late_receipt_does_not_undo_what_the_answer_did(world: World, together: bool) -> None:
    id_ = world.sent_one(source=PAID + RULES)
    world.reply(button="yes", to=RemoteId(f"w-{id_}"))
    if not together:
        world.work()
    world.receipt(Status.DELIVERED, id_)
    world.work()

    assert world.labels() == {"confirmed"}
    assert [on for on, _ in world.deeds()] == ["button"]


def test_a_receipt_in_time_is_followed_by_its_rule(world: World) -> None:
    id_ = world.sent_one(source=PAID + RULES)
    world.receipt(Status.DELIVERED, id_)
    world.work()
    assert world.labels() == {"asked"}
    world.reply(button="yes", to=RemoteId(f"w-{id_}"))
    world.work()

    assert world.labels() == {"confirmed"}
