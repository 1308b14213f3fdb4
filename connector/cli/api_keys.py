"""``connector api-keys``: what programs show to use the API. (``connector keys`` is the key of the vault.)"""

from __future__ import annotations

from datetime import datetime

import click

from connector.cli.console import Commands, say, say_done, say_next, show_json, show_table, tools
from connector.cli.person import actor, actor_name
from connector.flow import audit
from connector.flow import keys as api_keys
from connector.model import GRANTS, Permission, Role, now, parse_duration
from connector.store.api_keys import KeyRow


@click.group("api-keys", cls=Commands)
def api_keys_() -> None:
    """Make, list and revoke keys of the API.

    \b
    Example:
      connector api-keys add "order desk" --scope look --scope send
    """


@api_keys_.command()
@click.argument("name")
@click.option(
    "--scope", "scopes", type=click.Choice([item.value for item in api_keys.OFFERED]), multiple=True, required=True,
    help="What it may do; may be given several times.",
)  # fmt: skip
@click.option("--expires", default="", metavar="DURATION", help="After so long it opens nothing: 90d; default: never.")
@actor
def add(name: str, scopes: tuple[str, ...], expires: str, actor: str) -> None:
    """Make a key and print it, this one time: only its digest is kept.

    \b
    Examples:
      connector api-keys add "order desk" --scope look --scope send
      connector api-keys add report --scope look --expires 90d
    """
    with_, by = tools(), actor_name(actor)
    try:
        until = now() + parse_duration(expires) if expires else None
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(str(error), param_hint="--expires") from None
    made = api_keys.make(
        with_.store, name, [Permission(item) for item in scopes], may=GRANTS[Role.OWNER],
        by=api_keys.COMMAND, by_name=by, expires_at=until,
    )  # fmt: skip
    audit.record(
        with_.store, "cli", by, "key.made", made.row.id, f"The API key {made.row.name}.", scopes=sorted(made.row.scopes)
    )
    say_done(f"The key {made.row.name} may {', '.join(sorted(made.row.scopes))}.")
    say(made.token.reveal())
    say_next("keep it where secrets are kept; it is not shown again. Send it as `Authorization: Bearer …`.")


@api_keys_.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List all keys, also those that open nothing any more.

    \b
    Example:
      connector api-keys list
    """
    rows, at = api_keys.list_all(tools().store), now()
    if as_json:
        show_json([_shape(row, at) for row in rows])
        return
    if not rows:
        say("There are no API keys.")
        return
    show_table(("ID", "NAME", "STATE", "SCOPES", "LAST USED (UTC)", "MADE BY"), (_line(row, at) for row in rows))


@api_keys_.command()
@click.argument("key_id", metavar="ID")
@actor
def revoke(key_id: str, actor: str) -> None:
    """Let a key open nothing any more, at once.

    \b
    Example:
      connector api-keys revoke 01kb4n5qm5j8h3d6t7w9x0yz12
    """
    with_, by = tools(), actor_name(actor)
    row = api_keys.revoke(with_.store, key_id)
    audit.record(with_.store, "cli", by, "key.revoked", row.id, f"The API key {row.name}.")
    say_done(f"The key {row.name} opens nothing any more.")


def _line(row: KeyRow, at: datetime) -> tuple[str, ...]:
    used = f"{row.used_at:%Y-%m-%d %H:%M}" if row.used_at else "never"
    return row.id, row.name, api_keys.state_of(row, at), " ".join(sorted(row.scopes)), used, row.made_by_name


def _shape(row: KeyRow, at: datetime) -> dict[str, object]:
    return {
        "id": row.id, "name": row.name, "state": api_keys.state_of(row, at), "scopes": sorted(row.scopes),
        "created_at": row.created_at, "expires_at": row.expires_at, "used_at": row.used_at,
        "revoked_at": row.revoked_at, "made_by": row.made_by_name,
    }  # fmt: skip
