"""What commands about people share: how a person is named, who acts, and files that nobody else may read."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from connector.cli.console import fail, tools
from connector.errors import ConfigurationError
from connector.flow.admit import whose
from connector.model import ContactId
from connector.store import Transaction, accounts
from connector.wiring import Wiring

WHO = "PHONE|EMAIL|CONTACT|RECORD"

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
account = click.option("--account", default="", metavar="NAME", help="The account whose record it is.")
actor = click.option("--actor", default="", metavar="NAME", help="Who does this; default: the user of this machine.")
yes = click.option("--yes", is_flag=True, help="Do not ask.")


def find(tx: Transaction, who: str, account: str) -> ContactId:
    """Return whom somebody means; ends the command with exit code 1 where that is nobody."""
    id_ = whose(tx, who, {row.name: row.id for row in accounts.all_(tx)}, account)
    if id_ is None:
        fail("Nobody is known by this.")
        sys.exit(1)
    return id_


def meant(who: str, account: str) -> tuple[Wiring, ContactId]:
    """Return this invocation's tools, and whom somebody means."""
    with_ = tools()
    with with_.store.read() as tx:
        return with_, find(tx, who, account)


def actor_name(given: str) -> str:
    """Return who does this. Raises ConfigurationError where nobody can tell."""
    if given.strip():
        return given.strip()
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        raise ConfigurationError("Say who does this: --actor NAME.") from None


def ask(question: str, *, yes: bool) -> None:
    """Go on only where a person says so, or ``--yes`` did."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError("Nobody is here to ask: say --yes to do it.")
    if not click.confirm(question, default=False):
        sys.exit(1)


@contextmanager
def private(path: Path) -> Iterator[IO[str]]:
    """Open a file for writing that nobody else may read: it holds personal data."""
    try:
        path.touch(mode=0o600)
        path.chmod(0o600)
        with path.open("w", encoding="utf-8", newline="") as stream:
            yield stream
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from None


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Any]:
    """Show on a terminal how far something has come: yields what takes its name and a number."""
    if quiet or not sys.stderr.isatty():
        yield lambda _what, _count: None
        return
    yield lambda what, count: click.echo(f"\r\033[K{count:,} {what}", err=True, nl=False)
    click.echo("\r\033[K", err=True, nl=False)
