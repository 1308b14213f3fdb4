"""The stand-in shop over HTTP: tokens, the schema it insists on, writes with their userErrors, cost and THROTTLED."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from connector.errors import ConfigurationError
from connector.sandbox.deliveries import Mix
from connector.sandbox.shopify.language import DocumentError, EnumWord, FieldNode, Variable, read
from tests.sandbox.conftest import Admin

Open = Callable[..., Admin]
PHONE = "+447400123456"
TAGS = "mutation($id: ID!, $tags: [String!]!) { tagsAdd(id: $id, tags: $tags) { userErrors { field message } } }"
UNTAG = TAGS.replace("tagsAdd", "tagsRemove")
CONSENT = """mutation($input: CustomerWhatsAppMarketingConsentUpdateInput!) {
  customerWhatsAppMarketingConsentUpdate(input: $input) { userErrors { field message code } } }"""


def gid(number: int, kind: str = "Customer") -> str:
    return f"gid://shopify/{kind}/{number}"


def refusal(data: Any) -> str:
    (answer,) = data.values()
    return str(answer["userErrors"][0]["message"]) if answer["userErrors"] else ""


def agree(admin: Admin, number: int, state: str = "SUBSCRIBED", **more: Any) -> str:
    consent = {"state": state, "optInLevel": "SINGLE_OPT_IN", "updatedAt": "2026-01-02T03:04:05Z"} | more
    consent = {name: value for name, value in consent.items() if value is not None}
    return refusal(admin.data(CONSENT, {"input": {"customerId": gid(number), "whatsAppMarketingConsent": consent}}))


def test_client_credentials_give_a_token_for_a_day(admin: Admin) -> None:
    status, told = admin.login(grant_type="client_credentials")
    assert (status, told["expires_in"]) == (200, 86_399)
    assert "write_customers" in told["scope"].split(",")
    assert admin.data("{ shop { myshopifyDomain } }")["shop"]["myshopifyDomain"] == "sandbox-store.myshopify.com"


def test_wrong_credentials_give_none(admin: Admin) -> None:
    assert admin.login(grant_type="client_credentials", client_secret="wrong")[0] == 401
    assert admin.login(grant_type="client_credentials", client_secret="é")[0] == 401
    assert admin.login(code="never given", expiring="1")[0] == 400


def test_an_authorization_is_exchanged_once_for_a_pair_that_rotates(admin: Admin) -> None:
    back = "http://127.0.0.1:1/authorized"
    status, _ = admin.ask("GET", f"/admin/oauth/authorize?client_id=sandbox-client&state=xyz&redirect_uri={back}")
    params = {name: values[0] for name, values in parse_qs(urlsplit(admin.location).query).items()}
    assert (status, params["state"], params["shop"]) == (302, "xyz", "sandbox-store.myshopify.com")
    first = admin.login(code=params["code"], expiring="1")[1]
    assert (first["expires_in"], first["refresh_token_expires_in"]) == (3600, 7_776_000)
    assert admin.login(code=params["code"], expiring="1")[0] == 400, "a code is good once"
    again = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = admin.login(**again)[1]
    assert admin.login(**again)[0] == 200, "until its replacement is used, the old one still is"
    assert admin.login(grant_type="refresh_token", refresh_token=second["refresh_token"])[0] == 200
    assert admin.login(**again)[0] == 400


def test_the_owner_is_sent_back_to_this_machine_only(admin: Admin) -> None:
    path = "/admin/oauth/authorize?client_id=sandbox-client&state=x&redirect_uri=https://evil.example/"
    assert admin.ask("GET", path)[0] == 400


def test_expired_and_unknown_tokens_are_refused(admin: Admin) -> None:
    admin.login(grant_type="client_credentials")
    assert admin.shop.expire() == 1
    assert admin.post("{ shop { name } }")[0] == 401
    admin.token = ""
    assert admin.post("{ shop { name } }")[0] == 401


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        ("{ shop { nme } }", {}, "undefinedField"),
        ("{ shop }", {}, "selectionMismatch"),
        ("{ shop { name { x } } }", {}, "selectionMismatch"),
        ("{ customers(firsst: 1) { nodes { id } } }", {}, "argumentNotAccepted"),
        ("{ customer { id } }", {}, "missingRequiredArguments"),
        ("{ customer(id: $id) { id } }", {}, "variableNotDefined"),
        ("query($id: ID!) { shop { name } }", {"id": "1"}, "variableNotUsed"),
        ("query($id: String!) { customer(id: $id) { id } }", {"id": "1"}, "variableMismatch"),
        ("query($id: ID!) { customer(id: $id) { id } }", {}, "INVALID_VARIABLE"),
        (CONSENT, {"input": {"customerId": "1", "nope": 1}}, "INVALID_VARIABLE"),
        (CONSENT, {"input": {"customerId": "1", "whatsAppMarketingConsent": {"state": "YES"}}}, "INVALID_VARIABLE"),
        ("{ customers(first: 1, sortKey: SOMEHOW) { nodes { id } } }", {}, "INVALID_VARIABLE"),
        ("{ customer(id: 1) { defaultPhoneNumber { marketingState } } }", {}, "undefinedField"),
        ("{ shop { ...Gone } }", {}, "useAndDefineFragment"),
        ("{ shop { ...A } } fragment A on Shop { ...A }", {}, "useAndDefineFragment"),
        ("{ shop { name ", {}, "undefined"),
        ("{ shop { a: name a: id } }", {}, "fieldConflict"),
        ("{ customers(first: 251) { nodes { id } } }", {}, "MAX_COST_EXCEEDED"),
    ],
)
def test_an_operation_that_shopify_would_refuse_is_refused(
    admin: Admin, query: str, variables: dict[str, Any], code: str
) -> None:
    status, told = admin.post(query, variables)
    assert (status, told["errors"][0]["extensions"]["code"]) == (200, code)
    assert "data" not in told


def test_a_document_is_read_with_aliases_fragments_variables_and_all_kinds_of_values() -> None:
    document = read(
        'query Q($a: [ID!]! = ["x"], $b: Int) { # a comment }\n'
        '  one: customers(first: $b, query: "a \\"b\\" \\u00e9", sortKey: ID, reverse: true) { ...F ... on C { id } }'
        ' two: x(o: {k: [1, -2.5, null], s: """ block "quoted" """}) } fragment F on C { id }'
    )
    operation = document.chosen("Q")
    assert operation.variables == {"a": ("[ID!]!", ["x"]), "b": ("Int", None)}
    one, two = operation.selections
    assert isinstance(one, FieldNode)
    assert isinstance(two, FieldNode)
    assert (one.key, one.name) == ("one", "customers")
    assert one.arguments == {"first": Variable("b"), "query": 'a "b" é', "sortKey": EnumWord("ID"), "reverse": True}
    assert two.arguments == {"o": {"k": [1, -2.5, None], "s": 'block "quoted"'}}
    with pytest.raises(DocumentError, match="nested"):
        read("{ a" * 5000)
    with pytest.raises(DocumentError, match="nested"):
        read("{ a(b: " + "[" * 5000)


def test_tags_are_matched_without_case_and_split_at_commas(admin: Admin) -> None:
    one = admin.shop.add_customer(first_name="Žofie", tags=["Red"])
    assert refusal(admin.data(TAGS, {"id": gid(one), "tags": ["red", "a,b"]})) == ""
    assert admin.shop.customer(one)["tags"] == ["Red", "a", "b"]
    assert refusal(admin.data(UNTAG, {"id": gid(one), "tags": ["RED", "none"]})) == ""
    assert admin.shop.customer(one)["tags"] == ["a", "b"]
    assert refusal(admin.data(TAGS, {"id": gid(99), "tags": ["x"]})) == "Customer does not exist"


def test_consent_is_kept_with_the_phone_number(admin: Admin) -> None:
    with_phone, without = admin.shop.add_customer(phone=PHONE), admin.shop.add_customer(email="a@shop.example")
    assert agree(admin, with_phone) == ""
    assert admin.shop.customer(with_phone)["whatsapp"]["state"] == "SUBSCRIBED"
    assert "phone number is required" in agree(admin, without)
    assert "not found" in agree(admin, 99)
    assert "level is required" in agree(admin, with_phone, optInLevel=None)
    assert "future" in agree(admin, with_phone, updatedAt="2099-01-01T00:00:00Z")
    assert "Cannot specify" in agree(admin, with_phone, state="REDACTED")
    admin.shop.edit_customer(with_phone, phone="+441134960123")
    assert admin.shop.customer(with_phone)["whatsapp"]["state"] == "NEVER_SUBSCRIBED", "another number, another consent"


def test_metafields_are_set_all_or_none(admin: Admin) -> None:
    one = admin.shop.add_customer()
    query = """mutation($metafields: [MetafieldsSetInput!]!) {
      metafieldsSet(metafields: $metafields) { userErrors { field message elementIndex } } }"""
    good = {
        "ownerId": gid(one),
        "namespace": "custom",
        "key": "status",
        "type": "single_line_text_field",
        "value": "in",
    }
    told = admin.data(query, {"metafields": [good, good | {"key": "x"}]})["metafieldsSet"]
    assert told["userErrors"][0]["elementIndex"] == 1
    assert admin.shop.customer(one)["metafields"] == {}
    assert refusal(admin.data(query, {"metafields": [good]})) == ""
    assert admin.shop.customer(one)["metafields"] == {"custom.status": "in"}


def test_several_mutations_in_one_document_have_each_their_outcome(admin: Admin) -> None:
    one = admin.shop.add_customer()
    fields = (
        f'f{n}: tagsAdd(id: "{gid(one if n % 2 else 7)}", tags: ["t{n}"]) {{ userErrors {{ message }} }}'
        for n in range(4)
    )
    data = admin.data(f"mutation {{ {' '.join(fields)} }}")
    assert [len(data[f"f{n}"]["userErrors"]) for n in range(4)] == [1, 0, 1, 0]
    assert admin.shop.customer(one)["tags"] == ["t1", "t3"]


def test_a_missing_scope_spoils_its_field_alone(open_shop: Open) -> None:
    admin = open_shop(scopes=["read_customers"])
    one = admin.shop.add_customer()
    told = admin.post(f'mutation {{ a: tagsAdd(id: "{gid(one)}", tags: ["x"]) {{ userErrors {{ message }} }} }}')[1]
    assert told["data"] == {"a": None}
    assert (told["errors"][0]["path"], told["errors"][0]["extensions"]["code"]) == (["a"], "ACCESS_DENIED")


def test_customers_are_found_by_number_and_walked_by_their_last_change(admin: Admin) -> None:
    ids = [admin.shop.add_customer(phone=f"+44740012345{n}") for n in range(5)]
    found = admin.data(f'{{ customerByIdentifier(identifier: {{phoneNumber: "{PHONE}"}}) {{ id }} }}')
    assert found["customerByIdentifier"] is None
    found = admin.data('{ customerByIdentifier(identifier: {phoneNumber: "+447400123453"}) { id } }')
    assert found["customerByIdentifier"]["id"] == gid(ids[3])
    admin.shop.edit_customer(ids[0], add_tags=["late"])
    walked: list[str] = []
    after = None
    query = """query($after: String) { customers(first: 2, after: $after, sortKey: UPDATED_AT,
      query: "updated_at:>='2020-01-01T00:00:00Z'") { nodes { id } pageInfo { hasNextPage endCursor } } }"""
    while True:
        page = admin.data(query, {"after": after})["customers"]
        walked += [node["id"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert walked == [gid(one) for one in (*ids[1:], ids[0])]
    assert admin.data(query.replace("2020", "2099"))["customers"]["nodes"] == []


def test_the_generators_orders_stand_in_the_shop_with_the_ids_of_the_webhooks(admin: Admin) -> None:
    made = admin.shop.stock(Mix(total=40, unusable=4), seed=7)
    assert len(made) == len(admin.shop.orders()) == 40
    order = next(one for one in made if one.payload["customer"] and one.payload["tags"])
    told = admin.data(
        """query($id: ID!) { order(id: $id) { name tags totalPriceSet { presentmentMoney { amount currencyCode } }
        customer { id firstName } ...Again } } fragment Again on Order { customer { lastName } }""",
        {"id": gid(order.payload["id"], "Order")},
    )["order"]
    assert told["name"] == order.name
    assert told["tags"] == ["vip", "wholesale"]
    assert (
        told["totalPriceSet"]["presentmentMoney"]["amount"]
        == (order.payload["total_price_set"]["presentment_money"]["amount"])
    )
    buyer = order.payload["customer"]
    assert told["customer"] == {
        "id": gid(buyer["id"]), "firstName": buyer["first_name"], "lastName": buyer["last_name"],
    }  # fmt: skip
    assert sum(1 for one in admin.shop.customers() if one["phone"]) > 5


def test_an_empty_bucket_throttles_with_http_200_and_fills_again(open_shop: Open) -> None:
    admin = open_shop(bucket=60, restore=1)  # 40 points are a long time in coming
    query = (
        f"mutation {{ {' '.join(f'a{n}: tagsAdd(id: 1, tags: []) {{ userErrors {{ message }} }}' for n in range(5))} }}"
    )
    assert "errors" not in admin.post(query)[1]
    status, told = admin.post(query)
    assert (status, told["errors"][0]["extensions"]["code"]) == (200, "THROTTLED")
    cost = told["extensions"]["cost"]
    assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (50, None)
    assert cost["throttleStatus"]["maximumAvailable"] == 60
    admin.shop.configure(restore=1_000_000)
    time.sleep(0.01)
    assert "errors" not in admin.post(query)[1]
    admin.shop.configure(throttled=True)
    time.sleep(0.01)
    assert admin.post("{ shop { name } }")[1]["errors"][0]["extensions"]["code"] == "THROTTLED"
    assert admin.shop.stats()["calls"]["throttled"] == 2


def test_trouble_comes_as_configured(admin: Admin) -> None:
    for change, status in (({"error_rate": 1.0}, 500), ({"down": True}, 503), ({"unauthorized": True}, 401)):
        admin.shop.configure(**change)
        assert admin.post("{ shop { name } }")[0] == status
        admin.shop.configure(error_rate=0.0, down=False, unauthorized=False)
    admin.shop.configure(html_rate=1.0)
    status, told = admin.post("{ shop { name } }")
    assert (status, told[:9]) == (200, b"<!DOCTYPE")
    with pytest.raises(ConfigurationError, match="this machine"):
        admin.shop.configure(webhook_url="http://shop.example/")


@pytest.mark.parametrize("document", [[], "x", {"query": 5}, {"query": "{ shop { name } }", "variables": [1]}])
def test_a_body_that_is_no_request_is_refused(admin: Admin, document: Any) -> None:
    told = admin.ask(
        "POST", "/admin/api/2026-10/graphql.json", document, **{"X-Shopify-Access-Token": "shpat_sandbox"}
    )[1]  # fmt: skip
    assert told["errors"]
