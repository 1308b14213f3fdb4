"""What the forms of all mapping files are made of: TOML with limits, and fields that say what is wrong.

Every fault has its dotted path, and all faults of a file are told at once.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validates_schema

from connector.errors import Fault, MappingError
from connector.mapping import conditions
from connector.mapping.liquid import Expression, ExpressionError, compile_expression
from connector.mapping.nearest import nearest
from connector.model import Json, parse_duration

MAX_FILE = 64 * 1024
"""Bytes of one mapping file."""
MAX_WAIT = timedelta(days=365)
MAX_ITEMS = 500
"""Items of one list of a file."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*(/[a-z0-9][a-z0-9_.-]*){0,3}")
_T = TypeVar("_T")


def read_form(name: str, source: str, schema: type[Table], make: Callable[..., _T], **more: Any) -> _T:
    """Read a file by its schema and make its value: ``make(name=…, source=…, **parts, **more)``.

    Raises MappingError, which holds every fault with its dotted path, and nothing else.
    """
    refuse_name(name)
    try:
        parts: dict[str, Any] = schema().load(read_toml(source))
    except ValidationError as error:
        raise MappingError(list(flatten(error.messages))) from None
    parts.pop("kind", None)
    return make(name=name, source=source, **parts, **more)


def refuse_name(name: str) -> None:
    """Raise MappingError unless this can be the name of a mapping: ``shopify/order_paid``."""
    if len(name) > 100 or not _NAME.fullmatch(name):
        words = "A mapping's name is of small letters, digits, - and _, such as shopify/order_paid."
        raise MappingError([Fault("", words)])


def read_toml(source: str) -> dict[str, Any]:
    """Parse a file's text; fractions become Decimal. Raises MappingError."""
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


def flatten(messages: Any, path: str = "") -> Iterator[Fault]:
    """Turn marshmallow's nested messages into faults with dotted paths."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from flatten(inner, path if key == "_schema" else f"{path}.{key}" if path else str(key))
    elif isinstance(messages, list):
        for inner in messages:
            yield from flatten(inner, path)
    else:
        yield Fault(path, str(messages))


class Text(fields.Field[str]):
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


class Liquid(fields.Field[Expression]):
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


class FieldPath(fields.Field[str]):
    """The bare path of a field."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if words := conditions.refuse_path(value):
            raise ValidationError(words)
        return str(value)


class Flag(fields.Field[bool]):
    """True or false, without quotes."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("must be true or false.")
        return value


class Duration(fields.Field[timedelta]):
    """A length of time: ``10m``, ``1d 12h``."""

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


class ListOf(fields.List[Any]):
    """A list; loads to a tuple."""

    default_error_messages = {"invalid": "must be a list, in [ ].", "required": "is missing."}  # noqa: RUF012

    def __init__(self, inner: fields.Field[Any], *, least: int = 0, **kwargs: Any) -> None:
        super().__init__(inner, **kwargs)
        self.least = least

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, list) and len(value) > MAX_ITEMS:
            raise ValidationError(f"holds {len(value)} items; at most {MAX_ITEMS} are read.")
        found = super()._deserialize(value, attr, data, **kwargs)
        if len(found) < self.least:
            raise ValidationError(f"must hold {self.least} at least.")
        return tuple(found)


class Table(Schema):
    """A table of the file: what is not declared is refused, with the nearest name that is."""

    error_messages = {"type": "must be a table."}  # noqa: RUF012

    class Meta:
        """Unknown names are let through here, and refused below."""

        unknown = EXCLUDE  # told below, together with all other faults

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _refuse_unknown(self, data: Any, original_data: Any, **kwargs: Any) -> None:
        if isinstance(original_data, dict):
            known = [field.data_key or name for name, field in self.fields.items()]
            unknown = [str(key) for key in original_data if key not in known]
            if unknown:
                raise ValidationError(
                    {key[:100]: [f"is not known here{nearest(key, known) or '.'}"] for key in unknown}
                )


class OneOf(fields.Field[str]):
    """One of a few words; another one is answered with the nearest."""

    default_error_messages = {"required": "is missing."}  # noqa: RUF012 - its own way

    def __init__(self, known: Iterable[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.known = tuple(map(str, known))

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str) or value not in self.known:
            hint = nearest(value, self.known) if isinstance(value, str) else ""
            raise ValidationError(f"must be {' or '.join(map(repr, self.known))}{hint or '.'}")
        return value


class Written(fields.Field[str]):
    """A text that a function can read: quiet hours, a cap; kept as it was written."""

    def __init__(self, read: Callable[[str], object], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.read = read

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        try:
            self.read(value if isinstance(value, str) and len(value) < 60 else "")
        except (ValueError, OverflowError) as error:
            raise ValidationError(f"{error}.") from None
        return " ".join(str(value).split())


class OneOrMore(ListOf):
    """A list, or its only item without the brackets."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return super()._deserialize(value if isinstance(value, list) else [value], attr, data, **kwargs)


class TableOf(fields.Field[dict[Any, Any]]):
    """A table whose names are free, or are checked by ``keys``; each value is read by one field."""

    def __init__(self, keys: fields.Field[Any], values: fields.Field[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keys, self.values = keys, values

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise ValidationError("must be a table.")
        if len(value) > MAX_ITEMS:
            raise ValidationError(f"holds {len(value)} items; at most {MAX_ITEMS} are read.")
        found: dict[Any, Any] = {}
        messages: dict[str, Any] = {}
        for key, inner in value.items():
            try:
                found[self.keys.deserialize(key)] = self.values.deserialize(inner)
            except ValidationError as error:
                messages[str(key)[:100]] = error.messages
        if messages:
            raise ValidationError(messages)
        return found


class Scalar(fields.Field[Json]):
    """A text, a number, or true or false, as a vendor's field takes it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Json:
        if isinstance(value, date | time) or not isinstance(value, str | bool | int | Decimal):
            raise ValidationError("must be a text in quotes, a number, true or false.")
        if len(str(value)) > 2000:
            raise ValidationError("is longer than 2000 characters.")
        return value


def table(schema: type[Table], *, required: bool = False, **kwargs: Any) -> fields.Nested:
    """Return a field that holds a table of this form."""
    messages: dict[str, str | list[Any] | dict[Any, Any]] = {
        "required": "is missing; a mapping needs this table.",
        "type": "must be a table.",
    }
    return fields.Nested(schema, required=required, error_messages=messages, **kwargs)


def tables(schema: type[Table], **kwargs: Any) -> ListOf:
    """Return a field that holds a list of tables of this form: ``[[after]]``."""
    return ListOf(table(schema), **kwargs)
