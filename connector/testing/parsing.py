# ruff: noqa: S101 - this is a test suite
"""The contract of receivers, second half: what becomes of a genuine body."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings

from connector.contract import Adapter, Field, Receiver
from connector.errors import PayloadError
from connector.model import Event, Ignored, Item, Json, Notice, Payload, Request, Verified, parse_object, parse_time
from connector.model.payload import steps
from connector.testing.bodies import encode, odd, put, spoiled

MOST = 1000
"""Items of one request that a vendor may announce; one more may say that there were more."""
_EXAMPLES = 100
_ODD_ONES = 12_000
"""Spoiled samples to try; with more, every second, third, … of them."""
_TEXTS = ("key", "type", "topic", "subject", "label", "kind", "words", "word", "remote_id", "button", "purpose")


class ParsingTests(ABC):
    """The tests of ``parse``; part of ReceiverContract."""

    adapter: ClassVar[Adapter]
    hostile: ClassVar[Mapping[str, bytes]]

    @abstractmethod
    def receiver(self, *secrets: str) -> Receiver:
        """See ReceiverContract."""

    @abstractmethod
    def genuine(self, body: bytes | None = None, topic: str | None = None) -> Request:
        """See ReceiverContract."""

    @abstractmethod
    def samples(self) -> list[tuple[str, Payload]]:
        """See ReceiverContract."""

    @abstractmethod
    def unknown(self) -> Request:
        """See ReceiverContract."""

    def parse(self, request: Request, receiver: Receiver | None = None) -> Sequence[Item]:
        """Verify and parse."""
        receiver = receiver or self.receiver()
        return receiver.parse(receiver.verify(request))

    def test_every_declared_topic_has_a_sample_that_becomes_its_event(self) -> None:
        """What an editor offers is what comes."""
        faults = []
        for topic in self.adapter.topics:
            items = self.parse(self.genuine(encode(topic.sample()), topic.name))
            found = [item.type for item in items if isinstance(item, Event)]
            if topic.event not in found:
                faults.append(f"{topic.name}: the sample becomes {found or items}, not {topic.event}")
        assert not faults, "\n".join(faults)

    def test_every_item_of_a_sample_is_complete(self) -> None:
        """Keys, subjects and labels are filled, times are aware, texts can be stored."""
        for topic, payload in self.samples():
            items = self.parse(self.genuine(encode(payload), topic))
            assert items, f"{topic}: the sample becomes nothing at all"
            assert not list(faults_of(items))

    def test_parsing_again_gives_the_same_items_and_later_the_same_keys(self) -> None:
        """A replay must not make an event twice; only what was received now may depend on now."""
        for topic, payload in self.samples():
            request = self.genuine(encode(payload), topic)
            first = self.parse(request)
            assert list(self.parse(request)) == list(first)
            later = self.parse(replace(request, received_at=request.received_at + timedelta(days=3)))
            assert [key_of(item) for item in later] == [key_of(item) for item in first], topic

    def test_declared_fields_stand_in_the_sample_with_the_declared_type(self) -> None:
        """A field that an editor offers must exist; null is a value of every type."""
        faults: list[str] = []
        for topic in self.adapter.topics:
            sample = parse_object(encode(topic.sample()))
            found = ((field.path, fault_of(sample, field)) for field in topic.fields if "*" not in field.path)
            faults += [f"{topic.name} ({topic.event}): {path} {words}" for path, words in found if words]
        assert not faults, "\n".join(faults)

    def test_a_topic_is_named_without_parsing_whatever_the_body(self) -> None:
        """Lists and counters show it, also of bodies that cannot be read."""
        topic = self.samples()[0][0]
        for body in (*self.hostile.values(), encode(self.samples()[0][1])):
            found = self.receiver().topic(Verified(self.genuine(body, topic)))
            assert found == "" or storable(found), "a topic must be a short printable text"

    def test_a_body_that_cannot_be_read_is_a_payload_error(self) -> None:
        """It is genuine, so it is kept: it needs words for a person, and no other exception."""
        topic = self.samples()[0][0]
        for what, body in self.hostile.items():
            request = self.genuine(body, topic)
            words = ""
            try:
                items = self.parse(request)
            except PayloadError as error:
                words = str(error) or "(none)"
            except Exception as error:  # noqa: BLE001 - that is the finding
                pytest.fail(f"{what} raises {type(error).__name__} instead of PayloadError")
            else:
                pytest.fail(f"{what} becomes {items!r:.200} instead of raising PayloadError")
            assert "(none)" not in words, f"{what}: the error needs words"
            assert len(words) < 500, f"{what}: the words repeat the body"

    def test_another_content_type_is_read_or_refused_in_words(self) -> None:
        """Proxies change it, and so do the settings of a subscription."""
        request = self.genuine()
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml", "", "\xff/;=", "a" * 9000):
            self.quietly(replace(request, headers={**request.headers, "content-type": kind}))
        bare = {name: value for name, value in request.headers.items() if name != "content-type"}
        self.quietly(replace(request, headers=bare))

    def test_an_unknown_topic_is_named_and_quiet(self) -> None:
        """It becomes Ignored or Notice, and never an event or an exception."""
        items = self.parse(self.unknown())
        assert items, "an unknown topic must leave a trace"
        for item in items:
            assert isinstance(item, Ignored | Notice), f"an unknown topic became {type(item).__name__}"
            assert item.topic if isinstance(item, Ignored) else item.kind, "it must be named"
            assert not list(faults_of([item]))

    def test_anything_in_any_place_of_a_sample_becomes_complete_items_or_a_payload_error(self) -> None:
        """Null customers, lists for objects, texts that no database takes, parts that are not there."""
        changes = [(topic, sample, *change) for topic, sample in self.samples() for change in odd(sample)]
        receiver = self.receiver()
        for topic, sample, path, value in changes[:: 1 + len(changes) // _ODD_ONES]:
            self.quietly(self.genuine(encode(put(sample, path, value)), topic), receiver)

    def test_any_json_object_becomes_complete_items_or_a_payload_error(self) -> None:
        """Samples with anything in any place: a vendor's payload is never what its reference says."""
        topics = dict(reversed(self.samples()))
        receiver = self.receiver()

        def try_one(topic: str) -> Callable[[], None]:
            # Made here and not at the class: one hypothesis test must not belong to many classes.
            @settings(
                max_examples=max(15, _EXAMPLES // len(topics)), deadline=None, database=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            )  # fmt: skip
            @given(spoiled([topics[topic]]))
            def run(payload: Payload) -> None:
                self.quietly(self.genuine(encode(payload), topic), receiver)

            return run

        for topic in topics:
            try_one(topic)()

    def quietly(self, request: Request, receiver: Receiver | None = None) -> None:
        """Fail unless the request becomes complete items or a PayloadError."""
        try:
            items = self.parse(request, receiver)
        except PayloadError:
            return
        except Exception as error:
            error.add_note(f"The body was: {request.body[:2000].decode('utf-8', 'replace')}")
            raise
        faults = list(faults_of(items))
        assert not faults, "\n".join([*faults, f"The body was: {request.body[:2000].decode('utf-8', 'replace')}"])


def storable(text: object, most: int = 255) -> bool:
    """Tell whether every database takes this as a short text: no NUL, no half of a character, not too long."""
    return (
        isinstance(text, str)
        and len(text) <= most
        and "\0" not in text
        and not any("\ud800" <= c <= "\udfff" for c in text)
    )


def key_of(item: Item) -> str:
    """Return what an item is known by."""
    return item.topic if isinstance(item, Ignored) else item.key


def faults_of(items: Iterable[Item]) -> Iterable[str]:
    """Yield what is wrong with items, in words."""
    items = list(items)
    if len(items) > MOST + 1:
        yield f"{len(items)} items; a request gives {MOST} at most"
    known: set[tuple[type, str]] = set()
    for item in items:
        kind = type(item).__name__
        if not isinstance(item, Ignored) and (type(item), item.key) in known:
            yield f"two items {kind} have the key {item.key!r}"
        known.add((type(item), key_of(item)))
        yield from (f"{kind}.{words}" for words in _faults_of(item))


def _faults_of(item: Item) -> Iterable[str]:
    required = {
        Event: ("key", "type", "topic", "subject", "label"),
        Ignored: ("topic",),
        Notice: ("key", "kind", "words"),
    }
    for name in required.get(type(item), ("key",)):
        if not str(getattr(item, name)).strip():
            yield f"{name} is empty"
    for name in _TEXTS:
        value = getattr(item, name, None)
        if value is not None and not storable(value, 2000 if name in ("words", "button") else 255):
            yield f"{name} cannot be stored as a short text: {value!r:.80}"
    if not isinstance(item, Ignored) and item.occurred_at.utcoffset() is None:
        yield "occurred_at has no time zone"
    if isinstance(item, Event):
        for other in (*item.about, *item.remembers, *item.remembers.values()):
            if not other or not storable(other):
                yield f"about or remembers holds {other!r:.80}"


def fault_of(payload: Payload, field: Field) -> str:
    """Return what is wrong with a declared field of a sample, or an empty text."""
    value: Json = payload
    for step in steps(field.path):
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return "is not in the sample"
    fits = TYPES.get(field.type)
    if fits is None:
        return f"has a type that does not exist: {field.type}"
    return "" if value is None or fits(value) else f"is declared as {field.type} but holds {value!r:.60}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _is_amount(value: Any) -> bool:
    return _is_number(value) or (isinstance(value, str) and value.lstrip("-").replace(".", "", 1).isdigit())


TYPES: Mapping[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "number": _is_amount,
    "money": lambda value: _is_amount(value) or isinstance(value, Mapping),
    "boolean": lambda value: isinstance(value, bool),
    "time": lambda value: parse_time(str(value)) is not None or (isinstance(value, str) and value[:4].isdigit()),
    "phone": lambda value: isinstance(value, str) and any(c.isdigit() for c in value),
    "url": lambda value: isinstance(value, str) and value.startswith(("https://", "http://")),
    "id": lambda value: isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)),
    "list": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, Mapping),
}
"""A field's declared type -> whether a value is of it."""
