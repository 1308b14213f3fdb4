"""What followed from events and messages is found by the beginning of keys, on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import insert

from connector.model import ConsentState, ContactId
from connector.store import Store, about, labels, schema
from connector.store.labels import LabelChange
from tests.scene import START, Scene

ONE = "01m81tq15gvr7e3m3e0aeg2pf1"
OTHERS = [
    "01m81tq15gvr7e3m3e0aeg2pf0", "01m81tq15gvr7e3m3e0aeg2pf2", "01m81tq15gvr7e3m3e0aeg2pf9",
    "01m81tq15gvr7e3m3e0aeg2pfz", "01m81tq15gvr7e3m3e0aeg2pg0", "01m81tq15gvr7e3m3e0aeg2pf10",
]  # fmt: skip
ENDS = ["button:0:yes", "日本:True", "zzz", "~", "Ω", "", ":", "0", "émail"]


@pytest.fixture
def scene(store: Store) -> Iterator[Scene]:
    return Scene(store)


@pytest.mark.parametrize("cause", [ONE, *OTHERS[:5]])
def test_whatever_begins_with_an_id_is_found_and_nothing_else(scene: Scene, cause: str) -> None:
    contact = ContactId("c1")
    keys = [f"{id_}:{end}" for id_ in (ONE, *OTHERS) for end in ENDS]
    with scene.store.write() as tx:
        labels.apply(
            tx,
            [LabelChange(key=key, contact_id=contact, name=key, added=True, origin="admin", at=START) for key in keys],
        )
        found = about.labels_by(tx, [cause])
        assert {change.key for change in found} == {f"{cause}:{end}" for end in ENDS}
        assert len(about.labels_by(tx, [ONE, OTHERS[0]])) == 2 * len(ENDS)


def test_refusals_are_among_the_entries_that_a_message_led_to(scene: Scene) -> None:
    contact = scene.person()
    refused = scene.entry(contact, ConsentState.REVOKED, key=f"refusal:{ONE}")
    tapped = scene.entry(contact, ConsentState.REVOKED, key=f"{ONE}:button:marketing")
    scene.entry(contact, ConsentState.REVOKED, key=f"refusal:{OTHERS[0]}")
    with scene.store.read() as tx:
        assert {entry.id for entry in about.entries_by(tx, [ONE])} == {refused, tapped}
        assert about.entries_by(tx, []) == []


def test_answers_are_found_by_the_message_that_they_answer(scene: Scene) -> None:
    mine = scene.message(label="answer", dedupe_key=f"answer|{ONE}:button:0:yes")
    scene.message(label="answer", dedupe_key=f"answer|{OTHERS[0]}:button:0:yes")
    with scene.store.read() as tx:
        assert about.answers_to(tx, ONE) == [mine]


def test_the_people_of_an_event_are_those_who_have_its_records(scene: Scene) -> None:
    contact, event = scene.person(record="customer:5521"), scene.event(subject="customer:5521")
    with scene.store.write() as tx:
        other = {"account_id": "another", "subject": "customer:5521", "event_id": event, "type": "x"}
        tx.execute(insert(schema.event_subject).values(**other, occurred_at=START))
    with scene.store.read() as tx:
        assert about.holders(tx, "acc-shop", [event]) == {contact}
        assert about.holders(tx, "another", [event]) == set()
        assert about.events_of(tx, contact, [("acc-shop", "customer:5521")], 5) == {event}
