"""``connector keys``: the key that seals secrets at rest."""

from __future__ import annotations

import click

from connector.cli.console import Commands, enter, say, say_done, say_next, tools
from connector.flow import accounts, lost_key, tokens
from connector.flow.keepsake import PEPPER, SESSIONS
from connector.flow.lost_key import Loss


@click.group(cls=Commands)
def keys() -> None:
    """Change the key that encrypts the secrets of all accounts.

    \b
    Example:
      connector keys rotate
    """


@keys.command()
def rotate() -> None:
    """Make a new key, seal all secrets with it, then drop the old one. The service may go on running.

    \b
    Example:
      connector keys rotate
    """
    with_ = tools()
    with_.vault.rotate()
    sealed = accounts.reseal_all(with_.store, with_.vault)
    with_.vault.retire(sealed + tokens.reseal_all(with_.store, with_.vault))
    enter("secret_key.rotated", words=f"{len(sealed)} accounts")
    say_done(f"The secrets of {len(sealed)} accounts are sealed with a new key; the old one is gone.")
    say_next("keep a copy of the new key where your backups cannot be read together with it.")


@keys.command()
def reseal() -> None:
    """Seal all secrets with the newest key of CONNECTOR_SECRET_KEY (the first), so that older ones can go.

    \b
    Example:
      CONNECTOR_SECRET_KEY=NEW,OLD connector keys reseal
    """
    with_ = tools()
    count = len(accounts.reseal_all(with_.store, with_.vault))
    tokens.reseal_all(with_.store, with_.vault)
    enter("secret_key.resealed", words=f"{count} accounts")
    say_done(f"The secrets of {count} accounts are sealed with the newest key.")
    say_next("take the older keys out of CONNECTOR_SECRET_KEY and restart.")


@keys.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(yes: bool) -> None:
    """Go on after the key was lost: drop what no key opens, and keep everything else. Stop the service first.

    Says what is lost, and asks. Accounts stay with their webhook addresses and history, suspended until somebody
    enters their secrets again. Where there is an old copy of the key, put that back instead.

    \b
    Example:
      connector keys reset
    """
    with_ = tools()
    with with_.store.read() as tx:
        loss = lost_key.look(tx, with_.vault)
    if not loss:
        say_done("Nothing is lost: every stored secret opens.")
        return
    say("No key opens these; they cannot be brought back without the old one:")
    for line in _told(loss):
        say(f"  - {line}")
    say("Events, messages, people, consent, mappings, users and the audit log are kept.")
    if not yes:
        click.confirm("Drop what cannot be opened?", abort=True)
    loss = lost_key.reset(with_.store, with_.vault)
    enter("secret_key.reset", words="; ".join(_told(loss))[:200], accounts=list(loss.accounts))
    say_done("What could not be opened is gone. Everything is sealed with the present key from now on.")
    for name in loss.accounts:
        say_next(f"enter the secrets of {name}: {with_.settings.public_url}/accounts/{name}/edit")
    say_next("keep a copy of the key where your backups cannot be read together with it.")


def _told(loss: Loss) -> list[str]:
    lines = {
        f"the secrets of {', '.join(loss.accounts)}": loss.accounts,
        f"{loss.tokens} tokens that vendors gave; they are asked for anew, or allowed anew": loss.tokens,
        f"the secrets of {loss.endpoints} webhooks out: rotate each, and tell whoever receives it": loss.endpoints,
        "all sessions: everybody signs in again": SESSIONS in loss.kept,
        f"{loss.second_factors} authenticators with their recovery codes; passkeys stay": loss.second_factors,
        "that erased people had refused: one who comes again is met as somebody new": PEPPER in loss.kept,
    }
    return [line for line, is_lost in lines.items() if is_lost]
