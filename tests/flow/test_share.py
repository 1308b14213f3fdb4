"""Sharing: what is known of people, in the words and the fields of each record that they have."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from connector.flow import share, writeback
from connector.model import AccountId, ContactId, Identity, Key, KeyKind, Purpose, Sighting
from connector.store import Store
from tests.flow.test_records import CONTACT, CUSTOMER
from tests.flow.world import ANN, AT, BEN, CRM, SHOP, World

LOOK_UP = CONTACT.replace('object = "Contact"', 'object = "Contact"\nlook_up = true')


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


def stop(world: World, phone: str = ANN) -> None:
    world.reply("STOP", sender=Identity(phone=phone))
    world.work()


def record(world: World, value: str = "Contact:003A", account: AccountId = CRM, phone: str = ANN) -> ContactId:
    return world.who(Key(KeyKind.PHONE, phone), Key(KeyKind.RECORD, value, account))


def spread(world: World, *ids: ContactId) -> set[AccountId]:
    world.catalogue.refresh(at_most_old=0)
    with world.store.write() as tx:
        return share.spread(tx, world.catalogue, world, ids, AT)


def test_whose_record_is_not_known_is_looked_up_where_the_mapping_says_so(world: World) -> None:
    world.publish("crm/contact", LOOK_UP)
    world.publish("shop/contact", CUSTOMER)
    stop(world)

    id_ = writeback.somewhere(world.who(ANN))
    assert world.field(CRM, "Contact", id_, "Status") == "Opted out"
    assert {place[0] for place in world.wanted()} == {CRM}


def test_nobody_is_looked_up_for_the_sake_of_an_id(world: World) -> None:
    world.publish("crm/contact", LOOK_UP)
    world.reply("Hello")
    world.work()
    spread(world, world.who(ANN))

    assert world.wanted() == {}


def test_only_labels_that_are_named_are_shared_whatever_their_case(world: World) -> None:
    only = LOOK_UP.replace('separator = ";"', 'separator = ";"\nonly = ["WhatsApp-Unclear"]')
    world.publish("crm/contact", only)
    record(world)
    world.reply("no thanks")
    world.work()

    assert world.field(CRM, "Contact", "003A", "Labels", "whatsapp-unclear") is True
    world.publish("crm/contact", only.replace("WhatsApp-Unclear", "vip"))
    record(world, "Contact:003B")
    spread(world, world.who(ANN))
    assert world.field(CRM, "Contact", "003B", "Labels", "whatsapp-unclear") is None


def test_a_checkbox_is_written_as_one(world: World) -> None:
    box = CONTACT.replace('{ "Opted in" = "granted", "Opted out" = "revoked", Unknown = "unknown" }',
                          '{ true = "granted", false = "revoked" }')  # fmt: skip
    world.publish("crm/contact", box)
    record(world)
    stop(world)

    assert world.field(CRM, "Contact", "003A", "Status") is False


def test_each_purpose_has_its_own_field(world: World) -> None:
    utility = CONTACT.replace("consent.marketing", "consent.utility")
    world.publish("crm/contact", utility)
    record(world)
    world.prefers("stop")
    world.work()
    assert world.field(CRM, "Contact", "003A", "Status") is None
    stop(world)

    assert world.standing(purpose=Purpose.UTILITY) == "revoked"
    assert world.field(CRM, "Contact", "003A", "Status") == "Opted out"


def test_nothing_is_written_where_nothing_goes_out_or_nobody_remembers(world: World) -> None:
    world.publish("shop/contact", CUSTOMER.replace('"both"', '"in"').partition('[[fields]]\ncontact = "labels"\n')[0])
    record(world, "customer:1", SHOP)
    stop(world)

    assert world.wanted() == {}
    assert spread(world) == set()


def test_a_record_of_another_object_or_account_is_not_its_business(world: World) -> None:
    world.publish("crm/contact", CONTACT)
    record(world, "Lead:00QA")
    record(world, "Contact:003A", SHOP)
    stop(world)

    assert world.wanted() == {}


def test_what_is_shared_already_is_not_shared_again(world: World) -> None:
    world.publish("crm/contact", CONTACT)
    id_ = record(world)
    stop(world)
    assert spread(world, id_) == set()
    world.write_back()

    assert spread(world, id_) == set()
    assert world.wanted() == {}


def test_sharing_takes_as_many_statements_for_many_people_as_for_one(world: World) -> None:
    world.publish("crm/contact", CONTACT)
    world.publish("shop/contact", CUSTOMER)
    phones = [ANN, BEN, *(f"+4474001240{number:02}" for number in range(20))]
    for number, phone in enumerate(phones):
        record(world, f"Contact:{number}", CRM, phone)
        record(world, f"customer:{number}", SHOP, phone)
        world.reply("STOP", sender=Identity(phone=phone))
    world.work()
    assert len([place for place in world.wanted() if place[-1] == "Status"]) == len(phones)

    with world.store.write() as tx:
        ids = world.desk.people.resolve(
            tx, [Sighting(keys=(Key(KeyKind.PHONE, phone),), seen_at=AT) for phone in phones], AT
        )
    assert count(world, ids[:1]) == count(world, ids)


def count(world: World, ids: list[ContactId]) -> int:
    told: list[str] = []
    engine = world.store.engine

    def tell(conn: object, cursor: object, statement: str, *more: object) -> None:
        told.append(statement)

    event.listen(engine, "before_cursor_execute", tell)
    try:
        spread(world, *ids)
    finally:
        event.remove(engine, "before_cursor_execute", tell)
    return len(told)
