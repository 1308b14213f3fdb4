"""Messages: what was sent to whom and what became of it, and sending by a mapping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from connector.flow import again, explain, requested
from connector.flow.admit import read_phone
from connector.flow.owner import new_owner
from connector.flow.requested import NotFoundError, Wish
from connector.model import Permission, State
from connector.store import find, look
from connector.store.views import AttemptRow, MessageFile, MessageFilter, MessageRow, ReceiptRow
from connector.web.api.events import ACCOUNT, DecisionSchema, show_decision
from connector.web.api.forms import ID, NAME, Form, Id, Text, When, Word, anything, header
from connector.web.api.frame import (
    PageForm,
    caller,
    foreign,
    label,
    needs,
    number,
    page,
    page_of,
    personal,
    pick,
    room,
    sentence,
    store,
    texts,
    tools,
)  # fmt: skip
from connector.web.api.problems import ProblemError, Wrong, conflict, invalid, missing

messages = room("Messages", "What is sent to people, and what becomes of it.")
_NEEDED = {
    "in": "header", "name": "Idempotency-Key", "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
    "description": "Your own name for this wish. Asked again under it, the same answer comes, and nobody is told twice",
}  # fmt: skip


class MessageSchema(Schema):
    """A message."""

    id = Id(required=True)
    event_id = fields.String(required=True)
    mapping = fields.String(required=True)
    version = fields.Integer(required=True, metadata={"description": "Of the mapping; 0: a test of its draft"})
    source = fields.String(required=True, metadata={"description": "The account whose event it was"})
    channel = fields.String(required=True, metadata={"description": "The account it leaves by"})
    subject = fields.String(required=True)
    label = fields.String(required=True)
    contact_id = fields.String(required=True, allow_none=True)
    recipient = fields.String(required=True, metadata={"description": "Its end alone, without `see_people`"})
    template = fields.String(required=True)
    language = fields.String(required=True)
    category = fields.String(required=True)
    slots = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    state = Word(State, required=True)
    reason = fields.String(required=True)
    words = fields.String(required=True)
    code = fields.String(required=True, metadata={"description": "The channel's code of what went wrong"})
    tries = fields.Integer(required=True)
    remote_id = fields.String(required=True, allow_none=True, metadata={"description": "The channel's own id of it"})
    not_before = When(required=True)
    expires_at = When(required=True, allow_none=True)
    created_at = When(required=True)
    accepted_at = When(required=True, allow_none=True)
    sent_at = When(required=True, allow_none=True)
    delivered_at = When(required=True, allow_none=True)
    read_at = When(required=True, allow_none=True)
    ended_at = When(required=True, allow_none=True)


class AttemptSchema(Schema):
    """One call of the channel."""

    started_at = When(required=True)
    ended_at = When(required=True, allow_none=True)
    outcome = fields.String(required=True, metadata={"description": "Empty: in flight, or in doubt"})
    code = fields.String(required=True)
    words = fields.String(required=True)


class ReceiptSchema(Schema):
    """One report of the channel."""

    word = fields.String(required=True)
    code = fields.String(required=True)
    words = fields.String(required=True)
    advice = fields.String(required=True)
    occurred_at = When(required=True)


class MessageFileSchema(MessageSchema):
    """A message with its history."""

    attempts = fields.List(fields.Nested(AttemptSchema), required=True)
    receipts = fields.List(fields.Nested(ReceiptSchema), required=True)
    story = fields.List(fields.String(), required=True, metadata={"description": "Its life, in words"})


class MessagesForm(PageForm):
    """Which messages."""

    state = Word(State, load_default="")
    mapping = Text(100, load_default="")
    label = Text(100, load_default="", metadata={"description": "`#1001`, with or without #"})
    to = Text(40, load_default="", metadata={"description": "A phone number with its country code"})
    since = When(load_default=None, metadata={"description": "Planned since then"})


class SendForm(Form):
    """A message by a mapping."""

    mapping = fields.String(
        required=True, validate=validate.Regexp(NAME), metadata={"description": "One that is in force"}
    )
    data = anything(metadata={"description": "What the mapping reads, in the form of its event's payload; or `event`"})
    event = fields.String(
        validate=validate.Regexp(ID), metadata={"description": "A stored event whose data it reads; or `data`"}
    )
    account = fields.String(
        load_default="", validate=validate.Regexp(ACCOUNT),
        metadata={"description": "As whose the data counts, where the mapping listens to several"},
    )  # fmt: skip
    to = fields.String(
        load_default="", validate=validate.Regexp(r"^\+[0-9]{7,15}$"),
        metadata={"description": "Whom to write to, where not whom the mapping finds: +447400123456"},
    )  # fmt: skip
    subject = Text(
        120, load_default="", metadata={"description": "What it is about: a mapping speaks once about a subject"}
    )
    label = Text(60, load_default="", metadata={"description": "What people call that: `#1001`"})

    @validates_schema
    def has_one_source(self, given: Mapping[str, Any], **kwargs: Any) -> None:
        """Require data or an event, and not both."""
        if ("data" in given) == ("event" in given):
            raise ValidationError("Give data, or the id of an event, and not both.", "data")


class ToldDecisionSchema(DecisionSchema):
    """What the mapping made of it, as it was told the first time."""

    at = fields.String(required=True, metadata={"format": "date-time"})  # type: ignore[assignment]


class SentSchema(Schema):
    """What came of asking for a message."""

    status = Word(("planned", "skipped"), required=True)
    message_id = fields.String(required=True, allow_none=True)
    event_id = fields.String(required=True)
    reason = fields.String(required=True, metadata={"description": "Why it was skipped"})
    words = fields.String(required=True)
    decision = fields.Nested(ToldDecisionSchema, required=True)


@messages.route("/messages")
@needs(Permission.LOOK)
@messages.arguments(MessagesForm, location="query")
@messages.response(200, page_of(MessageSchema, "Message"))
def list_messages(given: Mapping[str, Any]) -> dict[str, Any]:
    """List messages, the newest first"""
    wanted = MessageFilter(
        states=(State(given["state"]),) if given["state"] else (), mapping=given["mapping"], label=given["label"],
        recipients=find.phones(given["to"]) or ((given["to"],) if given["to"] else ()), since=given["since"],
    )  # fmt: skip
    with store().read() as tx:
        rows = look.list_messages(tx, wanted, before=given["cursor"], most=given["limit"] + 1)
    return page(rows, given["limit"], lambda row: row.id, show)


@messages.route("/messages/<ident:id>")
@needs(Permission.LOOK)
@messages.response(200, MessageFileSchema)
def show_message(id: str) -> dict[str, Any]:  # noqa: A002 - the parameter's name in the document
    """Show one message with its history"""
    with store().read() as tx:
        file = look.message_file(tx, id)
    if file is None:
        raise missing("message")
    return _file(file)


@messages.route("/messages", methods=["POST"])
@needs(Permission.SEND)
@messages.arguments(SendForm)
@messages.response(202, SentSchema)
@messages.doc(parameters=[_NEEDED])
def send_message(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Send a message by a mapping

    It takes the same road as any other: conditions, slots, consent, quiet hours and caps of the mapping and the
    policy hold. The answer says whether it is planned, or skipped and why; what becomes of it later is told by
    `GET /messages/{id}` and by webhooks. What the data says of consent does not count: enter it by
    `POST /consent`.
    """
    name = header("Idempotency-Key")
    if not name:
        raise invalid(Wrong("Idempotency-Key", "Send this header: your own name for this wish, such as an order's id."))
    if given["to"] and read_phone(given["to"]) is None:
        raise conflict(Wrong("to", "This is no number that can be called."))
    answer, _ = again.once(store(), caller().id, name, given, lambda: _send(given, name))
    return answer


def _send(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    wish = Wish(
        key=f"{caller().id}:{name}", mapping=given["mapping"], data=given.get("data"), event=given.get("event", ""),
        account=given["account"], to=given["to"], subject=given["subject"], label=given["label"],
    )  # fmt: skip
    accounts = [item.account for item in tools().directory.all_()]
    try:
        granted = requested.fulfil(tools(), accounts, new_owner(), wish)
    except NotFoundError as error:
        raise ProblemError(404, str(error)) from None
    for channel in granted.channels:
        tools().queue.ring("deliver", channel)
    shown = show_decision(granted.decision)
    planned = granted.decision.verdict == "send"
    shown["at"] = shown["at"].isoformat()
    return {
        "status": "planned" if planned else "skipped", "message_id": granted.decision.message_id if planned else None,
        "event_id": granted.event_id, "reason": shown["reason"], "words": shown["words"], "decision": shown,
    }  # fmt: skip


def show(row: MessageRow) -> dict[str, Any]:
    """Return a message as the API tells it."""
    return pick(MessageSchema, row) | {
        "recipient": number(row.recipient), "slots": texts(row.slots), "state": row.state.value,
        "words": foreign(row.words) if row.state is State.FAILED else sentence(row.words), "label": label(row.label),
        "subject": label(row.subject), "remote_id": row.remote_id and personal(row.remote_id),
    }  # fmt: skip


def _file(file: MessageFile) -> dict[str, Any]:
    return show(file.message) | {
        "attempts": [_attempt(row) for row in file.attempts],
        "receipts": [_receipt(row) for row in file.receipts],
        "story": [sentence(line.words) for line in explain.tell_message(file).lines],
    }


def _attempt(row: AttemptRow) -> dict[str, Any]:
    return {
        "started_at": row.started_at, "ended_at": row.ended_at, "outcome": row.outcome, "code": row.code,
        "words": foreign(row.words),
    }  # fmt: skip


def _receipt(row: ReceiptRow) -> dict[str, Any]:
    return {
        "word": row.word, "code": row.code, "words": foreign(row.words),
        "advice": row.advice, "occurred_at": row.occurred_at,
    }  # fmt: skip
