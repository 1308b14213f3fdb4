"""Writes docs/commands.md from the commands' own help: ``make docs``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

import click

from connector.cli import cli
from tests.house.tree import ROOT

PAGE = ROOT / "docs" / "commands.md"
HELP = ("-h", "--help")
"""As on the command line itself; a command remembers the first that it is asked with."""
HEAD = """# Commands

Written by `make docs` from what each command says of itself with `--help`.
"""


def every(group: click.Group, path: str) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Yield every command below a group: how it is called, itself, and a context to ask it in."""
    context = click.Context(group, info_name=path, help_option_names=list(HELP))
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        called = f"{path} {name}"
        yield (
            called,
            command,
            click.Context(
                command, info_name=called, terminal_width=100, max_content_width=100, help_option_names=list(HELP)
            ),
        )
        if isinstance(command, click.Group):
            yield from every(command, called)


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for called, command, context in every(cli, "connector"):
        level = "##" if called.count(" ") == 1 else "###"
        words = inspect.cleandoc(command.get_help(context))
        parts.append(f"{level} `{called}`\n\n```text\n{words}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    if "--print" in sys.argv:
        print(page(), end="")
    else:
        PAGE.write_text(page())
        print(f"Wrote {PAGE.relative_to(ROOT)}")
