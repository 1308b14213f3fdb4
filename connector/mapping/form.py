"""Reading a notification mapping: TOML in, a frozen :class:`Mapping` out, or every fault at once.

The form is described in ``docs/architecture.md`` and ``mappings/README.md``.
"""

from __future__ import annotations

import re
from typing import Any

from marshmallow import ValidationError, fields, post_load, validates_schema

from connector.mapping import conditions
from connector.mapping.liquid import Expression
from connector.mapping.notification import Choice, Language, Mapping, Timing, To, When, normal
from connector.mapping.pieces import (
    Duration,
    FieldPath,
    Flag,
    Liquid,
    ListOf,
    OneOf,
    OneOrMore,
    Table,
    Text,
    Written,
    read_form,
    table,
    tables,
)
from connector.mapping.rules_form import RuleForm
from connector.policy import parse_cap, parse_quiet

KIND = "notification"
GROUNDS = ("transaction", "consent")
_SLOT = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+){0,7}")


def load(name: str, source: str) -> Mapping:
    """Read a mapping's TOML. ``name`` is its path without the ending: ``shopify/order_paid``.

    Raises MappingError, which holds every fault with its dotted path, and nothing else.
    """
    return read_form(name, source, _MappingForm, Mapping)


class _Conditions(fields.Field[Any]):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        condition, faults = conditions.read(value, "when.conditions")
        if faults:
            messages: dict[str, list[str]] = {}
            for fault in faults:
                messages.setdefault(fault.path.removeprefix("when.conditions").lstrip(".") or "_schema", []).append(
                    fault.words
                )
            raise ValidationError(messages)
        return condition


class _Slots(fields.Field[Any]):
    """The table of slots, written with dots or as tables: ``body.1``, ``button.0.url``."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Expression]:
        if not isinstance(value, dict):
            raise ValidationError("must be a table.")
        found: dict[str, Expression] = {}
        messages: dict[str, list[str]] = {}
        seen: set[str] = set()
        waiting: list[tuple[str, Any]] = [(str(key), inner) for key, inner in reversed(value.items())]
        while waiting:
            key, inner = waiting.pop()
            if not _SLOT.fullmatch(key):
                messages.setdefault(key[:100], []).append("is no slot; slots are named such as body.1 or button.0.url.")
            elif isinstance(inner, dict) and inner:
                waiting += [(f"{key}.{step}", deeper) for step, deeper in reversed(inner.items())]
            elif key in seen:
                messages.setdefault(key, []).append("is given twice.")
            else:
                seen.add(key)
                try:
                    found[key] = Liquid().deserialize(inner)
                except ValidationError as error:
                    messages.setdefault(key, []).extend(map(str, error.messages))
        if messages:
            raise ValidationError(messages)
        return found


class _WhenForm(Table):
    event = Text(required=True)
    adapter = Text(required=True)
    accounts = ListOf(Text())
    conditions = _Conditions()
    once_per = Liquid()

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> When:
        return When(**data)


class _ToForm(Table):
    phone = ListOf(Liquid(), least=1, required=True)
    region = ListOf(Liquid())
    locale = ListOf(Liquid())
    agreement = ListOf(FieldPath())
    ground = OneOf(GROUNDS)

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> To:
        return To(**data)


class _LanguageTable(Table):
    choose = Liquid(required=True, error_messages={"required": "is missing."})
    map = fields.Dict(
        keys=Text(), values=Text(), required=True,
        error_messages={"required": "is missing.", "invalid": 'must be a table, such as { de = "de" }.'},
    )  # fmt: skip
    default = Text(required=True)

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> Language:
        same = [key for key in data["map"] if sum(normal(other) == normal(key) for other in data["map"]) > 1]
        if same:
            raise ValidationError({"map": [f"{' and '.join(same)} are the same language."]})
        return Language(**data)


class _Language(fields.Field[Language]):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Language:
        if isinstance(value, dict):
            found: Language = _LanguageTable().load(value)
            return found
        if isinstance(value, str):
            return Language(default=Text().deserialize(value))
        raise ValidationError('must be a language such as "en", or a table with choose, map and default.')


class _TemplateForm(Table):
    account = Text()
    name = Text(required=True, most=512)
    language = _Language(required=True, error_messages={"required": "is missing."})

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> Choice:
        return Choice(**data)


class _Quiet(Written):
    """Quiet hours, or false: none."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return "" if value is False else super()._deserialize(value, attr, data, **kwargs)


class _TimingForm(Table):
    delay = Duration()
    at = Liquid()
    before = Duration()
    expires = Duration(positive=True)
    cancel_when = ListOf(Text())
    restart = Flag()
    quiet = _Quiet(parse_quiet)
    cap = OneOrMore(Written(parse_cap))
    in_doubt = OneOf(("resend", "give_up"))

    @validates_schema(skip_on_field_errors=True)
    def _has_a_moment(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data.get("before") and "at" not in data:
            raise ValidationError({"before": ["needs timing.at: the moment that it comes before."]})

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> Timing:
        return Timing(**data)


class _MappingForm(Table):
    kind = OneOf((KIND,))
    title = Text(required=True)
    description = Text(most=2000, prose=True)
    when = table(_WhenForm, required=True)
    to = table(_ToForm, required=True)
    template = table(_TemplateForm, required=True)
    slots = _Slots(load_default=dict)
    timing = table(_TimingForm, load_default=Timing)
    after = tables(RuleForm)
