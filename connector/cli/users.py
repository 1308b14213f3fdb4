"""``connector users``: who may sign in to the console, and letting in who is locked out."""

from __future__ import annotations

import os
from typing import Any

import click

from connector.cli.console import COMMAND, Commands, enter, say, say_done, say_next, show_json, show_table, tools
from connector.cli.given import PREFIX, is_interactive
from connector.flow import team
from connector.model import Role
from connector.store import users as rows
from connector.store.users import UserRow
from connector.wiring import Wiring

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
ROLE = click.Choice([role.value for role in Role])


@click.group(cls=Commands)
def users() -> None:
    """Say who may sign in to the console, and what each may do; let in again who is locked out.

    \b
    Example:
      connector users add ada@example.org --role editor
    """


@users.command()
@click.argument("email")
@click.option("--role", type=ROLE, default=Role.VIEWER.value, show_default=True, help="What they may do.")
@click.option("--name", default="", help="What they are called; default: what stands before the @.")
@click.option("--invite", is_flag=True, help="Ask for no password, print a link by which they choose their own.")
def add(email: str, role: str, name: str, invite: bool) -> None:
    """Add somebody who signs in as EMAIL.

    Their password is taken from the environment (CONNECTOR_SECRET_PASSWORD), else asked for without echo.
    Where nobody is there to ask, or with --invite, a link is printed instead: good once, for seven days.

    \b
    Example:
      connector users add ada@example.org --role editor --name Ada
      connector users add ada@example.org --role admin --invite
    """
    with_ = tools()
    password = "" if invite else _password()
    if not password:
        told, word = team.invite(with_.store, email, Role(role), COMMAND)
        enter("user.invited", told.id, role)
        say_done(f"{told.email} may join as {role}, by this link, within 7 days:")
        say(f"  {with_.settings.public_url}/invitation/{word}")
        return
    called = name or email.partition("@")[0]
    row = team.add(with_.store, email_=email, name_=called, role=Role(role), password=password)
    enter("user.added", row.id, role)
    say_done(f"{row.email} may sign in as {role}.")
    say_next(f"{with_.settings.public_url}/sign-in")


@users.command("list")
@as_json
def list_(as_json: bool) -> None:
    """List who may sign in, and who was.

    \b
    Example:
      connector users list
    """
    with tools().store.read() as tx:
        shapes = [_shape(row, rows.second_factors(tx)) for row in rows.all_(tx)]
    if as_json:
        show_json(shapes)
    elif not shapes:
        say("Nobody may sign in yet.")
        say_next("connector run prints the address at which the first owner is made")
    else:
        columns = ("EMAIL", "NAME", "ROLE", "STATE", "SECOND FACTOR", "SIGNED IN")
        show_table(
            columns, [[str(shape[name.lower().replace(" ", "_")] or "–") for name in columns] for shape in shapes]
        )


@users.command()
@click.argument("email")
@click.argument("role", type=ROLE)
def role(email: str, role: str) -> None:
    """Make EMAIL an owner, admin, editor or viewer; the last owner stays one.

    \b
    Example:
      connector users role ada@example.org admin
    """
    with_, user = _meant(email)
    before = team.set_role(with_.store, user.id, Role(role)).role
    if before != role:
        enter("user.role_changed", user.id, f"{before} to {role}")
    say_done(f"{user.email} is {role}{'' if before != role else ' already'}.")


@users.command()
@click.argument("email")
def disable(email: str) -> None:
    """Let EMAIL in no longer, and end their sessions; what they did stays in the audit log.

    \b
    Example:
      connector users disable ada@example.org
    """
    _let_in(email, active=False, words="is let in no longer; their sessions are over.")


@users.command()
@click.argument("email")
def enable(email: str) -> None:
    """Let EMAIL in again.

    \b
    Example:
      connector users enable ada@example.org
    """
    _let_in(email, active=True, words="may sign in again.")


@users.command()
@click.argument("email")
def link(email: str) -> None:
    """Print a link that signs EMAIL in, once, within 15 minutes; their second factor is asked for all the same.

    For whoever forgot the password: the link lets them choose a new one.

    \b
    Example:
      connector users link ada@example.org
    """
    with_, user = _meant(email)
    word = team.make_link(with_.store, user.id)
    enter("user.link_made", user.id)
    say_done(f"{user.email} may sign in by this link, once, within 15 minutes:")
    say(f"  {with_.settings.public_url}/sign-in/link/{word}")


@users.command("reset-2fa")
@click.argument("email")
def reset_2fa(email: str) -> None:
    """Take authenticator, recovery codes and passkeys from EMAIL, whose phone is lost, and end their sessions.

    \b
    Example:
      connector users reset-2fa ada@example.org
    """
    with_, user = _meant(email)
    team.reset_second_factor(with_.store, user.id)
    enter("user.second_factor_reset", user.id)
    say_done(f"{user.email} signs in with the password alone until they set up a second factor again.")


def _meant(email: str) -> tuple[Wiring, UserRow]:
    with_ = tools()
    return with_, team.find(with_.store, email)


def _let_in(email: str, *, active: bool, words: str) -> None:
    with_, user = _meant(email)
    team.set_active(with_.store, user.id, active=active)
    enter("user.enabled" if active else "user.disabled", user.id)
    say_done(f"{user.email} {words}")


def _password() -> str:
    given = os.environ.get(f"{PREFIX}PASSWORD", "")
    if given or not is_interactive():
        return given
    typed: str = click.prompt("Password (12 characters or more)", hide_input=True, confirmation_prompt=True, err=True)
    return typed


def _shape(row: UserRow, second: set[str]) -> dict[str, Any]:
    return {
        "id": row.id,
        "email": row.email,
        "name": row.name,
        "role": row.role.value,
        "state": "in use" if row.active else "disabled",
        "second_factor": "yes" if row.id in second else "no",
        "signed_in": f"{row.signed_in_at:%Y-%m-%d %H:%M} UTC" if row.signed_in_at else "",
    }
