"""The second factor at the door: a code of the authenticator, a recovery code, or a passkey."""

from __future__ import annotations

import re

from flask import g, jsonify, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as AnyResponse

from connector.flow import entry
from connector.store import users
from connector.store.users import UserRow
from connector.web.console import passkeys
from connector.web.console.door import HALF, ask_again, door, half_way, then_of
from connector.web.console.doorman import Meanwhile, User, guest, let_in, security
from connector.web.console.frame import say, store

WINDOW = 30
"""Seconds that a phone's clock may be wrong."""
_CODE = re.compile(r"[0-9]{6}")
_RECOVERY = re.compile(r"[0-9a-f]{12}")


@door.get("/sign-in/second")
def second() -> str | AnyResponse:
    """Ask for the second factor of who has shown the password."""
    found = half_way()
    return _again() if found is None else _ask(found[0])


@door.post("/sign-in/second")
def check_second() -> AnyResponse | tuple[str, int]:
    """Let in who shows a code that was not used before."""
    found = half_way()
    if found is None:
        return _again()
    row, told = found
    may = entry.may_try_second(store(), row.id, guest())
    if not may or not is_right(User(row), request.form.get("code", "")):
        if may:
            entry.refused(store(), row.id, guest(), "second factor")
        return _ask(row, entry.NO_CODE), 401
    entry.second_passed(store(), row.id, guest())
    return _enter(row, told["way"], told["next"])


@door.post("/sign-in/passkey/ask")
def ask_passkey() -> AnyResponse | tuple[AnyResponse, int]:
    """Tell the script of the page what to ask the browser."""
    if not passkeys.are_possible():
        return jsonify(words="Passkeys need a host name and https."), 409
    return jsonify(passkeys.ask())


@door.post("/sign-in/passkey")
def use_passkey() -> AnyResponse | tuple[str, int]:
    """Let in who has a passkey, with or without the password before."""
    may, half = entry.may_knock(store(), guest()), half_way()
    row = passkeys.check(request.form.get("credential", "")) if may else None
    if row is None or (half is not None and half[0].id != row.id):
        if may:
            entry.refused(store(), row.id if row else "", guest(), "passkey")
        return (_ask(half[0], entry.NO_CODE) if half else ask_again(entry.NO)), 401
    entry.knocked(store(), guest())
    return _enter(row, half[1]["way"] if half else "passkey", half[1]["next"] if half else then_of())


def is_right(user: User, given: str) -> bool:
    """Tell whether this is a code of the user's authenticator, or one of their recovery codes; then it is used up."""
    code = "".join(given[:40].lower().split()).replace("-", "")
    try:
        if _CODE.fullmatch(code) and user.tf_totp_secret:
            factory = security().totp_factory
            return bool(factory.verify_totp(token=code, totp_secret=user.tf_totp_secret, user=user, window=WINDOW))
        if _RECOVERY.fullmatch(code):
            codes, whole = security().mf_recovery_codes_util, "-".join((code[:4], code[4:8], code[8:]))
            return codes.check_recovery_code(user, whole) and bool(codes.delete_recovery_code(user, whole))
    except Meanwhile:  # somebody used the same code at the same moment
        return False
    return False


def _enter(row: UserRow, way: str, then: str) -> AnyResponse:
    let_in(row, way)
    return redirect("/me" if way == "link" else then, 303)


def _ask(row: UserRow, words: str = "") -> str:
    with store().read() as tx:
        has_passkeys = bool(users.passkeys(tx, row.id))
    return render_template(
        "console/door_second.html", has_code=row.totp is not None, has_recovery=bool(row.recovery),
        has_passkeys=has_passkeys, words=words,
    )  # fmt: skip


def _again() -> AnyResponse:
    """Lead back to the beginning. Whoever is signed in stays so: any link in a mail leads here."""
    session.pop(HALF, None)
    if g.actor is not None:
        return redirect(then_of(), 303)
    say("That took too long: begin again.", "warn")
    return redirect(url_for("door.sign_in"), 303)
