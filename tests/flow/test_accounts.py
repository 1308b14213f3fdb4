from __future__ import annotations

import json
import traceback
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from marshmallow import ValidationError, fields, validate

from connector.contract import Adapter, ApiUrl, SecretField, SettingsSchema
from connector.errors import ConfigurationError
from connector.flow import accounts, settings
from connector.model import Secret, now
from connector.security import Vault
from connector.store import Store
from connector.store import accounts as rows

HIDDEN = "hush-hush-9b1f"


def _refuse_and_quote(value: Secret) -> None:
    if value.reveal().startswith("quoted"):
        raise ValidationError(f"{value.reveal()} is not wanted")


class Inner(SettingsSchema):
    header = fields.String()
    pin = SecretField()


class ShopSettings(SettingsSchema):
    shop = fields.String(required=True, validate=validate.Regexp(r"[a-z]+$", error="must be lower case."))
    webhook_secret = SecretField(required=True, rotates=True)
    access_token = SecretField(validate=_refuse_and_quote)
    rate = fields.Decimal(load_default=Decimal("2.50"), as_string=True)
    paths = fields.Dict(keys=fields.String(), values=fields.String(validate=validate.Length(min=2)))
    inner = fields.Nested(Inner)
    api_url = ApiUrl(load_default="https://api.shop.example")


SHOP = Adapter(name="shop", title="Shop", settings=ShopSettings)


class Registry:
    def __init__(self, *adapters: Adapter) -> None:
        self._adapters = {adapter.name: adapter for adapter in adapters}

    def get(self, name: str) -> Adapter:
        if name not in self._adapters:
            raise ConfigurationError(f"There is no adapter named {name!r}.")
        return self._adapters[name]

    def names(self) -> list[str]:
        return sorted(self._adapters)


REGISTRY = Registry(SHOP)


def _vault() -> Vault:
    return Vault.open(Path("unused"), {"CONNECTOR_SECRET_KEY": Fernet.generate_key().decode()})


VAULT = _vault()


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    return sqlite_store


def _connect(store: Store, name: str = "main", **given: Any) -> Any:
    return accounts.connect(store, REGISTRY, VAULT, "shop", name, {"shop": "abc", "webhook_secret": HIDDEN} | given)


def test_a_connected_account_is_loaded_back_the_same(store: Store) -> None:
    account = _connect(store, paths={"phone": "a.b"}, access_token="token-1")
    assert account.settings["webhook_secret"] == (Secret(HIDDEN),)
    assert account.settings["access_token"] == Secret("token-1")
    assert account.settings["rate"] == Decimal("2.50")
    assert len(account.token) == 32
    assert accounts.load_all(store, REGISTRY, VAULT) == (account,)


def test_two_accounts_have_two_tokens(store: Store) -> None:
    assert _connect(store, "one").token != _connect(store, "two").token


def test_secrets_are_sealed_and_the_rest_is_stored_in_the_open(store: Store) -> None:
    _connect(store, rate="3.0")
    with store.read() as tx:
        row = rows.all_(tx)[0]
    assert row.settings == {"shop": "abc", "rate": "3.0"}
    assert VAULT.open_(row.secrets) == {"webhook_secret": HIDDEN}


def test_a_setting_that_holds_a_secret_somewhere_inside_is_sealed_whole(store: Store) -> None:
    account = _connect(store, inner={"header": "X-Pin", "pin": "pin-1234"})
    with store.read() as tx:
        assert "inner" not in rows.all_(tx)[0].settings
    assert account.settings["inner"]["pin"] == Secret("pin-1234")
    assert "inner" not in accounts.public_settings(account)


def test_defaults_are_not_stored_so_that_newer_ones_reach_older_accounts(store: Store) -> None:
    account = _connect(store)
    with store.read() as tx:
        assert "api_url" not in rows.all_(tx)[0].settings
    assert account.settings["api_url"] == "https://api.shop.example"


def test_every_faulty_field_is_named_at_once(store: Store) -> None:
    given = {"shop": "ABC", "colour": "red", "api_url": "http://far.example", "paths": {"phone": "x"}}
    with pytest.raises(ConfigurationError) as caught:
        accounts.connect(store, REGISTRY, VAULT, "shop", "no name", given)
    words = str(caught.value)
    for part in (
        "name: must be 1 to 63",
        "shop: must be lower case.",
        "webhook_secret: is required.",
        "colour: is not a setting of Shop, which has shop, webhook_secret,",
        "api_url: must be https",
        "paths.phone.value: Shorter than minimum length 2.",
    ):
        assert part in words
    with store.read() as tx:
        assert rows.all_(tx) == []


def test_a_taken_name_is_told_along_with_other_faults(store: Store) -> None:
    _connect(store)
    with pytest.raises(
        ConfigurationError, match=r"name: an account named 'main' exists already\.; shop: must be lower"
    ):
        _connect(store, shop="ABC")


def test_an_unknown_adapter_is_refused(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="no adapter named 'other'"):
        accounts.connect(store, REGISTRY, VAULT, "other", "main", {})


@pytest.mark.parametrize(
    "given",
    [
        {"access_token": "quoted-" + HIDDEN},
        {"webhook_secret": HIDDEN + " broken"},
        {"webhook_secrets": HIDDEN},
        {"webhook_secret": [HIDDEN, HIDDEN + "\n"]},
        {"webhook_secret": {"value": HIDDEN}},
    ],
)
def test_no_error_repeats_a_secret(store: Store, given: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _connect(store, **given)
    assert HIDDEN not in "".join(traceback.format_exception(caught.value))


def test_nothing_that_is_printed_shows_a_secret_or_the_token(store: Store) -> None:
    account = _connect(store, access_token="token-1")
    with store.read() as tx:
        row = rows.all_(tx)[0]
    shown = f"{account!r} {row!r} {settings.split(SHOP, {'shop': 'abc', 'webhook_secret': HIDDEN})!r}"
    shown += repr(accounts.public_settings(account)) + json.dumps(settings.masked(SHOP, account.settings))
    assert HIDDEN not in shown
    assert "token-1" not in shown
    assert account.token not in shown


def test_public_settings_are_the_loaded_ones_without_secrets(store: Store) -> None:
    expected = {"shop": "abc", "rate": Decimal("2.50"), "api_url": "https://api.shop.example"}
    assert accounts.public_settings(_connect(store, access_token="token-1")) == expected


def test_masked_settings_tell_what_is_set_and_how_many_older_secrets_still_count(store: Store) -> None:
    account = _connect(store, webhook_secret=["new-secret", HIDDEN])
    masked = settings.masked(SHOP, account.settings)
    assert masked["webhook_secret"] == "•••• and 1 older"
    assert masked["access_token"] is None
    assert masked["rate"] == "2.50"


def test_a_rotated_secret_goes_first_and_the_old_one_stays_valid(store: Store) -> None:
    _connect(store)
    account = accounts.rotate(store, REGISTRY, VAULT, "main", "webhook_secret", Secret("second"))
    assert account.settings["webhook_secret"] == (Secret("second"), Secret(HIDDEN))
    assert accounts.load_all(store, REGISTRY, VAULT) == (account,)
    again = accounts.rotate(store, REGISTRY, VAULT, "main", "webhook_secret", Secret("second"))
    assert again.settings["webhook_secret"] == (Secret("second"), Secret(HIDDEN))


def test_old_secrets_are_dropped_on_demand_with_or_without_a_new_one(store: Store) -> None:
    _connect(store, webhook_secret=["second", HIDDEN])
    account = accounts.rotate(store, REGISTRY, VAULT, "main", "webhook_secret", None, drop_old=True)
    assert account.settings["webhook_secret"] == (Secret("second"),)
    account = accounts.rotate(store, REGISTRY, VAULT, "main", "webhook_secret", Secret("third"), drop_old=True)
    assert account.settings["webhook_secret"] == (Secret("third"),)


def test_a_secret_that_does_not_rotate_is_replaced(store: Store) -> None:
    _connect(store, access_token="token-1")
    account = accounts.rotate(store, REGISTRY, VAULT, "main", "access_token", Secret("token-2"))
    assert account.settings["access_token"] == Secret("token-2")


@pytest.mark.parametrize(
    ("field", "value", "drop_old", "words"),
    [
        ("shop", Secret("x"), False, "shop: is not a secret of Shop, which has webhook_secret, access_token"),
        ("other", Secret("x"), False, "other: is not a secret"),
        ("access_token", None, False, "access_token: no new value was given"),
        ("access_token", None, True, "access_token: is not set"),
        ("access_token", Secret("with space"), False, "access_token: must be plain ASCII"),
    ],
)
def test_a_rotation_that_makes_no_sense_is_refused_and_changes_nothing(
    store: Store, field: str, value: Secret | None, drop_old: bool, words: str
) -> None:
    before = _connect(store)
    with pytest.raises(ConfigurationError, match=words):
        accounts.rotate(store, REGISTRY, VAULT, "main", field, value, drop_old=drop_old)
    assert accounts.load_all(store, REGISTRY, VAULT) == (before,)


def test_changed_settings_leave_the_others_and_the_webhook_address(store: Store) -> None:
    before = _connect(store, rate="3.0")
    after = accounts.change(store, REGISTRY, VAULT, "main", {"shop": "xyz"})
    assert after.settings == {**before.settings, "shop": "xyz"}
    assert after.token == before.token
    with pytest.raises(ConfigurationError, match="shop: must be lower case"):
        accounts.change(store, REGISTRY, VAULT, "main", {"shop": "XYZ"})


def test_an_account_that_cannot_be_loaded_need_not_stop_the_others(store: Store) -> None:
    good = _connect(store, "good")
    with store.write() as tx:
        row = rows.all_(tx)[0]
        rows.add(tx, replace(row, id="x", name="gone", token="x", adapter="removed"))
        rows.add(tx, replace(row, id="y", name="lost", token="y", secrets=_vault().seal({})))
    with pytest.raises(ConfigurationError, match="Account gone: There is no adapter named 'removed'"):
        accounts.load_all(store, REGISTRY, VAULT)
    faults: list[str] = []
    loaded = accounts.load_all(store, REGISTRY, VAULT, on_fault=lambda row, error: faults.append(str(error)))
    assert loaded == (good,)
    assert [words.partition(":")[0] for words in faults] == ["Account gone", "Account lost"]


def test_an_account_that_is_still_needed_is_removed_by_force_alone(store: Store) -> None:
    account = _connect(store)
    with store.write() as tx:
        from sqlalchemy import insert

        from connector.store import schema

        row = {
            "account_id": account.id, "delivery_key": "k", "topic": "", "method": "POST", "headers": {},
            "body": b"", "received_at": now(), "state": "new",
        }  # fmt: skip
        tx.execute(insert(schema.request).values(row))
    with pytest.raises(ConfigurationError, match="0 messages have not left by it and 1 of its webhooks"):
        accounts.remove(store, "main")
    assert accounts.remove(store, "main", force=True).requests == 1
    with pytest.raises(ConfigurationError, match="no account named 'main'; there are: none yet"):
        accounts.remove(store, "main")


def test_a_new_key_seals_every_account_and_the_old_one_can_go(store: Store, tmp_path: Path) -> None:
    vault = Vault.open(tmp_path, {})
    given = {"shop": "abc", "webhook_secret": HIDDEN}
    before = tuple(accounts.connect(store, REGISTRY, vault, "shop", name, given) for name in ("one", "two"))
    vault.rotate()
    sealed = accounts.reseal_all(store, vault)
    vault.retire(sealed)
    assert len((tmp_path / "secret.key").read_text().split()) == 1
    assert accounts.load_all(store, REGISTRY, Vault.open(tmp_path, {})) == before


def test_one_secret_that_cannot_be_opened_leaves_all_as_they_were(store: Store) -> None:
    _connect(store, "one")
    other = _connect(store, "two")
    with store.write() as tx:
        rows.update_settings(tx, other.id, settings={}, secrets=_vault().seal({}), at=now())
        before = rows.all_(tx)
    with pytest.raises(ConfigurationError, match="sealed with a key"):
        accounts.reseal_all(store, VAULT)
    with store.read() as tx:
        assert rows.all_(tx) == before
