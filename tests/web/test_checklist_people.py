"""What people say reaches the ledger whole: out of order, from a shared phone, in pictures and from right to left."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest
import time_machine

from connector.model import now
from tests.web.home import ANN, Home, a_home  # noqa: F401 - a fixture
from tests.web.test_checklist_salesforce import CONTACT


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
@pytest.mark.parametrize(
    ("states", "end"),
    [
        (["subscribed", "unsubscribed"], "revoked"),
        (["unsubscribed", "subscribed"], "granted"),
        (["subscribed", "unsubscribed", "subscribed"], "granted"),
        (["unsubscribed", "subscribed", "unsubscribed"], "revoked"),
        (["pending", "subscribed", "unsubscribed"], "revoked"),
        (["subscribed", "pending", "redacted"], "granted"),
    ],
    ids=str,
)
def test_consent_webhooks_in_any_order_come_to_the_same(
    home: Home, states: list[str], end: str, together: bool
) -> None:
    start = now() - timedelta(hours=3)
    told = [(state, start + timedelta(minutes=10 * place)) for place, state in enumerate(states)]
    phones = {}
    for number, order in enumerate(permutations(told), start=1):
        phone = phones[number] = f"+4474001234{number:02d}"
        for state, at in (*order, order[0]):  # the first comes once more, at last
            home.consents(number, phone, state, at)
            if not together:
                home.decide()
    home.decide()
    assert {home.standing(phone) for phone in phones.values()} == {end}
    assert set(home.wishes("whatsapp_marketing_consent").values()) <= {
        {"granted": "SUBSCRIBED", "revoked": "UNSUBSCRIBED"}[end]
    }


def test_what_one_of_two_people_with_one_phone_says_holds_for_both(home: Home) -> None:
    at = now() - timedelta(hours=1)
    for number in (1, 2):
        home.customer(number, ANN)
        home.consents(number, ANN, "subscribed", at)
    home.decide()
    assert home.standing() == "granted"
    assert len({row.contact_id for row in home.rows("identity") if row.kind == "record"}) == 1

    home.writes("STOP", ago=60)
    assert home.standing() == "revoked"
    assert home.wishes("whatsapp_marketing_consent") == {"1": "UNSUBSCRIBED", "2": "UNSUBSCRIBED"}

    home.consents(2, ANN, "subscribed", at + timedelta(minutes=5))  # the other one's, from before
    home.decide()
    assert home.standing() == "revoked"

    home.writes("START")
    assert home.standing() == "granted"
    assert home.wishes("whatsapp_marketing_consent") == {}, "the shop has never heard otherwise"


@pytest.mark.parametrize(
    "text",
    [
        "stop 🙏", "🛑", "🛑🛑🛑", "\u200fעצור\u200f", "\u202eעצור\u202c", "أَوْقِف", "ايقاف",
        "\u2067إلغاء الاشتراك\u2069", "退订 🙏", "ＳＴＯＰ", "s\u200bt\u200bo\u200bp", "STOP\ufe0f",
    ],
)  # fmt: skip
def test_a_stop_in_pictures_or_from_right_to_left_is_a_stop(home: Home, text: str) -> None:
    home.put("policy/people", ('stop = ["stop", ', 'stop = ["🛑", "🛑🛑🛑", "stop", '))
    home.customer(1, ANN)
    home.consents(1, ANN, "subscribed", now() - timedelta(hours=1))
    home.writes(text)
    assert home.standing() == "revoked"
    assert home.wishes("whatsapp_marketing_consent") == {"1": "UNSUBSCRIBED"}
    (answer,) = home.rows("message")
    assert answer.recipient == ANN


@pytest.mark.parametrize("text", ["🙏", "👍🏽", "\u200f", "\u202e", "لا أريد التوقف", "please don't 🛑", "😀" * 3000])
def test_other_pictures_and_scripts_are_left_to_people(home: Home, text: str) -> None:
    home.put("policy/people", ('stop = ["stop", ', 'stop = ["🛑", "stop", '))
    home.writes(text)
    assert home.standing() == "unknown"
    assert home.rows("consent") == []


def test_an_echo_of_our_write_with_a_later_time_changes_nothing(home: Home) -> None:
    began = now() - timedelta(hours=1)
    home.saved(at=began, MobilePhone=ANN)
    home.writes("STOP", ago=60)
    before = [row.key for row in home.rows("consent")]
    written = {change.field: change.value for change in home.write_back(home.org)}
    assert written["WhatsApp_Status__c"] == "Opted out"

    later = now() + timedelta(minutes=10)
    with time_machine.travel(later, tick=False):
        told = {name: str(value) for name, value in written.items()}
        for minutes in (0, 1, 2):  # it has a time of its own by which it was saved, and tells of it again and again
            stamp = (later + timedelta(minutes=minutes)).isoformat()
            home.saved(at=later, MobilePhone=ANN, **told | {"WhatsApp_Status_At__c": stamp})
        assert [row.key for row in home.rows("consent")] == before
        assert home.standing() == "revoked"
        assert home.wishes("WhatsApp_Status__c") == {}

        home.writes("START")
        home.saved(at=now() + timedelta(minutes=1), MobilePhone=ANN, **told | {"WhatsApp_Status_At__c": stamp})
        assert home.standing() == "granted", "the echo of a write is no statement, be its time later than the start"
        assert home.wishes("WhatsApp_Status__c") == {CONTACT: "Opted in"}
        again = {change.field: str(change.value) for change in home.write_back(home.org)}
        assert again["WhatsApp_Status__c"] == "Opted in"
        home.saved(at=now() + timedelta(minutes=9), MobilePhone=ANN, **told | again)
        assert home.wishes("WhatsApp_Status__c") == {}
        assert len(home.rows("consent")) == len(before) + 2, "marketing and utility are granted, once"
