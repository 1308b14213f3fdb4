"""One's own second factor: authenticator app, recovery codes, passkeys; and leading there whoever must have one."""

from __future__ import annotations

from flask import jsonify, redirect, render_template, request, session, url_for
from flask_security.totp import Totp
from werkzeug.wrappers import Response as AnyResponse

from connector.flow.team import TeamError
from connector.model import Permission
from connector.store import users
from connector.web.console import passkeys
from connector.web.console.door_second import WINDOW
from connector.web.console.doorman import METHOD, Meanwhile, User, let_out, must_set_up, security, this_user
from connector.web.console.frame import console, needs, record, say, store
from connector.web.console.me import WRONG_PASSWORD, confirms, myself

_NEW = "authenticator"
"""Name in the session of the secret that is being set up, sealed."""
_FREE = ("console.static", "console.second_factor", "console.set_up_code", "console.ask_new_passkey",
         "console.keep_passkey", "console.change_theme")  # fmt: skip
"""What is open to who must set up a second factor first."""


@console.before_request
def lead() -> AnyResponse | None:
    """Lead to the second factor whoever must have one and has none, before anything else."""
    if request.endpoint in _FREE or (user := this_user()) is None or not must_set_up(user):
        return None
    return redirect(url_for("console.second_factor"), 303)


@console.get("/me/second-factor")
@needs(Permission.LOOK)
def second_factor() -> str:
    """Show which second factors one has, and how to get another."""
    return _draw()


@console.post("/me/second-factor/authenticator")
@needs(Permission.LOOK)
def set_up_code() -> str | AnyResponse | tuple[str, int]:
    """Keep a new authenticator, once it has shown a code; show recovery codes where there are none."""
    user, secret = myself(), session.get(_NEW)
    if user.row.totp is not None or not isinstance(secret, str):
        return redirect(url_for("console.second_factor"), 303)
    if not confirms(user):
        return _draw(WRONG_PASSWORD), 400
    code = "".join(each for each in request.form.get("code", "")[:40] if each in "0123456789")
    factory: Totp = security().totp_factory
    if len(code) != 6 or not factory.verify_totp(token=code, totp_secret=secret, user=user, window=WINDOW):
        return _draw(TeamError("This is not the code that it shows now. Is the clock of the phone right?", "code")), 400
    try:
        security().datastore.tf_set(user, METHOD, totp_secret=secret)
    except Meanwhile:
        return redirect(url_for("console.second_factor"), 303)
    session.pop(_NEW, None)
    record("user.second_factor_added", user.id, "authenticator")
    say("The authenticator is set up: it is asked for at each sign-in.")
    return redirect(url_for("console.second_factor"), 303) if user.row.recovery else _show_codes(user)


@console.post("/me/second-factor/authenticator/remove")
@needs(Permission.LOOK)
def remove_code() -> AnyResponse | tuple[str, int]:
    """Do without the authenticator."""
    user = myself()
    if not confirms(user):
        return _draw(WRONG_PASSWORD), 400
    security().datastore.tf_reset(user)
    record("user.second_factor_removed", user.id, "authenticator")
    _tidy(user)
    say("The authenticator is asked for no longer.")
    return redirect(url_for("console.second_factor"), 303)


@console.post("/me/second-factor/codes")
@needs(Permission.LOOK)
def new_codes() -> str | AnyResponse | tuple[str, int]:
    """Make new recovery codes in place of the old ones, and show them once."""
    user = myself()
    if not confirms(user):
        return _draw(WRONG_PASSWORD), 400
    return _show_codes(user)


@console.post("/me/passkeys/ask")
@needs(Permission.LOOK)
def ask_new_passkey() -> AnyResponse | tuple[AnyResponse, int]:
    """Tell the script of the page what to ask the browser, to make a passkey."""
    user = myself()
    if not passkeys.are_possible():
        return jsonify(words="Passkeys need a host name and https."), 409
    if not confirms(user):
        return jsonify(words=str(WRONG_PASSWORD)), 403
    name = " ".join(request.form.get("name", "")[:60].split()) or "Passkey"
    return jsonify(passkeys.ask_new(user.row, name))


@console.post("/me/passkeys")
@needs(Permission.LOOK)
def keep_passkey() -> str | AnyResponse | tuple[str, int]:
    """Keep the passkey that the browser has made."""
    user = myself()
    if not passkeys.keep(user.row, request.form.get("credential", "")):
        return _draw(TeamError("The browser's answer proves nothing. Try again.")), 400
    record("user.second_factor_added", user.id, "passkey")
    say("The passkey is kept: it lets you in with or without the password.")
    return redirect(url_for("console.second_factor"), 303) if user.row.recovery else _show_codes(user)


@console.post("/me/passkeys/<id_>/remove")
@needs(Permission.LOOK)
def remove_passkey(id_: str) -> AnyResponse | tuple[str, int]:
    """Forget one of one's passkeys."""
    user = myself()
    if not confirms(user):
        return _draw(WRONG_PASSWORD), 400
    with store().write() as tx:
        gone = users.remove_passkeys(tx, user.id, id_[:1500]) if id_ else 0
    if gone:
        record("user.second_factor_removed", user.id, "passkey")
        _tidy(user)
        say("The passkey is forgotten here. Delete it in your device too.")
    return redirect(url_for("console.second_factor"), 303)


def _show_codes(user: User) -> str | AnyResponse:
    """Make recovery codes and show them: this once."""
    try:
        codes = security().mf_recovery_codes_util.create_recovery_codes(user)
    except Meanwhile:
        let_out()
        return redirect(url_for("door.sign_in"), 303)
    record("user.recovery_codes_made", user.id)
    return render_template("console/me_codes.html", codes=codes)


def _tidy(user: User) -> None:
    """Drop recovery codes that no second factor is left for."""
    with store().write() as tx:
        row = users.get(tx, user.id, lock=True)
        if row is not None and row.totp is None and not users.passkeys(tx, row.id):
            users.change(tx, row.id, {"recovery": ""})


def _draw(fault: TeamError | None = None) -> str:
    user = myself()
    setup = None
    if user.row.totp is None:
        secret = session.get(_NEW)
        if not isinstance(secret, str):
            secret = session[_NEW] = security().totp_factory.generate_totp_secret()
        setup = security().totp_factory.fetch_setup_values(secret, user)
    with store().read() as tx:
        keys = users.passkeys(tx, user.id)
    return render_template(
        "console/me_second.html", me=user.row, fault=fault, setup=setup, passkeys=keys, must=must_set_up(user),
        codes=len(user.row.recovery.split()), possible=passkeys.are_possible(),
    )  # fmt: skip
