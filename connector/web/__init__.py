"""The web: the door for vendors, health, metrics, and the pages."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping
from pathlib import Path

from flask import Flask, Response, jsonify, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from connector import metrics
from connector.flow import silence
from connector.flow.intake import Intake
from connector.log import get
from connector.model import now
from connector.store import counts, inbox, migrate, write_backs
from connector.web import api, console
from connector.web.authorize import authorize
from connector.web.console import door_second as door_second
from connector.web.console import doorman, frame
from connector.web.console.door import door
from connector.web.late import Late
from connector.web.webhooks import Webhooks, Wsgi
from connector.wiring import Wiring

TOKEN_FILE = "page.token"  # noqa: S105 - a file's name
_TOO_OLD = (
    "This form is no longer good",
    "You have signed in or out since it was shown, or this browser keeps no cookies.",
    "Go back, load the page again, and send it once more. Nothing was changed.",
)
_NOT_YOURS = (
    "This is not for your role",
    "You are signed in, but you may not do this.",
    "An owner says who may do what.",
)

log = get(__name__)


def create_app(tools: Wiring) -> Wsgi:
    """Build the whole web: webhooks in front, Flask behind them."""
    pages = Late(lambda: create_pages(tools))
    intake = Intake(tools.store, lambda: tools.queue.ring("decide"))
    return Webhooks(tools.directory, intake, tools.knocks, body_cap=tools.settings.body_cap, otherwise=pages)


def create_pages(tools: Wiring) -> Flask:
    """Build what is not webhooks: health, metrics and the pages behind their door."""
    app = Flask(__name__)
    app.config["PAGE_TOKEN"] = page_token(tools.settings.data)
    app.extensions["connector"] = tools
    console.install(app, tools, doorman.signed_in)
    doorman.install(app, tools)
    app.register_blueprint(door)
    app.register_blueprint(authorize)
    api.install(app, tools)

    @app.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @app.get("/readyz")
    def readyz() -> tuple[Response, int]:
        parts = _parts(tools)
        ready = parts["database"] == "ok"
        return jsonify(status="ok" if ready else "unavailable", **parts), 200 if ready else 503

    @app.get("/metrics")
    def exposition() -> Response:
        return Response(metrics.exposition(lambda: _gauges(tools)), content_type=metrics.CONTENT_TYPE)

    @app.errorhandler(Exception)
    def fail(error: Exception) -> AnyResponse | tuple[Response, int]:
        if isinstance(error, HTTPException):
            if request.blueprint in ("console", "door") and request.accept_mimetypes.accept_html:
                if isinstance(error, CSRFError):
                    return frame.refuse(400, *_TOO_OLD)
                if error.code == 403:
                    return frame.refuse(403, *_NOT_YOURS)
            return Response(f"{error.code} {error.name}\n", content_type="text/plain; charset=utf-8"), error.code or 500
        log.error("page.failed", exc_info=error)
        return Response("Something went wrong here; the log says what.\n", content_type="text/plain"), 500

    return app


def page_token(data: Path) -> str:
    """Return the token by which the first owner is made; kept, for its owner only, in the data folder."""
    path = data / TOKEN_FILE
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        fresh = data / f"{TOKEN_FILE}.{secrets.token_hex(4)}"
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(24) + "\n")
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(fresh)  # whoever is first wins, and nobody reads half a file
        fresh.unlink()
        return path.read_text().strip()


def _parts(tools: Wiring) -> dict[str, str]:
    try:
        migrate.require(tools.store)
        database = "ok"
    except Exception as error:  # noqa: BLE001 - a health page tells of trouble, it does not have it
        log.warning("health.failed", part="database", words=type(error).__name__)
        database = "unavailable or not migrated"
    return {"database": database, "redis": "ok" if tools.queue.ping() else "unavailable (the clock goes on)"}


def _gauges(tools: Wiring) -> Mapping[str, Mapping[str, float]]:
    with tools.store.read() as tx:
        waiting, since = inbox.measure(tx)
        unsent = counts.count_open(tx)
        due_since = counts.oldest_due(tx)
        unwritten = write_backs.count(tx).values()
        unwritten_since = write_backs.oldest_due(tx, now())
        silent = dict(silence.seconds(tx, tools.directory.listeners()))
    at = now()
    known = tools.directory.all_()
    active = sum(item.account.active for item in known)
    depth, failures = tools.queue.depth(), tools.queue.failures()
    return {
        "inbox_requests": {"new": float(waiting)},
        "outbox_messages": {state: float(count) for state, count in unsent.items()},
        "oldest_waiting_seconds": {
            "request": (at - since).total_seconds() if since else 0.0,
            "message": (at - due_since).total_seconds() if due_since else 0.0,
            "write_back": (at - unwritten_since).total_seconds() if unwritten_since else 0.0,
        },
        "queue_jobs": {
            name: float(count) for name, count in (("waiting", depth), ("failed", failures)) if count is not None
        },
        "write_backs": {
            state: float(sum(numbers.get(state, 0) for numbers in unwritten)) for state in write_backs.OPEN
        },
        "accounts": {"active": float(active), "suspended": float(len(known) - active)},
        "silence_seconds": silent,
    }
