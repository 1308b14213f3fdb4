from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from connector.model import AccountId, ConsentState, Contact, ContactId, Entry, Purpose, Source, Standing, new_id
from connector.store import Store, consents, people
from connector.store.schema import consent

NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)
ONE, TWO, THREE = ContactId("c1"), ContactId("c2"), ContactId("c3")


def entry(contact_id: ContactId = ONE, minutes: int = 0, **more: Any) -> Entry:
    given: dict[str, Any] = {
        "id": new_id(),
        "contact_id": contact_id,
        "purpose": Purpose.MARKETING,
        "state": ConsentState.GRANTED,
        "source": Source.CHECKOUT,
        "occurred_at": NOON + timedelta(minutes=minutes),
        "learned_at": NOON,
    }
    return Entry(**given | more)


@pytest.fixture(autouse=True)
def _contacts(store: Store) -> None:
    with store.write() as tx:
        people.add(tx, [Contact(id=id_, created_at=NOON, updated_at=NOON) for id_ in (ONE, TWO, THREE)])


def test_an_entry_comes_back_as_it_was_stored(store: Store) -> None:
    told = entry(
        account_id=AccountId("a1"), record="customer:5521", place="Checkout", wording="Yes, write to me 🎉",
        wording_version="3", evidence="event 01h", actor="the person", dated=False,
    )  # fmt: skip
    with store.write() as tx:
        assert consents.add(tx, [("k1", told)]) == {"k1"}
    with store.read() as tx:
        assert consents.of(tx, [ONE]) == [told]


def test_a_key_is_stored_once_whatever_comes_under_it_later(store: Store) -> None:
    first = entry()
    with store.write() as tx:
        assert consents.add(tx, [("k1", first), ("k1", entry(TWO))]) == {"k1"}
        assert consents.add(tx, [("k1", entry()), ("k2", entry(TWO))]) == {"k2"}
        assert consents.add(tx, []) == set()
        assert consents.of(tx, [ONE]) == [first]
        assert len(consents.of(tx, [ONE, TWO])) == 2


def test_entries_are_told_oldest_first_and_by_purpose(store: Store) -> None:
    late, early = entry(minutes=5), entry(minutes=1)
    other = entry(minutes=3, purpose=Purpose.UTILITY)
    with store.write() as tx:
        consents.add(tx, [("k1", late), ("k2", early), ("k3", other)])
        assert consents.of(tx, [ONE]) == [early, other, late]
        assert consents.of(tx, [ONE], [Purpose.UTILITY]) == [other]
        assert consents.of(tx, []) == []


def test_entries_of_merged_contacts_count_for_the_one_that_stays(store: Store) -> None:
    with store.write() as tx:
        consents.add(tx, [("k1", entry(ONE)), ("k2", entry(TWO, 1)), ("k3", entry(THREE, 2))])
        people.merge(tx, ONE, TWO, "one person", NOON)
        assert [told.contact_id for told in consents.of(tx, [ONE])] == [ONE, ONE]
        assert consents.hold(tx, [TWO, THREE]) == {TWO: ONE, THREE: THREE}


def test_the_database_itself_refuses_to_change_an_entry(store: Store) -> None:
    with store.write() as tx:
        consents.add(tx, [("k1", entry())])
    with pytest.raises(DBAPIError, match="never changes"), store.write() as tx:
        tx.execute(update(consent).values(state="granted"))


def test_standings_are_written_over(store: Store) -> None:
    pair = (ONE, Purpose.MARKETING)
    granted = Standing(state=ConsentState.GRANTED, since=NOON, entry_id="e1", words="Granted.")
    with store.write() as tx:
        consents.put_standings(tx, {pair: granted})
        consents.put_standings(tx, {pair: replace(granted, state=ConsentState.REVOKED), (TWO, pair[1]): granted})
        found = consents.standings(tx, [ONE, TWO, THREE])
    assert {pair_: standing.state for pair_, standing in found.items()} == {
        pair: ConsentState.REVOKED,
        (TWO, pair[1]): ConsentState.GRANTED,
    }


def test_erasing_a_person_leaves_nothing_of_the_whole_family(store: Store) -> None:
    with store.write() as tx:
        consents.add(tx, [("k1", entry(ONE)), ("k2", entry(TWO)), ("k3", entry(THREE))])
        people.merge(tx, ONE, TWO, "one person", NOON)
        consents.put_standings(tx, {(ONE, Purpose.MARKETING): Standing(state=ConsentState.GRANTED)})
        consents.delete(tx, [ONE])
        consents.delete(tx, [])
        assert consents.of(tx, [ONE, TWO]) == []
        assert consents.standings(tx, [ONE]) == {}
        assert len(consents.of(tx, [THREE])) == 1


def test_the_whole_ledger_is_read_page_by_page(store: Store) -> None:
    told = [entry(minutes=number) for number in range(7)]
    with store.write() as tx:
        consents.add(tx, [(str(number), each) for number, each in enumerate(told)])
    with store.read() as tx:
        found = list(consents.pages(tx, size=3))
    assert [len(page) for page in found] == [3, 3, 1]
    assert sorted(each.id for page in found for each in page) == sorted(each.id for each in told)


def test_entries_are_found_by_their_ids(store: Store) -> None:
    first, second = entry(), entry(TWO)
    with store.write() as tx:
        consents.add(tx, [("k1", first), ("k2", second)])
        assert consents.entries(tx, [second.id, second.id, "gone"]) == [second]
        assert consents.entries(tx, []) == []


def test_what_no_database_takes_does_not_stop_an_entry(store: Store) -> None:
    told = entry(wording="ST\0OP \ud800", evidence="x" * 100_000)
    with store.write() as tx:
        consents.add(tx, [("k1", told)])
        found = consents.of(tx, [ONE])[0]
    assert (found.wording, len(found.evidence)) == ("STOP ?", consents.CAP)
