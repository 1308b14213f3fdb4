"""Meta's codes decide, and HTTP's statuses do not."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.whatsapp.refusals import MOST, TABLE, Class, fault, refusal, row_for, tidy
from connector.errors import CredentialsError, PermanentError, Scope, TemporaryError, UncertainError

EXPECTED: dict[Class, set[int]] = {
    Class.RETRY: {1, 2, 130429, 131056, 131000, 131016, 131057, 133004},
    Class.LATER: {4, 17, 613, 80007, 80008, 131048, 131064, 133016, 131070, 133015},
    Class.DROP: {
        100, 131008, 131009, 131049, 131050, 130472, 130403, 131026, 131021, 131030, 131047, 131051, 131052,
        131053, 130497, 131065, 131062, 132005, 132007, 132008, 132012, 132018, 135000, 137000, 139200,
    },
    Class.STOP_TEMPLATE: {131055, 134100, 131063, 131061, 134102, 132000, 132001, 132016, 132068},
    Class.HOLD_TEMPLATE: {132015, 132069, 134101},
    Class.STOP_ACCOUNT: {
        0, 102, 190, 3, 10, 131005, 33, 131037, 131042, 131045, 131031, 368, 133000, 133005, 133006, 133008,
        133009, 133010, 134011,
    },
}  # fmt: skip
CASES = [(code, kind) for kind, codes in EXPECTED.items() for code in sorted(codes)]


def error(code: object, details: str = "", **more: Any) -> dict[str, Any]:
    data = {"error_data": {"messaging_product": "whatsapp", "details": details}} if details else {}
    return {"error": {"message": f"(#{code}) Something", "type": "OAuthException", "code": code, **data, **more}}


def test_the_table_holds_these_codes_and_no_other() -> None:
    assert {code for code, _ in CASES} == set(TABLE)


@pytest.mark.parametrize(("code", "kind"), CASES)
@pytest.mark.parametrize("status", [400, 500])
def test_every_code_has_its_class_whatever_the_http_status(code: int, kind: Class, status: int) -> None:
    raised = fault(status, error(code))
    wanted, scope = {
        Class.RETRY: (TemporaryError, None),
        Class.LATER: (TemporaryError, None),
        Class.DROP: (PermanentError, Scope.MESSAGE),
        Class.STOP_TEMPLATE: (PermanentError, Scope.TEMPLATE),
        Class.HOLD_TEMPLATE: (TemporaryError, Scope.TEMPLATE),
        Class.STOP_ACCOUNT: (CredentialsError, Scope.ACCOUNT),
    }[kind]
    assert type(raised) is wanted
    assert scope is None or raised.scope is scope
    assert raised.code == str(code)
    assert raised.status == status
    assert raised.advice.endswith(".")
    assert raised.words


@pytest.mark.parametrize(("code", "kind"), CASES)
def test_a_receipt_says_the_same_as_an_answer(code: int, kind: Class) -> None:
    told = refusal([{"code": code, "title": "Something"}])
    assert told.temporary is (kind in (Class.RETRY, Class.LATER, Class.HOLD_TEMPLATE))
    assert told.code == str(code)
    assert told.advice
    assert told.temporary or told.retry_after is None


@pytest.mark.parametrize(
    ("code", "scope", "seconds"),
    [
        (130429, Scope.ACCOUNT, 1),
        (131056, Scope.MESSAGE, 6),
        (131000, Scope.MESSAGE, None),
        (4, Scope.ACCOUNT, 300),
        (131048, Scope.ACCOUNT, 3600),
        (132015, Scope.TEMPLATE, 3600),
        (133015, Scope.ACCOUNT, 300),
    ],
)
def test_what_passes_says_how_far_it_reaches_and_how_long_to_wait(
    code: int, scope: Scope, seconds: float | None
) -> None:
    raised = fault(400, error(code))
    assert isinstance(raised, TemporaryError)
    assert not isinstance(raised, UncertainError)
    assert (raised.scope, raised.retry_after) == (scope, seconds)


@pytest.mark.parametrize("code", [200, 210, 299])
def test_missing_permissions_suspend_the_account(code: int) -> None:
    assert type(fault(403, error(code))) is CredentialsError


def test_a_number_that_the_token_cannot_see_is_the_accounts_fault() -> None:
    assert type(fault(400, error(100, error_subcode=33))) is CredentialsError
    assert type(fault(400, error(100, error_subcode=2494010))) is PermanentError


@pytest.mark.parametrize("code", [2388019, 2388039, 2388293, 2388299])
def test_template_management_faults_concern_the_template(code: int) -> None:
    assert fault(400, error(code)).scope is Scope.TEMPLATE


def test_media_is_asked_for_again_where_its_server_was_busy() -> None:
    assert isinstance(fault(400, error(131053, "Media download failed with HTTP 503")), TemporaryError)
    assert isinstance(fault(400, error(131053, "Unsupported mime type, 5000 bytes")), PermanentError)


def test_an_unknown_code_is_dropped_but_retried_with_a_server_fault() -> None:
    assert type(fault(400, error(131044))) is PermanentError
    assert type(fault(500, error(131044))) is TemporaryError
    assert row_for(999999).kind is Class.DROP


@pytest.mark.parametrize("code", ["131026", 131026])
def test_a_code_may_come_as_text(code: object) -> None:
    assert fault(400, error(code)).code == "131026"


@pytest.mark.parametrize("reply", [None, [], {}, {"error": "no"}, {"error": {"code": True}}, {"error": {"code": "x"}}])
def test_without_a_code_a_server_fault_is_uncertain_and_another_is_nobodys_message(reply: Any) -> None:
    assert type(fault(502, reply)) is UncertainError
    assert type(fault(200, reply)) is UncertainError
    elsewhere = fault(404, reply)
    assert type(elsewhere) is TemporaryError
    assert elsewhere.scope is Scope.ACCOUNT


def test_metas_details_are_passed_on() -> None:
    said = "body: number of localizable_params (1) does not match the expected number of params (2)"
    assert said in fault(400, error(132000, said)).words


def test_a_token_that_meta_repeats_is_not_passed_on() -> None:
    raised = fault(401, error(190, message="Malformed access token short-1"))
    assert "short-1" not in raised.words
    assert "EAAG" not in fault(400, error(100, "Bad EAAGm0PX4ZCpsBAKZCd8ZBxyz1234567890abcdefghij")).words


def test_a_number_of_a_person_is_not_passed_on() -> None:
    assert "491712345678" not in fault(400, error(131026, "Cannot reach 491712345678.")).words


def test_names_of_templates_are_passed_on() -> None:
    name = "order_confirmation_with_every_detail_of_the_order"
    assert name in tidy(f"template name ({name}) does not exist in de")


def test_long_words_are_cut() -> None:
    assert len(tidy("word " * 10_000)) == MOST
