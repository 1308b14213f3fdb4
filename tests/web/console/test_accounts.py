"""Accounts in the console: how they stand, their light, secrets, addresses, and their end."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from connector.contract import Adapter, Verified
from connector.flow import accounts, settings
from connector.model import Ignored, Notice, Request, Secret, now
from connector.registry import Registry
from connector.store import marks
from tests.web.conftest import SECRETS, SHOP, SHOP_SECRET, app_signature
from tests.web.console.room import Room

GIVEN: dict[str, dict[str, Any]] = {
    "shopify": {"shop": "my-shop", "webhook_secret": "s3cret-1"},
    "salesforce": {"organization_id": "00D000000000001EAA", "webhook_secret": "s3cret-1"},
    "whatsapp": {
        "phone_number_id": "1", "waba_id": "2", "access_token": "t", "app_secret": "s3cret-1", "verify_token": "v",
    },
    "webhook": {"secret": "s3cret-1"},
}  # fmt: skip
PAGE = "/accounts/main-store"


def entries(room: Room) -> list[Any]:
    return sorted(
        (row for row in room.house.rows("audit") if row.action.startswith("account.")), key=lambda row: row.at
    )


def told(page: str) -> str:
    """Return a page as one line of words."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


# how they stand


def test_accounts_are_told_by_what_they_do(room: Room) -> None:
    page = told(room.client("viewer").get("/accounts").text)
    sources, channels = page.index("that tell what happens"), page.index("that messages leave by")
    assert sources < page.index("main-store") < channels < page.index("hotline")
    assert "SQLite answers" in page


def test_without_accounts_the_page_teaches_what_to_do(room: Room) -> None:
    for name in ("main-store", "hotline"):
        accounts.remove(room.store, name)
    assert "Nothing is connected yet" in room.client("admin").get("/accounts").text
    assert "Connect the first" not in room.client("viewer").get("/accounts").text


def test_a_suspended_account_says_why(room: Room) -> None:
    accounts.suspend(room.store, "main-store", "The token was refused.")
    for path in ("/accounts", PAGE):
        page = room.client("viewer").get(path).text
        assert "The token was refused." in page
        assert "suspended" in page


def test_an_account_whose_settings_cannot_be_loaded_is_still_shown(room: Room) -> None:
    accounts.change(room.store, room.tools.registry, room.tools.vault, "main-store", {"locale": "de"})
    row = accounts.find(room.store, "main-store")
    with room.store.write() as tx:
        from connector.store import accounts as rows

        rows.update_settings(tx, row.id, settings={"shop": SHOP, "gone": 1}, secrets=row.secrets, at=now())
    page = room.client("admin").get(PAGE)
    assert page.status_code == 200
    assert "gone: is not a setting of Shopify" in page.text
    assert "cannot be used" in page.text


def test_no_secret_is_on_any_page(room: Room) -> None:
    client = room.client("owner")
    paths = [
        "/accounts",
        *(f"/accounts/{n}{rest}" for n in ("main-store", "hotline") for rest in ("", "/steps", "/edit")),
    ]
    pages = "".join(client.get(path).text for path in paths)
    assert [secret for secret in SECRETS if secret in pages] == []


def test_the_webhook_address_is_shown_to_those_alone_who_may_change_accounts(room: Room) -> None:
    token = accounts.find(room.store, "main-store").token
    assert token in room.client("admin").get(PAGE).text
    for role in ("editor", "viewer"):
        assert token not in room.client(role).get(PAGE).text


# the light


def light(room: Room) -> str:
    return told(room.client("viewer").get(f"{PAGE}/light").text)


def test_the_light_waits_until_a_valid_message_has_come(room: Room) -> None:
    assert "Waiting for the first message" in light(room)
    assert room.house.post({"id": 1}).status_code == 200
    assert "Received a valid message" in light(room)


def test_the_light_tells_of_a_wrong_signature_until_a_right_one_comes(room: Room) -> None:
    room.house.post({"id": 1}, X_Shopify_Hmac_Sha256="AAAA")
    assert "wrong signature knocked" in light(room)
    assert room.house.rows("request") == []
    room.house.post({"id": 2})
    assert "Received a valid message" in light(room)


def test_a_verified_address_is_told_before_the_first_message(room: Room) -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": "let-me-in-0b7d", "hub.challenge": "42"}
    room.house.knock(room.house.number, method="GET", query_string=query)
    assert "The address was verified" in told(room.client("viewer").get("/accounts/hotline/light").text)
    query["hub.verify_token"] = "another"
    room.house.knock(room.house.number, method="GET", query_string=query)
    assert "another verify token" in told(room.client("viewer").get("/accounts/hotline/light").text)


@pytest.mark.parametrize("name", sorted(GIVEN))
def test_a_test_by_hand_is_signed_as_the_adapter_wants_it(name: str) -> None:
    import base64
    import hmac

    adapter: Adapter = Registry().get(name)
    loaded = settings.load(adapter, GIVEN[name])
    assert adapter.proof is not None
    assert adapter.receiver is not None
    proof = adapter.proof(loaded)
    assert proof is not None
    body = proof.body.encode()
    digest = hmac.digest(b"s3cret-1", body, proof.digest or "sha256")
    text = base64.b64encode(digest).decode() if proof.encoding == "base64" else digest.hex()
    headers = {key.lower(): value for key, value in proof.more.items()} | {"content-type": "application/json"}
    headers[proof.header.lower()] = proof.prefix + text
    receiver = adapter.receiver(loaded)
    request = Request(method="POST", headers=headers, body=body, received_at=now())
    verified: Verified = receiver.verify(request)
    assert all(isinstance(item, Ignored | Notice) for item in receiver.parse(verified)), "it changes nothing"


def test_the_commands_of_a_test_hold_no_secret_and_the_address(room: Room) -> None:
    page = room.client("admin").get(PAGE).text
    assert "X-Shopify-Hmac-Sha256: $DIGEST" in page.replace("&#34;", '"')
    assert SHOP_SECRET not in page
    assert "openssl" not in room.client("viewer").get(PAGE).text


# the doctor


def test_the_doctor_is_sent_by_a_button_and_what_it_found_stays(room: Room) -> None:
    client = room.client("admin")
    answer = room.post(client, f"{PAGE}/check", page=PAGE)
    assert answer.status_code == 303
    page = told(client.get(PAGE).text)
    assert "Fix: Set CONNECTOR_PUBLIC_URL" in page
    assert "wrong:" in page
    assert entries(room)[-1].action == "account.checked"
    assert "needs care" in client.get("/accounts").text


# secrets


def test_a_rotated_secret_is_valid_beside_the_old_one_until_that_is_dropped(room: Room) -> None:
    client = room.client("admin")
    path = f"{PAGE}/secrets/webhook_secret"
    room.post(client, path, page=PAGE, what="new", value=" a-new-secret-77 ")
    assert "and 1 older, still valid" in told(client.get(PAGE).text)
    assert room.house.post({"id": 1}).status_code == 200, "signed with the old one"
    room.post(client, path, page=PAGE, what="drop")
    room.tools.directory.forget()
    assert room.house.post({"id": 2}).status_code == 401
    assert "a-new-secret-77" not in client.get(PAGE).text
    assert [entry.action for entry in entries(room)] == ["account.secret_rotated"] * 2
    assert "a-new-secret-77" not in json.dumps([entry.details for entry in entries(room)])


def test_a_secret_that_is_not_required_can_be_taken_away(room: Room) -> None:
    client = room.client("admin")
    room.post(client, f"{PAGE}/secrets/client_secret", page=PAGE, what="new", value="cs-1")
    room.post(client, f"{PAGE}/secrets/client_secret", page=PAGE, what="clear")
    account = accounts.load(room.tools.registry, room.tools.vault, accounts.find(room.store, "main-store"))
    assert "client_secret" not in account.settings
    room.post(client, f"{PAGE}/secrets/webhook_secret", page=PAGE, what="clear")
    assert "without one of them no webhook can be verified" in client.get(PAGE).text


@pytest.mark.parametrize("form", [{"what": "new", "value": " "}, {"what": "nonsense"}, {"what": "clear"}])
def test_what_makes_no_sense_of_a_secret_changes_nothing(room: Room, form: dict[str, str]) -> None:
    before = accounts.find(room.store, "hotline").updated_at
    room.post(room.client("admin"), "/accounts/hotline/secrets/phone_number_id", page="/accounts/hotline", **form)
    assert accounts.find(room.store, "hotline").updated_at == before
    assert entries(room) == []


def test_the_age_of_a_secret_is_told(room: Room) -> None:
    accounts.rotate(room.store, room.tools.registry, room.tools.vault, "main-store", "webhook_secret", Secret("x1"))
    with room.store.read() as tx:
        at = accounts.secret_times(tx, accounts.find(room.store, "main-store").id)["webhook_secret"]
        assert marks.get(tx, f"secrets:{accounts.find(room.store, 'main-store').id}") is not None
    assert f'datetime="{at.isoformat(timespec="milliseconds").replace("+00:00", "Z")}"' in room.client().get(PAGE).text


# the address


def test_a_new_address_works_beside_the_old_one_until_that_is_ended(room: Room) -> None:
    client, house = room.client("admin"), room.house
    room.post(client, f"{PAGE}/address", page=PAGE)
    row = accounts.find(room.store, "main-store")
    assert row.token != house.shop.token
    assert house.post({"id": 1}).status_code == 200, "at the old address"
    page = client.get(PAGE).text
    assert row.token in page
    assert house.shop.token in page
    room.post(client, f"{PAGE}/address", page=PAGE, what="drop")
    assert house.post({"id": 2}).status_code == 404
    assert row.token in client.get(PAGE).text


def test_an_old_address_ends_by_itself_after_a_week(room: Room) -> None:
    from datetime import timedelta

    from connector.store import addresses

    accounts.renew_address(room.store, "main-store")
    with room.store.read() as tx:
        old = addresses.old(tx, now())[0]
    assert old.until - old.replaced_at == timedelta(days=7)


# pause and end


def test_an_account_is_suspended_with_a_reason_and_used_again(room: Room) -> None:
    client = room.client("admin")
    room.post(client, f"{PAGE}/suspend", page=PAGE, why="holidays")
    row = accounts.find(room.store, "main-store")
    assert (row.active, row.note) == (False, "Suspended by Admin Person: holidays")
    room.post(client, f"{PAGE}/resume", page=PAGE)
    assert accounts.find(room.store, "main-store").active
    assert [entry.action for entry in entries(room)] == ["account.suspended", "account.resumed"]


def test_removing_says_first_what_is_cut_off_and_wants_the_name(room: Room) -> None:
    room.house.post({"id": 1})
    client, path = room.client("admin"), f"{PAGE}/remove"
    assert "1 webhook that has not been read" in told(client.get(path).text)
    assert room.post(client, path, typed="main").status_code == 422
    assert accounts.find(room.store, "main-store").active
    answer = room.post(client, path, typed="main-store")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/accounts")
    assert client.get(PAGE).status_code == 404
    assert room.house.post({"id": 2}).status_code == 404
    assert entries(room)[-1].details == {"messages": 0, "requests": 1}


def test_removing_names_the_mappings_that_depend_on_it(room: Room) -> None:
    client = room.client("admin")
    assert "No mapping in force depends on it" in client.get(f"{PAGE}/remove").text
    room.house.know_templates()
    room.house.publish("order_paid")
    for name in ("main-store", "hotline"):
        page = told(client.get(f"/accounts/{name}/remove").text)
        assert "1 mapping depends on it : order_paid ." in page


@pytest.mark.parametrize(
    "path", ["check", "secrets/webhook_secret", "address", "suspend", "resume", "remove"],
)  # fmt: skip
def test_who_may_not_change_accounts_changes_nothing(room: Room, path: str) -> None:
    client = room.client("editor")
    token = room.csrf(client, "/me")
    assert client.post(f"{PAGE}/{path}", data={"csrf_token": token, "typed": "main-store"}).status_code == 403
    assert entries(room) == []


@pytest.mark.parametrize("path", ["check", "address", "suspend", "resume"])
def test_a_post_without_its_token_is_refused(room: Room, path: str) -> None:
    assert room.client("owner").post(f"{PAGE}/{path}").status_code == 400


def test_fields_are_shown_as_far_as_anybody_knows_them(room: Room) -> None:
    page = told(room.client("viewer").get(f"{PAGE}/fields?object=customer").text)
    assert "As the adapter says" in page
    assert "tags" in page
    assert room.client("viewer").get("/accounts/hotline/fields").status_code == 404


def test_a_message_of_the_channel_lights_its_lamp_too(room: Room) -> None:
    body = b'{"object": "whatsapp_business_account", "entry": []}'
    assert room.house.tell(body).status_code == 200
    assert app_signature(body)
    assert "Received a valid message" in told(room.client("viewer").get("/accounts/hotline/light").text)
