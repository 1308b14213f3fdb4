"""What Shopify's answers mean, and how a token is got and renewed."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import requests

from adapters.shopify.operations import SHOP
from adapters.shopify.tests.api import API, APP, GRANT, Shopify
from connector.contract import Grant
from connector.errors import (
    CredentialsError,
    PermanentError,
    RemoteError,
    Scope,
    TemporaryError,
    UncertainError,
)
from connector.model import Secret, now

GOOD = {"data": {"shop": {"name": "Fernhill Tea"}}}
WHOLE: dict[str, Any] = {"access_token": None}
"""Settings that go by the app's id and secret."""


def coded(code: str, **more: Any) -> dict[str, Any]:
    return {"errors": [{"message": "No.", "extensions": {"code": code, **more.pop("extensions", {})}}], **more}


def cost(*, asked: float, left: float, most: float = 2000, rate: float = 100) -> dict[str, Any]:
    status = {"maximumAvailable": most, "currentlyAvailable": left, "restoreRate": rate}
    return {"extensions": {"cost": {"requestedQueryCost": asked, "actualQueryCost": 2, "throttleStatus": status}}}


def fault(api: Shopify, **settings: Any) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        api.gateway(**settings).ask(SHOP)
    for secret in ("shpat_0123", "app-secret", "refresh-1"):
        assert secret not in repr(caught.value) + str(vars(caught.value))
    return caught.value


def test_an_answer_is_told_and_what_is_left_is_remembered(api: Shopify) -> None:
    api.answers({**GOOD, **cost(asked=5, left=1900.5)})
    assert api.gateway().ask(SHOP).data == GOOD["data"]
    assert api.purse.told == {"left": 1900.5, "most": 2000, "per_second": 100}
    assert api.purse.taken == [SHOP.cost]
    sent = json.loads(api.mock.calls[0].request.body or b"")
    assert sent == {"query": SHOP.text, "variables": {}, "operationName": "Shop"}


def test_a_budget_that_is_used_up_is_a_wait_and_no_request(api: Shopify) -> None:
    api.purse.wait = 7.5
    found = fault(api)
    assert isinstance(found, TemporaryError)
    assert (found.retry_after, found.scope, found.code) == (7.5, Scope.ACCOUNT, "THROTTLED")
    assert not api.mock.calls


def test_throttled_for_ever_is_one_request_each_time_and_a_wait_that_fits_the_cost(api: Shopify) -> None:
    api.answers({**coded("THROTTLED"), **cost(asked=700, left=200)})
    for tries in (1, 2, 3):
        found = fault(api)
        assert isinstance(found, TemporaryError)
        assert found.retry_after == pytest.approx(5.5)
        assert found.scope is Scope.ACCOUNT
        assert len(api.mock.calls) == tries
    assert api.purse.told["left"] == 200


@pytest.mark.parametrize("told", [{}, {"extensions": {"cost": {"requestedQueryCost": "x", "throttleStatus": []}}}])
def test_throttled_without_numbers_is_a_short_wait(api: Shopify, told: dict[str, Any]) -> None:
    api.answers({**coded("THROTTLED"), **told} if told else coded("THROTTLED"))
    found = fault(api)
    assert isinstance(found, TemporaryError)
    assert 0 < (found.retry_after or 0) < 10


def test_what_costs_more_than_the_whole_bucket_is_not_waited_for(api: Shopify) -> None:
    api.answers({**coded("THROTTLED"), **cost(asked=3000, left=2000)})
    assert isinstance(fault(api), PermanentError)


@pytest.mark.parametrize(("header", "wait"), [("2.0", 2.5), ("17", 17.5), ("tomorrow", 30), ("9" * 12, 3600)])
def test_retry_after_is_kept_to_within_reason(api: Shopify, header: str, wait: float) -> None:
    api.mock.post(API, status=429, body="", headers={"Retry-After": header})
    found = fault(api)
    assert isinstance(found, TemporaryError)
    assert found.retry_after == wait


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (500, "<html>", TemporaryError),
        (503, "", TemporaryError),
        (402, '{"errors": "Payment Required"}', CredentialsError),
        (403, "{}", CredentialsError),
        (404, '{"errors": "Not Found"}', CredentialsError),
        (423, "{}", CredentialsError),
        (301, "", CredentialsError),
        (400, "bad", PermanentError),
        (200, "<html><body>Sign in</body></html>", UncertainError),
        (200, "", UncertainError),
        (200, "[]", UncertainError),
        (200, '{"data": null}', UncertainError),
        (200, '{"errors": {}}', UncertainError),
        (200, '{"errors": "[API] Unavailable"}', PermanentError),
        (200, json.dumps(coded("INTERNAL_SERVER_ERROR")), TemporaryError),
        (200, json.dumps(coded("MAX_COST_EXCEEDED")), PermanentError),
        (200, json.dumps(coded("SHOP_INACTIVE")), CredentialsError),
        (200, json.dumps(coded("undefinedField")), PermanentError),
        (200, '{"errors": [null]}', PermanentError),
    ],
)
def test_each_answer_has_its_meaning(api: Shopify, status: int, body: str, kind: type[RemoteError]) -> None:
    api.answers(body, status=status)
    found = fault(api)
    assert type(found) is kind
    if isinstance(found, CredentialsError):
        assert found.advice


def test_denied_access_names_the_missing_scope(api: Shopify) -> None:
    api.answers(coded("ACCESS_DENIED", extensions={"requiredAccess": "`write_customers` access scope."}))
    found = fault(api)
    assert isinstance(found, PermanentError)
    assert "write_customers" in found.advice


def test_denied_customer_data_names_the_page_where_it_is_asked_for(api: Shopify) -> None:
    message = "This app is not approved to access the Customer object. See protected-customer-data."
    api.answers({"errors": [{"message": message, "extensions": {"code": "ACCESS_DENIED"}}]})
    assert "protected customer data" in fault(api).advice


def test_words_of_shopify_are_shown_without_numbers_and_addresses(api: Shopify) -> None:
    message = "Phone +44 7400 123456 of ann@example.com\nis taken"
    api.answers({"errors": [{"message": message, "extensions": {"code": "x"}}]})
    assert "Phone … of … is taken" in str(fault(api))


def test_a_fault_of_one_root_field_leaves_the_others(api: Shopify) -> None:
    error = {"message": "Boom", "path": ["b"], "extensions": {"code": "INTERNAL_SERVER_ERROR"}}
    api.answers({"data": {"a": {"id": "1"}, "b": None}, "errors": [error]})
    told = api.gateway().ask(SHOP)
    assert told.whole("a") == {"id": "1"}
    with pytest.raises(TemporaryError):
        told.whole("b")


def test_no_answer_after_sending_is_uncertain(api: Shopify) -> None:
    api.mock.post(API, body=requests.exceptions.ReadTimeout())
    assert isinstance(fault(api), UncertainError)


# tokens


def test_a_pasted_token_that_is_refused_asks_once(api: Shopify) -> None:
    api.answers("{}", status=401)
    found = fault(api)
    assert isinstance(found, CredentialsError)
    assert "Install the app" in found.advice
    assert len(api.mock.calls) == 1


def test_a_refused_token_is_renewed_once_and_then_used(api: Shopify) -> None:
    tokens = iter(["first", "second"])
    api.mock.add_callback("POST", GRANT, lambda _: (200, {}, json.dumps({"access_token": next(tokens)})))
    used = []

    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        used.append(request.headers["X-Shopify-Access-Token"])
        return (401, {}, "{}") if used[-1] == "first" else (200, {}, json.dumps(GOOD))

    api.mock.add_callback("POST", API, answer)
    gateway = api.gateway(**APP, **WHOLE)
    assert gateway.ask(SHOP).data == GOOD["data"]
    assert gateway.ask(SHOP).data == GOOD["data"]
    assert used == ["first", "second", "second"]


def test_a_storm_of_401_is_two_requests_and_one_renewal(api: Shopify) -> None:
    tokens = iter(["first", "second", "third"])
    api.mock.add_callback("POST", GRANT, lambda _: (200, {}, json.dumps({"access_token": next(tokens)})))
    api.answers("{}", status=401)
    assert isinstance(fault(api, **APP, **WHOLE), CredentialsError)
    assert [call.request.url for call in api.mock.calls] == [GRANT, API, GRANT, API]


def test_client_credentials_end_when_shopify_says(api: Shopify) -> None:
    api.mock.post(GRANT, json={"access_token": "t", "scope": "write_orders", "expires_in": 86399})
    api.answers(GOOD)
    before = now()
    api.gateway(**APP, **WHOLE).ask(SHOP)
    grant = api.tokens.current(lambda last: pytest.fail("there is a token"))
    assert grant.expires_at is not None
    assert timedelta(hours=23) < grant.expires_at - before < timedelta(hours=25)
    assert grant.details == {"scope": "write_orders"}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, "{}", CredentialsError),
        (200, '{"access_token": ""}', CredentialsError),
        (200, '{"access_token": "a\\nb"}', CredentialsError),
        (200, '{"access_token": 5, "expires_in": 1}', CredentialsError),
        (200, "<html>", TemporaryError),
        (200, "[1]", TemporaryError),
        (400, '{"error": "shop_not_permitted"}', CredentialsError),
        (400, "<html>", CredentialsError),
        (404, "", CredentialsError),
        (302, "", CredentialsError),
        (429, "", TemporaryError),
        (502, "<html>", TemporaryError),
    ],
)
def test_a_login_without_a_token_says_why(api: Shopify, status: int, body: str, kind: type[RemoteError]) -> None:
    api.mock.post(GRANT, status=status, body=body)
    found = fault(api, **APP, **WHOLE)
    assert type(found) is kind
    assert str(found)
    if kind is CredentialsError:
        assert found.advice
    if "shop_not_permitted" in body:
        assert found.code == "shop_not_permitted"


@pytest.mark.parametrize("life", [0, -1, True, "soon", 10**30, None, 1.5])
def test_a_nonsensical_lifetime_means_until_it_is_refused(api: Shopify, life: Any) -> None:
    api.mock.post(GRANT, json={"access_token": "t", "expires_in": life})
    api.answers(GOOD)
    api.gateway(**APP, **WHOLE).ask(SHOP)
    assert api.tokens.current(lambda last: pytest.fail("there is a token")).expires_at is None


def authorized(refresh: str | None = "refresh-1") -> Grant:
    return Grant(
        access_token=Secret(""),
        refresh_token=Secret(refresh) if refresh else None,
        details={"by": "authorization_code", "scope": "write_orders"},
    )


class Ended:
    """Tokens whose access token has ended."""

    def __init__(self, last: Grant) -> None:
        self.grant = last

    def current(self, renew: Any) -> Grant:
        if not self.grant.access_token:
            self.grant = renew(self.grant)
        return self.grant

    def reject(self, grant: Grant) -> None:
        self.grant = authorized()

    def keep(self, grant: Grant) -> None:
        self.grant = grant


def test_an_authorization_is_renewed_by_its_refresh_token_and_the_pair_replaced(api: Shopify) -> None:
    tokens = Ended(authorized())
    api.tokens = tokens  # type: ignore[assignment]
    api.mock.post(GRANT, json={"access_token": "t2", "refresh_token": "refresh-2", "expires_in": 3600})
    api.answers(GOOD)
    api.gateway(**APP, **WHOLE).ask(SHOP)
    sent = json.loads(api.mock.calls[0].request.body or b"")
    assert sent == {
        "client_id": "app-id",
        "client_secret": "app-secret",
        "grant_type": "refresh_token",
        "refresh_token": "refresh-1",
    }
    assert tokens.grant.refresh_token == Secret("refresh-2")
    assert tokens.grant.access_token == Secret("t2")
    assert tokens.grant.details["by"] == "authorization_code"


def test_an_authorization_that_was_taken_back_is_not_replaced_by_client_credentials(api: Shopify) -> None:
    api.tokens = Ended(authorized(None))  # type: ignore[assignment]
    found = fault(api, **APP, **WHOLE)
    assert isinstance(found, CredentialsError)
    assert "authorize" in found.advice
    assert not api.mock.calls
