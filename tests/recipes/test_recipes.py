"""The shipped recipes: each turns its fixture into the message that stands beside it."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import import_module, resources
from typing import Any

import pytest

from connector.contract import Adapter, Receiver
from connector.mapping import Mapping, Situation, check, load, plan
from connector.mapping.kinds import kind_of
from connector.model import (
    AccountId,
    Category,
    ConsentState,
    Decision,
    Event,
    Payload,
    Purpose,
    Reason,
    Request,
    Send,
    Skip,
    Template,
    parse_object,
)

FOLDER = resources.files("mappings") / "shopify"
FIXTURES = FOLDER / "fixtures"
NAMES = sorted(
    file.name.removesuffix(".toml")
    for file in FOLDER.iterdir()
    if file.name.endswith(".toml") and kind_of(file.read_text("utf-8")) == "notification"
)
ACCOUNT = {"shop": "fernhill-tea.myshopify.com", "country": "GB", "locale": "en", "timezone": "Europe/London"}
RECEIVED_AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


@cache
def adapter(name: str) -> Adapter:
    found: Adapter = import_module(f"adapters.{name}.adapter").ADAPTER
    return found


@cache
def receiver() -> Receiver:
    shopify = adapter("shopify")
    assert shopify.receiver
    return shopify.receiver(shopify.settings().load({**ACCOUNT, "client_secret": "recipe-secret"}))


@cache
def templates() -> tuple[Template, ...]:
    read = adapter("whatsapp").read_templates
    assert read
    return tuple(read(parse_object((FOLDER / "templates.json").read_bytes())))


def recipe(name: str) -> Mapping:
    return load(f"shopify/{name}", (FOLDER / f"{name}.toml").read_text("utf-8"))


def fixture(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_text("utf-8"))


def receive(topic: str, payload: object) -> list[Event]:
    """Post a payload as Shopify would, and return its events."""
    body = json.dumps(payload).encode()
    headers = {
        "content-type": "application/json",
        "x-shopify-topic": topic,
        "x-shopify-hmac-sha256": b64encode(hmac.digest(b"recipe-secret", body, "sha256")).decode(),
        "x-shopify-shop-domain": ACCOUNT["shop"],
    }
    request = Request(method="POST", headers=headers, body=body, received_at=RECEIVED_AT)
    return [item for item in receiver().parse(receiver().verify(request)) if isinstance(item, Event)]


@dataclass
class Story:
    """A recipe, its event, and all that came before."""

    mapping: Mapping
    event: Event
    told: list[Event]

    def plan(self, **changes: Any) -> Decision:
        newest: dict[str, Payload] = {}
        for event in sorted(self.told, key=lambda event: event.occurred_at):
            newest[event.subject] = event.payload
        found = {root: newest[subject] for root, subject in self.event.remembers.items() if subject in newest}
        situation = Situation(
            event=self.event,
            account_name="main-store",
            account=ACCOUNT,
            remembered=found,
            now=self.event.occurred_at + timedelta(minutes=1),
            channel=AccountId("whatsapp"),
            template=lambda name, language: next(
                (each for each in templates() if (each.name, each.language) == (name, language)), None
            ),
        )
        return plan(self.mapping, 1, replace(situation, **changes))


def story(name: str, **changes: Any) -> Story:
    """Tell a recipe's fixture; ``changes`` go into its payload."""
    told = fixture(name)
    mapping = recipe(name)
    earlier = [event for each in told.get("earlier", ()) for event in receive(each["topic"], each["payload"])]
    events = receive(told["topic"], told["payload"] | changes)
    event = next(event for event in events if event.type == mapping.when.event)
    return Story(mapping, event, [*earlier, *events])


def reason(decision: Decision) -> Reason | None:
    return decision.verdict.reason if isinstance(decision.verdict, Skip) else None


def send(decision: Decision) -> Send:
    assert isinstance(decision.verdict, Send), decision.verdict
    return decision.verdict


def test_every_recipe_has_its_fixture_its_expectation_and_its_template() -> None:
    assert {file.name for file in FIXTURES.iterdir()} == {
        f"{name}{end}" for name in NAMES for end in (".json", ".expected.json")
    }
    assert {recipe(name).template.name for name in NAMES} == {template.name for template in templates()}
    assert len(NAMES) == 10


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_fits_the_declared_fields_and_its_template(name: str) -> None:
    faults = check(recipe(name), topics=by_event(), templates=templates(), channels=["whatsapp"])
    assert not faults, "\n".join(map(str, faults))


def by_event() -> dict[str, Any]:
    return {topic.event: topic for topic in adapter("shopify").topics}


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_renders_as_expected(name: str) -> None:
    message = send(story(name).plan())
    assert {
        "recipient": message.recipient,
        "language": message.language,
        "slots": dict(message.slots),
    } == json.loads((FIXTURES / f"{name}.expected.json").read_text("utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_says_nothing_too_late(name: str) -> None:
    told = story(name)
    assert told.mapping.timing.expires
    late = told.event.occurred_at + told.mapping.timing.delay + told.mapping.timing.expires + timedelta(seconds=1)
    assert reason(told.plan(now=late)) is Reason.TOO_LATE


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_called_off_by_what_it_names(name: str) -> None:
    told = story(name)
    known = set(by_event())
    for event in told.mapping.timing.cancel_when:
        assert event in known
        assert reason(told.plan(seen={event})) is Reason.OVERTAKEN


@pytest.mark.parametrize("name", NAMES)
def test_only_the_reminder_is_marketing(name: str) -> None:
    message = send(story(name).plan())
    assert (message.category is Category.MARKETING) == (name == "abandoned_checkout")
    assert message.resend_in_doubt == (name != "abandoned_checkout")


@pytest.mark.parametrize("name", ["order_confirmed", "order_paid", "order_cancelled"])
def test_test_orders_and_sales_over_the_counter_are_left_out(name: str) -> None:
    assert reason(story(name, test=True).plan()) is Reason.CONDITION
    assert reason(story(name, source_name="pos").plan()) is Reason.CONDITION


@pytest.mark.parametrize("name", ["order_confirmed", "order_paid", "order_cancelled", "draft_order_payment_link"])
def test_without_any_phone_the_reason_is_given(name: str) -> None:
    nobody = {"phone": None, "customer": None, "shipping_address": None, "billing_address": None}
    assert reason(story(name, **nobody).plan()) is Reason.NO_RECIPIENT


def test_a_masked_phone_is_told_as_such() -> None:
    nobody = {"customer": None, "shipping_address": None, "billing_address": None}
    assert reason(story("order_paid", phone="+44******0142", **nobody).plan()) is Reason.MASKED_PHONE


def test_a_nameless_buyer_is_greeted_all_the_same() -> None:
    message = send(story("order_paid", customer=None, shipping_address=None).plan())
    assert message.slots["body.1"] == "there"


def test_a_free_order_is_not_thanked_for_its_payment() -> None:
    assert reason(story("order_paid", total_price="0.00").plan()) is Reason.CONDITION


@pytest.mark.parametrize(
    "changes", [{"payment_gateway_names": ["shopify_payments"]}, {"financial_status": "paid"}, {"test": True}]
)
def test_only_an_order_that_is_paid_on_delivery_is_asked_about(changes: dict[str, Any]) -> None:
    assert reason(story("cod_confirm", **changes).plan()) is Reason.CONDITION


@pytest.mark.parametrize("name", NAMES)
def test_every_button_that_a_rule_is_about_is_sent(name: str) -> None:
    of = recipe(name)
    sent = {expression.source for key, expression in of.slots.items() if key.endswith(".payload")}
    assert {rule.payload for rule in of.after if rule.payload} <= sent


def test_each_answer_about_cash_on_delivery_leaves_one_tag() -> None:
    told = [rule for rule in recipe("cod_confirm").after if rule.on == "button"]
    tags = {"cod-pending", "cod-confirmed", "cod-cancelled", "cod-unreachable"}
    assert all(len(rule.add_tags) == 1 and {*rule.add_tags, *rule.remove_tags} == tags for rule in told)
    assert [rule.payload for rule in told] == ["cod:confirm", "cod:cancel"]


def test_the_button_under_a_reminder_takes_marketing_back() -> None:
    (rule,) = recipe("abandoned_checkout").after
    assert rule.consent == {Purpose.MARKETING: ConsentState.REVOKED}
    assert rule.cancel_others


def test_a_parcel_without_a_tracking_number_is_left_out() -> None:
    assert reason(story("order_shipped", tracking_number=None).plan()) is Reason.CONDITION


def test_a_parcel_of_an_unknown_order_goes_by_its_own_address_and_name() -> None:
    told = story("order_shipped")
    told.told = []
    message = send(told.plan())
    assert message.recipient == "+441134960143"
    assert message.slots["header.text"] == "#1052.1"


def test_a_parcel_without_a_link_leads_to_the_order_s_page() -> None:
    message = send(story("order_shipped", tracking_url=None, tracking_urls=[]).plan())
    assert message.slots["body.4"].startswith("https://fernhill-tea.example/")


def test_a_parcel_comes_today_whichever_topic_tells_it() -> None:
    told = story("out_for_delivery")
    parcel = fixture("out_for_delivery")["earlier"][-1]["payload"] | {
        "shipment_status": "out_for_delivery", "updated_at": "2026-11-22T07:13:00+00:00",
    }  # fmt: skip
    other = next(event for event in receive("fulfillments/update", parcel) if event.type == told.event.type)
    assert other.key == told.event.key
    assert send(replace(told, event=other).plan()).slots == send(told.plan()).slots


def test_a_refund_that_moved_no_money_yet_says_nothing() -> None:
    assert reason(story("refund_issued", transactions=[]).plan()) is Reason.CONDITION
    pending = [{"kind": "refund", "status": "pending", "amount": "5.00", "currency": "GBP"}]
    assert reason(story("refund_issued", transactions=pending).plan()) is Reason.CONDITION


def test_a_refund_of_an_unknown_order_reaches_nobody() -> None:
    told = story("refund_issued")
    told.told = []
    assert reason(told.plan()) is Reason.NO_RECIPIENT


@pytest.mark.parametrize(
    ("field", "value"),
    [("status", "open"), ("status", "completed"), ("completed_at", "2026-11-20T15:00:00Z"), ("invoice_url", None)],
)
def test_only_an_invoice_that_is_sent_and_open_is_a_payment_link(field: str, value: object) -> None:
    assert reason(story("draft_order_payment_link", **{field: value}).plan()) is Reason.CONDITION


def test_a_reminder_waits_an_hour_and_starts_again_with_each_step() -> None:
    told = story("abandoned_checkout")
    message = send(told.plan())
    assert message.not_before == told.event.occurred_at + timedelta(hours=1)
    assert message.restart
    assert message.cancel_when == ("order.created",)


def test_the_order_that_a_checkout_becomes_bears_on_it() -> None:
    checkout = story("abandoned_checkout").event
    (order,) = receive("orders/create", fixture("order_paid")["payload"])
    assert checkout.subject in order.about


def test_a_reminder_needs_the_buyer_s_agreement() -> None:
    neither = {"buyer_accepts_sms_marketing": False, "buyer_accepts_marketing": False}
    assert reason(story("abandoned_checkout", **neither).plan()) is Reason.NO_AGREEMENT
    missing = {"buyer_accepts_sms_marketing": None, "buyer_accepts_marketing": None}
    assert reason(story("abandoned_checkout", **missing).plan()) is Reason.NO_AGREEMENT


def test_a_checkout_that_is_bought_needs_no_reminder() -> None:
    assert reason(story("abandoned_checkout", completed_at="2026-11-20T10:05:00Z").plan()) is Reason.CONDITION


@pytest.mark.parametrize(
    "host", ["https://fernhill-tea.myshopify.com", "https://tea.example", "http://tea.example:8443"]
)
def test_the_end_of_a_link_is_the_same_under_each_of_the_shop_s_domains(host: str) -> None:
    end = "68801923/orders/9b1d02c7e5f84a6d/authenticate?key=4e7a90c2b1"
    message = send(story("order_paid", order_status_url=f"{host}/{end}").plan())
    assert message.slots["button.0.url"] == end


@pytest.mark.parametrize("template", templates(), ids=lambda template: template.name)
def test_a_template_is_approvable(template: Template) -> None:
    """Meta's rules for new templates: texts that neither begin nor end with a variable, and short labels."""
    assert template.status == "approved"
    for part in template.parts:
        if part.kind == "body":
            assert not part.text.startswith("{{")
            assert not part.text.endswith("}}")
            assert len(part.text) <= 1024
        if part.kind in ("header", "footer"):
            assert len(part.text) <= 60
    documents = {each["name"]: each for each in json.loads((FOLDER / "templates.json").read_bytes())["data"]}
    for component in documents[template.name]["components"]:
        for button in component.get("buttons", ()):
            assert len(button["text"]) <= 25
