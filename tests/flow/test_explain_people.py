"""The decision trace, where it is about people: consent, labels, rules, answers, write-backs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector.flow.explain import Story, Tone, explain
from connector.flow.writeback import Told, Want, learn, want
from connector.model import ConsentState, Purpose, Reason, Source, State, now
from connector.store import Store, labels, people, reactions
from connector.store.labels import LabelChange
from connector.store.reactions import Reaction
from tests.scene import CHANNEL, PHONE, SHOP, START, Scene

GRANTED, REVOKED = ConsentState.GRANTED, ConsentState.REVOKED
LATER = START + timedelta(minutes=5)


@pytest.fixture
def scene(sqlite_store: Store) -> Scene:
    return Scene(sqlite_store)


def words(*stories: Story) -> list[str]:
    return [line.words for story in stories for line in story.lines]


def the(stories: list[Story], title: str) -> Story:
    (found,) = [story for story in stories if title in story.title]
    return found


def tap(scene: Scene, message: str, contact: str) -> None:
    """Leave what a tapped button leaves: a rule done, an entry, a label, an answer, wishes."""
    key = f"{message}:button:0:visit:no"
    scene.entry(
        contact, REVOKED, key=f"{key}:marketing", at=LATER, source=Source.BUTTON, place="message order_paid",
        wording="No, thank you", evidence="message wamid.9",
    )  # fmt: skip
    done = Reaction(key=key, on="button", words="marketing revoked; answered", message_id=message, at=LATER)
    change = LabelChange(
        key=f"{key}:declined:True", contact_id=contact, name="declined", added=True, origin="mapping:order_paid",
        words=f"button of message {message}", at=LATER,
    )  # fmt: skip
    with scene.store.write() as tx:
        reactions.add(tx, [done])
        labels.apply(tx, [change])
        wish = Want(
            account_id=SHOP, object="customer", record_id="5521", field="whatsapp_marketing_consent",
            value="UNSUBSCRIBED", contact_id=contact, at=LATER,
        )  # fmt: skip
        want(tx, [wish], LATER)
    scene.message(
        event_id="", label="answer", state=State.DELIVERED, template="", mapping="policy/people",
        dedupe_key=f"answer|{key}", contact_id=contact, at=LATER + timedelta(seconds=1),
    )  # fmt: skip


def test_what_followed_from_a_message_is_told_after_its_receipts(scene: Scene) -> None:
    contact = scene.person(record="customer:5521")
    message = scene.message(contact_id=contact)
    scene.receipt(message, "read", at=START + timedelta(minutes=1))
    tap(scene, message, contact)
    story = explain(scene.store, message)[0]
    told = words(story)
    assert told.index("Receipt: read") < told.index("They tapped a button: marketing revoked; answered")
    ledger = next(line for line in story.lines if line.words.startswith("Ledger: marketing revoked by a button"))
    assert "wamid.9" not in ledger.words  # the channel's ids hold the number
    assert "“No, thank you”" in ledger.words
    assert ledger.tone is Tone.SKIP
    assert f"Label declined added by mapping order_paid: button of message {message}" in told
    assert any(line.startswith("Answered in free words, ") and line.endswith(": delivered") for line in told)
    (wish,) = [line for line in told if line.startswith("main-store, customer:5521: whatsapp_marketing_consent")]
    assert "= UNSUBSCRIBED. Waits to be written, from " in wish


def test_a_person_who_is_concerned_is_told_last_with_where_they_stand(scene: Scene) -> None:
    contact = scene.person()
    entry = scene.entry(contact, REVOKED)
    scene.message(contact_id=contact)
    *_, last = explain(scene.store, "#1001")
    assert last.title == "••• 4567 · where this person stands now"
    assert last.outcome == "marketing revoked · utility unknown · authentication unknown"
    assert last.contact_id == contact
    marketing = last.lines[0]
    assert marketing.words.startswith("Marketing: Revoked by a word that the person wrote")
    assert f"entry {entry}" in marketing.words
    assert (marketing.tone, marketing.at) == (Tone.SKIP, START)


def test_a_skipped_person_is_found_by_the_entry_that_the_decision_names(scene: Scene) -> None:
    contact = scene.person()
    entry = scene.entry(contact, REVOKED)
    said = f"Revoked by a word that the person wrote, on 2026-05-03 12:00 UTC [entry {entry}]."
    scene.skip(scene.event(), reason=Reason.REVOKED, words=said, steps=[["consent", False, said]])
    event, person = explain(scene.store, "#1001")
    assert event.outcome == "skipped: revoked"
    assert f"consent: {said}" in words(event)
    assert person.contact_id == contact


def test_what_an_event_told_of_consent_is_told_with_it(scene: Scene) -> None:
    contact, event = scene.person(), scene.event()
    scene.entry(contact, GRANTED, key=f"{event}:agreed", source=Source.CHECKOUT, evidence=f"event {event}")
    scene.entry(contact, REVOKED, key="another", at=LATER)
    story = explain(scene.store, "#1001")[0]
    entries = [line for line in words(story) if line.startswith("Ledger")]
    assert len(entries) == 1
    assert entries[0].startswith("Ledger: marketing granted at a checkout")


@pytest.mark.parametrize("term", [PHONE, "0170 1234567", "zoe@example.org", "ZOE@EXAMPLE.ORG", "customer:5521", "id"])
def test_a_person_is_told_whole_by_whatever_they_are_known_by(scene: Scene, term: str) -> None:
    contact = scene.person(record="customer:5521", email="zoe@example.org")
    entry = scene.entry(contact, GRANTED, source=Source.SHOP, place="Newsletter form", record="customer:5521")
    scene.message(contact_id=contact)
    scene.reply()
    stories = explain(scene.store, contact if term == "id" else term)
    assert [story.title.partition(" · ")[2] or story.title for story in stories] == [
        "where this person stands now",
        "the ledger",
        "#1001 · main-store",
        "what this person said",
    ]
    (line,) = the(stories, "the ledger").lines
    assert line.words.startswith("Marketing granted by the shop's record customer:5521 (Newsletter form), on ")
    assert line.words.endswith(f"entry {entry}] — decides")
    first = words(stories[0])[0]
    assert "phone ••• 4567" in first
    assert "record customer:5521 of main-store" in first
    assert "e-mail •••@example.org" in first
    assert "1701234567" not in "".join(words(*stories))


def test_an_entry_that_a_later_one_outweighs_does_not_decide(scene: Scene) -> None:
    contact = scene.person()
    scene.entry(contact, GRANTED)
    scene.entry(contact, REVOKED, at=LATER)
    first, second = the(explain(scene.store, PHONE), "the ledger").lines
    assert (first.tone, second.tone) == (Tone.OK, Tone.SKIP)
    assert "decides" not in first.words
    assert second.words.endswith("decides")


def test_skipped_events_are_among_the_decisions_about_a_person(scene: Scene) -> None:
    contact = scene.person(record="customer:5521")
    scene.skip(scene.event("#7", subject="customer:5521"))
    stories = explain(scene.store, contact)
    assert the(stories, "#7").outcome == "skipped: no agreement"


def test_a_merged_person_keeps_both_histories(scene: Scene) -> None:
    keep, gone = scene.person(), scene.person("+447400123456")
    scene.entry(gone, REVOKED)
    with scene.store.write() as tx:
        people.merge(tx, keep, gone, "The channel says that +447400123456 is the same person.", LATER)
    stories = explain(scene.store, gone)
    assert stories[0].contact_id == keep
    assert any(line.startswith(f"Contact {gone} turned out to be the same person") for line in words(stories[0]))
    assert "7400123456" not in "".join(words(*stories))
    assert len(the(stories, "the ledger").lines) == 1


def test_somebody_who_was_erased_is_not_told_of(scene: Scene) -> None:
    scene.message(contact_id="0" * 26)
    assert [story.contact_id for story in explain(scene.store, "#1001")] == [None]


def test_nobody_is_told_of_where_the_term_means_nobody(scene: Scene) -> None:
    scene.person()
    for term in ("+447400123456", "nobody@example.org", "customer:1", "0" * 26, "", "\0", "@"):
        (story,) = explain(scene.store, term)
        assert not story.found, term


def test_a_conversation_says_until_when_they_may_be_answered(scene: Scene) -> None:
    contact, at = scene.person(), now()
    for heard, expected in ((at - timedelta(hours=30), "only a template"), (at, "may be answered in free words until")):
        with scene.store.write() as tx:
            people.heard(tx, {(contact, CHANNEL): heard})
        (line,) = [line for line in words(explain(scene.store, PHONE)[0]) if line.startswith("They last wrote")]
        assert expected in line
        assert "hotline" in line


def test_whoever_is_blocked_or_not_on_the_channel_is_told_in_red(scene: Scene) -> None:
    scene.person(blocked_at=START, blocked_words="By hand.", bounces=3, unreachable_at=START)
    story = explain(scene.store, PHONE)[0]
    assert [line.words for line in story.lines if line.tone is Tone.FAIL] == [
        "Blocked: nothing is sent to them. By hand.",
        "Not on the channel, it said 3 times in a row: nothing is sent to them.",
    ]


@pytest.mark.parametrize(
    ("reason", "said", "expected"),
    [
        (Reason.REVOKED, "Revoked by a word.", "revoked since it was planned. Revoked by a word."),
        (Reason.OVER_CAP, "At most 1 per 24h.", "over cap. At most 1 per 24h."),
        (Reason.WINDOW_CLOSED, "Too late.", "window closed. Too late."),
    ],
)
def test_the_gate_before_sending_says_what_it_stopped(scene: Scene, reason: Reason, said: str, expected: str) -> None:
    id_ = scene.message(state=State.SKIPPED, reason=reason, words=said)
    (story,) = explain(scene.store, id_)
    assert story.lines[-1].words == f"Stopped at the gate before sending: {expected}"
    assert story.lines[-1].tone is Tone.SKIP


def test_a_message_held_for_quiet_hours_says_until_when(scene: Scene) -> None:
    opens = START.replace(minute=0) + timedelta(hours=9)
    id_ = scene.message(
        state=State.WAITING, reason="quiet_hours", not_before=opens,
        words="Held: it is between 21:00 and 08:00 in Europe/Berlin.",
    )  # fmt: skip
    (story,) = explain(scene.store, id_)
    until = f"{opens:%Y-%m-%d %H:%M} UTC"
    assert story.lines[-1].words == (
        f"The gate holds it for quiet hours until {until}: it is between 21:00 and 08:00 in Europe/Berlin."
    )
    assert not any(line.words == "Due to leave." for line in story.lines)


def wishes(scene: Scene) -> list[str]:
    return words(the(explain(scene.store, PHONE), "records"))


def test_what_records_are_to_hold_says_how_far_it_is(scene: Scene) -> None:
    contact = scene.person()
    place = {"account_id": SHOP, "object": "customer", "record_id": "5521"}
    with scene.store.write() as tx:
        learn(tx, [Told(**place, field="metafield:a.b", value="yes")], START)
        want(
            tx,
            [
                Want(**place, field="tags", item="vip", value=True, contact_id=contact),
                Want(**place, field="metafield:a.b", value="yes", contact_id=contact),
                Want(**place, field="consent", value="", contact_id=contact),
                Want(**place | {"record_id": f"?{contact}"}, field="phone", value=PHONE, contact_id=contact),
            ],
            START,
        )
        tx.exec_driver_sql(
            "UPDATE wanted SET state = 'failed', code = 'BAD', words = 'No such value' WHERE field = 'consent'"
        )
        tx.exec_driver_sql(
            "UPDATE wanted SET state = 'done', code = 'no_record', words = 'There is none.' WHERE field = 'phone'"
        )
    told = wishes(scene)
    assert "main-store, customer:5521: consent = empty. Refused (BAD): No such value" in told
    assert "main-store, customer:5521: metafield:a.b = yes. Stood there already; nothing was written." in told
    assert any(line.startswith("main-store, customer:5521: tags with vip. Waits to be written") for line in told)
    assert "main-store, the person's customer: phone = •••. Not written: There is none." in told


def test_what_was_written_back_says_when(scene: Scene) -> None:
    contact = scene.person()
    wish = Want(
        account_id=SHOP, object="customer", record_id="5521", field="tags", item="vip", value=False, contact_id=contact
    )
    with scene.store.write() as tx:
        want(tx, [wish], START)
        written = f'[["false", {round(LATER.timestamp() * 1_000_000)}]]'
        tx.exec_driver_sql("UPDATE wanted SET state = 'done', known = value, written = ?", (written,))
    (line,) = the(explain(scene.store, PHONE), "records").lines
    assert line.words == "main-store, customer:5521: tags without vip. Written back."
    assert (line.at, line.tone) == (LATER, Tone.OK)


def test_a_purpose_of_which_nothing_is_recorded_is_told_too(scene: Scene) -> None:
    scene.entry(scene.person(), GRANTED, Purpose.UTILITY)
    told = words(explain(scene.store, PHONE)[0])
    assert any("Nothing is recorded that grants or revokes marketing." in line for line in told)
    assert any(line.startswith("Utility: Granted") for line in told)


def test_a_stop_is_told_with_what_followed_from_it(scene: Scene) -> None:
    contact = scene.person()
    scene.reply(at=LATER)
    done = Reaction(key="stop", on="stop word", words="marketing revoked", contact_id=contact, at=LATER)
    with scene.store.write() as tx:
        reactions.add(tx, [done])
    scene.message(event_id="", template="", contact_id=contact, at=LATER, mapping="policy/people", state=State.SENT)
    with scene.store.write() as tx:
        tx.exec_driver_sql("UPDATE message SET event_id = ''")
    heard, reaction, answer = words(the(explain(scene.store, PHONE), "what this person said"))
    assert heard == "They answered (text)."
    assert reaction == "They wrote a stop word: marketing revoked"
    assert answer.endswith(": sent")


def test_what_others_caused_in_a_record_is_not_told_of_an_event(scene: Scene) -> None:
    contact, event = scene.person(), scene.event()
    scene.entry(contact, GRANTED, key=f"{event}:agreed")
    ours = {"account_id": SHOP, "object": "customer", "record_id": "5521", "contact_id": contact}
    with scene.store.write() as tx:
        want(tx, [Want(**ours, field="a", value="1", at=START), Want(**ours, field="b", value="2", at=LATER)], LATER)
    told = " ".join(words(explain(scene.store, "#1001")[0]))
    assert "customer:5521: a = 1" in told
    assert "customer:5521: b = 2" not in told


def test_both_databases_tell_the_same(store: Store) -> None:
    scene = Scene(store)
    contact = scene.person(record="customer:5521", email="zoe@example.org")
    message = scene.message(contact_id=contact)
    tap(scene, message, contact)
    for term in ("#1001", PHONE, "customer:5521", "zoe@example.org", contact):
        told = " ".join(words(*explain(store, term)))
        assert "They tapped a button: marketing revoked; answered" in told
        assert "whatsapp_marketing_consent = UNSUBSCRIBED" in told
        assert "Marketing: Revoked by a button" in told
