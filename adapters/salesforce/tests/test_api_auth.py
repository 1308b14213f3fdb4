"""Tokens: how they are asked for, and every way in which they are not given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from adapters.salesforce.auth import ADVICE, BUSY_SECONDS, LIFETIME, audience, has_access, renew
from adapters.salesforce.tests.calling import BASE, GRANTED, HTML, LOGIN, SECRET, TOKEN, Org, a_kit, load
from connector.contract import Grant
from connector.errors import CredentialsError, TemporaryError

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
USER = "connector@acme.example"


def ask(**settings: Any) -> Grant:
    loaded = load(**settings)
    return renew(loaded, a_kit(loaded).http)


def pem(key: Any) -> str:
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def test_client_credentials_give_a_token_for_a_quarter_of_an_hour(org: Org) -> None:
    org.login()
    with time_machine.travel(AT, tick=False):
        grant = ask()
    assert grant.access_token.reveal() == TOKEN
    assert grant.details == {"instance_url": BASE}
    assert grant.expires_at == AT + LIFETIME == AT + timedelta(minutes=15)
    assert org.calls("POST", LOGIN) == [
        {"grant_type": "client_credentials", "client_id": "3MVG9consumer.key", "client_secret": SECRET}
    ]


def test_a_key_signs_for_its_user_towards_the_login_server(org: Org) -> None:
    key = rsa.generate_private_key(65537, 2048)
    org.login()
    with time_machine.travel(AT, tick=False):
        ask(client_secret=None, username=USER, private_key=pem(key))
        sent = org.calls("POST", LOGIN)[0]
        assert sent["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        claims = jwt.decode(
            sent["assertion"], key.public_key(), algorithms=["RS256"], audience="https://login.salesforce.com"
        )
    assert (claims["iss"], claims["sub"]) == ("3MVG9consumer.key", USER)
    assert 0 < claims["exp"] - AT.timestamp() <= 180


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("https://acme.my.salesforce.com", "login"),
        ("https://acme--uat.sandbox.my.salesforce.com", "test"),
        ("https://acme--uat.my.salesforce.com", "test"),
        ("http://127.0.0.1:9400", "login"),
    ],
)
def test_sandboxes_are_signed_for_towards_the_test_server(url: str, server: str) -> None:
    assert audience(url) == f"https://{server}.salesforce.com"


def test_a_key_that_salesforce_does_not_take_is_told_before_the_call() -> None:
    key = pem(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(CredentialsError, match="cannot sign") as caught:
        ask(client_secret=None, username=USER, private_key=key)
    assert "RSA" in caught.value.advice
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("code", ["invalid_client_id", "invalid_client", "invalid_grant", "unsupported_grant_type"])
def test_a_refused_login_is_the_accounts_fault_with_advice_of_its_own(org: Org, code: str) -> None:
    org.login((400, {"error": code, "error_description": "authentication failure"}))
    with pytest.raises(CredentialsError) as caught:
        ask()
    assert caught.value.code == code
    assert caught.value.advice == ADVICE[code]
    assert SECRET not in str(caught.value)


def test_an_unknown_refusal_still_says_what_to_check(org: Org) -> None:
    org.login((400, {"error": "something_new"}))
    with pytest.raises(CredentialsError) as caught:
        ask()
    assert "client_id" in caught.value.advice


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {"error": "server_error"}),
        (503, HTML),
        (429, {}),
        (400, {"error": "rate_limit_exceeded"}),
        (400, {"error": "unknown_error", "error_description": "retry your request"}),
    ],
)
def test_a_busy_login_server_is_asked_again(org: Org, status: int, body: Any) -> None:
    org.login((status, body))
    with pytest.raises(TemporaryError) as caught:
        ask()
    assert caught.value.retry_after == BUSY_SECONDS


@pytest.mark.parametrize(
    "body",
    [
        HTML,
        {},
        [],
        "",
        {"instance_url": BASE},
        {**GRANTED, "access_token": ""},
        {**GRANTED, "access_token": {"nested": True}},
        {**GRANTED, "access_token": "two words"},
        {**GRANTED, "access_token": "line\nbreak"},
        {**GRANTED, "access_token": None},
    ],
)
def test_an_answer_without_a_token_is_the_accounts_fault(org: Org, body: Any) -> None:
    org.login((200, body))
    with pytest.raises(CredentialsError) as caught:
        ask()
    assert caught.value.advice


@pytest.mark.parametrize(
    "url",
    [
        "", None, "https://evil.example", "http://acme.my.salesforce.com", "https://acme.my.salesforce.com:8443",
        "https://acme.my.salesforce.com.evil.example", "https://acme.my.salesforce.com@evil.example", "//evil.example",
        "https://[::1", "javascript:alert(1)", 7, "https://evil.example/#acme.my.salesforce.com",
    ],
)  # fmt: skip
def test_the_token_goes_to_no_other_host_than_the_accounts(org: Org, url: Any) -> None:
    org.login((200, {**GRANTED, "instance_url": url}))
    with pytest.raises(CredentialsError, match="not this account's host") as caught:
        ask()
    assert TOKEN not in str(caught.value)


def test_access_needs_an_app_and_a_way_to_prove_it() -> None:
    assert has_access(load())
    assert not has_access(load(client_secret=None))
    assert not has_access(load(client_id=None, client_secret=None, my_domain=None))
