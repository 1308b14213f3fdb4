"""What every page of the console stands in: who looks, what they may do, what is hidden from them, the headers.

A view is registered on :data:`console` and names what it takes: ``@needs(Permission.PUBLISH)``. Who is not
signed in is sent to sign in; who may not is told so, in words. A view that names nothing is refused to everybody.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from flask import Blueprint, Response, abort, current_app, flash, g, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from connector.flow import audit, publish
from connector.model import GRANTS, Permission, Role
from connector.store import Store
from connector.web.visitor import address
from connector.wiring import Wiring

P = ParamSpec("P")
R = TypeVar("R")

console = Blueprint(
    "console", __name__, template_folder="../templates", static_folder="../static", static_url_path="/assets"
)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is at the other end of this request."""

    id: str
    name: str
    role: Role

    def may(self, permission: Permission) -> bool:
        """Tell whether they may do this."""
        return permission in GRANTS[self.role]


SignedIn = Callable[[], Actor | None]
"""Tells who is signed in on this request; kept in ``app.extensions["signed_in"]``."""


def tools() -> Wiring:
    """Return the wiring of this application."""
    found: Wiring = current_app.extensions["connector"]
    return found


def store() -> Store:
    """Return the store."""
    return tools().store


def actor() -> Actor:
    """Return who is signed in; a view behind :func:`needs` has somebody."""
    found: Actor | None = g.get("actor")
    if found is None:
        abort(401)
    return found


def needs(permission: Permission) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a view be opened by those alone who may do this."""

    def wrap(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            if not actor().may(_taken(permission)):
                abort(403)
            return view(*args, **kwargs)

        guarded.needs = permission  # type: ignore[attr-defined]
        return guarded

    return wrap


def may(permission: str) -> bool:
    """Tell a template whether who looks may do this."""
    found: Actor | None = g.get("actor")
    return found is not None and found.may(_taken(Permission(permission)))


def _taken(permission: Permission) -> Permission:
    """Return what this takes on this very page."""
    return publish.takes(permission, str((request.view_args or {}).get("name", "")))


def record(action: str, object_: str = "", words: str = "", **details: Any) -> None:
    """Enter in the audit log that who is signed in did this. Not to be called inside a write."""
    who = actor()
    audit.record(store(), who.id, who.name, action, object_, words, address(), **details)


def say(words: str, tone: str = "ok") -> None:
    """Show a line on the next page: ``ok``, ``warn`` or ``fail``."""
    flash(words, tone)


@console.before_request
def guard() -> AnyResponse | None:
    """Send away whoever is not signed in; pages of the console are for nobody else."""
    if request.endpoint == "console.static":
        return None
    signed_in: SignedIn = current_app.extensions["signed_in"]
    g.actor = signed_in()
    if g.actor is None:
        if request.method == "GET" and request.accept_mimetypes.accept_html:
            return redirect(sign_in_url(), 303)
        abort(401)
    view = current_app.view_functions.get(request.endpoint or "")
    if view is not None and not hasattr(view, "needs"):
        abort(403)
    return None


def sign_in_url() -> str:
    """Return where to sign in, and come back from to this very page."""
    from urllib.parse import urlencode

    return "/sign-in?" + urlencode({"next": request.full_path.rstrip("?")})


@console.after_request
def note_look(answer: Response) -> Response:
    """Enter the look in the audit log where the page showed personal data unmasked."""
    found: Actor | None = g.get("actor")
    if found is not None and g.get("saw_people") and answer.status_code < 400:
        audit.looked(store(), found.id, found.name, request.path, address())
    return answer


def nonce() -> str:
    """Return the word that lets a script of this very page run."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    word: str = g.nonce
    return word


def seal(answer: Response) -> Response:
    """Put the security headers on an answer; what is not an asset is not kept by anybody."""
    script = f"'self' 'nonce-{nonce()}'"
    answer.headers.setdefault(
        "Content-Security-Policy",
        f"default-src 'none'; script-src {script}; style-src {script}; img-src 'self' data:; font-src 'self';"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    )
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["X-Frame-Options"] = "DENY"
    answer.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    answer.headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
    if not (request.endpoint or "").endswith("static"):
        answer.headers["Cache-Control"] = "no-store"
    return answer


def refuse(code: int, title: str, words: str, fix: str = "") -> AnyResponse:
    """Draw a page that says what is wrong and what to do."""
    return make_response(render_template("console/refused.html", title=title, words=words, fix=fix), code)


def missing(what: str) -> AnyResponse:
    """Draw the page that says that there is no such thing."""
    return refuse(404, f"There is no such {what}", "It may have been removed, or the address is not whole.")
