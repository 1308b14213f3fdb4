"""Thousands of changes: handed over as a file, asked for once a call, told change by change."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from adapters.salesforce.tests.calling import HTML, Org, described, record_id
from adapters.salesforce.tests.conftest import Side
from connector.contract import Change, Delta
from connector.errors import PermanentError, TemporaryError, UncertainError

JOB, OTHER = "7505g0000000001AAA", "7505g0000000002AAA"
INGEST = "jobs/ingest"
ONE, TWO = record_id(1), record_id(2)
STATUS, LABELS = "WhatsApp_Status__c", "WhatsApp_Labels__c"
CHANGES = [
    Change("Contact", ONE, STATUS, "Opted in"),
    Change("Contact", ONE, "Consent__c", True),
    Change("Contact", TWO, STATUS, 'Opted, "out"\nnow'),
    Change("Contact", record_id(3)[:15], "Note__c", None),
]  # fmt: skip


def opened(org: Org, *jobs: str) -> None:
    org.login()
    kinds = {STATUS: "picklist", LABELS: "multipicklist", "Consent__c": "boolean", "Note__c": "string"}
    for name in ("Contact", "Lead"):
        org.on("GET", f"sobjects/{name}/describe", (200, described(Id="id", **kinds)))
    org.on("POST", INGEST, *[(200, {"id": job, "state": "Open"}) for job in jobs or [JOB]])
    for job in jobs or [JOB]:
        org.on("PUT", f"{INGEST}/{job}/batches", (201, ""))
        org.on("PATCH", f"{INGEST}/{job}", (200, {"id": job, "state": "UploadComplete"}))


def told(org: Org, state: str, failed: int = 0, job: str = JOB, **more: Any) -> None:
    body = {"id": job, "state": state, "numberRecordsFailed": failed, **more}
    org.on("GET", f"{INGEST}/{job}", (200, body))


def results(*rows: tuple[str, str]) -> str:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(
        [("sf__Id", "sf__Error", "Id", STATUS), *[("", error, id_, "x") for id_, error in rows]]
    )
    return text.getvalue()


def ticket(*jobs: tuple[str, str]) -> str:
    return json.dumps({"jobs": [{"id": id_, "object": name} for id_, name in jobs], "refused": []})


def test_a_file_of_all_rows_is_handed_over_in_three_calls(org: Org, ours: Side) -> None:
    opened(org)
    given = ours.crm.start(CHANGES)
    assert json.loads(given) == {"jobs": [{"id": JOB, "object": "Contact"}], "refused": []}
    assert org.calls("POST", INGEST) == [
        {"object": "Contact", "operation": "update", "contentType": "CSV", "lineEnding": "LF"}
    ]
    assert org.calls("PUT")[0].splitlines()[0] == f"Id,Consent__c,Note__c,{STATUS}"
    assert list(csv.reader(io.StringIO(org.calls("PUT")[0])))[1:] == [
        [ONE, "true", "", "Opted in"],
        [TWO, "", "", 'Opted, "out"\nnow'],
        [record_id(3), "", "#N/A", ""],
    ]
    assert org.calls("PATCH") == [{"state": "UploadComplete"}]


def test_each_object_has_a_job_of_its_own(org: Org, ours: Side) -> None:
    opened(org, JOB, OTHER)
    given = ours.crm.start([*CHANGES, Change("Lead", record_id(9, "00Q"), STATUS, "Unknown")])
    assert [job["object"] for job in json.loads(given)["jobs"]] == ["Contact", "Lead"]
    told(org, "JobComplete")
    told(org, "InProgress", job=OTHER)
    assert ours.crm.finish(given, CHANGES) is None


def test_labels_are_read_2000_records_a_call_and_equal_ones_are_left_out(org: Org, ours: Side) -> None:
    opened(org)
    org.on("POST", "composite/sobjects/Contact", lambda sent: (
        200, [{"Id": id_, LABELS: "vip" if id_ == ONE else "old"} for id_ in sent["ids"]]
    ))  # fmt: skip
    changes = [Change("Contact", record_id(number), LABELS, Delta(add=("vip",))) for number in range(1, 4002)]
    given = ours.crm.start(changes)
    assert [len(sent["ids"]) for sent in org.calls("POST", "composite/sobjects/Contact")] == [2000, 2000, 1]
    rows = list(csv.reader(io.StringIO(org.calls("PUT")[0])))
    assert rows[1] == [TWO, "old;vip"]
    assert len(rows) == 1 + 4000
    told(org, "JobComplete")
    assert {outcome.error for outcome in ours.crm.finish(given, changes) or [None]} == {None}


def test_nothing_to_write_is_no_job(org: Org, ours: Side) -> None:
    opened(org)
    org.on("POST", "composite/sobjects/Contact", (200, [{"Id": ONE, LABELS: "vip"}]))
    changes = [Change("Contact", ONE, LABELS, Delta(add=("vip",)))]
    given = ours.crm.start(changes)
    assert org.calls("POST", INGEST) == []
    outcomes = ours.crm.finish(given, changes)
    assert outcomes is not None
    assert [outcome.error for outcome in outcomes] == [None]


def test_what_would_fail_the_whole_job_is_taken_out_and_told_at_the_end(org: Org, ours: Side) -> None:
    opened(org)
    changes = [
        *CHANGES,
        Change("Contact", ONE, "Gone__c", "x"),
        Change("Contact", TWO, "Consent__c", "yes"),
        Change("Contact", "../../x", STATUS, "x"),
    ]
    given = ours.crm.start(changes)
    assert "Gone__c" not in org.calls("PUT")[0]
    told(org, "JobComplete")
    outcomes = ours.crm.finish(given, list(reversed(changes)))
    assert outcomes is not None
    assert [outcome.change for outcome in outcomes] == list(reversed(changes))
    codes = {
        (outcome.change.record_id, outcome.change.field): outcome.error.code for outcome in outcomes if outcome.error
    }
    assert codes == {
        (ONE, "Gone__c"): "INVALID_FIELD",
        (TWO, "Consent__c"): "INVALID_TYPE_ON_FIELD_IN_RECORD",
        ("../../x", STATUS): "MALFORMED_ID",
    }


@pytest.mark.parametrize("state", ["Open", "UploadComplete", "InProgress"])
def test_a_job_under_way_costs_one_call_and_tells_nothing(org: Org, ours: Side, state: str) -> None:
    org.login()
    told(org, state)
    assert ours.crm.finish(ticket((JOB, "Contact")), CHANGES) is None
    assert len(org.calls("GET")) == 1


def test_rows_that_failed_are_told_and_all_others_are_done(org: Org, ours: Side) -> None:
    org.login()
    told(org, "JobComplete", failed=1)
    org.on("GET", f"{INGEST}/{JOB}/failedResults", (200, results((TWO[:15], "ENTITY_IS_DELETED:entity is deleted:--"))))
    outcomes = ours.crm.finish(ticket((JOB, "Contact")), CHANGES)
    assert outcomes is not None
    assert [outcome.error and outcome.error.code for outcome in outcomes] == [None, None, "ENTITY_IS_DELETED", None]
    assert type(outcomes[2].error) is PermanentError


def test_where_one_field_is_to_blame_the_others_are_tried_again(org: Org, ours: Side) -> None:
    org.login()
    told(org, "JobComplete", failed=2)
    picklist = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST:bad value for restricted picklist field: x:Consent__c --"
    locked = "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--"
    org.on("GET", f"{INGEST}/{JOB}/failedResults", (200, results((ONE, picklist), (TWO, locked))))
    outcomes = ours.crm.finish(ticket((JOB, "Contact")), CHANGES)
    assert outcomes is not None
    kinds = [type(outcome.error) for outcome in outcomes]
    assert kinds == [TemporaryError, PermanentError, TemporaryError, type(None)]


@pytest.mark.parametrize("state", ["Failed", "Aborted"])
def test_a_job_that_ended_early_is_written_again(org: Org, ours: Side, state: str) -> None:
    org.login()
    told(org, state, errorMessage="InvalidBatch : something of +44 7400 123456")
    outcomes = ours.crm.finish(ticket((JOB, "Contact")), CHANGES)
    assert outcomes is not None
    for outcome in outcomes:
        assert type(outcome.error) is TemporaryError
        assert "InvalidBatch" in outcome.error.words
        assert "7400" not in outcome.error.words


def test_a_job_that_salesforce_has_forgotten_is_written_again(org: Org, ours: Side) -> None:
    org.login()
    org.on("GET", f"{INGEST}/{JOB}", (404, [{"errorCode": "NOT_FOUND", "message": "The requested resource"}]))
    outcomes = ours.crm.finish(ticket((JOB, "Contact")), CHANGES)
    assert outcomes is not None
    assert {type(outcome.error) for outcome in outcomes} == {TemporaryError}


@pytest.mark.parametrize(
    "given",
    ["", "x", "[]", "{}", '{"jobs": [{"id": "../../x", "object": "Contact"}], "refused": []}', '{"jobs": 7}', "null"],
)
def test_a_ticket_that_cannot_be_read_means_writing_again(org: Org, ours: Side, given: str) -> None:
    outcomes = ours.crm.finish(given, CHANGES)
    assert outcomes is not None
    assert {type(outcome.error) for outcome in outcomes} == {TemporaryError}
    assert org.asked == []


def test_a_job_without_an_id_is_not_loaded(org: Org, ours: Side) -> None:
    opened(org, "../../evil")
    with pytest.raises(TemporaryError):
        ours.crm.start(CHANGES)
    assert org.calls("PUT") == []


@pytest.mark.parametrize(("status", "body"), [(503, HTML), (200, HTML), (200, []), (200, {})])
def test_a_bad_answer_while_asking_leaves_the_job_as_it_is(org: Org, ours: Side, status: int, body: Any) -> None:
    org.login()
    org.on("GET", f"{INGEST}/{JOB}", (status, body))
    with pytest.raises((TemporaryError, UncertainError)):
        ours.crm.finish(ticket((JOB, "Contact")), CHANGES)
