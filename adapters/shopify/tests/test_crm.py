"""Writing back: which mutations are asked, and whose outcome is whose."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.shopify.crm import ShopifyCrm
from adapters.shopify.operations import INPUTS
from adapters.shopify.tests.api import API, Shopify, a_shopify
from adapters.shopify.writing import HOLDS
from connector.contract import Change, Delta
from connector.errors import CredentialsError, PermanentError, RemoteError, TemporaryError, UncertainError

AT = datetime(2026, 11, 20, 9, 58, 30, tzinfo=UTC)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
GONE = {"userErrors": [{"field": ["id"], "message": "Customer does not exist"}]}
DONE: dict[str, Any] = {"userErrors": []}
NO_PHONE = "A phone number is required to set the WhatsApp consent state."


def consent(record: str = "5521", value: Any = "SUBSCRIBED", at: datetime | None = AT) -> Change:
    return Change("customer", record, "whatsapp_marketing_consent", value, at)


def tags(
    record: str = "5521", *, add: tuple[str, ...] = (), remove: tuple[str, ...] = (), of: str = "customer"
) -> Change:
    return Change(of, record, "tags", Delta(add, remove))


def metafield(record: str = "5521", value: Any = "yes", key: str = "whatsapp") -> Change:
    return Change("customer", record, f"metafield:custom.{key}", value)


def asked_of(api: Shopify) -> list[tuple[str, dict[str, Any]]]:
    """Answer everything with yes; return the root fields asked, with their arguments."""
    asked: list[tuple[str, dict[str, Any]]] = []

    def answer(name: str, arguments: dict[str, Any]) -> Any:
        asked.append((name, arguments))
        return DONE

    api.fields(answer)
    return asked


def write(api: Shopify, *changes: Change) -> list[RemoteError | None]:
    outcomes = ShopifyCrm(api.gateway()).record(changes)
    assert [outcome.change for outcome in outcomes] == list(changes)
    return [outcome.error for outcome in outcomes]


def test_consent_is_written_with_its_moment_and_level(api: Shopify) -> None:
    asked = asked_of(api)
    assert write(api, consent()) == [None]
    assert asked == [
        (
            "customerWhatsAppMarketingConsentUpdate",
            {
                "input": {
                    "customerId": "gid://shopify/Customer/5521",
                    "whatsAppMarketingConsent": {
                        "state": "SUBSCRIBED",
                        "updatedAt": "2026-11-20T09:58:30Z",
                        "optInLevel": "SINGLE_OPT_IN",
                    },
                }
            },
        )
    ]


@pytest.mark.parametrize(
    ("value", "level"), [("subscribed", "SINGLE_OPT_IN"), ("PENDING", "CONFIRMED_OPT_IN"), ("UNSUBSCRIBED", None)]
)
def test_each_state_of_consent_has_its_level(api: Shopify, value: str, level: str | None) -> None:
    asked = asked_of(api)
    write(api, consent(value=value))
    told = asked[0][1]["input"]["whatsAppMarketingConsent"]
    assert told["state"] == value.upper()
    assert told.get("optInLevel") == level


@pytest.mark.parametrize("at", [None, NOW + timedelta(seconds=1), NOW + timedelta(days=400)])
def test_consent_is_never_dated_in_the_future(api: Shopify, at: datetime | None) -> None:
    asked = asked_of(api)
    with time_machine.travel(NOW, tick=False):
        write(api, consent(at=at))
    told = asked[0][1]["input"]["whatsAppMarketingConsent"]["updatedAt"]
    assert datetime.fromisoformat(told) <= NOW


@pytest.mark.parametrize("value", ["REDACTED", "NEVER_SUBSCRIBED", "", None, True, Delta(("a",))])
def test_a_state_that_shopify_does_not_take_is_refused_here(api: Shopify, value: Any) -> None:
    error = write(api, consent(value=value))[0]
    assert isinstance(error, PermanentError)
    assert "SUBSCRIBED" in error.advice
    assert not api.mock.calls


def test_a_customer_without_a_phone_is_told_with_the_way_round(api: Shopify) -> None:
    api.fields(lambda name, arguments: {"userErrors": [{"field": None, "message": NO_PHONE, "code": "INVALID"}]})
    error = write(api, consent())[0]
    assert isinstance(error, PermanentError)
    assert "tags" in error.advice
    assert "metafield:" in error.advice


def test_tags_are_removed_and_added_and_others_left_alone(api: Shopify) -> None:
    asked = asked_of(api)
    assert write(api, tags(add=("vip", "VIP ", "late"), remove=("cold", "Late"), of="order")) == [None]
    assert asked == [
        ("tagsRemove", {"id": "gid://shopify/Order/5521", "tags": ["cold"]}),
        ("tagsAdd", {"id": "gid://shopify/Order/5521", "tags": ["VIP", "late"]}),
    ]


def test_a_tag_with_a_comma_is_refused_and_the_others_are_written(api: Shopify) -> None:
    asked = asked_of(api)
    comma, fine = write(api, tags("1", add=("warm, very",)), tags("2", add=("warm",)))
    assert isinstance(comma, PermanentError)
    assert "comma" in comma.advice
    assert fine is None
    assert [arguments["id"] for _, arguments in asked] == ["gid://shopify/Customer/2"]


def test_no_tags_to_change_is_no_request(api: Shopify) -> None:
    assert write(api, tags()) == [None]
    assert not api.mock.calls


@pytest.mark.parametrize(
    "change",
    [
        tags(add=(" ",)),
        tags(add=tuple(map(str, range(251)))),
        Change("customer", "1", "tags", "vip"),
        Change("customer", "1", "email", "a@example.com"),
        Change("order", "1", "whatsapp_marketing_consent", "SUBSCRIBED"),
        Change("product", "1", "tags", Delta(("a",))),
        tags("//evil.example/x", add=("a",)),
        tags("../../x", add=("a",)),
        tags("1?x", add=("a",)),
        tags("", add=("a",)),
        tags("0", add=("a",)),
        metafield(value=""),
        metafield(value=None),
        metafield(value={"a": 1}),
        Change("customer", "1", "metafield:custom", "x"),
        Change("customer", "1", "metafield:custom.a b", "x"),
    ],
)
def test_what_cannot_be_written_is_refused_here(api: Shopify, change: Change) -> None:
    error = write(api, change)[0]
    assert isinstance(error, PermanentError)
    assert not api.mock.calls


@pytest.mark.parametrize(
    ("value", "type_", "text"),
    [
        ("yes", "single_line_text_field", "yes"),
        ("a\nb", "multi_line_text_field", "a\nb"),
        (True, "boolean", "true"),
        (7, "number_integer", "7"),
        (Decimal("1.50"), "number_decimal", "1.50"),
        (["a", "ü"], "list.single_line_text_field", '["a", "ü"]'),
    ],
)
def test_a_metafield_has_the_type_of_its_value(api: Shopify, value: Any, type_: str, text: str) -> None:
    asked = asked_of(api)
    assert write(api, metafield(value=value)) == [None]
    assert asked == [
        (
            "metafieldsSet",
            {
                "metafields": [
                    {
                        "ownerId": "gid://shopify/Customer/5521",
                        "namespace": "custom",
                        "key": "whatsapp",
                        "type": type_,
                        "value": text,
                    }
                ]
            },
        )
    ]


def test_metafields_share_a_call_and_one_at_fault_does_not_stop_the_others(api: Shopify) -> None:
    calls: list[list[str]] = []

    def answer(name: str, arguments: dict[str, Any]) -> Any:
        owners = [item["ownerId"][23:] for item in arguments["metafields"]]
        calls.append(owners)
        bad = [index for index, owner in enumerate(owners) if owner == "7"]
        return {
            "userErrors": [
                {"field": ["metafields", str(i), "value"], "message": "no", "code": "INVALID_VALUE", "elementIndex": i}
                for i in bad
            ]
        }

    api.fields(answer)
    errors = write(api, *(metafield(str(record)) for record in range(1, 41)))
    assert [index for index, error in enumerate(errors) if error] == [6]
    assert [len(owners) for owners in calls[:2]] == [25, 15]
    assert len(api.asked) == 3, "two for those of the bundle that was refused"


def test_a_metafield_whose_type_the_shop_has_defined_is_written_as_that(api: Shopify) -> None:
    def answer(name: str, arguments: dict[str, Any]) -> Any:
        wrong = "type" in arguments["metafields"][0]
        error = {"field": ["metafields", "0", "type"], "message": "no", "code": "INVALID_TYPE", "elementIndex": 0}
        return {"userErrors": [error] if wrong else []}

    api.fields(answer)
    assert write(api, metafield()) == [None]
    assert len(api.asked) == 2


def test_many_records_share_requests_of_twenty(api: Shopify) -> None:
    asked_of(api)
    assert set(write(api, *(consent(str(record)) for record in range(1, 51)))) == {None}
    assert [request["query"].count("customerWhatsApp") for request in api.asked] == [20, 20, 10]
    assert api.purse.taken == [200, 200, 100]


def test_what_is_filled_in_is_what_is_validated(api: Shopify) -> None:
    asked_of(api)
    write(api, consent(), metafield())
    variables = api.asked[0]["variables"]
    update = variables["input0"]
    assert tuple(update) == INPUTS["CustomerWhatsAppMarketingConsentUpdateInput"]
    assert set(update["whatsAppMarketingConsent"]) == set(INPUTS["CustomerMarketingConsentInput"])
    assert set(variables["metafields1"][0]) == set(INPUTS["MetafieldsSetInput"])


# whose outcome is whose


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ctm"), st.sampled_from(["ok", "user", "fault", "bad"])), max_size=60))
def test_each_change_has_its_own_outcome(plan: list[tuple[str, str]]) -> None:
    """Whatever shares a request with it."""
    makers = {"c": consent, "t": lambda record: tags(record, add=("a",), remove=("b",)), "m": metafield}
    changes = [
        tags(str(row), add=("a,b",)) if fate == "bad" else makers[kind](str(row))
        for row, (kind, fate) in enumerate(plan, 1)
    ]

    def answer(name: str, arguments: dict[str, Any]) -> Any:
        def fate(gid: str) -> str:
            return plan[int(gid.rpartition("/")[2]) - 1][1]

        if name == "metafieldsSet":
            fates = [fate(item["ownerId"]) for item in arguments["metafields"]]
            wrong = [index for index, found in enumerate(fates) if found in ("user", "fault")]
            return {
                "userErrors": [
                    {"message": "no", "code": "INVALID_VALUE" if fates[i] == "user" else "INTERNAL_ERROR",
                     "elementIndex": i} for i in wrong
                ]
            }  # fmt: skip
        found = fate(arguments["id"] if "id" in arguments else arguments["input"]["customerId"])
        if found == "fault":
            return {"message": "Boom", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}
        return GONE if found == "user" else DONE

    with a_shopify() as api:
        api.fields(answer)
        errors = write(api, *changes)
    kinds = {"ok": type(None), "user": PermanentError, "fault": TemporaryError, "bad": PermanentError}
    assert [type(error) for error in errors] == [kinds[fate] for _, fate in plan]


def test_no_outcome_is_uncertain(api: Shopify) -> None:
    api.fields(lambda name, arguments: None)
    assert isinstance(write(api, tags(add=("a",)))[0], UncertainError)


def test_nothing_taken_is_an_error_of_the_whole(api: Shopify) -> None:
    api.answers("", status=503)
    with pytest.raises(TemporaryError):
        ShopifyCrm(api.gateway()).record([consent()])


def test_what_was_written_before_a_fault_keeps_its_outcome(api: Shopify) -> None:
    answers = iter([200, 503])

    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        data = {f"f{index}": DONE for index in range(20)}
        return next(answers), {}, json.dumps({"data": data})

    api.mock.add_callback("POST", API, answer)
    errors = write(api, *(consent(str(record)) for record in range(1, 46)))
    assert errors[:20] == [None] * 20
    assert all(isinstance(error, TemporaryError) for error in errors[20:])
    assert len(api.mock.calls) == 2


def test_a_document_refused_as_a_whole_costs_only_the_row_at_fault(api: Shopify) -> None:
    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        asked = json.loads(request.body or b"")
        if "gid://shopify/Customer/13" in json.dumps(asked["variables"]):
            return 200, {}, json.dumps({"errors": [{"message": "Variable $input12 is invalid"}]})
        return 200, {}, json.dumps({"data": {f"f{index}": DONE for index in range(20)}})

    api.mock.add_callback("POST", API, answer)
    errors = write(api, *(consent(str(record)) for record in range(1, 21)))
    assert [index for index, error in enumerate(errors) if error] == [12]
    assert len(api.mock.calls) <= 11


def test_a_refused_token_concerns_the_account(api: Shopify) -> None:
    api.answers("{}", status=401)
    with pytest.raises(CredentialsError):
        ShopifyCrm(api.gateway()).record([consent()])


# looking up


def test_customers_are_found_by_their_number(api: Shopify) -> None:
    def answer(name: str, arguments: dict[str, Any]) -> Any:
        if name == "customerByIdentifier":
            known = arguments["identifier"]["phoneNumber"] == "+447400123456"
            return {"id": "gid://shopify/Customer/7120045519873312804"} if known else None
        found = {"+4915123456789": ["1"], "+441134960123": ["2", "3"]}
        phone = arguments["query"].removeprefix('phone:"').rstrip('"')
        return {
            "nodes": [
                {"id": f"gid://shopify/Customer/{ident}", "defaultPhoneNumber": {"phoneNumber": phone}}
                for ident in found.get(phone, [])
            ]
        }

    api.fields(answer)
    phones = ["+447400123456", "+4915123456789", "+441134960123", "07400 123456", '+1" OR 1', "+447400123456"]
    found = ShopifyCrm(api.gateway()).find("customer", phones)
    assert found == {"+447400123456": "7120045519873312804", "+4915123456789": "1"}
    assert ShopifyCrm(api.gateway()).find("order", phones) == {}
    assert len(api.asked) == 2


def test_a_look_up_that_is_denied_is_told(api: Shopify) -> None:
    api.fields(lambda name, arguments: {"message": "no", "extensions": {"code": "ACCESS_DENIED"}})
    with pytest.raises(PermanentError):
        ShopifyCrm(api.gateway()).find("customer", ["+447400123456"])


def test_fields_are_what_can_be_written(api: Shopify) -> None:
    crm = ShopifyCrm(api.gateway())
    assert [field.path for field in crm.fields("customer")] == ["whatsapp_marketing_consent", "tags", "metafield:*"]
    assert crm.fields("order") == HOLDS["order"]
    with pytest.raises(PermanentError):
        crm.fields("product")
