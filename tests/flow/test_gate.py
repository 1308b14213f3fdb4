"""The last gate: what holds when a message leaves, and not what held when it was planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update

from connector.flow import gate, ledger
from connector.mapping.people import PeoplePolicy
from connector.model import (
    Category,
    ConsentState,
    ContactId,
    Entry,
    EventId,
    MessageId,
    Purpose,
    Send,
    Source,
    State,
    TemplateChange,
    new_id,
)
from connector.store import Store, outbox, people, templates
from connector.store.outbox import Row
from connector.store.schema import attempt, contact, message, metadata
from tests.flow.world import ANN, AT, BEN, NUMBER, OFFER, SHOP, World

NEW_YORK, LONDON = "+12125550123", ANN


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


def put(world: World, id_: str, contact_id: ContactId | None, *, mapping: str = "shop/paid", **given: Any) -> MessageId:
    """Have a message wait: a utility one, unless told otherwise."""
    told = {"recipient": ANN, "template": "paid", "category": Category.UTILITY, "not_before": AT} | given
    with world.store.write() as tx:
        outbox.add(
            tx,
            [
                outbox.NewMessage(
                    id=MessageId(id_), event_id=EventId("e"), mapping=mapping, version=1, source_id=SHOP,
                    dedupe_key=id_, subject=f"order:{id_}", label="#1", occurred_at=AT, contact_id=contact_id,
                    send=Send(channel=NUMBER, language="en", slots={"body.1": "x", "text": "x"}, **told),
                )
            ],
            AT,
        )  # fmt: skip
    return MessageId(id_)


def marketing(**more: Any) -> dict[str, Any]:
    return {"template": "offer", "category": Category.MARKETING} | more


def enter(
    world: World,
    id_: ContactId,
    state: ConsentState,
    purpose: Purpose = Purpose.MARKETING,
    *,
    at: datetime = AT,
    source: Source = Source.KEYWORD,
) -> None:
    entry = Entry(
        id=new_id(), contact_id=id_, purpose=purpose, state=state, source=source, occurred_at=at, learned_at=at
    )
    with world.store.write() as tx:
        ledger.enter(tx, [(entry.id, entry)], at)


def ask(
    world: World, *ids: MessageId, at: datetime = AT, policy: PeoplePolicy | None = None
) -> tuple[list[MessageId], Mapping[MessageId, Row]]:
    """Ask the gate about messages; return which may leave, and all as it left them."""
    with world.store.write() as tx:
        rows = outbox.load(tx, ids)
        known = gate.learn(tx, rows, templates.standings(tx, NUMBER), policy or PeoplePolicy(), at)
        cleared = gate.clear(rows, known, at)
        outbox.save(tx, rows)
    return [item.row.id for item in cleared], {row.id: row for row in rows}


def verdict(rows: Mapping[MessageId, Row], id_: MessageId) -> tuple[str, str]:
    return rows[id_].state.value, rows[id_].reason


class TestConsent:
    def test_who_revoked_since_it_was_planned_gets_nothing(self, world: World) -> None:
        world.publish("shop/paid", OFFER)
        world.event("order.paid", "order:1", phone=ANN, name="#1", agrees=True, ago=5)
        world.work()
        assert world.standing() == "granted"
        world.reply("STOP")
        world.work()

        sent, _ = world.send()

        assert [message.template for message in sent] == [""]  # the confirmation alone
        (row,) = [row for row in world.messages() if row.template]
        assert (row.state, row.reason) == ("skipped", "revoked")
        assert "by a word that the person wrote" in row.words
        assert ANN not in row.words

    def test_each_purpose_is_asked_about_by_itself(self, world: World) -> None:
        ann = world.who(ANN)
        enter(world, ann, ConsentState.REVOKED, Purpose.MARKETING)
        paid, offer = put(world, "paid", ann), put(world, "offer", ann, **marketing())

        assert ask(world, paid, offer)[0] == [paid]

    def test_marketing_needs_a_grant_and_a_message_to_nobody_known_has_none(self, world: World) -> None:
        ids = put(world, "a", world.who(ANN), **marketing()), put(world, "b", None, **marketing())

        cleared, rows = ask(world, *ids)
        assert cleared == []
        assert {verdict(rows, id_) for id_ in ids} == {("skipped", "no_agreement")}

    def test_utility_on_the_ground_of_consent_needs_a_grant(self, world: World) -> None:
        ann = world.who(ANN)
        id_ = put(world, "a", ann, ground="consent")
        cleared, rows = ask(world, id_)
        assert (cleared, verdict(rows, id_)) == ([], ("skipped", "no_agreement"))

        enter(world, ann, ConsentState.GRANTED, Purpose.UTILITY)
        again = put(world, "b", ann, ground="consent")
        assert ask(world, again)[0] == [again]

    @pytest.mark.parametrize(("field", "reason"), [("blocked_at", "blocked"), ("unreachable_at", "unreachable")])
    def test_who_is_blocked_or_not_there_gets_nothing(self, world: World, field: str, reason: str) -> None:
        ann = world.who(ANN)
        enter(world, ann, ConsentState.GRANTED)
        with world.store.write() as tx:
            tx.execute(update(contact).values({field: AT}))
        id_ = put(world, "a", ann)

        cleared, rows = ask(world, id_)
        assert (cleared, verdict(rows, id_)) == ([], ("skipped", reason))

    def test_who_was_erased_gets_nothing(self, world: World) -> None:
        ann = world.who(ANN)
        with world.store.write() as tx:
            people.heard(tx, {(ann, NUMBER): AT})
        ids = put(world, "a", ann), put(world, "b", ann, template="", category=Category.UTILITY)
        with world.store.write() as tx:
            tx.execute(delete(contact))

        cleared, rows = ask(world, *ids)
        assert cleared == []
        assert {verdict(rows, id_) for id_ in ids} == {("skipped", "erased")}

    def test_who_was_merged_since_is_asked_about_as_who_they_are_now(self, world: World) -> None:
        ann, other = world.who(ANN), world.who(BEN)
        id_ = put(world, "a", other)
        with world.store.write() as tx:
            world.desk.people.merge(tx, ann, other, "The same.", AT)
        enter(world, ann, ConsentState.REVOKED, Purpose.UTILITY)

        cleared, rows = ask(world, id_)
        assert (cleared, verdict(rows, id_)) == ([], ("skipped", "revoked"))

    def test_a_message_written_while_its_person_was_merged_is_theirs_as_well(self, world: World) -> None:
        ann, other = world.who(ANN), world.who(BEN)
        enter(world, other, ConsentState.REVOKED, Purpose.UTILITY)
        with world.store.write() as tx:
            world.desk.people.merge(tx, ann, other, "The same.", AT)
        id_ = put(world, "a", other)  # by whoever had looked before

        cleared, rows = ask(world, id_)
        assert (cleared, verdict(rows, id_)) == ([], ("skipped", "revoked"))


class TestTemplates:
    def change(self, world: World, **told: str) -> None:
        with world.store.write() as tx:
            templates.apply_change(tx, NUMBER, TemplateChange(name="paid", language="en", **told), AT)

    def test_what_has_become_marketing_is_not_sent_as_something_else(self, world: World) -> None:
        id_ = put(world, "a", world.who(ANN))
        self.change(world, category="marketing")

        cleared, rows = ask(world, id_)
        assert (cleared, verdict(rows, id_)) == ([], ("skipped", "template_changed"))

    def test_what_is_gone_is_not_sent(self, world: World) -> None:
        id_ = put(world, "a", world.who(ANN))
        self.change(world, status="disabled")

        assert verdict(ask(world, id_)[1], id_) == ("skipped", "template_not_approved")

    def test_what_is_paused_waits(self, world: World) -> None:
        id_ = put(world, "a", world.who(ANN))
        self.change(world, status="paused")

        cleared, rows = ask(world, id_)
        assert (cleared, verdict(rows, id_)) == ([], ("waiting", "held"))
        assert rows[id_].not_before == AT + timedelta(seconds=60)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class TestQuietHours:
    def hold(self, world: World, at: str, **given: Any) -> tuple[bool, datetime, str]:
        contact_id = world.who(given.get("recipient", ANN))
        id_ = put(world, new_id(), contact_id, quiet="21:00-08:00", not_before=utc(at), **given)
        cleared, rows = ask(world, id_, at=utc(at))
        assert rows[id_].state is State.WAITING
        return bool(cleared), rows[id_].not_before, rows[id_].words

    def test_a_message_is_held_until_they_end_and_then_leaves(self, world: World) -> None:
        cleared, until, words = self.hold(world, "2026-01-14 22:30")

        assert (cleared, until) == (False, utc("2026-01-15 08:00"))
        assert words.startswith("Held: it is between 21:00 and 08:00 in Europe/")
        (row,) = world.messages()
        assert ask(world, row.id, at=until)[0] == [row.id]

    def test_by_day_nothing_is_held(self, world: World) -> None:
        assert self.hold(world, "2026-01-14 12:00")[0]

    def test_the_clock_is_that_of_the_persons_number(self, world: World) -> None:
        assert self.hold(world, "2026-01-14 12:00", recipient=NEW_YORK)[:2] == (False, utc("2026-01-14 13:00"))

    def test_the_persons_own_zone_goes_first(self, world: World) -> None:
        ann = world.who(ANN)
        with world.store.write() as tx:
            tx.execute(update(contact).where(contact.c.id == ann).values(timezone="Asia/Tokyo"))

        assert self.hold(world, "2026-01-14 12:30")[:2] == (False, utc("2026-01-14 23:00"))

    def test_whose_zone_is_not_known_has_the_accounts(self, world: World) -> None:
        told = {"recipient": "GB.aaaa", "timezone": "America/New_York"}
        id_ = put(world, "a", world.who(ANN), quiet="21:00-08:00", **told)
        _, rows = ask(world, id_, at=utc("2026-01-14 12:00"))

        assert rows[id_].not_before == utc("2026-01-14 13:00")

    @pytest.mark.parametrize(
        ("at", "until"),
        [("2026-03-28 23:00", "2026-03-29 07:00"), ("2026-10-24 23:00", "2026-10-25 08:00")],
        ids=["spring", "autumn"],
    )
    def test_the_night_in_which_clocks_change_ends_by_the_clock(self, world: World, at: str, until: str) -> None:
        assert self.hold(world, at)[:2] == (False, utc(until))

    def test_it_is_held_and_not_dropped_unless_it_expires(self, world: World) -> None:
        id_ = put(world, "a", world.who(ANN), quiet="21:00-08:00", expires_at=utc("2026-01-15 06:00"))
        _, rows = ask(world, id_, at=utc("2026-01-14 22:30"))
        assert rows[id_].state is State.WAITING

        _, rows = ask(world, id_, at=rows[id_].not_before)
        assert verdict(rows, id_) == ("expired", "too_late")

    def test_an_answer_is_not_held(self, world: World) -> None:
        ann = world.who(ANN)
        with world.store.write() as tx:
            people.heard(tx, {(ann, NUMBER): utc("2026-01-14 22:00")})
        id_ = put(world, "a", ann, template="", quiet="21:00-08:00")

        assert ask(world, id_, at=utc("2026-01-14 22:30"))[0] == [id_]


def begin(world: World, *ids: MessageId, at: datetime = AT) -> None:
    """Let messages have left."""
    with world.store.write() as tx:
        outbox.begin(tx, [outbox.Cleared(row) for row in outbox.load(tx, ids)], "me", 60)
        tx.execute(update(attempt).where(attempt.c.message_id.in_(ids)).values(started_at=at, outcome="accepted"))
        tx.execute(update(message).where(message.c.id.in_(ids)).values(state=State.DELIVERED))


class TestCaps:
    POLICY = PeoplePolicy(cap={Purpose.UTILITY: ("2 per 24h",)})

    def test_of_several_that_come_due_at_once_so_many_leave(self, world: World) -> None:
        ann, ben = world.who(ANN), world.who(BEN)
        ids = [put(world, f"a{number}", ann, mapping=f"shop/{number}") for number in range(4)]
        other = put(world, "b", ben, recipient=BEN)

        cleared, rows = ask(world, *ids, other, policy=self.POLICY)
        assert cleared == [*ids[:2], other]
        assert [verdict(rows, id_) for id_ in ids[2:]] == [("skipped", "over_cap")] * 2
        assert "2 per 24h of utility to one person" in rows[ids[3]].words

    @pytest.mark.parametrize(("hours", "leaves"), [(23, False), (24, True)])
    def test_what_has_left_counts_for_so_long(self, world: World, hours: int, leaves: bool) -> None:
        ann = world.who(ANN)
        begin(world, put(world, "a", ann), put(world, "b", ann), at=AT - timedelta(hours=hours))
        id_ = put(world, "c", ann)

        assert bool(ask(world, id_, policy=self.POLICY)[0]) is leaves

    def test_a_mappings_own_cap_counts_its_own_messages(self, world: World) -> None:
        ann = world.who(ANN)
        begin(world, put(world, "a", ann, mapping="shop/other"), at=AT - timedelta(days=1))
        first = put(world, "b", ann, cap=("1 per 7d",))
        assert ask(world, first)[0] == [first]
        begin(world, first)
        second = put(world, "c", ann, cap=("1 per 7d",))

        cleared, rows = ask(world, second, at=AT + timedelta(days=6))
        assert (cleared, verdict(rows, second)) == ([], ("skipped", "over_cap"))
        assert "of this mapping" in rows[second].words

    def test_a_purposes_cap_counts_that_purpose_alone(self, world: World) -> None:
        ann = world.who(ANN)
        enter(world, ann, ConsentState.GRANTED)
        begin(world, put(world, "a", ann, **marketing()), put(world, "b", ann, **marketing()))
        id_ = put(world, "c", ann)

        assert ask(world, id_, policy=self.POLICY)[0] == [id_]

    def test_what_failed_and_answers_do_not_count(self, world: World) -> None:
        ann = world.who(ANN)
        failed, answer = put(world, "a", ann), put(world, "b", ann, template="")
        begin(world, failed, answer)
        with world.store.write() as tx:
            tx.execute(update(message).where(message.c.id == failed).values(state=State.FAILED))
        ids = put(world, "c", ann), put(world, "d", ann)

        assert ask(world, *ids, policy=self.POLICY)[0] == list(ids)

    def test_what_went_to_either_of_two_who_are_one_counts(self, world: World) -> None:
        ann, ben = world.who(ANN), world.who(BEN)
        begin(world, put(world, "a", ann), put(world, "b", ben))
        with world.store.write() as tx:
            world.desk.people.merge(tx, ann, ben, "The same.", AT)
        id_ = put(world, "c", ann)

        assert ask(world, id_, policy=self.POLICY)[0] == []


def test_an_answer_in_free_words_leaves_only_in_the_window(world: World) -> None:
    ann = world.who(ANN)
    never = put(world, "a", ann, template="")
    assert verdict(ask(world, never)[1], never) == ("skipped", "window_closed")
    with world.store.write() as tx:
        people.heard(tx, {(ann, NUMBER): AT - timedelta(hours=23, minutes=59)})
    in_time, late = put(world, "b", ann, template=""), put(world, "c", ann, template="")

    assert ask(world, in_time)[0] == [in_time]
    assert verdict(ask(world, late, at=AT + timedelta(minutes=1))[1], late) == ("skipped", "window_closed")


SAID = st.sampled_from([
    (ConsentState.GRANTED, Source.KEYWORD), (ConsentState.REVOKED, Source.KEYWORD),
    (ConsentState.REVOKED, Source.PREFERENCE), (ConsentState.UNKNOWN, Source.PREFERENCE),
    (ConsentState.GRANTED, Source.SIGNUP), (ConsentState.REVOKED, Source.REFUSAL), (ConsentState.GRANTED, Source.CRM),
])  # fmt: skip
DEEDS = st.one_of(
    st.tuples(st.just("say"), st.integers(0, 1), SAID, st.integers(-9, 9)),
    st.tuples(st.just("plan"), st.integers(0, 1)),
    st.tuples(st.just("merge")),
    st.tuples(st.just("send")),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(deeds=st.lists(DEEDS, max_size=12))
def test_no_message_leaves_while_the_ledger_says_revoked(sqlite_store: Store, deeds: Sequence[tuple[Any, ...]]) -> None:
    with sqlite_store.write() as tx:
        for table in reversed(metadata.sorted_tables):
            if table.name not in ("mapping_version", "alembic_version"):
                tx.execute(delete(table))
    world, numbers = World(sqlite_store), iter(range(99))
    who = [world.who(ANN), world.who(BEN)]
    waiting: list[MessageId] = []
    for deed, *told in [*deeds, ("send",)]:
        if deed == "say":
            whom, (state, source), minutes = told
            enter(world, who[whom], state, at=AT + timedelta(minutes=minutes), source=source)
        elif deed == "plan":
            waiting.append(put(world, f"m{next(numbers)}", who[told[0]], **marketing()))
        elif deed == "merge" and who[0] != who[1]:
            with world.store.write() as tx:
                world.desk.people.merge(tx, who[0], who[1], "The same.", AT)
            who[1] = who[0]
        elif deed == "send" and waiting:
            left, rows = ask(world, *waiting, at=AT + timedelta(hours=1))
            with world.store.read() as tx:
                persons = people.persons(tx, set(who))
            states = {
                id_: person.standings[Purpose.MARKETING].state
                for id_, person in persons.items()
                if Purpose.MARKETING in person.standings
            }
            for id_, row in rows.items():
                owner = who[0] if who[0] == who[1] else row.contact_id
                assert (id_ in left) is (states.get(owner) is ConsentState.GRANTED)
            waiting.clear()
