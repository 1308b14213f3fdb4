"""What people write, tap and choose, and Meta's news."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.whatsapp.notices import language_of
from adapters.whatsapp.tests.hooks import NUMBER, RECEIVED_AT, WABA, fixture
from connector.model import Notice, Preference, Reply, TemplateChange

Read = Callable[[object], list[Any]]


def test_every_type_of_message_is_a_reply(read: Read) -> None:
    replies = read(fixture("messages"))
    assert all(isinstance(reply, Reply) for reply in replies)
    assert [(reply.kind, reply.text, reply.button) for reply in replies] == [
        ("text", "STOP", ""),
        ("button", "All good", "ORDER_OK:1001"),
        ("interactive", "Later", "later"),
        ("interactive", "Medium", "size-m"),
        ("interactive", "Sent", ""),
        ("image", "", ""),
        ("unsupported", "", ""),
        ("reaction", "", ""),
        ("hologram", "", ""),
    ]


def test_a_reply_knows_its_sender_its_time_and_what_it_answers(read: Read) -> None:
    text, button, *_ = read(fixture("messages"))
    assert text.sender.phone == "+491712345678"
    assert text.sender.user_id == "DE.8801234567890123"
    assert text.sender.name == "Zoë Müller"
    assert text.occurred_at == datetime.fromtimestamp(1795349000, UTC)
    assert (text.in_reply_to, button.in_reply_to) == (None, "wamid.HBgNNDkxNzEyMzQ1Njc4ORUCABEYEjA0")
    assert text.key == text.remote_id == "wamid.IN1"
    assert text.payload["text"] == {"body": "STOP"}


def test_a_sender_known_only_by_user_id_is_enough(read: Read) -> None:
    (reply,) = read(fixture("message_user_id_only"))
    assert (reply.sender.phone, reply.sender.user_id, reply.sender.name) == ("", "GB.1112223334445556", "Ada")


def test_empty_strings_count_as_missing(read: Read) -> None:
    payload = fixture("message_user_id_only")
    value = payload["entry"][0]["changes"][0]["value"]
    value["messages"][0] |= {"from": ""}
    value["contacts"][0] |= {"wa_id": ""}
    assert read(payload)[0].sender.phone == ""


def test_a_system_message_is_a_reply_of_its_kind(read: Read) -> None:
    (reply,) = read(fixture("system"))
    assert (reply.kind, reply.text, reply.sender.phone) == ("system", "", "+491712345678")
    assert reply.payload["system"]["wa_id"] == "491798765432"


def test_what_no_database_takes_is_left_out_of_texts(read: Read) -> None:
    payload = fixture("messages")
    payload["entry"][0]["changes"][0]["value"]["messages"][0]["text"]["body"] = "a\x00b\ud800c"
    assert read(payload)[0].text == "a\ufffdb\ufffdc"


def test_account_errors_and_link_clicks_and_surprises_are_notices(read: Read) -> None:
    errors, click, surprise = read(fixture("value_errors"))
    assert (errors.known, click.known, surprise.known) == (True, True, False)
    assert "130429" in errors.words
    assert "marketing_messages_link_click" in click.words
    assert surprise.payload == {"surprises": [{"a": 1}]}


def test_choices_are_preferences_and_odd_ones_are_notices(read: Read) -> None:
    *chosen, odd, nobody = read(fixture("preferences"))
    assert all(isinstance(item, Preference) for item in chosen)
    assert [(item.purpose, item.choice) for item in chosen] == [
        ("marketing", "stop"),
        ("marketing", "resume"),
        ("marketing", "signup"),
    ]
    assert chosen[0].occurred_at == datetime.fromtimestamp(1795350000, UTC)
    assert chosen[1].sender.phone == "+491712345678", "the contact lends the number to a user id"
    assert chosen[0].sender.user_id == "DE.8801234567890123"
    assert len({item.key for item in chosen}) == 3
    assert isinstance(odd, Notice)
    assert not odd.known
    assert isinstance(nobody, Preference), "the only contact is whose it is"


def test_a_preference_without_a_person_is_not_one(read: Read) -> None:
    payload = fixture("preferences")
    value = payload["entry"][0]["changes"][0]["value"]
    value |= {"contacts": [], "user_preferences": value["user_preferences"][-1:]}
    (notice,) = read(payload)
    assert isinstance(notice, Notice)
    assert not notice.known


def test_a_preference_holds_for_the_business_whichever_number_it_came_through(read: Read) -> None:
    payload = fixture("preferences")
    payload["entry"][0]["changes"][0]["value"]["metadata"]["phone_number_id"] = f"{NUMBER}9"
    assert isinstance(read(payload)[0], Preference)
    payload["entry"][0]["id"] = f"{WABA}9"
    (notice,) = read(payload)
    assert isinstance(notice, Notice)


def change(**parts: str) -> TemplateChange:
    return TemplateChange(name="order_paid", language="en_US", **parts)


@pytest.mark.parametrize(
    ("name", "told", "words"),
    [
        ("template_paused", change(status="paused", category="utility"), "FIRST_PAUSE|Paused for 3 hours"),
        ("template_reinstated", change(status="approved"), "is reinstated"),
        ("template_flagged", change(), "is flagged"),
        ("template_quality", change(quality="yellow"), "before green"),
        ("template_quality_as_status", change(quality="red"), "quality red"),
        ("category_announced", change(), "will become marketing on 2026-11-23 .* still utility"),
        ("category_changed", change(category="marketing"), "now in category marketing"),
        ("template_edited", change(), "was edited"),
        ("number_upgraded", None, "Set messages_per_second to 1000"),
        ("account_restricted", None, "account restriction. RESTRICTED_BIZ_INITIATED_MESSAGING"),
        ("capability", None, "People a day: 2000"),
    ],
)
def test_news_is_told_in_a_line_and_as_a_change(read: Read, name: str, told: TemplateChange | None, words: str) -> None:
    (notice,) = read(fixture(name))
    assert notice.known
    assert notice.template == told
    assert notice.occurred_at == datetime.fromtimestamp(1795351000, UTC)
    assert re.search(words, notice.words), notice.words


def test_an_unknown_field_is_kept_under_its_name(read: Read) -> None:
    (notice,) = read(fixture("unknown_field"))
    assert (notice.kind, notice.known) == ("telepathy_update", False)
    assert notice.payload == {"event": "THOUGHT"}


def test_the_same_news_at_another_time_is_other_news(read: Read) -> None:
    paused, again = fixture("template_paused"), fixture("template_paused")
    again["entry"][0]["time"] += 3600
    assert read(paused)[0].key == read(fixture("template_paused"))[0].key != read(again)[0].key


def test_news_without_a_time_took_place_when_it_came(read: Read) -> None:
    payload = fixture("template_paused")
    del payload["entry"][0]["time"]
    assert read(payload)[0].occurred_at == RECEIVED_AT


def test_people_and_tokens_are_masked_in_an_operators_line(read: Read) -> None:
    payload = fixture("value_errors")
    said = "Rejected +49 171 2345678 with EAAGm0PX4ZCpsBAKZCd8ZBxyz1234567890abcdefghij\n\nsee below"
    payload["entry"][0]["changes"][0]["value"]["errors"][0]["error_data"]["details"] = said
    words = read(payload)[0].words
    assert "2345678" not in words
    assert "EAAG" not in words
    assert words.endswith("see below")


@pytest.mark.parametrize(
    ("given", "language"),
    [
        ("en-US", "en_US"),
        ("en_us", "en_US"),
        ("DE", "de"),
        ("pt_BR", "pt_BR"),
        ("fil", "fil"),
        ("zh-Hant", "zh_Hant"),
    ],
)
def test_languages_are_written_as_templates_have_them(given: str, language: str) -> None:
    assert language_of(given) == language
