"""The decision trace, in words."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector.flow.explain import Story, Tone, explain, hide_phone, hide_phones
from connector.model import State
from connector.store import Store
from tests.scene import CHANNEL, PHONE, START, Scene


@pytest.fixture
def scene(sqlite_store: Store) -> Scene:
    return Scene(sqlite_store)


def words(stories: list[Story]) -> str:
    return "\n".join(line.words for story in stories for line in story.lines)


def test_a_read_message_is_told_from_the_webhook_to_the_receipt(scene: Scene) -> None:
    request = scene.request(key="webhook-17")
    id_ = scene.message(scene.event(request_id=request))
    scene.attempt(id_, at=START + timedelta(seconds=4))
    for number, word in enumerate(("sent", "delivered", "read")):
        scene.receipt(id_, word, at=START + timedelta(seconds=6 + number))
    (story,) = explain(scene.store, "#1001")
    assert (story.tone, story.outcome, story.message_ids) == (Tone.OK, "message read", (id_,))
    told = [line.words for line in story.lines]
    order = [
        "order.paid: #1001 at main-store",
        "orders/paid came from main-store, delivery webhook-17 (request 1)",
        "Mapping order_paid, version 3: send",
        "conditions: none to meet",
        "recipient: +••••••••••67 from phone.",
        f"Message {id_} to ••• 4567: template order_paid (en, utility)",
        "Attempt 1: the channel took it over",
        "Receipt: sent",
        "Receipt: delivered",
        "Receipt: read",
    ]
    assert told == order
    moments = [line.at for line in story.lines if line.at]
    assert moments == sorted(moments)


def test_a_skipped_order_is_grey_and_says_which_step_stopped_it(scene: Scene) -> None:
    scene.skip(scene.event())
    (story,) = explain(scene.store, "1001")
    assert (story.tone, story.outcome) == (Tone.SKIP, "skipped: no agreement")
    (step,) = [line for line in story.lines if line.words.startswith("agreement")]
    assert (step.tone, step.depth) == (Tone.SKIP, 1)
    assert story.lines[-1].words == "Nothing was sent (no agreement). The buyer has not agreed to marketing."
    assert not any(line.tone is Tone.FAIL for line in story.lines)


def test_what_the_last_step_said_is_not_said_again(scene: Scene) -> None:
    scene.skip(scene.event(), reason="already_said", words="It has spoken.", steps=[["once", False, "It has spoken."]])
    (story,) = explain(scene.store, "1001")
    assert [line.words for line in story.lines[-2:]] == ["once: It has spoken.", "Nothing was sent (already said)."]


def test_an_event_that_no_mapping_listens_to_says_so(scene: Scene) -> None:
    scene.event(type_="order.updated")
    (story,) = explain(scene.store, "1001")
    assert story.lines[-1].words.startswith("No published mapping listens to order.updated")
    assert story.tone is Tone.SKIP


def test_a_refusal_is_red_and_comes_with_advice(scene: Scene) -> None:
    id_ = scene.message(state=State.FAILED, code="131026", words="Message undeliverable")
    scene.attempt(id_)
    scene.receipt(id_, "failed", code="131026", words="Message undeliverable", advice="Ask for another number.")
    (story,) = explain(scene.store, id_)
    failures = [line.words for line in story.lines if line.tone is Tone.FAIL]
    assert failures == ["Receipt: failed (code 131026: “Message undeliverable”). Ask for another number."]
    assert story.tone is Tone.FAIL


def test_a_refusal_for_now_is_not_red(scene: Scene) -> None:
    id_ = scene.message(state=State.WAITING, reason="refused_for_now", tries=1)
    scene.attempt(id_, "temporary", "130429", "Too many messages")
    scene.receipt(id_, "failed", retry_after=60, code="131049", words="Kept back for now")
    (story,) = explain(scene.store, id_)
    assert not any(line.tone is Tone.FAIL for line in story.lines)
    assert "Attempt 1: refused for now (code 130429: “Too many messages”)" in words([story])
    assert story.lines[-1].words == "It waits to be sent. (refused for now)"


@pytest.mark.parametrize(
    ("state", "expected", "tone"),
    [
        (State.IN_DOUBT, "In doubt: an attempt may have been carried out", Tone.INFO),
        (State.SENDING, "It is being sent.", Tone.INFO),
        (State.CANCELLED, "Cancelled: it was not sent. (overtaken) order.cancelled came first.", Tone.SKIP),
        (State.EXPIRED, "Expired: it was not sent.", Tone.SKIP),
        (State.FAILED, "Failed. (overtaken) order.cancelled came first.", Tone.FAIL),
    ],
)
def test_every_end_has_words(scene: Scene, state: State, expected: str, tone: Tone) -> None:
    id_ = scene.message(state=state, reason="overtaken", words="order.cancelled came first.")
    (story,) = explain(scene.store, id_)
    assert story.lines[-1].words.startswith(expected)
    assert story.lines[-1].tone is tone


def test_an_attempt_without_a_result_is_told_as_such(scene: Scene) -> None:
    id_ = scene.message(state=State.IN_DOUBT)
    scene.attempt(id_, "")
    assert "begun, and no result written yet" in words(explain(scene.store, id_))


def test_a_message_that_waits_for_its_time_says_when_it_is_due(scene: Scene) -> None:
    due = START + timedelta(hours=1)
    id_ = scene.message(state=State.WAITING, not_before=due)
    (story,) = explain(scene.store, id_)
    assert [line.at for line in story.lines if line.words == "Due to leave."] == [due]


def test_a_message_that_a_newer_event_took_over_is_told_in_both_stories(scene: Scene) -> None:
    old = scene.event("#7")
    newer = scene.event("#7", at=START + timedelta(minutes=1))
    scene.message(old, label="#7")
    with scene.store.write() as tx:
        tx.exec_driver_sql("UPDATE message SET event_id = ?", (newer,))
    first, second = explain(scene.store, "#7")
    assert "A newer event about the same subject has replaced what it says." in words([first])
    assert second.event_id == newer


@pytest.mark.parametrize("term", [PHONE, "0170 1234567", "#1001"])
def test_no_trace_shows_a_whole_phone_number(scene: Scene, term: str) -> None:
    scene.skip(scene.event(), words=f"{PHONE} is on nobody's list", steps=[["recipient", False, "0170 1234567"]])
    scene.message(state=State.FAILED, words=f"Not a number: {PHONE}")
    scene.reply()
    stories = explain(scene.store, term)
    shown = words(stories) + "".join(story.title for story in stories)
    assert "1701234567" not in shown
    assert "0170 1234567" not in shown
    assert "••• 4567" in shown
    assert "where is my parcel" not in shown


def test_orders_times_and_amounts_are_not_taken_for_phones() -> None:
    for plain in ("order:5521009876543", "2026-11-22 10:15:00", "€ 1.234.567,00", "0.5", "request 17", "0042"):
        assert hide_phones(plain) == plain
    assert hide_phones("call +49 (170) 123-4567 now") == "call ••• 4567 now"
    assert hide_phone("+1234567") == "••• 67"


def test_a_person_is_told_with_what_they_said(scene: Scene) -> None:
    scene.message()
    scene.reply()
    stories = explain(scene.store, PHONE)
    assert [story.title for story in stories] == ["order.paid · #1001 · main-store", "what this person said"]


@pytest.mark.parametrize(
    ("state", "expected", "tone"),
    [
        ("ignored", "nobody here asks for this topic", Tone.SKIP),
        ("unreadable", "The body is not JSON", Tone.FAIL),
        ("broken", "a fault of the connector's", Tone.FAIL),
        ("new", "waits to be read", Tone.INFO),
        ("done", "brought no event that was new", Tone.OK),
    ],
)
def test_a_request_that_produced_nothing_has_a_story(scene: Scene, state: str, expected: str, tone: Tone) -> None:
    id_ = scene.request(state=state, words="The body is not JSON at character 7.", key="delivery-of-nothing")
    for term in (str(id_), "delivery-of-nothing"):
        (story,) = explain(scene.store, term)
        assert expected in words([story])
        assert (story.tone, story.request_id) == (tone, id_)


def test_a_request_leads_to_the_story_of_its_event(scene: Scene) -> None:
    request = scene.request(key="delivery-of-an-order")
    event = scene.event(request_id=request)
    (story,) = explain(scene.store, "delivery-of-an-order")
    assert story.event_id == event


def test_a_parked_receipt_has_a_story(scene: Scene) -> None:
    scene.receipt(None, "sent", remote_id="wamid.HBgLNDkxNzAx")
    (story,) = explain(scene.store, "wamid.HBgLNDkxNzAx")
    assert story.outcome == "parked"
    assert story.found


def test_finding_nothing_is_a_story_too(scene: Scene) -> None:
    scene.event("#1001")
    scene.request(state="new", account=CHANNEL)
    (story,) = explain(scene.store, "#1008")
    assert not story.found
    assert "Near: #1001" in words([story])
    assert "labels of orders" in words([story])
    assert "Stored and not read yet: 1." in words([story])
    assert PHONE not in explain(scene.store, "+491701234567")[0].title


def test_a_long_life_is_cut_to_the_newest_and_says_so(scene: Scene) -> None:
    for number in range(23):
        scene.event("#9", at=START + timedelta(seconds=number))
    stories = explain(scene.store, "#9")
    assert stories[0].title == "3 older events, left out here"
    assert len(stories) == 21
