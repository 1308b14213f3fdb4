"""Writing back: in few calls, row by row, and never lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import time_machine
from sqlalchemy import insert

from connector.contract import Change, Delta
from connector.errors import CredentialsError, PermanentError, Scope, TemporaryError, UncertainError
from connector.flow import recorded, writeback
from connector.flow.lookup import Found
from connector.flow.recording import REST, WriteBack
from connector.flow.writeback import Told, Want, learn, somewhere, want
from connector.model import AccountId, ContactId, Json, now
from connector.store import Store, Transaction, accounts, leases, schema, wanted
from connector.store.wanted import Place, Row
from tests.flow.crm import FakeCrm

CRM = AccountId("crm")
AT = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
DOWN = TemporaryError("It is down.", scope=Scope.ACCOUNT, status=503)


def place(number: int | str, field: str = "Status", item: str = "") -> Place:
    return Place(CRM, "Contact", f"{number:0>4}", field, item)


@pytest.fixture
def time() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(AT, tick=False) as traveller:
        yield traveller


@pytest.fixture
def crm(store: Store, time: time_machine.Traveller) -> FakeCrm:
    with store.write() as tx:
        at = now()
        accounts.add(
            tx,
            accounts.AccountRow(
                id=CRM, adapter="x", name="crm", token="t", settings={}, secrets="", created_at=at, updated_at=at
            ),
        )
    return FakeCrm()


def wish(store: Store, wishes: dict[Place, Json], *, at_once: bool = True) -> None:
    with store.write() as tx:
        found = [Want(**item._asdict(), value=value) for item, value in wishes.items()]
        want(tx, found, now(), at_once=at_once)


def nobody(tx: Transaction, account_id: AccountId, object_: str, record_id: str, contact_id: ContactId) -> None:
    """Hear of a record, and remember nothing."""


def drain(store: Store, crm: FakeCrm, *, owner: str = "me", found: Found = nobody) -> WriteBack:
    job = WriteBack(store, CRM, crm, owner=owner, should_stop=lambda: False, found=found)
    job.run()
    return job


def row(store: Store, place: Place) -> Row:
    with store.write() as tx:
        return wanted.load(tx, [place])[0]


def restless(store: Store) -> bool:
    with store.read() as tx:
        return CRM in wanted.restless(tx)


def test_what_is_due_is_written_and_known_from_then_on(store: Store, crm: FakeCrm) -> None:
    wish(store, {place(1): "Opted in", place(1, "Language"): "de"})
    assert restless(store)
    job = drain(store, crm)
    assert crm.calls == [("record", 2)]
    assert crm.held == {("Contact", "0001", "Status"): "Opted in", ("Contact", "0001", "Language"): "de"}
    assert (row(store, place(1)).state, row(store, place(1)).known) == ("done", '"Opted in"')
    assert job.tally.rows == {("written", ""): 2}
    assert not restless(store)


def test_nothing_is_written_before_it_has_gathered(store: Store, crm: FakeCrm, time: time_machine.Traveller) -> None:
    wish(store, {place(1): "Opted in"}, at_once=False)
    drain(store, crm)
    assert crm.calls == []
    assert not restless(store)
    time.shift(writeback.GATHER)
    assert restless(store)
    drain(store, crm)
    assert crm.calls == [("record", 1)]


def test_fifty_changes_of_mind_in_a_minute_cost_one_row_in_one_call(
    store: Store, crm: FakeCrm, time: time_machine.Traveller
) -> None:
    """The clock looks every second, as it does."""
    pressed = 0
    for tick in range(75):
        if tick < 60 and tick % 6:
            pressed += 1
            wish(store, {place(1): "Opted out" if pressed % 2 else "Opted in"}, at_once=False)
        if restless(store):
            drain(store, crm)
        time.shift(timedelta(seconds=1))
    assert row(store, place(1)).version == 50
    assert crm.calls == [("record", 1)]
    assert crm.held["Contact", "0001", "Status"] == "Opted in"


def test_fields_of_one_record_go_together_once_they_have_settled(
    store: Store, crm: FakeCrm, time: time_machine.Traveller
) -> None:
    wish(store, {place(1, "Source"): "keyword", place(1): "Opted in"}, at_once=False)
    for number in range(30):
        wish(store, {place(1): f"{number}"}, at_once=False)
        assert not restless(store)
        time.shift(timedelta(seconds=2))
    assert restless(store), "but for a minute at most"
    drain(store, crm)
    assert crm.calls == [("record", 2)]


def test_a_call_takes_as_many_records_as_the_vendor_does(store: Store, crm: FakeCrm) -> None:
    wish(store, {place(number, field): "x" for number in range(450) for field in ("Status", "Language")})
    drain(store, crm)
    assert crm.calls == [("record", 400), ("record", 400), ("record", 100)], "two fields of each record"


def test_calls_that_are_not_full_keep_a_distance(store: Store, crm: FakeCrm, time: time_machine.Traveller) -> None:
    wish(store, {place(1): "x"})
    drain(store, crm)
    time.shift(timedelta(seconds=1))
    wish(store, {place(2): "x"})
    assert not restless(store)
    drain(store, crm)
    assert len(crm.calls) == 1
    wish(store, {place(number): "y" for number in range(1, 201)})
    assert restless(store), "a full one need not wait"
    drain(store, crm)
    assert crm.calls[1:] == [("record", 200)]
    wish(store, {place(2): "z"})
    time.shift(REST)
    assert restless(store)
    drain(store, crm)
    assert crm.calls[2:] == [("record", 1)]


def test_members_of_one_set_are_one_change(store: Store, crm: FakeCrm) -> None:
    crm.held["Contact", "0001", "Tags"] = {"theirs", "old"}
    wish(store, {place(1, "Tags", "vip"): True, place(1, "Tags", "old"): False, place(1, "Tags", "new"): True})
    drain(store, crm)
    assert crm.calls == [("record", 1)]
    assert crm.held["Contact", "0001", "Tags"] == {"theirs", "vip", "new"}
    assert row(store, place(1, "Tags", "old")).known == "false"


def test_a_member_that_is_refused_does_not_take_the_others_of_its_set_with_it(store: Store, crm: FakeCrm) -> None:
    crm.held["Contact", "0001", "Labels"] = {"lapsed"}
    gold = PermanentError("The picklist does not hold this value.", code="PICKLIST")
    crm.refuse = lambda change: gold if isinstance(change.value, Delta) and "gold" in change.value.add else None
    labels = {name: place(1, "Labels", name) for name in ("gold", "lapsed", "vip")}
    wish(store, {labels["gold"]: True, labels["lapsed"]: False, labels["vip"]: True, place(1): "Opted in"})
    wish(store, {place(2, "Labels", "vip"): True})
    drain(store, crm)
    assert crm.held["Contact", "0001", "Labels"] == {"vip"}
    assert crm.held["Contact", "0001", "Status"] == "Opted in"
    assert crm.held["Contact", "0002", "Labels"] == {"vip"}
    assert [row(store, each).state for each in labels.values()] == ["failed", "done", "done"]
    assert row(store, labels["gold"]).code == "PICKLIST"
    assert len(crm.calls) == 4
    assert not restless(store)


def test_fields_of_a_record_that_could_not_be_written_are_tried_again_together(store: Store, crm: FakeCrm) -> None:
    wish(store, {place(1, name): "x" for name in "ABCDEF"})
    crm.raises = [TemporaryError("Not now.", code="x")]
    drain(store, crm)
    assert len({row(store, place(1, name)).not_before for name in "ABCDEF"}) == 1


def test_only_the_rows_that_failed_are_tried_again(store: Store, crm: FakeCrm, time: time_machine.Traveller) -> None:
    crm.refuse = lambda change: (
        TemporaryError("Locked.", code="UNABLE_TO_LOCK_ROW") if change.record_id in ("0003", "0007") else None
    )
    wish(store, {place(number): "x" for number in range(10)})
    drain(store, crm)
    assert row(store, place(3)).words == "Locked."
    assert (row(store, place(3)).state, row(store, place(3)).tries) == ("waiting", 1)
    assert 30 <= (row(store, place(3)).not_before - AT).total_seconds() <= 36
    crm.refuse = lambda change: None
    time.shift(timedelta(seconds=40))
    drain(store, crm)
    assert crm.calls == [("record", 10), ("record", 2)]
    assert len(crm.held) == 10
    assert row(store, place(3)).code == ""


def test_a_row_that_will_not_do_needs_attention_and_a_new_value_tries_again(
    store: Store, crm: FakeCrm, time: time_machine.Traveller
) -> None:
    crm.refuse = lambda change: (
        PermanentError("No such value.", code="BAD_PICKLIST", advice="Add it.") if change.value == "Maybe" else None
    )
    wish(store, {place(1): "Maybe", place(2): "Opted in"})
    drain(store, crm)
    found = row(store, place(1))
    assert (found.state, found.code, found.words) == ("failed", "BAD_PICKLIST", "No such value. Add it.")
    assert not restless(store)
    wish(store, {place(1): "Opted in"})
    time.shift(REST)
    drain(store, crm)
    assert row(store, place(1)).state == "done"


def test_a_record_that_is_gone_needs_nobody(store: Store, crm: FakeCrm) -> None:
    crm.refuse = lambda change: PermanentError("Deleted.", code="ENTITY_IS_DELETED")
    wish(store, {place(1): "x"})
    assert drain(store, crm).tally.rows == {("gone", "ENTITY_IS_DELETED"): 1}
    assert (row(store, place(1)).state, row(store, place(1)).code) == ("done", "ENTITY_IS_DELETED")


def test_a_row_that_never_succeeds_is_given_up_after_about_a_day(
    store: Store, crm: FakeCrm, time: time_machine.Traveller
) -> None:
    crm.refuse = lambda change: TemporaryError("Locked.", code="LOCKED")
    wish(store, {place(1): "x"})
    for _ in range(20):
        drain(store, crm)
        if row(store, place(1)).state == "failed":
            break
        time.move_to(row(store, place(1)).not_before + REST)
    assert timedelta(hours=20) < now() - AT < timedelta(hours=30)
    assert len(crm.calls) == len(recorded.PLAN) + 1
    assert row(store, place(1)).words == "Given up after 8 tries: Locked."


def test_an_account_out_of_quota_holds_back_without_costing_its_rows_a_try(
    store: Store, crm: FakeCrm, time: time_machine.Traveller
) -> None:
    limit = TemporaryError("Used up.", code="REQUEST_LIMIT_EXCEEDED", retry_after=3600, scope=Scope.ACCOUNT)
    crm.refuse = lambda change: limit if change.record_id != "0000" else None
    wish(store, {place(number): "x" for number in range(3)})
    job = drain(store, crm)
    assert job.tally.trouble == "Used up."
    assert row(store, place(0)).state == "done"
    assert (row(store, place(1)).state, row(store, place(1)).tries) == ("waiting", 0)
    for minutes in (1, 58):
        time.shift(timedelta(minutes=minutes))
        assert not restless(store)
        drain(store, crm)
    assert len(crm.calls) == 1
    crm.refuse = lambda change: None
    time.shift(timedelta(minutes=20))
    assert restless(store)
    drain(store, crm)
    assert len(crm.held) == 3


def test_a_vendor_that_is_down_is_asked_ever_more_seldom_and_costs_no_tries(
    store: Store, crm: FakeCrm, time: time_machine.Traveller
) -> None:
    crm.raises = [DOWN] * 5
    wish(store, {place(number): "x" for number in range(3)})
    moments = []
    for _ in range(4000):
        if restless(store):
            moments.append((now() - AT).total_seconds())
            drain(store, crm)
        if crm.held:
            break
        time.shift(timedelta(seconds=1))
    gaps = [after - before for before, after in pairwise(moments)]
    assert 10 <= gaps[0] <= 13
    assert all(after > before for before, after in pairwise(gaps))
    assert len(crm.held) == 3
    assert row(store, place(1)).tries == 0


def test_new_wishes_do_not_wake_an_account_that_holds_back(store: Store, crm: FakeCrm) -> None:
    crm.raises = [DOWN]
    wish(store, {place(1): "x"})
    drain(store, crm)
    wish(store, {place(number): "x" for number in range(500)})
    assert not restless(store)


def test_changed_settings_end_the_holding_back(store: Store, crm: FakeCrm, time: time_machine.Traveller) -> None:
    crm.raises = [DOWN]
    wish(store, {place(1): "x"})
    drain(store, crm)
    time.shift(timedelta(seconds=1))
    with store.write() as tx:
        accounts.update_settings(tx, CRM, settings={"a": 1}, secrets="", at=now())
    assert restless(store)


def test_one_record_that_spoils_its_calls_does_not_hold_up_the_others_for_ever(
    store: Store, crm: FakeCrm, time: time_machine.Traveller
) -> None:
    crm.most = 8

    plain = crm.record

    def spoiled(changes: list[Change]) -> object:
        if any(change.record_id == "0000" for change in changes):
            crm.calls.append(("spoiled", len(changes)))
            raise TemporaryError("Something broke.", status=500)
        return plain(changes)

    crm.record = spoiled  # type: ignore[method-assign,assignment]
    wish(store, {place(number): "x" for number in range(40)})
    for _ in range(40):
        drain(store, crm)
        time.shift(timedelta(minutes=20))
    assert len(crm.held) == 39
    assert row(store, place(0)).tries > 0, "alone, it loses tries"


def test_refused_credentials_suspend_the_account_and_its_rows_wait(store: Store, crm: FakeCrm) -> None:
    crm.raises = [CredentialsError("The token is refused.", advice="Log in again.")]
    wish(store, {place(1): "x"})
    assert drain(store, crm).tally.suspended == "The token is refused. Log in again."
    assert (row(store, place(1)).state, row(store, place(1)).tries) == ("waiting", 0)
    with store.write() as tx:
        account = accounts.get(tx, CRM)
        assert account is not None
        assert account.note == "The token is refused. Log in again."
        assert not account.active
    assert not restless(store)
    with store.write() as tx:
        accounts.resume(tx, CRM, now())
    assert restless(store)


def test_a_call_refused_for_ever_shows_its_rows(store: Store, crm: FakeCrm) -> None:
    crm.raises = [PermanentError("No such object.", code="INVALID_TYPE")]
    wish(store, {place(1): "x", place(2): "x"})
    drain(store, crm)
    assert [row(store, place(number)).state for number in (1, 2)] == ["failed", "failed"]


def test_a_bug_in_an_adapter_ends_in_rows_that_say_so(store: Store, crm: FakeCrm) -> None:
    def stumble() -> None:
        raise KeyError("id")

    crm.raises = [stumble]
    wish(store, {place(1): "x"})
    drain(store, crm)
    assert (row(store, place(1)).state, row(store, place(1)).code) == ("failed", "bug")


def test_a_write_whose_end_nobody_knows_is_written_again(
    store: Store, crm: FakeCrm, time: time_machine.Traveller
) -> None:
    crm.refuse = lambda change: UncertainError("No answer.")
    wish(store, {place(1): "x"})
    drain(store, crm)
    crm.refuse = lambda change: None
    time.shift(timedelta(seconds=60))
    drain(store, crm)
    assert row(store, place(1)).state == "done"


def test_rows_that_a_dead_drain_left_behind_are_written_again(store: Store, crm: FakeCrm) -> None:
    wish(store, {place(1): "x", place(2): "x"})

    def die() -> None:
        raise SystemExit  # between the call and the answer

    crm.raises = [die]
    with pytest.raises(SystemExit):
        drain(store, crm, owner="dead")
    assert row(store, place(1)).state == "leased"
    assert restless(store)
    drain(store, crm)
    assert crm.held == {("Contact", "0001", "Status"): "x", ("Contact", "0002", "Status"): "x"}
    assert row(store, place(1)).state == "done"


def test_of_two_drains_one_works(store: Store, crm: FakeCrm) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        inside.set()
        assert go_on.wait(10)

    crm.raises = [wait]
    wish(store, {place(1): "x"})
    first = threading.Thread(target=drain, args=(store, crm), kwargs={"owner": "first"})
    first.start()
    assert inside.wait(10)
    second = WriteBack(store, CRM, crm, owner="second", should_stop=lambda: False)
    assert second.run() is False
    go_on.set()
    first.join()
    assert crm.calls == [("record", 1)]
    assert row(store, place(1)).state == "done"


def test_whoever_lost_the_lease_writes_no_outcome(store: Store, crm: FakeCrm) -> None:
    def taken_over() -> None:
        with store.write() as tx:
            leases.release(tx, wanted.drain_lease(CRM), "slow")
            found = wanted.load(tx, [place(1)])
            found[0].lease_owner = "other"
            wanted.save(tx, found)

    crm.raises = [taken_over]
    wish(store, {place(1): "x"})
    drain(store, crm, owner="slow")
    assert (row(store, place(1)).state, row(store, place(1)).lease_owner) == ("leased", "other")


def test_a_wish_that_comes_during_the_call_is_written_after_it(
    store: Store, crm: FakeCrm, time: time_machine.Traveller
) -> None:
    crm.raises = [lambda: wish(store, {place(1): "Opted out"}, at_once=False)]
    wish(store, {place(1): "Opted in"})
    drain(store, crm)
    found = row(store, place(1))
    assert (found.state, found.known, found.value) == ("waiting", '"Opted in"', '"Opted out"')
    time.shift(REST)
    drain(store, crm)
    assert crm.held["Contact", "0001", "Status"] == "Opted out"
    assert row(store, place(1)).state == "done"


def test_news_during_the_call_is_followed_by_one_more_write(store: Store, crm: FakeCrm) -> None:
    def somebody() -> None:
        crm.held["Contact", "0001", "Status"] = "Unknown"
        with store.write() as tx:
            assert learn(tx, [Told(**place(1)._asdict(), value="Unknown")], now()) == [True]

    crm.raises = [somebody]
    wish(store, {place(1): "Opted out"})
    drain(store, crm)
    assert crm.calls == [("record", 1)] * 2
    assert crm.held["Contact", "0001", "Status"] == "Opted out"
    assert row(store, place(1)).state == "done"


def test_an_echo_with_a_later_time_causes_no_further_write(
    store: Store, crm: FakeCrm, time: time_machine.Traveller
) -> None:
    wish(store, {place(1): "Opted in"})
    drain(store, crm)
    for _ in range(5):
        time.shift(timedelta(minutes=10))
        with store.write() as tx:
            assert learn(tx, [Told(**place(1)._asdict(), value="Opted in", at=now())], now()) == [False]
        wish(store, {place(1): "Opted in"})
        assert not restless(store)
    assert len(crm.calls) == 1


class TestManyAtOnce:
    @pytest.fixture(autouse=True)
    def _bulk(self, crm: FakeCrm) -> None:
        crm.most, crm.bulk_from, crm.polls_left = 20, 100, 2

    def test_many_records_go_under_one_ticket(self, store: Store, crm: FakeCrm, time: time_machine.Traveller) -> None:
        wish(store, {place(number): "x" for number in range(300)})
        for _ in range(200):
            if restless(store):
                drain(store, crm)
            time.shift(timedelta(seconds=1))
        assert crm.calls == [("start", 300)] + [("finish", 300)] * 3
        assert len(crm.held) == 300
        assert not [number for number in range(300) if row(store, place(number)).state != "done"]

    def test_it_is_not_asked_about_all_the_time(self, store: Store, crm: FakeCrm, time: time_machine.Traveller) -> None:
        crm.polls_left = 10_000
        wish(store, {place(number): "x" for number in range(101)})
        for _ in range(1800):
            if restless(store):
                drain(store, crm)
            time.shift(timedelta(seconds=1))
        assert 25 <= len(crm.calls) <= 50

    def test_wishes_that_come_meanwhile_are_written_after_it(
        self, store: Store, crm: FakeCrm, time: time_machine.Traveller
    ) -> None:
        wish(store, {place(number): "x" for number in range(150)})
        drain(store, crm)
        wish(store, {place(1): "y"})
        assert row(store, place(1)).state == "handed_over"
        for _ in range(200):
            if restless(store):
                drain(store, crm)
            time.shift(timedelta(seconds=1))
        assert crm.held["Contact", "0001", "Status"] == "y"
        assert row(store, place(1)).state == "done"

    def test_rows_that_fail_in_it_go_on_one_by_one(
        self, store: Store, crm: FakeCrm, time: time_machine.Traveller
    ) -> None:
        crm.refuse = lambda change: TemporaryError("Locked.") if change.record_id == "0007" else None
        wish(store, {place(number): "x" for number in range(150)})
        for _ in range(20):
            if restless(store):
                drain(store, crm)
            time.shift(timedelta(seconds=1))
        assert (row(store, place(7)).state, row(store, place(7)).tries) == ("waiting", 1)
        crm.refuse = lambda change: None
        time.shift(timedelta(minutes=1))
        drain(store, crm)
        assert crm.calls[-1] == ("record", 1)
        assert len(crm.held) == 150

    def test_a_lost_ticket_costs_a_try_and_no_row(
        self, store: Store, crm: FakeCrm, time: time_machine.Traveller
    ) -> None:
        wish(store, {place(number): "x" for number in range(150)})
        drain(store, crm)
        crm.raises = [PermanentError("No such job.", code="NOT_FOUND")]
        time.shift(timedelta(seconds=6))
        drain(store, crm)
        assert (row(store, place(7)).state, row(store, place(7)).tries) == ("waiting", 1)

    def test_a_ticket_without_end_is_given_up_after_a_day(
        self, store: Store, crm: FakeCrm, time: time_machine.Traveller
    ) -> None:
        crm.polls_left = 10_000
        wish(store, {place(number): "x" for number in range(150)})
        drain(store, crm)
        time.shift(timedelta(days=1))
        crm.bulk_from = None
        drain(store, crm)
        time.shift(timedelta(minutes=2))
        drain(store, crm)
        assert len(crm.held) == 150


class TestLookingUp:
    @pytest.fixture(autouse=True)
    def _people(self, store: Store, crm: FakeCrm) -> None:
        with store.write() as tx:
            tx.execute(
                insert(schema.contact),
                [
                    {"id": id_, "phone": phone, "created_at": now(), "updated_at": now(), "merged_into": into}
                    for id_, phone, into in (
                        ("ann", "+447400123456", None),
                        ("bob", "+441134960123", None),
                        ("old", "", "ann"),
                        ("nix", "", None),
                    )
                ],
            )
        crm.records = {"+447400123456": "003A"}

    def at(self, contact: str) -> Place:
        return Place(CRM, "Contact", somewhere(ContactId(contact)), "Status")

    def test_a_person_without_a_record_is_looked_up_and_written_in_the_same_run(
        self, store: Store, crm: FakeCrm
    ) -> None:
        told: list[tuple[str, str, str, str]] = []

        def found(tx: Transaction, account_id: AccountId, object_: str, record_id: str, contact_id: ContactId) -> None:
            told.append((account_id, object_, record_id, contact_id))

        wish(store, {self.at("ann"): "Opted in", self.at("bob"): "Opted in", self.at("nix"): "Opted in"})
        drain(store, crm, found=found)
        assert crm.calls == [("find", 2), ("record", 1)]
        assert crm.held == {("Contact", "003A", "Status"): "Opted in"}
        assert told == [(CRM, "Contact", "003A", "ann")]
        with store.write() as tx:
            assert wanted.load(tx, [self.at("ann")]) == []
        assert (row(store, self.at("bob")).state, row(store, self.at("bob")).code) == ("done", wanted.NO_RECORD)
        assert row(store, Place(CRM, "Contact", "003A", "Status")).contact_id == "ann"

    def test_whoever_has_none_is_looked_up_again_after_a_day_at_the_earliest(
        self, store: Store, crm: FakeCrm, time: time_machine.Traveller
    ) -> None:
        wish(store, {self.at("bob"): "Opted in"})
        drain(store, crm)
        for value in ("Opted out", "Opted in", "Opted out"):
            time.shift(timedelta(hours=6))
            wish(store, {self.at("bob"): value}, at_once=False)
            assert not restless(store)
        crm.records["+441134960123"] = "003B"
        time.shift(timedelta(hours=7))
        assert restless(store)
        drain(store, crm)
        assert crm.held == {("Contact", "003B", "Status"): "Opted out"}

    def test_a_newer_wish_for_the_record_itself_wins(
        self, store: Store, crm: FakeCrm, time: time_machine.Traveller
    ) -> None:
        wish(store, {self.at("ann"): "Opted in"})
        time.shift(timedelta(seconds=1))
        wish(store, {Place(CRM, "Contact", "003A", "Status"): "Opted out"})
        drain(store, crm)
        assert crm.held == {("Contact", "003A", "Status"): "Opted out"}

    def test_somebody_who_was_merged_is_looked_up_by_the_others_number(self, store: Store, crm: FakeCrm) -> None:
        wish(store, {self.at("old"): "Opted in"})
        drain(store, crm)
        assert crm.held == {("Contact", "003A", "Status"): "Opted in"}

    def test_a_vendor_that_is_down_loses_no_lookup(
        self, store: Store, crm: FakeCrm, time: time_machine.Traveller
    ) -> None:
        crm.raises = [DOWN]
        wish(store, {self.at("ann"): "Opted in"})
        drain(store, crm)
        assert row(store, self.at("ann")).state == "waiting"
        time.shift(timedelta(minutes=1))
        drain(store, crm)
        assert crm.held == {("Contact", "003A", "Status"): "Opted in"}
