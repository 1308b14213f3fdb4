"""The command line. Commands are imported when they are called, so that each starts quickly."""

from __future__ import annotations

import importlib
import sys

import click

from connector import __version__
from connector.errors import ConfigurationError, MappingError

COMMANDS = {
    "run": "connector.cli.run:run",
    "web": "connector.cli.run:web",
    "worker": "connector.cli.run:worker",
    "clock": "connector.cli.run:clock",
    "migrate": "connector.cli.run:migrate",
    "accounts": "connector.cli.accounts:accounts",
    "mappings": "connector.cli.mappings:mappings",
    "templates": "connector.cli.templates:templates",
    "people": "connector.cli.people:people",
    "consent": "connector.cli.consent:consent",
    "events": "connector.cli.look:events",
    "messages": "connector.cli.look:messages",
    "explain": "connector.cli.look:explain",
    "replay": "connector.cli.look:replay",
    "stats": "connector.cli.look:stats",
    "writebacks": "connector.cli.writeback:writebacks",
    "users": "connector.cli.users:users",
    "keys": "connector.cli.keys:keys",
    "api-keys": "connector.cli.api_keys:api_keys_",
    "new-adapter": "connector.cli.new_adapter:new_adapter",
    "sandbox": "connector.sandbox.command:sandbox",
    "demo": "connector.sandbox.demo:demo",
}
"""Name -> where its command is; in the order of the help."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="connector")
def cli() -> None:
    """Connect shops and CRMs to WhatsApp.

    \b
    Start here:
      connector demo                          see it work, without any account
      connector run                           run everything on this machine
      connector accounts add shopify --help   connect a shop
    """


def main() -> None:
    """Run the command line: bad set-up ends with one clear sentence and exit code 2."""
    try:
        cli()
    except MappingError as error:
        for fault in error.faults:
            click.echo(f"Error: {fault}", err=True)
        sys.exit(2)
    except ConfigurationError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
