"""``connector users``: adding, changing and letting in again, and what commands leave in the audit log."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from connector.cli.accounts import accounts
from connector.cli.users import users
from connector.flow import team
from connector.model import now
from connector.security import passwords
from connector.store import audit, sessions
from connector.store import users as rows
from connector.store.sessions import SessionRow
from connector.wiring import Wiring

Run = Any
PASSWORD = "marmalade-orbit-flint"
GIVEN = {"CONNECTOR_SECRET_PASSWORD": PASSWORD}


def add(run: Run, email: str = "ada@example.org", role: str = "owner") -> None:
    result = run(users, "add", email, "--role", role, env=GIVEN)
    assert result.exit_code == 0, result.output


def row(wiring: Wiring, email: str = "ada@example.org") -> rows.UserRow:
    with wiring.store.read() as tx:
        found = rows.by_email(tx, email)
    assert found is not None
    return found


def entries(wiring: Wiring) -> list[tuple[str, str, str]]:
    with wiring.store.read() as tx:
        return [(each.actor, each.action, each.words) for each in reversed(audit.listing(tx))]


def test_somebody_is_added_with_a_password_that_is_not_shown(run: Run, wiring: Wiring) -> None:
    result = run(users, "add", "Ada@Example.org", "--role", "editor", "--name", "Ada", env=GIVEN)
    assert "✓ ada@example.org may sign in as editor." in result.stdout
    assert PASSWORD not in result.output
    found = row(wiring)
    assert (found.name, found.role, found.active) == ("Ada", "editor", True)
    assert passwords.verify(PASSWORD, found.password)
    assert entries(wiring) == [("command", "user.added", "editor")]


def test_without_a_password_a_link_is_printed_by_which_they_choose_their_own(run: Run, wiring: Wiring) -> None:
    told = run(users, "add", "ada@example.org", "--role", "admin").stdout
    found = re.search(r"https://connect\.example\.org/invitation/(\S+)", told)
    assert found is not None
    invitation = team.invited(wiring.store, found[1])
    assert invitation is not None
    assert (invitation.email, invitation.role, invitation.by) == ("ada@example.org", "admin", "command")
    assert entries(wiring) == [("command", "user.invited", "admin")]


@pytest.mark.parametrize(
    ("email", "password", "words"),
    [
        ("not an address", PASSWORD, "not an e-mail address"),
        ("ada@example.org", "short", "at least 12 characters"),
        ("ada@example.org", "ada@example.org", "too close to your name or e-mail"),
    ],
)
def test_what_cannot_be_added_says_why(run: Run, wiring: Wiring, email: str, password: str, words: str) -> None:
    result = run(users, "add", email, env={"CONNECTOR_SECRET_PASSWORD": password})
    assert result.exit_code == 2
    assert words in result.stderr
    assert entries(wiring) == []


def test_nobody_is_added_twice(run: Run) -> None:
    add(run)
    result = run(users, "add", "ADA@example.org", env=GIVEN)
    assert result.exit_code == 2
    assert "in the team already" in result.stderr


def test_the_list_says_who_there_is(run: Run) -> None:
    assert "Nobody may sign in yet." in run(users, "list").stdout
    add(run)
    assert re.search(r"ada@example\.org +ada +owner +in use +no", run(users, "list").stdout)
    (told,) = json.loads(run(users, "list", "--json").stdout)
    assert (told["email"], told["role"], told["second_factor"]) == ("ada@example.org", "owner", "no")
    assert "password" not in told


def test_the_last_owner_stays(run: Run, wiring: Wiring) -> None:
    add(run)
    add(run, "ben@example.org", "admin")
    for words in (("role", "ada@example.org", "admin"), ("disable", "ada@example.org")):
        result = run(users, *words)
        assert result.exit_code == 2
        assert "The last owner stays" in result.stderr
    assert run(users, "role", "ben@example.org", "owner").exit_code == 0
    assert run(users, "role", "ada@example.org", "viewer").exit_code == 0
    assert row(wiring).role == "viewer"
    assert ("command", "user.role_changed", "owner to viewer") in entries(wiring)


def test_who_is_disabled_is_out_at_once_and_may_come_back(run: Run, wiring: Wiring) -> None:
    add(run)
    add(run, "ben@example.org")
    ben, at = row(wiring, "ben@example.org"), now()
    with wiring.store.write() as tx:
        sessions.add(
            tx,
            SessionRow(digest="d", user_id=ben.id, way="password", browser="", address="", created_at=at, seen_at=at),
        )
    assert run(users, "disable", "ben@example.org").exit_code == 0
    with wiring.store.read() as tx:
        assert sessions.of(tx, ben.id) == []
    assert not row(wiring, "ben@example.org").active
    assert "disabled" in run(users, "list").stdout
    assert run(users, "link", "ben@example.org").exit_code == 2
    assert run(users, "enable", "ben@example.org").exit_code == 0
    assert row(wiring, "ben@example.org").active


def test_a_link_lets_in_once(run: Run, wiring: Wiring) -> None:
    add(run)
    found = re.search(r"/sign-in/link/(\S+)", run(users, "link", "ada@example.org").stdout)
    assert found is not None
    assert team.linked(wiring.store, found[1]) == row(wiring)
    assert team.spend_link(wiring.store, found[1]) == row(wiring)
    assert team.spend_link(wiring.store, found[1]) is None


def test_who_lost_the_phone_signs_in_with_the_password_alone(run: Run, wiring: Wiring) -> None:
    add(run)
    with wiring.store.write() as tx:
        rows.change(tx, row(wiring).id, {"totp": "sealed", "totp_counter": 7, "recovery": "a b"})
    assert run(users, "reset-2fa", "ada@example.org").exit_code == 0
    found = row(wiring)
    assert (found.totp, found.totp_counter, found.recovery) == (None, None, "")


def test_nobody_is_no_user(run: Run) -> None:
    for name in ("disable", "enable", "link", "reset-2fa"):
        result = run(users, name, "nobody@example.org")
        assert result.exit_code == 2
        assert "connector users list" in result.stderr


def test_what_commands_change_stands_in_the_audit_log(run: Run, wiring: Wiring) -> None:
    run(accounts, "add", "toyshop", "--name", "main", "--set", "shop=abc", "--set", "webhook_secret=w-1")
    run(accounts, "set", "main", "shop=def")
    run(accounts, "rotate", "main", "webhook_secret", "--set", "w-2")
    run(accounts, "remove", "main", "--yes")
    run(accounts, "list")
    assert entries(wiring) == [
        ("command", "account.added", "toyshop"),
        ("command", "account.changed", "shop"),
        ("command", "account.secret_rotated", "webhook_secret"),
        ("command", "account.removed", "toyshop"),
    ]


def test_every_command_has_an_example(run: Run) -> None:
    for name in users.commands:
        assert re.search(r"Examples?:\n", run(users, name, "--help").stdout), name
