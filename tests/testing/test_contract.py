"""The contract suite tried on a tiny adapter that is right, and on ones with one fault each."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from _pytest.outcomes import Failed
from marshmallow import ValidationError, fields

from connector.contract import (
    Adapter,
    ApiUrl,
    Channel,
    Field,
    Receiver,
    SecretField,
    Settings,
    SettingsSchema,
    Topic,
)
from connector.errors import CredentialsError, PayloadError, SignatureError, TemporaryError, UncertainError
from connector.http import Http
from connector.model import (
    Category,
    Event,
    Ignored,
    Item,
    Message,
    MessageId,
    Payload,
    RemoteId,
    Request,
    Sent,
    Template,
    Verified,
    dig,
    parse_object,
    parse_time,
    text_at,
)
from connector.testing import ChannelContract, ReceiverContract, SettingsContract, Staged
from connector.testing.captured import MOMENT

SIGNATURE = "x-tiny-signature"
SAMPLE: Payload = {
    "type": "paid",
    "order": {"id": "o-77", "label": "#77", "total": "12.50", "paid": True, "at": "2026-11-20T10:00:00Z"},
    "phone": None,
    "lines": [{"title": "Tea", "quantity": 2}],
}
FIELDS = (
    Field("order.id", "id"), Field("order.total", "money"), Field("order.paid", "boolean"),
    Field("order.at", "time"), Field("phone", "phone"), Field("lines", "list"),
    Field("lines[0].quantity", "number"), Field("lines[0].title", "text"), Field("order", "object"),
)  # fmt: skip
TOPIC = Topic(name="paid", event="order.paid", title="Paid", fields=FIELDS, sample=lambda: SAMPLE)


class TinySettings(SettingsSchema):
    secret = SecretField(required=True, rotates=True)
    token = SecretField(required=True)
    api_url = ApiUrl(load_default="https://api.tiny.example")


class TinyReceiver(Receiver):
    def __init__(self, settings: Settings) -> None:
        self.secrets = [secret.reveal().encode() for secret in settings["secret"]]

    def verify(self, request: Request) -> Verified:
        given = request.header(SIGNATURE)
        if not given.isascii() or not any(
            hmac.compare_digest(hmac.digest(secret, request.body, "sha256").hex(), given) for secret in self.secrets
        ):
            raise SignatureError("It is not signed with the account's secret.")
        return Verified(request)

    def key(self, request: Verified) -> str:
        return hashlib.sha256(request.body).hexdigest()

    def parse(self, request: Verified) -> Sequence[Item]:
        payload = parse_object(request.body)
        kind, number = text_at(payload, "type"), text_at(payload, "order.id")
        if kind != "paid":
            return [Ignored(kind if kind.isalnum() and len(kind) < 50 else "(no type)")]
        if not re.fullmatch(r"[a-z0-9-]{1,50}", number):
            raise PayloadError("The order has no id.")
        at = parse_time(text_at(payload, "order.at")) or request.received_at
        return [
            Event(
                key=f"order.paid:{number}", type="order.paid", topic="paid", subject=f"order:{number}",
                label=f"#{number}", occurred_at=at, payload=payload,
            )
        ]  # fmt: skip


class TinyChannel(Channel):
    def __init__(self, settings: Settings, http: Http) -> None:
        self.url, self.http, self.token = settings["api_url"], http, settings["token"].reveal()

    def send(self, message: Message) -> Sent:
        body = {"id": message.id, "to": message.recipient, "template": message.template, "slots": dict(message.slots)}
        remote_id = text_at(self.ask("POST", "/send", body), "id")
        if not remote_id:
            raise UncertainError("The vendor gave no id.")
        return Sent(RemoteId(remote_id))

    def templates(self) -> Iterator[Template]:
        self.ask("GET", "/templates")
        return iter(())

    def ask(self, method: str, path: str, body: object = None) -> Any:
        answer = self.http.request(method, self.url + path, json=body, headers={"Authorization": self.token})
        try:
            told = answer.json()
        except PayloadError:
            told = None
        if answer.status >= 300:
            if dig(told, "fault") == "token":
                raise CredentialsError("The token has expired.", advice="Set a new token.")
            raise TemporaryError(f"The vendor answered HTTP {answer.status}.")
        return told


def adapter(**changes: Any) -> Adapter:
    plain: dict[str, Any] = {
        "name": "tiny", "title": "Tiny", "settings": TinySettings, "receiver": TinyReceiver, "channel": TinyChannel,
        "hosts": lambda settings: [settings["api_url"].partition("://")[2].partition("/")[0]], "topics": (TOPIC,),
    }  # fmt: skip
    return Adapter(**{**plain, **changes})


GIVEN: Mapping[str, Any] = {"secret": ["tiny-secret-1"], "token": "tiny-token-1"}
MESSAGE = Message(
    id=MessageId("01h" + "0" * 23), recipient="+4915112345678", template="paid", language="en",
    category=Category.UTILITY, slots={"body.1": "Marguerite", "body.2": "Zoë 🌸 Ångström"},
)  # fmt: skip


class TestReceiver(ReceiverContract):
    adapter = adapter()
    given = GIVEN
    secret_setting = "secret"
    signature_header = SIGNATURE

    def sign(self, body: bytes, topic: str, secret: str) -> Request:
        signature = hmac.digest(secret.encode(), body, "sha256").hex()
        headers = {"content-type": "application/json", SIGNATURE: signature}
        return Request(method="POST", headers=headers, body=body, received_at=MOMENT)


class TestChannel(ChannelContract):
    adapter = adapter()
    given = GIVEN

    def message(self) -> Message:
        return MESSAGE

    def accepted(self) -> Staged:
        return Staged({"id": "v-1"}, remote_id="v-1")

    def token_refused(self) -> Staged:
        return Staged({"fault": "token"}, 401)


class TestSettings(SettingsContract):
    adapter = adapter()
    given = GIVEN


# planted faults

Make = Callable[[], Adapter]
RECEIVER_FAULTS: dict[str, tuple[type[Receiver], str]] = {}
CHANNEL_FAULTS: dict[str, tuple[type[Channel], str]] = {}


def caught_by(test: str) -> Callable[[type[Any]], type[Any]]:
    def note(kind: type[Any]) -> type[Any]:
        table: dict[str, Any] = RECEIVER_FAULTS if issubclass(kind, Receiver) else CHANNEL_FAULTS
        table[f"{kind.__name__}-{test}"] = kind, test
        return kind

    return note


@caught_by("test_a_request_signed_with_another_secret_is_refused")
@caught_by("test_a_changed_body_is_refused")
@caught_by("test_a_missing_signature_is_refused")
@caught_by("test_a_cut_signature_is_refused")
class AcceptsAll(TinyReceiver):
    def verify(self, request: Request) -> Verified:
        return Verified(request)


@caught_by("test_a_signature_beyond_ascii_is_refused")
class ComparesAnyText(TinyReceiver):
    def verify(self, request: Request) -> Verified:
        if not any(
            hmac.compare_digest(hmac.digest(secret, request.body, "sha256").hex(), request.header(SIGNATURE))
            for secret in self.secrets
        ):
            raise SignatureError("No.")
        return Verified(request)


@caught_by("test_a_cut_signature_is_refused")
class ComparesAPrefix(TinyReceiver):
    def verify(self, request: Request) -> Verified:
        given = request.header(SIGNATURE)
        if not given or not any(
            hmac.digest(secret, request.body, "sha256").hex().startswith(given) for secret in self.secrets
        ):
            raise SignatureError("No.")
        return Verified(request)


@caught_by("test_a_signature_of_another_length_is_refused")
class CutsLongSignatures(TinyReceiver):
    def verify(self, request: Request) -> Verified:
        cut = replace(request, headers={**request.headers, SIGNATURE: request.header(SIGNATURE)[:64]})
        return Verified(request) if super().verify(cut) else Verified(cut)


@caught_by("test_a_signature_with_another_character_is_refused")
class ComparesTheFirstHalf(TinyReceiver):
    def verify(self, request: Request) -> Verified:
        given = request.header(SIGNATURE)
        if len(given) != 64 or not any(
            hmac.digest(secret, request.body, "sha256").hex()[:32] == given[:32] for secret in self.secrets
        ):
            raise SignatureError("No.")
        return Verified(request)


@caught_by("test_a_changed_body_is_refused")
@caught_by("test_a_cut_body_is_refused")
class SignsTheStrippedStart(TinyReceiver):
    def verify(self, request: Request) -> Verified:
        for secret in self.secrets:
            for body in (request.body.strip(), SAMPLE_BODY):
                if hmac.digest(secret, body, "sha256").hex() == request.header(SIGNATURE):
                    return Verified(request)
        raise SignatureError("No.")


@caught_by("test_while_a_secret_rotates_both_are_accepted_and_then_only_the_new")
class KnowsOneSecret(TinyReceiver):
    def __init__(self, settings: Settings) -> None:
        super().__init__({**settings, "secret": settings["secret"][:1]})


@caught_by("test_a_request_signed_with_another_secret_is_refused")
class TellsTheSecret(TinyReceiver):
    def verify(self, request: Request) -> Verified:
        try:
            return super().verify(request)
        except SignatureError:
            raise SignatureError(f"It is not signed with {self.secrets[0].decode()}.") from None


@caught_by("test_a_delivery_that_is_repeated_has_the_same_key")
class KeysByTheClock(TinyReceiver):
    def key(self, request: Verified) -> str:
        return request.received_at.isoformat()


@caught_by("test_another_delivery_has_another_key")
class KeysAllAlike(TinyReceiver):
    def key(self, request: Verified) -> str:
        return "one"


@caught_by("test_every_declared_topic_has_a_sample_that_becomes_its_event")
@caught_by("test_every_item_of_a_sample_is_complete")
class ParsesToNothing(TinyReceiver):
    def parse(self, request: Verified) -> Sequence[Item]:
        parse_object(request.body)
        return []


@caught_by("test_every_item_of_a_sample_is_complete")
class ForgetsTheZone(TinyReceiver):
    def parse(self, request: Verified) -> Sequence[Item]:
        return [
            replace(item, occurred_at=item.occurred_at.replace(tzinfo=None)) if isinstance(item, Event) else item
            for item in super().parse(request)
        ]


@caught_by("test_every_item_of_a_sample_is_complete")
class HasNoLabel(TinyReceiver):
    def parse(self, request: Verified) -> Sequence[Item]:
        return [replace(item, label=" ") if isinstance(item, Event) else item for item in super().parse(request)]


@caught_by("test_parsing_again_gives_the_same_items_and_later_the_same_keys")
class CountsItsEvents(TinyReceiver):
    count = itertools.count()

    def parse(self, request: Verified) -> Sequence[Item]:
        return [
            replace(item, key=f"{item.key}:{next(self.count)}") if isinstance(item, Event) else item
            for item in super().parse(request)
        ]


@caught_by("test_parsing_again_gives_the_same_items_and_later_the_same_keys")
class KeysEventsByTheClock(TinyReceiver):
    def parse(self, request: Verified) -> Sequence[Item]:
        return [
            replace(item, key=f"{item.key}:{request.received_at}") if isinstance(item, Event) else item
            for item in super().parse(request)
        ]


@caught_by("test_a_body_that_cannot_be_read_is_a_payload_error")
class ParsesWithBareJson(TinyReceiver):
    def parse(self, request: Verified) -> Sequence[Item]:
        import json

        payload = json.loads(request.body)
        return super().parse(request) if payload else []


@caught_by("test_a_body_that_cannot_be_read_is_a_payload_error")
class TakesListsForNothing(TinyReceiver):
    def parse(self, request: Verified) -> Sequence[Item]:
        return [] if request.body.startswith(b"[{") else super().parse(request)


@caught_by("test_another_content_type_is_read_or_refused_in_words")
class TrustsTheContentType(TinyReceiver):
    def parse(self, request: Verified) -> Sequence[Item]:
        {"application/json": 1}[request.headers["content-type"]]
        return super().parse(request)


@caught_by("test_an_unknown_topic_is_named_and_quiet")
class FailsOnUnknownTopics(TinyReceiver):
    def parse(self, request: Verified) -> Sequence[Item]:
        if text_at(parse_object(request.body), "type") != "paid":
            raise PayloadError("What is this?")
        return super().parse(request)


@caught_by("test_an_unknown_topic_is_named_and_quiet")
class DropsUnknownTopics(TinyReceiver):
    def parse(self, request: Verified) -> Sequence[Item]:
        return [item for item in super().parse(request) if not isinstance(item, Ignored)]


@caught_by("test_any_json_object_becomes_complete_items_or_a_payload_error")
class NeedsAType(TinyReceiver):
    def parse(self, request: Verified) -> Sequence[Item]:
        parse_object(request.body)["type"]
        return super().parse(request)


@caught_by("test_anything_in_any_place_of_a_sample_becomes_complete_items_or_a_payload_error")
class TrustsTheShape(TinyReceiver):
    def parse(self, request: Verified) -> Sequence[Item]:
        payload: Any = parse_object(request.body)
        if payload.get("type") == "paid" and "order" in payload:
            payload["order"].get("id")
        return super().parse(request)


@caught_by("test_anything_in_any_place_of_a_sample_becomes_complete_items_or_a_payload_error")
class NamesWhateverComes(TinyReceiver):
    def parse(self, request: Verified) -> Sequence[Item]:
        kind = text_at(parse_object(request.body), "type")
        return super().parse(request) if kind == "paid" else [Ignored(kind or "(no type)")]


@caught_by("test_anything_in_any_place_of_a_sample_becomes_complete_items_or_a_payload_error")
class NeedsAnId(TinyReceiver):
    def parse(self, request: Verified) -> Sequence[Item]:
        payload: Any = parse_object(request.body)
        return super().parse(request) if payload.get("type") != "paid" or payload["order"]["id"] else []


@caught_by("test_anything_in_any_place_of_a_sample_becomes_complete_items_or_a_payload_error")
class LabelsWithAnyText(TinyReceiver):
    def parse(self, request: Verified) -> Sequence[Item]:
        label = text_at(parse_object(request.body), "order.label")
        return [
            replace(item, label=label or item.label) if isinstance(item, Event) else item
            for item in super().parse(request)
        ]


@caught_by("test_a_topic_is_named_without_parsing_whatever_the_body")
class ParsesForTheTopic(TinyReceiver):
    def topic(self, request: Verified) -> str:
        return text_at(parse_object(request.body), "type")


@caught_by("test_set_up_questions_are_not_seen_where_there_are_none")
class ShakesEveryHand(TinyReceiver):
    def handshake(self, request: Request) -> Any:
        return self.acknowledge()


@caught_by("test_a_message_that_is_taken_over_has_the_vendors_id")
class ReturnsOurId(TinyChannel):
    def send(self, message: Message) -> Sent:
        super().send(message)
        return Sent(RemoteId(message.id))


@caught_by("test_the_message_carries_our_id_its_template_and_its_recipient")
class ForgetsOurId(TinyChannel):
    def send(self, message: Message) -> Sent:
        return super().send(replace(message, id=MessageId("x")))


@caught_by("test_many_threads_may_send_at_once")
class SharesState(TinyChannel):
    def send(self, message: Message) -> Sent:
        self.message = message
        self.ask("GET", "/slow")
        return super().send(self.message)


@caught_by("test_no_whole_answer_is_uncertain_and_is_not_repeated")
class Repeats(TinyChannel):
    def send(self, message: Message) -> Sent:
        try:
            return super().send(message)
        except UncertainError:
            return super().send(message)


@caught_by("test_no_whole_answer_is_uncertain_and_is_not_repeated")
class CallsItTemporary(TinyChannel):
    def send(self, message: Message) -> Sent:
        try:
            return super().send(message)
        except UncertainError as error:
            raise TemporaryError(str(error)) from None


@caught_by("test_a_refused_connection_is_temporary_and_certain")
class CallsItUncertain(TinyChannel):
    def send(self, message: Message) -> Sent:
        try:
            return super().send(message)
        except TemporaryError as error:
            raise UncertainError(str(error)) from None


@caught_by("test_a_refused_token_suspends_the_account")
class BlamesTheMessage(TinyChannel):
    def send(self, message: Message) -> Sent:
        try:
            return super().send(message)
        except CredentialsError as error:
            raise TemporaryError(str(error)) from None


@caught_by("test_a_refused_token_suspends_the_account")
@caught_by("test_a_refused_connection_is_temporary_and_certain")
class TellsTheToken(TinyChannel):
    def ask(self, method: str, path: str, body: object = None) -> Any:
        try:
            return super().ask(method, path, body)
        except CredentialsError:
            raise CredentialsError(f"{self.token} has expired.", advice="Set a new one.") from None
        except TemporaryError as error:
            error.advice = f"Try {self.token}"
            raise


@caught_by("test_no_whole_answer_is_uncertain_and_is_not_repeated")
class TellsTheRecipient(TinyChannel):
    def send(self, message: Message) -> Sent:
        try:
            return super().send(message)
        except UncertainError:
            raise UncertainError(f"No answer about {message.recipient}.") from None


@caught_by("test_success_without_an_id_is_uncertain")
class TrustsTheAnswer(TinyChannel):
    def send(self, message: Message) -> Sent:
        return Sent(RemoteId(str(dig(self.ask("POST", "/send"), "id"))))


@caught_by("test_an_answer_that_is_not_the_vendors_is_a_remote_error")
class TrustsTheFault(TinyChannel):
    def ask(self, method: str, path: str, body: object = None) -> Any:
        answer = self.http.request(method, self.url + path, json=body)
        if answer.status >= 300:
            raise TemporaryError(str(answer.json()["error"]["code"]))  # type: ignore[call-overload,index]
        return answer.json()


SAMPLE_BODY = b""


def run(case: Any, test: str) -> None:
    """Run one test of a contract as pytest would, with each of its parameters."""
    method = getattr(case, test)
    names: list[tuple[str, Any]] = [
        (mark.args[0], list(mark.args[1])) for mark in getattr(method, "pytestmark", ()) if mark.name == "parametrize"
    ]
    for values in itertools.product(*(values for _, values in names)):
        method(**dict(zip((name for name, _ in names), values, strict=True)))


@pytest.mark.parametrize("fault", RECEIVER_FAULTS)
def test_a_faulty_receiver_is_caught(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, test = RECEIVER_FAULTS[fault]
    case = TestReceiver()
    monkeypatch.setattr(f"{__name__}.SAMPLE_BODY", case.genuine().body)
    monkeypatch.setattr(TestReceiver, "adapter", adapter(receiver=kind))
    with pytest.raises((Exception, Failed)):
        run(case, test)


@pytest.mark.parametrize("fault", CHANNEL_FAULTS)
def test_a_faulty_channel_is_caught(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, test = CHANNEL_FAULTS[fault]
    monkeypatch.setattr(TestChannel, "adapter", adapter(channel=kind))
    with pytest.raises((Exception, Failed)):
        run(TestChannel(), test)


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (Field("order.number", "text"), "is not in the sample"),
        (Field("lines[1].title", "text"), "is not in the sample"),
        (Field("order.total", "boolean"), "declared as boolean"),
        (Field("order.paid", "number"), "declared as number"),
        (Field("order.label", "money"), "declared as money"),
        (Field("order.label", "time"), "declared as time"),
        (Field("order.label", "phone"), ""),
        (Field("order.label", "url"), "declared as url"),
        (Field("order", "list"), "declared as list"),
        (Field("lines", "object"), "declared as object"),
        (Field("order.at", "date"), "a type that does not exist"),
    ],
)
def test_a_wrong_field_is_caught(field: Field, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TestReceiver, "adapter", adapter(topics=(replace(TOPIC, fields=(field,)),)))
    check = TestReceiver().test_declared_fields_stand_in_the_sample_with_the_declared_type
    if words:
        with pytest.raises(AssertionError, match=words):
            check()
    else:
        check()


class LooseSettings(SettingsSchema):
    class Meta:
        unknown = "exclude"

    secret = SecretField(required=True, rotates=True)
    token = SecretField(required=True)
    api_url = ApiUrl()


class PlainSettings(SettingsSchema):
    secret = SecretField(required=True, rotates=True)
    token = fields.String(required=True)
    api_url = fields.String()


class LeakySecret(SecretField):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if " " in str(value):
            raise ValidationError(f"{value} holds a space.")
        return str(value)


class LeakySettings(TinySettings):
    token = LeakySecret(required=True)


class AnyUrl(ApiUrl):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return str(value)


class OpenSettings(TinySettings):
    api_url = AnyUrl()


SETTINGS_FAULTS: list[tuple[type[SettingsSchema], str]] = [
    (LooseSettings, "test_an_unknown_setting_is_refused"),
    (LeakySettings, "test_secrets_are_in_no_repr_and_in_no_dump"),
    (LeakySettings, "test_a_refusal_does_not_repeat_a_secret"),
    (PlainSettings, "test_whatever_sounds_secret_is_one"),
    (PlainSettings, "test_every_url_is_of_the_type_that_is_checked"),
    (OpenSettings, "test_urls_are_https_except_towards_this_machine"),
]


@pytest.mark.parametrize(("schema", "test"), SETTINGS_FAULTS)
def test_faulty_settings_are_caught(schema: type[SettingsSchema], test: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TestSettings, "adapter", adapter(settings=schema))
    with pytest.raises((Exception, Failed)):
        run(TestSettings(), test)


def test_a_channel_without_hosts_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TestSettings, "adapter", adapter(hosts=lambda settings: ()))
    with pytest.raises(AssertionError):
        TestSettings().test_the_session_is_held_to_hosts_it_can_check()


def test_every_test_of_the_receivers_contract_catches_some_fault() -> None:
    tests = {name for name in dir(ReceiverContract) if name.startswith("test_")}
    never = tests - {test for _, test in RECEIVER_FAULTS.values()}
    assert never == {
        "test_a_genuine_request_is_accepted_as_it_is",  # the tiny adapter itself
        "test_declared_fields_stand_in_the_sample_with_the_declared_type",  # test_a_wrong_field_is_caught
    }
