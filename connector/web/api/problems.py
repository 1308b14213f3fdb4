"""Problems: every answer of the API that is no success, as RFC 9457 has it, with the field that is at fault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, current_app, request
from marshmallow import Schema, fields
from werkzeug.exceptions import HTTPException

from connector.errors import ConfigurationError, ConnectorError, MappingError, PayloadError, RemoteError
from connector.log import get

CONTENT_TYPE = "application/problem+json"
MOST_ERRORS = 100
_WORDS = {
    400: "The request cannot be read.",
    404: "There is nothing at this address; /api/docs lists what there is.",
    405: "This address does not take that method; the header Allow names those it takes.",
    413: "The body is too large.",
    415: "Send the body as application/json.",
    500: "Something went wrong here; the log says what.",
}
_TITLES = {
    400: "Unreadable request", 401: "Key missing or wrong", 403: "Not allowed", 404: "Not found",
    405: "Method not allowed", 409: "Conflict", 412: "Changed in the meantime", 413: "Body too large",
    415: "Not JSON", 422: "Invalid request", 429: "Too many requests", 500: "Internal error", 502: "Vendor refused",
}  # fmt: skip

log = get(__name__)


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that is wrong with a request: where, and what."""

    path: str
    """Dotted: ``slots.body.1``; ``""``: the request as a whole."""
    words: str


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(
        self, status: int, words: str, errors: Sequence[Wrong] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(words)
        self.status, self.words, self.errors, self.headers = status, words, tuple(errors), dict(headers or {})


class WrongSchema(Schema):
    """One field that is at fault."""

    path = fields.String(required=True, metadata={"description": "Where: `slots.body.1`; empty: the whole request"})
    words = fields.String(required=True, metadata={"description": "What is wrong, and what to do"})


class ProblemSchema(Schema):
    """A problem (RFC 9457)."""

    type = fields.String(required=True, metadata={"description": "Always `about:blank`: the status tells the kind"})
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True, metadata={"description": "A sentence for people"})
    errors = fields.List(fields.Nested(WrongSchema), metadata={"description": "What is wrong with which field"})


def missing(what: str) -> ProblemError:
    """Return the problem that there is no such thing."""
    return ProblemError(404, f"There is no such {what}.")


def invalid(*errors: Wrong) -> ProblemError:
    """Return the problem that fields are wrong."""
    return ProblemError(422, f"{errors[0].path}: {errors[0].words}" if errors[0].path else errors[0].words, errors)


def conflict(*errors: Wrong) -> ProblemError:
    """Return the problem that a request is well formed, and does not fit what is here."""
    return ProblemError(409, f"{errors[0].path}: {errors[0].words}", errors)


def wrongs(messages: Any, path: str = "") -> Iterator[Wrong]:
    """Yield what marshmallow complains of, flat."""
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            step = "" if name in ("_schema", "key", "value") else str(name)[:100]
            yield from wrongs(inner, ".".join(filter(None, (path, step))))
    elif isinstance(messages, list | tuple):
        for inner in messages:
            yield from wrongs(inner, path)
    else:
        yield Wrong(path, str(messages))


def answer(problem: ProblemError) -> Response:
    """Write a problem down."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": _TITLES.get(problem.status, "Problem"),
        "status": problem.status,
        "detail": problem.words,
    }
    if problem.errors:
        body["errors"] = [{"path": each.path, "words": each.words} for each in problem.errors[:MOST_ERRORS]]
    return Response(current_app.json.dumps(body), problem.status, problem.headers, content_type=CONTENT_TYPE)


def handle(app: Flask) -> None:
    """Let an application answer every error as a problem."""

    @app.errorhandler(Exception)
    def fail(error: Exception) -> Response:
        return answer(translate(error))


def translate(error: Exception) -> ProblemError:
    """Return the problem that an exception is; what nobody foresaw is a 500, told in the log alone."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, MappingError):
        return ProblemError(422, "The mapping has faults.", [Wrong(fault.path, fault.words) for fault in error.faults])
    if isinstance(error, ConfigurationError):
        return ProblemError(409, str(error))
    if isinstance(error, PayloadError):
        return ProblemError(400, str(error))
    if isinstance(error, RemoteError):
        return ProblemError(502, f"{error.words} {error.advice}".strip())
    if isinstance(error, HTTPException) and error.code is not None and error.code < 500:
        allow = dict(error.get_headers(None, None)).get("Allow")
        words = _WORDS.get(error.code, error.name)
        return ProblemError(error.code, words, headers={"Allow": allow} if allow else None)
    log.error("api.failed", path=request.path, exc_info=error)
    words = _WORDS[500] if not isinstance(error, ConnectorError) else str(error)
    return ProblemError(500, words)
