"""Test send: a draft's message with the values of a real event, to a phone of the operator's own.

It is a message like any other and leaves through the same gate. Its ground says that it is a test: consent is
not asked, since the number's owner runs this installation and has put it on the list; a block still counts, and
so does the template's state. Conditions, timing, quiet hours and caps are left out, rules (``[[after]]``) do not
follow from it, and it counts in no figure and no cap.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import phonenumbers

from connector.errors import ConfigurationError
from connector.flow import gate
from connector.flow.bench import Bench, Loaded, load, samples, situation_of
from connector.flow.crowd import Tools
from connector.flow.people import recipients
from connector.mapping import Mapping as Notification
from connector.mapping import Timing
from connector.mapping.kinds import read
from connector.mapping.liquid import compile_expression
from connector.mapping.plan import draft
from connector.model import EventId, MessageId, Send, Skip, new_id, now
from connector.store import Store, outbox, test_numbers
from connector.store.outbox import NewMessage
from connector.store.test_numbers import TestNumber

MOST_NUMBERS = 10
VERSION = 0
"""Of test messages: no published version has it, so no rules follow from them."""
EXPIRES = timedelta(hours=1)


def allow(store: Store, phone: str, name: str, by: str) -> TestNumber:
    """Put a number on the list. Raises ConfigurationError in words for whoever typed it."""
    number = TestNumber(phone=e164(phone), name=" ".join(name.split())[:60], by=by, added_at=now())
    if not number.name:
        raise ConfigurationError("Say whose phone it is, such as: Ada's phone.")
    with store.write() as tx:
        if test_numbers.count(tx) >= MOST_NUMBERS:
            raise ConfigurationError(f"There are {MOST_NUMBERS} test numbers already; take one off first.")
        if not test_numbers.add(tx, number):
            raise ConfigurationError("This number is on the list already.")
    return number


def forbid(store: Store, phone: str) -> bool:
    """Take a number off the list; False where it was not on it."""
    with store.write() as tx:
        return test_numbers.remove(tx, phone)


def e164(phone: str) -> str:
    """Return a number as it is stored. Raises ConfigurationError."""
    text = phone.strip()
    try:
        parsed = phonenumbers.parse("+" + text[2:] if text.startswith("00") else text, None)
    except phonenumbers.NumberParseException:
        raise ConfigurationError("Write the number with its country, such as +44 7400 123456.") from None
    if not phonenumbers.is_valid_number(parsed):
        raise ConfigurationError("This is no number that anybody can have; is a digit missing?")
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


def plan(tools: Tools, name: str, source: str, event_id: EventId | None, phone: str, by: str) -> tuple[MessageId, str]:
    """Put a test message into the outbox; returns its id and the account that is to be woken for it.

    Without an event the sample is taken that the adapter declares.

    Raises MappingError where the text cannot be read, ConfigurationError in words where it cannot be sent:
    the number is not on the list, the event is gone, a slot is blank, the template is not there.
    """
    mapping = read(name, source)
    if not isinstance(mapping, Notification):
        raise ConfigurationError(f"{name} sends nothing, so there is nothing to test.")
    with tools.store.read() as tx:
        allowed = {number.phone for number in test_numbers.all_(tx)}
    if phone not in allowed:
        raise ConfigurationError("Test messages go only to numbers on the list of test numbers.")
    tools.desk.catalogue.refresh(at_most_old=0)
    test = _for_test(mapping, phone)
    loaded = _load(tools, test, event_id)
    made = draft(test, VERSION, situation_of(Bench.of(tools), loaded, test, at=now())).verdict
    if isinstance(made, Skip):
        raise ConfigurationError(f"It cannot be sent with this event: {made.words}")
    message = _message(loaded, name, made, by)
    with tools.store.write() as tx:
        whose = recipients(tx, [phone]).get(phone)
        outbox.add(tx, [replace(message, contact_id=whose)], now())
    return message.id, made.channel


def _for_test(mapping: Notification, phone: str) -> Notification:
    """Return the mapping with nothing left but its message, and with our own phone as its recipient."""
    return replace(
        mapping,
        when=replace(mapping.when, conditions=None, accounts=(), once_per=None),
        to=replace(mapping.to, phone=(compile_expression(phone),), region=(), agreement=()),
        timing=Timing(quiet=""),
    )


def _load(tools: Tools, mapping: Notification, event_id: EventId | None) -> Loaded:
    """Return the event, or the sample of its kind. Raises ConfigurationError."""
    bench, when = Bench.of(tools), mapping.when
    chosen = event_id or next(iter(samples(bench, when.adapter, when.event)), None)
    if chosen is None:
        raise ConfigurationError(f"There is no sample of {when.event}; choose an event that came.")
    found = load(bench, chosen)
    if found is None or found.event.type != when.event:
        raise ConfigurationError(f"There is no such {when.event} any more, or it cannot be read; choose another event.")
    return found


def _message(loaded: Loaded, mapping: str, made: Send, by: str) -> NewMessage:
    at, id_, event = now(), MessageId(new_id()), loaded.event
    test = replace(
        made, not_before=at, expires_at=at + EXPIRES, cancel_when=(), restart=False, resend_in_doubt=False,
        once="", agreed_by="", ground=gate.TEST, quiet="", cap=(),
    )  # fmt: skip
    return NewMessage(
        id=id_, event_id=loaded.chosen.id or EventId(""), mapping=mapping, version=VERSION,
        source_id=loaded.chosen.account_id or made.channel, dedupe_key=f"test|{id_}", subject=event.subject,
        label=event.label, occurred_at=at, send=test, trial_by=by,
    )  # fmt: skip
