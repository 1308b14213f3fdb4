"""What is in force, by kind; with a store of its own and the toys' registry."""

from __future__ import annotations

import pytest

from connector.contract import Field
from connector.errors import MappingError
from connector.flow import drift, publish
from connector.flow.catalogue import Catalogue
from connector.mapping.people_form import NAME, shipped
from connector.model import Account, AccountId, Secret, now
from connector.store import Store, templates
from connector.store import accounts as rows
from connector.store.accounts import AccountRow
from tests.toys import PAID, RECIPE, ToyRegistry

REGISTRY = ToyRegistry()
POLICY = 'kind = "policy"\nunreachable_after = 7\n[words.en]\nstop = ["halt"]\n'
CONTACT = """
kind = "contact"
title = "Customers"
adapter = "shopify"
object = "customer"
accounts = ["main"]
[[records]]
events = ["customer.created"]
id = "id"
[[fields]]
contact = "phone"
in = ["phone"]
[[fields]]
contact = "labels"
vendor = "tags"
direction = "out"
"""
RULE = '\n[[after]]\non = "read"\nadd_labels = ["reader"]\n'


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    at = now()
    with sqlite_store.write() as tx:
        rows.add(
            tx,
            AccountRow(
                id="id-line", adapter="toyline", name="line", token="line", settings={}, secrets="", created_at=at,
                updated_at=at,
            ),
        )  # fmt: skip
        templates.upsert_all(tx, "id-line", [PAID], at)
    return sqlite_store


def account(name: str, adapter: str) -> Account:
    at = now()
    return Account(
        id=AccountId(name), adapter=adapter, name=name, token="t", settings={"secret": Secret("x")}, created_at=at,
        updated_at=at,
    )  # fmt: skip


def put(store: Store, name: str, source: str) -> int:
    publish.save(store, name, source)
    return publish.publish(store, REGISTRY, name).version


def catalogue(store: Store) -> Catalogue:
    made = Catalogue(store, list)
    made.refresh()
    return made


def test_the_shipped_policy_holds_until_one_is_published(store: Store) -> None:
    assert catalogue(store).policy() is shipped()
    assert shipped().version == 0
    put(store, NAME, POLICY)
    found = catalogue(store).policy()
    assert (found.unreachable_after, found.words["en"].stop, found.version) == (7, ("halt",), 1)
    publish.unpublish(store, NAME)
    assert catalogue(store).policy() is shipped()


def test_contact_mappings_are_found_by_adapter_and_account(store: Store) -> None:
    put(store, "shops/contact", CONTACT)
    known = catalogue(store)
    assert [each.name for each in known.contacts(account("main", "shopify"))] == ["shops/contact"]
    assert known.contacts(account("other", "shopify")) == []
    assert known.contacts(account("main", "toyshop")) == []


def test_only_notifications_listen_to_events(store: Store) -> None:
    put(store, "shops/contact", CONTACT)
    put(store, NAME, POLICY)
    put(store, "toys/order_paid", RECIPE)
    known = catalogue(store)
    assert [each.mapping.name for each in known.listening("order.paid", account("main", "toyshop"))] == [
        "toys/order_paid"
    ]
    assert known.listening("customer.created", account("main", "shopify")) == []


def test_a_version_that_is_no_longer_in_force_keeps_its_rules(store: Store) -> None:
    put(store, "toys/order_paid", RECIPE + RULE)
    put(store, "toys/order_paid", RECIPE)
    known = catalogue(store)
    older, newer = (known.version_of("toys/order_paid", number) for number in (1, 2))
    assert older is not None
    assert newer is not None
    assert [rule.add_labels for rule in older.mapping.after] == [("reader",)]
    assert newer.mapping.after == ()
    assert known.version_of("toys/order_paid", 1) is older
    assert known.version_of("toys/order_paid", 3) is None
    assert known.version_of("nobody/knows", 1) is None


def test_a_version_is_read_in_the_transaction_that_asks(store: Store) -> None:
    put(store, "toys/order_paid", RECIPE + RULE)
    put(store, "toys/order_paid", RECIPE)
    known = catalogue(store)
    with store.write() as tx:
        assert known.version_of("toys/order_paid", 1, tx) is not None


def test_the_policy_is_no_recipe(store: Store) -> None:
    put(store, NAME, POLICY)
    assert catalogue(store).version_of(NAME, 1) is None


def test_a_contact_mapping_is_checked_before_it_is_published(store: Store) -> None:
    publish.save(store, "shops/contact", CONTACT.replace('"tags"', '"tagz"'))
    with pytest.raises(MappingError, match=r"fields\.1\.vendor: customer has no field 'tagz'; did you mean 'tags'"):
        publish.publish(store, REGISTRY, "shops/contact")
    publish.save(store, "shops/contact", CONTACT.replace('"shopify"', '"shopfy"'))
    with pytest.raises(MappingError, match="adapter: There is no adapter 'shopfy'"):
        publish.publish(store, REGISTRY, "shops/contact")


def test_the_vendor_is_asked_for_its_fields_where_it_can_be(store: Store) -> None:
    asked = []

    def described(adapter: str, object_: str) -> list[Field]:
        asked.append((adapter, object_))
        return [Field("labels", "list")]

    faults = publish.find_faults(store, REGISTRY, "shops/contact", CONTACT, described)
    assert [str(fault) for fault in faults] == ["fields.1.vendor: customer has no field 'tags'."]
    assert asked == [("shopify", "customer")]


def test_publishing_a_policy_again_makes_no_version(store: Store) -> None:
    put(store, NAME, POLICY)
    assert publish.publish(store, REGISTRY, NAME) == publish.Published(1, is_new=False)
    with store.read() as tx:
        assert drift.all_(tx) == {}
