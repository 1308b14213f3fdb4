"""What shops ask for in their customers' name, from the webhook to the last byte."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from connector.contract import Receiver
from connector.flow import redact
from connector.flow.decide import decide_batch
from connector.flow.redact import Worked, work_off
from connector.model import Account, AccountId, ConsentState, Purpose, Request, Secret, Source, State, new_id, now
from connector.registry import Registry
from connector.store import Store, accounts, consents, inbox, labels, marks, people, privacy, tokens
from connector.store.privacy import Asked
from tests.desks import desk_over, digest
from tests.flow.forgetting import AT, CRM, EMAIL, JANE, JOHN, NAME, NUMBER, OTHER, SHOP, World

GRANTED, REVOKED = ConsentState.GRANTED, ConsentState.REVOKED
MARKETING = Purpose.MARKETING
DOMAIN = "fernhill-tea.myshopify.com"
SETTINGS = {"shop": DOMAIN, "webhook_secret": (Secret("s"),), "client_secret": None}


class Shops:
    """Knows the two shops, whose webhooks are Shopify's."""

    def __init__(self) -> None:
        make = Registry().get("shopify").receiver
        assert make is not None
        self._door = make(SETTINGS)

    def account(self, id_: AccountId) -> Account | None:
        return Account(id=id_, adapter="shopify", name=id_, token="t", settings={}, created_at=AT, updated_at=AT)

    def receiver(self, _id: AccountId) -> Receiver:
        return self._door

    def public(self, _id: AccountId) -> Mapping[str, object]:
        return {}

    def crms(self) -> list[Account]:
        return []


@dataclass
class Stage:
    """A world, and a shop that posts webhooks."""

    store: Store
    world: World

    def post(self, topic: str, account_id: AccountId = SHOP, **body: Any) -> None:
        """Let a webhook arrive and be decided about."""
        arrival = inbox.Arrival(
            account_id=account_id,
            delivery_key=new_id(),
            topic=topic,
            request=Request(
                method="POST",
                headers={"x-shopify-topic": topic},
                body=json.dumps({"shop_domain": DOMAIN, **body}).encode(),
                received_at=now(),
            ),
        )
        with self.store.write() as tx:
            inbox.add(tx, [arrival])
        assert decide_batch(self.store, desk_over(self.store, Shops()), owner="me").requests == 1

    def redact(self, customer: int = 55, *orders: int, phone: str | None = None, email: str | None = None) -> None:
        """Let Shopify ask to forget a customer."""
        self.post(
            "customers/redact",
            customer={"id": customer, "phone": phone, "email": email},
            orders_to_redact=list(orders),
        )

    def work(self, **given: Any) -> Worked:
        """Work off what is open."""
        return work_off(self.store, digest, **given)

    def asked(self, *states: str) -> list[Asked]:
        """Return the requests in these states."""
        with self.store.read() as tx:
            return privacy.listing(tx, states=states or ("open", "done"))


@pytest.fixture
def stage(store: Store) -> Stage:
    return Stage(store, World(store))


def test_each_request_is_noted_with_its_day(stage: Stage) -> None:
    stage.post("customers/data_request", customer={"id": 55})
    stage.redact(55, 77)
    stage.post("shop/redact")
    found = {item.kind: item for item in stage.asked("open")}
    assert set(found) == {"data_request", "customer_redact", "shop_redact"}
    item = found["customer_redact"]
    assert (item.record, item.account_id, item.due_at - item.asked_at) == ("customer:55", SHOP, timedelta(days=30))


def test_a_request_that_comes_twice_is_noted_once(stage: Stage) -> None:
    stage.redact()
    stage.post("customers/redact", customer={"id": 55, "phone": None, "email": None}, orders_to_redact=[])
    assert len(stage.asked()) == 1


def test_a_customer_who_is_known_here_alone_is_forgotten_whole(stage: Stage) -> None:
    world = stage.world
    jane = world.person(JANE, (SHOP, "customer:55"))
    world.message(world.event("order:77", "customer:55", body={"name": NAME}), jane)
    guest = world.event("order:78", body={"shipping": NAME})  # bears on no customer
    world.said(jane, REVOKED)
    world.reply()
    stage.redact(55, 77, 78, phone=JANE, email=EMAIL)
    worked = stage.work()
    assert (worked.done, worked.failed, worked.left) == (1, 0, False)
    assert worked.forgotten.contacts == 1
    after = world.everything()
    for needle in (NAME, "7400123456", EMAIL, jane):
        assert needle not in after
    assert world.row("request", guest.request_id).body == b"{}"
    (item,) = stage.asked()
    assert (item.state, item.record) == ("done", "")
    assert item.words.startswith("1 forgotten, 1 messages and ")


def test_a_customer_whom_the_crm_knows_too_stays_without_what_the_shop_told(stage: Stage) -> None:
    world = stage.world
    jane = world.person(JANE, (SHOP, "customer:55"), (CRM, "Contact:003A"))
    order = world.event("order:77", "customer:55", body={"phone": JANE})
    case = world.event("Case:500", "Contact:003A", account_id=CRM, body={"phone": JANE})
    bought, helped = world.message(order, jane), world.message(case, jane)
    world.said(jane, GRANTED, Source.SHOP, account_id=SHOP, record="customer:55")
    world.wish(jane, "customer", "55")
    loose = world.request({"phone": JANE})
    stage.redact(55, phone=JANE)
    stage.work()
    with stage.store.read() as tx:
        assert [key.value for key in people.keys_of(tx, [jane])[jane]] == [JANE, "Contact:003A"]
        assert consents.standings(tx, [jane]) == {}
    assert world.row("message", bought).recipient == ""
    assert world.row("message", helped).recipient == JANE
    assert world.row("request", order.request_id).body == world.row("request", loose).body == b"{}"
    assert world.row("request", case.request_id).body != b"{}"
    assert "wanted: " not in world.everything()
    assert "Stays a contact: known by another record." in stage.asked()[0].words


def test_a_refusal_outlives_whoever_told_it(stage: Stage) -> None:
    world = stage.world
    jane = world.person(JANE, (SHOP, "customer:55"), (CRM, "Contact:003A"))
    world.said(jane, REVOKED, Source.SHOP, account_id=SHOP, record="customer:55", at=AT + timedelta(hours=1))
    world.said(jane, GRANTED, Source.CRM, account_id=CRM, record="Contact:003A")
    stage.redact(55)
    stage.work()
    with stage.store.read() as tx:
        assert consents.standings(tx, [jane])[jane, MARKETING].state is REVOKED


def test_two_customers_with_one_phone_are_not_forgotten_together(stage: Stage) -> None:
    world = stage.world
    both = world.person(JANE, (SHOP, "customer:55"))
    assert world.person(JANE, (SHOP, "customer:56")) == both
    first = world.event("order:77", "customer:55", body={"phone": JANE})
    second = world.event("order:78", "customer:56", body={"phone": JANE})
    stage.redact(55, 77, phone=JANE)
    stage.work()
    assert world.row("request", first.request_id).body == b"{}"
    assert JANE.encode() in world.row("request", second.request_id).body
    with stage.store.read() as tx:
        assert [key.value for key in people.keys_of(tx, [both])[both]] == [JANE, "customer:56"]


def test_a_guest_without_a_record_is_found_by_their_orders(stage: Stage) -> None:
    world = stage.world
    jane = world.person(JANE)
    world.message(world.event("order:77", "customer:55", body={"phone": JANE}), jane)
    stage.redact(55, 77)
    assert stage.work().forgotten.contacts == 1
    assert JANE[1:] not in world.everything()


def test_whoever_is_told_of_every_order_stays(stage: Stage) -> None:
    world = stage.world
    owner = world.person(JOHN, name="The owner", email="")
    told = world.message(world.event("order:77", "customer:55"), owner, to=JOHN)
    other = world.message(world.event("order:78", "customer:56"), owner, to=JOHN)
    stage.redact(55, 77)
    assert stage.work().forgotten.contacts == 0
    assert world.row("message", told).slots == {}
    assert world.row("message", other).slots == {"body.1": NAME}
    with stage.store.read() as tx:
        assert owner in people.load(tx, [owner])


def test_somebody_of_whom_only_bytes_are_stored_is_forgotten_too(stage: Stage) -> None:
    number = stage.world.request({"checkout": {"phone": "07400 123456"}})
    elsewhere = stage.world.request({"phone": JANE}, OTHER)
    stage.redact(55, phone="+44 7400 123456")
    stage.work()
    assert stage.world.row("request", number).body == b"{}"
    assert stage.world.row("request", elsewhere).body != b"{}"


def test_a_request_that_names_no_customer_takes_nothing_along(stage: Stage) -> None:
    other = stage.world.event(f"shop:{DOMAIN}", type_="shop.updated", body={"name": "Fernhill"})
    stage.post("customers/redact", customer={})
    stage.work()
    assert stage.asked("open") == []
    assert stage.world.row("request", other.request_id).body != b"{}"


def test_a_shop_is_forgotten_with_whoever_is_known_by_it_alone(stage: Stage) -> None:
    world = stage.world
    jane = world.person(JANE, (SHOP, "customer:55"))
    john = world.person(JOHN, (SHOP, "customer:66"), (OTHER, "customer:1"), name="John", email="")
    world.message(world.event("order:77", "customer:55"), jane)
    waiting = world.message(world.event("order:78", "customer:66"), john, to=JOHN, state=State.WAITING)
    kept = world.event("order:1", "customer:1", account_id=OTHER, body={"phone": JOHN})
    receipt = world.request({"recipient_id": JANE[1:]}, NUMBER)
    world.label(john, "from the shop", SHOP)
    world.label(john, "ours")
    world.wish(None, "order", "77")
    world.wish(john, "customer", "1", OTHER)
    stage.post("shop/redact")
    stage.post("customers/data_request", customer={"id": 66})
    worked = stage.work()
    assert (worked.done, worked.forgotten.contacts) == (1, 1)
    after = world.everything()
    assert JANE[1:] not in after
    assert jane not in after
    assert world.row("request", receipt).body == b"{}"
    assert world.row("message", waiting).state == "cancelled"
    assert world.row("request", kept.request_id).body != b"{}"
    with stage.store.read() as tx:
        assert [key.value for key in people.keys_of(tx, [john])[john]] == [JOHN, "customer:1"]
        assert list(labels.of(tx, [john])[john]) == ["ours"]
        assert tokens.get(tx, SHOP) is None
        assert tokens.get(tx, OTHER) is not None
        row = accounts.get(tx, SHOP)
    assert row is not None
    assert (row.active, row.note) == (False, "The shop has gone, and asked to be forgotten.")
    assert stage.asked("open") == []
    assert "customer:66" not in [item.record for item in stage.asked()]


def test_a_large_shop_is_forgotten_piece_by_piece(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redact, "PEOPLE", 2)
    monkeypatch.setattr(redact, "ROWS", 2)
    phones = [f"+4474001234{number}" for number in range(50, 55)]
    for number, phone in enumerate(phones):
        stage.world.person(phone, (SHOP, f"customer:{number}"), email="")
        stage.world.event(f"order:{number}", f"customer:{number}", body={"phone": phone})
    stage.post("shop/redact")
    first = stage.work(enough=lambda: True)
    assert (first.done, first.left, first.forgotten.contacts) == (0, True, 2)
    assert len(stage.asked("open")) == 1
    second = stage.work()
    assert (second.done, second.left, second.forgotten.contacts) == (1, False, 3)
    assert not any(phone[1:] in stage.world.everything() for phone in phones)


def test_one_that_trips_a_bug_stays_open_and_costs_the_others_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = stage.world
    jane = world.person(JANE, (SHOP, "customer:55"))
    world.person(JOHN, (SHOP, "customer:66"), email="")
    stage.redact(55)
    stage.redact(66)
    erase: Callable[..., Any] = redact.erase_in

    def trip(tx: Any, digest_: Any, id_: str, *rest: Any) -> Any:
        if id_ == jane:
            raise RuntimeError("a bug")
        return erase(tx, digest_, id_, *rest)

    monkeypatch.setattr(redact, "erase_in", trip)
    worked = stage.work()
    assert (worked.done, worked.failed) == (1, 1)
    assert [item.record for item in stage.asked("open")] == ["customer:55"]
    monkeypatch.undo()
    assert stage.work().done == 1


def test_the_clock_is_told_once_and_again_after_a_while(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def due() -> bool:
        with stage.store.read() as tx:
            return redact.is_due(tx)

    assert not due()
    stage.post("customers/data_request", customer={"id": 55})
    assert not due()
    stage.redact()
    assert due()
    with stage.store.write() as tx:
        redact.put_off(tx)
    assert not due()
    monkeypatch.setattr(redact, "AGAIN", timedelta(0))
    assert due()
    with stage.store.read() as tx:
        assert marks.at(tx, redact.CHORE) is not None
    stage.work()
    assert not due()
