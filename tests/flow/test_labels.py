"""Labels: deltas from every side, each once, by their owner's rule; whatever their case, they are one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from connector.flow.labels import LONGEST, change
from connector.mapping.people import Owner, PeoplePolicy
from connector.model import ContactId, new_id, now
from connector.store import Store, labels
from connector.store.labels import LabelChange
from connector.store.schema import label, label_change

AT = now().replace(microsecond=0)
ANN, BEN = ContactId("ann"), ContactId("ben")
POLICY = PeoplePolicy(labels={"Ours": Owner.OURS, "theirs": Owner.THEIRS})


def delta(name: str, added: bool = True, *, who: ContactId = ANN, key: str = "") -> LabelChange:
    return LabelChange(key=key or new_id(), contact_id=who, name=name, added=added, origin="admin", at=AT)


def make(store: Store, *changes: LabelChange, from_records: bool = False) -> list[tuple[str, bool]]:
    with store.write() as tx:
        real = change(tx, changes, POLICY, from_records=from_records)
    return [(item.name, item.added) for item in real]


def worn(store: Store, who: ContactId = ANN) -> set[str]:
    with store.read() as tx:
        return set(labels.of(tx, [who]).get(who, {}))


def test_a_label_is_put_on_and_taken_off_and_its_history_is_kept(store: Store) -> None:
    assert make(store, delta("vip")) == [("vip", True)]
    assert worn(store) == {"vip"}
    assert make(store, delta("vip", False)) == [("vip", False)]

    assert worn(store) == set()
    with store.read() as tx:
        assert [(item.name, item.added, item.origin) for item in labels.history(tx, [ANN])] == [
            ("vip", True, "admin"), ("vip", False, "admin"),
        ]  # fmt: skip


def test_the_same_fact_happens_once(store: Store) -> None:
    make(store, delta("vip", key="1"))
    make(store, delta("vip", False, key="2"))

    assert make(store, delta("vip", key="1")) == []
    assert worn(store) == set()


def test_what_changes_nothing_is_no_change(store: Store) -> None:
    assert make(store, delta("vip", False)) == []
    make(store, delta("vip"))
    assert make(store, delta("vip")) == []


def test_labels_that_differ_in_case_alone_are_one_in_the_spelling_that_came_first(store: Store) -> None:
    make(store, delta("VIP"), delta("vip"))
    assert worn(store) == {"VIP"}

    assert make(store, delta("Vip", False)) == [("VIP", False)]
    assert worn(store) == set()


def test_within_a_batch_the_last_counts(store: Store) -> None:
    make(store, delta("vip"), delta("vip", False), delta("vip"), delta("gold"), delta("gold", False))

    assert worn(store) == {"vip"}


@pytest.mark.parametrize(
    ("name", "from_records", "may"),
    [("ours", False, True), ("OURS", True, False), ("Theirs", False, False), ("theirs", True, True), ("x", True, True)],
)
def test_each_side_changes_what_its_owners_rule_lets_it(store: Store, name: str, from_records: bool, may: bool) -> None:
    assert bool(make(store, delta(name), from_records=from_records)) is may
    assert worn(store) == ({name} if may else set())


@pytest.mark.parametrize(
    ("name", "kept"), [("  big\n spender ", "big spender"), ("a\u200bb\x00", "ab"), ("x" * 500, "x" * LONGEST)]
)
def test_a_label_is_one_line_of_what_can_be_seen(store: Store, name: str, kept: str) -> None:
    make(store, delta(name))
    assert worn(store) == {kept}


def test_a_label_of_nothing_is_none(store: Store) -> None:
    assert make(store, delta("\u200b \n")) == []


def test_one_persons_label_is_not_anothers(store: Store) -> None:
    make(store, delta("vip"), delta("vip", who=BEN), delta("vip", False))

    assert (worn(store), worn(store, BEN)) == (set(), {"vip"})
    with store.read() as tx:
        assert labels.count(tx) == {"vip": 1}


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(batches=st.lists(st.lists(st.tuples(st.sampled_from(["a", "A", "b"]), st.booleans()), max_size=4), max_size=4))
def test_any_order_of_deltas_ends_as_the_last_of_each_says(sqlite_store: Store, batches: list[list[Any]]) -> None:
    with sqlite_store.write() as tx:
        tx.execute(delete(label))
        tx.execute(delete(label_change))
    last: dict[str, bool] = {}
    for batch in batches:
        make(sqlite_store, *(delta(name, added) for name, added in batch))
        last |= {name.casefold(): added for name, added in batch}

    assert {name.casefold() for name in worn(sqlite_store)} == {name for name, added in last.items() if added}
