"""Keys of the API are shown once, kept as digests, and open no more than they may."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import time_machine

from connector.errors import ConfigurationError
from connector.flow import keys, team
from connector.model import GRANTS, Permission, Role, now
from connector.store import Store, api_keys

START = datetime.fromisoformat("2026-03-01T12:00:00+00:00")
ALL = GRANTS[Role.OWNER]


def make(store: Store, name: str = "order desk", *scopes: Permission, **given: object) -> keys.Made:
    wanted = scopes or (Permission.LOOK,)
    return keys.make(store, name, wanted, by=keys.COMMAND, by_name="Ada", **({"may": ALL} | given))  # type: ignore[arg-type]


def test_a_key_is_recognised_and_its_secret_is_not_stored(store: Store) -> None:
    made = make(store)
    token = made.token.reveal()

    found = keys.recognise(store, token)

    assert found is not None
    assert (found.id, found.scopes) == (made.row.id, {Permission.LOOK})
    assert token.startswith(f"wck_{made.row.id}_")
    secret = token.split("_", 2)[2]
    with store.read() as tx:
        stored = str(tx.exec_driver_sql("SELECT * FROM api_key").all())
    assert secret not in stored
    assert secret not in repr(made)


@pytest.mark.parametrize("spoil", [
    lambda token: "", lambda token: token[:-1], lambda token: token + "x", lambda token: token.upper(),
    lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"), lambda token: "wck_" + "0" * 26 + token[30:],
    lambda token: f" {token}", lambda token: token + "\n", lambda token: "wck_ä", lambda token: "Bearer",
])  # fmt: skip
def test_another_text_is_not_the_key(sqlite_store: Store, spoil: object) -> None:
    token = make(sqlite_store).token.reveal()

    assert keys.recognise(sqlite_store, spoil(token)) is None  # type: ignore[operator]


def test_a_revoked_key_opens_nothing_and_is_revoked_once(store: Store) -> None:
    made = make(store)

    keys.revoke(store, made.row.id)

    assert keys.recognise(store, made.token.reveal()) is None
    with pytest.raises(ConfigurationError, match="already"):
        keys.revoke(store, made.row.id)
    with pytest.raises(ConfigurationError, match="no API key"):
        keys.revoke(store, "nobody")


def test_a_key_opens_nothing_from_the_moment_it_expires(store: Store) -> None:
    with time_machine.travel(START, tick=False) as clock:
        made = make(store, expires_at=START + timedelta(days=1))
        clock.move_to(START + timedelta(hours=23, minutes=59))
        assert keys.recognise(store, made.token.reveal()) is not None
        clock.move_to(START + timedelta(days=1))
        assert keys.recognise(store, made.token.reveal()) is None
        assert keys.state_of(keys.list_all(store)[0], now()) == "expired"


def test_the_last_use_is_written_at_most_once_a_minute(store: Store) -> None:
    def used() -> datetime | None:
        with store.read() as tx:
            row = api_keys.get(tx, made.row.id)
        assert row is not None
        return row.used_at

    with time_machine.travel(START, tick=False) as clock:
        made = make(store)
        assert used() is None
        keys.recognise(store, made.token.reveal())
        assert used() == START
        clock.move_to(START + timedelta(seconds=59))
        keys.recognise(store, made.token.reveal())
        assert used() == START
        clock.move_to(START + timedelta(seconds=60))
        keys.recognise(store, made.token.reveal())
        assert used() == START + timedelta(seconds=60)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
def test_nobody_gives_a_key_more_than_they_may_do_themselves(sqlite_store: Store, role: Role) -> None:
    beyond = sorted(set(keys.OFFERED) - GRANTS[role])
    assert beyond
    for scope in beyond:
        with pytest.raises(ConfigurationError, match=scope.value):
            make(sqlite_store, "a", Permission.LOOK, scope, may=GRANTS[role])
    assert keys.list_all(sqlite_store) == []


def test_an_admin_gives_a_key_whatever_a_key_may_do(sqlite_store: Store) -> None:
    assert make(sqlite_store, "a", *keys.OFFERED, may=GRANTS[Role.ADMIN]).row.scopes == set(keys.OFFERED)


def test_no_key_may_edit_the_team(sqlite_store: Store) -> None:
    with pytest.raises(ConfigurationError, match="edit_team"):
        make(sqlite_store, "a", Permission.EDIT_TEAM)


@pytest.mark.parametrize(("name", "given", "words"), [
    (" ", {}, "name"), ("x" * 81, {}, "name"), ("a", {"expires_at": START}, "expires"),
])  # fmt: skip
def test_a_key_that_makes_no_sense_is_refused(
    sqlite_store: Store, name: str, given: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        make(sqlite_store, name, **given)


def test_every_scope_is_explained() -> None:
    assert set(keys.MEANING) == set(Permission)


def test_a_key_opens_no_more_than_its_maker_may_still_do(store: Store) -> None:
    maker = team.add(store, email_="admin@example.org", name_="Ada", role=Role.ADMIN, password="marmalade-orbit-flint")
    team.add(store, email_="owner@example.org", name_="Owner", role=Role.OWNER, password="marmalade-orbit-flint")
    given = {Permission.LOOK, Permission.SEND}
    made = keys.make(store, "desk", given, may=GRANTS[Role.ADMIN], by=maker.id, by_name=maker.name)
    token = made.token.reveal()
    found = keys.recognise(store, token)
    assert found is not None
    assert found.scopes == given

    team.set_role(store, maker.id, Role.VIEWER)
    found = keys.recognise(store, token)
    assert found is not None
    assert found.scopes == {Permission.LOOK}

    team.set_active(store, maker.id, active=False)
    assert keys.recognise(store, token) is None
