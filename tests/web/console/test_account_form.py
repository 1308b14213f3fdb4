"""The form of an account is drawn from its adapter's schema, and tells every fault beside its field."""

from __future__ import annotations

from typing import Any

import pytest

from connector.contract import Adapter
from connector.flow import accounts
from connector.flow.settings import settings_of
from connector.model import Secret, now
from connector.registry import Registry
from connector.store import accounts as rows
from connector.web.console import account_form
from tests.web.console.room import Room

SECRET = "shop-secret-of-mine-1234"
ADAPTERS = [Registry().get(name) for name in Registry().names()]


@pytest.fixture
def shopify() -> Adapter:
    return Registry().get("shopify")


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.name)
def test_every_setting_of_every_adapter_has_a_field_with_a_label(room: Room, adapter: Adapter) -> None:
    page = room.client("admin").get(f"/accounts/add/{adapter.name}").text
    for setting in settings_of(adapter):
        assert f'for="field-{setting.name}"' in page
        assert f'id="field-{setting.name}"' in page


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.name)
def test_an_untouched_form_stores_nothing_but_what_is_asked_for(adapter: Adapter) -> None:
    typed = {each.setting.name: each.value for each in account_form.inputs(adapter)}
    assert account_form.read(adapter, typed).given == {}


def test_what_was_typed_is_read_as_the_schema_takes_it() -> None:
    adapter = Registry().get("salesforce")
    typed = {
        "organization_id": " 00D000000000001EAA ", "actions": '{"04k5g000000TyUi": "case.closed"}',
        "objects": "Contact, Case", "feed_minutes": "30", "client_secret": " s3cret ", "country": "GB",
        "api_version": "64.0",
    }  # fmt: skip
    told = account_form.read(adapter, typed)
    assert told.given == {
        "organization_id": "00D000000000001EAA", "actions": {"04k5g000000TyUi": "case.closed"},
        "objects": "Contact, Case", "feed_minutes": 30, "client_secret": Secret("s3cret"), "country": "GB",
    }  # fmt: skip
    assert {"api_version", "locale", "private_key"} <= set(told.cleared)
    assert "s3cret" not in repr(told)


def test_connecting_leads_to_the_steps_at_the_vendor(room: Room) -> None:
    client = room.client("admin")
    given = {"account_name": "eu-store", "shop": "fernhill-eu", "webhook_secret": SECRET, "keep_subscriptions": "true"}
    answer = room.post(client, "/accounts/add/shopify", **given)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/accounts/eu-store/steps")
    row = accounts.find(room.store, "eu-store")
    assert row.settings == {"shop": "fernhill-eu.myshopify.com"}, "what is as usual is not stored"
    page = client.get("/accounts/eu-store/steps").text
    assert f"/hooks/{row.token}" in page
    assert "orders/paid" in page
    assert SECRET not in page


def test_faults_stand_beside_their_fields_and_what_was_typed_stays_but_secrets(room: Room) -> None:
    given = {
        "account_name": "no good name",
        "shop": "https://my-shop.example",
        "locale": "english!",
        "client_secret": SECRET,
    }
    answer = room.post(room.client("admin"), "/accounts/add/shopify", **given)
    assert answer.status_code == 422
    page = answer.text
    assert 'value="https://my-shop.example"' in page
    assert 'id="fault-shop"' in page
    assert 'id="fault-locale">Must be a language' in page
    assert 'id="name-fault">Must be 1 to 63 letters' in page
    assert 'aria-invalid="true"' in page
    assert SECRET not in page
    assert "Secrets have to be typed again" in page


def test_a_fault_of_the_whole_stands_beside_the_field_that_it_names(room: Room) -> None:
    answer = room.post(room.client("admin"), "/accounts/add/shopify", account_name="eu", shop="my-shop")
    assert 'id="fault-webhook_secret">Set Webhook secret or Client secret' in answer.text


def test_a_name_that_pages_need_is_refused(room: Room) -> None:
    given = {"account_name": "add", "shop": "my-shop", "webhook_secret": SECRET}
    answer = room.post(room.client("admin"), "/accounts/add/shopify", **given)
    assert answer.status_code == 422
    assert "means something else" in answer.text


def test_settings_are_changed_and_taken_back_without_touching_secrets(room: Room) -> None:
    client = room.client("admin")
    path = "/accounts/main-store/edit"
    page = client.get(path).text
    assert 'value="fernhill-tea.myshopify.com"' in page
    assert 'id="field-webhook_secret"' not in page
    shop = "fernhill-tea.myshopify.com"
    answer = room.post(client, path, shop=shop, locale="de", keep_subscriptions="false")
    assert answer.status_code == 303
    row = accounts.find(room.store, "main-store")
    assert row.settings == {"shop": shop, "locale": "de", "keep_subscriptions": False}, "the country was taken away"
    assert accounts.load(room.tools.registry, room.tools.vault, row).settings["webhook_secret"]
    room.post(client, path, shop=shop, keep_subscriptions="true")
    assert accounts.find(room.store, "main-store").settings == {"shop": shop}


def test_a_change_is_entered_in_the_audit_log_without_values(room: Room) -> None:
    given = {"shop": "fernhill-tea.myshopify.com", "locale": "de", "country": "GB", "keep_subscriptions": "true"}
    room.post(room.client("admin"), "/accounts/main-store/edit", **given)
    entry = entries(room)[-1]
    assert (entry.action, entry.object, entry.details) == ("account.changed", "main-store", {"fields": ["locale"]})


def test_storing_what_was_there_changes_nothing(room: Room) -> None:
    before = accounts.find(room.store, "main-store").settings
    given = {"shop": "fernhill-tea.myshopify.com", "country": "GB", "keep_subscriptions": "true"}
    room.post(room.client("admin"), "/accounts/main-store/edit", **given)
    assert accounts.find(room.store, "main-store").settings == before
    assert "account.changed" not in {entry.action for entry in entries(room)}


@pytest.mark.parametrize("path", ["/accounts/add", "/accounts/add/shopify", "/accounts/main-store/edit"])
@pytest.mark.parametrize("role", ["editor", "viewer"])
def test_who_may_not_change_accounts_gets_no_form(room: Room, path: str, role: str) -> None:
    assert room.client(role).get(path).status_code == 403


@pytest.mark.parametrize("path", ["/accounts/add/nothing", "/accounts/nobody/edit", "/accounts/nobody"])
def test_what_is_not_there_is_told_as_such(room: Room, path: str) -> None:
    assert room.client("admin").get(path).status_code == 404


def test_all_secrets_are_entered_at_once_where_they_were_lost_with_the_key(room: Room) -> None:
    client, path = room.client("admin"), "/accounts/hotline/edit"
    assert 'name="access_token"' not in client.get(path).text, "secrets have places of their own"
    row = accounts.find(room.store, "hotline")
    with room.store.write() as tx:
        rows.update_settings(tx, row.id, settings=row.settings, secrets=room.tools.vault.seal({}), at=now())
    form = {field: str(value) for field, value in row.settings.items()} | {"access_token": "token-a"}
    refused = room.post(client, path, **form)
    assert refused.status_code == 422
    assert 'id="fault-app_secret"' in refused.text
    done = room.post(client, path, **form, app_secret="secret-b", verify_token="word-c")
    assert done.status_code == 303
    loaded = accounts.load(room.tools.registry, room.tools.vault, accounts.find(room.store, "hotline"))
    assert loaded.settings["access_token"].reveal() == "token-a"


def test_settings_whose_secrets_no_key_opens_are_refused_in_words(room: Room) -> None:
    row = accounts.find(room.store, "hotline")
    with room.store.write() as tx:
        rows.update_settings(tx, row.id, settings=row.settings, secrets="sealed by another key", at=now())
    refused = room.post(room.client("admin"), "/accounts/hotline/edit", phone_number_id="1", waba_id="2")
    assert refused.status_code == 422
    assert "connector keys reset" in refused.text


def entries(room: Room) -> list[Any]:
    return [
        row for row in sorted(room.house.rows("audit"), key=lambda row: row.at) if row.action.startswith("account.")
    ]
