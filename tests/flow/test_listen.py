"""Listening: what people write, tap and choose counts, each once; what may mean something else is for a human."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from connector.errors import PermanentError
from connector.model import (
    Identity,
    Key,
    KeyKind,
    Message,
    Notice,
    Purpose,
    Refusal,
    Rekey,
    RemoteId,
    Status,
)
from connector.store import Store, people
from connector.store.schema import conversation
from tests.flow.world import ANN, AT, BEN, BSUID, NUMBER, OFFER, PAID, World

MARKETING, UTILITY, AUTHENTICATION = Purpose


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


def words_off(source: str) -> str:
    """Return the shipped policy with one line changed."""
    from importlib.resources import files

    return files("mappings").joinpath("policy/people.toml").read_text("utf-8").replace(*source.split(" -> "))


class TestWords:
    @pytest.mark.parametrize(
        "text",
        [
            "STOP", "stop!", "  Stop. ", "🛑 STOP 🛑", "ＳＴＯＰ", "\u200fSTOP\u200e", "Stopp", "ABMELDEN",
            "arrêter", "Arreter", "Baja", "no más mensajes", "no mas mensajes", "S\u200bTOP",
        ],
    )  # fmt: skip
    def test_a_whole_message_that_says_stop_takes_consent_back(self, world: World, text: str) -> None:
        world.reply(text)
        world.work()

        assert [world.standing(purpose=purpose) for purpose in (MARKETING, UTILITY)] == ["revoked", "revoked"]
        assert world.standing(purpose=AUTHENTICATION) == "unknown"
        (entry, _) = world.entries()
        assert (entry.source, entry.wording, entry.actor, entry.account_id) == ("keyword", text, "the person", NUMBER)
        assert entry.evidence.startswith("message in-")
        assert entry.wording_version == "policy/people v0"

    @pytest.mark.parametrize("text", ["arrêt", "إيقاف", "עצור", "停止", "стоп", "parar", "रोकें"])
    def test_it_is_understood_in_the_languages_of_the_policy(self, world: World, text: str) -> None:
        known = {word for words in world.policy.words.values() for word in words.stop}
        assert text in known
        world.reply(f"\u202b{text}\u202c")
        world.work()

        assert world.standing() == "revoked"

    @pytest.mark.parametrize(
        "text", ["Please don't stop", "when does it stop?", "I want to stop by at your shop", "bus stop 12", "", "👍"]
    )
    def test_a_sentence_that_holds_the_word_is_left_to_people(self, world: World, text: str) -> None:
        world.reply(text)
        world.work()

        assert world.entries() == []
        assert world.labels() == set()

    def test_a_start_after_a_stop_grants_again(self, world: World) -> None:
        world.reply("STOP", ago=5)
        world.reply("START", ago=1)
        world.work()

        assert world.standing() == "granted"
        assert [entry.state for entry in world.entries()] == ["revoked"] * 2 + ["granted"] * 2

    @pytest.mark.parametrize("together", [True, False])
    def test_it_counts_when_it_was_said_and_not_when_it_came(self, world: World, together: bool) -> None:
        world.reply("START", ago=1)
        world.reply("STOP", ago=5)
        world.work(together=together)

        assert world.standing() == "granted"

    def test_what_may_mean_something_else_becomes_a_label_for_a_human(self, world: World) -> None:
        world.reply("no thanks")
        world.work()

        assert world.entries() == []
        assert world.labels() == {"whatsapp-unclear"}
        assert world.answers() == []

    @pytest.mark.parametrize("kind", ["system", "reaction", "unsupported"])
    def test_what_nobody_wrote_opens_no_conversation(self, world: World, kind: str) -> None:
        world.reply("STOP", kind=kind)
        world.work()

        assert world.entries() == []
        with world.store.read() as tx:
            assert people.last_heard(tx, [world.who(ANN)], NUMBER) == {}

    def test_a_caption_is_no_command(self, world: World) -> None:
        world.reply("STOP", kind="image")
        world.work()

        assert world.entries() == []


class TestConfirming:
    def test_a_stop_is_confirmed_once_in_its_language(self, world: World) -> None:
        world.reply("Abmelden", ago=3)
        world.work()
        world.reply("ABMELDEN", ago=2)
        world.work()

        (answer,) = world.answers()
        assert answer.slots["text"] == world.policy.words["de"].stopped
        assert (answer.recipient, answer.category, answer.in_reply_to) == (ANN, "utility", "in-1")
        (sent,), _ = world.send()
        assert (sent.template, sent.in_reply_to) == ("", "in-1")

    def test_two_stops_in_one_batch_are_confirmed_once(self, world: World) -> None:
        world.reply("STOP", ago=3)
        world.reply("stop!!", ago=2)
        world.work()

        assert len(world.answers()) == 1

    def test_a_reply_that_is_heard_twice_acts_once(self, world: World) -> None:
        world.reply("STOP")
        world.work()
        world.repeat()
        world.work()

        assert len(world.entries()) == 2  # marketing and utility
        assert len(world.answers()) == 1
        assert [on for on, _ in world.deeds()] == ["stop word"]

    def test_the_last_of_a_stop_and_a_start_is_confirmed(self, world: World) -> None:
        world.reply("STOP", ago=3)
        world.reply("START", ago=2)
        world.work()

        (answer,) = world.answers()
        assert answer.slots["text"] == world.policy.words["en"].started

    def test_what_changes_nothing_is_not_confirmed(self, world: World) -> None:
        world.reply("START", ago=3)
        world.work()
        world.reply("START", ago=2)
        world.work()

        assert len(world.answers()) == 1

    def test_a_policy_may_say_not_to(self, world: World) -> None:
        world.publish("policy/people", words_off("confirm = true -> confirm = false"))
        world.reply("STOP")
        world.work()

        assert world.standing() == "revoked"
        assert world.answers() == []
        assert {entry.wording_version for entry in world.entries()} == {"policy/people v1"}

    def test_a_person_known_by_user_id_alone_is_answered(self, world: World) -> None:
        world.reply("STOP", sender=Identity(user_id=BSUID))
        world.work()
        (sent,), _ = world.send()

        assert sent.recipient == BSUID

    def test_a_stop_in_a_word_of_several_languages_is_confirmed_in_the_persons_own(self, world: World) -> None:
        shared = next(
            (word, one, other)
            for one, words in world.policy.words.items()
            for word in words.stop
            for other, others in world.policy.words.items()
            if one < other and word in others.stop and words.stopped != others.stopped
        )
        word, _, other = shared
        with world.store.write() as tx:
            from connector.model import Sighting

            world.desk.people.resolve(
                tx, [Sighting(keys=(Key(KeyKind.PHONE, ANN),), locale=other, seen_at=AT)], AT
            )  # fmt: skip
        world.reply(word)
        world.work()

        (answer,) = world.answers()
        assert answer.slots["text"] == world.policy.words[other].stopped


class TestWindow:
    def test_an_answer_leaves_within_a_day_of_what_was_written(self, world: World) -> None:
        world.reply("STOP", ago=23 * 60)
        world.work()

        assert len(world.send()[0]) == 1
        assert world.send()[0] == []

    def test_an_answer_that_would_come_later_is_not_sent(self, world: World) -> None:
        world.reply("STOP", ago=25 * 60)
        world.work()

        assert world.send()[0] == []
        assert [row.state for row in world.answers()] == ["expired"]

    def test_the_window_is_asked_about_when_it_leaves(self, world: World) -> None:
        world.reply("STOP")
        world.work()
        with world.store.write() as tx:
            tx.execute(update(conversation).values(heard_at=AT - timedelta(hours=25)))

        assert world.send()[0] == []
        assert [(row.state, row.reason) for row in world.answers()] == [("skipped", "window_closed")]

    def test_it_is_kept_for_each_number_and_never_goes_back(self, world: World) -> None:
        world.reply("Hello", ago=10)
        world.reply("Are you there?", ago=30)
        world.work()

        id_ = world.who(ANN)
        with world.store.read() as tx:
            assert people.last_heard(tx, [id_], NUMBER) == {id_: AT - timedelta(minutes=10)}
            assert people.last_heard(tx, [id_], "another") == {}  # type: ignore[arg-type]


class TestPreferences:
    def test_a_stop_in_the_channels_settings_revokes_marketing_alone(self, world: World) -> None:
        world.prefers("stop")
        world.work()

        assert (world.standing(), world.standing(purpose=UTILITY)) == ("revoked", "unknown")
        (entry,) = world.entries()
        assert (entry.source, entry.wording) == ("preference", "stop")
        assert world.answers() == []

    def test_a_resume_lifts_it_and_grants_nothing(self, world: World) -> None:
        world.prefers("stop", ago=9)
        world.prefers("resume", ago=5)
        world.work()

        assert world.standing() == "unknown"

    def test_a_resume_brings_an_older_grant_back(self, world: World) -> None:
        world.reply("START", ago=20)
        world.prefers("stop", ago=9)
        world.work()
        assert world.standing() == "revoked"
        world.prefers("resume", ago=5)
        world.work()

        assert world.standing() == "granted"

    def test_a_resume_does_not_undo_a_stop_by_a_word(self, world: World) -> None:
        world.reply("STOP", ago=20)
        world.prefers("stop", ago=9)
        world.prefers("resume", ago=5)
        world.work()

        assert world.standing() == "revoked"

    def test_a_start_by_a_word_does_not_undo_the_channels_stop(self, world: World) -> None:
        world.prefers("stop", ago=20)
        world.reply("START", ago=9)
        world.work()

        assert (world.standing(), world.standing(purpose=UTILITY)) == ("revoked", "granted")

    def test_the_channels_own_signup_grants(self, world: World) -> None:
        world.prefers("stop", ago=20)
        world.prefers("signup", ago=5)
        world.work()

        assert world.standing() == "granted"
        assert world.entries()[-1].source == "signup"

    def test_other_purposes_and_choices_are_kept_and_change_nothing(self, world: World) -> None:
        world.prefers("ponder")
        world.work()

        assert world.entries() == []


class TestRefusals:
    OPTED_OUT = Refusal(code="131050", words="Stopped marketing.", about="opted_out")
    ABSENT = Refusal(code="131026", words="Undeliverable.", about="unreachable")
    BLOCKED = Refusal(code="130403", words="Blocked.", about="blocked")

    def refuse(self, world: World, refusal: Refusal, order: int = 1, ago: float = 0) -> None:
        id_ = world.sent_one(order=order)
        world.receipt(Status.FAILED, id_, refusal=refusal, ago=ago)
        world.work()

    def refuse_at_once(self, world: World, refusal: Refusal, order: int = 1) -> Any:
        def answer(message: Message) -> Any:
            raise PermanentError(refusal.words, code=refusal.code, about=refusal.about)

        world.publish("shop/paid", PAID)
        world.event("order.paid", f"order:{order}", phone=ANN, name="#1")
        world.work()
        return world.send(answer)[1]

    @pytest.mark.parametrize("way", ["by receipt", "at once"])
    def test_a_refusal_because_marketing_was_stopped_is_a_revocation(self, world: World, way: str) -> None:
        (self.refuse if way == "by receipt" else self.refuse_at_once)(world, self.OPTED_OUT)

        assert (world.standing(), world.standing(purpose=UTILITY)) == ("revoked", "unknown")
        entry = world.entries()[-1]
        assert (entry.source, entry.actor) == ("refusal", "WhatsApp")
        assert "131050" in entry.evidence
        assert [row.state for row in world.messages()] == ["failed"]

    def test_it_ends_with_the_channels_resume(self, world: World) -> None:
        id_ = world.sent_one(source=OFFER)
        world.receipt(Status.FAILED, id_, refusal=self.OPTED_OUT, ago=10)
        world.work()
        assert world.standing() == "revoked"
        world.prefers("resume", ago=5)
        world.work()

        assert world.standing() == "granted"  # as the buyer agreed at the checkout

    @pytest.mark.parametrize("way", ["by receipt", "at once"])
    def test_who_is_not_there_again_and_again_is_not_written_to(self, world: World, way: str) -> None:
        refuse = self.refuse if way == "by receipt" else self.refuse_at_once
        for order in (1, 2):
            refuse(world, self.ABSENT, order)
        assert (world.contact().bounces, world.contact().unreachable_at) == (2, None)

        refuse(world, self.ABSENT, 3)

        assert world.contact().bounces == 3
        assert world.contact().unreachable_at is not None
        world.event("order.paid", "order:4", phone=ANN, name="#4")
        done = world.work()
        assert ("shop/paid", "skip", "unreachable") in done.decisions

    def test_a_message_that_arrives_begins_the_count_anew(self, world: World) -> None:
        for order in (1, 2):
            self.refuse(world, self.ABSENT, order)
        id_ = world.sent_one(order=3)
        world.receipt(Status.DELIVERED, id_)
        world.work()
        assert world.contact().bounces == 0
        self.refuse(world, self.ABSENT, 4)

        assert (world.contact().bounces, world.contact().unreachable_at) == (1, None)

    def test_who_writes_is_there_after_all(self, world: World) -> None:
        for order in (1, 2, 3):
            self.refuse(world, self.ABSENT, order)
        world.reply("Hello?")
        world.work()

        assert (world.contact().bounces, world.contact().unreachable_at) == (0, None)

    def test_one_refusal_that_is_told_twice_counts_once(self, world: World) -> None:
        id_ = world.sent_one()
        for word in ("failed", "failed again"):
            from connector.model import Receipt

            world.tell(
                NUMBER,
                Receipt(
                    key=f"w-{id_}:{word}", remote_id=RemoteId(f"w-{id_}"), message_id=id_, status=Status.FAILED,
                    word=word, occurred_at=AT, refusal=self.ABSENT,
                ),
            )  # fmt: skip
            world.work()

        assert world.contact().bounces == 1

    def test_whom_the_business_has_blocked_is_not_written_to(self, world: World) -> None:
        self.refuse(world, self.BLOCKED)

        assert world.contact().blocked_at is not None
        world.event("order.paid", "order:4", phone=ANN, name="#4")
        done = world.work()
        assert ("shop/paid", "skip", "blocked") in done.decisions


class TestWhoSaidIt:
    def test_a_stop_by_user_id_counts_for_the_number_that_a_receipt_told_of(self, world: World) -> None:
        id_ = world.sent_one()
        world.receipt(Status.SENT, id_, recipient=Identity(user_id=BSUID))
        world.work()
        world.reply("STOP", sender=Identity(user_id=BSUID))
        world.work()

        assert world.standing(ANN) == "revoked"

    @pytest.mark.parametrize("first", ["receipt", "reply"])
    def test_it_does_so_in_one_batch_in_any_order(self, world: World, first: str) -> None:
        id_ = world.sent_one()
        told = [
            lambda: world.receipt(Status.SENT, id_, recipient=Identity(user_id=BSUID)),
            lambda: world.reply("STOP", sender=Identity(user_id=BSUID)),
            lambda: world.reply("no thanks", sender=Identity(user_id=BSUID), ago=1),
        ]
        for each in told if first == "receipt" else told[::-1]:
            each()
        world.work()

        assert world.standing(ANN) == "revoked"
        assert world.labels(ANN) == {"whatsapp-unclear"}
        (answer,) = world.answers()
        assert answer.contact_id == world.who(ANN)
        assert len(world.send()[0]) == 1

    def test_a_receipt_tells_the_channels_own_spelling_of_a_number(self, world: World) -> None:
        id_ = world.sent_one("+5511987654321")
        world.receipt(Status.SENT, id_, recipient=Identity(phone="+551187654321", user_id=BSUID))
        world.work()

        id_ = world.who(Key(KeyKind.USER_ID, BSUID))
        with world.store.read() as tx:
            (keys,) = people.keys_of(tx, [id_]).values()
        assert [key.value for key in keys if key.kind is KeyKind.WA_ID] == ["+551187654321"]
        assert world.who("+5511987654321") == id_

    @pytest.mark.parametrize("form", ["notice", "message"])
    def test_who_changed_their_number_has_still_stopped(self, world: World, form: str) -> None:
        world.reply("STOP", ago=9)
        world.work()
        change = Rekey(old=Identity(phone=ANN), new=Identity(phone=BEN, user_id=BSUID))
        if form == "message":
            world.reply(kind="system", rekey=change, sender=Identity(phone=ANN))
        else:
            notice = Notice(key="n", kind="system", words="Moved.", rekey=change, occurred_at=AT, payload={})
            world.tell(NUMBER, notice)
        world.work()

        assert world.standing(BEN) == "revoked"
        assert world.contact(BEN).phone == BEN


class TestButtons:
    def test_a_payload_says_what_it_does_to_consent(self, world: World) -> None:
        world.reply("Keine Werbung", button="marketing:stop")
        world.work()

        assert (world.standing(), world.standing(purpose=UTILITY)) == ("revoked", "unknown")
        (entry,) = world.entries()
        assert (entry.source, entry.wording) == ("button", "Keine Werbung")

    def test_a_button_that_says_stop_is_a_stop(self, world: World) -> None:
        world.reply("Stop", button="Stop")
        world.work()

        assert world.standing() == "revoked"
        assert {entry.source for entry in world.entries()} == {"button"}

    def test_a_button_of_nobodys_rule_changes_nothing(self, world: World) -> None:
        world.reply("Track parcel", button="track", to=RemoteId("unknown"))
        world.work()

        assert world.entries() == []
        assert world.deeds() == []

    def test_a_stop_is_not_lost_to_a_rule_about_any_button(self, world: World) -> None:
        rule = '\n[[after]]\non = "button"\nadd_labels = ["tapped"]\n'
        id_ = world.sent_one(source=PAID + rule)
        world.reply("Keine Werbung", button="marketing:stop", to=RemoteId(f"w-{id_}"))
        world.work()

        assert world.labels() == {"tapped"}
        assert world.standing() == "revoked"

    def test_a_button_whose_rule_sets_consent_is_left_to_its_rule(self, world: World) -> None:
        rule = (
            '\n[[after]]\non = "button"\npayload = "Stop"\nconsent = { marketing = "revoked" }\nwording = "No offers"\n'
        )
        id_ = world.sent_one(source=PAID + rule)
        world.reply("Stop", button="Stop", to=RemoteId(f"w-{id_}"))
        world.work()

        assert (world.standing(), world.standing(purpose=UTILITY)) == ("revoked", "unknown")
        assert world.entries()[-1].wording == "No offers"
