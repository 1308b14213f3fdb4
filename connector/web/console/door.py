"""The door: signing in and out, the first owner, and links that let somebody in."""

from __future__ import annotations

import hmac
import time
from typing import Any

from flask import Blueprint, abort, current_app, g, redirect, render_template, request, session, url_for
from flask_security.utils import validate_redirect_url
from werkzeug.wrappers import Response as AnyResponse

from connector.flow import audit, entry, team
from connector.flow.team import TeamError
from connector.model import Role
from connector.store import sessions, users
from connector.store.users import UserRow
from connector.web.console import passkeys
from connector.web.console.doorman import guest, has_second, let_in, let_out, signed_in, this_user
from connector.web.console.frame import refuse, say, store

HALF_LASTS = 5 * 60
"""Seconds between the password and the second factor."""
HALF = "half"
"""Name in the session of who has shown the password, and must show more."""

door = Blueprint("door", __name__, template_folder="../templates")


@door.before_request
def see() -> None:
    """Note who comes: whoever is signed in sees their name on the way out."""
    g.actor = signed_in()


@door.get("/sign-in")
def sign_in() -> str | AnyResponse:
    """Ask for e-mail and password."""
    if _is_new():
        return redirect(url_for("door.setup"), 303)
    if g.actor is not None:
        return redirect(then_of(), 303)
    return _ask()


@door.post("/sign-in")
def check() -> str | AnyResponse | tuple[str, int]:
    """Let in who knows the password, or on to the second factor."""
    email = request.form.get("email", "")[: team.LONGEST_EMAIL]
    row = entry.check_password(store(), email, request.form.get("password", ""), guest())
    if row is None:
        return _ask(email, entry.NO), 401
    return go_on(row, "password")


def go_on(row: UserRow, way: str) -> AnyResponse:
    """Let in who has shown who they are, where nothing more is asked of them; else ask for the second factor."""
    then = then_of()
    with store().read() as tx:
        asked = has_second(row, tx)
    if asked:
        session.clear()
        session[HALF] = {"user": row.id, "way": way, "at": int(time.time()), "password": _stamp(row), "next": then}
        return redirect(url_for("door.second"), 303)
    let_in(row, way)
    return redirect("/me" if way == "link" else then, 303)


def half_way() -> tuple[UserRow, dict[str, Any]] | None:
    """Return who must still show the second factor, and what is remembered of them; None where it is too late."""
    told = session.get(HALF)
    if not isinstance(told, dict) or not 0 <= time.time() - told["at"] < HALF_LASTS:
        return None
    with store().read() as tx:
        row = users.get(tx, told["user"])
    return (row, told) if row is not None and row.active and _stamp(row) == told["password"] else None


@door.route("/sign-out", methods=["GET", "POST"])
def sign_out() -> str | AnyResponse:
    """End the session of this browser; by POST, so that no picture on a page can."""
    user = this_user()
    if request.method == "GET":
        return render_template("console/door_out.html") if user else redirect(url_for("door.sign_in"), 303)
    if user is not None and user.session is not None:
        with store().write() as tx:
            sessions.end(tx, user.session.id)
        audit.record(store(), user.id, user.name, "user.signed_out", user.id, "", guest().address)
    let_out()
    say("You are signed out.")
    return redirect(url_for("door.sign_in"), 303)


@door.get("/setup")
def setup() -> str:
    """Ask for the set-up token, and for the first owner."""
    if not _is_new():
        abort(404)
    return render_template("console/door_setup.html", given={"token": request.args.get("token", "")[:200]}, fault=None)


@door.post("/setup")
def found() -> AnyResponse | tuple[str, int]:
    """Make the first owner, once."""
    if not _is_new():
        abort(404)
    given = {name: request.form.get(name, "") for name in ("token", "name", "email")}
    token = given["token"].strip().encode("utf-8", "replace")
    if not hmac.compare_digest(token, current_app.config["PAGE_TOKEN"].encode()):
        words = (
            "This is not the set-up token. `connector run` prints it, and it stands in page.token in the data folder."
        )
        return _refound(given, TeamError(words, "token"))
    try:
        row = team.add(
            store(), email_=given["email"], name_=given["name"], role=Role.OWNER,
            password=_new_password(), first=True,
        )  # fmt: skip
    except TeamError as error:
        return _refound(given, error)
    audit.record(store(), row.id, row.name, "user.added", row.id, "the first owner", guest().address)
    let_in(row, "setup")
    return redirect("/start" if _has("/start") else "/", 303)


@door.get("/invitation/<word>")
def invitation(word: str) -> str | AnyResponse:
    """Ask who was invited for a name and a password."""
    told = team.invited(store(), word)
    if told is None:
        return _spent()
    return render_template("console/door_invitation.html", invitation=told, given={}, fault=None)


@door.post("/invitation/<word>")
def accept(word: str) -> AnyResponse | tuple[str, int]:
    """Let in who was invited."""
    told = team.invited(store(), word)
    if told is None:
        return _spent()
    given = {"name": request.form.get("name", "")}
    try:
        row = team.accept(store(), word, name_=given["name"], password=_new_password())
    except TeamError as error:
        return render_template("console/door_invitation.html", invitation=told, given=given, fault=error), 400
    if row is None:
        return _spent()
    audit.record(store(), row.id, row.name, "user.added", row.id, f"invited as {row.role}", guest().address, by=told.by)
    let_in(row, "invitation")
    return redirect("/", 303)


@door.get("/sign-in/link/<word>")
def link(word: str) -> str | AnyResponse:
    """Show a button: who only looks at a link, as mail programs do, spends nothing."""
    return _spent() if team.linked(store(), word) is None else render_template("console/door_link.html")


@door.post("/sign-in/link/<word>")
def use_link(word: str) -> AnyResponse:
    """Let in by a link, once; the second factor is asked for all the same."""
    row = team.spend_link(store(), word)
    return _spent() if row is None else go_on(row, "link")


def ask_again(words: str) -> str:
    """Draw the page again, with what is wrong."""
    return _ask(words=words)


def _ask(email: str = "", words: str = "") -> str:
    return render_template(
        "console/door_sign_in.html", email=email, words=words, next=then_of(), passkeys=passkeys.are_possible()
    )


def _refound(given: dict[str, str], error: TeamError) -> tuple[str, int]:
    return render_template("console/door_setup.html", given=given, fault=error), 400


def _new_password() -> str:
    password, again = request.form.get("password", ""), request.form.get("again", "")
    if password != again:
        raise TeamError("The two are not the same.", "again")
    return password


def _spent() -> AnyResponse:
    return refuse(
        404, "This link is no longer good", "It was used, or taken back, or it is too old.", "Ask for another."
    )


def then_of() -> str:
    """Return where to go after signing in: a page of ours, whatever the address says."""
    then = request.values.get("next", "")[:2000]
    is_ours = then.startswith("/") and then.isprintable() and validate_redirect_url(then)
    return then if is_ours and not then.startswith(("/sign-", "/setup", "//", "/\\")) else "/"


def _is_new() -> bool:
    with store().read() as tx:
        return not users.is_any(tx)


def _stamp(row: UserRow) -> str:
    """Return what is no longer the same after a change of password."""
    return row.password_at.isoformat()


def _has(path: str) -> bool:
    return any(rule.rule == path for rule in current_app.url_map.iter_rules())
