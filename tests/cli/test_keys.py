"""``connector keys reset``: after the key was lost, an installation goes on, and nobody is told less than is lost."""

from __future__ import annotations

import os

import pytest

from connector.cli.keys import keys
from connector.errors import ConfigurationError
from connector.flow import accounts, lost_key, outgoing, team
from connector.flow.keepsake import NAMES, keepsake
from connector.model import Role
from connector.security import Vault
from connector.store import audit, users
from connector.wiring import Wiring
from tests.cli.conftest import Run
from tests.toys import SECRET

SETTINGS = {"shop": "trial", "webhook_secret": [SECRET]}


@pytest.fixture
def lost(wiring: Wiring) -> Wiring:
    """An installation in use whose key file is gone: a new one was made in its place."""
    accounts.connect(wiring.store, wiring.registry, wiring.vault, "toyshop", "main", SETTINGS)
    for name in NAMES:
        keepsake(wiring.store, wiring.vault, name)
    outgoing.add(wiring.store, wiring.vault, "https://hooks.example.org/", ["message.sent"])
    user = team.add(
        wiring.store, email_="ada@example.org", name_="Ada", role=Role.OWNER, password="four unrelated garden words"
    )
    with wiring.store.write() as tx:
        users.change(tx, user.id, {"totp": "sealed", "recovery": "sealed"})
    (wiring.settings.data / "secret.key").unlink()
    wiring.vault = Vault.open(wiring.settings.data, os.environ)
    return wiring


def test_a_start_without_the_old_key_says_where_it_was_looked_for_and_what_to_do(lost: Wiring) -> None:
    with pytest.raises(ConfigurationError) as told:
        lost_key.require(lost.store, lost.vault)
    for words in (str(lost.settings.data / "secret.key"), "backup", "connector keys reset"):
        assert words in str(told.value)


def test_a_reset_says_what_is_lost_and_asks_first(lost: Wiring, run: Run) -> None:
    result = run(keys, "reset", input="n\n")
    for words in ("secrets of main", "1 webhooks out", "everybody signs in again", "1 authenticators", "erased people"):
        assert words in result.output
    assert result.exit_code == 1
    with lost.store.read() as tx:
        assert lost_key.look(tx, lost.vault), "nothing was dropped"


def test_after_a_reset_it_starts_and_the_account_waits_for_its_secrets(lost: Wiring, run: Run) -> None:
    result = run(keys, "reset", "--yes")
    assert "/accounts/main/edit" in result.output
    lost_key.require(lost.store, lost.vault)
    row = accounts.find(lost.store, "main")
    assert (row.active, row.note, row.settings["shop"]) == (False, lost_key.NOTE, "trial")
    changed = accounts.change(lost.store, lost.registry, lost.vault, "main", {"webhook_secret": ["another"]})
    assert changed.settings["webhook_secret"][0].reveal() == "another"
    with lost.store.read() as tx:
        (user,) = users.all_(tx)
        assert (user.totp, user.recovery) == (None, "")
        (entry,) = audit.listing(tx, most=1)
    assert entry.action == "secret_key.reset"


def test_a_key_that_opens_everything_is_not_reset(wiring: Wiring, run: Run) -> None:
    account = accounts.connect(wiring.store, wiring.registry, wiring.vault, "toyshop", "main", SETTINGS)
    assert "Nothing is lost" in run(keys, "reset", "--yes").output
    assert accounts.load(wiring.registry, wiring.vault, accounts.find(wiring.store, "main")) == account
