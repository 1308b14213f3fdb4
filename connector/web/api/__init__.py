"""The API: an application of its own below ``/api``, so that no cookie, form or page of the console reaches it.

The document ``/api/openapi.json`` and the page ``/api/docs`` are open to everybody: they hold what stands in the
source anyway, and a tool that reads them has no key yet.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, request
from flask_smorest import Api
from flask_smorest.utils import prepare_response
from werkzeug.routing import BaseConverter

from connector import __version__
from connector.limits import RateLimit
from connector.web.api import problems
from connector.web.api.contacts import contacts
from connector.web.api.document import pages, paper
from connector.web.api.endpoints import endpoints
from connector.web.api.events import events
from connector.web.api.exact import ExactJson
from connector.web.api.figures import stats
from connector.web.api.frame import BURST, FAILED_BURST, FAILED_PER_MINUTE, PER_MINUTE, Limits, authenticate, finish
from connector.web.api.mappings import mappings
from connector.web.api.me import me
from connector.web.api.messages import messages
from connector.web.api.places import again, places, sheets
from connector.web.api.previews import previews
from connector.wiring import Wiring

PREFIX = "/api"
MOST_BODY = 1024 * 1024
"""Bytes; a pushed event may be as large as a webhook."""
ROOMS = (me, events, messages, mappings, previews, contacts, sheets, places, again, stats, endpoints)


class _Api(Api):  # type: ignore[misc] # flask-smorest is untyped
    """flask-smorest, with problems instead of its own errors."""

    ERROR_SCHEMA = problems.ProblemSchema

    def _register_error_handlers(self) -> None:
        problems.handle(self._app)

    def _register_responses(self) -> None:
        default = {"description": "A problem: what is wrong, and with which field", "schema": self.ERROR_SCHEMA}
        for name in ("DEFAULT_ERROR", "UNPROCESSABLE_ENTITY", "UNPROCESSABLE_CONTENT"):
            response = dict(default)
            prepare_response(response, self.spec, problems.CONTENT_TYPE)
            self.spec.components.response(name, response, lazy=True)


class _Pattern(BaseConverter):
    """A part of an address that is of a certain form."""

    schema: dict[str, Any]


def _pattern(name: str, regex: str, words: str, *, slashes: bool = False) -> tuple[str, type[_Pattern]]:
    schema = {"type": "string", "pattern": f"^{regex}$", "description": words}
    regex = regex.replace("(?:/", f"(?:/(?!{_BELOW})")
    made = type(name.title(), (_Pattern,), {"regex": regex, "part_isolating": not slashes, "schema": schema})
    return name, made


_STEP = "[a-z0-9][a-z0-9_.-]*"
_BELOW = "(?:draft|check|publish|unpublish|rollback|versions|diff|preview)(?:/|$)"
"""What stands below a mapping is no part of its name."""
CONVERTERS = dict(
    [
        _pattern("ident", "[0-9a-z]{26}", "One of our ids"),
        _pattern("delivery", "evt_[0-9a-z]{26}", "A delivery's webhook-id"),
        _pattern("account", "[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "The name of an account"),
        _pattern("slug", "[A-Za-z0-9_-]{1,120}", "A name"),
        _pattern("label", "[^/\x00-\x1f\x7f]{1,100}", "A label"),
        _pattern("mapping", f"{_STEP}(?:/{_STEP}){{0,3}}", "The name of a mapping", slashes=True),
    ]
)


def install(app: Flask, tools: Wiring) -> None:
    """Put the API in front of an application: it answers everything below ``/api``."""
    inner, outer = create_api(tools), app.wsgi_app
    app.extensions["api"] = inner

    def mounted(environ: dict[str, Any], start: Any) -> Any:
        path = environ.get("PATH_INFO", "")
        ours = path == PREFIX or path.startswith(f"{PREFIX}/")
        if ours and not environ.get("CONTENT_LENGTH") and environ.get("HTTP_TRANSFER_ENCODING"):
            environ["wsgi.input_terminated"] = True  # the server ends the stream where the chunks do
        return inner.wsgi_app(environ, start) if ours else outer(environ, start)

    app.wsgi_app = mounted  # type: ignore[method-assign, assignment] # Flask's documented way to wrap it


def create_api(tools: Wiring) -> Flask:
    """Build the application of the API."""
    app = Flask("connector.web.api", static_folder=None, template_folder="../templates")
    app.json = ExactJson(app)
    app.config.update(
        API_TITLE="WhatsApp connector", API_VERSION="v1", OPENAPI_VERSION="3.1.0",
        API_SPEC_OPTIONS=paper(tools.settings.public_url, __version__),
        MAX_CONTENT_LENGTH=max(tools.settings.body_cap, MOST_BODY),
    )  # fmt: skip
    app.url_map.converters.update(CONVERTERS)
    app.extensions["connector"] = tools
    app.extensions["limits"] = Limits(
        keys=RateLimit(tools.redis_url, "key", per_minute=PER_MINUTE, burst=BURST),
        failed=RateLimit(tools.redis_url, "failed", per_minute=FAILED_PER_MINUTE, burst=FAILED_BURST),
    )
    app.before_request(_guard)
    app.after_request(finish)
    api = _Api(app)
    for converter in CONVERTERS.values():
        api.register_converter(converter, lambda made: dict(made.schema))
    for room in ROOMS:
        api.register_blueprint(room)
    # What marshmallow checks by a method, the document must say by itself.
    api.spec.components.schemas["SendForm"]["oneOf"] = [{"required": ["data"]}, {"required": ["event"]}]
    app.extensions["api"] = api
    app.register_blueprint(pages)
    return app


def _guard() -> Response | None:
    if request.blueprint == pages.name or request.endpoint is None:
        return None  # the document is for everybody, and what is not there needs no key
    authenticate()
    if request.endpoint != "Events.push_event":
        request.max_content_length = MOST_BODY
    return None
