"""``connector templates``: which templates a channel has, and which slots they want."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from connector.cli.console import Commands, fail, say, say_done, say_next, show_json, show_table, tools
from connector.errors import ConfigurationError, RemoteError
from connector.flow import accounts
from connector.flow import templates as flow
from connector.model import Account, AccountId
from connector.store import accounts as account_rows
from connector.store import templates as rows
from connector.store.templates import Counts
from connector.wiring import Wiring

FILE_CAP = 8 * 1024 * 1024


@click.group(cls=Commands)
def templates() -> None:
    """Know the channel's templates: sync them, list them, import them for a trial.

    \b
    Example:
      connector templates sync
    """


@templates.command()
@click.argument("names", nargs=-1, metavar="[ACCOUNT]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def sync(names: tuple[str, ...], as_json: bool) -> None:
    """Ask the channel for its templates and store them; without ACCOUNT, every account that can send.

    \b
    Example:
      connector templates sync whatsapp
    """
    with_ = tools()
    found: dict[str, Counts] = {}
    refused = False
    for account in _senders(with_, names):
        reached = with_.channel(account.id)
        if reached is None:
            raise ConfigurationError(f"{account.name} cannot send, so it has no templates.")
        try:
            found[account.name] = flow.sync(with_.store, account, reached[1])
        except RemoteError as error:
            refused = True
            fail(f"{account.name}: {error} {error.advice}".strip())
        else:
            if not as_json:
                say_done(f"{account.name}: {_words(found[account.name])}.")
    if as_json:
        show_json({name: _numbers(counts) for name, counts in found.items()})
    elif found:
        say_next("connector templates list")
    if refused:
        click.get_current_context().exit(1)


@templates.command("list")
@click.argument("name", required=False, metavar="[ACCOUNT]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(name: str | None, as_json: bool) -> None:
    """List the stored templates with their slots.

    \b
    Example:
      connector templates list whatsapp
    """
    with_ = tools()
    only = accounts.find(with_.store, name).id if name else None
    with with_.store.read() as tx:
        names = {row.id: row.name for row in account_rows.all_(tx)}
        found = rows.all_(tx, only)
    if as_json:
        show_json([_describe(names, row) for row in found])
    elif not found:
        say("No template is stored yet.")
        say_next("connector templates sync (or, for a trial: connector templates import FILE --account NAME)")
    else:
        show_table(
            ("ACCOUNT", "NAME", "LANGUAGE", "CATEGORY", "STATUS", "SLOTS"),
            (
                (
                    names.get(row.account_id, row.account_id),
                    row.template.name,
                    row.template.language,
                    row.template.category.value,
                    row.template.status,
                    ", ".join(slot.key if slot.required else f"[{slot.key}]" for slot in row.template.slots),
                )
                for row in found
            ),
        )


@templates.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--account", "name", help="The account that would send them; not needed where there is only one.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def import_(file: Path, name: str | None, as_json: bool) -> None:
    """Store templates from FILE, the vendor's own JSON of one or many, for trials without a network.

    They have the status that the file says, else `approved`. The next sync replaces them by the real ones.

    \b
    Example:
      connector templates import order_paid.json --account whatsapp
    """
    with_ = tools()
    account = _sender(with_, name)
    with file.open("rb") as stream:
        body = stream.read(FILE_CAP + 1)
    if len(body) > FILE_CAP:
        raise ConfigurationError(f"{file} is longer than {FILE_CAP >> 20} MB.")
    found = flow.read(with_.registry.get(account.adapter), body)
    counts = flow.take(with_.store, account, found)
    if as_json:
        show_json({account.name: _numbers(counts)})
        return
    for template in found:
        slots = ", ".join(slot.key for slot in template.slots) or "no slots"
        say(f"  {template.name} ({template.language}, {template.category.value}, {template.status}): {slots}")
    say_done(f"{account.name}: {_words(counts)}.")
    say_next("connector mappings check NAME")


def _senders(with_: Wiring, names: Sequence[str]) -> list[Account]:
    if names:
        return [_sender(with_, name) for name in names]
    found = with_.directory.senders()
    if not found:
        raise ConfigurationError("No account can send yet; connect one with `connector accounts add`.")
    return found


def _sender(with_: Wiring, name: str | None) -> Account:
    if name is not None:
        return accounts.load(with_.registry, with_.vault, accounts.find(with_.store, name))
    found = _senders(with_, ())
    if len(found) > 1:
        raise ConfigurationError(f"Say which account: --account {' or '.join(account.name for account in found)}.")
    return found[0]


def _words(counts: Counts) -> str:
    return f"{counts.new} new, {counts.changed} changed, {counts.gone} gone, {counts.unchanged} unchanged"


def _numbers(counts: Counts) -> dict[str, int]:
    return {"new": counts.new, "changed": counts.changed, "gone": counts.gone, "unchanged": counts.unchanged}


def _describe(names: dict[AccountId, str], row: rows.TemplateRow) -> dict[str, Any]:
    template = row.template
    return {
        "account": names.get(row.account_id, row.account_id),
        "name": template.name,
        "language": template.language,
        "category": template.category,
        "status": template.status,
        "quality": template.quality,
        "reason": template.reason,
        "fingerprint": template.fingerprint,
        "slots": [
            {
                "key": slot.key,
                "kind": slot.kind,
                "required": slot.required,
                "limit": slot.limit,
                "example": slot.example,
            }
            for slot in template.slots
        ],
        "parts": [{"kind": part.kind, "text": part.text, "media": part.media} for part in template.parts],
        "seen_at": row.seen_at.isoformat(),
        "changed_at": row.changed_at.isoformat(),
    }
