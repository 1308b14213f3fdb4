"""Statuses become receipts, whatever is missing from them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.whatsapp.receiver import MOST, WhatsAppReceiver
from adapters.whatsapp.tests.hooks import NUMBER, OURS, RECEIVED_AT, WABA, fixture, load, post
from connector.errors import PayloadError
from connector.model import Notice, Receipt, Reply, Status

Read = Callable[[object], list[Any]]


def statuses(*entries: object) -> dict[str, Any]:
    value = {"metadata": {"phone_number_id": NUMBER}, "statuses": list(entries)}
    return {"entry": [{"id": WABA, "changes": [{"field": "messages", "value": value}]}]}


def test_the_four_words_climb_the_ladder_and_played_counts_as_read(read: Read) -> None:
    items = read(fixture("statuses"))
    assert [(item.word, item.status) for item in items] == [
        ("sent", Status.SENT),
        ("delivered", Status.DELIVERED),
        ("read", Status.READ),
        ("played", Status.READ),
    ]
    assert {item.message_id for item in items} == {OURS}
    assert [item.key.split(":")[1] for item in items] == ["sent", "delivered", "read", "played"]


def test_a_receipt_tells_the_person_the_time_and_the_price(read: Read) -> None:
    sent = read(fixture("statuses"))[0]
    assert sent.recipient.phone == "+491712345678"
    assert sent.recipient.user_id == "DE.8801234567890123"
    assert sent.recipient.parent_user_id == "DE.ENT.7701234567890"
    assert sent.recipient.name == "Zoë Müller"
    assert sent.occurred_at == datetime.fromtimestamp(1795348801, UTC)
    assert sent.billing == {
        "billable": True,
        "pricing_model": "PMP",
        "type": "regular",
        "category": "utility",
    }
    assert sent.refusal is None


def test_a_failure_carries_its_refusal_from_the_table(read: Read) -> None:
    (failed,) = read(fixture("status_failed"))
    assert failed.status is Status.FAILED
    assert failed.refusal.code == "131049"
    assert "healthy ecosystem" in failed.refusal.words
    assert not failed.refusal.temporary
    assert "24 hours" in failed.refusal.advice


def test_a_failure_that_passes_says_so(read: Read) -> None:
    (failed,) = read(statuses({"id": "w", "status": "failed", "errors": [{"code": 131056}]}))
    assert failed.refusal.temporary
    assert failed.refusal.retry_after == 6


@pytest.mark.parametrize("errors", [None, [], [7], "x", {}, [{"title": "odd"}]])
def test_a_failure_without_a_readable_reason_is_still_a_failure(read: Read, errors: object) -> None:
    (failed,) = read(statuses({"id": "w", "status": "failed", "errors": errors}))
    assert failed.status is Status.FAILED
    assert failed.refusal.code == ""
    assert not failed.refusal.temporary


def test_a_person_known_only_by_user_id_is_enough(read: Read) -> None:
    (receipt,) = read(fixture("status_user_id_only"))
    assert receipt.recipient.user_id == "BR.5501234567890123"
    assert receipt.recipient.phone == ""
    assert receipt.message_id is None


def test_what_cannot_be_read_does_not_cost_the_rest(read: Read) -> None:
    *odd, good = read(fixture("status_odd"))
    assert [item.known for item in odd] == [False, False, False, True]
    assert isinstance(good, Receipt)
    assert good.message_id is None, "an echo that is not ours is ignored"
    assert good.occurred_at == RECEIVED_AT
    assert good.billing == {}
    assert good.recipient.phone == ""


def test_a_failed_payment_is_not_a_failed_message(read: Read) -> None:
    assert not any(item.key.startswith("pay-1") for item in read(fixture("status_odd")))


def test_another_number_of_the_app_gives_receipts_for_our_messages_only(read: Read) -> None:
    payload = fixture("two_numbers")
    assert [item.word for item in read(payload)[:2]] == ["sent", "delivered"]

    for entry in payload["entry"]:
        for change in entry["changes"]:
            for status in change["value"]["statuses"]:
                status["biz_opaque_callback_data"] = "somebody else's"
    other_number, ours, other_account = read(payload)

    assert isinstance(other_number, Notice)
    assert other_number.known
    assert "another number" in other_number.words
    assert ours.word == "delivered"
    assert isinstance(other_account, Notice)
    assert "waba_id" in other_account.words


def test_a_group_receipt_speaks_of_the_participant(read: Read) -> None:
    entry = {
        "id": "w",
        "status": "read",
        "recipient_type": "group",
        "recipient_id": "12036304",
        "recipient_participant_id": "491712345678",
    }
    assert read(statuses(entry))[0].recipient.phone == "+491712345678"


def test_a_contact_who_is_somebody_else_lends_no_name(read: Read) -> None:
    payload = statuses({"id": "w", "status": "sent", "recipient_id": "491700000000"})
    payload["entry"][0]["changes"][0]["value"]["contacts"] = [{"wa_id": "491712345678", "user_id": "DE.1"}]
    recipient = read(payload)[0].recipient
    assert (recipient.phone, recipient.user_id) == ("+491700000000", "")


def test_a_thousand_updates_in_one_request_are_all_read(read: Read) -> None:
    entries = [{"id": f"wamid.{n}", "status": "sent", "timestamp": "1795348801"} for n in range(1000)]
    assert len({item.key for item in read(statuses(*entries))}) == 1000


def test_a_thousand_people_in_one_request_keep_their_names_apart(read: Read) -> None:
    numbers = [str(491700000000 + n) for n in range(1000)]
    payload = statuses(*({"id": f"w{n}", "status": "sent", "recipient_id": n} for n in numbers))
    value = payload["entry"][0]["changes"][0]["value"]
    value["contacts"] = [{"wa_id": n, "profile": {"name": n}} for n in reversed(numbers)]
    assert [item.recipient.name for item in read(payload)] == numbers


def test_an_unreasonable_number_of_updates_is_bounded_and_told(read: Read) -> None:
    items = read(statuses(*({"id": f"w{n}", "status": "sent"} for n in range(MOST + 5))))
    assert len(items) == MOST + 1
    assert not items[-1].known


def test_the_same_receipt_twice_in_one_request_counts_once(read: Read) -> None:
    entry = {"id": "w", "status": "sent", "timestamp": "1795348801"}
    assert len(read(statuses(entry, entry))) == 1


@pytest.mark.parametrize("body", [b"[]", b"3", b"", b"{", b"\xff", b'"a"', b'{"a":NaN}', b"[" * 100_000])
def test_a_body_that_is_no_json_object_cannot_be_read(receiver: WhatsAppReceiver, body: bytes) -> None:
    with pytest.raises(PayloadError):
        receiver.parse(receiver.verify(post(body)))


@pytest.mark.parametrize("depth", [100, 500, 900, 980, 990])
def test_deep_nesting_is_read_or_refused_but_never_breaks(receiver: WhatsAppReceiver, depth: int) -> None:
    body = b'{"entry":' + b"[" * depth + b"]" * depth + b"}"
    try:
        items = receiver.parse(receiver.verify(post(body)))
    except PayloadError:
        return
    assert all(isinstance(item, Notice) for item in items)


@pytest.mark.parametrize(
    "payload", [{}, {"entry": []}, {"entry": [1]}, {"entry": [{"id": WABA}]}, statuses(), {"entry": 5}]
)
def test_an_object_without_updates_is_kept_as_unknown(read: Read, payload: object) -> None:
    (notice,) = read(payload)
    assert isinstance(notice, Notice)
    assert not notice.known


TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.decimals(-1000, 1000, places=2).map(float)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
WORDS = st.sampled_from(sorted({
    "id", "status", "timestamp", "recipient_id", "recipient_user_id", "type", "errors", "code", "pricing",
    "contacts", "wa_id", "user_id", "profile", "name", "from", "text", "body", "button", "payload",
    "interactive", "context", "value", "category", "event", "message_template_name",
    "message_template_language", "new_category", "new_quality_score", "correct_category",
    "previous_category", "reason",
}))  # fmt: skip
PIECES = st.dictionaries(
    WORDS, TREES | st.sampled_from(["failed", "sent", "text", "button", "interactive", "stop"]), max_size=8
)
FIELDS = st.sampled_from([
    "messages", "user_preferences", "message_template_status_update", "template_category_update",
    "message_template_quality_update", "phone_number_quality_update", "account_update",
    "business_capability_update", "calls", "nonsense",
])  # fmt: skip
NAMES = st.sampled_from(
    ["statuses", "messages", "errors", "user_actions", "user_preferences", "contacts", "metadata", "odd"]
)
VALUES = st.dictionaries(NAMES, st.lists(PIECES | TREES, max_size=3) | TREES, max_size=4) | PIECES | TREES
CHANGES = st.fixed_dictionaries({"field": FIELDS | TREES, "value": VALUES}) | TREES
ENTRIES = st.fixed_dictionaries(
    {"id": st.just(WABA) | TREES, "time": TREES, "changes": st.lists(CHANGES, max_size=3) | TREES}
)
BODIES = st.fixed_dictionaries({"entry": st.lists(ENTRIES | TREES, max_size=3) | TREES}) | st.dictionaries(
    st.text(), TREES
)


@settings(deadline=None)
@given(BODIES)
def test_any_json_object_is_read_alike_each_time_with_keys_of_its_own(body: dict[str, Any]) -> None:
    receiver = WhatsAppReceiver(load())
    items, again = (receiver.parse(receiver.verify(post(json.dumps(body).encode()))) for _ in range(2))
    assert items == again
    assert items, "nothing is lost in silence"
    keys = [(type(item), item.key) for item in items]  # type: ignore[union-attr]
    assert len(set(keys)) == len(keys)
    for item in items:
        assert item.occurred_at.tzinfo is UTC  # type: ignore[union-attr]
        if isinstance(item, Receipt):
            assert item.key == f"{item.remote_id}:{item.word}"
        if isinstance(item, Reply):
            item.text.encode()
        if isinstance(item, Notice):
            assert item.words
            assert len(item.words) < 2000
            assert item.words.isprintable()
