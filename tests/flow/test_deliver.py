"""Sending: once, in time, gated again, and never lost by a crash."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import select

from connector.contract import Channel
from connector.errors import (
    CredentialsError,
    PermanentError,
    RemoteError,
    Scope,
    TemporaryError,
    UncertainError,
)
from connector.flow import outcome
from connector.flow.deliver import Drain
from connector.flow.pace import Pace
from connector.flow.settle import settle
from connector.http import Http
from connector.model import (
    AccountId,
    Category,
    Event,
    EventId,
    Message,
    MessageId,
    Receipt,
    RemoteId,
    RequestId,
    Send,
    Sent,
    State,
    Status,
    Template,
    now,
)
from connector.store import Store, accounts, events, leases, outbox, templates
from connector.store.events import NewEvent
from connector.store.schema import attempt
from tests.desks import desk_over

SHOP, NUMBER = AccountId("shop"), AccountId("number")


class FakeChannel(Channel):
    """Answers as told; remembers what left."""

    rate = 2000.0
    doubt_seconds = 60.0

    def __init__(self, answer: Callable[[Message, int], Sent] | None = None) -> None:
        self.sent: list[MessageId] = []
        self.most_at_once = 0
        self._now = 0
        self._answer = answer or (lambda message, _: Sent(RemoteId(f"w-{message.id}"), "447700900123"))
        self._lock = threading.Lock()

    def send(self, message: Message) -> Sent:
        with self._lock:
            self.sent.append(message.id)
            time_ = self.sent.count(message.id)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            return self._answer(message, time_)
        finally:
            with self._lock:
                self._now -= 1

    def templates(self) -> Iterable[Template]:
        return ()


def raises(error: RemoteError, times: int = 99) -> Callable[[Message, int], Sent]:
    def answer(message: Message, time_: int) -> Sent:
        if time_ <= times:
            raise error
        return Sent(RemoteId(f"w-{message.id}"))

    return answer


@pytest.fixture
def put(store: Store) -> Callable[..., MessageId]:
    at = now()
    with store.write() as tx:
        for id_ in (SHOP, NUMBER):
            accounts.add(
                tx,
                accounts.AccountRow(
                    id=id_, adapter="x", name=id_, token=id_, settings={}, secrets="", created_at=at, updated_at=at
                ),
            )
        approved = Template(name="paid", language="en", category=Category.UTILITY, status="approved")
        templates.upsert_all(tx, NUMBER, [approved], at)

    def make(id_: str, *, subject: str = "order:1", due: datetime | None = None, **send: Any) -> MessageId:
        moment = now()
        message = outbox.NewMessage(
            id=MessageId(id_),
            event_id=EventId("e"),
            mapping="shop/paid",
            version=1,
            source_id=SHOP,
            dedupe_key=id_,
            subject=subject,
            label="#1",
            occurred_at=moment,
            send=Send(
                channel=NUMBER,
                recipient="+447400123456",
                template="paid",
                language="en",
                category=Category.UTILITY,
                slots={"body.1": "x"},
                not_before=due or moment,
                **send,
            ),
        )
        with store.write() as tx:
            outbox.add(tx, [message], moment)
        return message.id

    return make


def drain(
    store: Store, channel: FakeChannel, *, owner: str = "me", threads: int = 8, seconds: float = 60, once: bool = False
) -> Drain:
    """Drain until nothing is due; ``once``: begin nothing more after the first send."""
    end = time.monotonic() + seconds

    def should_stop() -> bool:
        return time.monotonic() > end or (once and bool(channel.sent))

    job = Drain(store, NUMBER, channel, desk_over(store), owner=owner, threads=threads, should_stop=should_stop)
    job.run(lambda: None)
    return job


def row(store: Store, id_: str) -> outbox.Row:
    with store.write() as tx:
        return outbox.load(tx, [MessageId(id_)])[0]


def after_the_doubt() -> time_machine.travel:
    """Go to where nobody waits any more for a receipt of what was in doubt."""
    return time_machine.travel(now() + timedelta(seconds=FakeChannel.doubt_seconds + 1))


def make_due(store: Store, id_: str) -> None:
    with store.write() as tx:
        found = outbox.load(tx, [MessageId(id_)])[0]
        found.not_before = now()
        outbox.save(tx, [found])


def test_what_is_due_is_sent_once_and_accepted(store: Store, put: Callable[..., MessageId]) -> None:
    ids = [put(f"m{n}") for n in range(40)]
    channel = FakeChannel()

    drain(store, channel)

    assert sorted(channel.sent) == sorted(ids)
    found = row(store, "m1")
    assert (found.state, found.remote_id, found.recipient_id) == (State.ACCEPTED, "w-m1", "447700900123")
    assert found.lease_owner is None


def test_the_attempt_is_written_before_the_call(store: Store, put: Callable[..., MessageId]) -> None:
    put("m1")
    seen = []

    def answer(message: Message, _: int) -> Sent:
        with store.read() as tx:
            seen.append(tx.execute(select(attempt.c.outcome).where(attempt.c.message_id == message.id)).scalar_one())
        return Sent(RemoteId("w1"))

    drain(store, FakeChannel(answer))

    assert seen == [""]


def test_what_was_said_on_the_wire_is_kept_with_the_attempt(store: Store, put: Callable[..., MessageId]) -> None:
    put("m1")
    answers = [b'{"error": "busy"}', b'{"id": "w1"}']
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_answer_each, args=(listener, answers), daemon=True).start()
        port = listener.getsockname()[1]
        http = Http([f"127.0.0.1:{port}"])

        def answer(message: Message, time_: int) -> Sent:
            body = {"to": message.recipient, "access_token": "s3cr3t-token"}
            found = http.request("POST", f"http://127.0.0.1:{port}/messages", json=body)
            if time_ == 1:
                raise TemporaryError("busy", retry_after=0.01)
            return Sent(RemoteId(str(found.status)))

        drain(store, FakeChannel(answer), once=True)
        make_due(store, "m1")
        drain(store, FakeChannel(lambda message, _: answer(message, 2)))

    with store.read() as tx:
        kept = tx.execute(select(attempt.c.outcome, attempt.c.exchange).order_by(attempt.c.id)).all()
    assert [row.outcome for row in kept] == ["temporary", "accepted"]
    calls = [row.exchange[0] for row in kept]
    assert [call["answer"] for call in calls] == ['{"error": "busy"}', '{"id": "w1"}']
    assert all("+447400123456" in call["request"] and "s3cr3t" not in call["request"] for call in calls)


def _answer_each(listener: socket.socket, answers: list[bytes]) -> None:
    for body in answers:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as request:
            head_lines = [line.lower() for line in iter(request.readline, b"\r\n")]
            (length,) = [int(line.split(b":")[1]) for line in head_lines if line.startswith(b"content-length:")]
            request.read(length)  # closed with something unread, it would be reset, and the answer lost
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            connection.sendall(head.encode() + body)


def test_no_more_are_in_flight_than_there_are_threads(store: Store, put: Callable[..., MessageId]) -> None:
    for n in range(12):
        put(f"m{n}")

    def answer(message: Message, _: int) -> Sent:
        time.sleep(0.05)
        return Sent(RemoteId(message.id))

    channel = FakeChannel(answer)
    drain(store, channel, threads=3)

    assert channel.most_at_once <= 3
    assert len(channel.sent) == 12


def test_what_is_not_yet_due_waits(store: Store, put: Callable[..., MessageId]) -> None:
    put("m1", due=now() + timedelta(hours=1))
    channel = FakeChannel()

    drain(store, channel)

    assert channel.sent == []
    assert row(store, "m1").state is State.WAITING


def test_only_one_drain_owns_a_number(store: Store, put: Callable[..., MessageId]) -> None:
    put("m1")
    with store.write() as tx:
        leases.acquire(tx, f"deliver:{NUMBER}", "somebody else", 60)
    channel = FakeChannel()

    drain(store, channel)

    assert channel.sent == []


def test_an_expired_message_is_not_sent(store: Store, put: Callable[..., MessageId]) -> None:
    put("m1", due=now() - timedelta(hours=3), expires_at=now() - timedelta(hours=1))
    channel = FakeChannel()

    drain(store, channel)

    assert channel.sent == []
    assert (row(store, "m1").state, row(store, "m1").reason) == (State.EXPIRED, "too_late")


def test_a_message_whose_cancelling_event_is_stored_is_cancelled_at_the_last_moment(
    store: Store, put: Callable[..., MessageId]
) -> None:
    put("m1", subject="checkout:ab", cancel_when=("order.created",))
    at = now()
    bought = Event(
        key="k", type="order.created", topic="t", subject="order:9", about=("checkout:ab",), label="#9",
        occurred_at=at, payload={},
    )  # fmt: skip
    with store.write() as tx:
        new = NewEvent(id=EventId("e9"), account_id=SHOP, request_id=RequestId(1), position=0, event=bought)
        events.add(tx, [new], at)
    channel = FakeChannel()

    drain(store, channel)

    assert channel.sent == []
    assert (row(store, "m1").state, row(store, "m1").words) == (State.CANCELLED, "order.created came first.")


def test_a_paused_template_holds_its_messages_and_a_disabled_one_drops_them(
    store: Store, put: Callable[..., MessageId]
) -> None:
    channel = FakeChannel()
    for status, state in (("paused", State.WAITING), ("disabled", State.SKIPPED)):
        with store.write() as tx:
            changed = Template(name="paid", language="en", category=Category.UTILITY, status=status)
            templates.upsert_all(tx, NUMBER, [changed], now())
        put(status)
        drain(store, channel)
        assert row(store, status).state is state

    assert channel.sent == []
    assert row(store, "paused").reason == "held"


def test_a_template_that_became_marketing_after_planning_is_not_sent(
    store: Store, put: Callable[..., MessageId]
) -> None:
    put("m1")
    with store.write() as tx:
        changed = Template(name="paid", language="en", category=Category.MARKETING, status="approved")
        templates.upsert_all(tx, NUMBER, [changed], now())
    channel = FakeChannel()

    drain(store, channel)

    assert channel.sent == []
    assert row(store, "m1").state is State.SKIPPED


def test_a_temporary_refusal_is_tried_again_later(store: Store, put: Callable[..., MessageId]) -> None:
    put("m1")
    channel = FakeChannel(raises(TemporaryError("Busy.", code="131016", status=400), times=1))

    drain(store, channel, once=True)
    assert (row(store, "m1").state, row(store, "m1").code) == (State.WAITING, "131016")
    make_due(store, "m1")
    drain(store, channel)

    assert row(store, "m1").state is State.ACCEPTED
    assert len(channel.sent) == 2


def test_a_permanent_refusal_is_the_end(store: Store, put: Callable[..., MessageId]) -> None:
    put("m1")

    drain(store, FakeChannel(raises(PermanentError("No.", code="131026", advice="Check the number."))))

    found = row(store, "m1")
    assert (found.state, found.code, found.words) == (State.FAILED, "131026", "No. Check the number.")


def test_a_bug_in_an_adapter_ends_in_a_visible_message(store: Store, put: Callable[..., MessageId]) -> None:
    put("m1")

    def answer(message: Message, _: int) -> Sent:
        raise KeyError("oops")

    drain(store, FakeChannel(answer))

    assert (row(store, "m1").state, row(store, "m1").code) == (State.FAILED, "bug")


def test_bad_credentials_suspend_the_account_and_burn_nothing(store: Store, put: Callable[..., MessageId]) -> None:
    for n in range(30):
        put(f"m{n}")
    channel = FakeChannel(raises(CredentialsError("The token has expired.", code="190")))

    job = drain(store, channel, threads=4)

    assert "expired" in job.tally.suspended
    assert len(channel.sent) <= 12
    assert {row(store, f"m{n}").state for n in range(30)} == {State.WAITING}
    assert {row(store, f"m{n}").tries for n in range(30)} == {0}
    with store.read() as tx:
        account = accounts.get(tx, NUMBER)
    assert account is not None
    assert not account.active


def test_a_template_refusal_parks_the_template_and_not_only_the_message(
    store: Store, put: Callable[..., MessageId]
) -> None:
    put("m1")

    drain(store, FakeChannel(raises(TemporaryError("Paused.", code="132015", scope=Scope.TEMPLATE))), once=True)

    with store.read() as tx:
        assert templates.standings(tx, NUMBER)["paid", "en"][0] == "paused"
    assert (row(store, "m1").state, row(store, "m1").tries) == (State.WAITING, 0)


def test_an_uncertain_send_waits_for_a_receipt_and_is_not_repeated_blindly(
    store: Store, put: Callable[..., MessageId]
) -> None:
    put("m1")
    channel = FakeChannel(raises(UncertainError("No answer.")))

    drain(store, channel, once=True)
    assert row(store, "m1").state is State.IN_DOUBT
    with store.write() as tx:
        heard = Receipt(
            key="w1:sent", remote_id=RemoteId("w1"), message_id=MessageId("m1"), status=Status.SENT, word="sent",
            occurred_at=now(),
        )  # fmt: skip
        settle(tx, [(NUMBER, heard)], now())
    with after_the_doubt():
        drain(store, channel)

    assert row(store, "m1").state is State.SENT
    assert len(channel.sent) == 1


@pytest.mark.parametrize(("resend", "state", "sends"), [(True, State.ACCEPTED, 2), (False, State.FAILED, 1)])
def test_a_doubt_without_a_receipt_ends_as_the_mapping_says(
    store: Store, put: Callable[..., MessageId], resend: bool, state: State, sends: int
) -> None:
    put("m1", resend_in_doubt=resend)
    channel = FakeChannel(raises(UncertainError("No answer."), times=1))

    drain(store, channel, once=True)
    with after_the_doubt():
        drain(store, channel)

    assert (row(store, "m1").state, len(channel.sent)) == (state, sends)


def test_what_a_dead_drain_had_in_flight_is_in_doubt_and_not_sent_twice_at_once(
    store: Store, put: Callable[..., MessageId]
) -> None:
    put("m1")
    with store.write() as tx:
        outbox.begin(tx, [outbox.Cleared(row) for row in outbox.due(tx, NUMBER, 5)], "the dead one", 60)
    channel = FakeChannel()

    drain(store, channel, seconds=0.1)

    assert row(store, "m1").state is State.IN_DOUBT
    assert channel.sent == []


def test_what_a_dead_drain_had_in_flight_is_noticed_as_soon_as_nobody_sends(
    store: Store, put: Callable[..., MessageId]
) -> None:
    put("m1")
    with store.write() as tx:
        leases.acquire(tx, outbox.drain_lease(NUMBER), "the dead one", 60)
        outbox.begin(tx, [outbox.Cleared(row) for row in outbox.due(tx, NUMBER, 5)], "the dead one", 60)
        assert outbox.restless(tx, [NUMBER]) == []

    with store.write() as tx:
        leases.release(tx, outbox.drain_lease(NUMBER), "the dead one")
        assert outbox.restless(tx, [NUMBER]) == [NUMBER]


def test_a_receipt_that_comes_before_the_reply_is_not_undone_by_it(store: Store, put: Callable[..., MessageId]) -> None:
    put("m1")

    def answer(message: Message, _: int) -> Sent:
        heard = Receipt(
            key="w1:read", remote_id=RemoteId("w1"), message_id=message.id, status=Status.READ, word="read",
            occurred_at=now(),
        )  # fmt: skip
        with store.write() as tx:
            settle(tx, [(NUMBER, heard)], now())
        return Sent(RemoteId("w1"), "447700900123")

    drain(store, FakeChannel(answer))

    found = row(store, "m1")
    assert (found.state, found.recipient_id) == (State.READ, "447700900123")


def test_being_told_to_stop_finishes_what_is_in_flight_and_begins_nothing(
    store: Store, put: Callable[..., MessageId]
) -> None:
    for n in range(50):
        put(f"m{n:02}")
    stop = threading.Event()

    def answer(message: Message, _: int) -> Sent:
        stop.set()
        time.sleep(0.1)
        return Sent(RemoteId(message.id))

    channel = FakeChannel(answer)
    Drain(store, NUMBER, channel, desk_over(store), owner="me", threads=4, should_stop=stop.is_set).run(lambda: None)

    states = [row(store, f"m{n:02}").state for n in range(50)]
    assert len(channel.sent) <= 8
    assert states.count(State.ACCEPTED) == len(channel.sent)
    assert states.count(State.WAITING) == 50 - len(channel.sent)


def test_pace_keeps_the_rate_and_halves_it_when_told() -> None:
    at = [0.0]
    pace = Pace(100, clock=lambda: at[0])
    first = pace.take(1000)
    taken = 0
    for _ in range(100):
        at[0] += 0.01
        taken += pace.take(1000)

    assert first == 10
    assert taken == 100
    pace.slow_down()
    pace.slow_down()
    assert pace.rate == 50


def test_waits_between_tries_grow_as_the_channel_asks() -> None:
    at = now()
    waits = []
    for tries in range(1, 7):
        item = _row(tries, at)
        outcome.refuse(item, TemporaryError("Busy.", retry_after=1), at, doubt_seconds=90)
        waits.append((item.not_before - at).total_seconds())

    assert waits == sorted(waits)
    assert 0.9 <= waits[0] <= 1.2
    assert 230 <= waits[4] <= 308


def _row(tries: int, at: datetime) -> outbox.Row:
    return outbox.Row(
        id=MessageId("m"), channel_id=NUMBER, source_id=SHOP, event_id=EventId("e"), mapping="m",
        version=1, subject="s", label="#1", contact_id=None, gates={},
        template="t", language="en",
        category="utility", recipient="", slots={}, state=State.SENDING, reason="", words="", code="", tries=tries,
        remote_id=None, in_reply_to=None, recipient_id="", cancel_when=[], resend_in_doubt=True,
        created_at=at, occurred_at=at,
        not_before=at, expires_at=None, lease_owner="me", lease_until=at, accepted_at=None, sent_at=None,
        delivered_at=None, read_at=None, ended_at=None,
    )  # fmt: skip
