"""The connection doctor, against a stand-in for Salesforce's API."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.salesforce.check import FIELDS, STATES, check
from adapters.salesforce.tests.calling import DATA, HTML, Org, a_kit, described, load, page
from adapters.salesforce.tests.posting import ORGANIZATION
from connector.contract import Finding, Visit
from connector.http import Http

VERSIONS = DATA.rpartition("/")[0]
OURS = dict(FIELDS)


def serve(
    org: Org,
    *,
    organization: str = ORGANIZATION[:15],
    used: int = 100,
    versions: tuple[str, ...] = ("63.0", "64.0", "66.0"),
    states: tuple[str, ...] = STATES,
    **fields: str,
) -> None:
    """Answer as a healthy organisation does, but for what is given."""
    org.login()
    org.on("GET", VERSIONS, (200, [{"version": version, "label": "x"} for version in versions]))
    org.on("GET", "query/", (200, page([{"Id": organization, "Name": "Acme"}])))
    org.on("GET", "limits", (200, {"DailyApiRequests": {"Max": 15_000, "Remaining": 15_000 - used}}))
    told = described(Id="id read only", **(fields or OURS))
    for field in told["fields"]:
        if field["name"] == "WhatsApp_Status__c":
            field["picklistValues"] = [{"value": state, "active": True} for state in states]
    for name in ("Contact", "Lead"):
        org.on("GET", f"sobjects/{name}/describe", (200, told))


def visit(*, stored: bool = True, **settings: Any) -> dict[str, Finding]:
    loaded = load(**settings)
    kit = a_kit(loaded)
    return {
        finding.name: finding
        for finding in check(Visit(loaded, kit.http, "https://connect.example.org/hooks/x", kit if stored else None))
    }


@pytest.mark.parametrize("stored", [True, False])
def test_a_healthy_account_has_nothing_to_fix(org: Org, stored: bool) -> None:
    serve(org)
    found = visit(stored=stored)
    assert list(found) == [
        "token", "API version", "organisation", "API calls", "Contact fields", "Contact rights", "Lead fields",
        "Lead rights",
    ]  # fmt: skip
    assert {finding.ok for finding in found.values()} == {True}
    assert org.logins() == 1


def test_an_account_without_access_is_told_what_it_would_take() -> None:
    loaded = load(client_secret=None)
    (finding,) = check(Visit(loaded, Http(()), "https://connect.example.org/hooks/x"))
    assert (finding.name, finding.ok) == ("token", None)
    assert "client_id" in finding.fix


def test_a_refused_login_is_told_with_its_fix(org: Org) -> None:
    org.login((400, {"error": "invalid_client", "error_description": "invalid client credentials"}))
    found = visit()
    assert found["token"].ok is False
    assert "client_secret" in found["token"].fix
    assert list(found) == ["token"]


def test_another_organisation_is_told(org: Org) -> None:
    serve(org, organization="00D000000000001")
    finding = visit()["organisation"]
    assert finding.ok is False
    assert "organization_id" in finding.fix


def test_a_version_that_is_gone_is_told_with_one_that_is_there(org: Org) -> None:
    serve(org, versions=("65.0", "66.0"))
    finding = visit()["API version"]
    assert finding.ok is False
    assert finding.fix == "Set api_version to 66.0."


def test_calls_that_are_nearly_used_up_are_told(org: Org) -> None:
    serve(org, used=12_000)
    finding = visit()["API calls"]
    assert finding.ok is False
    assert "12,000 of 15,000" in finding.words


def test_missing_fields_are_named_with_the_way_to_deploy_them(org: Org) -> None:
    serve(org, WhatsApp_Status__c="picklist", WhatsApp_Id__c="string")
    finding = visit()["Contact fields"]
    assert finding.ok is False
    assert "WhatsApp_Labels__c" in finding.words
    assert "WhatsApp_Status__c" not in finding.words
    assert "docs/connect-salesforce.md" in finding.fix


def test_fields_that_may_not_be_edited_are_named(org: Org) -> None:
    serve(org, **(OURS | {"WhatsApp_Labels__c": "multipicklist read only"}))
    finding = visit()["Lead rights"]
    assert finding.ok is False
    assert finding.words == "The run-as user may not edit WhatsApp_Labels__c."
    assert "permission set" in finding.fix


def test_a_field_of_another_type_is_told(org: Org) -> None:
    serve(org, **(OURS | {"WhatsApp_Status__c": "boolean"}))
    assert "boolean and not picklist" in visit()["Contact types"].words


def test_a_picklist_that_lacks_a_state_is_told(org: Org) -> None:
    serve(org, states=("Opted in", "Opted out"))
    assert "Unknown" in visit()["Contact status"].words


def test_an_object_that_cannot_be_seen_is_told(org: Org) -> None:
    serve(org)
    org.on("GET", "sobjects/Gone__c/describe", (404, [{"errorCode": "NOT_FOUND", "message": "no"}]))
    finding = visit(objects=["Contact", "Gone__c"])["Gone__c"]
    assert finding.ok is False
    assert "objects" in finding.fix


@pytest.mark.parametrize("answer", [(503, HTML), (200, HTML), (500, [{"errorCode": "X_Y", "message": "m"}])])
def test_a_fault_on_the_way_is_a_finding_and_no_error(org: Org, answer: tuple[int, Any]) -> None:
    org.login()
    org.on("GET", VERSIONS, (200, [{"version": "64.0"}]))
    org.on("GET", "query/", answer)
    found = visit()
    assert found["connection"].ok is None
    assert found["connection"].fix


def test_limits_that_may_not_be_seen_are_no_fault(org: Org) -> None:
    serve(org)
    org.mock.remove("GET", f"{DATA}/limits")
    org.on("GET", "limits", (403, [{"errorCode": "INSUFFICIENT_ACCESS", "message": "no"}]))
    found = visit()
    assert found["API calls"].ok is None
    assert found["Lead rights"].ok is True
