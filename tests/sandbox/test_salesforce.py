"""The stand-in org over HTTP: sessions, queries, collections, bulk jobs, limits, and what goes wrong."""

from __future__ import annotations

import base64
import csv
import io
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from connector.errors import ConfigurationError
from connector.sandbox.orders import orders
from connector.sandbox.salesforce.records import whole_id
from tests.sandbox.conftest import Sales

Open = Callable[..., Sales]
JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def contact(sales: Sales, **fields: Any) -> str:
    return sales.org.create("Contact", {"LastName": "Kovář", **fields})


@pytest.mark.parametrize(
    ("form", "word"),
    [
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_secret": "é"}, "invalid_client"),
        ({"client_id": "nobody"}, "invalid_client_id"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": JWT, "assertion": "a.b"}, "invalid_grant"),
    ],
)
def test_a_wrong_login_gets_no_session(sales: Sales, form: dict[str, str], word: str) -> None:
    status, told = sales.login(**form)
    assert (status, told["error"]) == (400, word)


def test_a_session_tells_where_the_api_is(sales: Sales) -> None:
    assert sales.login()[1]["instance_url"] == sales.server.url
    assert sales.api("GET", "limits")[0] == 200


def assertion(key: rsa.RSAPrivateKey, **claims: Any) -> str:
    told = {
        "iss": "sandbox-client", "sub": "integration@sandbox.example", "aud": "https://login.salesforce.com",
        "exp": int(time.time()) + 180,
    }  # fmt: skip
    parts = [
        base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in ({"alg": "RS256"}, told | claims)
    ]
    signed = key.sign(b".".join(parts), padding.PKCS1v15(), hashes.SHA256())
    return b".".join([*parts, base64.urlsafe_b64encode(signed).rstrip(b"=")]).decode()


def test_an_assertion_is_taken_only_when_its_key_user_audience_and_time_are_right(open_org: Open) -> None:
    key, other = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    sales = open_org(public_key=pem.decode())
    assert sales.login(grant_type=JWT, assertion=assertion(key))[0] == 200
    for wrong in (
        assertion(other),
        assertion(key, sub="somebody@else.example"),
        assertion(key, aud="https://evil.example"),
        assertion(key, exp=int(time.time()) - 60),
        assertion(key, exp=int(time.time()) + 3600),
    ):
        assert sales.login(grant_type=JWT, assertion=wrong)[0] == 400


def test_an_expired_session_is_refused_until_the_next_login(sales: Sales) -> None:
    sales.login()
    assert sales.ask("POST", "/_sandbox/org/expire", {})[1] == {"ended": 1}
    status, told = sales.api("GET", "limits")
    assert (status, told[0]["errorCode"]) == (401, "INVALID_SESSION_ID")
    sales.login()
    assert sales.api("GET", "limits")[0] == 200


def test_a_session_may_end_after_a_number_of_calls(open_org: Open) -> None:
    sales = open_org(token_calls=2)
    assert [sales.api("GET", "limits")[0] for _ in range(3)] == [200, 200, 401]


def test_every_answer_tells_how_many_calls_are_left(open_org: Open) -> None:
    sales = open_org(daily_limit=3, used=1)
    assert sales.api("GET", "limits")[0] == 200
    assert sales.headers["sforce-limit-info"] == "api-usage=2/3"
    assert sales.api("GET", "limits")[0] == 200
    status, told = sales.api("GET", "limits")
    assert (status, told[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")


def test_a_description_tells_fields_with_types_and_values(sales: Sales) -> None:
    told = sales.api("GET", "sobjects/Contact/describe")[1]
    fields = {one["name"]: one for one in told["fields"]}
    assert fields["WhatsApp_Status__c"]["restrictedPicklist"]
    assert [one["value"] for one in fields["WhatsApp_Status__c"]["picklistValues"]] == [
        "Unknown", "Opted in", "Opted out",
    ]  # fmt: skip
    assert fields["WhatsApp_Labels__c"]["type"] == "multipicklist"
    assert fields["Id"]["updateable"] is False
    assert sales.api("GET", "sobjects/Nothing__c/describe")[0] == 404


def test_ids_differ_and_carry_the_suffix_of_their_capitals(sales: Sales) -> None:
    ids = [contact(sales) for _ in range(300)]
    assert len(set(ids)) == 300
    assert all(whole_id(one[:15]) == one and one.startswith("003") for one in ids)
    assert whole_id("001d0000002Ws0L") == "001d0000002Ws0LAAS"


def test_a_query_filters_orders_limits_and_follows_a_reference(sales: Sales) -> None:
    ids = [contact(sales, MobilePhone=f"+44 7400 12345{n}", FirstName=f"N{n}") for n in range(4)]
    sales.org.create("Case", {"Subject": "Broken", "ContactId": ids[2]})
    sales.org.create("Case", {"Subject": "Nobody's"})
    told = sales.query(
        f"SELECT Id, FirstName FROM Contact WHERE Id IN ('{ids[1][:15]}', '{ids[3]}') ORDER BY FirstName DESC"
    )
    assert [row["FirstName"] for row in told["records"]] == ["N3", "N1"]
    told = sales.query(
        "SELECT Id FROM Contact WHERE (FirstName = 'n0' OR FirstName LIKE 'N_') AND MobilePhone != null LIMIT 3"
    )
    assert told["totalSize"] == 3
    cases = sales.query("SELECT Subject, Contact.MobilePhone FROM Case ORDER BY Subject")["records"]
    assert cases[0]["Contact"]["MobilePhone"] == "+44 7400 123452"
    assert cases[1]["Contact"] is None
    assert sales.query("SELECT Id FROM Organization")["records"][0]["Id"] == sales.org.org_id


def test_a_change_moves_the_modstamp_that_polls_ask_for(sales: Sales) -> None:
    first = contact(sales)
    before = sales.org.record("Contact", first)["SystemModstamp"]
    time.sleep(1.1)
    sales.org.edit("Contact", first, {"Title": "Baker"})
    after = sales.org.record("Contact", first)["SystemModstamp"]
    assert after > before
    stamp = after.replace("+0000", "Z")
    asked = "SELECT Id, SystemModstamp FROM Contact WHERE SystemModstamp >= {} ORDER BY SystemModstamp, Id"
    assert sales.query(asked.format(stamp))["totalSize"] == 1
    assert sales.query(f"SELECT Id FROM Contact WHERE SystemModstamp < {stamp}")["totalSize"] == 0


def test_long_results_come_in_pages(sales: Sales) -> None:
    for n in range(450):
        contact(sales, FirstName=f"{n:03}")
    status, page = sales.api(
        "GET", "query?q=SELECT+FirstName+FROM+Contact+ORDER+BY+FirstName", **{"Sforce-Query-Options": "batchSize=200"}
    )
    names = [row["FirstName"] for row in page["records"]]
    assert (status, page["done"], len(names)) == (200, False, 200)
    while not page["done"]:
        status, page = sales.ask(
            "GET", page["nextRecordsUrl"], Authorization=f"Bearer {sales.token}",
            **{"Sforce-Query-Options": "batchSize=200"},
        )  # fmt: skip
        names += [row["FirstName"] for row in page["records"]]
    assert names == [f"{n:03}" for n in range(450)]
    assert sales.org.calls() == {"login": 1, "query": 1, "query_more": 2}


def test_deleted_records_are_seen_by_query_all_alone(sales: Sales) -> None:
    gone = contact(sales)
    sales.org.delete("Contact", gone)
    assert sales.query("SELECT Id FROM Contact")["totalSize"] == 0
    told = sales.api("GET", "queryAll?q=SELECT+Id,IsDeleted+FROM+Contact")[1]
    assert [(row["Id"], row["IsDeleted"]) for row in told["records"]] == [(gone, True)]
    assert sales.update({"id": gone, "Title": "x"})[0]["errors"][0]["statusCode"] == "ENTITY_IS_DELETED"


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
        ("SELECT Nope FROM Contact", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE SystemModstamp > '2026-01-01T00:00:00Z'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE LastName = 'O'Brien'", "MALFORMED_QUERY"),
        ("DELETE FROM Contact", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE " + "(" * 50 + "Id = null", "QUERY_TOO_COMPLICATED"),
    ],
)
def test_a_query_that_salesforce_would_refuse_is_refused(sales: Sales, soql: str, code: str) -> None:
    from urllib.parse import quote_plus

    status, told = sales.api("GET", f"query?q={quote_plus(soql)}")
    assert (status, told[0]["errorCode"]) == (400, code)


def test_a_collection_changes_what_it_can_and_says_row_by_row_what_it_cannot(sales: Sales) -> None:
    good, bad = contact(sales), contact(sales)
    rows = sales.update(
        {"id": good, "WhatsApp_Status__c": "Opted in", "WhatsApp_Labels__c": "wholesale;vip"},
        {"id": bad, "WhatsApp_Status__c": "Perhaps"},
        {"id": bad[:14] + "?AAA", "Title": "x"},
        {"id": whole_id("003Sb0000000000"), "Title": "x"},
        {"id": good, "Title": "again"},
    )
    assert rows[0] == {"id": good, "success": True, "errors": []}
    assert [row["errors"][0]["statusCode"] for row in rows[1:]] == [
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "MALFORMED_ID", "INVALID_CROSS_REFERENCE_KEY", "DUPLICATE_VALUE",
    ]  # fmt: skip
    assert sales.org.record("Contact", good)["WhatsApp_Labels__c"] == "vip;wholesale", "in the picklist's own order"
    assert sales.org.stats()["rows"]["update"] == 1


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"Nope__c": "x"}, "INVALID_FIELD"),
        ({"CreatedDate": "2026-01-01T00:00:00Z"}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ({"LastName": "x" * 81}, "STRING_TOO_LONG"),
        ({"WhatsApp_Status_At__c": "yesterday"}, "JSON_PARSER_ERROR"),
        ({"WhatsApp_Opt_In__c": "yes"}, "JSON_PARSER_ERROR"),
        ({"WhatsApp_Service_Status__c": "Maybe"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
    ],
)
def test_a_value_that_does_not_fit_its_field_fails_its_row(sales: Sales, fields: dict[str, Any], code: str) -> None:
    assert sales.update({"id": contact(sales), **fields})[0]["errors"][0]["statusCode"] == code


def test_labels_take_any_value_until_their_list_is_restricted(sales: Sales) -> None:
    one = contact(sales)
    assert sales.update({"id": one, "WhatsApp_Labels__c": "new;vip"})[0]["success"]
    sales.org.configure(restrict_labels=True)
    assert sales.update({"id": one, "WhatsApp_Labels__c": "newer"})[0]["errors"][0]["fields"] == ["WhatsApp_Labels__c"]
    fields = sales.api("GET", "sobjects/Contact/describe")[1]["fields"]
    assert next(field for field in fields if field["name"] == "WhatsApp_Labels__c")["restrictedPicklist"]


def test_the_generators_buyers_become_contacts_once(sales: Sales) -> None:
    made = list(orders(7, 60, unusable=10))
    taken = sales.org.take(made, national_share=0.5)
    assert taken == sales.org.take(made)
    assert set(taken) == {order.phone for order in made if order.usable}
    phones = {phone: sales.org.record("Contact", one)["MobilePhone"] for phone, one in taken.items()}
    assert 5 < sum(phone == written for phone, written in phones.items()) < 45


def test_a_unique_field_holds_a_value_once(sales: Sales) -> None:
    one, two = contact(sales), contact(sales)
    assert sales.update({"id": one, "WhatsApp_Id__c": "447400123456"})[0]["success"]
    assert (
        sales.update({"id": two, "WhatsApp_Id__c": "447400123456"})[0]["errors"][0]["statusCode"] == "DUPLICATE_VALUE"
    )
    assert sales.update({"id": one, "WhatsApp_Id__c": None})[0]["success"]
    assert sales.update({"id": two, "WhatsApp_Id__c": "447400123456"})[0]["success"]


def test_a_collection_takes_200_rows_and_not_one_more(sales: Sales) -> None:
    ids = [contact(sales) for _ in range(201)]
    rows = [{"attributes": {"type": "Contact"}, "id": one, "Title": "x"} for one in ids]
    assert sales.api("PATCH", "composite/sobjects", {"records": rows})[0] == 400
    status, told = sales.api("PATCH", "composite/sobjects", {"records": rows[:200]})
    assert status == 200
    assert all(row["success"] for row in told)


def test_a_row_that_is_no_object_gets_one_bare_error(sales: Sales) -> None:
    status, told = sales.api("PATCH", "composite/sobjects", {"records": [None]})
    assert (status, told["errorCode"]) == (400, "INVALID_FIELD")


def test_records_are_retrieved_in_the_order_of_their_ids(sales: Sales) -> None:
    one, two = contact(sales, FirstName="A"), contact(sales, FirstName="B")
    gone = whole_id("003Sb0000000000")
    status, told = sales.api("POST", "composite/sobjects/Contact", {"ids": [two, gone, one], "fields": ["FirstName"]})
    assert status == 200
    assert [row and row["FirstName"] for row in told] == ["B", None, "A"]


def test_topics_are_assigned_and_taken_away(sales: Sales) -> None:
    person = contact(sales)
    rows = [{"attributes": {"type": "Topic"}, "Name": "vip"}]
    topic = sales.api("POST", "composite/sobjects", {"records": rows})[1][0]["id"]
    rows = [{"attributes": {"type": "TopicAssignment"}, "TopicId": topic, "EntityId": person}]
    assignment = sales.api("POST", "composite/sobjects", {"records": rows})[1][0]["id"]
    assert sales.org.topics(person) == {"vip"}
    assert sales.api("DELETE", f"composite/sobjects?ids={assignment}&allOrNone=false")[1][0]["success"]
    assert sales.org.topics(person) == set()


def test_a_bulk_job_is_complete_after_some_polls_and_tells_each_row(open_org: Open) -> None:
    sales = open_org(bulk_polls=3)
    ids = [contact(sales) for _ in range(3)]
    job = sales.api("POST", "jobs/ingest", {"object": "Contact", "operation": "update", "contentType": "CSV"})[1]["id"]
    lines = f"Id,WhatsApp_Status__c,Title\n{ids[0]},Opted in,\n{ids[1]},Nonsense,x\n{ids[2]},#N/A,#N/A\n"
    assert sales.api("PUT", f"jobs/ingest/{job}/batches", lines, **{"Content-Type": "text/csv"})[0] == 201
    assert sales.api("PATCH", f"jobs/ingest/{job}", {"state": "UploadComplete"})[1]["state"] == "UploadComplete"
    states = [sales.api("GET", f"jobs/ingest/{job}")[1] for _ in range(3)]
    assert [one["state"] for one in states] == ["InProgress", "InProgress", "JobComplete"]
    assert (states[2]["numberRecordsProcessed"], states[2]["numberRecordsFailed"]) == (3, 1)
    done = list(csv.DictReader(io.StringIO(sales.api("GET", f"jobs/ingest/{job}/successfulResults")[1])))
    failed = list(csv.DictReader(io.StringIO(sales.api("GET", f"jobs/ingest/{job}/failedResults")[1])))
    assert [row["sf__Id"] for row in done] == [ids[0], ids[2]]
    assert failed[0]["sf__Error"].startswith("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST:")
    assert sales.org.record("Contact", ids[0])["WhatsApp_Status__c"] == "Opted in"
    assert sales.org.calls() == {
        "bulk_close": 1, "bulk_create": 1, "bulk_poll": 3, "bulk_results": 2, "bulk_upload": 1, "login": 1,
    }  # fmt: skip


def test_a_failed_bulk_job_gives_its_rows_back_unprocessed(open_org: Open) -> None:
    sales = open_org(bulk_polls=1, bulk_fails=True)
    job = sales.api("POST", "jobs/ingest", {"object": "Contact", "operation": "update"})[1]["id"]
    sales.api("PUT", f"jobs/ingest/{job}/batches", f"Id,Title\n{contact(sales)},x\n")
    sales.api("PATCH", f"jobs/ingest/{job}", {"state": "UploadComplete"})
    assert sales.api("GET", f"jobs/ingest/{job}")[1]["state"] == "Failed"
    assert len(sales.api("GET", f"jobs/ingest/{job}/unprocessedrecords")[1].splitlines()) == 2


def test_chance_locks_rows_and_another_try_gets_through(open_org: Open) -> None:
    sales = open_org(lock_rate=0.4)
    ids = {contact(sales) for _ in range(100)}
    rounds = 0
    while ids:
        rows = sales.update(*({"id": one, "Title": "x"} for one in sorted(ids)))
        assert {row["errors"][0]["statusCode"] for row in rows if not row["success"]} <= {"UNABLE_TO_LOCK_ROW"}
        ids -= {row["id"] for row in rows if row["success"]}
        rounds += 1
    assert 1 < rounds < 15


def test_trouble_with_calls_comes_as_configured(open_org: Open) -> None:
    sales = open_org()
    sales.login()
    sales.org.configure(html_rate=1.0)
    status, told = sales.api("GET", "limits")
    assert (status, told[:6], sales.headers["content-type"]) == (200, "<html>", "text/html; charset=UTF-8")
    sales.org.configure(html_rate=0.0, error_rate=1.0)
    assert sales.api("GET", "limits")[0] == 500
    sales.org.configure(error_rate=0.0, unauthorized=True)
    assert sales.api("GET", "limits")[0] == 401
    sales.org.configure(unauthorized=False, down=True)
    assert sales.api("GET", "limits")[0] == 503
    sales.org.configure(down=False, bare_token=True)
    assert "instance_url" not in sales.login()[1]
    sales.org.configure(refused=True)
    assert sales.login()[0] == 400


def test_a_human_edits_by_the_control_paths(sales: Sales) -> None:
    made = sales.ask("POST", "/_sandbox/org/create", {"object": "Contact", "fields": {"LastName": "Čapek"}})[1]["id"]
    status, told = sales.ask("POST", "/_sandbox/org/edit", {"object": "Contact", "id": made, "fields": {"Title": "Dr"}})
    assert (status, told["Title"]) == (200, "Dr")
    assert sales.ask("GET", "/_sandbox/org/records/Contact")[1]["records"][0]["Name"] == "Čapek"
    status, told = sales.ask("POST", "/_sandbox/org/edit", {"object": "Contact", "id": made, "fields": {"No__c": 1}})
    assert status == 400
    assert "No such column" in told["error"]
    with pytest.raises(ConfigurationError, match="no setting"):
        sales.org.configure(nonsense=1)
