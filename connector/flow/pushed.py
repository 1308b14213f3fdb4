"""What comes through the API: events of a shop that cannot post them itself, and messages by a mapping.

An event goes into the inbox as if the vendor had posted it, and is read by the account's own receiver.

A message is asked for with data in the form that a mapping reads. The data becomes a stored request too, with a
header that only we set, so that it can be read again like any other; its event is ``message.requested``, which
no mapping listens to, and it is planned by the one mapping that was named: same conditions, slots and gates. What
the data says about consent does not count: a caller who has it enters it in the ledger.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from hashlib import sha256
from typing import Any

from connector.contract import Receiver
from connector.errors import ConfigurationError
from connector.flow.catalogue import Recipe
from connector.mapping.liquid import Expression, compile_expression
from connector.model import AccountId, Event, Item, Payload, Request, Verified, parse_object, parse_time, text_at
from connector.model.exact import write_json
from connector.store import Store, inbox

ASKED = "message.requested"
HEADER = "x-connector-message"
"""Holds the name of the mapping, on requests that :func:`envelope` made; nobody outside may say so."""
SENT_TO = "sent_to"
"""The root under which a recipient stands who was named beside the data."""
LONGEST_KEY = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A message that somebody asks for by a mapping."""

    mapping: str
    type: str
    """The event that the mapping listens to."""
    key: str
    """The same wish has the same key."""
    data: Payload = field(repr=False)
    subject: str
    """What it is about; a mapping speaks once about a subject."""
    label: str
    to: str = field(default="", repr=False)
    at: datetime


@dataclass(frozen=True, slots=True)
class Only:
    """The one mapping that plans an event, and the event it listens to."""

    mapping: str
    type: str


def push(store: Store, account_id: AccountId, receiver: Receiver, key: str, made: Verified) -> tuple[int, bool]:
    """Put an event into the inbox; return the request's number, and whether it was new.

    Raises ConfigurationError where something else was pushed under this key.
    """
    arrival = inbox.Arrival(account_id=account_id, delivery_key=key, topic=receiver.topic(made)[:255], request=made)
    with store.write() as tx:
        new = inbox.add(tx, [arrival])[0]
        number, body = inbox.find(tx, account_id, key)
    if not new and body != made.body:
        raise ConfigurationError("Another event was pushed under this key before; give each event a key of its own.")
    return number, new


def key_of(given: str, topic: str, raw: bytes) -> str:
    """Return the delivery key of a pushed event: what the caller gave, else a digest of topic and body.

    A body's own ``id`` is none: it names the thing that something happened to, again and again. That one fact is
    planned once, however often it comes, the receiver's own key of the event sees to.
    """
    if given and len(given) <= LONGEST_KEY and given.isprintable():
        return f"api:{given}"
    return f"api:sha256:{sha256(topic.encode() + bytes(1) + raw).hexdigest()}"


def envelope(asked: Asked) -> Request:
    """Return the request that stands in the inbox for a message that was asked for."""
    told = {
        "key": asked.key, "type": asked.type, "subject": asked.subject, "label": asked.label, "at": asked.at,
        "data": {**asked.data, SENT_TO: {"phone": asked.to}} if asked.to else asked.data,
        "to": bool(asked.to),
    }  # fmt: skip
    return Request(
        method="POST",
        headers={HEADER: asked.mapping, "content-type": "application/json"},
        body=write_json(told).encode("utf-8", "replace"),
        received_at=asked.at,
    )


def items(receiver: Receiver, request: Verified) -> Iterable[Item]:
    """Return what is in a stored request, whoever made it. Raises PayloadError."""
    return [_event(request)] if HEADER in request.headers else receiver.parse(request)


def only(request: Verified) -> Only | None:
    """Return which mapping alone is to plan what is in a request; None: every one that listens."""
    if HEADER not in request.headers:
        return None
    return Only(request.headers[HEADER], text_at(parse_object(request.body), "type"))


def narrow(chosen: Only, event: Event, recipes: Collection[Recipe]) -> tuple[Event, list[Recipe]]:
    """Return the event as its mapping wants it, and that mapping, speaking to whom the caller named."""
    found = [_for_caller(each, event) for each in recipes if each.mapping.name == chosen.mapping]
    return replace(event, type=chosen.type), found


def _for_caller(recipe: Recipe, event: Event) -> Recipe:
    to = replace(recipe.mapping.to, agreement=())
    if event.payload.get(SENT_TO) and event.topic.endswith("+to"):
        to = replace(to, phone=(_sent_to(),))
    return replace(recipe, mapping=replace(recipe.mapping, to=to))


@cache
def _sent_to() -> Expression:
    return compile_expression("{{ " + SENT_TO + ".phone }}")


def _event(request: Verified) -> Event:
    told: Mapping[str, Any] = parse_object(request.body)
    return Event(
        key=text_at(told, "key"),
        type=ASKED,
        topic="api/message+to" if told.get("to") is True else "api/message",
        subject=text_at(told, "subject"),
        label=text_at(told, "label"),
        occurred_at=parse_time(text_at(told, "at")) or request.received_at,
        payload=told["data"],
    )
