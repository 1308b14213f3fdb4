"""One way into the API: the token, the limit, the hosts, and answers that are none."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.salesforce.client import PAUSE, Client
from adapters.salesforce.tests.calling import BASE, DATA, GRANTED, HTML, TOKEN, Org, described, page
from adapters.salesforce.tests.conftest import Side
from connector.errors import (
    ConfigurationError,
    CredentialsError,
    PermanentError,
    RemoteError,
    Scope,
    TemporaryError,
    UncertainError,
)

EXPIRED = [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
LIMIT = "REQUEST_LIMIT_EXCEEDED"
QUERY = "SELECT Id FROM Contact"


def test_one_login_serves_many_calls_and_many_clients(org: Org, ours: Side) -> None:
    org.login()
    org.on("GET", "query/", (200, page([])))
    for _ in range(3):
        ours.client.query(QUERY)
    assert org.logins() == 1
    assert org.calls("GET", "query/") == [{"q": QUERY}] * 3


def test_calls_carry_the_token_and_our_name_and_ask_for_no_pretty_print(org: Org, ours: Side) -> None:
    org.login()
    org.on("PATCH", "composite/sobjects", (200, []))
    ours.client.rest("PATCH", "composite/sobjects", {"records": []})
    sent = org.headers[-1]
    assert sent["Authorization"] == f"Bearer {TOKEN}"
    assert sent["Sforce-Call-Options"] == "client=whatsapp-connector"
    assert (sent["Sforce-Auto-Assign"], sent["Sforce-Duplicate-Rule-Header"]) == ("FALSE", "allowSave=true")
    assert "X-PrettyPrint" not in sent


def test_an_expired_session_is_renewed_once_and_nobody_notices(org: Org, ours: Side) -> None:
    org.login((200, {**GRANTED, "access_token": "old"}), (200, GRANTED))
    org.on("GET", "query/", (200, page([])), (401, EXPIRED), (200, page([{"Id": "x"}])))
    ours.client.query(QUERY)
    assert len(ours.client.query(QUERY)["records"]) == 1  # type: ignore[arg-type]
    assert org.logins() == 2
    assert [grant.access_token.reveal() for grant in ours.tokens.rejected] == ["old"]


@pytest.mark.parametrize("body", [EXPIRED, HTML, "", {"error": "x"}, [{"errorCode": "INVALID_AUTH_HEADER"}]])
def test_a_storm_of_401_costs_two_calls_and_one_login(org: Org, ours: Side, body: Any) -> None:
    org.login()
    org.on("GET", "query/", (200, page([])), (401, body))
    ours.client.query(QUERY)
    with pytest.raises(CredentialsError) as caught:
        ours.client.query(QUERY)
    assert len(org.calls("GET", "query/")) == 1 + 2
    assert org.logins() == 1 + 1
    assert ours.tokens.grant is None
    assert "check the account" in caught.value.advice


def test_a_token_that_is_refused_at_once_is_not_asked_for_again(org: Org, ours: Side) -> None:
    org.login()
    org.on("GET", "query/", (401, EXPIRED))
    with pytest.raises(CredentialsError):
        ours.client.query(QUERY)
    assert (org.logins(), len(org.calls("GET", "query/"))) == (1, 1)


def test_what_is_used_is_told_as_our_share_of_what_there_is(org: Org, ours: Side) -> None:
    org.login()
    org.on("GET", "query/", (200, page([])))
    ours.client.query(QUERY)
    assert ours.budget.told == [{"left": 11_982.0, "most": 12_000.0, "per_second": pytest.approx(15_000 / 86_400)}]


def test_what_can_wait_waits_where_our_share_is_used_up(org: Org, ours: Side) -> None:
    org.login()
    org.on("GET", "query/", (200, page([])))
    ours.budget.wait = 6.0
    with pytest.raises(TemporaryError) as caught:
        ours.client.query(QUERY)
    assert (caught.value.code, caught.value.scope) == ("REQUEST_LIMIT_EXCEEDED", Scope.ACCOUNT)
    assert caught.value.retry_after == PAUSE
    assert org.asked == []
    assert Client(ours.settings, ours.kit, urgent=True).query(QUERY)["records"] == []


@pytest.mark.parametrize("body", [HTML, "", "null", "7", '"text"', "{}", '{"records": 7}', '[{"Id": "1"}]'])
def test_a_success_that_is_no_answer_is_tried_again_later(org: Org, ours: Side, body: str) -> None:
    org.login()
    org.on("GET", "query/", (200, body))
    with pytest.raises(TemporaryError, match="something else") as caught:
        ours.client.query(QUERY)
    assert caught.value.scope is Scope.ACCOUNT


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (400, [{"message": "unexpected token", "errorCode": "MALFORMED_QUERY"}], PermanentError, "MALFORMED_QUERY"),
        (400, {"message": "Json Deserialization", "errorCode": "INVALID_FIELD"}, PermanentError, "INVALID_FIELD"),
        (300, ["/services/data/a", "/services/data/b"], PermanentError, "DUPLICATE_EXTERNAL_ID"),
        (403, [{"message": "x", "errorCode": LIMIT}], TemporaryError, LIMIT),
        (403, [{"message": "no API", "errorCode": "API_DISABLED_FOR_ORG"}], CredentialsError, "API_DISABLED_FOR_ORG"),
        (404, [{"message": "no such", "errorCode": "NOT_FOUND"}], PermanentError, "NOT_FOUND"),
        (404, HTML, TemporaryError, ""),
        (302, HTML, TemporaryError, ""),
        (500, [{"message": "oops", "errorCode": "UNKNOWN_EXCEPTION"}], TemporaryError, "UNKNOWN_EXCEPTION"),
        (500, [{"message": "oops", "errorCode": "SOMETHING_NEW"}], TemporaryError, "SOMETHING_NEW"),
        (503, HTML, UncertainError, ""),
        (429, {}, TemporaryError, ""),
    ],
)  # fmt: skip
def test_each_refusal_of_a_call_becomes_what_is_to_be_done(
    org: Org, ours: Side, status: int, body: Any, kind: type[RemoteError], code: str
) -> None:
    org.login()
    org.on("GET", "query/", (status, body))
    with pytest.raises(RemoteError) as caught:
        ours.client.query(QUERY)
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.status) == (code, status)
    assert caught.value.__cause__ is None
    assert TOKEN not in str(caught.value)
    assert BASE not in str(caught.value)
    assert org.logins() == len(org.calls("GET", "query/")) == 1


def test_a_token_kept_for_another_host_is_not_sent_there(org: Org, ours: Side) -> None:
    org.login()
    org.on("GET", "query/", (200, page([])))
    ours.client.query(QUERY)
    assert ours.tokens.grant is not None
    ours.tokens.grant.details["instance_url"] = "https://evil.example"
    with pytest.raises(ConfigurationError, match=r"evil\.example is not among the hosts"):
        ours.client.query(QUERY)


@pytest.mark.parametrize("name", ["//evil.example/x", "../../x", "Contact?x=1", "Contact/describe", "", "x" * 81, "é"])
def test_a_name_that_would_leave_the_path_is_no_object(org: Org, ours: Side, name: str) -> None:
    with pytest.raises(PermanentError, match="not the API name"):
        ours.client.describe(name)
    assert org.asked == []


def test_an_object_is_described_once(org: Org, ours: Side) -> None:
    org.login()
    org.on("GET", "sobjects/Contact/describe", (200, described(Id="id")))
    client = ours.client
    assert client.describe("Contact") is client.describe("Contact")
    assert len(org.calls("GET", "sobjects/Contact/describe")) == 1


def test_files_go_up_and_come_down_as_they_are(org: Org, ours: Side) -> None:
    org.login()
    org.on("PUT", "jobs/ingest/750000000000001/batches", (201, ""))
    org.on("GET", "jobs/ingest/750000000000001/failedResults", (200, '"sf__Id"\n"é"\n'))
    ours.client.upload("jobs/ingest/750000000000001/batches", b"Id\nx\n")
    assert org.headers[-1]["Content-Type"] == "text/csv; charset=UTF-8"
    assert org.calls("PUT") == ["Id\nx\n"]
    assert ours.client.download("jobs/ingest/750000000000001/failedResults") == '"sf__Id"\n"é"\n'


@pytest.mark.parametrize(
    "answer", [(200, HTML), (503, HTML), (400, [{"errorCode": "INVALIDJOBSTATE", "message": "x"}])]
)
def test_a_page_in_place_of_a_file_is_an_error(org: Org, ours: Side, answer: tuple[int, Any]) -> None:
    org.login()
    org.on("GET", "jobs/ingest/750000000000001/failedResults", answer)
    with pytest.raises(RemoteError):
        ours.client.download("jobs/ingest/750000000000001/failedResults")


def test_the_address_of_the_versions_is_above_that_of_the_data(org: Org, ours: Side) -> None:
    org.login()
    org.on("GET", DATA.rpartition("/")[0], (200, [{"version": "64.0"}]))
    assert ours.client.versions() == [{"version": "64.0"}]
