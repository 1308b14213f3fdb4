"""The form of ``[[after]]``: what follows from what becomes of a message."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, post_load, validates_schema

from connector.mapping.pieces import Flag, Liquid, ListOf, OneOf, Scalar, Table, TableOf, Text
from connector.mapping.rules import OUTCOMES, Rule
from connector.model import ConsentState, Purpose

CHANGES = (ConsentState.GRANTED, ConsentState.REVOKED)
"""What an answer can do to consent."""
_DEEDS = ("consent", "add_labels", "remove_labels", "add_tags", "remove_tags", "set_fields", "cancel_others", "answer")
_ON_RECORD = ("add_tags", "remove_tags", "set_fields")


class Label(Text):
    """A label or a tag: one line without the marks by which shops and CRMs tear lists apart."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if "," in text or ";" in text:
            raise ValidationError("holds a comma or a semicolon, at which shops and CRMs would tear it in two.")
        return text


class RuleForm(Table):
    """One ``[[after]]``."""

    on = OneOf(OUTCOMES, required=True)
    payload = Text(most=256)
    consent = TableOf(OneOf(Purpose), OneOf(CHANGES))
    wording = Text(most=500)
    add_labels = ListOf(Label(most=100))
    remove_labels = ListOf(Label(most=100))
    record = Text(most=100)
    add_tags = ListOf(Label(most=255))
    remove_tags = ListOf(Label(most=255))
    set_fields = TableOf(Text(most=100), Scalar())
    cancel_others = Flag()
    answer = Liquid()

    @validates_schema(skip_on_field_errors=True)
    def _fit_together(self, data: dict[str, Any], **kwargs: Any) -> None:
        messages: dict[str, list[str]] = {}
        if "payload" in data and data["on"] != "button":
            messages["payload"] = ["belongs to on = 'button' only."]
        if "wording" in data and not data.get("consent"):
            messages["wording"] = ["says what was agreed to, and this rule changes no consent."]
        if "record" in data and not any(data.get(name) for name in _ON_RECORD):
            messages["record"] = [f"says where {', '.join(_ON_RECORD)} go, and there is none of them."]
        if not any(data.get(name) for name in _DEEDS):
            messages["_schema"] = [f"does nothing; there are {', '.join(_DEEDS)}."]
        both = [name for name in data.get("add_labels", ()) if name in data.get("remove_labels", ())]
        both += [name for name in data.get("add_tags", ()) if name in data.get("remove_tags", ())]
        if both:
            messages["remove_labels"] = [f"takes away what is added: {', '.join(both)}."]
        if messages:
            raise ValidationError(messages)

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> Rule:
        consent = {Purpose(purpose): ConsentState(state) for purpose, state in data.pop("consent", {}).items()}
        return Rule(consent=consent, **data)
