"""Forgetting a person: nothing names them any more, counts stay, and a refusal outlives them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from connector.errors import ConfigurationError
from connector.flow import replay
from connector.flow.privacy import Forgotten, erase
from connector.flow.replay import Selection
from connector.model import ConsentState, ContactId, Key, KeyKind, Purpose, Sighting, Source, State, now
from connector.store import Store, consents, people
from tests.desks import digest
from tests.flow.forgetting import AT, CRM, EMAIL, JANE, JOHN, NAME, NUMBER, SHOP, WAMID, World

GRANTED, REVOKED = ConsentState.GRANTED, ConsentState.REVOKED
MARKETING, UTILITY = Purpose.MARKETING, Purpose.UTILITY


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


def fill(world: World) -> ContactId:
    """Let Jane leave every kind of trace."""
    jane = world.person(JANE, (SHOP, "customer:55"), (CRM, "Contact:003A"), user_id="GB.1234567890")
    order = world.event("order:77", "customer:55", body={"customer": {"first_name": NAME}})
    world.message(order, jane)
    world.event("fulfillment:5", "order:77", body={"destination": {"name": NAME}}, type_="fulfillment.created")
    world.event("customer:55", body={"name": NAME}, type_="customer.updated", label=NAME)
    world.event("Contact:003A", body={"LastName": NAME}, account_id=CRM, type_="contact.saved", label=NAME)
    world.request({"statuses": [{"recipient_id": JANE[1:]}]}, NUMBER)
    world.request(f"<n><Phone>07400 123-456</Phone><L>{NAME}</L></n>".encode(), CRM)
    world.request({"email": EMAIL.upper(), "name": NAME}, SHOP, state="unreadable")
    world.request({"user_id": "GB.1234567890", "profile": NAME}, NUMBER)
    world.reply()
    world.said(jane, GRANTED, Source.CHECKOUT, account_id=SHOP, record="order:77")
    world.said(jane, REVOKED, at=AT + timedelta(hours=1))
    world.label(jane)
    world.wish(jane, "customer", "55")
    world.wish(None, "order", "77")
    world.wish(jane, "customer", f"?{jane}")
    world.talk(jane)
    return jane


def test_nothing_in_the_database_names_an_erased_person(world: World) -> None:
    jane = fill(world)
    before = world.everything()
    for needle in (NAME, "7400123456", EMAIL, WAMID, jane, "GB.1234567890"):
        assert needle in before
    done = erase(world.store, digest, jane)
    assert (done.contacts, done.messages, done.replies) == (1, 1, 1)
    after = world.everything()
    for needle in (NAME, "7400123456", EMAIL, WAMID, jane, "GB.1234567890", "123-456", EMAIL.upper()):
        assert needle not in after, [line for line in after.splitlines() if needle in line]
    for table in ("contact", "identity", "consent", "standing", "label", "label_change", "conversation", "wanted"):
        assert f"{table}: " not in after


def test_what_statistics_need_of_a_message_stays(world: World) -> None:
    jane = world.person()
    message = world.message(world.event("order:77"), jane)
    erase(world.store, digest, jane)
    row = world.row("message", message)
    assert (row.state, row.mapping, row.template, row.created_at, row.label) == (
        "read",
        "order_paid",
        "paid",
        AT,
        "#1001",
    )
    assert (row.recipient, row.recipient_id, row.contact_id, row.slots, row.words) == ("", "", None, {}, "")


@pytest.mark.parametrize(
    ("state", "end"),
    [(State.WAITING, "cancelled"), (State.SENDING, "failed"), (State.IN_DOUBT, "failed"), (State.SENT, "sent")],
)
def test_what_has_not_left_does_not_leave(world: World, state: State, end: str) -> None:
    jane = world.person()
    message = world.message(world.event("order:77"), jane, state=state)
    erase(world.store, digest, jane)
    row = world.row("message", message)
    assert row.state == end
    assert row.reason == ("" if state is State.SENT else "erased")


def test_erasing_again_finds_nothing(world: World) -> None:
    jane = fill(world)
    assert erase(world.store, digest, jane) != Forgotten()
    before = world.everything()
    assert erase(world.store, digest, jane) == Forgotten()
    assert world.everything() == before


def test_others_keep_what_is_theirs(world: World) -> None:
    jane = fill(world)
    john = world.person(JOHN, (SHOP, "customer:66"), name="John", email="john@fernhill.example")
    order = world.event("order:88", "customer:66", body={"phone": JOHN})
    message = world.message(order, john, to=JOHN, name="John")
    world.said(john, GRANTED)
    world.label(john)
    before = world.row("request", order.request_id)
    erase(world.store, digest, jane)
    assert world.row("request", order.request_id) == before
    assert world.row("message", message).slots == {"body.1": "John"}
    with world.store.read() as tx:
        assert consents.standings(tx, [john])[john, MARKETING].state is GRANTED
        assert [item.name for item in people.search(tx, JOHN)] == ["John"]


def test_whoever_is_told_of_everything_takes_nobody_else_along(world: World) -> None:
    jane = world.person(JANE, (SHOP, "customer:55"))
    owner = world.person(JOHN, name="The owner", email="")
    order = world.event("order:77", "customer:55", body={"phone": JANE})
    to_jane = world.message(order, jane)
    to_owner = world.message(order, owner, to=JOHN)
    erase(world.store, digest, owner)
    assert world.row("message", to_owner).recipient == ""
    assert world.row("message", to_jane).recipient == JANE
    assert JANE.encode() in world.row("request", order.request_id).body


def test_what_others_were_told_about_an_erased_person_is_emptied(world: World) -> None:
    jane = world.person(JANE, (SHOP, "customer:55"))
    owner = world.person(JOHN, name="The owner", email="")
    order = world.event("order:77", "customer:55")
    told = world.message(order, owner, to=JOHN)
    waiting = world.message(order, owner, to=JOHN, state=State.WAITING)
    erase(world.store, digest, jane)
    assert world.row("message", told).slots == {}
    assert world.row("message", told).recipient == JOHN
    assert (world.row("message", waiting).state, world.row("message", waiting).reason) == ("cancelled", "erased")


def test_the_events_of_a_record_that_somebody_else_has_are_theirs(world: World) -> None:
    jane = world.person(JANE, (CRM, "Contact:003A"))
    world.person(JOHN, (CRM, "Contact:003B"), email="")
    deal = world.event("Opportunity:006", "Contact:003A", account_id=CRM, body={"deal": 1})
    task = world.event("Task:00T", "Opportunity:006", "Contact:003B", account_id=CRM, body={"task": 1})
    note = world.event("Note:002", "Opportunity:006", account_id=CRM, body={"note": 1})
    erase(world.store, digest, jane)
    assert [world.row("request", each.request_id).body != b"{}" for each in (deal, task, note)] == [False, True, False]


def test_an_address_that_a_family_shares_leads_to_nobody(world: World) -> None:
    jane = world.person(JANE)
    world.person(JOHN, name="John")
    shared = world.request({"email": EMAIL})
    own = world.request({"phone": "0044 7400 123456"})
    erase(world.store, digest, jane)
    assert EMAIL.encode() in world.row("request", shared).body
    assert world.row("request", own).body == b"{}"


def test_whoever_was_merged_is_erased_too(world: World) -> None:
    keep, gone = world.person(JANE), world.person(JOHN, name="Jane Before", email="")
    world.said(gone, REVOKED)
    with world.store.write() as tx:
        world.people.merge(tx, keep, gone, "The same person.", AT)
    done = erase(world.store, digest, keep)
    assert done.refusals == 2
    after = world.everything(but=("suppression",))
    for needle in ("Jane Before", JOHN[1:], keep, gone):
        assert needle not in after


def test_whoever_refused_starts_out_revoked_when_they_come_again(world: World) -> None:
    jane = world.person(JANE, (SHOP, "customer:55"))
    world.said(jane, REVOKED)
    world.said(jane, GRANTED, purpose=UTILITY)
    assert erase(world.store, digest, jane).refusals == 1
    assert JANE[1:] not in world.everything()
    again = world.person(JANE)
    assert again != jane
    with world.store.read() as tx:
        standings = consents.standings(tx, [again])
    assert {purpose: item.state for (_, purpose), item in standings.items()} == {MARKETING: REVOKED}
    world.said(again, GRANTED, at=now() - timedelta(minutes=1))
    with world.store.read() as tx:
        assert consents.standings(tx, [again])[again, MARKETING].state is GRANTED


@pytest.mark.parametrize(
    ("before", "after"), [("+5511987654321", "+551187654321"), ("+525512345678", "+5215512345678")]
)
def test_a_refusal_is_known_again_in_every_spelling(world: World, before: str, after: str) -> None:
    somebody = world.person(before)
    world.said(somebody, REVOKED)
    erase(world.store, digest, somebody)
    with world.store.write() as tx:
        again = world.people.resolve(tx, [Sighting(keys=(Key(KeyKind.WA_ID, after),), seen_at=AT)], AT)[0]
        assert consents.standings(tx, [again])[again, MARKETING].state is REVOKED


def test_whoever_never_refused_leaves_nothing(world: World) -> None:
    jane = world.person()
    world.said(jane, GRANTED)
    assert erase(world.store, digest, jane).refusals == 0
    assert "suppression: " not in world.everything()


def test_what_was_emptied_cannot_be_replayed_and_says_so(world: World) -> None:
    jane = world.person(JANE, (SHOP, "customer:55"))
    event = world.event("order:77", "customer:55", label="#1001")
    erase(world.store, digest, jane)
    plan = replay.survey(world.store, Selection(term="#1001"))
    assert (plan.requests, plan.emptied) == (0, 1)
    assert "1 request emptied when a person was erased: they cannot be replayed." in list(plan.words())
    assert replay.survey(world.store, Selection(since=AT - timedelta(days=1))).requests == 0
    assert world.row("request", event.request_id).words == "Emptied when a person was erased; it cannot be replayed."


def test_a_request_that_waits_is_not_read_any_more(world: World) -> None:
    jane = world.person(JANE)
    waiting = world.request({"phone": JANE}, state="new")
    erase(world.store, digest, jane)
    assert world.row("request", waiting).state == "ignored"


def test_what_comes_between_searching_and_erasing_is_found_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from connector.flow import privacy

    jane, late = world.person(), []
    search = privacy.search

    def slow(*given: object, **more: object) -> privacy.Mentions:
        found = search(*given, **more)  # type: ignore[arg-type]
        late.append(world.request({"phone": JANE}))
        return found

    monkeypatch.setattr(privacy, "search", slow)
    erase(world.store, digest, jane)
    assert world.row("request", late[0]).body == b"{}"


def test_many_requests_are_searched_page_by_page_with_progress(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from connector.flow import privacy

    monkeypatch.setattr(privacy, "PAGE", 2)
    jane, seen = world.person(), []
    mine = [world.request({"phone": JANE} if number % 2 else {"n": number}) for number in range(5)]
    erase(world.store, digest, jane, lambda what, number: seen.append((what, number)))
    assert seen == [("requests read", 2), ("requests read", 4), ("requests read", 5)]
    assert [world.row("request", number).body == b"{}" for number in mine] == [False, True, False, True, False]


def test_replaying_nothing_at_all_is_still_refused(world: World) -> None:
    with pytest.raises(ConfigurationError, match="Say what to replay"):
        replay.survey(world.store, Selection())


def test_no_byte_of_an_erased_person_stays_in_the_file(sqlite_store: Store, tmp_path: Path) -> None:
    world = World(sqlite_store)
    jane = world.person()
    for number in range(40):
        world.message(world.event(f"order:{number}", body={"phone": JANE, "note": NAME * (number * 10)}), jane)
        world.reply()
    erase(sqlite_store, digest, jane)
    with sqlite_store.read() as tx:
        (mode,) = tx.exec_driver_sql("PRAGMA secure_delete").one()
    assert mode == 0
    sqlite_store.close()
    assert not (tmp_path / "connector.db-wal").exists()
    found = (tmp_path / "connector.db").read_bytes()
    assert [found.count(needle.encode()) for needle in (NAME, JANE[1:])] == [0, 0]
