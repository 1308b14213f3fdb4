"""Changing a connected account: its secrets, its webhook address, whether it is used, whether it is there at all."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from connector.errors import ConfigurationError
from connector.flow import accounts, connections
from connector.flow.settings import settings_of
from connector.model import Permission, Secret
from connector.store import accounts as rows
from connector.web.console.account_form import LONGEST
from connector.web.console.frame import actor, console, missing, needs, record, say, store, tools


@console.post("/accounts/<name>/secrets/<field>")
@needs(Permission.EDIT_ACCOUNTS)
def change_secret(name: str, field: str) -> AnyResponse:
    """Give a secret a new value, drop its older values, or take it away."""
    what, text = request.form.get("what", ""), request.form.get("value", "")[:LONGEST].strip()
    try:
        words = _turn(name, field, what, text)
    except ConfigurationError as error:
        say(str(error), "fail")
    else:
        tools().directory.forget()
        done = {"new": "account.secret_rotated", "drop": "account.secret_rotated"}.get(what, "account.changed")
        record(done, name, words, field=field, what=what)
        say(words)
    return _back(name, "secrets")


@console.post("/accounts/<name>/address")
@needs(Permission.EDIT_ACCOUNTS)
def change_address(name: str) -> AnyResponse:
    """Give the account a new webhook address, or let the replaced ones end now."""
    try:
        if request.form.get("what") == "drop":
            count = accounts.drop_old_addresses(store(), name)
            words = f"{_count(count, 'replaced webhook address answers', 'replaced webhook addresses answer')} 404 now."
        else:
            accounts.renew_address(store(), name)
            words = f"{name} has a new webhook address. The old one works for seven days: paste the new one there now."
    except ConfigurationError:
        return missing("account")
    tools().directory.forget()
    record("account.address_renewed", name, words, what=request.form.get("what", "new"))
    say(words)
    return _back(name, "address")


@console.post("/accounts/<name>/suspend")
@needs(Permission.EDIT_ACCOUNTS)
def suspend_account(name: str) -> AnyResponse:
    """Stop using an account."""
    why = request.form.get("why", "").strip()[:200]
    note = f"Suspended by {actor().name}{f': {why}' if why else '.'}"
    try:
        changed = accounts.suspend(store(), name, note)
    except ConfigurationError:
        return missing("account")
    tools().directory.forget()
    if changed:
        record("account.suspended", name, note)
        say(f"{name} is suspended: nothing is sent by it or written to it. What comes in is still taken.")
    return _back(name)


@console.post("/accounts/<name>/resume")
@needs(Permission.EDIT_ACCOUNTS)
def resume_account(name: str) -> AnyResponse:
    """Use a suspended account again."""
    try:
        changed = accounts.resume(store(), name)
    except ConfigurationError:
        return missing("account")
    tools().directory.forget()
    if changed:
        record("account.resumed", name, f"{name} is in use again.")
        say(f"{name} is in use again; what waited for it is sent.")
    return _back(name)


@console.route("/accounts/<name>/remove", methods=["GET", "POST"])
@needs(Permission.EDIT_ACCOUNTS)
def remove_account(name: str) -> str | tuple[str, int] | AnyResponse:
    """Say what removing an account does, and do it when its name was typed."""
    try:
        row = accounts.find(store(), name)
    except ConfigurationError:
        return missing("account")
    with store().read() as tx:
        pending, needed_by = rows.pending(tx, row.id), connections.needed_by(tx, row)
    fault = ""
    if request.method == "POST":
        if request.form.get("typed", "").strip() == name:
            return _remove(name)
        fault = f"Type {name} to confirm."
    page = render_template("console/account_remove.html", row=row, pending=pending, needed_by=needed_by, fault=fault)
    return (page, 422) if fault else page


def _remove(name: str) -> AnyResponse:
    gone = accounts.remove(store(), name, force=True)
    tools().directory.forget()
    words = f"Removed {name}."
    record("account.removed", name, words, messages=gone.messages, requests=gone.requests)
    ended = f" {gone.messages} messages and {gone.requests} unread webhooks ended with it." if gone else ""
    say(f"{name} is removed; its history stays.{ended} Delete its webhook at the vendor too.")
    return redirect(url_for("console.accounts_"), 303)


def _turn(name: str, field: str, what: str, text: str) -> str:
    """Do what was asked of a secret, and say what was done. Raises ConfigurationError."""
    with_ = tools()
    if what == "new":
        if not text:
            raise ConfigurationError("No new value was given; the old one stays.")
        changed = accounts.rotate(store(), with_.registry, with_.vault, name, field, Secret(text))
        kept = changed.settings.get(field)
        older = len(kept) - 1 if isinstance(kept, tuple) else 0
        still = f" {_count(older, 'older value is', 'older values are')} valid until dropped." if older else ""
        return f"{field} of {name} has a new value.{still}"
    if what == "drop":
        accounts.rotate(store(), with_.registry, with_.vault, name, field, None, drop_old=True)
        return f"{field} of {name} keeps its newest value alone."
    adapter = with_.registry.get(accounts.find(store(), name).adapter)
    if what != "clear" or field not in {each.name for each in settings_of(adapter) if each.secret}:
        raise ConfigurationError("There is nothing of that kind to be done.")
    accounts.change(store(), with_.registry, with_.vault, name, {}, {field})
    return f"{field} of {name} was taken away."


def _back(name: str, place: str = "") -> AnyResponse:
    return redirect(url_for("console.account", name=name, _anchor=place or None), 303)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
