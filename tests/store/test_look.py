"""Looking, finding and counting, on both databases."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.model import State
from connector.store import Store, counts, find, look
from connector.store.inbox import RequestState
from connector.store.views import EventFilter, MessageFilter
from tests.scene import BODY, CHANNEL, PHONE, SLOTS, START, TEMPLATE, Scene


@pytest.fixture
def scene(store: Store) -> Scene:
    return Scene(store)


def test_events_come_newest_first_with_their_decisions(scene: Scene) -> None:
    old = scene.event("#1", at=START)
    new = scene.event("#2", at=START + timedelta(minutes=1))
    scene.skip(old)
    with scene.store.read() as tx:
        rows = look.list_events(tx, EventFilter())
    assert [row.id for row in rows] == [new, old]
    assert rows[0].decisions == ()
    assert rows[1].account == "main-store"
    (told,) = rows[1].decisions
    assert (told.reason, told.steps[-1].name, told.steps[-1].ok) == ("no_agreement", "agreement", False)


@pytest.mark.parametrize(
    ("wanted", "labels"),
    [
        (EventFilter(label="1"), ["#1"]),
        (EventFilter(label="#1"), ["#1"]),
        (EventFilter(type="order.created"), ["#3"]),
        (EventFilter(verdict="send"), ["#1"]),
        (EventFilter(verdict="skip"), ["#2"]),
        (EventFilter(verdict="none"), ["#3"]),
        (EventFilter(reason="no_agreement"), ["#2"]),
        (EventFilter(reason="condition_not_met"), []),
        (EventFilter(mapping="order_paid"), ["#2", "#1"]),
        (EventFilter(subject="order:3"), ["#3"]),
        (EventFilter(account="main-store"), ["#3", "#2", "#1"]),
        (EventFilter(account="another"), []),
        (EventFilter(since=START + timedelta(minutes=2)), ["#3"]),
        (EventFilter(ids=[]), []),
    ],
)
def test_events_are_narrowed(scene: Scene, wanted: EventFilter, labels: list[str]) -> None:
    scene.message(label="#1", at=START)
    scene.skip(scene.event("#2", at=START + timedelta(minutes=1)))
    scene.event("#3", at=START + timedelta(minutes=2), type_="order.created", subject="order:3")
    with scene.store.read() as tx:
        assert [row.label for row in look.list_events(tx, wanted)] == labels


def test_messages_are_narrowed_and_paged_without_gap_or_repeat(scene: Scene) -> None:
    made = [scene.message(label=f"#{n}", at=START + timedelta(seconds=n)) for n in range(7)]
    scene.message(label="#x", state=State.FAILED, mapping="other", recipient="+33612345678")
    with scene.store.read() as tx:
        wanted = MessageFilter(states=(State.READ,), mapping="order_paid", recipients=(PHONE,))
        seen: list[str] = []
        while page := look.list_messages(tx, wanted, before=seen[-1] if seen else "", most=3):
            seen += [row.id for row in page]
        assert seen == made[::-1]
        assert [row.label for row in look.list_messages(tx, MessageFilter(label="x"))] == ["#x"]
        assert len(look.list_messages(tx, MessageFilter(since=START + timedelta(seconds=5)))) == 2


def test_a_message_comes_with_everything_about_it(scene: Scene) -> None:
    id_ = scene.message()
    scene.attempt(id_)
    scene.receipt(id_, "read", at=START + timedelta(seconds=9))
    scene.receipt(id_, "sent", at=START + timedelta(seconds=3))
    with scene.store.read() as tx:
        file = look.message_file(tx, id_)
        assert look.message_file(tx, "0" * 26) is None
    assert file is not None
    assert file.message.slots == SLOTS
    assert (file.message.source, file.message.channel) == ("main-store", "hotline")
    assert file.event is not None
    assert file.event.decisions[0].message_id == id_
    assert file.request is not None
    assert file.request.size == len(BODY)
    assert [row.word for row in file.receipts] == ["sent", "read"]
    assert file.attempts[0].outcome == "accepted"
    assert file.template == TEMPLATE


def test_an_event_comes_with_the_messages_that_it_led_to(scene: Scene) -> None:
    event = scene.event()
    first = scene.message(event, mapping="one")
    second = scene.message(event, mapping="two", at=START + timedelta(seconds=1))
    with scene.store.read() as tx:
        file = look.event_file(tx, event)
        assert look.event_file(tx, "0" * 26) is None
    assert file is not None
    assert [item.message.id for item in file.messages] == [first, second]


def test_requests_that_produced_nothing_are_listed_by_default(scene: Scene) -> None:
    for state in RequestState:
        scene.request(state=state)
    with scene.store.read() as tx:
        assert {row.state for row in look.list_requests(tx)} == {"ignored", "unreadable", "broken"}
        assert len(look.list_requests(tx, ())) == 5
        (row,) = look.list_requests(tx, ("unreadable",))
        assert look.list_requests(tx, ("unreadable",), before=row.id) == []
        assert look.list_requests(tx, (), since=START + timedelta(seconds=1)) == []


def test_what_a_person_wrote_is_found_by_their_number(scene: Scene) -> None:
    scene.reply()
    with scene.store.read() as tx:
        (row,) = look.inbound_from(tx, find.phones(PHONE))
        assert [said.id for said in look.inbound_of(tx, [row.request_id])] == [row.id]


@pytest.mark.parametrize("term", ["#1001", "1001", " 1001 "])
def test_an_order_is_found_by_its_label(scene: Scene, term: str) -> None:
    event = scene.event("#1001")
    scene.event("#1002")
    with scene.store.read() as tx:
        assert find.find(tx, term).event_ids == (event,)


@pytest.mark.parametrize(
    "term", ["+491701234567", "00491701234567", "491701234567", "+49 (170) 123-4567", "0170 1234567", "170/1234567"]
)
def test_a_person_is_found_by_any_way_to_write_the_number(scene: Scene, term: str) -> None:
    id_ = scene.message()
    scene.message(label="#2", recipient="+33612345678")
    with scene.store.read() as tx:
        assert find.find(tx, term).message_ids == (id_,)


def test_a_person_whose_message_was_skipped_is_found_though_the_trace_hides_the_number(scene: Scene) -> None:
    event = scene.event()
    scene.skip(event)
    other = scene.request(body=b'{"phone":"0171 9999967"}')  # the same last two digits
    scene.skip(scene.event("#2", request_id=other))
    with scene.store.read() as tx:
        for term in ("+49 170 1234567", "0170 1234567"):
            assert find.find(tx, term).event_ids == (event,)
        assert not find.find(tx, "+49 170 1234568")


@pytest.mark.parametrize(
    "written", ["+1 (272) 555-0160", "001 272 555 0160", "272.555.0160", "1-272-555-0160", "+1 (0)272 5550160"]
)
def test_a_number_of_a_skipped_event_is_theirs_however_it_is_written_and_nobody_elses(
    scene: Scene, written: str
) -> None:
    """Numbers of two area codes may have more than their last eight digits in common."""
    steps = [("recipient", True, "•••60")]
    for label, number in (("#1", written), ("#2", "+1 902 555 0160"), ("#3", "+1 172 555 0160")):
        body = json.dumps({"id": 5550160272, "phone": number}).encode()
        scene.skip(scene.event(label, request_id=scene.request(body=body)), steps=steps)
    with scene.store.read() as tx:
        (found,) = find.find(tx, "+12725550160").event_ids
        assert [row.label for row in look.list_events(tx, EventFilter(ids=[found]))] == ["#1"]


def test_things_are_found_by_ids_of_ours_and_of_vendors(scene: Scene) -> None:
    request = scene.request(key="b54557e4-bdd9-4b37-8a5f-bf7d70bcd043")
    event = scene.event(subject="order:5521009", request_id=request)
    message = scene.message(event)
    scene.receipt(None, "sent")
    with scene.store.read() as tx:
        assert find.find(tx, message).message_ids == (message,)
        assert find.find(tx, event.upper()).event_ids == (event,)
        assert find.find(tx, f"wamid.{message}").message_ids == (message,)
        assert find.find(tx, "5521009").event_ids == (event,)
        assert find.find(tx, "order:5521009").event_ids == (event,)
        assert find.find(tx, "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043").request_ids == (request,)
        assert find.find(tx, f"request {request}").request_ids == (request,)
        assert find.find(tx, str(request)).request_ids == (request,)


def test_a_receipt_that_nothing_fits_is_found_as_parked(scene: Scene) -> None:
    scene.receipt(None, "sent", remote_id="wamid.HBgLNDkxNzAxMjM0NTY3")
    with scene.store.read() as tx:
        assert find.find(tx, "wamid.HBgLNDkxNzAxMjM0NTY3").parked == ("wamid.HBgLNDkxNzAxMjM0NTY3",)


def test_finding_nothing_says_where_and_what_is_near(scene: Scene) -> None:
    scene.event("#1001")
    scene.event("#2001")
    with scene.store.read() as tx:
        found = find.find(tx, "#1009")
    assert not found
    assert found.near == ("#1001",)
    assert "labels of orders and other subjects" in found.looked
    assert not any("phone" in place for place in found.looked)


@settings(deadline=None)
@given(st.text(max_size=300))
def test_no_term_is_too_strange_to_look_for(term: str) -> None:
    assert all(form.lstrip("+").isdigit() for form in find.phones(term))


@pytest.mark.parametrize(
    "term", ["", "\0", "\ud800", "%", "_", "'; DROP TABLE event; --", "9" * 400, "٣٤٥٦٧٨٩١", "²²²²²²²"]
)
def test_strange_terms_find_nothing_and_break_nothing(scene: Scene, term: str) -> None:
    scene.message()
    with scene.store.read() as tx:
        assert not find.find(tx, term)


def test_everything_is_counted(scene: Scene) -> None:
    at = START + timedelta(hours=1)
    scene.message(state=State.WAITING, not_before=START + timedelta(minutes=5))
    scene.message(state=State.WAITING, not_before=at + timedelta(minutes=5))
    scene.message(state=State.IN_DOUBT)
    scene.message(state=State.READ)
    scene.skip(scene.event())
    scene.skip(scene.event())
    scene.skip(scene.event(), reason="no_recipient")
    scene.request(state="new", at=START + timedelta(minutes=1))
    scene.request(state="unreadable")
    scene.receipt(None, "sent")
    with scene.store.read() as tx:
        told = counts.count(tx, at)
    assert told.messages[State.WAITING] == told.outbox == 2
    assert told.messages[State.FAILED] == 0
    assert (told.due, told.in_doubt, told.inbox, told.parked) == (1, 1, 1, 1)
    assert told.requests[RequestState.UNREADABLE] == 1
    assert told.oldest == START + timedelta(minutes=1)
    assert list(told.skips.items()) == [("no_agreement", 2), ("no_recipient", 1)]


def test_an_empty_database_counts_to_nothing(scene: Scene) -> None:
    with scene.store.read() as tx:
        told = counts.count(tx, START)
        assert counts.funnel(tx).states[State.READ] == 0
    assert told.oldest is None
    assert set(told.messages) == set(State)
    assert sum(told.messages.values()) == 0


def test_each_step_of_the_funnel_holds_what_came_at_least_so_far(scene: Scene) -> None:
    for state in (State.WAITING, State.ACCEPTED, State.SENT, State.DELIVERED, State.READ):
        scene.message(state=state)
    scene.message(state=State.READ, accepted_at=None, sent_at=None, delivered_at=None)  # only the last receipt came
    scene.message(state=State.FAILED, accepted_at=START)
    scene.event()
    with scene.store.read() as tx:
        told = counts.funnel(tx)
        assert counts.funnel(tx, START + timedelta(hours=1)).events == 0
        assert counts.funnel(tx, mapping="other").planned == 0
    assert (told.events, told.planned, told.sent, told.delivered, told.read) == (8, 7, 6, 3, 2)
    assert told.failed == 1


def test_the_template_is_missing_where_it_was_never_synced(scene: Scene) -> None:
    id_ = scene.message(template="unknown", channel_id=CHANNEL)
    with scene.store.read() as tx:
        file = look.message_file(tx, id_)
    assert file is not None
    assert file.template is None
