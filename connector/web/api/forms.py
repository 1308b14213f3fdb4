"""Fields that take what they say and nothing else, and the parser that reads requests by them.

marshmallow is kind by default: ``"yes"`` is true and ``" 7"`` a number. A program that sends such things has a
bug, and hears of it here. Bodies are read as webhooks are: with exact numbers, bounded, without NUL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

from flask import Request, request
from marshmallow import RAISE, Schema, ValidationError, fields, validate
from webargs import core
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import RequestEntityTooLarge

from connector.errors import PayloadError
from connector.model import Json, parse_json, parse_time
from connector.web.api.problems import ProblemError, Wrong, wrongs

DEEPEST = 64
"""Levels of nesting in a body."""
MOST_NODES = 100_000
ID = r"^[0-9a-z]{26}$"
NAME = r"^[a-z0-9][a-z0-9_.-]*(/[a-z0-9][a-z0-9_.-]*){0,3}$"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_WHOLE = re.compile(r"-?\d{1,18}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Form(Schema):
    """What a request holds; what is not declared is refused."""

    class Meta:
        """Refuse what is not declared: a typing error must not pass in silence."""

        unknown = RAISE


class Text(fields.String):
    """A text of bounded length; NUL, which databases refuse, becomes U+FFFD."""

    def __init__(self, most: int = 200, least: int = 0, **given: Any) -> None:
        more = given.pop("validate", None)
        length = validate.Length(min=least or None, max=most)
        super().__init__(validate=[length, *([more] if more else [])], **given)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


class Word(fields.String):
    """One of a few words."""

    def __init__(self, words: Any, **given: Any) -> None:
        super().__init__(validate=validate.OneOf([str(getattr(word, "value", word)) for word in words]), **given)


class Id(fields.String):
    """One of our ids."""

    def __init__(self, **given: Any) -> None:
        super().__init__(validate=validate.Regexp(re.compile(ID.replace("$", r"\Z")), error="Not an id."), **given)


class Truth(fields.Boolean):
    """True or false."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if isinstance(value, bool):
            return value
        raise ValidationError("Not true or false.")


class Whole(fields.Integer):
    """A whole number; in a query its digits."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, str) and _WHOLE.fullmatch(value) and value.isascii():
            return int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise ValidationError("Not a whole number.")


class When(fields.DateTime):
    """A moment with its offset (RFC 3339); those before 1970 are 1970 here."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        if not isinstance(value, str) or not _MOMENT.fullmatch(value) or not value.isascii():
            raise ValidationError("Not a moment such as 2026-03-01T12:00:00Z.")
        if value[:4] in ("0000", "0001", "9999"):  # where an offset leads out of what can be counted
            return _EPOCH if value < "9" else datetime(9999, 1, 1, tzinfo=UTC)
        found = parse_time(value.upper())
        if found is None:
            raise ValidationError("Not a moment such as 2026-03-01T12:00:00Z.")
        return max(found, _EPOCH)


def anything(**given: Any) -> Any:
    """Return a field for any JSON object."""
    return fields.Dict(keys=fields.String(), **given)


class Parser(FlaskParser):
    """Reads requests; unknown fields are refused wherever they can be."""

    DEFAULT_UNKNOWN_BY_LOCATION = {"json": RAISE, "query": RAISE, "headers": "exclude"}  # noqa: RUF012 - webargs' own

    def load_json(self, req: Request, schema: Schema) -> Any:
        """Return the body, exact; absent where there is none. Raises ProblemError."""
        body = req.get_data(cache=True)
        if not body:
            return core.missing
        if req.content_length is None and req.max_content_length and len(body) >= req.max_content_length:
            raise RequestEntityTooLarge  # a body in chunks ends at the limit without a word
        if not is_json(req.mimetype):
            raise ProblemError(415, "Send the body as application/json.")
        return read_body(body)

    def handle_error(self, error: ValidationError, req: Request, schema: Schema, **kwargs: Any) -> NoReturn:
        """Turn what marshmallow complains of into a problem."""
        found = list(_located(error.messages))
        first = found[0] if found else Wrong("", "The request is not valid.")
        words = f"{first.path}: {first.words}" if first.path else first.words
        raise ProblemError(422, words, found)


def _located(messages: Any) -> list[Wrong]:
    inner = messages
    if isinstance(messages, Mapping) and set(messages) <= {"json", "query", "headers"}:
        inner = list(messages.values())
    return list(wrongs(inner))


def is_json(mimetype: str) -> bool:
    """Tell whether a media type means JSON."""
    return mimetype == "application/json" or (mimetype.startswith("application/") and mimetype.endswith("+json"))


def read_body(body: bytes) -> Json:
    """Parse a body within bounds. Raises ProblemError."""
    try:
        value = parse_json(body)
    except PayloadError as error:
        raise ProblemError(400, str(error)) from None
    _require_shallow(value)
    return value


def _require_shallow(value: Json) -> None:
    left: list[tuple[Any, int]] = [(value, 1)]
    seen = 0
    while left:
        item, depth = left.pop()
        seen += 1
        if depth > DEEPEST or seen > MOST_NODES:
            raise ProblemError(400, f"The body is nested deeper than {DEEPEST} levels, or holds too many values.")
        if isinstance(item, dict):
            left.extend((inner, depth + 1) for inner in item.values() if isinstance(inner, dict | list))
        elif isinstance(item, list):
            left.extend((inner, depth + 1) for inner in item if isinstance(inner, dict | list))


def header(name: str, most: int = 200) -> str:
    """Return a header of this request, ``""`` where there is none. Raises ProblemError where it is too long."""
    value = request.headers.get(name, "").strip()
    if len(value) > most or not value.isprintable():
        raise ProblemError(422, f"The header {name} is too long or not plain text.", [Wrong(name, "Not usable.")])
    return value
