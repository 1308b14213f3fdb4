"""Writing back: one row a record, one outcome a change, whatever becomes of the rows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import responses
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.salesforce.batches import HALVINGS
from adapters.salesforce.crm import SalesforceCrm, make_crm
from adapters.salesforce.tests.calling import ROWS, Org, a_kit, accept, described, load, page, record_id, refusal
from adapters.salesforce.tests.conftest import Side
from connector.contract import Change, Delta, Outcome
from connector.errors import PermanentError, RemoteError, TemporaryError
from connector.model import Json

ONE, TWO = record_id(1), record_id(2)
STATUS, AT, LABELS = "WhatsApp_Status__c", "WhatsApp_Status_At__c", "WhatsApp_Labels__c"


def change(id_: str = ONE, field: str = STATUS, value: Json | Delta = "Opted in", object_: str = "Contact") -> Change:
    return Change(object_, id_, field, value)


def errors(outcomes: Sequence[Outcome]) -> list[str | None]:
    return [outcome.error and outcome.error.code for outcome in outcomes]


def written(org: Org) -> list[list[dict[str, Any]]]:
    """Return the rows of each call, without their attributes."""
    return [
        [{name: value for name, value in row.items() if name != "attributes"} for row in sent["records"]]
        for sent in org.calls("PATCH", "composite/sobjects")
    ]


def held(*values: dict[str, Any] | None) -> Callable[[Any], tuple[int, Any]]:
    """Answer a reading with what records hold, in the order of their ids."""
    return lambda sent: (200, [one and {"Id": id_, **one} for id_, one in zip(sent["ids"], values, strict=True)])


def test_all_changes_of_a_record_are_one_row_of_one_call(org: Org, ours: Side) -> None:
    org.login()
    org.on("PATCH", ROWS, accept)
    changes = [change(), change(field=AT, value="2026-11-22T10:00:00Z"), change(TWO, value=None)]
    outcomes = ours.crm.record(changes)
    assert [outcome.change for outcome in outcomes] == changes
    assert errors(outcomes) == [None] * 3
    assert org.calls("PATCH")[0]["allOrNone"] is False
    assert org.calls("PATCH")[0]["records"][0]["attributes"] == {"type": "Contact"}
    assert written(org) == [[{"Id": ONE, STATUS: "Opted in", AT: "2026-11-22T10:00:00Z"}, {"Id": TWO, STATUS: None}]]


def test_the_same_record_by_its_short_id_is_the_same_row(org: Org, ours: Side) -> None:
    org.login()
    org.on("PATCH", ROWS, accept)
    assert errors(ours.crm.record([change(ONE[:15], value="Unknown"), change(ONE)])) == [None, None]
    assert written(org) == [[{"Id": ONE, STATUS: "Opted in"}]]


def test_rows_are_sorted_and_a_call_takes_200_of_them(org: Org, ours: Side) -> None:
    org.login()
    org.on("PATCH", ROWS, accept)
    changes = [change(record_id(number)) for number in range(450, 0, -1)]
    ours.crm.record([*changes, change(record_id(7, "00Q"), object_="Lead")])
    calls = written(org)
    assert [len(rows) for rows in calls] == [200, 200, 51]
    assert [row["Id"] for rows in calls for row in rows[:450]][:450] == [record_id(number) for number in range(1, 451)]


def test_a_call_takes_ten_objects(org: Org, ours: Side) -> None:
    org.login()
    org.on("PATCH", ROWS, accept)
    ours.crm.record([change(object_=f"Thing{number:02}__c") for number in range(12)])
    assert [len(rows) for rows in written(org)] == [10, 2]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (change("//evil.example/x"), "MALFORMED_ID"),
        (change("../../x"), "MALFORMED_ID"),
        (change(""), "MALFORMED_ID"),
        (change(ONE + "0"), "MALFORMED_ID"),
        (change(object_="Contact/../x"), "INVALID_FIELD"),
        (change(field="Name'"), "INVALID_FIELD"),
        (change(field="_x"), "INVALID_FIELD"),
        (change(value={"a": 1}), ""),
        (change(value=["a;b"]), ""),
        (change(field=LABELS, value=Delta(add=("a;b",))), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        (change(field=LABELS, value=Delta(add=(" ",))), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        (change(field="Topics", value="vip"), ""),
    ],
)
def test_what_cannot_be_written_is_refused_here_and_the_rest_is_written(
    org: Org, ours: Side, bad: Change, code: str
) -> None:
    org.login()
    org.on("PATCH", ROWS, accept)
    outcomes = ours.crm.record([bad, change(TWO)])
    assert errors(outcomes) == [code, None]
    assert type(outcomes[0].error) is PermanentError
    assert written(org) == [[{"Id": TWO, STATUS: "Opted in"}]]
    assert len(org.asked) == 2


def test_a_list_is_written_as_a_multi_select_picklist(org: Org, ours: Side) -> None:
    org.login()
    org.on("PATCH", ROWS, accept)
    ours.crm.record([change(field=LABELS, value=["a", "b"]), change(TWO, LABELS, [])])
    assert written(org) == [[{"Id": ONE, LABELS: "a;b"}, {"Id": TWO, LABELS: None}]]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("UNABLE_TO_LOCK_ROW", TemporaryError),
        ("NOT_FOUND", PermanentError),
        ("ENTITY_IS_DELETED", PermanentError),
        ("CANNOT_UPDATE_CONVERTED_LEAD", PermanentError),
        ("PROCESSING_HALTED", TemporaryError),
    ],
)
def test_a_row_that_fails_fails_alone(org: Org, ours: Side, code: str, kind: type[RemoteError]) -> None:
    org.login()
    org.on("PATCH", ROWS, (200, [refusal(code), {"id": TWO, "success": True, "errors": []}]))
    outcomes = ours.crm.record([change(), change(TWO), change(field=AT, value=None)])
    assert errors(outcomes) == [code, None, code]
    assert type(outcomes[0].error) is kind


def test_a_field_that_is_refused_does_not_hold_up_consent(org: Org, ours: Side) -> None:
    code = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    org.login()
    org.on("PATCH", ROWS, (200, [refusal(code, "Tier__c"), {"id": TWO, "success": True, "errors": []}]), accept)
    outcomes = ours.crm.record([change(value="Opted out"), change(field="Tier__c", value="gold"), change(TWO)])
    assert errors(outcomes) == [None, code, None]
    assert written(org)[1:] == [[{"Id": ONE, STATUS: "Opted out"}]]


def test_a_row_whose_fields_are_refused_one_after_the_other_is_left_for_later(org: Org, ours: Side) -> None:
    org.login()
    org.on("PATCH", ROWS, lambda sent: (200, [refusal("STRING_TOO_LONG", min(sent["records"][0]))]))
    outcomes = ours.crm.record([change(field=f"Field{number}__c") for number in range(6)])
    assert [type(outcome.error) for outcome in outcomes] == [PermanentError] * 3 + [TemporaryError] * 3
    assert len(org.calls("PATCH")) == 3


def test_a_call_that_is_refused_for_a_column_is_made_again_without_it(org: Org, ours: Side) -> None:
    words = "No such column 'Gone__c' on sobject of type Contact"
    org.login()
    org.on("PATCH", ROWS, (400, [{"message": words, "errorCode": "INVALID_FIELD"}]), accept)
    outcomes = ours.crm.record([change(), change(field="Gone__c", value="x"), change(TWO)])
    assert errors(outcomes) == [None, "INVALID_FIELD", None]
    assert len(org.calls("PATCH")) == 3


def test_a_value_of_the_wrong_type_is_found_by_the_description(org: Org, ours: Side) -> None:
    fields = described(Id="id", **{STATUS: "picklist", "Optin__c": "boolean", "Locked__c": "string read only"})
    org.login()
    org.on("GET", "sobjects/Contact/describe", (200, fields))
    org.on("PATCH", ROWS, lambda sent: (
        (400, {"message": "Cannot deserialize", "errorCode": "JSON_PARSER_ERROR"})
        if any("Optin__c" in row or "Locked__c" in row for row in sent["records"]) else accept(sent)
    ))  # fmt: skip
    outcomes = ours.crm.record(
        [change(field="Optin__c", value="yes"), change(), change(TWO), change(TWO, "Locked__c", "x")]
    )
    wrong, locked = "INVALID_TYPE_ON_FIELD_IN_RECORD", "INVALID_FIELD_FOR_INSERT_UPDATE"
    assert errors(outcomes) == [wrong, None, None, locked]


def test_a_row_that_spoils_the_call_is_found_by_halves(org: Org, ours: Side) -> None:
    bad = record_id(77)
    org.login()
    org.on("GET", "sobjects/Contact/describe", (200, described(**{STATUS: "picklist"})))
    org.on("PATCH", ROWS, lambda sent: (
        (400, [{"message": "?", "errorCode": "JSON_PARSER_ERROR"}])
        if any(row["Id"] == bad for row in sent["records"]) else accept(sent)
    ))  # fmt: skip
    outcomes = ours.crm.record([change(record_id(number)) for number in range(200)])
    assert {outcome.change.record_id for outcome in outcomes if outcome.error} == {bad}
    assert len(org.calls("PATCH")) <= HALVINGS + 1


def test_a_call_that_is_always_refused_ends(org: Org, ours: Side) -> None:
    org.login()
    org.on("GET", "sobjects/Contact/describe", (200, described(**{STATUS: "picklist"})))
    org.on("PATCH", ROWS, (400, [{"message": "?", "errorCode": "JSON_PARSER_ERROR"}]))
    outcomes = ours.crm.record([change(record_id(number)) for number in range(200)])
    assert all(outcome.error for outcome in outcomes)
    assert len(org.calls("PATCH")) <= HALVINGS + 1


def test_an_object_that_is_not_there_costs_the_others_nothing(org: Org, ours: Side) -> None:
    gone = {"message": "sObject type 'Gone__c' is not supported", "errorCode": "INVALID_TYPE"}
    org.login()
    org.on("GET", "sobjects/Contact/describe", (200, described(**{STATUS: "picklist"})))
    org.on("GET", "sobjects/Gone__c/describe", (404, [{"message": "no", "errorCode": "NOT_FOUND"}]))
    org.on("PATCH", ROWS, lambda sent: (
        (400, [gone]) if any(row["attributes"]["type"] == "Gone__c" for row in sent["records"]) else accept(sent)
    ))  # fmt: skip
    assert errors(ours.crm.record([change(object_="Gone__c"), change()])) == ["INVALID_TYPE", None]


@pytest.mark.parametrize(
    "answer",
    [[], {}, [{"id": TWO, "success": True}], [{}], ["x"], [None], [{"success": "yes"}], [{"success": True}] * 2],
)
def test_results_that_do_not_fit_the_rows_are_not_believed(org: Org, ours: Side, answer: Any) -> None:
    org.login()
    org.on("PATCH", ROWS, (200, answer))
    try:
        found = [outcome.error for outcome in ours.crm.record([change()])]
    except TemporaryError as error:
        found = [error]
    assert [type(error) for error in found] == [TemporaryError]


def test_a_label_is_added_to_what_people_have_set(org: Org, ours: Side) -> None:
    org.login()
    org.on("POST", "composite/sobjects/Contact", held({LABELS: "Friend;vip"}, {LABELS: None}))
    org.on("PATCH", ROWS, accept)
    outcomes = ours.crm.record(
        [change(field=LABELS, value=Delta(add=("VIP",), remove=("vip",))), change(TWO, LABELS, Delta(add=("new",)))]
    )
    assert errors(outcomes) == [None, None]
    assert org.calls("POST", "composite/sobjects/Contact") == [{"ids": [ONE, TWO], "fields": ["Id", LABELS]}]
    assert written(org) == [[{"Id": ONE, LABELS: "Friend;VIP"}, {"Id": TWO, LABELS: "new"}]]


def test_the_last_label_leaves_the_field_empty(org: Org, ours: Side) -> None:
    org.login()
    org.on("POST", "composite/sobjects/Contact", held({LABELS: "vip"}))
    org.on("PATCH", ROWS, accept)
    ours.crm.record([change(field=LABELS, value=Delta(remove=("vip",)))])
    assert written(org) == [[{"Id": ONE, LABELS: None}]]


def test_a_label_that_is_there_already_is_not_written(org: Org, ours: Side) -> None:
    org.login()
    org.on("POST", "composite/sobjects/Contact", held({LABELS: "b;a"}, {LABELS: "c"}))
    org.on("PATCH", ROWS, accept)
    deltas = [Delta(add=("a", "b"), remove=("zzz",)), Delta(remove=("vip",))]
    outcomes = ours.crm.record([change(field=LABELS, value=deltas[0]), change(TWO, LABELS, deltas[1])])
    assert errors(outcomes) == [None, None]
    assert written(org) == []


def test_deltas_of_one_field_add_up_and_a_whole_value_takes_their_place(org: Org, ours: Side) -> None:
    org.login()
    org.on("POST", "composite/sobjects/Contact", held({LABELS: "x"}))
    org.on("PATCH", ROWS, accept)
    ours.crm.record([change(field=LABELS, value=Delta(add=("a",))), change(field=LABELS, value=Delta(add=("b",)))])
    ours.crm.record([change(field=LABELS, value="whole"), change(field=LABELS, value=Delta(add=("b",)))])
    assert written(org) == [[{"Id": ONE, LABELS: "x;a;b"}], [{"Id": ONE, LABELS: "whole;b"}]]


def test_a_record_that_cannot_be_read_loses_its_labels_and_not_its_consent(org: Org, ours: Side) -> None:
    org.login()
    org.on("POST", "composite/sobjects/Contact", held(None, {LABELS: ""}))
    org.on("PATCH", ROWS, accept)
    delta = Delta(add=("a",))
    outcomes = ours.crm.record([change(field=LABELS, value=delta), change(), change(TWO, LABELS, delta)])
    assert errors(outcomes) == ["NOT_FOUND", None, None]
    assert written(org) == [[{"Id": ONE, STATUS: "Opted in"}, {"Id": TWO, LABELS: "a"}]]


def test_a_label_field_that_is_not_there_does_not_hold_up_the_others(org: Org, ours: Side) -> None:
    org.login()
    words = "No such column 'Gone__c' on sobject of type Contact"
    org.on("POST", "composite/sobjects/Contact", (400, [{"errorCode": "INVALID_FIELD", "message": words}]), held({}))
    org.on("PATCH", ROWS, accept)
    delta = Delta(add=("a",))
    outcomes = ours.crm.record([change(field="Gone__c", value=delta), change(), change(field=LABELS, value=delta)])
    assert errors(outcomes) == ["INVALID_FIELD", None, None]
    assert written(org) == [[{"Id": ONE, STATUS: "Opted in", LABELS: "a"}]]


def topics(org: Org, *, there: dict[str, str], held_by: dict[tuple[str, str], str]) -> None:
    """Answer for topics by name, and for assignments by record and topic."""
    names = page({"Id": id_, "Name": name} for name, id_ in there.items())
    rows = page({"Id": id_, "EntityId": entity, "TopicId": topic} for (entity, topic), id_ in held_by.items())
    org.login()
    org.on("GET", "query/", lambda sent: (200, names if "FROM Topic " in sent["q"] else rows))
    org.on("POST", ROWS, lambda sent: (200, [
        {"id": record_id(900 + place, "0TO"), "success": True} for place, _ in enumerate(sent["records"])
    ]))  # fmt: skip
    org.on("DELETE", ROWS, lambda sent: (200, [{"id": id_, "success": True} for id_ in sent["ids"].split(",")]))


def test_topics_are_made_assigned_and_taken_away(org: Org, ours: Side) -> None:
    vip, old = record_id(1, "0TO"), record_id(2, "0TO")
    assignment = record_id(5, "0To")
    topics(org, there={"VIP": vip, "old": old}, held_by={(ONE, old): assignment})
    changes = [
        change(field="Topics", value=Delta(add=("vip", "o'neil"), remove=("OLD", "never"))),
        change(TWO, "Topics", Delta(add=("vip",), remove=("old",))),
    ]
    assert errors(ours.crm.record(changes)) == [None, None]
    made = record_id(900, "0TO")
    assert [[row["attributes"]["type"], *list(row.values())[1:]] for sent in org.calls("POST", "composite/sobjects")
            for row in sent["records"]] == [
        ["Topic", "o'neil"],
        ["TopicAssignment", ONE, vip], ["TopicAssignment", ONE, made], ["TopicAssignment", TWO, vip],
    ]  # fmt: skip
    assert org.calls("DELETE") == [{"ids": assignment, "allOrNone": "false"}]
    assert r"'o\'neil'" in org.calls("GET", "query/")[0]["q"]
    assert org.calls("PATCH") == []


def test_a_topic_that_is_assigned_already_costs_no_write(org: Org, ours: Side) -> None:
    vip = record_id(1, "0TO")
    topics(org, there={"vip": vip}, held_by={(ONE, vip): record_id(5, "0To")})
    assert errors(ours.crm.record([change(field="Topics", value=Delta(add=("vip",), remove=("gone",)))])) == [None]
    assert org.calls("POST", "composite/sobjects") == org.calls("DELETE") == []


def test_topics_that_are_switched_off_cost_consent_nothing(org: Org, ours: Side) -> None:
    org.login()
    org.on("GET", "query/", (400, [{"errorCode": "INVALID_TYPE", "message": "sObject type 'Topic' is not supported."}]))
    org.on("PATCH", ROWS, accept)
    outcomes = ours.crm.record([change(field="Topics", value=Delta(add=("vip",))), change()])
    assert errors(outcomes) == ["INVALID_TYPE", None]


def test_an_assignment_that_fails_fails_for_its_record_alone(org: Org, ours: Side) -> None:
    vip = record_id(1, "0TO")
    topics(org, there={"vip": vip}, held_by={})
    org.mock.remove("POST", ROWS)
    org.on("POST", ROWS, (200, [refusal("INSUFFICIENT_ACCESS_OR_READONLY"), refusal("DUPLICATE_VALUE")]))
    outcomes = ours.crm.record([change(id_, "Topics", Delta(add=("vip",))) for id_ in (ONE, TWO)])
    assert errors(outcomes) == ["INSUFFICIENT_ACCESS_OR_READONLY", None]


def test_a_topic_without_a_name_is_refused_here(org: Org, ours: Side) -> None:
    outcomes = ours.crm.record([change(field="Topics", value=Delta(add=("x" * 100,)))])
    assert type(outcomes[0].error) is PermanentError
    assert org.asked == []


def test_fields_are_described_in_our_words(org: Org, ours: Side) -> None:
    org.login()
    told = described(Id="id read only", Phone="phone", Amount="currency", Tags__c="multipicklist", State="picklist")
    told["fields"][4]["picklistValues"] = [
        {"value": "Open", "active": True}, {"value": "Old", "active": False}, {"value": "Shut", "active": True}
    ]  # fmt: skip
    org.on("GET", "sobjects/Contact/describe", (200, told))
    found = {field.path: (field.type, field.words) for field in ours.crm.fields("Contact")}
    assert found.pop("Topics")[0] == "list"
    assert found == {
        "Id": ("id", "Id; read only"),
        "Phone": ("phone", "Phone"),
        "Amount": ("money", "Amount"),
        "Tags__c": ("list", "Tags  c"),
        "State": ("text", "State; values: Open, Shut"),
    }


def test_records_are_found_by_their_whatsapp_id(org: Org, ours: Side) -> None:
    org.login()
    org.on("GET", "sobjects/Contact/describe", (200, described(Id="id", WhatsApp_Id__c="string")))
    org.on("GET", "query/", (200, page([
        {"Id": ONE, "WhatsApp_Id__c": "+447400123456"}, {"Id": TWO, "WhatsApp_Id__c": "447400123456"},
    ])))  # fmt: skip
    assert ours.crm.find("Contact", ["+447400123456", "+441134960123", "' OR Id != '"]) == {"+447400123456": ONE}
    assert "' OR" not in org.calls("GET", "query/")[0]["q"].replace("'447400123456'", "")


def test_without_the_field_nobody_is_looked_for(org: Org, ours: Side) -> None:
    org.login()
    org.on("GET", "sobjects/Contact/describe", (200, described(Id="id")))
    assert ours.crm.find("Contact", ["+447400123456"]) == {}
    assert org.calls("GET", "query/") == []


def test_without_access_to_the_api_there_is_no_crm() -> None:
    settings = load(client_secret=None)
    assert make_crm(settings, a_kit(settings)) is None
    assert make_crm(load(), a_kit(load())) is not None


@contextlib.contextmanager
def an_org() -> Iterator[tuple[Org, SalesforceCrm]]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        loaded = load()
        yield Org(mock), SalesforceCrm(loaded, a_kit(loaded))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(1, 12), st.sampled_from(["A__c", "B__c", "C__c"]), st.integers(0, 9)), max_size=40),
    st.dictionaries(st.integers(1, 12), st.sampled_from(["UNABLE_TO_LOCK_ROW", "ENTITY_IS_DELETED"])),
    st.sets(st.tuples(st.integers(1, 12), st.sampled_from(["A__c", "B__c", "C__c"]))),
)
def test_each_change_gets_the_outcome_of_its_own_row_and_field(
    asked: list[tuple[int, str, int]], failing: dict[int, str], picky: set[tuple[int, str]]
) -> None:
    store: dict[str, dict[str, Any]] = {}

    def write(sent: Any) -> tuple[int, Any]:
        results = []
        for row in sent["records"]:
            number = int(row["Id"][5:15])
            bad = sorted(name for name in row if (number, name) in picky)
            if number in failing:
                results.append(refusal(failing[number]))
            elif bad:
                results.append(refusal("STRING_TOO_LONG", bad[0]))
            else:
                store.setdefault(row["Id"], {}).update(
                    {name: row[name] for name in row if name not in ("Id", "attributes")}
                )
                results.append({"id": row["Id"], "success": True, "errors": []})
        return 200, results

    changes = [change(record_id(number), field, value) for number, field, value in asked]
    wanted = {(one.record_id, one.field): one.value for one in changes}
    with an_org() as (org, crm):
        org.login()
        org.on("PATCH", ROWS, write)
        outcomes = crm.record(changes)
    assert [outcome.change for outcome in outcomes] == changes
    for outcome, (number, field, _) in zip(outcomes, asked, strict=True):
        stands = store.get(outcome.change.record_id, {}).get(field)
        if number in failing:
            assert outcome.error is not None
            assert outcome.error.code == failing[number]
        elif (number, field) in picky:
            assert isinstance(outcome.error, PermanentError)
            assert stands is None
        elif outcome.error is None:
            assert stands == wanted[outcome.change.record_id, field]
        else:
            assert isinstance(outcome.error, TemporaryError)
            assert stands is None
