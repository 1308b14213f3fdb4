from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.mapping import draft, gate
from connector.mapping.people import PeoplePolicy
from connector.model import (
    AccountId,
    Category,
    ConsentState,
    Contact,
    ContactId,
    Decision,
    Person,
    Purpose,
    Reason,
    Send,
    Slot,
    Standing,
    Step,
    Template,
)
from tests.mapping.examples import NOON, ORDER, SOURCE, TEMPLATE, decide, mapping, situation, skipped

MARKETING = replace(TEMPLATE, category=Category.MARKETING)


def person(purpose: Purpose = Purpose.MARKETING, state: ConsentState = ConsentState.UNKNOWN) -> Person:
    contact = Contact(id=ContactId("ann"), created_at=NOON, updated_at=NOON)
    return Person(contact=contact, standings={purpose: Standing(state=state, words="by a keyword")})


def step(decision: Decision, name: str) -> Step:
    return next(each for each in decision.steps if each.name == name)


def send(decision: Decision) -> Send:
    assert isinstance(decision.verdict, Send), decision.verdict
    return decision.verdict


def test_a_paid_order_becomes_a_message_step_by_step() -> None:
    decision = decide()
    assert decision.verdict == Send(
        channel=AccountId("channel-1"),
        recipient="+4930901820",
        template="order_paid",
        language="en",
        category=Category.UTILITY,
        slots={
            "body.1": "Ann",
            "body.2": "#1001",
            "body.3": "1.234,50 €",
            "button.0.url": "12/orders/ab?key=1",
        },
        not_before=NOON,
        expires_at=None,
    )
    assert (decision.mapping, decision.version) == ("shopify/order_paid", 3)
    assert [(step.name, step.ok) for step in decision.steps] == [
        (name, True)
        for name in (
            "conditions", "timing", "recipient", "channel", "template", "agreement",
            "slot body.1", "slot body.2", "slot body.3", "slot button.0.url", "consent",
        )
    ]  # fmt: skip
    words = {step.name: step.words for step in decision.steps}
    assert words["recipient"] == "+••••••••20 from customer.phone."
    assert words["template"] == "order_paid in en; formats of de_DE"


def test_the_same_situation_gives_the_same_decision() -> None:
    assert decide() == decide()


def test_a_decision_does_not_print_personal_data() -> None:
    assert not {"Ann", "+4930901820"} & set(repr(decide()).replace("'", " ").split())


def test_delay_and_expiry_count_from_the_event() -> None:
    timing = SOURCE + '[timing]\ndelay = "10m"\nexpires = "12h"\ncancel_when = ["order.cancelled"]\nrestart = true\n'
    verdict = decide(mapping(timing)).verdict
    assert isinstance(verdict, Send)
    assert verdict.not_before == NOON + timedelta(minutes=10)
    assert verdict.expires_at == NOON + timedelta(hours=12, minutes=10)
    assert (verdict.cancel_when, verdict.restart) == (("order.cancelled",), True)


def test_an_order_paid_twenty_hours_ago_is_not_announced() -> None:
    late = mapping(SOURCE + '[timing]\nexpires = "12h"\n')
    skip = skipped(decide(late, now=NOON + timedelta(hours=20)))
    assert skip.reason is Reason.TOO_LATE
    assert skip.words.endswith("which is 8 h ago.")
    assert isinstance(decide(late, now=NOON + timedelta(hours=12)).verdict, Send)


def test_an_event_that_came_first_cancels() -> None:
    of = mapping(SOURCE + '[timing]\ncancel_when = ["checkout.deleted", "order.cancelled"]\n')
    skip = skipped(decide(of, seen={"order.paid", "order.cancelled"}))
    assert (skip.reason, skip.words) == (Reason.OVERTAKEN, "order.cancelled came first.")


@pytest.mark.parametrize(
    ("given", "category", "resends"),
    [("", Category.UTILITY, True), ("", Category.AUTHENTICATION, True), ("", Category.MARKETING, False),
     ("resend", Category.MARKETING, True), ("give_up", Category.UTILITY, False)],
)  # fmt: skip
def test_a_doubt_is_resolved_by_category_unless_the_mapping_says(given: str, category: Category, resends: bool) -> None:
    source = SOURCE.replace("[template]", 'agreement = ["agrees"]\n[template]')
    source += f'[timing]\nin_doubt = "{given}"\n' if given else ""
    verdict = decide(
        mapping(source), ORDER | {"agrees": True}, templates=(replace(TEMPLATE, category=category),)
    ).verdict
    assert isinstance(verdict, Send)
    assert verdict.resend_in_doubt is resends


def test_a_condition_that_does_not_hold_says_what_stands_there() -> None:
    source = SOURCE + '[when.conditions]\nfield = "financial_status"\noperator = "is"\nvalue = "paid"\n'
    skip = skipped(decide(mapping(source), ORDER | {"financial_status": "pending"}))
    assert (skip.reason, skip.words) == (Reason.CONDITION, "financial_status is 'pending', wanted 'paid'")
    assert isinstance(decide(mapping(source)).verdict, Send)


def test_other_events_and_other_accounts_are_no_business_of_it() -> None:
    assert "the event is order.created" in skipped(decide(type="order.created")).words
    only = mapping(SOURCE.replace("[to]", 'accounts = ["other"]\n[to]'))
    assert "the account is main-store, wanted other" in skipped(decide(only)).words


def test_no_account_that_can_send_is_a_reason() -> None:
    assert skipped(decide(channel=None)).reason is Reason.NO_CHANNEL


@pytest.mark.parametrize(
    ("phone", "reason"),
    [(None, Reason.NO_RECIPIENT), ("+291****0123", Reason.MASKED_PHONE), ("12", Reason.INVALID_PHONE)],
)
def test_an_order_without_a_usable_phone_is_skipped_with_its_reason(phone: Any, reason: Reason) -> None:
    assert skipped(decide(None, ORDER | {"customer": None, "phone": phone})).reason is reason


@pytest.mark.parametrize(
    "gone", [{"customer": None}, {"customer": {}}, {"shipping_address": None}, {"shipping_address": ""}]
)
def test_null_customers_and_addresses_do_no_harm(gone: dict[str, Any]) -> None:
    assert isinstance(decide(None, ORDER | {"phone": "+4930901820"} | gone).verdict, Send)


class TestTemplate:
    """What became of the template since."""

    def test_one_that_is_not_there_is_a_reason(self) -> None:
        assert skipped(decide(templates=())).reason is Reason.NO_TEMPLATE

    @pytest.mark.parametrize("status", ["rejected", "disabled", "pending", "deleted"])
    def test_one_that_is_not_approved_stops(self, status: str) -> None:
        skip = skipped(decide(templates=(replace(TEMPLATE, status=status, reason="spam"),)))
        assert skip.reason is Reason.TEMPLATE_NOT_APPROVED
        assert f"is {status} (spam)" in skip.words

    def test_a_paused_one_still_plans_and_says_that_the_message_waits(self) -> None:
        decision = decide(templates=(replace(TEMPLATE, status="paused"),))
        assert isinstance(decision.verdict, Send)
        assert "paused" in next(step.words for step in decision.steps if step.name == "template")

    def test_one_edited_after_publishing_stops_where_the_slots_no_longer_fit(self) -> None:
        edited = replace(TEMPLATE, slots=(*TEMPLATE.slots, Slot(key="body.4")))
        published = {("order_paid", "en"): TEMPLATE.fingerprint}
        skip = skipped(decide(templates=(edited,), fingerprints=published))
        assert skip.reason is Reason.TEMPLATE_CHANGED
        assert "slots.body.4: is missing" in skip.words

    def test_one_edited_so_that_the_slots_still_fit_is_used(self) -> None:
        edited = replace(TEMPLATE, slots=(*TEMPLATE.slots, Slot(key="header.text", required=False)))
        published = {("order_paid", "en"): TEMPLATE.fingerprint}
        assert isinstance(decide(templates=(edited,), fingerprints=published).verdict, Send)

    def test_one_that_never_fitted_is_a_fault_of_the_mapping(self) -> None:
        fewer = replace(TEMPLATE, slots=TEMPLATE.slots[1:])
        for fingerprints in ({}, {("order_paid", "en"): fewer.fingerprint}):
            skip = skipped(decide(templates=(fewer,), fingerprints=fingerprints))
            assert skip.reason is Reason.SLOT_FAULT
            assert "slots.body.1: the approved template has no such slot" in skip.words

    def test_its_language_follows_the_contact(self) -> None:
        table = '{ choose = "{{ customer_locale }}", map = { de = "de" }, default = "en" }'
        german = replace(TEMPLATE, language="de")
        verdict = decide(mapping(language=table), templates=(TEMPLATE, german)).verdict
        assert isinstance(verdict, Send)
        assert verdict.language == "de"
        assert skipped(decide(mapping(language=table))).words == "The channel has no template order_paid in de."
        nobody = decide(mapping(language=table), ORDER | {"customer_locale": None})
        assert isinstance(nobody.verdict, Send)


class TestAgreement:
    """Marketing without agreement."""

    AGREES = SOURCE.replace("[template]", 'agreement = ["buyer_accepts_sms_marketing", "customer.agrees"]\n[template]')

    def test_marketing_leaves_with_the_buyers_agreement_which_is_named(self) -> None:
        decision = decide(mapping(self.AGREES), ORDER | {"buyer_accepts_sms_marketing": True}, templates=(MARKETING,))
        assert isinstance(decision.verdict, Send)
        step = next(step for step in decision.steps if step.name == "agreement")
        assert step.words == "buyer_accepts_sms_marketing says that the buyer agreed to marketing"

    @pytest.mark.parametrize("value", [False, None, "", "no", "unsubscribed"])
    def test_marketing_stays_without_it(self, value: Any) -> None:
        payload = ORDER | {"buyer_accepts_sms_marketing": value}
        assert skipped(decide(mapping(self.AGREES), payload, templates=(MARKETING,))).reason is Reason.NO_AGREEMENT

    def test_a_template_that_became_marketing_stops_a_mapping_without_agreement(self) -> None:
        assert skipped(decide(templates=(MARKETING,))).reason is Reason.NO_AGREEMENT

    def test_a_draft_without_agreement_is_not_stopped_before_the_person_is_known(self) -> None:
        told = draft(mapping(self.AGREES), 1, situation(templates=(MARKETING,)))
        assert isinstance(told.verdict, Send)
        assert told.verdict.agreed_by == ""
        assert "buyer_accepts_sms_marketing is missing" in step(told, "agreement").words

    def test_a_grant_in_the_ledger_lets_marketing_through_without_any_field(self) -> None:
        knows = person(Purpose.MARKETING, ConsentState.GRANTED)
        decision = decide(templates=(MARKETING,), person=lambda phone: knows if phone == "+4930901820" else None)
        assert isinstance(decision.verdict, Send)
        assert step(decision, "consent").words == "by a keyword"

    def test_a_revocation_in_the_ledger_wins_over_the_field(self) -> None:
        payload = ORDER | {"buyer_accepts_sms_marketing": True}
        knows = person(Purpose.MARKETING, ConsentState.REVOKED)
        decision = decide(mapping(self.AGREES), payload, templates=(MARKETING,), person=lambda phone: knows)
        assert skipped(decision).reason is Reason.REVOKED
        assert step(decision, "agreement").ok

    def test_utility_that_stands_on_consent_needs_a_grant(self) -> None:
        of = mapping(SOURCE.replace("[template]", 'ground = "consent"\n[template]'))
        assert skipped(decide(of)).reason is Reason.NO_AGREEMENT
        knows = person(Purpose.UTILITY, ConsentState.GRANTED)
        assert isinstance(decide(of, person=lambda phone: knows).verdict, Send)

    def test_authentication_passes_for_nobody_known_and_stops_for_the_blocked(self) -> None:
        code = (replace(TEMPLATE, category=Category.AUTHENTICATION),)
        assert isinstance(decide(templates=code).verdict, Send)
        blocked = replace(person(), contact=replace(person().contact, blocked_at=NOON))
        assert skipped(decide(templates=code, person=lambda phone: blocked)).reason is Reason.BLOCKED

    def test_the_gate_leaves_a_draft_that_skips_as_it_is(self) -> None:
        told = draft(mapping(), 1, situation(channel=None))
        assert gate(told, person()) is told

    def test_a_plan_is_a_draft_and_its_gate(self) -> None:
        now = situation(person=lambda phone: person(Purpose.UTILITY, ConsentState.REVOKED))
        assert decide(person=now.person) == gate(draft(mapping(), 3, now), now.person(""))


class TestOnce:
    """What is said once about a subject, where more than one thing is."""

    ONCE = SOURCE.replace("[to]", 'once_per = "{{ financial_status }}"\n[to]')

    def test_what_it_prints_goes_with_the_message(self) -> None:
        decision = decide(mapping(self.ONCE))
        assert isinstance(decision.verdict, Send)
        assert decision.verdict.once == "paid"
        assert step(decision, "once").words == "speaks once about order:1 and 'paid'"

    def test_a_blank_one_stops_and_is_named(self) -> None:
        skip = skipped(decide(mapping(self.ONCE), ORDER | {"financial_status": None}))
        assert (skip.reason, skip.words) == (Reason.BLANK_SLOT, "when.once_per: financial_status is missing.")

    def test_long_texts_with_one_beginning_are_told_apart(self) -> None:
        found = {
            send(decide(mapping(self.ONCE), ORDER | {"financial_status": "x" * 300 + end})).once for end in ("a", "b")
        }
        assert len(found) == 2
        assert max(map(len, found)) < 120


class TestMoment:
    """Messages that count from another moment than the event's own."""

    AT = SOURCE + '[timing]\nat = "{{ starts }}"\nbefore = "1d"\n'
    STARTS = ORDER | {"starts": "2026-11-25T15:00:00.000+0000"}

    def test_a_reminder_leaves_so_long_before_and_never_after(self) -> None:
        message = send(decide(mapping(self.AT), self.STARTS))
        assert message.not_before == datetime(2026, 11, 24, 15, tzinfo=UTC)
        assert message.expires_at == datetime(2026, 11, 25, 15, tzinfo=UTC)
        skip = skipped(decide(mapping(self.AT), self.STARTS, now=datetime(2026, 11, 25, 15, 0, 1, tzinfo=UTC)))
        assert skip.reason is Reason.TOO_LATE

    def test_delay_expires_and_before_add_up(self) -> None:
        of = mapping(self.AT + 'delay = "2h"\nexpires = "3h"\n')
        message = send(decide(of, self.STARTS))
        assert message.not_before == datetime(2026, 11, 24, 17, tzinfo=UTC)
        assert message.expires_at == datetime(2026, 11, 24, 20, tzinfo=UTC)

    def test_a_time_without_an_offset_is_read_by_the_accounts_clock(self) -> None:
        at = ORDER | {"starts": "2026-11-25 15:00"}
        berlin = send(decide(mapping(self.AT), at, account={"timezone": "Europe/Berlin"}))
        assert berlin.not_before == datetime(2026, 11, 24, 14, tzinfo=UTC)
        assert skipped(decide(mapping(self.AT), at)).reason is Reason.SLOT_FAULT

    @pytest.mark.parametrize("starts", ["soon", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00"])
    def test_what_is_no_time_is_a_fault(self, starts: str) -> None:
        decision = decide(mapping(self.AT), ORDER | {"starts": starts}, account={"timezone": "Europe/Berlin"})
        assert skipped(decision).reason is Reason.SLOT_FAULT
        assert "timing.at: starts is no moment" in skipped(decision).words

    def test_a_missing_one_is_blank(self) -> None:
        assert skipped(decide(mapping(self.AT))).words == "timing.at: starts is missing."


class TestPace:
    """Quiet hours and caps travel with the message; they are kept when it leaves."""

    POLICY = PeoplePolicy(quiet={Purpose.UTILITY: "22:00-07:00"})

    def test_the_policys_hours_hold_where_the_mapping_says_nothing(self) -> None:
        decision = decide(policy=self.POLICY, account={"timezone": "Europe/London"})
        assert (send(decision).quiet, send(decision).timezone) == ("22:00-07:00", "Europe/London")
        assert "22:00-07:00 by the person's own clock" in step(decision, "quiet hours").words

    @pytest.mark.parametrize(("written", "quiet"), [('"20:00-10:00"', "20:00-10:00"), ("false", "")])
    def test_the_mappings_own_win(self, written: str, quiet: str) -> None:
        of = mapping(SOURCE + f'[timing]\nquiet = {written}\ncap = "1 per 7d"\n')
        message = send(decide(of, policy=self.POLICY))
        assert (message.quiet, message.cap) == (quiet, ("1 per 7d",))

    def test_other_categories_have_none(self) -> None:
        assert send(decide(policy=PeoplePolicy(quiet={Purpose.MARKETING: "22:00-07:00"}))).quiet == ""


class TestSlots:
    """What the slots print."""

    def test_a_blank_slot_stops_and_names_what_was_missing(self) -> None:
        skip = skipped(
            decide(mapping(body_1='"Hello {{ customer.first_name }}!"'), ORDER | {"customer": {"phone": "+4930901820"}})
        )
        assert (skip.reason, skip.words) == (Reason.BLANK_SLOT, "body.1: customer.first_name is missing.")

    def test_a_value_that_cannot_be_used_is_a_fault_with_its_path(self) -> None:
        skip = skipped(decide(None, ORDER | {"total_price_set": "free"}))
        assert skip.reason is Reason.SLOT_FAULT
        assert skip.words.startswith("slots.body.3: total_price_set | money: money needs")

    def test_what_was_remembered_stands_under_its_own_name(self) -> None:
        verdict = decide(mapping(body_2='"{{ order.name }}"'), remembered={"order": {"name": "#77"}}).verdict
        assert isinstance(verdict, Send)
        assert verdict.slots["body.2"] == "#77"
        of, payload = mapping(body_2='"{{ order.name }}"'), ORDER | {"order": {"name": "#88"}}
        verdict = decide(of, payload, remembered={"order": {"name": "#77"}}).verdict
        assert isinstance(verdict, Send)
        assert verdict.slots["body.2"] == "#77"
        assert skipped(decide(mapping(body_2='"{{ order.name }}"'))).reason is Reason.BLANK_SLOT

    def test_account_and_event_are_always_there(self) -> None:
        event = "{{ event.type }} {{ event.label }} {{ event.occurred_at | date: 'short' }}"
        source = f'"{{{{ account.name }}}} {{{{ account.country }}}} {event}"'
        verdict = decide(mapping(body_2=source), ORDER | {"account": "mine", "event": "mine"}).verdict
        assert isinstance(verdict, Send)
        assert verdict.slots["body.2"] == "main-store US order.paid #1001 22.11.26"


def test_a_moment_at_the_end_of_time_does_no_harm() -> None:
    of = mapping(SOURCE + '[timing]\ndelay = "365d"\nexpires = "365d"\n')
    verdict = decide(of, occurred_at=datetime.max.replace(tzinfo=UTC)).verdict
    assert isinstance(verdict, Send)
    assert verdict.not_before == verdict.expires_at == datetime.max.replace(tzinfo=UTC)


def test_a_template_of_another_shape_is_looked_up_by_name_and_language() -> None:
    asked: list[tuple[str, str]] = []

    def finder(name: str, language: str) -> Template | None:
        asked.append((name, language))
        return None

    decide(template=finder)
    assert asked == [("order_paid", "en")]
