"""The form of an account: drawn from its adapter's schema, with every fault beside its field.

What stands in a field is what holds, defaults too; a default is not stored, so that a newer adapter's default
reaches older accounts. Secrets are never filled in again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from connector.contract import Adapter
from connector.errors import ConfigurationError
from connector.flow import accounts
from connector.flow.settings import Setting, SettingsError, read_text, settings_of, write_text
from connector.model import Permission
from connector.store import accounts as rows
from connector.store.accounts import AccountRow
from connector.web.console.frame import console, missing, needs, record, say, store, tools

LONGEST = 64 * 1024
"""Characters of one field that are read."""
_AREAS = ("Africa/", "America/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One field of the form."""

    setting: Setting
    value: str = field(default="", repr=False)
    """As it is typed; empty for secrets."""
    fault: str = ""

    @property
    def is_long(self) -> bool:
        """Tell whether it wants several lines."""
        return self.setting.kind == "json" and (len(self.value) > 40 or "{" in self.value or not self.value)


@dataclass(frozen=True, slots=True)
class Typed:
    """What a form said."""

    given: Mapping[str, Any] = field(repr=False)
    cleared: Collection[str]
    """Settings that are to be as usual again."""


def inputs(
    adapter: Adapter, *, typed: Mapping[str, str] | None = None, stored: Mapping[str, Any] | None = None,
    faults: Iterable[str] = (), with_secrets: bool = True,
) -> list[Input]:  # fmt: skip
    """Return the fields: as they were ``typed``, else as they are ``stored``, else as usual; ``faults`` beside them."""
    told = _by_field(_titled(adapter, fault) for fault in faults)
    found = []
    for setting in settings_of(adapter):
        if setting.secret and not with_secrets:
            continue
        value = (stored or {}).get(setting.name, setting.default)
        text = write_text(setting, value) if typed is None else "" if setting.secret else typed.get(setting.name, "")
        found.append(Input(setting=setting, value=text, fault=told.get(setting.name, "")))
    return found


def read(adapter: Adapter, typed: Mapping[str, str], *, with_secrets: bool = True) -> Typed:
    """Return what was typed as settings; what is as usual, or blank, is cleared."""
    given: dict[str, Any] = {}
    cleared = set()
    for setting in settings_of(adapter):
        if setting.secret and not with_secrets:
            continue
        text = typed.get(setting.name, "")[:LONGEST].strip()
        usual = write_text(setting, setting.default)
        if text == usual or (not text and (setting.kind != "text" or setting.default is None)):
            cleared.add(setting.name)
        else:
            given[setting.name] = read_text(setting, text)
    return Typed(given, cleared)


def other_faults(adapter: Adapter, faults: Iterable[str], *also: str) -> list[str]:
    """Return the faults that stand beside no field; ``also``: further fields that the form has."""
    names = {setting.name for setting in settings_of(adapter)} | set(also)
    return [fault for fault in faults if _split(fault)[0] not in names]


@console.get("/accounts/add")
@needs(Permission.EDIT_ACCOUNTS)
def choose_adapter() -> str:
    """Let somebody choose what to connect."""
    return render_template("console/account_choose.html", adapters=_installed())


@console.route("/accounts/add/<adapter>", methods=["GET", "POST"])
@needs(Permission.EDIT_ACCOUNTS)
def add_account(adapter: str) -> str | tuple[str, int] | AnyResponse:
    """Show the form of a new account, and connect it."""
    try:
        found = tools().registry.get(adapter)
    except ConfigurationError:
        return missing("kind of account")
    if request.method == "GET":
        return _draw_new(found, _free_name(found), inputs(found))
    typed, name = request.form.to_dict(), request.form.get("account_name", "").strip()
    try:
        account = accounts.connect(store(), tools().registry, tools().vault, found.name, name, read(found, typed).given)
    except SettingsError as error:
        return _draw_new(found, name, inputs(found, typed=typed, faults=error.faults), error.faults), 422
    tools().directory.forget()
    record("account.added", account.name, f"Connected {account.name} ({found.title}).", adapter=found.name)
    say(f"{account.name} is connected. Now the vendor has to know where to post.")
    return redirect(url_for("console.account_steps", name=account.name), 303)


@console.route("/accounts/<name>/edit", methods=["GET", "POST"])
@needs(Permission.EDIT_ACCOUNTS)
def edit_account(name: str) -> str | tuple[str, int] | AnyResponse:
    """Show the form of an account's settings, and change them; secrets have places of their own.

    Unless they are lost: then all are entered here, since one alone is not enough.
    """
    try:
        row = accounts.find(store(), name)
        adapter = tools().registry.get(row.adapter)
    except ConfigurationError:
        return missing("account")
    lost = _are_lost(row)
    if request.method == "GET":
        return _draw_edit(adapter, name, inputs(adapter, stored=row.settings, with_secrets=lost))
    typed = request.form.to_dict()
    told = read(adapter, typed, with_secrets=lost)
    try:
        accounts.change(store(), tools().registry, tools().vault, name, told.given, told.cleared)
    except ConfigurationError as error:
        faults = error.faults if isinstance(error, SettingsError) else (str(error),)
        drawn = inputs(adapter, typed=typed, faults=faults, with_secrets=lost)
        return _draw_edit(adapter, name, drawn, faults), 422
    tools().directory.forget()
    fields = _changed(row.settings, told)
    if fields:
        record("account.changed", name, f"Changed {', '.join(fields)} of {name}.", fields=fields)
    say(f"The settings of {name} are stored." if fields else "Nothing was changed.")
    return redirect(url_for("console.account", name=name), 303)


def _are_lost(row: AccountRow) -> bool:
    """Tell whether an account has no secrets and cannot be without; those that no key opens may come back."""
    try:
        if tools().vault.open_(row.secrets):
            return False
    except ConfigurationError:
        return False
    try:
        accounts.load(tools().registry, tools().vault, row)
    except ConfigurationError:
        return True
    return False


def _draw_new(adapter: Adapter, name: str, drawn: Sequence[Input], faults: Sequence[str] = ()) -> str:
    return render_template(
        "console/account_form.html", adapter=adapter, name=name, drawn=drawn, is_new=True,
        name_fault=_by_field(faults).get("name", ""), others=other_faults(adapter, faults, "name"),
        count=len(faults), lists=_lists(),
    )  # fmt: skip


def _draw_edit(adapter: Adapter, name: str, drawn: Sequence[Input], faults: Sequence[str] = ()) -> str:
    return render_template(
        "console/account_form.html", adapter=adapter, name=name, drawn=drawn, is_new=False, name_fault="",
        others=other_faults(adapter, faults), count=len(faults), lists=_lists(),
    )  # fmt: skip


def _installed() -> list[Adapter]:
    found = []
    for name in tools().registry.names():
        try:
            found.append(tools().registry.get(name))
        except ConfigurationError:
            continue  # a broken one harms nobody; the log and `connector accounts add` say what is wrong
    return sorted(found, key=lambda adapter: (adapter.channel is None, not adapter.topics, adapter.title))


def _free_name(adapter: Adapter) -> str:
    with store().read() as tx:
        taken = {row.name for row in rows.all_(tx)}
    return next(
        name for n in range(1, 1000) if (name := adapter.name if n == 1 else f"{adapter.name}-{n}") not in taken
    )


def _changed(before: Mapping[str, Any], told: Typed) -> list[str]:
    given = {name for name, value in told.given.items() if before.get(name) != value}
    return sorted(given | {name for name in told.cleared if name in before})


def _titled(adapter: Adapter, fault: str) -> str:
    """Return a fault that names other settings as the form does: ``client_secret`` -> ``Client secret``."""
    path, colon, words = fault.partition(": ")
    for setting in settings_of(adapter):
        if "_" in setting.name:
            words = re.sub(rf"\b{re.escape(setting.name)}\b", setting.title, words)
    return f"{path}{colon}{words}"


def _by_field(faults: Iterable[str]) -> dict[str, str]:
    told: dict[str, str] = {}
    for fault in faults:
        name, words = _split(fault)
        told[name] = f"{told[name]} {words}" if name in told else words
    return told


def _split(fault: str) -> tuple[str, str]:
    """Return the setting that a fault is about (of ``objects.0: …`` it is ``objects``), and the words."""
    path, colon, words = fault.partition(": ")
    if not colon:
        return "", fault
    return path.partition(".")[0], words[:1].upper() + words[1:]


@cache
def _lists() -> Mapping[str, Sequence[tuple[str, str]]]:
    """Return what fields of a kind choose from: value and words."""
    from babel import Locale
    from phonenumbers import SUPPORTED_REGIONS

    names = Locale("en").territories
    countries = sorted(((code, str(names.get(code, code))) for code in SUPPORTED_REGIONS), key=lambda pair: pair[1])
    zones = sorted(zone for zone in available_timezones() if zone.startswith(_AREAS))
    return {"country": countries, "timezone": [(zone, zone.replace("_", " ")) for zone in ("UTC", *zones)]}
