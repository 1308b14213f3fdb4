"""The shipped recipes for Salesforce: each turns its fixture into the message that stands beside it."""

from __future__ import annotations

import hmac
import json
from dataclasses import replace
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
    Decision,
    Event,
    Payload,
    Reason,
    Request,
    Send,
    Skip,
    Template,
    parse_object,
)

FOLDER = resources.files("mappings") / "salesforce"
FIXTURES = FOLDER / "fixtures"
NAMES = sorted(
    file.name.removesuffix(".toml")
    for file in FOLDER.iterdir()
    if file.name.endswith(".toml") and kind_of(file.read_text("utf-8")) == "notification"
)
ACCOUNT = {"organization_id": "00D5g000004AbCdEAK", "country": "GB", "locale": "en", "timezone": "Europe/Berlin"}
RECEIVED_AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


@cache
def adapter(name: str) -> Adapter:
    found: Adapter = import_module(f"adapters.{name}.adapter").ADAPTER
    return found


@cache
def receiver() -> Receiver:
    salesforce = adapter("salesforce")
    assert salesforce.receiver
    return salesforce.receiver(salesforce.settings().load({**ACCOUNT, "webhook_secret": ["recipe-secret"]}))


@cache
def templates() -> tuple[Template, ...]:
    read = adapter("whatsapp").read_templates
    assert read
    return tuple(read(parse_object((FOLDER / "templates.json").read_bytes())))


def recipe(name: str) -> Mapping:
    return load(f"salesforce/{name}", (FOLDER / f"{name}.toml").read_text("utf-8"))


def fixture(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_text("utf-8"))


def receive(object_: str, payload: object) -> Event:
    """Post a record as an Apex class would, and return its event."""
    body = json.dumps({"object": object_, "record": payload}).encode()
    headers = {"x-connector-signature": hmac.digest(b"recipe-secret", body, "sha256").hex()}
    request = Request(method="POST", headers=headers, body=body, received_at=RECEIVED_AT)
    (event,) = receiver().parse(receiver().verify(request))
    assert isinstance(event, Event)
    return event


def tell(name: str, *, alone: bool = False, **changes: Any) -> tuple[Event, dict[str, Payload]]:
    """Tell a recipe's fixture, with ``changes`` in its payload; ``alone``: nothing came before."""
    told = fixture(name)
    earlier = [] if alone else [receive(each["object"], each["payload"]) for each in told.get("earlier", ())]
    event = receive(told["object"], told["payload"] | changes)
    newest = {each.subject: each.payload for each in earlier}
    return event, {root: newest[subject] for root, subject in event.remembers.items() if subject in newest}


def decide(name: str, *, alone: bool = False, situation: dict[str, Any] | None = None, **changes: Any) -> Decision:
    event, remembered = tell(name, alone=alone, **changes)
    found = Situation(
        event=event,
        account_name="crm",
        account=ACCOUNT,
        remembered=remembered,
        now=event.occurred_at + timedelta(minutes=1),
        channel=AccountId("whatsapp"),
        template=lambda wanted, language: next(
            (each for each in templates() if (each.name, each.language) == (wanted, language)), None
        ),
    )
    return plan(recipe(name), 1, replace(found, **(situation or {})))


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
    assert len(NAMES) == 5


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_fits_the_declared_fields_and_its_template(name: str) -> None:
    topics = adapter("salesforce").topics
    faults = check(recipe(name), topics=topics, templates=templates(), channels=["whatsapp"])
    assert not faults, "\n".join(map(str, faults))


@pytest.mark.parametrize(
    ("event", "field", "fault"),
    [
        ("appointment__c.saved", "Anything__c", ""),
        ("contact.welcomed", "Anything__c", ""),
        ("lead.saved", "Loyalty_Level__c", ""),
        ("lead.saved", "CountryCode", ""),
        ("lead.saved", "FristName", "FirstName"),
        ("lead.savd", "FirstName", "lead.saved"),
    ],
)
def test_custom_events_and_fields_pass_and_slips_are_found(event: str, field: str, fault: str) -> None:
    source = (FOLDER / "lead_welcome.toml").read_text("utf-8")
    source = source.replace('"lead.saved"', f'"{event}"').replace("FirstName", field).replace('["lead.deleted"]', "[]")
    mapping = load("salesforce/lead_welcome", source)
    salesforce = adapter("salesforce")
    faults = check(
        mapping,
        topics=salesforce.topics,
        templates=templates(),
        channels=["whatsapp"],
        custom_events=salesforce.custom_events,
    )
    assert (fault in str(faults[0])) if fault else not faults


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_renders_as_expected(name: str) -> None:
    message = send(decide(name))
    assert {
        "recipient": message.recipient,
        "language": message.language,
        "slots": dict(message.slots),
    } == json.loads((FIXTURES / f"{name}.expected.json").read_text("utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_says_nothing_too_late(name: str) -> None:
    expires_at = send(decide(name)).expires_at
    assert expires_at
    assert reason(decide(name, situation={"now": expires_at + timedelta(seconds=1)})) is Reason.TOO_LATE


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_called_off_when_its_record_is_deleted(name: str) -> None:
    (event,) = recipe(name).timing.cancel_when
    assert event == f"{fixture(name)['object'].lower()}.deleted"
    assert reason(decide(name, situation={"seen": {event}})) is Reason.OVERTAKEN


@pytest.mark.parametrize("name", NAMES)
def test_only_the_welcome_of_a_lead_is_marketing(name: str) -> None:
    assert (send(decide(name)).category is Category.MARKETING) == (name == "lead_welcome")


@pytest.mark.parametrize("name", [name for name in NAMES if name != "lead_welcome"])
def test_a_contact_that_is_not_known_reaches_nobody(name: str) -> None:
    nobody = {"ContactMobile": None, "ContactPhone": None, "SuppliedPhone": None}
    assert reason(decide(name, alone=True, **nobody)) is Reason.NO_RECIPIENT


def test_a_case_that_is_not_known_by_its_contact_goes_to_the_number_of_the_web_form() -> None:
    message = send(decide("case_created", alone=True, SuppliedPhone="07400 123457"))
    assert message.recipient == "+447400123457"
    assert message.slots["body.1"] == "there"


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("case_created", {"Status": "Working"}),
        ("case_created", {"IsClosed": True}),
        ("case_created", {"ParentId": "5005g00000HjKlM"}),
        ("case_closed", {"IsClosed": False}),
        ("case_closed", {"Status": "Merged"}),
        ("opportunity_stage", {"StageName": "Qualification"}),
        ("lead_welcome", {"Status": "Working - Contacted"}),
        ("lead_welcome", {"IsConverted": True}),
        ("lead_welcome", {"DoNotCall": True}),
        ("appointment_reminder", {"WhoId": None}),
        ("appointment_reminder", {"Type": "Call"}),
        ("appointment_reminder", {"IsAllDayEvent": True}),
        ("appointment_reminder", {"IsPrivate": True}),
    ],
)
def test_what_a_recipe_is_not_about_is_left_out(name: str, changes: dict[str, Any]) -> None:
    assert reason(decide(name, **changes)) is Reason.CONDITION


@pytest.mark.parametrize("agreed", [None, False])
def test_a_lead_who_has_not_agreed_is_not_greeted(agreed: bool | None) -> None:
    assert reason(decide("lead_welcome", WhatsApp_Opt_In__c=agreed)) is Reason.NO_AGREEMENT


def test_a_case_is_spoken_about_again_when_it_is_closed_again() -> None:
    once = {send(decide("case_closed", ClosedDate=f"2026-11-{day}T10:00:00.000Z")).once for day in (20, 21)}
    assert len(once) == 2
    assert send(decide("case_closed", ClosedDate=None)).once == "closed"


def test_each_stage_is_spoken_about_once_in_its_own_words() -> None:
    told = {
        stage: send(decide("opportunity_stage", StageName=stage))
        for stage in ("Proposal/Price Quote", "Negotiation/Review", "Closed Won")
    }
    assert [message.once for message in told.values()] == list(told)
    assert len({message.slots["body.3"] for message in told.values()}) == 3
    assert all(message.restart for message in told.values())


def test_a_reminder_leaves_a_day_before_the_meeting_and_never_after_it_began() -> None:
    message = send(decide("appointment_reminder"))
    assert message.not_before == datetime(2026, 11, 24, 14, 30, tzinfo=UTC)
    assert message.expires_at == datetime(2026, 11, 25, 14, 30, tzinfo=UTC)


def test_a_meeting_that_is_moved_is_reminded_of_anew_and_in_place_of_the_old_reminder() -> None:
    first = send(decide("appointment_reminder"))
    moved = send(decide("appointment_reminder", StartDateTime="2026-11-26T09:00:00.000+0000"))
    renamed = send(
        decide("appointment_reminder", Subject="Second tasting", StartDateTime="2026-11-25T14:30:00.000+0000")
    )
    assert moved.restart
    assert moved.not_before == datetime(2026, 11, 25, 9, tzinfo=UTC)
    assert moved.once != first.once == renamed.once
    assert moved.slots["body.3"].startswith("10:00")


def test_without_a_time_zone_of_the_account_the_hour_is_that_of_utc() -> None:
    bare = {name: value for name, value in ACCOUNT.items() if name != "timezone"}
    message = send(decide("appointment_reminder", situation={"account": bare}))
    assert message.slots["body.3"].startswith("2:30")


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
