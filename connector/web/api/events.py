"""Events: what happened, what was decided about it, and pushing your own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields, validate

from connector.flow import explain, pushed, retell
from connector.model import EventId, Permission, RequestId, now
from connector.model.exact import write_json
from connector.store import inbox, look
from connector.store.views import DecisionRow, EventFilter, EventRow, RequestRow
from connector.web.api.forms import Form, Id, Text, When, Word, anything, header
from connector.web.api.frame import (
    PageForm,
    foreign,
    label,
    needs,
    page,
    page_of,
    payload,
    room,
    sentence,
    store,
    tools,
)  # fmt: skip
from connector.web.api.problems import Wrong, conflict, missing
from connector.wiring import Reached

events = room("Events", "What happened at shops, CRMs and other sources, and what was decided about it.")
ACCOUNT = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"


class StepSchema(Schema):
    """One gate that an event met."""

    name = fields.String(required=True)
    ok = fields.Boolean(required=True)
    words = fields.String(required=True)


class DecisionSchema(Schema):
    """What one mapping made of an event."""

    mapping = fields.String(required=True)
    version = fields.Integer(required=True)
    verdict = Word(("send", "skip"), required=True)
    reason = fields.String(required=True, metadata={"description": "Why nothing is sent; empty where something is"})
    words = fields.String(required=True)
    steps = fields.List(fields.Nested(StepSchema), required=True)
    message_id = fields.String(required=True, allow_none=True)
    at = When(required=True)


class EventSchema(Schema):
    """An event."""

    id = Id(required=True)
    account = fields.String(required=True)
    type = fields.String(required=True, metadata={"description": "Our word: `order.paid`"})
    topic = fields.String(required=True, metadata={"description": "The sender's word: `orders/paid`"})
    subject = fields.String(required=True)
    label = fields.String(required=True)
    occurred_at = When(required=True)
    planned_at = When(required=True)
    request_id = fields.Integer(required=True)
    decisions = fields.List(fields.Nested(DecisionSchema), required=True)


class EventFileSchema(EventSchema):
    """An event with its payload."""

    payload = fields.Dict(
        keys=fields.String(), required=True, allow_none=True,
        metadata={"description": "As it came, masked without `see_people`; null: can no longer be read"},
    )  # fmt: skip
    story = fields.List(fields.String(), required=True, metadata={"description": "What became of it, in words"})


class EventsForm(PageForm):
    """Which events."""

    account = Text(100, load_default="")
    type = Text(100, load_default="", metadata={"description": "`order.paid`"})
    label = Text(100, load_default="", metadata={"description": "`#1001`, with or without #"})
    subject = Text(load_default="", metadata={"description": "`order:5521`"})
    mapping = Text(100, load_default="")
    verdict = Word(("send", "skip", "none"), load_default="")
    reason = Text(100, load_default="")
    since = When(load_default=None, metadata={"description": "Planned since then"})


class PushForm(Form):
    """An event of your own."""

    account = fields.String(
        required=True, validate=validate.Regexp(ACCOUNT), metadata={"description": "Whose event it is"}
    )
    topic = Text(
        200, load_default="",
        metadata={"description": "The vendor's word, where its webhooks carry it in a header: `orders/paid`"},
    )  # fmt: skip
    body = anything(required=True, metadata={"description": "What the account's own webhook would have as its body"})


class PushedSchema(Schema):
    """An event that was taken in."""

    request_id = fields.Integer(required=True)
    new = fields.Boolean(required=True, metadata={"description": "False: it was pushed before, and is swallowed"})
    href = fields.String(required=True, metadata={"description": "Where to see what becomes of it"})


class RequestSchema(Schema):
    """A stored request."""

    id = fields.Integer(required=True)
    account = fields.String(required=True)
    topic = fields.String(required=True)
    state = Word(inbox.RequestState, required=True)
    words = fields.String(required=True)
    received_at = When(required=True)
    events = fields.List(fields.Nested(EventSchema), required=True)


@events.route("/events")
@needs(Permission.LOOK)
@events.arguments(EventsForm, location="query")
@events.response(200, page_of(EventSchema, "Event"))
def list_events(given: Mapping[str, Any]) -> dict[str, Any]:
    """List events with their decisions, the newest first"""
    wanted = EventFilter(
        type=given["type"], label=given["label"], subject=given["subject"], account=given["account"],
        since=given["since"], verdict=given["verdict"], reason=given["reason"],
        mapping="" if given["verdict"] == "none" else given["mapping"],
    )  # fmt: skip
    with store().read() as tx:
        rows = look.list_events(tx, wanted, before=given["cursor"], most=given["limit"] + 1)
    return page(rows, given["limit"], lambda row: row.id, show)


@events.route("/events/<ident:id>")
@needs(Permission.LOOK)
@events.response(200, EventFileSchema)
def show_event(id: str) -> dict[str, Any]:  # noqa: A002 - the parameter's name in the document
    """Show one event with its decisions and its payload"""
    with store().read() as tx:
        file = look.event_file(tx, id)
        if file is None:
            raise missing("event")
        told = retell.event(tx, tools().desk.accounts, EventId(id))
    topic = next((item for item in _declared(file.event.account_id) if told and item.name == told.topic), None)
    shown = payload(dict(told.payload), topic.fields if topic else ()) if told else None
    return show(file.event) | {
        "payload": shown,
        "story": [sentence(line.words) for line in explain.tell_event(file).lines],
    }


@events.route("/events", methods=["POST"])
@needs(Permission.SEND)
@events.arguments(PushForm)
@events.response(202, PushedSchema)
@events.doc(
    parameters=[
        {"in": "header", "name": "Idempotency-Key", "required": False, "schema": {"type": "string", "maxLength": 200},
         "description": "What makes it once; without it topic and body do"}
    ]
)  # fmt: skip
def push_event(given: Mapping[str, Any]) -> dict[str, Any]:
    """Push an event of your own

    It is stored and read as if the account's own webhook had brought it; what becomes of it is decided within
    moments by the mappings in force. Pushing it again under the same key changes nothing.
    """
    found = reached(given["account"])
    if found.receiver is None or found.adapter.channel is not None:
        raise conflict(Wrong("account", "This account takes no events: choose a shop, a CRM or a webhook."))
    raw = write_json(given["body"]).encode("utf-8", "replace")
    made = found.receiver.pushed(given["topic"], raw, now())
    key = pushed.key_of(header("Idempotency-Key"), given["topic"], raw)
    id_, new = pushed.push(store(), found.account.id, found.receiver, key, made)
    if new:
        tools().queue.ring("decide")
    return {"request_id": id_, "new": new, "href": f"/api/v1/requests/{id_}"}


@events.route("/requests/<int:id>")
@needs(Permission.LOOK)
@events.response(200, RequestSchema)
def show_request(id: int) -> dict[str, Any]:  # noqa: A002 - the parameter's name in the document
    """Show what became of a stored request, such as a pushed event"""
    with store().read() as tx:
        rows = look.list_requests(tx, (), ids=[RequestId(id)]) if id < 2**62 else []
        if not rows:
            raise missing("request")
        found = look.list_events(tx, EventFilter(request_ids=[id]), most=1000)
    return _request(rows[0], found)


def reached(name: str) -> Reached:
    """Return the account of this name. Raises ProblemError."""
    found = next((item for item in tools().directory.all_() if item.account.name == name), None)
    if found is None:
        raise missing("account")
    return found


def _declared(account_id: str) -> Any:
    found = next((item for item in tools().directory.all_() if item.account.id == account_id), None)
    return found.adapter.topics if found else ()


def _request(row: RequestRow, found: list[EventRow]) -> dict[str, Any]:
    return {
        "id": row.id, "account": row.account, "topic": row.topic, "state": row.state, "received_at": row.received_at,
        "words": sentence(row.words), "events": [show(item) for item in reversed(found)],
    }  # fmt: skip


def show(row: EventRow) -> dict[str, Any]:
    """Return an event as the API tells it."""
    return {
        "id": row.id, "account": row.account, "type": row.type, "topic": row.topic, "subject": label(row.subject),
        "label": label(row.label), "occurred_at": row.occurred_at, "planned_at": row.planned_at,
        "request_id": row.request_id, "decisions": [show_decision(item) for item in row.decisions],
    }  # fmt: skip


def show_decision(row: DecisionRow) -> dict[str, Any]:
    """Return a decision as the API tells it; phones in its words show their ends."""
    return {
        "mapping": row.mapping, "version": row.version, "verdict": row.verdict, "reason": row.reason,
        "words": sentence(row.words), "message_id": row.message_id, "at": row.at,
        "steps": [
            {"name": item.name, "ok": item.ok, "words": said(item.name, item.words)} for item in row.steps
        ],
    }  # fmt: skip


def said(step: str, words: str) -> str:
    """Return the words of a step; those of a slot are its text."""
    return foreign(words) if step.startswith("slot ") else sentence(words)
