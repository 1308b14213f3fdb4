"""What a mapping's text would make of an event: nothing is sent, and nothing is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields, validate

from connector.flow import workbench
from connector.flow.bubble import plain
from connector.flow.workbench import Bench, Preview, SlotView
from connector.model import Decision, EventId, Permission, Send
from connector.store import mappings
from connector.web.api.events import StepSchema, said
from connector.web.api.forms import ID, Form, Text
from connector.web.api.frame import label, needs, number, pick, room, sees_people, store, tools
from connector.web.api.mappings import MOST_TEXT, FaultSchema
from connector.web.api.problems import missing

previews = room("Previews", "What a mapping would make of an event; nothing is sent.")


class PreviewForm(Form):
    """What to show."""

    event = fields.String(
        load_default="", validate=validate.Regexp(f"({ID})|^$"),
        metadata={"description": "A stored event; empty: the sample that the adapter declares"},
    )  # fmt: skip
    toml = Text(MOST_TEXT, load_default="", metadata={"description": "A text to try; empty: the mapping's draft"})
    language = Text(20, load_default="", metadata={"description": "Show the template in this language"})


class SlotViewSchema(Schema):
    """One slot, filled."""

    key = fields.String(required=True)
    expression = fields.String(required=True)
    value = fields.String(required=True)
    fault = fields.String(required=True)
    blank = fields.Boolean(required=True)
    limit = fields.Integer(required=True, allow_none=True)
    length = fields.Integer(required=True)


class PreviewSchema(Schema):
    """What would come of it."""

    sentence = fields.String(required=True, metadata={"description": "The mapping in plain words"})
    faults = fields.List(fields.Nested(FaultSchema), required=True)
    event = fields.String(required=True, allow_none=True, metadata={"description": "Its label"})
    verdict = fields.String(required=True, metadata={"description": "send, skip, or empty: the text has faults"})
    reason = fields.String(required=True)
    recipient = fields.String(required=True)
    steps = fields.List(fields.Nested(StepSchema), required=True)
    slots = fields.List(fields.Nested(SlotViewSchema), required=True)
    header = fields.String(required=True)
    body = fields.String(required=True)
    footer = fields.String(required=True)
    buttons = fields.List(fields.String(), required=True)


@previews.route("/mappings/<mapping:name>/preview", methods=["POST"])
@needs(Permission.EDIT_MAPPINGS)
@previews.arguments(PreviewForm, required=False)
@previews.response(200, PreviewSchema)
def preview_mapping(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Show what a mapping's draft, or a text, makes of an event

    By the same functions that plan and fill real messages, consent among them.
    """
    with store().read() as tx:
        row = mappings.get(tx, name)
    if row is None and not given["toml"]:
        raise missing("mapping")
    source = given["toml"] or (row.draft if row else "")
    chosen = EventId(given["event"]) if given["event"] else None
    seen = workbench.preview(Bench.of(tools()), name, source, chosen, language=given["language"])
    return _show(seen if sees_people() else workbench.masked(seen))


def _show(seen: Preview) -> dict[str, Any]:
    bubble = seen.bubble
    return {
        "sentence": seen.sentence, "event": label(seen.event.label) if seen.event else None,
        "faults": [{"path": item.path, "words": item.words} for item in seen.faults],
        **_decided(seen.decision), "slots": [_slot(item) for item in seen.slots],
        "header": plain(bubble.header) if bubble else "", "body": plain(bubble.body) if bubble else "",
        "footer": bubble.footer if bubble else "",
        "buttons": [button.label for button in bubble.buttons] if bubble else [],
    }  # fmt: skip


def _decided(decision: Decision | None) -> dict[str, Any]:
    if decision is None:
        return {"verdict": "", "reason": "", "recipient": "", "steps": []}
    verdict = decision.verdict
    sends = isinstance(verdict, Send)
    return {
        "verdict": "send" if sends else "skip",
        "reason": "" if isinstance(verdict, Send) else verdict.reason.value,
        "recipient": number(verdict.recipient) if isinstance(verdict, Send) else "",
        "steps": [{"name": item.name, "ok": item.ok, "words": said(item.name, item.words)} for item in decision.steps],
    }


def _slot(item: SlotView) -> dict[str, Any]:
    return pick(SlotViewSchema, item)
