"""Salesforce's codes decide, in an answer, in a row and in a bulk result alike."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.salesforce.errors import (
    MOST,
    TABLE,
    Class,
    bulk_errors,
    coded,
    fault,
    named_fields,
    row_fault,
    tidy,
)
from connector.errors import CredentialsError, PermanentError, RemoteError, Scope, TemporaryError
from connector.model import Json

KINDS: dict[Class, type[RemoteError]] = {
    Class.RETRY: TemporaryError,
    Class.PAUSE: TemporaryError,
    Class.DROP: PermanentError,
    Class.STOP: CredentialsError,
}


@pytest.mark.parametrize(("code", "row"), TABLE.items())
def test_every_code_has_its_class_with_words_and_advice(code: str, row: object) -> None:
    error = fault(400, [{"errorCode": code, "message": "why", "fields": []}])
    assert type(error) is KINDS[TABLE[code].kind]
    assert error.code == code
    assert error.advice.endswith((".", "Usage."))
    assert (error.scope is Scope.ACCOUNT) is (TABLE[code].kind in (Class.PAUSE, Class.STOP))


@pytest.mark.parametrize("code", TABLE)
def test_a_row_never_suspends_the_account(code: str) -> None:
    error = row_fault([{"statusCode": code, "message": "why", "fields": []}])
    expected = KINDS[TABLE[code].kind]
    assert type(error) is (PermanentError if expected is CredentialsError else expected)
    assert error.code == code


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("UNABLE_TO_LOCK_ROW", TemporaryError),
        ("NOT_FOUND", PermanentError),
        ("ENTITY_IS_DELETED", PermanentError),
        ("INSUFFICIENT_ACCESS_OR_READONLY", PermanentError),
        ("INSUFFICIENT_ACCESS_OF_A_NEW_KIND", PermanentError),
        ("SOMETHING_NEW", PermanentError),
    ],
)
def test_the_well_known_ones_are_what_the_plan_says(code: str, kind: type[RemoteError]) -> None:
    assert type(coded(code)) is kind


def test_a_lock_inside_a_trigger_is_a_lock() -> None:
    words = "UpdateAccount: execution of AfterUpdate caused by: DmlException: UNABLE_TO_LOCK_ROW, unable to obtain"
    assert type(coded("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", words)) is TemporaryError
    assert type(coded("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "trigger failed")) is PermanentError


def test_the_daily_limit_waits_an_hour_and_the_concurrent_one_two_minutes() -> None:
    daily = fault(403, [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}])
    busy = fault(403, [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "ConcurrentRequests (Concurrent API) Limit"}])
    assert [error.retry_after for error in (daily, busy) if isinstance(error, TemporaryError)] == [3600, 120]


@pytest.mark.parametrize(
    ("errors", "fields"),
    [
        ([{"statusCode": "X_Y", "message": "no", "fields": ["A__c", "B__c"]}], {"A__c", "B__c"}),
        ([{"message": "No such column 'WhatsApp_X__c' on sobject of type Contact"}], {"WhatsApp_X__c"}),
        ([{"message": "no", "fields": None}], set()),
        ([{"message": "no", "fields": ["A__c", 7, None]}], {"A__c"}),
        ([], set()),
        (None, set()),
        ("text", set()),
    ],
)
def test_the_fields_to_blame_are_read(errors: Json, fields: set[str]) -> None:
    assert named_fields(errors) == fields


@pytest.mark.parametrize(
    ("text", "code", "fields"),
    [
        ("UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--", "UNABLE_TO_LOCK_ROW", []),
        ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST:bad value for restricted picklist field: x:Labels__c --",
         "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", ["Labels__c"]),
        ("STRING_TOO_LONG:too long: more\nlines:A__c, B__c --", "STRING_TOO_LONG", ["A__c", "B__c"]),
        ("ENTITY_IS_DELETED:entity is deleted", "ENTITY_IS_DELETED", []),
        ("what is this", "", []),
        ("", "", []),
    ],
)  # fmt: skip
def test_a_bulk_error_is_taken_apart(text: str, code: str, fields: list[str]) -> None:
    found = bulk_errors(text)
    assert isinstance(found, list)
    assert found[0]["statusCode"] == code
    assert found[0]["fields"] == fields


def test_a_refusal_without_a_code_is_permanent_and_says_so() -> None:
    for errors in ([], None, [{}], [{"statusCode": None}], "x", [{"statusCode": "lower case"}]):
        error = row_fault(errors)  # type: ignore[arg-type]
        assert type(error) is PermanentError
        assert (error.code, bool(error.words)) == ("", True)


def test_what_salesforce_says_names_no_person_and_no_token() -> None:
    words = f"invalid: +44 7400 123456 or jo.bloggs@shop.example\n\x00 with {'aB3.' * 12}"
    assert tidy(words) == "invalid: ••• or ••• with •••"
    assert len(tidy("word " * 999)) == MOST
    session = fault(403, [{"errorCode": "INVALID_SESSION_ID", "message": "Session 00Dxx!secret is invalid"}])
    assert "secret" not in session.words


WORDS = st.sampled_from(["errorCode", "statusCode", "message", "fields", "error"])
BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(WORDS, inner),
)


@settings(deadline=None)
@given(BODIES, st.integers(300, 599))
def test_whatever_comes_becomes_an_error_of_ours(body: Json, status: int) -> None:
    error = fault(status, body)
    assert isinstance(error, RemoteError)
    assert error.status == status
    row_fault(body)
    named_fields(body)


@settings(deadline=None)
@given(st.text())
def test_whatever_a_bulk_error_says_it_is_one(text: str) -> None:
    assert isinstance(row_fault(bulk_errors(text)), RemoteError)
