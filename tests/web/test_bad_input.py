"""Whatever is posted: refused where nobody proved it, kept where somebody did, and never in the way of the rest."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from functools import cache
from typing import Any

import click
import pytest
from click.testing import CliRunner

from connector.cli import cli
from connector.contract import Adapter, Channel
from connector.errors import MappingError
from connector.flow import drift, explain, publish, replay, team
from connector.flow.deliver import Drain
from connector.model import Item, Message, Reason, RemoteId, Role, Sent, State, Template, Verified
from connector.registry import Registry
from connector.store import look
from connector.store.inbox import MAX_TRIES
from connector.testing.bodies import HOSTILE_JSON, odd, put
from connector.wiring import Wiring
from tests.web.conftest import (
    APP_SECRET,
    CAP,
    NUMBER,
    RECIPES,
    SECRETS,
    SHOP,
    VERIFY_TOKEN,
    WABA,
    House,
    app_signature,
    encode,
    fresh,
    shop_signature,
)

LogLines = Callable[[], list[Mapping[str, Any]]]

PHONE = "+447400123456"
NAMES = sorted(
    file.name.removesuffix(".toml")
    for file in RECIPES.iterdir()
    if file.name.endswith(".toml") and file.name != "contact.toml"
)


@cache
def told(recipe: str) -> Any:
    """Return a recipe's fixture: topic, payload, and what came earlier."""
    return json.loads((RECIPES / "fixtures" / f"{recipe}.json").read_text("utf-8"))


def order(**changes: Any) -> dict[str, Any]:
    """Return an order that was paid just now."""
    return {**fresh(told("order_paid")["payload"]), **changes}


@pytest.fixture
def shop(house: House) -> House:
    """The house with ``order_paid`` in force."""
    house.know_templates()
    house.publish("order_paid")
    return house


def states(house: House) -> list[str]:
    return [row.state for row in house.rows("request")]


def verdicts(house: House) -> list[tuple[str, str]]:
    return [(row.verdict, row.reason) for row in house.rows("decision")]


# signatures of the shop

BODY = encode({"id": 1, "phone": PHONE})
RIGHT = shop_signature(BODY)
FORGED: Mapping[str, str | None] = {
    "made with another secret": shop_signature(BODY, "another-secret"),
    "made with no secret": shop_signature(BODY, ""),
    "of another body": shop_signature(BODY + b" "),
    "missing": None,
    "empty": "",
    "a blank": " ",
    "beyond ASCII": "é" * 44,
    "one character beyond ASCII": RIGHT[:-2] + "é=",
    "cut by one": RIGHT[:-1],
    "cut in half": RIGHT[:22],
    "one too long": RIGHT + "=",
    "twice": RIGHT + RIGHT,
    "in hexadecimal": app_signature(BODY, "x").removeprefix("sha256="),
    "as Meta signs": app_signature(BODY),
    "in quotes": f'"{RIGHT}"',
    "very long": "A" * 100_000,
    "with a bit flipped": ("B" if RIGHT[0] == "A" else "A") + RIGHT[1:],
    "the secret itself": SECRETS[0],
    "null": "null",
}


@pytest.mark.parametrize("signature", FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("family", ["x_shopify_hmac_sha256", "shopify_hmac_sha256"])
def test_a_signature_that_is_not_right_leaves_nothing(house: House, family: str, signature: str | None) -> None:
    own = {"x_shopify_hmac_sha256": None, family: signature}
    answer = house.post(BODY, **own)
    assert answer.status_code == 401
    assert answer.data == b"The signature is missing or wrong. Check the secret of this account.\n"
    assert house.rows("request") == []


@pytest.mark.parametrize("body", [b"", BODY[:-1], BODY[1:], BODY + b"\n", BODY.replace(b"1", b"2"), BODY * 2])
def test_a_body_that_was_changed_or_cut_leaves_nothing(house: House, body: bytes) -> None:
    assert house.post(body, x_shopify_hmac_sha256=RIGHT).status_code == 401
    assert house.rows("request") == []


@pytest.mark.parametrize("shop", [None, "", " ", "another.myshopify.com", SHOP + ".evil.example", "é", SHOP[1:]])
def test_another_shop_leaves_nothing(house: House, shop: str | None) -> None:
    assert house.post(BODY, x_shopify_shop_domain=shop).status_code == 401
    assert house.rows("request") == []


def test_a_body_over_the_cap_leaves_nothing(house: House) -> None:
    answer = house.post(b'{"id": 1}'.ljust(CAP + 1))
    assert (answer.status_code, answer.data) == (413, b"The body is too large.\n")
    assert house.rows("request") == []


# what somebody proved, and nobody can read

UNREADABLE: Mapping[str, tuple[bytes, str, str]] = {
    "a form": (b"id=1", "application/x-www-form-urlencoded", "Set the subscription's format to JSON"),
    "XML": (b"<order/>", "application/xml", "Set the subscription's format to JSON"),
    "JSON that is said to be XML": (
        encode(order()),
        "text/xml; charset=utf-8",
        "Set the subscription's format to JSON",
    ),
    "another shop's": (encode(order(myshopify_domain="another.myshopify.com")), "", "speaks of another shop"),
    "without an id": (b'{"name": "#1"}', "", "include_fields"),
    "null for an id": (b'{"id": null, "token": null}', "", "include_fields"),
} | {name: (body, "", "") for name, body in HOSTILE_JSON.items()}


@pytest.mark.parametrize(("body", "content_type", "fix"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_acknowledged_kept_and_shown(
    house: House, body: bytes, content_type: str, fix: str
) -> None:
    assert house.post(body, content_type=content_type or "application/json").status_code == 200
    house.decide()
    (row,) = house.rows("request")
    assert (row.state, row.body, row.tries) == ("unreadable", body, 1)
    assert row.words.endswith(".")
    assert fix in row.words
    assert len(row.words) < 400
    page = pages(house).open("/requests").text
    assert row.words[:60].replace("'", "&#39;") in page
    assert "Read again (1)" in page
    (story,) = explain.explain(house.store, f"request {row.id}")
    assert row.words in " ".join(line.words for line in story.lines)


def pages(house: House) -> House:
    """Return the house after an owner has signed in to its pages by a link."""
    owner = team.add(house.store, email_="o@example.org", name_="O", role=Role.OWNER, password="marmalade-orbit-flint")
    path = f"/sign-in/link/{team.make_link(house.store, owner.id)}"
    token = re.search(r'name="csrf_token" value="([^"]+)"', house.open(path).text)
    assert token is not None
    assert house.open(path, "POST", data={"csrf_token": token[1]}).status_code == 303
    return house


class Fixed(Registry):
    """Has a Shopify adapter that reads what ours cannot: Latin-1, and orders without an id."""

    def get(self, name: str) -> Adapter:
        adapter = super().get(name)
        if name != "shopify" or adapter.receiver is None:
            return adapter
        ours = type(adapter.receiver({"shop": SHOP, "webhook_secret": ()}))

        class Reader(ours):  # type: ignore[valid-type,misc]
            def parse(self, request: Verified) -> Iterable[Item]:
                text = request.body.decode("latin-1") if b"\xeb" in request.body else request.body.decode()
                found = super().parse(Verified(replace(request, body=text.encode())))
                return list(found)

        return replace(adapter, receiver=lambda settings: Reader(settings))


def test_what_could_not_be_read_is_read_after_the_fix(shop: House) -> None:
    latin = encode(order(id=7, name="#1007", customer={"first_name": "Zo@"})).replace(b"Zo@", b"Zo\xeb")
    assert shop.post(latin).status_code == 200
    assert shop.post(b"{").status_code == 200
    shop.decide()
    assert states(shop) == ["unreadable", "unreadable"]

    survey = replay.survey(shop.store, replay.Selection(unreadable=True))
    assert survey.requests == 2
    assert replay.run(shop.store, survey) == 2
    shop.decide()  # the fix is not there yet
    assert states(shop) == ["unreadable", "unreadable"]

    with closing(Wiring(shop.tools.settings)) as tools:  # the service was updated, and started again
        shop.tools.registry = Fixed()
        tools.directory._registry = shop.tools.registry
        shop.tools.directory = tools.directory
        replay.run(shop.store, replay.survey(shop.store, replay.Selection(unreadable=True)))
        shop.decide()
    assert states(shop) == ["done", "unreadable"]
    (message,) = shop.rows("message")
    assert message.slots["body.1"] == "Zoë"
    assert message.label == "#1007"


def test_a_body_that_cannot_be_read_does_not_hold_up_the_others(shop: House) -> None:
    for number, body in enumerate(HOSTILE_JSON.values()):
        assert shop.post(body).status_code == 200
        assert shop.post(order(id=100 + number, name=f"#{100 + number}")).status_code == 200
    done = shop.decide()
    assert done.requests == 2 * len(HOSTILE_JSON)
    assert states(shop) == ["unreadable", "done"] * len(HOSTILE_JSON)
    assert len(shop.rows("message")) == len(HOSTILE_JSON)


def test_unknown_topics_are_kept_by_name_and_produce_nothing(house: House) -> None:
    odd_topics = ["nobody/asked", "ORDERS/PAIDISH", "orders/päid", "x" * 5000, "orders/paid orders/paid", "None"]
    for topic in odd_topics:
        assert house.post({"id": 1}, topic).status_code == 200
    house.decide()
    rows = house.rows("request")
    assert {row.state for row in rows} == {"ignored"}
    assert rows[0].topic == "nobody/asked"
    assert rows[0].words == "Nobody asked for nobody/asked."
    assert all(row.topic.isascii() and len(row.topic) <= 255 for row in rows)
    assert "nobody/asked" in pages(house).open("/requests").text
    assert house.rows("event") == []


def test_a_webhook_without_a_topic_says_what_is_missing(house: House) -> None:
    assert house.post({"id": 1}, x_shopify_topic=None).status_code == 200
    house.decide()
    (row,) = house.rows("request")
    assert row.state == "unreadable"
    assert "X-Shopify-Topic" in row.words


def test_ids_of_64_bits_and_more_stay_exact(house: House) -> None:
    ids = {2**63 - 1, 820982911946154508, 9007199254740993, 10**39}
    for id_ in ids:
        assert house.post(b'{"id": %d}' % id_).status_code == 200
    house.decide()
    assert {row.key for row in house.rows("event")} == {f"order.paid:{id_}" for id_ in ids}


# what can be read, and is odd


def everywhere(payload: Any, change: Callable[[Any], Any]) -> Any:
    """Return a payload with every value changed, but those that say what it is about."""
    keep = ("id", "token", "admin_graphql_api_id", "order_id", "fulfillment_id")
    if isinstance(payload, dict):
        return {k: v if k in keep else everywhere(v, change) for k, v in payload.items()}
    if isinstance(payload, list):
        return [everywhere(item, change) for item in payload]
    return change(payload)


PEOPLE = ("customer", "billing_address", "shipping_address", "destination")
SPOILS: Mapping[str, Callable[[Any], Any]] = {
    "no customer": lambda p: p | {"customer": None},
    "no addresses": lambda p: p | {"billing_address": None, "shipping_address": None},
    "nobody": lambda p: p | dict.fromkeys((*PEOPLE, "phone", "email", "contact_email")),
    "nobody, by absence": lambda p: {name: value for name, value in p.items() if name not in (*PEOPLE, "phone")},
    "people without a word": lambda p: p | {name: {} for name in PEOPLE} | {"phone": ""},
    "people of another kind": lambda p: p | dict.fromkeys(PEOPLE, "Ann") | {"phone": PHONE},
    "people as lists": lambda p: p | {name: [{"first_name": "Ann", "phone": PHONE}] for name in PEOPLE},
    "empty texts": lambda p: everywhere(p, lambda v: "" if isinstance(v, str) else v),
    "blank texts": lambda p: everywhere(p, lambda v: " \u00a0\t" if isinstance(v, str) else v),
    "nulls": lambda p: everywhere(p, lambda v: None),
    "truths": lambda p: everywhere(p, lambda v: True),
    "lists": lambda p: everywhere(p, lambda v: []),
    "objects": lambda p: everywhere(p, lambda v: {}),
    "long texts": lambda p: everywhere(p, lambda v: "x" * 3000 if isinstance(v, str) else v),
    "markup": lambda p: everywhere(p, lambda v: "{{ 1 }}{% for %}<b>\n\t    *" if isinstance(v, str) else v),
    "a masked phone": lambda p: everywhere(p, lambda v: "+44 •••• ••56" if v == PHONE else v),
    "negative numbers": lambda p: everywhere(p, lambda v: "-5.00" if is_amount(v) else v),
    "no numbers": lambda p: everywhere(p, lambda v: "NaN" if is_amount(v) else v),
    "endless numbers": lambda p: everywhere(p, lambda v: "Infinity" if is_amount(v) else v),
    "huge numbers": lambda p: everywhere(p, lambda v: 10**39 if is_amount(v) else v),
    "numbers with exponents": lambda p: everywhere(p, lambda v: "1e400" if is_amount(v) else v),
    "an unknown currency": lambda p: everywhere(p, lambda v: "XYZ" if v in ("GBP", "JPY", "EUR", "NZD") else v),
    "no items": lambda p: p | {"line_items": []},
    "null items": lambda p: p | {"line_items": [None, {}, {"title": None, "quantity": None}]},
    "many items": lambda p: p | {"line_items": [{"title": f"Tea {n}", "quantity": 1} for n in range(500)]},
    "no moments": lambda p: everywhere(p, lambda v: "yesterday" if is_moment(v) else v),
    "moments far off": lambda p: everywhere(p, lambda v: "9999-12-31T23:59:59Z" if is_moment(v) else v),
}


def is_amount(value: Any) -> bool:
    return isinstance(value, str) and value.replace(".", "", 1).isdigit()


def is_moment(value: Any) -> bool:
    return isinstance(value, str) and value[4:5] == value[7:8] == "-" and value[10:11] == "T"


IDS = re.compile(rb'("(?:order_|fulfillment_)?id": )(?=\d)')
NEVER = ("None", "nan", "NaN", "Infinity", "Decimal", "Undefined", "[]", "{}", "{'", "<object", "True", "Traceback")
"""What Python says, and no buyer should read."""


def sound(house: House, *, unreadable: bool = False) -> None:
    """Fail unless everything ended in a message that a person can read, or in a reason that an operator can."""
    for row in house.rows("request"):
        assert row.state in ("done", "ignored") or unreadable, (row.state, row.words)
        assert row.tries < MAX_TRIES
    for row in house.rows("decision"):
        if row.verdict == "skip":
            assert row.reason in tuple(Reason)
            assert row.words
            assert "None" not in row.words.replace("'None'", ""), row.words
        for name, _, words in row.steps:
            assert name and words, row.steps  # noqa: PT018
    for row in house.rows("message"):
        assert row.recipient.startswith("+")
        for key, text in row.slots.items():
            assert text.strip(), key
            said = [word for word in NEVER if word in text]
            assert not said, (key, text)
            assert "\n" not in text and "\t" not in text and "    " not in text, (key, text)  # noqa: PT018
    with house.store.read() as tx:
        for row in house.rows("event"):
            file = look.event_file(tx, row.id)
            assert file is not None
            story = explain.tell_event(file)
            assert all(line.words for line in story.lines)


@pytest.fixture
def recipes(house: House) -> House:
    """The house with every shipped recipe in force."""
    house.know_templates()
    house.publish(*NAMES)
    return house


@pytest.mark.parametrize("recipe", NAMES)
def test_every_recipe_ends_in_a_sensible_message_or_a_reason(recipes: House, recipe: str) -> None:
    for number, (name, spoil) in enumerate(SPOILS.items()):
        tale = fresh(copy.deepcopy(told(recipe)))
        for each in [*tale.get("earlier", ()), tale]:
            payload = spoil(each["payload"])
            body = IDS.sub(rb"\g<1>%d" % (number + 1), encode(payload))  # another order each time
            assert recipes.post(body, each["topic"]).status_code == 200, name
        recipes.decide()
    sound(recipes)
    told_of = {(row.mapping, row.verdict) for row in recipes.rows("decision")}
    assert (recipe, "skip") in told_of
    assert (recipe, "send") in told_of, "what is spoilt elsewhere does not stop a message that needs it not"


def test_an_order_with_anything_in_any_place_ends_well(recipes: House) -> None:
    payload = fresh(told("order_paid")["payload"])
    changes = [change for number, change in enumerate(odd(payload)) if number % 23 == 0]
    assert len(changes) > 100
    for number, (path, value) in enumerate(changes):
        changed = put(payload | {"id": 5000 + number, "name": f"#{5000 + number}"}, path, value)
        assert (
            recipes.post(json.dumps(changed).encode(), "orders/paid", x_shopify_webhook_id=str(number)).status_code
            == 200
        )
    recipes.decide()
    sound(recipes, unreadable=True)  # an id may be among the odd
    assert {verdict for verdict, _ in verdicts(recipes)} == {"send", "skip"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (dict.fromkeys((*PEOPLE, "phone")), Reason.NO_RECIPIENT),
        ({**dict.fromkeys(PEOPLE), "phone": ""}, Reason.NO_RECIPIENT),
        ({**dict.fromkeys(PEOPLE), "phone": "+44 74** ****56"}, Reason.MASKED_PHONE),
        ({**dict.fromkeys(PEOPLE), "phone": "12"}, Reason.INVALID_PHONE),
        ({"total_price": "NaN"}, Reason.CONDITION),
        ({"total_price": None}, Reason.CONDITION),
        ({"total_price_set": None}, Reason.BLANK_SLOT),
        ({"total_price_set": {"shop_money": {"amount": "abc", "currency_code": "GBP"}}}, Reason.SLOT_FAULT),
        ({"order_status_url": None}, Reason.BLANK_SLOT),
        ({"order_status_url": ""}, Reason.BLANK_SLOT),
        ({"name": ""}, Reason.BLANK_SLOT),
    ],
)  # fmt: skip
def test_what_is_missing_is_the_reason(shop: House, changes: dict[str, Any], reason: Reason) -> None:
    assert shop.post(order(**changes)).status_code == 200
    shop.decide()
    assert verdicts(shop) == [("skip", reason.value)]
    sound(shop)


def test_a_buyer_without_a_name_is_still_greeted(shop: House) -> None:
    assert shop.post(order(customer=None, shipping_address=None, billing_address=None, phone=PHONE)).status_code == 200
    shop.decide()
    (message,) = shop.rows("message")
    assert (message.recipient, message.slots["body.1"]) == (PHONE, "there")


# Meta


def statuses(*words: str, id_: str = "wamid.1", ours: str = "", **more: Any) -> dict[str, Any]:
    """Return an update with these states of one message."""
    made = [
        {"id": id_, "status": word, "timestamp": "1795348801", "recipient_id": PHONE[1:], **more}
        | ({"biz_opaque_callback_data": ours} if ours else {})
        for word in words
    ]
    return update("messages", {"statuses": made})


def update(field: str, value: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": NUMBER}} if field == "messages" else {}
    change = {"field": field, "value": metadata | dict(value)}
    return {"object": "whatsapp_business_account", "entry": [{"id": WABA, "time": 1795351000, "changes": [change]}]}


def test_meta_s_question_is_answered_where_the_token_is_ours(house: House) -> None:
    def ask(**given: str) -> tuple[int, bytes]:
        query = {f"hub.{name}": value for name, value in given.items()}
        answer = house.knock(house.number, method="GET", query_string=query)
        assert answer.content_type.startswith("text/plain")
        return answer.status_code, answer.data

    assert ask(mode="subscribe", verify_token=VERIFY_TOKEN, challenge="1158201444") == (200, b"1158201444")
    assert ask(mode="subscribe", verify_token="wrong", challenge="1158201444")[0] == 403
    assert ask(mode="subscribe", verify_token="", challenge="1158201444")[0] == 403
    assert ask(mode="subscribe", challenge="1158201444")[0] == 403
    assert ask(mode="subscribe", verify_token=VERIFY_TOKEN + "é", challenge="1")[0] == 403
    assert ask(mode="unsubscribe", verify_token=VERIFY_TOKEN, challenge="1")[0] == 403
    assert ask(verify_token=VERIFY_TOKEN, challenge="1")[0] == 405
    for challenge in ("", "é", "a\nb", "x" * 600):
        status, answer = ask(mode="subscribe", verify_token=VERIFY_TOKEN, challenge=challenge)
        assert status == 400
        assert b"<" not in answer
    assert house.rows("request") == []


META_BODY = encode(statuses("sent"))
META_RIGHT = app_signature(META_BODY)
META_FORGED: Mapping[str, str] = {
    "made with another secret": app_signature(META_BODY, "another"),
    "of another body": app_signature(META_BODY + b" "),
    "empty": "",
    "without its beginning": META_RIGHT.removeprefix("sha256="),
    "with another beginning": META_RIGHT.replace("sha256", "sha1"),
    "cut by one": META_RIGHT[:-1],
    "one too long": META_RIGHT + "0",
    "beyond ASCII": "sha256=" + "é" * 64,
    "with digits of another script": "sha256=" + "٣" * 64,
    "not hexadecimal": "sha256=" + "g" * 64,
    "as Shopify signs": shop_signature(META_BODY, APP_SECRET),
    "with a newline's blank": META_RIGHT + " x",
}


@pytest.mark.parametrize("signature", META_FORGED.values(), ids=META_FORGED)
def test_an_update_that_meta_did_not_sign_leaves_nothing(house: House, signature: str) -> None:
    headers = {"X-Hub-Signature-256": signature} if signature else {"X-Hub-Signature": META_RIGHT}
    assert house.knock(house.number, META_BODY, headers=headers).status_code == 401
    assert house.rows("request") == []


def test_a_thousand_updates_in_one_request_are_all_read(house: House) -> None:
    many = [statuses("sent", "delivered", id_=f"wamid.{number}")["entry"][0] for number in range(500)]
    assert house.tell({"object": "whatsapp_business_account", "entry": many}).status_code == 200
    house.decide()
    assert states(house) == ["done"]
    assert len(house.rows("receipt")) == 1000


def test_beyond_a_thousand_updates_the_rest_is_noted(house: House) -> None:
    many = [statuses("sent", id_=f"wamid.{number}")["entry"][0] for number in range(1200)]
    assert house.tell({"entry": many}).status_code == 200
    house.decide()
    assert len(house.rows("receipt")) == 1000
    (note,) = house.rows("inbound")
    assert "1000" in note.words


def test_a_request_of_three_megabytes_is_read(house: House) -> None:
    body = encode(statuses("sent", filler="x" * (3 * 1024 * 1024)))
    assert house.tell(body).status_code == 200
    house.decide()
    assert states(house) == ["done"]
    assert len(house.rows("receipt")) == 1


def test_people_without_a_phone_are_known_by_their_id(house: House) -> None:
    person = "GB.1112223334445556"
    said = {"from_user_id": person, "id": "wamid.IN", "timestamp": "1795349100", "type": "text", "text": {"body": "Hi"}}
    contact = {"profile": {"name": "Ada"}, "user_id": person}
    assert house.tell(update("messages", {"contacts": [contact], "messages": [said]})).status_code == 200
    told_of = statuses("read", recipient_user_id=person)
    del told_of["entry"][0]["changes"][0]["value"]["statuses"][0]["recipient_id"]
    assert house.tell(told_of).status_code == 200
    house.decide()
    assert states(house) == ["done", "done"]
    (reply,) = house.rows("inbound")
    assert reply.sender == person
    assert len(house.rows("receipt")) == 1


def test_fields_that_nobody_knows_are_noted_and_acknowledged(house: House) -> None:
    unknown = [
        update("teleportation", {"to": "Mars"}),
        update("messages", {"holograms": [{"id": 1}]}),
        update("messages", {"statuses": [{"id": "wamid.1", "status": "teleported"}, None, 7, "x", []]}),
        update("messages", {"statuses": "sent", "messages": 7, "errors": None}),
        {"object": "page", "entry": [{"id": "1", "messaging": []}]},
        {"entry": None}, {"entry": {}}, {"entry": [None, 1, "x", [], {}]}, {},
        {"entry": [{"changes": [None, 1, {"value": None}, {"field": None, "value": []}]}]},
    ]  # fmt: skip
    for payload in unknown:
        assert house.tell(payload).status_code == 200
    house.decide()
    assert set(states(house)) == {"done"}
    notes = [row.words for row in house.rows("inbound")]
    assert len(notes) >= len(unknown)
    assert all(words.strip() and "None" not in words for words in notes)


@pytest.mark.parametrize("body", HOSTILE_JSON.values(), ids=HOSTILE_JSON)
def test_what_meta_signed_and_nobody_can_read_is_kept(house: House, body: bytes) -> None:
    assert house.tell(body).status_code == 200
    house.decide()
    (row,) = house.rows("request")
    assert (row.state, row.body) == ("unreadable", body)


class Early(Channel):
    """A channel whose receipts come before its own answer."""

    rate = 1000.0

    def __init__(self, house: House, *, echoes: bool) -> None:
        self.house, self.echoes = house, echoes
        self.sent: list[str] = []

    def send(self, message: Message) -> Sent:
        remote = f"wamid.{message.id}"
        self.sent.append(message.id)
        ours = message.id if self.echoes else ""
        assert self.house.tell(statuses("read", "sent", "delivered", id_=remote, ours=ours)).status_code == 200
        self.house.decide()
        return Sent(RemoteId(remote), PHONE[1:])

    def templates(self) -> Iterable[Template]:
        return ()


def deliver(house: House, channel: Channel) -> None:
    """Send what is due, as the job does."""
    desk = house.tools.desk
    job = Drain(house.store, house.number.id, channel, desk, owner="d", threads=2, should_stop=lambda: False)
    assert job.run(lambda: None)


@pytest.mark.parametrize("echoes", [True, False], ids=["our id in them", "without our id"])
def test_receipts_that_come_before_the_answer_are_counted(shop: House, echoes: bool) -> None:
    assert shop.post(order()).status_code == 200
    shop.decide()
    channel = Early(shop, echoes=echoes)
    deliver(shop, channel)
    (message,) = shop.rows("message")
    assert (message.state, message.remote_id) == (State.READ, f"wamid.{message.id}")
    assert len(channel.sent) == 1
    assert shop.tell(statuses("delivered", id_=message.remote_id, again=1)).status_code == 200
    shop.decide()
    assert shop.rows("message")[0].state == State.READ


# Liquid

MAPPING = (RECIPES / "order_paid.toml").read_text("utf-8")


def with_slot(expression: str, name: str = "body.1") -> str:
    """Return the recipe with another expression in one slot."""
    lines = [line for line in MAPPING.splitlines() if not line.startswith(f"{name} =")]
    place = lines.index("[slots]") + 1
    return "\n".join([*lines[:place], f"{name} = {json.dumps(expression)}", *lines[place:]])


REFUSED: Mapping[str, tuple[str, str]] = {
    "a loop": ("{% for i in line_items %}{{ i.title }}{% endfor %}", "the tag 'for' is not available"),
    "a table": ("{% tablerow i in line_items %}{% endtablerow %}", "the tag 'tablerow' is not available"),
    "a range": ("{{ (1..99999999) | join: ',' }}", "ranges such as (1..9) are not available"),
    "a partial": ("{% include 'order_paid' %}", "the tag 'include' is not available"),
    "itself": ("{% render 'shopify/order_paid' %}", "the tag 'render' is not available"),
    "a macro": ("{% macro 'x' %}{% call 'x' %}{% endmacro %}", "the tag 'macro' is not available"),
    "inheritance": ("{% extends 'x' %}{% block y %}{% endblock %}", "the tag 'extends' is not available"),
    "a counter": ("{% increment x %}", "the tag 'increment' is not available"),
    "its class": ("{{ name.__class__.__mro__ }}", "out of reach"),
    "its class, in brackets": ("{{ name['__class__'] }}", "out of reach"),
    "private names": ("{{ customer._meta }}", "out of reach"),
    "brackets in brackets": ("{{ " + "a[" * 300 + "b" + "]" * 300 + " }}", "nested"),
    "branches in branches": ("{% if name %}" * 20 + "x" + "{% endif %}" * 20, "nested"),
    "too much": ("{{ name }}" * 300, "characters long; at most"),
    "an unknown filter": ("{{ name | system: 'ls' }}", "there is no filter 'system'"),
    "an unknown field": ("{{ customer.first_nam }}", "did you mean 'first_name'"),
    "division by nothing": ("{{ total_price | divided_by: 0 }}", "divided by 0"),
    "half of it": ("{{ name", "character"),
}


@pytest.mark.parametrize(("expression", "words"), REFUSED.values(), ids=REFUSED)
def test_liquid_that_loops_recurses_or_reaches_out_is_refused_with_its_path(
    house: House, expression: str, words: str
) -> None:
    house.know_templates()
    source = with_slot(expression)
    faults = publish.find_faults(house.store, house.tools.registry, "mine", source)
    assert "slots.body.1" in {fault.path for fault in faults}
    assert any(words in fault.words for fault in faults), faults
    with pytest.raises(MappingError, match=r"slots\.body\.1: "):
        house.publish("mine", source=source)
    assert not house.rows("mapping_version")


LIMITS: Mapping[str, str] = {
    "doubling": "{% assign a = name %}" + "{% assign a = a | append: a %}" * 50 + "{{ a }}",
    "replacing": "{{ note | replace: 'x', note | replace: 'x', note | replace: 'x', note }}",
    "joining": "{{ note | split: '' | join: note }}",
    "multiplying": "{{ id" + " | times: id" * 90 + " }}",
    "a list": "{{ line_items }}",
    "an object": "{{ customer }}",
    "a wrong kind": "{{ line_items | money: 'GBP' }}",
}


@pytest.mark.parametrize("expression", LIMITS.values(), ids=LIMITS)
def test_liquid_that_meets_a_limit_is_a_reason_and_stops_nothing_else(shop: House, expression: str) -> None:
    shop.publish("mine", source=with_slot(expression, "body.3"))
    assert shop.post(order(note="x" * 3000)).status_code == 200
    shop.decide()
    decisions = {row.mapping: row for row in shop.rows("decision")}
    assert decisions["order_paid"].verdict == "send"
    mine = decisions["mine"]
    assert (mine.verdict, mine.reason) == ("skip", Reason.SLOT_FAULT.value)
    assert "body.3" in mine.words
    assert len(mine.words) < 500
    assert [row.mapping for row in shop.rows("message")] == ["order_paid"]


@pytest.mark.parametrize("name", ["webhook_secret", "client_secret", "access_token", "settings", "token", "id"])
def test_secrets_of_an_account_cannot_be_printed(shop: House, name: str) -> None:
    shop.publish("mine", source=with_slot(f"{{{{ account.{name} }}}}", "body.3"))
    assert shop.post(order()).status_code == 200
    shop.decide()
    decisions = {row.mapping: row for row in shop.rows("decision")}
    assert (decisions["mine"].verdict, decisions["mine"].reason) == ("skip", Reason.BLANK_SLOT.value)


# templates that change


def news(event: str, name: str = "order_paid") -> dict[str, Any]:
    value = {
        "event": event, "message_template_id": 1, "message_template_name": name, "message_template_language": "en",
        "reason": "NONE",
    }  # fmt: skip
    return update("message_template_status_update", value)


class Patient(Channel):
    """Takes everything."""

    rate = 1000.0

    def __init__(self) -> None:
        self.sent: list[Message] = []

    def send(self, message: Message) -> Sent:
        self.sent.append(message)
        return Sent(RemoteId(f"wamid.{message.id}"), PHONE[1:])

    def templates(self) -> Iterable[Template]:
        return ()


def hasten(house: House) -> None:
    """Let the time pass that held messages wait."""
    with house.store.write() as tx:
        tx.exec_driver_sql("UPDATE message SET not_before = created_at WHERE state = 'waiting'")


def test_a_paused_template_holds_its_messages_until_it_is_approved_again(shop: House) -> None:
    channel = Patient()
    assert shop.tell(news("PAUSED")).status_code == 200
    assert shop.post(order()).status_code == 200
    shop.decide()
    assert verdicts(shop) == [("send", "")]
    deliver(shop, channel)
    (message,) = shop.rows("message")
    assert (message.state, message.reason, message.words) == (
        State.WAITING,
        "held",
        "Held while the template is paused.",
    )
    assert channel.sent == []

    hasten(shop)
    deliver(shop, channel)
    assert channel.sent == []
    assert shop.tell(news("REINSTATED")).status_code == 200
    shop.decide()
    hasten(shop)
    deliver(shop, channel)
    assert len(channel.sent) == 1
    assert shop.rows("message")[0].state == State.ACCEPTED


@pytest.mark.parametrize("event", ["DISABLED", "REJECTED", "PENDING_DELETION", "FLYING_AWAY"])
def test_a_template_that_is_no_longer_approved_stops_new_messages(shop: House, event: str) -> None:
    assert shop.tell(news(event)).status_code == 200
    shop.decide()
    assert shop.post(order()).status_code == 200
    shop.decide()
    assert verdicts(shop) == [("skip", Reason.TEMPLATE_NOT_APPROVED.value)]
    (trouble,) = drifts(shop)
    assert event.lower().replace("_", " ") in trouble.words.replace("_", " ")


def drifts(shop: House) -> list[drift.Drift]:
    with shop.store.read() as tx:
        return drift.of(tx, "order_paid")


def edited(change: Callable[[dict[str, Any]], None]) -> bytes:
    """Return Meta's JSON of the templates, with a change to ``order_paid``."""
    document = json.loads((RECIPES / "templates.json").read_bytes())
    (mine,) = [each for each in document["data"] if each["name"] == "order_paid"]
    change(mine)
    return encode(document)


def body_of(template: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(part for part in template["components"] if part["type"] == "BODY")
    return found


def more_slots(template: dict[str, Any]) -> None:
    body = body_of(template)
    body["text"] = "Your code is {{4}}. " + body["text"]
    body.pop("example", None)


def fewer_slots(template: dict[str, Any]) -> None:
    body_of(template)["text"] = "Thank you {{1}}, we have your payment."
    body_of(template).pop("example", None)


def no_button(template: dict[str, Any]) -> None:
    template["components"] = [part for part in template["components"] if part["type"] != "BUTTONS"]


@pytest.mark.parametrize("change", [more_slots, fewer_slots, no_button])
def test_a_template_that_was_edited_after_publishing_is_not_used_before_somebody_has_looked(
    shop: House, change: Callable[[dict[str, Any]], None]
) -> None:
    assert (
        shop.tell(
            update("message_template_components_update", news("x")["entry"][0]["changes"][0]["value"])
        ).status_code
        == 200
    )
    assert shop.decide().templates_of == {shop.number.id}, "it is asked for at once"
    shop.know_templates(edited(change))
    assert shop.post(order()).status_code == 200
    shop.decide()
    assert verdicts(shop) == [("skip", Reason.TEMPLATE_CHANGED.value)]
    assert "was changed after this mapping was published" in shop.rows("decision")[0].words
    (trouble,) = drifts(shop)
    assert "was edited" in trouble.words
    assert "publish again" in trouble.fix


def test_a_template_whose_words_alone_were_edited_goes_on(shop: House) -> None:
    def reworded(template: dict[str, Any]) -> None:
        body_of(template)["text"] = body_of(template)["text"].replace("Hi", "Dear")

    shop.know_templates(edited(reworded))
    assert shop.post(order()).status_code == 200
    shop.decide()
    assert verdicts(shop) == [("send", "")]


# what is said about all this


def test_no_log_line_of_bad_input_holds_a_secret_a_phone_or_a_body(shop: House, log_lines: LogLines) -> None:
    private = order(id=9, phone=PHONE, note="gate code 1185", name="#private-7")
    body = encode(private)
    for signature in FORGED.values():
        shop.post(body, x_shopify_hmac_sha256=signature)
    for content, content_type, _ in UNREADABLE.values():
        shop.post(content, content_type=content_type or "application/json")
    shop.post(body + b"}")
    shop.post(body, "nobody/asked")
    shop.post(body)
    shop.post(order(id=10, phone="0" * 30 + PHONE))
    shop.tell(statuses("sent", "failed", errors=[{"code": 131026, "title": f"no {PHONE}"}]))
    shop.knock(shop.number, body, headers={"X-Hub-Signature-256": app_signature(body, "x")})
    token = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": PHONE}
    shop.knock(shop.number, method="GET", query_string=token)
    shop.open(f"/hooks/{shop.shop.token[:-1]}", "POST")
    shop.publish("mine", source=with_slot(LIMITS["doubling"], "body.3"))
    shop.decide()
    lines = log_lines()
    assert len(lines) > len(FORGED) + len(UNREADABLE)
    said = json.dumps(lines, ensure_ascii=False)
    for word in (*SECRETS, shop.shop.token[:-1], shop.number.token, "7400123456", "private-7", "gate code", RIGHT):
        assert word not in said, word
    assert {line["level"] for line in lines} <= {"info", "warning"}, "nothing of this is a fault of ours"


EVIL = "\x1b[2J\x1b]0;pwned\x07\x9b31m\x08\x7f *"


def test_nothing_that_a_buyer_writes_commands_the_operator_s_terminal(
    shop: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {
        "from": PHONE[1:],
        "id": "wamid.IN",
        "timestamp": "1795349100",
        "type": "text",
        "text": {"body": f"Hi{EVIL}"},
    }
    assert shop.tell(update("messages", {"messages": [said]})).status_code == 200
    nobody = dict.fromkeys(PEOPLE)
    assert shop.post({"id": 2}, f"x{EVIL}").status_code == 200
    assert shop.post(order(id=3, name=f"#3{EVIL}")).status_code == 200
    assert shop.post(order(id=4, name="#4", cancelled_at=EVIL)).status_code == 200
    assert shop.post(order(id=5, name="#5", phone=EVIL, **nobody)).status_code == 200
    assert shop.post(order(id=6, name="#6", phone=EVIL.replace("*", "7"), **nobody)).status_code == 200
    shop.decide()
    monkeypatch.setenv("CONNECTOR_DATA", str(shop.tools.settings.data))
    for words in (["explain", PHONE], ["events"], ["messages"], *(["explain", f"request {n}"] for n in range(1, 7))):
        command = cli.get_command(click.Context(cli), words[0])
        assert command is not None
        told_of = CliRunner().invoke(command, words[1:])
        assert told_of.exit_code == 0, told_of.output
        assert len(told_of.output) > 20
        assert not [char for char in told_of.output if not char.isprintable() and char != "\n"], (words, told_of.output)
