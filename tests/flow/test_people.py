"""Recognising people: one person stays one, whoever tells of them, in whatever order, and in whatever spelling."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from connector.flow import ledger
from connector.flow.people import Met, People, recipients
from connector.model import (
    AccountId,
    ConsentState,
    Contact,
    ContactId,
    Entry,
    Identity,
    Key,
    KeyKind,
    Purpose,
    Rekey,
    Sighting,
    Source,
    new_id,
    now,
)
from connector.store import Store, consents, erased, labels, people
from connector.store.labels import LabelChange
from connector.store.schema import contact, identity, metadata
from tests.desks import digest

SHOP, CRM, NUMBER = AccountId("shop"), AccountId("crm"), AccountId("number")
AT = now().replace(microsecond=0)
ANN, BEN, CAT = "+447400123456", "+447400123457", "+447400123458"
BSUID, OTHER_BSUID = "GB.aaaa", "GB.bbbb"
WE = People(digest)


def phone(value: str) -> Key:
    return Key(KeyKind.PHONE, value)


def wa_id(value: str) -> Key:
    return Key(KeyKind.WA_ID, value)


def user(value: str) -> Key:
    return Key(KeyKind.USER_ID, value)


def record(value: str, account: AccountId = SHOP) -> Key:
    return Key(KeyKind.RECORD, value, account)


def meet(store: Store, *sightings: Iterable[Key], **told: str) -> list[ContactId]:
    """Meet people in one transaction; return who they are."""
    with store.write() as tx:
        return WE.resolve(tx, [Sighting(keys=tuple(keys), seen_at=AT, **told) for keys in sightings], AT)


def see(store: Store, *keys: Key, **told: str) -> ContactId:
    return meet(store, keys, **told)[0]


def load(store: Store, id_: ContactId) -> Contact:
    with store.read() as tx:
        return people.load(tx, [id_])[id_]


def owners(store: Store) -> dict[str, ContactId]:
    with store.read() as tx:
        return {row.value: row.contact_id for row in tx.execute(select(identity))}


def enter(store: Store, id_: ContactId, state: ConsentState, minutes: int = 0) -> None:
    at = AT + timedelta(minutes=minutes)
    entry = Entry(
        id=new_id(), contact_id=id_, purpose=Purpose.MARKETING, state=state, source=Source.KEYWORD,
        occurred_at=at, learned_at=at,
    )  # fmt: skip
    with store.write() as tx:
        ledger.enter(tx, [(entry.id, entry)], at)


def standing(store: Store, id_: ContactId) -> ConsentState:
    with store.read() as tx:
        found = consents.standings(tx, [id_]).get((id_, Purpose.MARKETING))
    return found.state if found else ConsentState.UNKNOWN


class TestRecognition:
    def test_somebody_new_is_kept_as_they_were_told(self, store: Store) -> None:
        id_ = see(
            store, phone(ANN), record("customer:1"), raw_phone="07400 123456", name="Ann", email="ann@example.com",
            region="GB", locale="en-GB", timezone="Europe/London",
        )  # fmt: skip

        found = load(store, id_)
        assert (found.phone, found.raw_phone, found.name, found.email) == (
            ANN,
            "07400 123456",
            "Ann",
            "ann@example.com",
        )
        assert (found.region, found.locale, found.timezone) == ("GB", "en-GB", "Europe/London")

    @pytest.mark.parametrize(
        "key",
        [phone(ANN), wa_id(ANN), user(BSUID), Key(KeyKind.PARENT_ID, "GB.ENT.1"), record("customer:1")],
        ids=lambda key: key.kind.value,
    )
    def test_anybody_is_recognised_by_any_of_their_keys(self, store: Store, key: Key) -> None:
        first = see(store, phone(ANN), user(BSUID), Key(KeyKind.PARENT_ID, "GB.ENT.1"))
        assert see(store, phone(ANN), record("customer:1")) == first

        assert see(store, key) == first

    def test_an_id_of_another_account_is_another_record(self, store: Store) -> None:
        assert see(store, record("customer:1", SHOP)) != see(store, record("customer:1", CRM))

    def test_what_is_not_spoken_of_stays_and_what_is_told_anew_replaces_it(self, store: Store) -> None:
        id_ = see(store, phone(ANN), name="Ann", email="ann@example.com")
        see(store, phone(ANN), name="Ann Example")

        found = load(store, id_)
        assert (found.name, found.email) == ("Ann Example", "ann@example.com")

    def test_what_they_call_themselves_is_their_name_until_somebody_tells_another(self, store: Store) -> None:
        id_ = see(store, phone(ANN), alias="annie 🌸")
        assert load(store, id_).name == "annie 🌸"

        see(store, phone(ANN), name="Ann Example", alias="annie")
        see(store, phone(ANN), alias="Annie from work")

        assert load(store, id_).name == "Ann Example"

    def test_an_address_for_mail_recognises_nobody(self, store: Store) -> None:
        assert see(store, phone(ANN), email="family@example.com") != see(store, phone(BEN), email="family@example.com")

    def test_a_sighting_without_keys_is_nobody(self, store: Store) -> None:
        with store.write() as tx:
            assert WE.meet(tx, [Sighting(keys=(), name="Ann", seen_at=AT)], AT).ids == [None]

    def test_the_same_new_person_twice_in_a_batch_is_one(self, store: Store) -> None:
        first, second, third = meet(store, [phone(ANN)], [record("customer:1"), phone(ANN)], [record("customer:1")])

        assert first == second == third

    def test_who_is_known_by_user_id_alone_is_a_person_too(self, store: Store) -> None:
        id_ = see(store, user(BSUID), name="Ann")

        assert load(store, id_).phone == ""
        assert see(store, user(BSUID)) == id_


SPELLED = [
    ("+5511987654321", "+551187654321"),
    ("+5491123456789", "+541123456789"),
    ("+5215512345678", "+525512345678"),
]


class TestSpellings:
    @pytest.mark.parametrize(("one", "other"), [*SPELLED, *[(b, a) for a, b in SPELLED]])
    def test_a_number_is_recognised_however_it_is_spelled_and_never_rewritten(
        self, store: Store, one: str, other: str
    ) -> None:
        id_ = see(store, phone(one))

        assert see(store, wa_id(other), user(BSUID)) == id_
        assert load(store, id_).phone == one
        assert set(owners(store)) == {one, other, BSUID}
        assert owners(store)[one] == owners(store)[other] == id_

    def test_a_landline_is_not_taken_for_the_mobile_number_that_it_would_be_with_a_nine(self, store: Store) -> None:
        mobile, landline = see(store, phone("+5511932654321")), see(store, phone("+551132654321"))

        assert mobile != landline
        assert see(store, phone("+5511932654321")) == mobile
        assert load(store, landline).merged_into is None

    def test_each_of_two_spellings_asked_for_at_once_has_its_answer(self, store: Store) -> None:
        one, other = SPELLED[0]
        id_ = see(store, phone(one))

        with store.read() as tx:
            assert recipients(tx, [one, other, ANN]) == {one: id_, other: id_}


class TestRecords:
    def test_two_records_that_share_a_phone_are_one_person(self, store: Store) -> None:
        ann = see(store, phone(ANN), record("customer:1"))

        assert see(store, phone(ANN), record("customer:2")) == ann
        assert see(store, phone(ANN), record("Contact:003A", CRM)) == ann

    def test_a_record_with_a_new_number_nobody_has_is_still_the_same_person(self, store: Store) -> None:
        ann = see(store, phone(ANN), record("customer:1"))

        assert see(store, phone(BEN), record("customer:1")) == ann
        assert load(store, ann).phone == BEN
        assert see(store, wa_id(ANN)) == ann  # what they said on the old one still counts

    def test_a_record_with_somebody_elses_number_is_theirs_from_then_on(self, store: Store) -> None:
        ann, ben = see(store, phone(ANN), record("customer:1")), see(store, phone(BEN), record("customer:2"))

        assert see(store, phone(BEN), record("customer:1")) == ben
        assert see(store, record("customer:1")) == ben
        assert see(store, phone(ANN)) == ann
        assert load(store, ann).merged_into is None

    def test_a_record_without_a_number_joins_whose_number_it_gets(self, store: Store) -> None:
        ann, nameless = see(store, phone(ANN)), see(store, record("customer:1"), email="ann@example.com")

        assert see(store, phone(ANN), record("customer:1")) == ann
        gone = load(store, nameless)
        assert gone.merged_into == ann
        assert "customer:1" in gone.merged_words
        assert load(store, ann).email == "ann@example.com"

    def test_a_record_that_names_two_peoples_numbers_joins_nobody(self, store: Store) -> None:
        ann, ben = see(store, phone(ANN)), see(store, wa_id(BEN), user(BSUID))

        assert see(store, phone(ANN), wa_id(BEN), record("customer:1")) == ann
        assert see(store, wa_id(BEN)) == ben
        assert load(store, ben).merged_into is None

    def test_another_number_is_another_chance_to_be_reached(self, store: Store) -> None:
        id_ = see(store, phone(ANN), record("customer:1"))
        with store.write() as tx:
            tx.execute(contact.update().values(bounces=3, unreachable_at=AT))

        see(store, phone(ANN), record("customer:1"), name="Ann")
        assert load(store, id_).unreachable_at == AT
        see(store, phone(BEN), record("customer:1"))
        assert (load(store, id_).unreachable_at, load(store, id_).bounces) == (None, 0)


class TestMerging:
    def test_a_number_and_a_user_id_known_as_two_are_one_when_the_channel_says_so(self, store: Store) -> None:
        ann, unknown = see(store, phone(ANN), name="Ann"), see(store, user(BSUID), email="ann@example.com")

        assert see(store, wa_id(ANN), user(BSUID)) == ann
        assert load(store, unknown).merged_into == ann
        assert load(store, ann).email == "ann@example.com"
        assert set(owners(store).values()) == {ann}

    def test_both_histories_are_kept_and_a_revocation_of_either_holds_for_both(self, store: Store) -> None:
        ann, other = see(store, phone(ANN)), see(store, user(BSUID))
        enter(store, ann, ConsentState.GRANTED, -10)
        enter(store, other, ConsentState.REVOKED, -5)

        with store.write() as tx:
            met = WE.meet(tx, [Sighting(keys=(wa_id(ANN), user(BSUID)), seen_at=AT)], AT)
            said = consents.of(tx, [ann])

        assert [entry.state for entry in said] == ["granted", "revoked"]
        assert standing(store, ann) == "revoked"
        assert [(pair, before.state, after.state) for pair, (before, after) in met.changed.items()] == [
            ((ann, Purpose.MARKETING), "granted", "revoked")
        ]
        assert met.stays == {other: ann}

    def test_a_grant_newer_than_the_others_revocation_counts_for_both(self, store: Store) -> None:
        ann, other = see(store, phone(ANN)), see(store, user(BSUID))
        enter(store, ann, ConsentState.REVOKED, -10)
        enter(store, other, ConsentState.GRANTED, -5)
        see(store, wa_id(ANN), user(BSUID))

        assert standing(store, ann) == "granted"
        assert standing(store, other) == "unknown"  # it has no standing of its own any more

    def test_a_chain_of_merges_ends_at_one_person(self, store: Store) -> None:
        first, second, third = see(store, phone(ANN)), see(store, phone(BEN)), see(store, phone(CAT))
        enter(store, third, ConsentState.REVOKED)
        see(store, wa_id(BEN), wa_id(CAT))
        see(store, wa_id(ANN), wa_id(BEN))

        assert [load(store, id_).merged_into for id_ in (second, third)] == [first, first]
        assert set(owners(store).values()) == {first}
        assert standing(store, first) == "revoked"

    def test_a_chain_of_merges_in_one_batch_ends_at_one_person(self, store: Store) -> None:
        first, second, third = see(store, phone(ANN)), see(store, phone(BEN)), see(store, phone(CAT))
        enter(store, third, ConsentState.REVOKED)

        assert meet(store, [wa_id(BEN), wa_id(CAT)], [wa_id(ANN), wa_id(BEN)], [user(BSUID), wa_id(CAT)]) == [first] * 3
        assert [load(store, id_).merged_into for id_ in (second, third)] == [first, first]
        assert standing(store, first) == "revoked"

    def test_three_who_turn_out_to_be_one_at_once(self, store: Store) -> None:
        first, second, third = see(store, phone(ANN)), see(store, user(BSUID)), see(store, Key(KeyKind.PARENT_ID, "P"))

        assert see(store, wa_id(ANN), user(BSUID), Key(KeyKind.PARENT_ID, "P")) == first
        assert [load(store, id_).merged_into for id_ in (second, third)] == [first, first]

    def test_labels_and_the_later_conversation_come_along(self, store: Store) -> None:
        ann, other = see(store, phone(ANN)), see(store, user(BSUID))
        with store.write() as tx:
            labels.apply(
                tx, [LabelChange(key="1", contact_id=other, name="vip", added=True, origin="admin", at=AT)]
            )  # fmt: skip
            people.heard(tx, {(ann, NUMBER): AT - timedelta(hours=30), (other, NUMBER): AT})
        see(store, wa_id(ANN), user(BSUID))

        with store.read() as tx:
            assert list(labels.of(tx, [ann, other])) == [ann]
            assert people.last_heard(tx, [ann, other], NUMBER) == {ann: AT}

    def test_a_block_holds_for_both(self, store: Store) -> None:
        ann, other = see(store, phone(ANN)), see(store, user(BSUID))
        with store.write() as tx:
            tx.execute(contact.update().where(contact.c.id == other).values(blocked_at=AT, blocked_words="Abuse."))
        see(store, wa_id(ANN), user(BSUID))

        assert (load(store, ann).blocked_at, load(store, ann).blocked_words) == (AT, "Abuse.")

    def test_on_somebodys_word_two_become_one(self, store: Store) -> None:
        ann, ben = see(store, phone(ANN)), see(store, phone(BEN))
        enter(store, ben, ConsentState.REVOKED)
        with store.write() as tx:
            changed = WE.merge(tx, ann, ben, "The same, says the shop.", AT)

        assert list(changed) == [(ann, Purpose.MARKETING)]
        assert see(store, phone(BEN)) == ann
        assert load(store, ben).merged_words == "The same, says the shop."


def rekey(store: Store, old: Identity, new: Identity) -> Met:
    with store.write() as tx:
        return WE.rekey(tx, Rekey(old=old, new=new), AT)


class TestRekeying:
    def test_who_changed_their_number_is_the_same_person(self, store: Store) -> None:
        ann = see(store, phone(ANN), user(BSUID), record("customer:1"))
        enter(store, ann, ConsentState.REVOKED)
        rekey(store, Identity(phone=ANN, user_id=BSUID), Identity(phone=BEN, user_id=OTHER_BSUID))

        assert load(store, ann).phone == BEN
        assert [see(store, key) for key in (wa_id(BEN), user(OTHER_BSUID), user(BSUID), phone(ANN))] == [ann] * 4

    def test_who_got_another_user_id_is_the_same_person(self, store: Store) -> None:
        ann = see(store, user(BSUID))
        rekey(store, Identity(user_id=BSUID), Identity(user_id=OTHER_BSUID))

        assert see(store, user(OTHER_BSUID)) == ann

    def test_whoever_was_known_by_the_new_number_already_turns_out_to_be_them(self, store: Store) -> None:
        ann, new = see(store, phone(ANN)), see(store, phone(BEN), record("customer:2"))
        enter(store, ann, ConsentState.REVOKED)

        met = rekey(store, Identity(phone=ANN), Identity(phone=BEN))

        assert met.ids == [ann]
        assert load(store, new).merged_into == ann
        assert standing(store, see(store, record("customer:2"))) == "revoked"

    def test_of_strangers_it_makes_somebody_known_by_both(self, store: Store) -> None:
        (id_,) = rekey(store, Identity(phone=ANN), Identity(phone=BEN)).ids

        assert see(store, phone(ANN)) == see(store, phone(BEN)) == id_


class TestErased:
    @pytest.fixture(autouse=True)
    def _refused(self, store: Store) -> None:
        with store.write() as tx:
            erased.add(
                tx,
                [
                    erased.Refused(
                        digest=digest(value), purpose=Purpose.MARKETING, source=Source.KEYWORD,
                        occurred_at=AT - timedelta(days=9), erased_at=AT - timedelta(days=8),
                    )
                    for value in (ANN, BSUID, "+5511987654321")
                ],
            )  # fmt: skip

    @pytest.mark.parametrize("key", [phone(ANN), wa_id(ANN), user(BSUID), phone("+551187654321")])
    def test_an_erased_number_starts_out_revoked(self, store: Store, key: Key) -> None:
        with store.write() as tx:
            met = WE.meet(tx, [Sighting(keys=(key,), seen_at=AT)], AT)
        (id_,) = met.ids

        assert id_ is not None
        assert standing(store, id_) == "revoked"
        assert list(met.changed) == [(id_, Purpose.MARKETING)]
        with store.read() as tx:
            (entry,) = consents.of(tx, [id_])
        assert entry.occurred_at == AT - timedelta(days=9)
        assert "hash" in entry.evidence

    def test_it_does_so_for_a_record_that_gets_the_number_later(self, store: Store) -> None:
        id_ = see(store, record("customer:1"))
        assert standing(store, id_) == "unknown"
        see(store, phone(ANN), record("customer:1"))

        assert standing(store, id_) == "revoked"

    def test_it_is_told_once_and_a_newer_grant_counts(self, store: Store) -> None:
        id_ = see(store, phone(ANN))
        enter(store, id_, ConsentState.GRANTED)
        see(store, wa_id(ANN), user(BSUID))

        assert standing(store, id_) == "granted"

    def test_others_start_out_unknown(self, store: Store) -> None:
        assert standing(store, see(store, phone(BEN))) == "unknown"


def at_once(*jobs: object) -> list[BaseException]:
    """Run these at the same time; return what they raised."""
    faults: list[BaseException] = []
    gate = threading.Barrier(len(jobs))

    def run(job: object) -> None:
        gate.wait()
        try:
            job()  # type: ignore[operator]
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=run, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not [thread for thread in threads if thread.is_alive()]
    return faults


def let_another_wait(store: Store) -> None:
    """Return when another transaction waits for a lock, as it must for one that this thread holds."""
    end = time.monotonic() + 60
    waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while time.monotonic() < end:
        with store.read() as tx:
            if tx.exec_driver_sql(waits).scalar_one():
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits")


class TestAtOnce:
    """On PostgreSQL there are many writers."""

    @pytest.mark.parametrize(
        ("one", "other"),
        [((phone(ANN),), (wa_id(ANN), user(BSUID))), ((phone(SPELLED[0][0]),), (wa_id(SPELLED[0][1]),))],
        ids=["the same number", "two spellings of it"],
    )
    def test_two_who_meet_the_same_new_person_make_one(
        self, postgres_store: Store, one: tuple[Key, ...], other: tuple[Key, ...]
    ) -> None:
        store = postgres_store
        inside = threading.Barrier(2)

        def first() -> None:
            with store.write() as tx:
                WE.resolve(tx, [Sighting(keys=one, seen_at=AT)], AT)
                inside.wait(60)  # the second begins while this is not committed
                let_another_wait(store)

        def second() -> None:
            inside.wait(60)
            see(store, *other)

        assert at_once(first, second) == []
        with store.read() as tx:
            assert len(tx.execute(select(contact.c.id)).all()) == 1

    def test_whoever_is_merged_while_another_waits_is_the_one_that_stays(self, postgres_store: Store) -> None:
        store = postgres_store
        ann, other = see(store, phone(ANN)), see(store, user(BSUID))
        see(store, user(BSUID), Key(KeyKind.PARENT_ID, "P"))
        inside = threading.Event()

        def merges() -> None:
            with store.write() as tx:
                WE.resolve(tx, [Sighting(keys=(wa_id(ANN), user(BSUID)), seen_at=AT)], AT)
                inside.set()
                let_another_wait(store)

        def meets() -> None:
            assert inside.wait(60)
            assert see(store, Key(KeyKind.PARENT_ID, "P"), wa_id(BEN)) == ann

        assert at_once(merges, meets) == []
        assert load(store, other).merged_into == ann
        assert set(owners(store).values()) == {ann}


KEYS = [
    phone(ANN), wa_id(ANN), phone(BEN), wa_id(BEN), phone(SPELLED[0][0]), wa_id(SPELLED[0][1]), user(BSUID),
    user(OTHER_BSUID), record("customer:1"), record("customer:2"), record("Contact:1", CRM),
]  # fmt: skip


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    batches=st.lists(
        st.lists(st.lists(st.sampled_from(KEYS), min_size=1, max_size=4, unique=True), min_size=1, max_size=3),
        min_size=1,
        max_size=5,
    ),
    revoked=st.integers(0, 4),
)
def test_any_order_of_sightings_ends_in_consistent_people(
    sqlite_store: Store, batches: list[list[list[Key]]], revoked: int
) -> None:
    store = sqlite_store
    with store.write() as tx:
        for name in ("identity", "contact", "standing", "consent"):
            tx.execute(delete(metadata.tables[name]))
    refused: list[ContactId] = []
    for number, batch in enumerate(batches):
        met = meet(store, *batch)
        if number == revoked:
            enter(store, met[0], ConsentState.REVOKED)
            refused.append(met[0])

    with store.read() as tx:
        merged = {row.id: row.merged_into for row in tx.execute(select(contact.c.id, contact.c.merged_into))}
    held = owners(store)
    present = {id_ for id_, into in merged.items() if into is None}
    assert set(held.values()) <= present, "a key points to somebody who was merged away"
    assert {into for into in merged.values() if into} <= present, "merges are chained"
    for sightings in batches[-1:]:
        again = meet(store, *sightings)
        assert set(again) <= present
    for id_ in refused:
        assert standing(store, ContactId(merged[id_] or id_)) == "revoked"
