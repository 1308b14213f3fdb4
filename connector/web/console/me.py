"""One's own page: name, look, password, and where one is signed in."""

from __future__ import annotations

from flask import abort, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from connector.flow import entry, team
from connector.flow.team import TeamError
from connector.model import Permission, now
from connector.store import sessions, users
from connector.store.sessions import SessionRow
from connector.web.console.doorman import User, is_fresh_link, let_out, this_user
from connector.web.console.frame import console, needs, record, say, store

THEMES = ("light", "dark", "auto")
YEAR = 365 * 24 * 3600
COOKIE = "connector_theme"
WRONG_PASSWORD = TeamError("This is not your password, or it was tried too often: wait a few minutes.", "old")


@console.get("/me")
@needs(Permission.LOOK)
def me() -> str:
    """Show who is signed in, and what they may change of themselves."""
    return _draw()


@console.post("/me/name")
@needs(Permission.LOOK)
def change_name() -> AnyResponse | tuple[str, int]:
    """Call who is signed in by another name."""
    user = myself()
    try:
        team.rename(store(), user.id, request.form.get("name", ""))
    except TeamError as error:
        return _draw(error), 400
    record("user.renamed", user.id)
    say("The name is changed.")
    return redirect(url_for("console.me"), 303)


@console.post("/me/theme")
@needs(Permission.LOOK)
def change_theme() -> AnyResponse:
    """Remember, in this browser, whether pages are light or dark."""
    theme = request.form.get("theme", "")
    if theme not in THEMES:
        abort(400)
    answer = make_response(redirect(url_for("console.me"), 303))
    answer.set_cookie(COOKIE, theme, max_age=YEAR, httponly=True, samesite="Lax", secure=request.is_secure)
    return answer


@console.post("/me/password")
@needs(Permission.LOOK)
def change_password() -> AnyResponse | tuple[str, int]:
    """Take a new password, and end every other session: whoever knew the old one is out."""
    user = myself()
    try:
        if not is_fresh_link(user.session) and not confirms(user):
            raise WRONG_PASSWORD
        if request.form.get("password") != request.form.get("again"):
            raise TeamError("The two are not the same.", "again")
        keep = user.session.id if user.session else ""
        ended = team.set_password(store(), user.row, request.form.get("password", ""), keep=keep)
    except TeamError as error:
        return _draw(error), 400
    record("user.password_changed", user.id, f"{ended} other sessions ended")
    say(f"The password is changed. {_sessions(ended)}")
    return redirect(url_for("console.me"), 303)


@console.post("/me/sessions/<id_>/end")
@needs(Permission.LOOK)
def end_mine(id_: str) -> AnyResponse:
    """End one of one's own sessions; this very one is a sign-out."""
    user = myself()
    with store().write() as tx:
        ended = sessions.end(tx, id_[:26], user.id)
    if ended is None:
        say("This session was over already.", "warn")
        return redirect(url_for("console.me"), 303)
    record("user.session_ended", user.id, session=ended.id)
    if user.session is not None and ended.id == user.session.id:
        let_out()
        return redirect(url_for("door.sign_in"), 303)
    say("The session is over.")
    return redirect(url_for("console.me"), 303)


@console.post("/me/sessions/end")
@needs(Permission.LOOK)
def end_others() -> AnyResponse:
    """End every session of one's own but this one."""
    user = myself()
    with store().write() as tx:
        ended = users.forget_doors(tx, user.id, but=user.session.id if user.session else "")
    if ended:
        record("user.session_ended", user.id, _sessions(ended))
    say(_sessions(ended))
    return redirect(url_for("console.me"), 303)


def myself() -> User:
    """Return who is signed in, as the library knows them."""
    user = this_user()
    if user is None:
        abort(401)
    return user


def confirms(user: User, field: str = "old") -> bool:
    """Tell whether the form holds the password of who is signed in."""
    session_id = user.session.id if user.session else ""
    return entry.confirm_password(store(), user.row, session_id, request.form.get(field, ""))


def _draw(fault: TeamError | None = None) -> str:
    user, at = myself(), now()
    with store().read() as tx:
        mine: list[SessionRow] = [each for each in sessions.of(tx, user.id) if not entry.is_over(each, at)]
        keys = len(users.passkeys(tx, user.id))
    return render_template(
        "console/me.html", me=user.row, fault=fault, sessions=mine, this=user.session.id if user.session else "",
        passkeys=keys, codes=len(user.row.recovery.split()), without_old=is_fresh_link(user.session), themes=THEMES,
    )  # fmt: skip


def _sessions(number: int) -> str:
    return (
        "No other session was open."
        if not number
        else f"{number} other session{'s are' if number > 1 else ' is'} over."
    )
