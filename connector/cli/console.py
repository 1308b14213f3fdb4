"""What the commands share: the tools they work with, and how they speak.

Exit codes: 0 done, 1 something was found to be wrong, 2 the set-up or the input must be changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from connector.errors import ConfigurationError, MappingError, RemoteError
from connector.flow import audit
from connector.flow.settings import SettingsError
from connector.settings import Settings
from connector.store import Store, migrate
from connector.store.reach import reach
from connector.wiring import Wiring

COMMAND = "command"
"""Who acts in the audit log where a command did."""
MARKS = {True: ("✓", "green"), False: ("✗", "red"), None: ("–", "dim")}
PIPED_WIDTH = 1000
"""Columns of a table that no terminal limits."""


class Commands(click.Group):
    """A group whose commands tell what is wrong in words, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a fault of the set-up ends with exit code 2, a vendor's refusal with 1."""
        try:
            return super().invoke(ctx)
        except (MappingError, SettingsError) as error:
            for fault in error.faults:
                fail(str(fault))
            ctx.exit(2)
        except ConfigurationError as error:
            fail(str(error))
            ctx.exit(2)
        except RemoteError as error:
            fail(f"{error} {error.advice}".strip())
            ctx.exit(1)


def tools() -> Wiring:
    """Return what this invocation works with, opened on first use.

    SQLite is brought to the present form; PostgreSQL, which others may be using, must be in it.
    Raises ConfigurationError.
    """
    context = click.get_current_context()
    found = context.find_object(Wiring)
    if found is None:
        try:
            found = Wiring.from_settings(Settings.from_env())
        except OSError as error:
            raise ConfigurationError(f"The data folder (CONNECTOR_DATA) cannot be used: {error}") from None
        context.find_root().call_on_close(found.close)
        context.find_root().obj = context.obj = found
    ready(found.store)
    return found


def existing() -> Wiring | None:
    """Return the same, or None where there is no database yet; none is made then."""
    if click.get_current_context().find_object(Wiring) is None:
        url = Settings.from_env().database_url
        if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
            return None
    return tools()


def ready(store: Store) -> None:
    """See that the database is there and its tables have the present form. Raises ConfigurationError."""
    reach(store)
    if store.is_sqlite:
        migrate.upgrade(store)
    else:
        migrate.require(store)


def enter(action: str, object_: str = "", words: str = "", **details: Any) -> None:
    """Enter in the audit log what a command has changed; nothing personal. Not to be called inside a write."""
    audit.record(tools().store, COMMAND, "command line", action, object_, words, **details)


def say(*parts: str | Text) -> None:
    """Print a line; brackets in it are nothing special."""
    _console().print(*parts, markup=False, highlight=False, soft_wrap=True)


def say_done(words: str) -> None:
    """Print what was done."""
    say(Text("✓", style="green"), words)


def say_next(words: str) -> None:
    """Print what to do next."""
    say(Text(f"Next: {words}", style="dim"))


def say_mark(ok: bool | None, name: str, words: str, fix: str = "") -> None:
    """Print one line of a check, with the fix where something is wrong."""
    mark, style = MARKS[ok]
    line = Text.assemble("  ", (mark, style), f" {name}: {words}")
    if fix and ok is not True:
        line.append(f" → {fix}", style="bold" if ok is False else "dim")
    say(line)


def fail(words: str) -> None:
    """Print what is wrong, to standard error."""
    Console(stderr=True).print(
        Text.assemble(("Error: ", "bold red"), words), markup=False, highlight=False, soft_wrap=True
    )


def show_json(value: Any) -> None:
    """Print a value for a program; moments and exact numbers become text."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows as a table."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console = _console()
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def show_source(source: str, language: str) -> None:
    """Print a text in colours, or as it is where no terminal shows them."""
    console = _console()
    if console.is_terminal:
        from rich.syntax import Syntax  # and with it pygments: only where it is looked at

        console.print(Syntax(source, language, background_color="default", word_wrap=True))
    else:
        click.echo(source, nl=not source.endswith("\n"))


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=PIPED_WIDTH)
