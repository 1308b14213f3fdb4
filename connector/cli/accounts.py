"""``connector accounts``: connecting shops, CRMs and numbers, and seeing that they work."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import click

from connector.cli.console import Commands, enter, say, say_done, say_mark, say_next, show_json, show_table, tools
from connector.cli.fields import fields
from connector.cli.given import ask, from_environment, is_interactive, read_assignments, read_settings
from connector.contract import Adapter, Finding, is_loopback
from connector.errors import ConfigurationError
from connector.flow import accounts as flow
from connector.flow import doctor, doctoring
from connector.flow.settings import Setting, masked, settings_of
from connector.model import Account, Secret
from connector.store import accounts as rows
from connector.wiring import Wiring

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=Commands)
def accounts() -> None:
    """Connect shops, CRMs and WhatsApp numbers, and check that they work.

    \b
    Example:
      connector accounts add shopify --name main-store --set shop=my-shop
    """


@accounts.command()
@click.argument("adapter")
@click.option("--name", required=True, help="What you call the account: main-store.")
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="A setting; KEY=@FILE reads it from a file."
)
@as_json
def add(adapter: str, name: str, assignments: tuple[str, ...], as_json: bool) -> None:
    """Connect an account of ADAPTER and print the webhook URL to paste there.

    Secrets are best kept out of --set, which the shell remembers: put them into the environment as
    CONNECTOR_SECRET_<FIELD> (CONNECTOR_SECRET_ACCESS_TOKEN), into a file (--set access_token=@token.txt), or
    type them when asked, without echo. They are encrypted at rest and never shown again.

    \b
    Example:
      connector accounts add shopify --name main-store --set shop=my-shop --set webhook_secret=@secret.txt
    """
    with_ = tools()
    found = with_.registry.get(adapter)
    given = read_settings(found, assignments)
    account = flow.connect(with_.store, with_.registry, with_.vault, adapter, name, given)
    enter("account.added", name, adapter)
    if as_json:
        show_json(_describe(with_, found, account))
        return
    say_done(f"{account.name} is connected ({found.title}).")
    _say_webhook(with_, found, account)
    say_next(f"connector accounts check {account.name}")


@accounts.command("list")
@as_json
def list_(as_json: bool) -> None:
    """List the accounts.

    \b
    Example:
      connector accounts list
    """
    with_ = tools()
    with with_.store.read() as tx:
        found = rows.all_(tx)
    if as_json:
        show_json([_summary(with_, row) for row in found])
    elif not found:
        say("No account is connected yet.")
        say_next(f"connector accounts add ADAPTER --name NAME (adapters: {', '.join(with_.registry.names())})")
    else:
        table = ((row.name, row.adapter, "in use" if row.active else "suspended", row.note) for row in found)
        show_table(("NAME", "ADAPTER", "STATE", "NOTE"), table)


@accounts.command()
@click.argument("name")
@as_json
def show(name: str, as_json: bool) -> None:
    """Show the account NAME: its settings, secrets masked, and its webhook URL.

    \b
    Example:
      connector accounts show main-store
    """
    with_ = tools()
    account = _load(with_, name)
    adapter = with_.registry.get(account.adapter)
    if as_json:
        show_json(_describe(with_, adapter, account))
        return
    state = "in use" if account.active else f"suspended: {account.note}"
    say(f"{account.name} ({adapter.title}), {state}")
    shown = masked(adapter, account.settings)
    show_table(("SETTING", "VALUE"), ((name, _words(shown[name])) for name in shown))
    _say_webhook(with_, adapter, account)


accounts.add_command(fields)


@accounts.command("set")
@click.argument("name")
@click.argument("assignments", nargs=-1, required=True, metavar="KEY=VALUE...")
def set_(name: str, assignments: tuple[str, ...]) -> None:
    """Change settings of the account NAME; secrets have `rotate`.

    \b
    Example:
      connector accounts set main-store locale=de timezone=Europe/Berlin
    """
    with_ = tools()
    adapter = with_.registry.get(flow.find(with_.store, name).adapter)
    given = read_assignments({setting.name: setting for setting in settings_of(adapter)}, assignments)
    secrets = [setting.name for setting in settings_of(adapter) if setting.secret and setting.name in given]
    if secrets:
        raise ConfigurationError(f"{secrets[0]} is a secret: use `connector accounts rotate {name} {secrets[0]}`.")
    flow.change(with_.store, with_.registry, with_.vault, name, given)
    enter("account.changed", name, ", ".join(given))
    say_done(f"{name}: {', '.join(given)} changed.")
    say_next(f"connector accounts check {name}")


@accounts.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "every", is_flag=True, help="Check every account.")
@as_json
def check(names: tuple[str, ...], every: bool, as_json: bool) -> None:
    """Ask the vendors whether the connection of NAME works: token, scopes, subscription, clock, public URL.

    One line each, with the fix where something is wrong (exit code 1), and what the hourly look after the
    account found last. A suspended account that passes is used again.

    \b
    Example:
      connector accounts check main-store
    """
    with_ = tools()
    if bool(names) == every:
        raise ConfigurationError("Name the accounts to check, or say --all.")
    if every:
        with with_.store.read() as tx:
            names = tuple(row.name for row in rows.all_(tx))
    else:
        names = tuple(flow.find(with_.store, name).name for name in names)
    is_embedded = not with_.settings.redis_url
    bell = None if is_embedded and not with_.queue.ping() else with_.queue
    sections = {"": tuple(doctor.examine_installation(with_.store, bell))}
    _report("This installation", sections[""], quiet=as_json)
    for name in names:
        sections[name] = _examine(with_, name)
        _report(name, sections[name], quiet=as_json)
    if as_json:
        show_json([_findings(name, found) for name, found in sections.items()])
    if not all(map(doctor.passes, sections.values())):
        click.get_current_context().exit(1)


@accounts.command()
@click.argument("name")
def authorize(name: str) -> None:
    """Print the address at which the account NAME is allowed in by the vendor's user, in a browser.

    For accounts whose token comes by authorization code. The service must be running, the vendor must know
    the printed return address as an allowed one, and who opens it must be signed in as an owner or admin.

    \b
    Example:
      connector accounts authorize main-store
    """
    with_ = tools()
    account = _load(with_, name)
    adapter = with_.registry.get(account.adapter)
    if adapter.authorizer is None:
        raise ConfigurationError(f"{adapter.title} is not authorized in a browser; its settings are all it needs.")
    say(f"Return address, to allow at {adapter.title}:")
    say(f"  {with_.settings.authorize_url(name, 'callback')}")
    say("Open in a browser, and finish within ten minutes:")
    say(f"  {with_.settings.authorize_url(name, 'start')}")


@accounts.command()
@click.argument("name")
@click.argument("field")
@click.option("--set", "value", help="The new value; @FILE reads it from a file.")
@click.option("--drop-old", is_flag=True, help="Stop accepting older values.")
def rotate(name: str, field: str, value: str | None, drop_old: bool) -> None:
    """Give the secret FIELD of the account NAME a new value.

    Taken from --set, else from the environment (CONNECTOR_SECRET_<FIELD>), else asked for without echo. A
    secret that signs webhooks keeps its older values valid until --drop-old, so that nothing is refused
    while the vendor changes over.

    \b
    Example:
      connector accounts rotate main-store webhook_secret
      connector accounts rotate main-store webhook_secret --drop-old
    """
    with_ = tools()
    adapter = with_.registry.get(flow.find(with_.store, name).adapter)
    setting = next((setting for setting in settings_of(adapter) if setting.name == field), None)
    secret = _new_secret(setting, value, drop_old=drop_old) if setting is not None else None
    account = flow.rotate(with_.store, with_.registry, with_.vault, name, field, secret, drop_old=drop_old)
    enter("account.secret_rotated", name, field)
    kept = account.settings.get(field)
    older = len(kept) - 1 if isinstance(kept, tuple) else 0
    say_done(f"{name}: {field} {'has a new value' if secret else 'keeps its newest value alone'}.")
    if older:
        say(f"{older} older {'value is' if older == 1 else 'values are'} still accepted.")
        say_next(f"once the vendor signs with the new one: connector accounts rotate {name} {field} --drop-old")
    else:
        say_next(f"connector accounts check {name}")


@accounts.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Even while messages wait for it; they are cancelled.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(name: str, force: bool, yes: bool) -> None:
    """Remove the account NAME; what it sent and received stays in the history.

    \b
    Example:
      connector accounts remove old-store
    """
    with_ = tools()
    row = flow.find(with_.store, name)
    if not yes and is_interactive():
        click.confirm(f"Remove {name} ({row.adapter})? Its webhook URL will answer 404.", abort=True)
    pending = flow.remove(with_.store, name, force=force)
    enter("account.removed", name, row.adapter)
    say_done(f"{name} is removed.")
    if pending:
        say(f"{pending.messages} messages and {pending.requests} unread webhooks ended with it.")
    say_next(f"delete its webhook at {row.adapter}, so that nothing is posted to an address that is gone.")


def _load(with_: Wiring, name: str) -> Account:
    return flow.load(with_.registry, with_.vault, flow.find(with_.store, name))


def _new_secret(setting: Setting, value: str | None, *, drop_old: bool) -> Secret | None:
    if value is not None:
        given = read_assignments({setting.name: setting}, [f"{setting.name}={value}"])[setting.name]
        return given if isinstance(given, Secret) else Secret(str(given))
    if found := from_environment(setting):
        return found
    if drop_old or not setting.secret or not is_interactive():
        return None
    typed = ask(setting)
    return typed if isinstance(typed, Secret) else None


def _summary(with_: Wiring, row: rows.AccountRow | Account) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "adapter": row.adapter,
        "webhook_url": with_.settings.webhook_url(row.token),
        "active": row.active,
        "note": row.note,
        "created_at": row.created_at.isoformat(),
    }


def _describe(with_: Wiring, adapter: Adapter, account: Account) -> dict[str, Any]:
    secret = {setting.name for setting in settings_of(adapter) if setting.secret}
    shown = masked(adapter, account.settings)
    return _summary(with_, account) | {
        "settings": {name: value for name, value in shown.items() if name not in secret},
        "secrets": {name: value for name, value in shown.items() if name in secret},
    }


def _words(value: Any) -> str:
    if value is None:
        return "(not set)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _say_webhook(with_: Wiring, adapter: Adapter, account: Account) -> None:
    if adapter.receiver is None:
        return
    url = with_.settings.webhook_url(account.token)
    say(f"Webhook URL, to paste at {adapter.title}:")
    say(f"  {url}")
    if is_loopback(url.partition("//")[2].partition("/")[0].rpartition(":")[0]):
        say("  Only this machine reaches it; set CONNECTOR_PUBLIC_URL to your https address and show it again.")


def _examine(with_: Wiring, name: str) -> tuple[Finding, ...]:
    """Visit an account; what is found is kept, and shown in the console too."""
    row = flow.find(with_.store, name)
    url = with_.settings.webhook_url(row.token)
    found = doctoring.examine(with_.store, with_.registry, with_.vault, name, url, partial(with_.kit_of, patient=False))
    doctoring.keep(with_.store, row.id, found)
    return found


def _report(title: str, findings: tuple[Finding, ...], *, quiet: bool) -> None:
    if quiet:
        return
    say(title)
    for finding in findings:
        say_mark(finding.ok, finding.name, finding.words, finding.fix)


def _findings(name: str, findings: tuple[Finding, ...]) -> dict[str, Any]:
    return {
        "account": name or None,
        "ok": doctor.passes(findings),
        "findings": [
            {"name": finding.name, "ok": finding.ok, "words": finding.words, "fix": finding.fix} for finding in findings
        ],
    }
