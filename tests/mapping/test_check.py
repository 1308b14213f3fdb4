from dataclasses import replace
from typing import Any

import pytest

from connector.contract import Field, Topic
from connector.mapping import Mapping, check
from connector.model import Category, Slot, SlotKind, Template
from tests.mapping.examples import SOURCE, TEMPLATE, TOPICS, mapping


def faults(of: Mapping | None = None, **given: Any) -> list[str]:
    known: dict[str, Any] = {"topics": TOPICS, "templates": (TEMPLATE,), "channels": ("whatsapp",)}
    return [str(fault) for fault in check(of or mapping(), **(known | given))]


def test_a_sound_mapping_has_no_faults() -> None:
    assert faults() == []


def test_topics_may_come_as_a_table() -> None:
    assert faults(topics={topic.name: topic for topic in TOPICS}) == []


def test_an_event_that_the_adapter_does_not_have_is_told_with_the_nearest() -> None:
    of = mapping(SOURCE + '[timing]\ncancel_when = ["order.canceled"]\n', event='"order.payed"')
    assert faults(of) == [
        "when.event: shopify has no event 'order.payed'; did you mean 'order.paid'?",
        "timing.cancel_when.0: shopify has no event 'order.canceled'; did you mean 'order.cancelled'?",
    ]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ custmer.first_name }}", "the event has no field 'custmer'; did you mean 'customer'?"),
        ("{{ customer.firstname }}", "the event has no field 'customer.firstname'; did you mean 'first_name'?"),
        ("{{ line_items[0].titel }}", "the event has no field 'line_items.titel'; did you mean 'title'?"),
        ("{{ name.first_name }}", "name is a text, and has no 'first_name' inside"),
        ("{{ event.kind }}", "'event' has no 'kind'; it has type, label, occurred_at."),
        ("{% if nam == 'x' %}a{% else %}b{% endif %}", "the event has no field 'nam'; did you mean 'name'?"),
        ("{{ name | append: nam }}", "the event has no field 'nam'; did you mean 'name'?"),
        ("{{ order.name }}", "the event has no field 'order'."),
    ],
)
def test_a_name_that_the_event_does_not_have_is_told_with_the_nearest(source: str, words: str) -> None:
    assert faults(mapping(body_2=f'"{source}"')) == [f"slots.body.2: {words}"]


@pytest.mark.parametrize(
    "source",
    [
        "{{ customer.first_name }}",
        "{{ line_items.first.title }}", "{{ line_items.size }}", "{{ line_items[2].title }}",
        "{{ note_attributes[0].anything }}", "{{ total_price_set.shop_money.amount }}", "{{ account.whatever }}",
        "{{ event.label }}", "{% assign x = name %}{{ x }}", "{{ line_items | list: 'title' }}", "{{ tags.size }}",
        "{{ note_attributes[name].x }}",
    ],
)  # fmt: skip
def test_declared_names_and_what_is_inside_of_undeclared_objects_pass(source: str) -> None:
    assert faults(mapping(body_2=f'"{source}"')) == []


def test_conditions_and_agreement_are_looked_at_too() -> None:
    source = SOURCE.replace("[template]", 'agreement = ["buyer_accepts"]\n[template]')
    source += '[[when.conditions.all]]\nfield = "finacial_status"\noperator = "is_present"\n'
    assert faults(mapping(source)) == [
        "when.conditions.all.0.field: the event has no field 'finacial_status'; did you mean 'financial_status'?",
        "to.agreement.0: the event has no field 'buyer_accepts'.",
    ]


def test_a_remembered_root_has_the_fields_of_its_event() -> None:
    source = SOURCE.replace("order.paid", "refund.created")
    of = mapping(
        source, phone='["{{ order.phone }}"]', region="[]", locale='["{{ order.customer_locale }}"]',
        body_1='"{{ order.customer.firstname }}"',
        body_2='"{{ order.name }}"', body_3='"{{ order.total_price_set | money }}"', button_0_url='"{{ order.id }}"',
    )  # fmt: skip
    assert faults(of) == [
        "slots.body.1: the event has no field 'customer.firstname'; did you mean 'first_name'?",
    ]


def test_a_topic_that_declares_nothing_is_not_judged() -> None:
    topics = (Topic(name="t", event="order.paid", title="t"),)
    assert faults(mapping(body_2='"{{ anything.at.all }}"'), topics=topics) == []


def test_an_adapter_that_declares_no_topics_takes_any_event() -> None:
    assert faults(mapping(event='"parcel.lost"'), topics=()) == []


def test_the_account_must_be_one_that_can_send() -> None:
    named = mapping(SOURCE.replace("[template]", '[template]\naccount = "whatsap"'))
    assert faults(named) == ["template.account: no account 'whatsap' can send; did you mean 'whatsapp'?"]
    assert "several accounts can send; name one of a, b" in faults(channels=("a", "b"))[0]
    assert "no account can send yet" in faults(channels=())[0]


class TestTemplates:
    """Against the approved templates."""

    def test_nothing_synced_is_one_fault(self) -> None:
        assert faults(templates=()) == [
            "template: no templates are known for this channel yet; run `connector templates sync`."
        ]

    def test_a_name_that_is_not_there(self) -> None:
        assert faults(mapping(name='"order_payed"')) == [
            "template.name: the channel has no template 'order_payed'; did you mean 'order_paid'?"
        ]

    def test_a_language_that_is_not_there(self) -> None:
        table = '{ choose = "{{ customer_locale }}", map = { de = "de", pt = "pt_BR" }, default = "en" }'
        found = faults(mapping(language=table), templates=(TEMPLATE, replace(TEMPLATE, language="de")))
        assert found == ["template.language: the template 'order_paid' is not there in 'pt_BR'; it has en, de."]

    @pytest.mark.parametrize("status", ["paused", "rejected", "pending"])
    def test_one_that_is_not_approved(self, status: str) -> None:
        found = faults(templates=(replace(TEMPLATE, status=status),))
        assert len(found) == 1
        assert f"is {status} at the channel" in found[0]

    def test_slots_that_are_missing_or_too_many_are_told_once_for_all_languages(self) -> None:
        table = '{ choose = "{{ customer_locale }}", map = { de = "de" }, default = "en" }'
        slots = (*TEMPLATE.slots[:2], TEMPLATE.slots[3], Slot(key="body.4", example="today"))
        english = replace(TEMPLATE, slots=slots)
        assert faults(mapping(language=table), templates=(english, replace(english, language="de"))) == [
            "slots.body.3: the approved template has no such slot; it has body.1, body.2, button.0.url, body.4.",
            "slots.body.4: is missing; the approved template needs it, such as 'today'.",
        ]

    def test_marketing_may_stand_on_the_ledger_alone(self) -> None:
        marketing = replace(TEMPLATE, category=Category.MARKETING)
        assert faults(templates=(marketing,)) == []

    @pytest.mark.parametrize(
        ("kind", "source", "words"),
        [
            (SlotKind.URL_SUFFIX, "{{ order_status_url }}", "takes only what follows"),
            (SlotKind.URL_SUFFIX, "https://shop.example/a", "takes only what follows"),
            (SlotKind.MEDIA, "http://shop.example/a.png", "https link"),
            (SlotKind.CODE, "SAVE-25", "letters A-Z"),
            (SlotKind.NUMBER, "north", "a number is needed"),
            (SlotKind.JSON, "{x", "this is not JSON"),
            (SlotKind.TEXT, "Hello name }}", "not closed, or not opened"),
            (SlotKind.TEXT, "{{ name }} }}", "not closed, or not opened"),
        ],
    )
    def test_what_can_be_seen_of_a_kind_without_an_event(self, kind: SlotKind, source: str, words: str) -> None:
        slots = (*TEMPLATE.slots[:1], Slot(key="body.2", kind=kind), *TEMPLATE.slots[2:])
        found = faults(mapping(body_2=f'"{source}"'), templates=(replace(TEMPLATE, slots=slots),))
        assert len(found) == 1
        assert found[0].startswith("slots.body.2: ")
        assert words in found[0]

    def test_a_constant_that_fits_passes(self) -> None:
        slots = (*TEMPLATE.slots[:1], Slot(key="body.2", kind=SlotKind.CODE), *TEMPLATE.slots[2:])
        template: Template = replace(TEMPLATE, slots=slots)
        assert faults(mapping(body_2='"SAVE25"'), templates=(template,)) == []


class TestRules:
    """Rules about buttons."""

    SOURCE = SOURCE + 'button.1.payload = "stop"\n[[after]]\non = "button"\ncancel_others = true\npayload = "?"\n'
    TEMPLATE = replace(TEMPLATE, slots=(*TEMPLATE.slots, Slot(key="button.1.payload", kind=SlotKind.PAYLOAD)))

    def test_a_payload_that_a_button_sends_is_sound(self) -> None:
        assert faults(mapping(self.SOURCE.replace('?"', 'stop"')), templates=(self.TEMPLATE,)) == []

    def test_a_payload_that_no_button_sends_is_told_with_the_nearest(self) -> None:
        assert faults(mapping(self.SOURCE.replace('?"', 'stopp"')), templates=(self.TEMPLATE,)) == [
            "after.0.payload: no button of this mapping sends 'stopp'; did you mean 'stop'?"
        ]

    def test_a_payload_that_is_worked_out_may_be_anything(self) -> None:
        source = self.SOURCE.replace('?"', 'stop:1"').replace('= "stop"', '= "stop:{{ id }}"')
        assert faults(mapping(source), templates=(self.TEMPLATE,)) == []

    def test_a_mapping_without_buttons_has_no_answers(self) -> None:
        of = mapping(SOURCE + '[[after]]\non = "button"\ncancel_others = true\n')
        assert faults(of) == ["after.0.on: no slot of this mapping is the payload of a button."]


class TestCustom:
    """Objects and fields that the vendor's users make themselves."""

    OPEN = (Topic(name="Case", event="case.saved", title="Case", fields=(Field("Id", "id"), Field("*__c", "text"))),)

    def test_a_field_by_the_pattern_is_known_and_another_is_not(self) -> None:
        slots = {"body_1": '"{{ Why__c }}"', "body_2": '"{{ Whyc }}"', "body_3": '"x"', "button_0_url": '"y"'}
        source = SOURCE.replace('phone = ["{{ phone }}"', 'phone = ["{{ Phone__c }}"').split("region")[0]
        rest = SOURCE[SOURCE.index("[template]") :]
        source = source.replace(', "{{ shipping_address.phone }}", "{{ customer.phone }}"', "") + rest
        of = mapping(source, event='"case.saved"', **slots)
        assert faults(of, topics=self.OPEN) == ["slots.body.2: the event has no field 'Whyc'."]

    def test_an_event_by_the_pattern_is_known_and_a_slip_of_the_pen_is_not(self) -> None:
        custom = {"topics": self.OPEN, "custom_events": "*.*"}
        assert faults(mapping(event='"visit__c.saved"'), **custom) == []
        assert faults(mapping(event='"case.svaed"'), **custom) == [
            "when.event: shopify has no event 'case.svaed'; did you mean 'case.saved'?"
        ]
        assert len(faults(mapping(event='"visit__c.saved"'), topics=self.OPEN)) == 1
