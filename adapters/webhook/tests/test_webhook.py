from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError

from adapters.webhook.adapter import ADAPTER
from adapters.webhook.receiver import WebhookReceiver, normalise
from connector.errors import SignatureError
from connector.model import Event, Ignored, Payload, Request, Verified, parse_object
from connector.testing import ReceiverContract, SettingsContract, read_captured
from connector.testing.captured import MOMENT

SECRET = "fixture-secret-51c7"
FIXTURES = Path(__file__).parent.parent / "fixtures"
BOOKING = read_captured(FIXTURES / "booking_confirmed.http")
PLAIN: Payload = {"type": "booking.confirmed", "id": "e-1", "time": 1763812683, "phone": "+4930901820", "n": [1, {}]}


def signed(body: bytes, secret: str, **headers: str) -> Request:
    own = {"content-type": "application/json", "x-signature": hmac.digest(secret.encode(), body, "sha256").hex()}
    return Request(method="POST", headers=own | headers, body=body, received_at=MOMENT)


class Contract(ReceiverContract):
    adapter = ADAPTER
    given: ClassVar[Mapping[str, Any]] = {"secret": [SECRET]}
    secret_setting = "secret"
    signature_header = "x-signature"

    def samples(self) -> list[tuple[str, Payload]]:
        return [("", PLAIN)]

    def sign(self, body: bytes, topic: str, secret: str) -> Request:
        return signed(body, secret)


class TestSignedWithHex(Contract):
    pass


class TestSignedWithBase64AndPrefix(Contract):
    given: ClassVar = {
        "secret": [SECRET], "header": "X-Shop-Hmac", "algorithm": "sha512", "encoding": "base64", "prefix": "v1,",
        "event_type": "header:X-Event", "id": "header:X-Delivery", "subject": "n.1.order", "label": "n[0]",
    }  # fmt: skip
    signature_header = "x-shop-hmac"

    def samples(self) -> list[tuple[str, Payload]]:
        return [("Bookings/Confirmed", PLAIN), ("bookings/cancelled", {"n": [0, {"order": "7"}]})]

    def unknown(self) -> Request:
        return self.genuine(b"{}", "")

    def sign(self, body: bytes, topic: str, secret: str) -> Request:
        digest = b64encode(hmac.digest(secret.encode(), body, "sha512")).decode()
        delivery = hashlib.md5(body).hexdigest()
        headers = {"x-shop-hmac": f"v1,{digest}", "x-event": topic, "x-delivery": delivery}
        return Request(method="POST", headers=headers, body=body, received_at=MOMENT)


class TestSharedSecret(Contract):
    given: ClassVar = {"secret": [SECRET], "mode": "shared", "header": "Authorization", "prefix": "Bearer "}
    signature_header = "authorization"
    signs_body = False

    def sign(self, body: bytes, topic: str, secret: str) -> Request:
        headers = {"content-type": "application/json", "authorization": f"Bearer {secret}"}
        return Request(method="POST", headers=headers, body=body, received_at=MOMENT)


class TestSettings(SettingsContract):
    adapter = ADAPTER
    given: ClassVar = TestSignedWithBase64AndPrefix.given | {
        "country": "DE",
        "locale": "pt-BR",
        "secret": [SECRET, "older-secret"],
    }


def receiver(**settings: Any) -> WebhookReceiver:
    return WebhookReceiver(ADAPTER.settings().load({"secret": [SECRET], **settings}))


def event(payload: object, headers: Mapping[str, str] | None = None, **settings: Any) -> Event:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    ours = receiver(**settings)
    (found,) = ours.parse(ours.verify(signed(body, SECRET, **(headers or {}))))
    assert isinstance(found, Event)
    return found


def test_the_captured_request_becomes_an_event() -> None:
    ours = receiver(
        prefix="sha256=", phone="guest.mobile", subject="booking.number", label="booking.number", locale="de"
    )
    (found,) = ours.parse(ours.verify(BOOKING))
    assert found == Event(
        key="booking.confirmed:evt_8f31c0",
        type="booking.confirmed",
        topic="booking.confirmed",
        subject="B-2041",
        label="B-2041",
        occurred_at=datetime(2026, 11, 22, 11, 58, 3, tzinfo=UTC),
        payload={**parse_object(BOOKING.body), "phone": "+49 30 901820"},
    )


def test_without_further_paths_the_id_names_the_subject() -> None:
    found = event({"type": "order.paid", "id": 450789469123456789})
    assert (found.key, found.subject, found.label) == (
        "order.paid:450789469123456789",
        "order:450789469123456789",
        "order:450789469123456789",
    )


def test_two_events_about_one_thing_share_their_subject() -> None:
    about = {"subject": "invoice"}
    first = event({"type": "invoice.sent", "id": "e1", "invoice": "R-9"}, **about)
    second = event({"type": "payment.received", "id": "e2", "invoice": "R-9"}, **about)
    assert first.subject == second.subject == "R-9"


def test_without_an_id_the_body_is_the_id() -> None:
    body = b'{"type": "order.paid", "total": 1}'
    assert event(body).key == f"order.paid:{hashlib.sha256(body).hexdigest()}"
    assert event(body + b" ").key != event(body).key
    assert event({"type": "a", "id": "1"}, id="").key != event({"type": "a", "id": "1", "n": 1}, id="").key


@pytest.mark.parametrize("id_", ["with a blank", "ü", "x" * 121, "\x00", "\ud83d", "line\nbreak"])
def test_an_id_that_no_column_takes_is_kept_as_its_digest(id_: str) -> None:
    found = event({"type": "order.paid", "id": id_})
    assert len(found.key) == len("order.paid:") + 64
    assert found.key == event({"type": "order.paid", "id": id_, "more": 1}).key
    assert found.key != event({"type": "order.paid", "id": "another one"}).key


def test_type_id_and_time_may_come_in_headers() -> None:
    headers = {"x-event": "Orders/Paid", "x-id": "d-1", "x-time": "2026-11-22T10:00:00Z"}
    ours = {"event_type": "header:X-Event", "id": "header:X-Id", "time": "header:X-Time"}
    found = event({"type": "other", "id": "other"}, headers, **ours)
    assert (found.type, found.topic, found.key) == ("orders.paid", "Orders/Paid", "orders.paid:d-1")
    assert found.occurred_at == datetime(2026, 11, 22, 10, tzinfo=UTC)
    request = Verified(signed(b"{}", SECRET, **headers))
    assert receiver(**ours).key(request) == "d-1"
    assert receiver(**ours).topic(request) == "Orders/Paid"


@pytest.mark.parametrize("payload", [{}, {"type": None}, {"type": ""}, {"type": {"a": 1}}, {"type": []}])
def test_a_request_without_a_type_is_ignored(payload: object) -> None:
    ours = receiver()
    assert ours.parse(ours.verify(signed(json.dumps(payload).encode(), SECRET))) == [Ignored("(no type)")]


def test_a_type_of_which_nothing_is_left_is_ignored_by_name() -> None:
    ours = receiver()
    assert ours.parse(ours.verify(signed('{"type": "注文"}'.encode(), SECRET))) == [Ignored("注文")]


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("order.paid", "order.paid"), ("Order Paid", "order_paid"), ("orders/paid", "orders.paid"),
        ("ORDER:PAID!", "order.paid"), (" - order -- paid - ", "order_paid"), ("a..b", "a.b"), ("...", ""),
        ("x" * 200, "x" * 80), ("caf\u00e9.open", "caf.open"), ("a_._b", "a.b"),
    ],
)  # fmt: skip
def test_a_senders_word_becomes_one_of_ours(word: str, kind: str) -> None:
    assert normalise(word) == kind


@settings(deadline=None)
@given(st.text())
def test_a_normal_word_stays_as_it_is(word: str) -> None:
    kind = normalise(word)
    assert normalise(kind) == kind
    assert len(kind) <= 80
    assert set(kind) <= set("abcdefghijklmnopqrstuvwxyz0123456789_.")


@pytest.mark.parametrize(
    ("time", "at"),
    [
        ("2026-11-22T11:00:00+01:00", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        (1763812683, datetime(2025, 11, 22, 11, 58, 3, tzinfo=UTC)),
        (1763812683123, datetime(2025, 11, 22, 11, 58, 3, tzinfo=UTC)),
        ("2026-11-22T12:04:00Z", MOMENT + timedelta(minutes=4)),
        ("2026-11-22T12:06:00Z", MOMENT),
        ("2026-11-22T11:00:00", MOMENT),
        ("yesterday", MOMENT),
        (None, MOMENT),
    ],
)
def test_the_moment_is_the_senders_where_it_can_be_believed(time: object, at: datetime) -> None:
    assert event({"type": "a", "time": time}).occurred_at == at


def test_the_payload_stays_as_it_came_but_for_a_phone_at_another_path() -> None:
    payload = {"type": "a", "id": "1", "guest": {"mobile": "+4930"}, "phone": ""}
    assert event(payload, phone="guest.mobile").payload == {**payload, "phone": "+4930"}
    assert event(payload).payload == payload
    own = {**payload, "phone": "+4940"}
    assert event(own, phone="guest.mobile").payload == own


@pytest.mark.parametrize(
    ("label", "shown"), [("  Table\n7 ", "Table 7"), ("", "a:1"), ("\x07", "a:1"), (7, "7"), ("x" * 99, "x" * 60)]
)
def test_a_label_is_one_short_line(label: object, shown: str) -> None:
    assert event({"type": "a", "id": "1", "name": label}, label="name").label == shown


def test_a_prefix_that_is_missing_is_told() -> None:
    with pytest.raises(SignatureError, match="does not begin with the prefix 'sha256='"):
        receiver(prefix="sha256=").verify(signed(b"{}", SECRET))


def test_blanks_inside_a_digest_are_refused() -> None:
    request = signed(b"{}", SECRET)
    spaced = " ".join(request.headers["x-signature"])
    with pytest.raises(SignatureError):
        receiver().verify(signed(b"{}", SECRET, **{"x-signature": spaced}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "basic"}, {"algorithm": "md5"}, {"encoding": "base32"}, {"header": "X Signature"}, {"header": ""},
        {"event_type": "header:"}, {"event_type": "header:X Y"}, {"id": "a b"}, {"time": "cookie:x"}, {"secret": []},
        {"prefix": "é"}, {"country": "Germany"}, {"country": "de"}, {"locale": "german!"}, {"id": None},
    ],
)  # fmt: skip
def test_a_setting_that_cannot_work_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        receiver(**wrong)
    assert list(caught.value.messages_dict) == list(wrong)
