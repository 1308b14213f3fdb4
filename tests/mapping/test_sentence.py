"""Mappings in one plain sentence: every shipped recipe, and what else can be said."""

from __future__ import annotations

from functools import cache
from importlib import import_module, resources
from pathlib import PurePath

import pytest

from connector.contract import Adapter, Topic
from connector.mapping import load
from connector.mapping.kinds import kind_of
from connector.mapping.sentence import happening, say
from connector.mapping.wording import both, label_of, length_of, phrase_of
from connector.model import Category, Template, parse_duration, parse_object

FOLDER = resources.files("mappings")
SAID = {
    "salesforce/appointment_reminder": (
        "When a calendar event is created or changed (once for each start date time), if there is a who ID, "
        "the type is “Meeting”, it is not an all day event and it is not private, 1 day before the start date"
        " time, send appointment_reminder (en, utility) to the contact or the lead; stop if deleted; a newer "
        "one takes its place; not between 21:00 and 08:00; 2 rules follow (when they tap a button)."
    ),
    "salesforce/case_closed": (
        "When a case is created or changed (once for each closed date), if it is closed, the status is not "
        "“Merged” and there is no parent ID, send case_closed (en, utility) to the contact; stop if deleted; "
        "not more than 1 day late; 2 rules follow (when they tap a button)."
    ),
    "salesforce/case_created": (
        "When a case is created or changed, if the status is “New”, it is not closed and there is no parent "
        "ID, send case_created (en, utility) to the contact; stop if deleted; not more than 12 hours late."
    ),
    "salesforce/lead_welcome": (
        "When a lead is created or changed, if the status begins with “Open”, it is not converted and “must "
        "not be called” is not set, wait 5 minutes, send lead_welcome (en, marketing) to the lead, if they "
        "agreed to it; stop if deleted; not more than 2 days late; 2 rules follow (when they tap a button)."
    ),
    "salesforce/opportunity_stage": (
        "When an opportunity is created or changed (once for each stage name) and the stage name is "
        "“Proposal/Price Quote”, “Negotiation/Review” or “Closed Won”, wait 10 minutes, send "
        "opportunity_stage (en, utility) to the contact; stop if deleted; a newer one takes its place; not "
        "more than 1 day late."
    ),
    "shopify/abandoned_checkout": (
        "When a checkout is changed, if it is not completed, there is an abandoned checkout link and there "
        "are line items, wait 1 hour, send abandoned_checkout (en, marketing) to the buyer, if they agreed to"
        " it; stop if an order is placed; a newer one takes its place; not more than 12 hours late; at most 2"
        " in 7 days to one person; 1 rule follows (when they tap a button)."
    ),
    "shopify/cod_confirm": (
        "When an order is placed, if one of the payment gateway names is “Cash on Delivery (COD)”, “Cash on "
        "Delivery”, “cash on delivery” or “COD”, the financial status is pending, it is not cancelled, "
        "“placed with a test payment” is not set and the source name is not pos, wait 2 minutes, send "
        "cod_confirm (en, utility) to the buyer; stop if cancelled, paid or a parcel is shipped; not more "
        "than 12 hours late; 4 rules follow (when it arrives, when it cannot be delivered and when they tap a"
        " button)."
    ),
    "shopify/delivered": (
        "When a parcel is delivered and “placed with a test payment” is not set, send order_delivered (en, "
        "utility) to the buyer; not more than 1 day late."
    ),
    "shopify/draft_order_payment_link": (
        "When a draft order is changed or invoiced, if the status is “invoice sent”, it is not completed, "
        "there is an invoice link and the total price is over 0, send draft_order_payment_link (en, utility) "
        "to the buyer; stop if it became an order; not more than 1 day late."
    ),
    "shopify/order_cancelled": (
        "When an order is cancelled, if “placed with a test payment” is not set, the cancel reason is not "
        "fraud and the source name is not pos, send order_cancelled (en, utility) to the buyer; not more than"
        " 1 day late."
    ),
    "shopify/order_confirmed": (
        "When an order is placed, if “placed with a test payment” is not set, it is not cancelled and the "
        "source name is not pos, send order_confirmed (en, utility) to the buyer; stop if cancelled; not more"
        " than 12 hours late."
    ),
    "shopify/order_paid": (
        "When an order is paid, if “placed with a test payment” is not set, it is not cancelled, the source "
        "name is not pos and the total price is over 0, send order_paid (en, utility) to the buyer; stop if "
        "cancelled; not more than 12 hours late."
    ),
    "shopify/order_shipped": (
        "When a parcel is shipped, if there is a tracking number, the status is not cancelled, error or "
        "failure and “placed with a test payment” is not set, send order_shipped (en, utility) to the buyer; "
        "stop if out for delivery or delivered; not more than 1 day late."
    ),
    "shopify/out_for_delivery": (
        "When a parcel is out for delivery and “placed with a test payment” is not set, send "
        "order_out_for_delivery (en, utility) to the buyer; stop if delivered; not more than 6 hours late."
    ),
    "shopify/refund_issued": (
        "When a refund is made, if the first transaction's kind is refund, the first transaction's status is "
        "success, “placed with a test payment” is not set and the order's cancel reason is not fraud, send "
        "refund_issued (en, utility) to the buyer; not more than 2 days late."
    ),
}
PLAIN = """
title = "Paid"
[when]
event = "order.paid"
adapter = "shopify"
accounts = ["eu-store"]
[when.conditions]
all = [{ field = "total_price", operator = "greater_than", value = 50 }]
[to]
phone = ["{{ customer.phone }}"]
[template]
name = "order_paid"
language = "de"
[timing]
delay = "10m"
cancel_when = ["order.refunded"]
"""
B = '{ field = "b", operator = "is", value = 2 }'
C = '{ field = "c", operator = "is", value = 3 }'
TEMPLATE = Template(name="order_paid", language="de", category=Category.UTILITY, status="approved")


@cache
def adapter(name: str) -> Adapter:
    found: Adapter = import_module(f"adapters.{name}.adapter").ADAPTER
    return found


@cache
def templates(folder: str) -> dict[str, Template]:
    read = adapter("whatsapp").read_templates
    assert read
    document = parse_object((FOLDER / folder / "templates.json").read_bytes())
    return {template.name: template for template in read(document)}


def tell(source: str, topics: tuple[Topic, ...] = ()) -> str:
    return say(load("shop/x", source), topics=topics, template=TEMPLATE)


def with_(conditions: str) -> str:
    """What is said about these conditions."""
    source = PLAIN.replace('all = [{ field = "total_price", operator = "greater_than", value = 50 }]', conditions)
    return tell(source).removeprefix("When an order is paid in eu-store").partition(", wait 10")[0].strip(", ")


def test_the_sentence_is_as_people_would_say_it() -> None:
    assert tell(PLAIN) == (
        "When an order is paid in eu-store and the total price is over 50, wait 10 minutes, "
        "send order_paid (de, utility) to the buyer; stop if refunded."
    )


def test_every_shipped_notification_is_said() -> None:
    names = {
        f"{folder}/{PurePath(file.name).stem}"
        for folder in ("shopify", "salesforce")
        for file in (FOLDER / folder).iterdir()
        if file.name.endswith(".toml") and kind_of(file.read_text("utf-8")) == "notification"
    }
    assert set(SAID) == names


@pytest.mark.parametrize("name", SAID)
def test_a_shipped_notification_is_said_like_this(name: str) -> None:
    mapping = load(name, (FOLDER / f"{name}.toml").read_text("utf-8"))
    folder = name.partition("/")[0]
    told = say(mapping, topics=adapter(folder).topics, template=templates(folder)[mapping.template.name])
    assert told == SAID[name]


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ('field = "tags"\noperator = "matches_any"\nvalue = ["vip", "b2b"]', "and one of the tags is vip or b2b"),
        ('not = { field = "a_b", operator = "contains", value = "x" }', "and it is not so that the a b contains x"),
        ('not = { field = "note", operator = "is_blank" }', "and there is a note"),
        ('field = "customer.note"\noperator = "is_blank"', "and the customer has no note"),
        ('field = "order.cancelled_at"\noperator = "is_present"', "and the order is cancelled"),
        ('field = "IsClosed"\noperator = "is"\nvalue = false', "and it is not closed"),
        ('field = "gift"\noperator = "is"\nvalue = true', "and “gift” is set"),
        ('field = "total_price"\noperator = "less_than"\nvalue = 12.50', "and the total price is under 12.50"),
        ('field = "id"\noperator = "is"\nvalue = 820982911946154508', "and the ID is 820982911946154508"),
        ('field = "tags"\noperator = "contains"\nvalue = "Wholesale"', "and the tags contain “Wholesale”"),
        (
            'field = "country"\noperator = "not_in"\nvalue = ["DE", "AT", "CH", "LI", "LU", "BE"]',
            "and the country is not “DE”, “AT”, “CH”, “LI” or 2 more",
        ),
        (
            f'all = [{{ field = "a", operator = "is", value = 1 }}, {{ any = [{B}, {C}] }}]',
            "if the a is 1 and (the b is 2 or the c is 3)",
        ),
        (
            f"not = {{ any = [{B}, {C}] }}",
            "and it is not so that (the b is 2 or the c is 3)",
        ),
    ],
)
def test_conditions_are_said_in_words(conditions: str, said: str) -> None:
    assert with_(conditions) == said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("restart = true", "; a newer one takes its place."),
        ("quiet = false", "; at any hour."),
        ('quiet = "22:00-07:30"', "; not between 22:00 and 07:30."),
        ('cap = ["1 per 7d", "3 per 90d"]', "; at most 1 in 7 days and 3 in 90 days to one person."),
        ('expires = "1d 12h"', "; not more than 1 day and 12 hours late."),
    ],
)
def test_further_keys_are_said_at_the_end(line: str, said: str) -> None:
    assert tell(f"{PLAIN}{line}\n").endswith(said)


def test_a_chosen_language_is_the_person_s_own() -> None:
    table = 'language = { choose = "{{ customer_locale }}", map = { de = "de", pt = "pt_BR" }, default = "en" }'
    told = tell(PLAIN.replace('language = "de"', table))
    assert "send order_paid (utility) in the person's language, else en, to the buyer" in told


def test_rules_are_counted() -> None:
    rules = '[[after]]\non = "read"\ncancel_others = true\n[[after]]\non = "replied"\ncancel_others = true\n'
    assert tell(PLAIN + rules).endswith("; 2 rules follow (when it is read and when they reply).")


def test_who_must_have_agreed_is_said_so() -> None:
    assert "to the buyer, if they agreed to it" in tell(PLAIN.replace("[template]", 'ground = "consent"\n[template]'))


def test_a_number_of_somebody_unknown_is_named_by_its_field() -> None:
    assert "to the number in “mobile”" in tell(PLAIN.replace("customer.phone", "mobile"))


@pytest.mark.parametrize(
    ("event", "title", "said"),
    [
        ("order.paid", "", "an order is paid"),
        ("invoice__c.saved", "", "an invoice is saved"),
        ("shipment.failure", "Parcel: failure", "a parcel is at “failure”"),
        ("x.y", "Draft order became an order", "a draft order became an order"),
        ("ping", "", "“ping” happens"),
    ],
)
def test_events_happen(event: str, title: str, said: str) -> None:
    assert happening(event, title) == said


def test_every_declared_event_can_be_said() -> None:
    for name in ("shopify", "salesforce"):
        for topic in adapter(name).topics:
            said = happening(topic.event, topic.title)
            assert "happens" not in said
            assert "“" not in said or topic.event.startswith("shipment.")


def test_a_topic_alone_names_its_event() -> None:
    topic = Topic(name="orders/paid", event="order.paid", title="Bill paid at last")
    assert say(load("shop/x", PLAIN), topic=topic).startswith("When a bill is paid at last in eu-store")


@pytest.mark.parametrize(
    ("path", "label", "phrase"),
    [
        ("first_name", "First name", "the first name"),
        (
            "customer.default_address.country_code",
            "Customer: default address: country code",
            "the customer's default address's country code",
        ),
        ("line_items[0].title", "Line items 1: title", "the first line item's title"),
        ("MobilePhone", "Mobile phone", "the mobile phone"),
        ("WhatsApp_Opt_In__c", "WhatsApp opt in", "the WhatsApp opt in"),
        ("order_status_url", "Order status link", "the order status link"),
    ],
)
def test_paths_are_said_in_words(path: str, label: str, phrase: str) -> None:
    assert (label_of(path), phrase_of(path)) == (label, phrase)


def test_lengths_and_lists_are_said_in_words() -> None:
    assert [length_of(parse_duration(text)) for text in ("90s", "1d 1h", "0s")] == [
        "1 minute and 30 seconds",
        "1 day and 1 hour",
        "no time",
    ]
    assert (both(["a", "b", "c"]), both(["a"]), both([])) == ("a, b and c", "a", "")
