"""What every resource of the API stands in: who calls, what they may, what is hidden from them, how much they may.

A view names what it takes: ``@needs(Permission.SEND)``, outermost below its route; :class:`Room` refuses to take a
view that names nothing. A key alone lets in; a cookie never does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from math import ceil
from typing import Any, ParamSpec, TypeVar

from flask import Response, current_app, g, request
from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate

from connector.contract import Field
from connector.flow import audit, explain, keys, mask, publish
from connector.flow.story import is_number
from connector.limits import RateLimit, Spent
from connector.model import Json, Permission
from connector.security.addresses import home
from connector.store import Store
from connector.store.api_keys import KeyRow
from connector.web.api.forms import Form, Parser, Text, Whole
from connector.web.api.problems import ProblemError
from connector.web.visitor import address
from connector.wiring import Wiring

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

PER_MINUTE, BURST = 600.0, 100
"""Requests of one key."""
FAILED_PER_MINUTE, FAILED_BURST = 10.0, 20
"""Requests of one address whose key is missing or wrong."""
SCHEME = "key"
"""The name of the way to prove oneself, in the OpenAPI document."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How often an application of the API may be called."""

    keys: RateLimit
    failed: RateLimit


class Room(Blueprint):  # type: ignore[misc] # flask-smorest is untyped
    """The views of one resource."""

    ARGUMENTS_PARSER = Parser()

    def route(self, rule: str, **options: Any) -> Callable[[F], F]:
        """Register a view under an address."""
        found: Callable[[F], F] = super().route(rule, **options)
        return found

    def arguments(self, schema: type[Schema], **options: Any) -> Callable[[F], F]:
        """Read a request by a schema."""
        found: Callable[[F], F] = super().arguments(schema, **options)
        return found

    def response(self, status_code: int, schema: type[Schema] | None = None, **options: Any) -> Callable[[F], F]:
        """Write an answer by a schema."""
        found: Callable[[F], F] = super().response(status_code, schema, **options)
        return found

    @staticmethod
    def doc(**given: Any) -> Callable[[F], F]:
        """Say more of a view in the document."""
        found: Callable[[F], F] = Blueprint.doc(**given)
        return found

    def add_url_rule(self, rule: str, endpoint: Any = None, view_func: Any = None, *args: Any, **options: Any) -> None:
        """Register a view that says what it takes."""
        if not hasattr(view_func, "needs"):
            raise TypeError(f"{view_func} names no permission: an API that is open by mistake is worse than none")
        super().add_url_rule(rule, endpoint, view_func, *args, **options)


def room(name: str, words: str) -> Room:
    """Return the room of a resource; ``words`` say what it is."""
    return Room(name, __name__, url_prefix="/api/v1", description=words)


def needs(permission: Permission) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a view be called by keys alone that have this scope; also says so in the document."""

    def wrap(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            taken = publish.takes(permission, str((request.view_args or {}).get("name", "")))
            if taken not in caller().scopes:
                raise ProblemError(403, f"This key lacks the scope {taken.value}: {keys.MEANING[taken]}.")
            return view(*args, **kwargs)

        guarded.needs = permission  # type: ignore[attr-defined]
        documented: Callable[P, R] = Room.doc(**{"x-scope": permission.value})(guarded)
        documented.needs = permission  # type: ignore[attr-defined]
        return documented

    return wrap


def tools() -> Wiring:
    """Return the wiring of this application."""
    found: Wiring = current_app.extensions["connector"]
    return found


def store() -> Store:
    """Return the store."""
    return tools().store


def caller() -> KeyRow:
    """Return whose key this request came with."""
    found: KeyRow = g.key
    return found


def actor() -> str:
    """Return how who calls is named in the audit log and in evidence."""
    return f"key:{caller().id}"


def actor_name() -> str:
    """Return the name of the key, as people read it."""
    return f"API key {caller().name}"


def record(action: str, object_: str = "", words: str = "", **details: Any) -> None:
    """Enter in the audit log that this key did something. Not to be called inside a write."""
    audit.record(store(), actor(), actor_name(), action, object_, words, address(), **details)


def authenticate() -> None:
    """Find out who calls, and whether they call too often. Raises ProblemError."""
    if request.method == "OPTIONS":  # tells what any caller can read in the document
        return
    limits: Limits = current_app.extensions["limits"]
    kind, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    found = keys.recognise(store(), token.strip()) if kind.lower() == "bearer" else None
    if found is None:
        # Only those who fail pay here: nobody can lock a valid key out by failing from its address.
        spent = limits.failed.take(home(address()))
        if not spent.allowed:
            raise _too_many(spent, "Too many requests without a valid key came from this address")
        words = "Send a valid API key: Authorization: Bearer wck_…; keys are made in the console, or by the command"
        raise ProblemError(401, f"{words} `connector api-keys add`.", headers={"WWW-Authenticate": "Bearer"})
    g.key = found
    g.spent = limits.keys.take(found.id)
    if not g.spent.allowed:
        raise _too_many(g.spent, "This key has called too often")


def _too_many(spent: Spent, words: str) -> ProblemError:
    seconds = max(1, ceil(spent.wait))
    return ProblemError(429, f"{words}; try again in {seconds} s.", headers={"Retry-After": str(seconds)})


def finish(answer: Response) -> Response:
    """Tell how much is left, enter looks at people in the audit log, and let nobody keep the answer."""
    spent: Spent | None = g.get("spent")
    if spent is not None:
        limit: RateLimit = current_app.extensions["limits"].keys
        answer.headers["RateLimit-Policy"] = f"{limit.burst};w={ceil(limit.burst / limit.per_minute * 60)}"
        answer.headers["RateLimit-Limit"] = str(limit.burst)
        answer.headers["RateLimit-Remaining"] = str(int(spent.left))
        answer.headers["RateLimit-Reset"] = str(ceil(spent.full))
    if g.get("saw_people") and answer.status_code < 400:
        audit.looked(store(), actor(), actor_name(), request.path, address())
    answer.headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers.setdefault("Cache-Control", "no-store")
    return answer


# what is hidden


def sees_people() -> bool:
    """Tell whether personal data is shown; if so, this request counts as a look at it."""
    if Permission.SEE_PEOPLE not in caller().scopes:
        return False
    g.saw_people = True
    return True


def personal(value: str) -> str:
    """Return a text that may tell of a person, or its mask."""
    return value if not value or sees_people() else mask.text(value)


def number(value: str) -> str:
    """Return a phone number whole, or its end."""
    return value if not value or sees_people() else explain.hide_phone(value)


def label(value: str) -> str:
    """Return what an event is called, or its mask where it is no number."""
    return value if is_number(value) else personal(value)


def sentence(words: str) -> str:
    """Return a sentence of a trace; phones in it show their ends, and what it quotes may be hidden."""
    words = explain.hide_phones(words)
    hidden = mask.sentence(words)
    return words if hidden == words or sees_people() else hidden


def foreign(words: str) -> str:
    """Return what a vendor or an endpoint said: nobody knows of whom."""
    return personal(explain.hide_phones(words))


def texts(values: Any) -> Any:
    """Return texts by name, whole or masked."""
    return dict(values) if not values or sees_people() else {name: mask.text(text) for name, text in values.items()}


def payload(value: Json, declared: Collection[Field] = ()) -> Json:
    """Return a payload, whole or masked."""
    return value if sees_people() else mask.payload(value, declared)


def pick(schema: type[Schema], value: Any) -> dict[str, Any]:
    """Return those of a schema's fields that a value has under the same name."""
    return {name: getattr(value, name) for name in schema().fields if hasattr(value, name)}


# pages


class PageForm(Form):
    """Where a list goes on."""

    cursor = Text(200, load_default="", metadata={"description": "`next` of the page before, as it was"})
    limit = Whole(
        load_default=50, validate=validate.Range(1, 200), metadata={"description": "How many at most, 1 to 200"}
    )


def page_of(item: type[Schema], name: str) -> type[Schema]:
    """Return the schema of a page of a list."""
    made = Schema.from_dict(
        {
            "items": fields.List(fields.Nested(item), required=True),
            "next": fields.String(
                required=True, allow_none=True, metadata={"description": "The cursor of what follows; null: nothing"}
            ),
        },
        name=f"{name}Page",
    )
    made.__doc__ = "A page of a list."
    return made


def page(found: Sequence[T], limit: int, key: Callable[[T], str], show: Callable[[T], Any]) -> dict[str, Any]:
    """Return a page of what was found; one more than ``limit`` was asked for, to know whether there is more.

    A cursor is the key of the last item: what is added meanwhile neither repeats nor hides anything.
    """
    kept = found[:limit]
    return {"items": [show(item) for item in kept], "next": key(kept[-1]) if len(found) > limit else None}


def after_name(found: Sequence[T], cursor: str, key: Callable[[T], str]) -> list[T]:
    """Return what comes behind a cursor in a list that is sorted by name."""
    return [item for item in found if not cursor or key(item) > cursor]


def moment(at: datetime | None) -> str | None:
    """Write a moment as RFC 3339 in UTC."""
    return at.isoformat().replace("+00:00", "Z") if at else None
