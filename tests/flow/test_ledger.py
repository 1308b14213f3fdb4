from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from connector.flow.ledger import NOTHING, enter, restand
from connector.model import ConsentState, Contact, ContactId, Entry, Purpose, Source, new_id
from connector.store import Store, consents, outgoing, people
from tests.flow.test_people import let_another_wait

NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)
NOW = NOON + timedelta(days=1)
ONE, TWO = ContactId("c1"), ContactId("c2")
MARKETING = Purpose.MARKETING
GRANTED, REVOKED = ConsentState.GRANTED, ConsentState.REVOKED


def said(state: ConsentState, minutes: int = 0, contact_id: ContactId = ONE, **more: Any) -> tuple[str, Entry]:
    at = NOON + timedelta(minutes=minutes)
    given: dict[str, Any] = {
        "id": new_id(),
        "contact_id": contact_id,
        "purpose": MARKETING,
        "state": state,
        "source": Source.KEYWORD,
        "occurred_at": at,
        "learned_at": at,
    }
    told = Entry(**given | more)
    return f"{told.contact_id}|{told.purpose}|{minutes}|{state}", told


@pytest.fixture(autouse=True)
def _contacts(request: pytest.FixtureRequest) -> None:
    make(request.getfixturevalue("store" if "store" in request.fixturenames else "postgres_store"), ONE, TWO)


def make(store: Store, *ids: ContactId) -> None:
    with store.write() as tx:
        people.add(tx, [Contact(id=id_, created_at=NOON, updated_at=NOON) for id_ in ids])


@contextmanager
def counted(store: Store) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(store.engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(store.engine, "before_cursor_execute", note)


def test_a_standing_that_changes_is_told_before_and_after(store: Store) -> None:
    later = NOON + timedelta(hours=1)
    with store.write() as tx:
        changed = enter(tx, [said(GRANTED, 1)], later)
        assert set(changed) == {(ONE, MARKETING)}
        before, after = changed[ONE, MARKETING]
        assert (before, after.state) == (NOTHING, GRANTED)
        assert consents.standings(tx, [ONE]) == {(ONE, MARKETING): after}
        assert people.persons(tx, [ONE])[ONE].standings == {MARKETING: after}
        assert people.load(tx, [ONE])[ONE].updated_at == later
        changed = enter(tx, [said(REVOKED, 2)], later)
        assert [item.state for item in changed[ONE, MARKETING]] == [GRANTED, REVOKED]


def test_a_fact_that_is_known_changes_nothing(store: Store) -> None:
    key, grant = said(GRANTED, 1)
    with store.write() as tx:
        enter(tx, [(key, grant), said(REVOKED, 2)], NOW)
        again = said(GRANTED, 9)[1]
        assert enter(tx, [(key, again)], NOW) == {}
        assert enter(tx, [], NOW) == {}
        assert consents.standings(tx, [ONE])[ONE, MARKETING].state is REVOKED


def test_a_newer_grant_renews_the_evidence_without_counting_as_a_change(store: Store) -> None:
    renewed = said(GRANTED, 2)
    with store.write() as tx:
        enter(tx, [said(GRANTED, 1)], NOW)
        assert enter(tx, [renewed], NOW) == {}
        assert consents.standings(tx, [ONE])[ONE, MARKETING].entry_id == renewed[1].id


def test_late_news_of_older_things_do_not_undo_a_revocation(store: Store) -> None:
    with store.write() as tx:
        enter(tx, [said(REVOKED, 10)], NOW)
        assert enter(tx, [said(GRANTED, 5), said(GRANTED, 10)], NOW) == {}


def test_what_says_nothing_is_kept_but_is_no_change(store: Store) -> None:
    with store.write() as tx:
        assert enter(tx, [said(ConsentState.UNKNOWN, 1)], NOW) == {}
        assert len(consents.of(tx, [ONE])) == 1


def test_nothing_can_be_learned_later_than_now(store: Store) -> None:
    forged = NOON + timedelta(days=9000)
    with store.write() as tx:
        enter(tx, [said(GRANTED, source=Source.CRM, place="x", occurred_at=forged, learned_at=forged)], NOON)
        enter(tx, [said(REVOKED, 1)], NOON + timedelta(minutes=1))
        assert consents.standings(tx, [ONE])[ONE, MARKETING].state is REVOKED


def test_a_batch_takes_as_many_statements_as_a_single_entry(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "FRESH_SECONDS", 3600.0)
    ids = [ContactId(f"p{number:04}") for number in range(300)]
    make(store, *ids)
    with store.read() as tx:
        assert not outgoing.wanted(tx), "who wants to be told is asked once a second, by whoever comes first"
    with store.write() as tx, counted(store) as few:
        enter(tx, [said(GRANTED)], NOW)
    batch = [said(GRANTED, number % 7, id_, purpose=purpose) for number, id_ in enumerate(ids) for purpose in Purpose]
    with store.write() as tx, counted(store) as many:
        assert len(enter(tx, batch, NOW)) == 900
    assert len(many) == len(few) <= 10


def test_merging_brings_the_revocation_of_either(store: Store) -> None:
    with store.write() as tx:
        enter(tx, [said(GRANTED, 1, ONE), said(REVOKED, 2, TWO)], NOW)
        people.merge(tx, ONE, TWO, "one person", NOON)
        changed = restand(tx, [ONE], NOW)
        assert [item.state for item in changed[ONE, MARKETING]] == [GRANTED, REVOKED]
        assert restand(tx, [ONE], NOW) == {}


def test_what_is_entered_for_a_merged_contact_counts_for_the_one_that_stays(store: Store) -> None:
    with store.write() as tx:
        enter(tx, [said(GRANTED, 1, ONE)], NOW)
        people.merge(tx, ONE, TWO, "one person", NOON)
        changed = enter(tx, [said(REVOKED, 2, TWO)], NOW)
        assert {pair: item[1].state for pair, item in changed.items()} == {(ONE, MARKETING): REVOKED}
        assert restand(tx, [TWO], NOW) == {}
        assert consents.standings(tx, [TWO]) == {}


def test_two_transactions_for_one_person_follow_one_another(postgres_store: Store) -> None:
    """Whoever comes second must see what the first has entered, or the newer grant would hide a stop."""
    first_is_in = threading.Event()
    results: list[ConsentState] = []

    def second() -> None:
        first_is_in.wait(60)
        with postgres_store.write() as tx:
            enter(tx, [said(GRANTED, 1)], NOW)
            results.append(consents.standings(tx, [ONE])[ONE, MARKETING].state)

    thread = threading.Thread(target=second, daemon=True)
    thread.start()
    with postgres_store.write() as tx:
        enter(tx, [said(REVOKED, 2)], NOW)
        first_is_in.set()
        let_another_wait(postgres_store)
        assert results == []
    thread.join(60)
    assert results == [REVOKED]


def test_crowds_that_enter_for_the_same_people_in_any_order_all_get_through(postgres_store: Store) -> None:
    ids = [ContactId(f"p{number:02}") for number in range(20)]
    make(postgres_store, *ids)
    faults: list[Exception] = []

    def crowd(number: int) -> None:
        mine = ids if number % 2 else ids[::-1]
        try:
            for round_ in range(5):
                told = [said(GRANTED if number % 2 else REVOKED, number * 10 + round_, id_) for id_ in mine]
                with postgres_store.write() as tx:
                    enter(tx, told, NOW)
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=crowd, args=(number,), daemon=True) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert faults == []
    assert not [thread for thread in threads if thread.is_alive()]
    with postgres_store.read() as tx:
        found = consents.standings(tx, ids)
    assert {item.state for item in found.values()} == {GRANTED}
    assert {item.since for item in found.values()} == {NOON + timedelta(minutes=34)}
