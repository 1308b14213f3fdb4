"""``connector keys``: the key that seals secrets at rest."""

from __future__ import annotations

import click

from connector.cli.console import Commands, enter, say_done, say_next, tools
from connector.flow import accounts, tokens


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
