"""Writing back, by the real adapters, to vendors of whom nothing good comes: nothing is lost, nobody is pestered."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import requests
import responses
import time_machine

from connector.flow.recording import WriteBack
from connector.model import Account, now
from tests.web.home import ANN, Home, a_home  # noqa: F401 - a fixture
from tests.web.test_checklist_salesforce import CONTACT

SHOP_API = "http://127.0.0.1:9/graphql.json"
TOKENS = "http://127.0.0.1:9/services/oauth2/token"
ROWS = "http://127.0.0.1:9/services/data/v64.0/composite/sobjects"
PAGE = "<!DOCTYPE html><html><body>Sign in with somebody@example.com</body></html>"
THROTTLED = {
    "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
    "extensions": {
        "cost": {
            "requestedQueryCost": 400,
            "throttleStatus": {"maximumAvailable": 2000.0, "currentlyAvailable": 0, "restoreRate": 100.0},
        }
    },
}
TOKEN = {"access_token": "00D!session", "instance_url": "http://127.0.0.1:9"}


def drain(home: Home, account: Account) -> Any:
    """Let what is due be written as the service does it."""
    found = home.tools.crm(account.id)
    assert found is not None
    job = WriteBack(home.store, account.id, found[1], owner="me", should_stop=lambda: False)
    job.run()
    return job.tally


def states(home: Home, field: str) -> dict[str, tuple[str, str, int]]:
    """State, code and tries of what is wished for in a field, by record."""
    return {row.record_id: (row.state, row.code, row.tries) for row in home.rows("wanted") if row.field == field}


def hours_of(home: Home, account: Account, number: int) -> None:
    """Let the clock ring every minute for so many hours."""
    with time_machine.travel(now() + timedelta(minutes=2), tick=False) as time:
        for _ in range(60 * number):
            drain(home, account)
            time.shift(60)


@responses.activate
def test_a_shop_that_is_throttled_for_ever_is_asked_now_and_then_and_loses_nothing(home: Home) -> None:
    asked = responses.post(SHOP_API, json=THROTTLED)
    for number in range(1, 6):
        home.customer(number, f"+44740012345{number}")
        home.consents(number, f"+44740012345{number}", "subscribed", now() - timedelta(hours=2))
    home.customer(9, ANN)
    home.consents(9, ANN, "subscribed", now() - timedelta(hours=2))
    home.writes("STOP", ago=60)
    assert home.wishes("whatsapp_marketing_consent") == {"9": "UNSUBSCRIBED"}

    hours_of(home, home.shop, 3)

    state, _, tries = states(home, "whatsapp_marketing_consent")["9"]
    assert (state, tries) == ("waiting", 0), "not the row is at fault"
    assert 3 <= asked.call_count <= 60, "it was asked ever more seldom"
    home.tools.directory._read_at = float("-inf")
    assert home.tools.crm(home.shop.id) is not None, "it is not suspended"


@responses.activate
@pytest.mark.parametrize(
    "answer", [{"body": PAGE}, {"body": PAGE, "status": 503}, {"json": ["/a", "/b"], "status": 300}]
)
def test_a_page_in_place_of_an_answer_is_not_taken_for_one(home: Home, answer: dict[str, Any]) -> None:
    responses.post(TOKENS, json=TOKEN)
    asked = responses.patch(ROWS, **answer)
    _opted_out(home)
    hours_of(home, home.org, 1)
    held = states(home, "WhatsApp_Status__c")[CONTACT]
    assert held[0] == ("failed" if answer.get("status") == 300 else "waiting")
    assert asked.call_count <= 20
    words = " ".join(str(row.words) for row in home.rows("wanted"))
    assert "somebody" not in words
    assert "<" not in words


@responses.activate
def test_a_storm_of_401_ends_with_the_account_waiting_for_its_owner(home: Home) -> None:
    logins = responses.post(TOKENS, json=TOKEN)
    asked = responses.patch(ROWS, status=401, json=[{"errorCode": "INVALID_SESSION_ID", "message": "00D!session"}])
    _opted_out(home)
    with time_machine.travel(now() + timedelta(minutes=2), tick=False):
        tally = drain(home, home.org)
    assert tally.suspended
    assert "session" not in tally.suspended.lower().replace("session id", "")
    assert (logins.call_count, asked.call_count) == (1, 1)
    home.tools.directory._read_at = float("-inf")
    assert home.tools.crm(home.org.id) is None, "nobody asks any more"
    assert states(home, "WhatsApp_Status__c")[CONTACT][0] == "waiting"


@responses.activate
@pytest.mark.parametrize("told", [{}, {"token_type": "Bearer"}, {"access_token": None}, [], "null", PAGE])
def test_a_reply_without_a_token_suspends_the_account_and_says_what_to_do(home: Home, told: Any) -> None:
    responses.post(TOKENS, **({"body": told} if isinstance(told, str) else {"json": told}))
    _opted_out(home)
    with time_machine.travel(now() + timedelta(minutes=2), tick=False):
        tally = drain(home, home.org)
    assert "my_domain" in tally.suspended
    assert states(home, "WhatsApp_Status__c")[CONTACT][0] == "waiting"


@responses.activate
def test_of_an_answer_that_is_well_and_rows_that_are_not_each_row_goes_its_way(home: Home) -> None:
    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        rows = json.loads(request.body or b"")["records"]
        faults = {"WhatsApp_Labels__c": ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", ["WhatsApp_Labels__c"])}
        told = []
        for row in rows:
            bad = next((faults[name] for name in row if name in faults), None)
            errors = [{"statusCode": bad[0], "message": f"bad value for {ANN}", "fields": bad[1]}] if bad else []
            told.append({"id": row["Id"], "success": not bad, "errors": errors})
        return 200, {}, json.dumps(told)

    responses.post(TOKENS, json=TOKEN)
    responses.add_callback(responses.PATCH, ROWS, callback=answer)
    responses.post(f"{ROWS}/Contact", json=[{"attributes": {"type": "Contact"}, "Id": CONTACT}])
    _opted_out(home)
    home.writes("no thanks")  # a label for a human
    hours_of(home, home.org, 1)
    assert states(home, "WhatsApp_Status__c")[CONTACT][0] == "done"
    assert states(home, "WhatsApp_Labels__c")[CONTACT][:2] == ("failed", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")
    assert ANN not in " ".join(str(row.words) for row in home.rows("wanted"))


def _opted_out(home: Home) -> None:
    home.saved(at=now() - timedelta(hours=1), MobilePhone=ANN)
    home.writes("STOP", ago=60)
    assert home.wishes("WhatsApp_Status__c") == {CONTACT: "Opted out"}
