"""Reading a mapping file: TOML in, a frozen :class:`Mapping` out, or every fault at once.

The form is described in ``docs/architecture.md``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, post_load, validates_schema

from connector.errors import Fault, MappingError
from connector.mapping import conditions
from connector.mapping.liquid import Expression, ExpressionError, compile_expression
from connector.mapping.nearest import nearest
from connector.mapping.notification import Choice, Language, Mapping, Timing, To, When, normal
from connector.model import parse_duration

MAX_FILE = 64 * 1024
"""Bytes of one mapping file."""
MAX_WAIT = timedelta(days=365)
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*(/[a-z0-9][a-z0-9_.-]*){0,3}")
_SLOT = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+){0,7}")


def load(name: str, source: str) -> Mapping:
    """Read a mapping's TOML. ``name`` is its path without the ending: ``shopify/order_paid``.

    Raises MappingError, which holds every fault with its dotted path, and nothing else.
    """
    if len(name) > 100 or not _NAME.fullmatch(name):
        raise MappingError(
            [Fault("", "A mapping's name is of small letters, digits, - and _, such as shopify/order_paid.")]
        )
    raw = _read_toml(source)
    try:
        parts: dict[str, Any] = _MappingSchema().load(raw)
    except ValidationError as error:
        raise MappingError(list(_flatten(error.messages))) from None
    return Mapping(name=name, source=source, **parts)


def _read_toml(source: str) -> dict[str, Any]:
    size = len(source.encode("utf-8", "surrogatepass"))
    if size > MAX_FILE:
        raise MappingError([Fault("", f"The file has {size} bytes; a mapping has at most {MAX_FILE}.")])
    try:
        return tomllib.loads(source, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        words = f"This is not TOML: {error}."
    except (ValueError, ArithmeticError):
        words = "This is not TOML that can be read: a number or a date in it is beyond reason."
    except RecursionError:
        words = "This is nested too deeply to be read."
    raise MappingError([Fault("", words)])


def _flatten(messages: Any, path: str = "") -> Iterator[Fault]:
    """Turn marshmallow's nested messages into faults with dotted paths."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from _flatten(inner, path if key == "_schema" else f"{path}.{key}" if path else str(key))
    elif isinstance(messages, list):
        for inner in messages:
            yield from _flatten(inner, path)
    else:
        yield Fault(path, str(messages))


class _Text(fields.Field[str]):
    """A text on one line that is not blank, unless said otherwise."""

    default_error_messages = {"required": "is missing.", "null": "is missing."}  # noqa: RUF012 - its own way

    def __init__(self, *, most: int = 200, prose: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.most, self.prose = most, prose

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("must be a text in quotes.")
        if not value.strip() and not self.prose:
            raise ValidationError("is empty.")
        if len(value) > self.most:
            raise ValidationError(f"is longer than {self.most} characters.")
        if not self.prose and "\n" in value:
            raise ValidationError("must be one line.")
        return value.strip()


class _Expression(fields.Field[Expression]):
    """A text with Liquid in it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Expression:
        if not isinstance(value, str):
            raise ValidationError("must be an expression in quotes, such as '{{ name }}'.")
        if not value.strip():
            raise ValidationError("is empty.")
        try:
            return compile_expression(value)
        except ExpressionError as error:
            raise ValidationError(error.faults) from None


class _Path(fields.Field[str]):
    """The bare path of a field."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if words := conditions.refuse_path(value):
            raise ValidationError(words)
        return str(value)


class _Flag(fields.Field[bool]):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("must be true or false.")
        return value


class _Duration(fields.Field[timedelta]):
    def __init__(self, *, positive: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.positive = positive

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> timedelta:
        try:
            found = parse_duration(value if isinstance(value, str) and len(value) < 60 else "")
        except (ValueError, OverflowError) as error:
            raise ValidationError(f"{error}.") from None
        if found > MAX_WAIT:
            raise ValidationError(f"is longer than {MAX_WAIT.days} days.")
        if self.positive and not found:
            raise ValidationError("must be longer than nothing.")
        return found


class _InDoubt(fields.Field[str]):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if value not in ("resend", "give_up"):
            raise ValidationError("must be 'resend' or 'give_up'.")
        return str(value)


class _List(fields.List[Any]):
    default_error_messages = {"invalid": "must be a list, in [ ].", "required": "is missing."}  # noqa: RUF012

    def __init__(self, inner: fields.Field[Any], *, least: int = 0, **kwargs: Any) -> None:
        super().__init__(inner, **kwargs)
        self.least = least

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        found = super()._deserialize(value, attr, data, **kwargs)
        if len(found) < self.least:
            raise ValidationError(f"must hold {self.least} at least.")
        return tuple(found)


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
                    found[key] = _Expression().deserialize(inner)
                except ValidationError as error:
                    messages.setdefault(key, []).extend(map(str, error.messages))
        if messages:
            raise ValidationError(messages)
        return found


class _Table(Schema):
    """A table of the file: what is not declared is refused, with the nearest name that is."""

    error_messages = {"type": "must be a table."}  # noqa: RUF012

    class Meta:
        unknown = EXCLUDE  # told below, together with all other faults

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _refuse_unknown(self, data: Any, original_data: Any, **kwargs: Any) -> None:
        if isinstance(original_data, dict):
            unknown = [str(key) for key in original_data if key not in self.fields]
            if unknown:
                raise ValidationError(
                    {key[:100]: [f"is not known here{nearest(key, self.fields) or '.'}"] for key in unknown}
                )


class _WhenSchema(_Table):
    event = _Text(required=True)
    adapter = _Text(required=True)
    accounts = _List(_Text())
    conditions = _Conditions()

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> When:
        return When(**data)


class _ToSchema(_Table):
    phone = _List(_Expression(), least=1, required=True)
    region = _List(_Expression())
    locale = _List(_Expression())
    agreement = _List(_Path())

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> To:
        return To(**data)


class _LanguageTable(_Table):
    choose = _Expression(required=True, error_messages={"required": "is missing."})
    map = fields.Dict(
        keys=_Text(), values=_Text(), required=True,
        error_messages={"required": "is missing.", "invalid": 'must be a table, such as { de = "de" }.'},
    )  # fmt: skip
    default = _Text(required=True)

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
            return Language(default=_Text().deserialize(value))
        raise ValidationError('must be a language such as "en", or a table with choose, map and default.')


class _TemplateSchema(_Table):
    account = _Text()
    name = _Text(required=True, most=512)
    language = _Language(required=True, error_messages={"required": "is missing."})

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> Choice:
        return Choice(**data)


class _TimingSchema(_Table):
    delay = _Duration()
    expires = _Duration(positive=True)
    cancel_when = _List(_Text())
    restart = _Flag()
    in_doubt = _InDoubt()

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> Timing:
        return Timing(**data)


def _table(schema: type[_Table], *, required: bool) -> fields.Nested:
    words = "is missing; a mapping needs this table."
    return fields.Nested(schema, required=required, error_messages={"required": words, "type": "must be a table."})


class _MappingSchema(_Table):
    title = _Text(required=True)
    description = _Text(most=2000, prose=True)
    when = _table(_WhenSchema, required=True)
    to = _table(_ToSchema, required=True)
    template = _table(_TemplateSchema, required=True)
    slots = _Slots(load_default=dict)
    timing = fields.Nested(_TimingSchema, load_default=Timing, error_messages={"type": "must be a table."})
