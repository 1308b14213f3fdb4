"""Rules about what becomes of a message: each once, about the right person and record, as they were when it left."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connector.errors import PermanentError
from connector.model import Message, Refusal, RemoteId, Status
from connector.store import Store
from tests.flow.world import AT, CRM, PAID, SHOP, World

ABSENT = Refusal(code="131026", words="Undeliverable.", about="unreachable")


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


def ruled(*rules: str) -> str:
    return PAID + "".join(f"\n[[after]]\n{rule}\n" for rule in rules)


def label(on: str, name: str = "") -> str:
    return f'on = "{on}"\nadd_labels = ["{name or on}"]'


ALL = ruled(*(label(on) for on in ("delivered", "read", "replied", "button", "undeliverable")))


class TestOutcomes:
    def test_each_outcome_is_followed_by_its_rule_once(self, world: World) -> None:
        id_ = world.sent_one(source=ALL)
        assert world.labels() == set()
        world.receipt(Status.DELIVERED, id_)
        world.work()
        assert world.labels() == {"delivered"}
        world.receipt(Status.READ, id_)
        world.work()

        assert world.labels() == {"delivered", "read"}
        assert world.deeds() == [("delivered", "label delivered added"), ("read", "label read added")]

    def test_a_message_that_was_read_was_delivered(self, world: World) -> None:
        id_ = world.sent_one(source=ALL)
        world.receipt(Status.READ, id_)
        world.work()
        world.receipt(Status.DELIVERED, id_)
        world.work()

        assert world.labels() == {"delivered", "read"}
        assert len(world.deeds()) == 2

    def test_a_message_that_arrived_after_all_was_delivered(self, world: World) -> None:
        id_ = world.sent_one(source=ALL)
        world.receipt(Status.FAILED, id_, refusal=ABSENT)
        world.work()
        assert world.labels() == {"undeliverable"}
        world.receipt(Status.READ, id_)
        world.work()

        assert world.labels() == {"undeliverable", "delivered", "read"}

    @pytest.mark.parametrize("way", ["at once", "by receipt"])
    def test_a_message_that_cannot_be_delivered_is_followed_by_its_rule(self, world: World, way: str) -> None:
        def refuses(message: Message) -> Any:
            raise PermanentError("No.", code="131026", about="unreachable")

        if way == "at once":
            world.publish("shop/paid", ALL)
            world.event("order.paid", "order:1", phone="+447400123456", name="#1")
            world.work()
            world.send(refuses)
        else:
            world.receipt(Status.FAILED, world.sent_one(source=ALL), refusal=ABSENT)
            world.work()

        assert world.labels() == {"undeliverable"}
        assert [on for on, _ in world.deeds()].count("undeliverable") == 1

    def test_a_label_that_was_taken_off_since_is_not_put_on_again(self, world: World) -> None:
        id_ = world.sent_one(source=ruled(label("delivered", "asked"), 'on = "read"\nremove_labels = ["asked"]'))
        for status in (Status.DELIVERED, Status.READ, Status.DELIVERED):
            world.receipt(status, id_)
            world.work()

        assert world.labels() == set()

    def test_the_rules_are_those_of_the_version_that_was_sent(self, world: World) -> None:
        id_ = world.sent_one(source=ruled(label("delivered", "old")))
        world.publish("shop/paid", ruled(label("delivered", "new")))
        world.receipt(Status.DELIVERED, id_)
        world.work()

        assert world.labels() == {"old"}


class TestReplies:
    def test_who_writes_in_answer_has_replied_once(self, world: World) -> None:
        id_ = world.sent_one(source=ALL)
        for text in ("Thank you", "and see you"):
            world.reply(text, to=RemoteId(f"w-{id_}"))
            world.work()

        assert world.labels() == {"replied"}
        assert len(world.deeds()) == 1

    def test_who_writes_of_something_else_has_not(self, world: World) -> None:
        world.sent_one(source=ALL)
        world.reply("Are you open?")
        world.work()

        assert world.labels() == set()

    def test_an_answer_that_may_mean_stop_is_an_answer_and_for_a_human(self, world: World) -> None:
        id_ = world.sent_one(source=ALL)
        world.reply("no thanks", to=RemoteId(f"w-{id_}"))
        world.work()

        assert "replied" in world.labels()

    def test_a_stop_in_answer_is_a_stop(self, world: World) -> None:
        id_ = world.sent_one(source=ALL)
        world.reply("STOP", to=RemoteId(f"w-{id_}"))
        world.work()

        assert world.standing() == "revoked"

    def test_a_button_is_followed_by_the_rules_of_its_payload(self, world: World) -> None:
        yes = 'on = "button"\npayload = "yes"\nadd_labels = ["confirmed"]'
        id_ = world.sent_one(source=ruled(yes, yes.replace("yes", "no").replace("confirmed", "declined")))
        world.reply("Yes", button="yes", to=RemoteId(f"w-{id_}"))
        world.work()

        assert world.labels() == {"confirmed"}

    def test_a_button_that_is_tapped_twice_acts_once(self, world: World) -> None:
        rule = 'on = "button"\npayload = "yes"\nanswer = "Thank you."\nadd_tags = ["confirmed"]'
        id_ = world.sent_one(source=ruled(rule))
        world.reply("Yes", button="yes", to=RemoteId(f"w-{id_}"))
        world.reply("Yes", button="yes", to=RemoteId(f"w-{id_}"))
        world.work()
        world.reply("Yes", button="yes", to=RemoteId(f"w-{id_}"))
        world.work()

        assert len(world.answers()) == 1
        assert len(world.deeds()) == 1

    def test_the_last_word_counts_of_who_changes_their_mind_by_buttons(self, world: World) -> None:
        def consent(payload: str, state: str) -> str:
            return f'on = "button"\npayload = "{payload}"\nconsent = {{ marketing = "{state}" }}'

        id_ = world.sent_one(source=ruled(consent("no", "revoked"), consent("yes", "granted")))
        for minutes, payload in ((9, "no"), (8, "yes"), (7, "no")):
            world.reply(payload, button=payload, to=RemoteId(f"w-{id_}"), ago=minutes)
            world.work()

        assert world.standing() == "revoked"
        assert [entry.state for entry in world.entries()] == ["revoked", "granted", "revoked"]
        assert {entry.source for entry in world.entries()} == {"button"}
        assert world.entries()[0].place == "message paid"
        assert world.entries()[0].wording_version == "shop/paid v1"


class TestRecords:
    def order(self, world: World, rule: str, **payload: Any) -> RemoteId:
        id_ = world.sent_one(source=ruled(rule))
        return RemoteId(f"w-{id_}")

    def test_tags_and_fields_go_to_the_order_that_the_message_was_about(self, world: World) -> None:
        rule = (
            'on = "button"\npayload = "ok"\nadd_tags = ["confirmed"]\nremove_tags = ["unconfirmed"]\n'
            'set_fields = { "metafield:custom.confirmed" = true }'
        )
        to = self.order(world, rule)
        world.reply("OK", button="ok", to=to)
        world.work()

        assert world.wanted() == {
            (SHOP, "order", "1", "tags", "confirmed"): True,
            (SHOP, "order", "1", "tags", "unconfirmed"): False,
            (SHOP, "order", "1", "metafield:custom.confirmed"): True,
        }

    def test_a_rule_may_name_another_record_that_the_event_is_about(self, world: World) -> None:
        world.publish("shop/paid", ruled('on = "button"\nrecord = "customer"\nadd_tags = ["confirmed"]'))
        world.event("order.paid", "order:7", about=("customer:33",), phone="+447400123456", name="#7")
        world.work()
        world.send()
        (row,) = world.messages()
        world.reply("OK", button="ok", to=RemoteId(row.remote_id))
        world.work()

        assert world.wanted() == {(SHOP, "customer", "33", "tags", "confirmed"): True}

    def test_what_has_no_such_record_is_told(self, world: World) -> None:
        to = self.order(world, 'on = "button"\nrecord = "Case"\nset_fields = { Status = "Closed" }')
        world.reply("OK", button="ok", to=to)
        world.work()

        assert world.wanted() == {}
        assert world.deeds() == [("button", "no Case to write to")]

    def test_what_else_waits_about_the_subject_is_cancelled_and_nothing_else(self, world: World) -> None:
        later = PAID + '[timing]\ndelay = "2h"\n'
        world.publish("shop/later", later)
        world.event("order.paid", "order:2", phone="+447400123456", name="#2")
        world.event("order.paid", "order:1", phone="+447400123457", name="#1")
        world.work()
        to = self.order(world, 'on = "button"\ncancel_others = true')
        world.reply("OK", button="ok", to=to)
        world.work()

        states = {(row.mapping, row.subject, row.recipient): row.state for row in world.messages()}
        # Once about a subject: order:1's later message belongs to somebody else.
        assert states["shop/later", "order:2", "+447400123456"] == "waiting"
        assert states["shop/later", "order:1", "+447400123457"] == "waiting"

    def test_the_persons_own_waiting_message_about_it_is_cancelled(self, world: World) -> None:
        world.publish("shop/later", PAID + '[timing]\ndelay = "2h"\n')
        to = self.order(world, 'on = "button"\ncancel_others = true')
        world.reply("OK", button="ok", to=to)
        world.work()

        assert {row.mapping: (row.state, row.reason) for row in world.messages()} == {
            "shop/later": ("cancelled", "answered"),
            "shop/paid": ("accepted", ""),
        }
        assert world.deeds() == [("button", "1 other message cancelled")]


class TestAnswers:
    def test_an_answer_is_rendered_with_what_the_slots_saw(self, world: World) -> None:
        rule = 'on = "button"\nanswer = "Order {{ name }} of {{ account.name }} is confirmed."'
        id_ = world.sent_one(source=ruled(rule))
        world.reply("OK", button="ok", to=RemoteId(f"w-{id_}"))
        done = world.work()

        (answer,) = world.answers()
        assert answer.slots["text"] == "Order #1 of shop is confirmed."
        assert answer.expires_at == AT + timedelta(hours=24) - timedelta(minutes=1)
        assert done.channels == {"number"}
        (sent,), _ = world.send()
        assert sent.slots["text"] == "Order #1 of shop is confirmed."
        assert world.send()[0] == []

    def test_what_has_nothing_to_say_is_not_sent_and_told(self, world: World) -> None:
        id_ = world.sent_one(source=ruled('on = "button"\nanswer = "Order {{ nothing }}"'))
        world.reply("OK", button="ok", to=RemoteId(f"w-{id_}"))
        world.work()

        assert world.answers() == []
        ((on, words),) = world.deeds()
        assert on == "button"
        assert words.startswith("not answered: ")

    def test_who_stops_by_a_button_is_answered_all_the_same(self, world: World) -> None:
        rule = 'on = "button"\nconsent = { utility = "revoked" }\nanswer = "You hear no more of us."'
        id_ = world.sent_one(source=ruled(rule))
        world.reply("No", button="no", to=RemoteId(f"w-{id_}"))
        world.work()

        assert len(world.send()[0]) == 1


def test_nothing_is_written_to_an_account_that_remembers_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "crms", lambda: [world.known[CRM]])
    id_ = world.sent_one(source=ruled('on = "button"\nadd_tags = ["confirmed"]'))
    world.reply("OK", button="ok", to=RemoteId(f"w-{id_}"))
    world.work()

    assert world.wanted() == {}
