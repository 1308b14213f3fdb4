"""JSON from Flow, Apex and the feed: how its sender is proved, and what becomes of it."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from adapters.salesforce.receiver import SalesforceReceiver
from adapters.salesforce.tests.posting import (
    CONTACT,
    RECEIVED_AT,
    SECRET,
    captured,
    events,
    load,
    notification,
    post,
    receiver,
    request,
    soap,
)
from adapters.salesforce.topics import sample
from connector.errors import PayloadError, SignatureError
from connector.model import Request, Verified

BODY = json.dumps({"object": "Contact", "record": {"Id": CONTACT, "LastName": "Okafor"}}).encode()


def feed(payload: object) -> Verified:
    body = json.dumps(payload).encode()
    return Verified(
        Request(method="POST", headers={"x-connector-feed": "1"}, body=body, received_at=RECEIVED_AT)
    )  # fmt: skip


# who sent it


@pytest.mark.parametrize("form", ["hex", "HEX", "sha256=hex", "base64"])
def test_a_digest_is_taken_in_each_form(form: str) -> None:
    digest = hmac.digest(SECRET.encode(), BODY, "sha256")
    written = {
        "hex": digest.hex(), "HEX": digest.hex().upper(), "sha256=hex": f"sha256={digest.hex()}",
        "base64": b64encode(digest).decode(),
    }[form]  # fmt: skip
    assert receiver().verify(request(BODY, x_connector_signature=written)).body == BODY


def test_the_secret_itself_is_taken_and_not_stored() -> None:
    verified = receiver().verify(request(BODY, x_connector_secret=SECRET, content_type="application/json"))
    assert verified.headers == {"content-type": "application/json"}


def test_a_bad_signature_is_not_made_good_by_the_secret() -> None:
    with pytest.raises(SignatureError):
        receiver().verify(request(BODY, x_connector_secret=SECRET, x_connector_signature="00" * 32))
    digest = hmac.digest(SECRET.encode(), BODY, "sha256").hex()
    both = receiver().verify(request(BODY, x_connector_secret="wrong", x_connector_signature=digest))
    assert "x-connector-secret" not in both.headers


def test_without_a_secret_of_the_account_json_is_refused() -> None:
    here = SalesforceReceiver(load(webhook_secret=None))
    for given in (post(BODY), request(BODY, x_connector_secret=""), request(BODY, x_connector_secret=SECRET)):
        with pytest.raises(SignatureError, match="webhook_secret"):
            here.verify(given)


def test_json_without_a_proof_is_told_what_it_needs() -> None:
    with pytest.raises(SignatureError, match="X-Connector-Signature or X-Connector-Secret"):
        receiver().verify(request(BODY))


def test_nobody_outside_speaks_as_the_feed() -> None:
    found = post(BODY)
    for value in ("1", "", "0"):
        with pytest.raises(SignatureError, match="feed"):
            receiver().verify(request(BODY, **found.headers, **{"x-connector-feed": value}))


# what it tells


def test_a_captured_post_of_a_flow_becomes_its_event() -> None:
    (event,) = events(captured("case_flow"))
    assert (event.type, event.key) == (
        "case.closed",
        "case.closed:5005g00000HjKlQAAV:1c0ffee0-7d52-4c3b-9a57-2f61d3b1a2c4",
    )
    assert event.remembers == {"contact": f"Contact:{CONTACT}"}


def test_a_list_of_records_becomes_an_event_each_and_attributes_are_left_out() -> None:
    records = [
        {"attributes": {"type": "Lead", "url": "/services/data/v64.0/sobjects/Lead/00Q5g00000PlMkN"},
         "Id": "00Q5g00000PlMkN", "Owner": {"attributes": {"type": "User"}, "Name": "Queue"}},
        {"attributes": {"type": "Lead"}, "Id": "00Q5g00000PlMkM"},
    ]  # fmt: skip
    first, second = events(post({"records": records, "event": "lead.welcomed"}))
    assert first.payload == {"_object": "Lead", "Id": "00Q5g00000PlMkNEAV", "Owner": {"Name": "Queue"}}
    assert (first.type, second.subject) == ("lead.welcomed", "Lead:00Q5g00000PlMkMEAV")


def test_whole_numbers_are_whole() -> None:
    record = b'{"Id": "' + CONTACT.encode() + b'", "A": 39.0, "B": -1.50, "C": 1E7, "D": "39.0", "E": [2.0]}'
    (event,) = events(post(b'{"object": "Contact", "record": ' + record + b"}"))
    found = [event.payload[name] for name in "ABCDE"]
    assert found == [39, Decimal("-1.50"), 10_000_000, "39.0", [2]]
    assert type(found[0]) is int


def test_a_moment_is_written_the_same_way_whichever_door_it_came_through() -> None:
    written = ["2026-11-25T14:30:00.000+0000", "2026-11-25T14:30:00Z", "2026-11-25T14:30:00.000+00:00"]
    record = {"Id": CONTACT, "Times__c": written, "Other__c": "2026-11-25T14:30:00.000+0100", "Day__c": "2026-11-25"}
    (event,) = events(post({"object": "Contact", "record": record}))
    assert event.payload["Times__c"] == ["2026-11-25T14:30:00.000Z"] * 3
    assert (event.payload["Other__c"], event.payload["Day__c"]) == ("2026-11-25T14:30:00.000+0100", "2026-11-25")
    (pushed,) = events(soap(notification(Starts__c="2026-11-25T14:30:00Z")))
    assert pushed.payload["Starts__c"] == "2026-11-25T14:30:00.000Z"


def test_what_the_feed_found_has_the_key_of_the_record_s_state() -> None:
    told = {"Id": CONTACT, "SystemModstamp": "2026-11-20T10:05:30.000+0000", "LastName": "Okafor"}
    found = receiver().parse(feed({"object": "Contact", "records": [told]}))
    assert [event.key for event in found] == [f"contact.saved:{CONTACT}:20261120T100530"]
    assert found[0].occurred_at == datetime(2026, 11, 20, 10, 5, 30, tzinfo=UTC)
    pushed = events(post({"object": "Contact", "record": told | {"SystemModstamp": "2026-11-20T10:05:30Z"}}))
    assert pushed[0].key == found[0].key


@pytest.mark.parametrize(
    "gone",
    [
        {"deleted": [{"Id": CONTACT, "SystemModstamp": "2026-11-20T10:05:30Z"}]},
        {"deleted": [{"id": CONTACT, "deletedDate": "2026-11-20T10:05:30.000+0000"}]},
        {"records": [{"Id": CONTACT, "IsDeleted": True, "SystemModstamp": "2026-11-20T10:05:30Z"}]},
    ],
)
def test_a_deleted_record_is_told_in_each_form(gone: dict[str, Any]) -> None:
    (event,) = receiver().parse(feed({"object": "Contact"} | gone))
    assert (event.type, event.topic) == ("contact.deleted", "Contact.deleted")
    assert event.key == f"contact.deleted:{CONTACT}:20261120T100530"
    assert event.subject == f"Contact:{CONTACT}"


def test_a_deleted_record_may_be_told_by_its_id_alone() -> None:
    (event,) = events(post({"object": "Contact", "deleted": [CONTACT[:15]]}))
    assert event.payload == {"Id": CONTACT, "_object": "Contact"}


def test_a_record_without_a_version_is_told_apart_by_what_it_says() -> None:
    def key(**values: Any) -> str:
        (event,) = events(post({"object": "Contact", "record": {"Id": CONTACT} | values}))
        return event.key

    assert key(LastName="Okafor") == key(LastName="Okafor") != key(LastName="Reed")


@pytest.mark.parametrize(
    "payload",
    [
        {}, {"object": "Contact"}, {"record": {"Id": CONTACT}}, {"object": "Contact", "record": []},
        {"object": "Contact", "record": None}, {"object": "Contact", "records": {"Id": CONTACT}},
        {"object": "Contact", "records": "003"}, {"object": "Contact", "records": [CONTACT]},
        {"object": "Contact", "records": [{"Id": CONTACT}] * 501}, {"object": "Contact", "deleted": [7]},
        {"object": "Contact WHERE", "record": {"Id": CONTACT}}, {"object": 5, "record": {"Id": CONTACT}},
        {"object": "../Contact", "record": {"Id": CONTACT}}, {"object": "Contact", "deleted": ["//evil.example/x"]},
        {"object": "Contact", "record": {"Id": "../../x"}}, {"object": "Contact", "record": {"Id": 3}},
        {"object": "Contact", "record": {"Id": CONTACT}, "event": "Case Closed"},
        {"object": "Contact", "record": {"Id": CONTACT}, "event": ["a.b"]},
        {"object": "Contact", "record": {"Id": CONTACT}, "event": "a." + "b" * 80},
    ],
    ids=lambda payload: str(payload)[:60],
)  # fmt: skip
def test_a_body_that_tells_nothing_usable_is_refused(payload: Any) -> None:
    with pytest.raises(PayloadError) as refused:
        events(post(payload))
    assert "evil" not in str(refused.value)


def test_an_id_of_any_length_becomes_a_key_that_can_be_stored() -> None:
    (event,) = events(post({"object": "x" * 80, "record": {"Id": CONTACT}, "event": "a." + "b" * 78, "id": "é" * 9000}))
    assert len(event.key) < 255
    assert event.key.isascii()


def test_who_and_what_a_task_is_about_is_told_by_their_ids() -> None:
    (task,) = events(post({"object": "Task", "record": sample("Task")}))
    assert task.remembers == {
        "contact": f"Contact:{CONTACT}",
        "case": "Case:5005g00000HjKlQAAV",
        "organisation": "Account:0015g00000AsDfGAAV",
    }
    (other,) = events(
        post({"object": "Task", "record": sample("Task") | {"WhoId": "00Q5g00000PlMkN", "WhatId": "a0B5g000001XyZw"}})
    )
    assert other.remembers == {"lead": "Lead:00Q5g00000PlMkNEAV", "organisation": "Account:0015g00000AsDfGAAV"}


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Contact", "Contact …0QwErT"),
        ("Account", "Account …0AsDfG"),
        ("Case", "Case 00001042"),
        ("Order", "Order 00000207"),
        ("Opportunity", "Café autumn blend"),
        ("CampaignMember", "CampaignMember …01TgBn"),
        ("Event", "Event …0EdCvF"),
    ],
)
def test_a_label_is_never_a_person_s_name(name: str, label: str) -> None:
    (event,) = events(post({"object": name, "record": sample(name)}))
    assert event.label == label


def test_a_label_is_one_printable_line() -> None:
    (event,) = events(
        post({"object": "Opportunity", "record": {"Id": "0065g00000ZxCvB", "Name": "a\nb\u202e\u0000" + "c" * 99}})
    )
    assert event.label == "ab\ufffd" + "c" * 57


def test_the_answer_to_json_is_json() -> None:
    answer = receiver().acknowledge(receiver().verify(post(BODY)))
    assert (answer.status, answer.content_type, answer.body) == (200, "application/json", b'{"accepted":true}')


def test_a_body_without_notifications_is_its_own_key() -> None:
    one, other = (receiver().key(receiver().verify(post(body))) for body in (BODY, BODY + b" "))
    assert one.startswith("sha256:")
    assert one != other
