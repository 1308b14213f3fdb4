"""``connector api-keys``: a key made by command opens the API until it is revoked."""

from __future__ import annotations

import json
import re
from typing import Any

from connector.cli.api_keys import api_keys_
from connector.flow import keys
from connector.model import Permission
from connector.store import audit
from connector.wiring import Wiring

Run = Any


def test_a_key_is_made_shown_once_listed_and_revoked(run: Run, wiring: Wiring) -> None:
    made = run(api_keys_, "add", "order desk", "--scope", "look", "--scope", "send", "--expires", "90d")
    assert made.exit_code == 0, made.output
    token = re.search(r"wck_\S+", made.stdout)
    assert token is not None

    found = keys.recognise(wiring.store, token[0])
    assert found is not None
    assert found.scopes == {Permission.LOOK, Permission.SEND}
    listed = run(api_keys_, "list", "--json")
    (shape,) = json.loads(listed.stdout)
    assert (shape["name"], shape["state"], shape["scopes"]) == ("order desk", "valid", ["look", "send"])
    assert token[0].split("_", 2)[2] not in listed.stdout  # the secret, which may have underscores of its own

    assert run(api_keys_, "revoke", shape["id"]).exit_code == 0
    assert keys.recognise(wiring.store, token[0]) is None
    with wiring.store.read() as tx:
        assert [entry.action for entry in audit.listing(tx, action="key.")] == ["key.revoked", "key.made"]


def test_a_scope_that_is_none_is_refused(run: Run, wiring: Wiring) -> None:
    result = run(api_keys_, "add", "desk", "--scope", "everything")

    assert result.exit_code == 2
    assert keys.list_all(wiring.store) == []
