"""The console: where admins map fields, see the real message, and learn why."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

from flask import Flask, g, request, url_for
from flask_bootstrap import Bootstrap5
from flask_compress import Compress
from flask_wtf.csrf import CSRFProtect

from connector.flow.keepsake import SESSIONS, keepsake
from connector.web.console import account_changes as account_changes
from connector.web.console import account_form as account_form
from connector.web.console import accounts as accounts
from connector.web.console import analytics as analytics
from connector.web.console import audit as audit
from connector.web.console import backtests as backtests
from connector.web.console import contact_editor as contact_editor
from connector.web.console import doctoring as doctoring
from connector.web.console import editor as editor
from connector.web.console import events as events
from connector.web.console import exchange_files as exchange_files
from connector.web.console import glossary as glossary
from connector.web.console import keys as keys
from connector.web.console import lists as lists
from connector.web.console import mappings as mappings
from connector.web.console import me as me
from connector.web.console import me_second as me_second
from connector.web.console import messages as messages
from connector.web.console import new_mapping as new_mapping
from connector.web.console import outgoing as outgoing
from connector.web.console import overview as overview
from connector.web.console import people as people
from connector.web.console import person as person
from connector.web.console import person_data as person_data
from connector.web.console import phone as phone
from connector.web.console import publishing as publishing
from connector.web.console import replays as replays
from connector.web.console import requests as requests
from connector.web.console import shadows as shadows
from connector.web.console import sight as sight
from connector.web.console import start as start
from connector.web.console import tasks as tasks
from connector.web.console import team as team
from connector.web.console import templates as templates
from connector.web.console import trials as trials
from connector.web.console import versions as versions
from connector.web.console import why as why
from connector.web.console.frame import SignedIn, console, may, nonce, seal
from connector.wiring import Wiring

STATIC = Path(__file__).parent.parent / "static"


def install(app: Flask, tools: Wiring, signed_in: SignedIn) -> None:
    """Put the console into an application; ``signed_in`` tells who is at the other end of a request."""
    secure = tools.settings.public_url.startswith("https:")
    app.config.update(
        SECRET_KEY=keepsake(tools.store, tools.vault, SESSIONS),
        SESSION_COOKIE_NAME="connector_session",
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        BOOTSTRAP_SERVE_LOCAL=True,
        COMPRESS_MIMETYPES=["text/html", "text/css", "text/javascript", "application/json", "image/svg+xml"],
        SEND_FILE_MAX_AGE_DEFAULT=me.YEAR,  # addresses of assets carry their version
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session
        MAX_CONTENT_LENGTH=1024 * 1024,
        MAX_FORM_PARTS=3000,
        MAX_FORM_MEMORY_SIZE=1024 * 1024,
    )
    app.extensions["signed_in"] = signed_in
    Bootstrap5(app)
    Compress(app)
    CSRFProtect(app)
    app.jinja_env.globals.update(may=may, nonce=nonce, asset=_asset, theme=_theme)
    app.context_processor(lambda: {"actor": g.get("actor")})
    app.register_blueprint(console)
    app.after_request(seal)


@cache
def _version(name: str) -> str:
    return sha256((STATIC / name).read_bytes()).hexdigest()[:10]


def _asset(name: str) -> str:
    """Return the address of an asset of ours, which changes with it, so that browsers may keep it for a year."""
    return url_for("console.static", filename=name, v=_version(name))


def _theme() -> str:
    chosen = request.cookies.get(me.COOKIE, "auto")
    return chosen if chosen in me.THEMES else "auto"
