"""The workbench shows what the real road decides, and shows texts with faults as far as they go."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from connector.flow import ledger, picker
from connector.flow.bubble import plain
from connector.flow.workbench import (
    Bench,
    Chosen,
    Preview,
    choices,
    load,
    masked,
    masked_contact,
    preview,
    preview_contact,
    remembered_fields,
)
from connector.mapping.kinds import kind_of
from connector.model import ConsentState, ContactId, Entry, EventId, Purpose, Reason, Send, Skip, Source, new_id, now
from connector.settings import Settings
from connector.store import Store, consents, schema
from connector.wiring import Wiring
from tests.web.conftest import House, fresh

FOLDER = resources.files("mappings")
SHOP = FOLDER / "shopify"
RECIPES = sorted(
    file.name.removesuffix(".toml")
    for file in SHOP.iterdir()
    if file.name.endswith(".toml") and kind_of(file.read_text("utf-8")) == "notification"
)
CRM = sorted(
    file.name.removesuffix(".toml")
    for file in (FOLDER / "salesforce").iterdir()
    if file.name.endswith(".toml") and kind_of(file.read_text("utf-8")) == "notification"
)
PAID = (SHOP / "order_paid.toml").read_text("utf-8")
CONTACT = (SHOP / "contact.toml").read_text("utf-8")
NAME = "shopify/order_paid"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def house(tmp_path: Path, sqlite_store: Store) -> Iterator[House]:
    with closing(House(Wiring(Settings.from_env({}, data=tmp_path)))) as made:
        made.know_templates()
        yield made


@pytest.fixture
def bench(house: House) -> Bench:
    house.catalogue.refresh(at_most_old=0)
    return Bench.of(house.tools)


def fixture(name: str) -> Any:
    return json.loads((SHOP / "fixtures" / f"{name}.json").read_text("utf-8"))


def tell(house: House, name: str, /, **changes: Any) -> None:
    """A recipe's fixture happens now, with all that came before."""
    told = fixture(name)
    for each in told.get("earlier", ()):
        assert house.post(fresh(each["payload"]), each["topic"]).status_code == 200
        house.decide()
    assert house.post(fresh(told["payload"] | changes), told["topic"]).status_code == 200
    house.decide()


def refuse(house: House, id_: ContactId, purpose: Purpose) -> None:
    """Enter that somebody has refused."""
    entry = Entry(
        id=new_id(), contact_id=id_, purpose=purpose, state=ConsentState.REVOKED, source=Source.KEYWORD,
        actor="the person", evidence="STOP", occurred_at=now(), learned_at=now(),
    )  # fmt: skip
    with house.store.write() as tx:
        ledger.enter(tx, [("test", entry)], now())
        assert consents.of(tx, [id_], [purpose])


def event_of(house: House, type_: str) -> EventId:
    return EventId([row.id for row in house.rows("event") if row.type == type_][-1])


def show(bench: Bench, source: str = PAID, event: EventId | Chosen | None = None, **ways: Any) -> Preview:
    return preview(bench, NAME, source, event, **ways)


def slots(seen: Preview) -> dict[str, str]:
    return {slot.key: slot.value for slot in seen.slots if slot.value}


@pytest.mark.parametrize("name", RECIPES)
def test_a_preview_is_what_the_real_road_decided(house: House, bench: Bench, name: str) -> None:
    house.publish(name)
    tell(house, name)
    source = (SHOP / f"{name}.toml").read_text("utf-8")
    with house.store.read() as tx:
        mine = schema.decision.c
        made = tx.execute(select(schema.decision).where(mine.mapping == name)).one()
        message = tx.execute(select(schema.message).where(schema.message.c.mapping == name)).one()
    seen = preview(bench, name, source, EventId(made.event_id))
    assert seen.decision is not None
    send = seen.decision.verdict
    assert isinstance(send, Send)
    assert made.verdict == "send"
    told = [(step.name, step.ok, step.words) for step in seen.decision.steps if step.name not in ("timing", "consent")]
    assert told == [tuple(step) for step in made.steps if step[0] not in ("timing", "consent")]
    assert (send.recipient, send.slots, send.template, send.language) == (
        message.recipient,
        message.slots,
        message.template,
        message.language,
    )
    assert abs(send.not_before - message.not_before) < timedelta(milliseconds=1)
    assert slots(seen) == message.slots
    assert [view.phone for view in seen.recipients if view.chosen] == [message.recipient]
    assert not seen.faults
    assert all(view.holds for view in seen.conditions)


def test_what_the_road_skips_is_skipped_for_the_same_reason(house: House, bench: Bench) -> None:
    house.publish("order_paid")
    tell(house, "order_paid", total_price="0.00")
    (made,) = house.rows("decision")
    seen = show(bench, event=EventId(made.event_id))
    assert seen.decision is not None
    assert isinstance(seen.decision.verdict, Skip)
    assert (seen.decision.verdict.reason, seen.decision.verdict.words) == (made.reason, made.words)
    assert [view.path for view in seen.conditions if not view.holds] == ["when.conditions.all.3"]
    assert slots(seen)["body.1"] == "Amelia", "the message is shown all the same"


@pytest.mark.parametrize("name", [f"shopify/{name}" for name in RECIPES] + [f"salesforce/{name}" for name in CRM])
def test_every_shipped_mapping_shows_its_sample(house: House, bench: Bench, name: str) -> None:
    folder = name.partition("/")[0]
    if folder == "salesforce":
        house.connect("salesforce", "org", organization_id="00D5g000004AbCdEAK", webhook_secret=["s"], country="GB")
        house.know_templates((FOLDER / "salesforce" / "templates.json").read_bytes())
        house.catalogue.refresh(at_most_old=0)
    seen = preview(bench, name, (FOLDER / f"{name}.toml").read_text("utf-8"))
    assert seen.event is not None
    assert (seen.event.id, seen.event.label) == (None, "Sample")
    assert seen.faults == ()
    assert seen.sentence.startswith("When ")
    assert seen.bubble is not None
    assert not [slot for slot in seen.slots if slot.fault or slot.blank], seen.slots
    assert [view.phone for view in seen.recipients if view.chosen]
    assert seen.timing is not None
    assert seen.timing.due is not None
    body = plain(seen.bubble.body)
    assert all(slot.value in body for slot in seen.slots if slot.key.startswith("body."))


def test_events_are_offered_newest_first_and_the_sample_last(house: House, bench: Bench) -> None:
    for number in range(3):
        tell(house, "order_paid", id=7 * 10**17 + number, name=f"#{number}")
    found = choices(bench, "shopify", "order.paid")
    assert [each.label for each in found] == ["#2", "#1", "#0", "Sample"]
    assert [each.label for each in choices(bench, "shopify", "order.paid", most=1)] == ["#2", "Sample"]
    assert [each.label for each in choices(bench, "shopify", "order.paid", "another-store")] == ["Sample"]
    assert choices(bench, "nobody", "order.paid") == []
    assert {each.account for each in found} == {"main-store"}


def test_ids_of_64_bits_stay_exact(house: House, bench: Bench) -> None:
    tell(house, "order_paid", id=9007199254740993)
    source = PAID.replace('body.3 = "{{ name }}"', 'body.3 = "{{ id }}"')
    assert slots(show(bench, source, event_of(house, "order.paid")))["body.3"] == "9007199254740993"


def test_an_event_is_seen_with_what_was_remembered_then(house: House, bench: Bench) -> None:
    tell(house, "refund_issued")
    loaded = load(bench, event_of(house, "refund.created"))
    assert loaded is not None
    assert loaded.remembered["order"]["name"] == fixture("refund_issued")["earlier"][0]["payload"]["name"]
    fields, payload = dict(remembered_fields(bench, loaded))["order"]
    assert payload == loaded.remembered["order"]
    assert "customer.first_name" in {field.path for field in fields}


def test_what_came_later_does_not_count(house: House, bench: Bench) -> None:
    tell(house, "order_paid")
    paid = event_of(house, "order.paid")
    house.post(
        fresh(fixture("order_cancelled")["payload"] | {"id": fixture("order_paid")["payload"]["id"]}),
        "orders/cancelled",
    )
    house.decide()
    seen = show(bench, event=paid)
    assert seen.decision is not None
    assert isinstance(seen.decision.verdict, Send)


def test_an_event_that_is_gone_leaves_the_mapping_to_be_seen(bench: Bench) -> None:
    seen = show(bench, event=EventId("nobody"))
    assert (seen.event, seen.decision) == (None, None)
    assert seen.template is not None
    assert seen.sentence


# Texts with faults.


def test_one_broken_slot_leaves_the_others_to_be_seen(bench: Bench) -> None:
    source = PAID.replace("{{ total_price_set | money }}", "{{ total_price_set | mony }}")
    seen = show(bench, source)
    faulty = next(slot for slot in seen.slots if slot.key == "body.2")
    assert "there is no filter 'mony'; did you mean 'money'?" in faulty.fault
    assert seen.faults[0].path == "slots.body.2"
    assert slots(seen).keys() == {"body.1", "body.3", "button.0.url"}
    assert (seen.decision, seen.sentence) == (None, "")
    assert seen.bubble is not None
    assert any(run.missing for run in seen.bubble.body)


def test_a_blank_slot_comes_with_a_fallback_that_mends_it(bench: Bench) -> None:
    source = PAID.replace('body.3 = "{{ name }}"', 'body.3 = "{{ note_that_is_none }}"')
    blank = next(slot for slot in show(bench, source).slots if slot.key == "body.3")
    assert (blank.blank, bool(blank.fault)) == (True, True)
    mended = show(bench, source.replace("{{ note_that_is_none }}", blank.suggestion))
    assert not next(slot for slot in mended.slots if slot.key == "body.3").blank


def test_slots_that_are_missing_or_too_many_are_told(bench: Bench) -> None:
    source = PAID.replace('body.3 = "{{ name }}"', 'body.9 = "{{ name }}"')
    views = {slot.key: slot for slot in show(bench, source).slots}
    assert (views["body.3"].blank, views["body.3"].expression) == (True, "")
    assert "needs it" in views["body.3"].fault
    assert (views["body.9"].kind, views["body.9"].value) == ("", "#1042")
    assert "no such slot" in views["body.9"].fault


def test_faults_of_fields_and_templates_have_their_paths(bench: Bench) -> None:
    source = PAID.replace("{{ name }}", "{{ nme }}").replace('event = "order.paid"', 'event = "order.payed"')
    assert {fault.path for fault in show(bench, source).faults} == {"when.event"}
    source = PAID.replace('"{{ name }}"', '"{{ nme }}"').replace('language = "en"', 'language = "de"')
    seen = show(bench, source)
    assert {fault.path for fault in seen.faults} == {"slots.body.3", "template.language"}
    assert (seen.chosen_language, seen.language, seen.languages) == ("de", "en", ("en",))


def test_a_row_of_conditions_with_a_fault_is_told_beside_the_others(bench: Bench) -> None:
    source = PAID.replace('{ field = "test", operator = "is_not"', '{ field = "test", operator = "is_nt"')
    views = show(bench, source).conditions
    assert views[0].holds is None
    assert "did you mean 'is_not'?" in views[0].fault
    assert [view.holds for view in views[1:]] == [True] * 3
    assert views[3].actual == "'35.45'"


def test_recipients_are_tried_in_their_order(house: House, bench: Bench) -> None:
    tell(house, "order_paid", phone="+44******0142", shipping_address={"country_code": "GB", "phone": "07400 123456"})
    views = show(bench, event=event_of(house, "order.paid")).recipients
    assert "masked" in views[0].words
    assert (views[1].phone, views[1].chosen) == ("+447400123456", True)
    assert [view.chosen for view in views].count(True) == 1


@pytest.mark.parametrize(
    "source", ["", "title", "[when", 'kind = "policy"', CONTACT, "a = 1", "[[when]]\n[to]\nphone = 5"]
)
def test_any_text_is_shown_as_far_as_it_goes(bench: Bench, source: str) -> None:
    seen = show(bench, source)
    assert seen.faults
    assert seen.decision is None


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_no_slip_of_the_pen_breaks_a_preview(bench: Bench, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(PAID)))
    cut = data.draw(st.integers(0, 40))
    words = data.draw(st.sampled_from(["", "{{", "}}", '"', "|", " = ", "[", "{% if %}", "…", "\n", "9999999999h"]))
    seen = show(bench, PAID[:at] + words + PAID[at + cut :])
    assert masked(seen).masked


# Time, consent, languages.


def test_the_time_to_leave_is_told_in_words(bench: Bench) -> None:
    source = PAID.replace("[timing]", '[timing]\ndelay = "10m"\nquiet = "21:00-09:00"')
    sample = replace(choices(bench, "shopify", "order.paid")[-1], at=NOON)
    assert _words(bench, source, sample) == "leaves at 12:10, 10 minutes later"
    evening = replace(sample, at=NOON + timedelta(hours=9))
    assert (
        _words(bench, source, evening)
        == "leaves at 21:10, 10 minutes later, held until 09:00 on 21 November by quiet hours"
    )
    assert _words(bench, source.replace('delay = "10m"\n', ""), sample) == "leaves at once"
    late = source.replace('expires = "12h"', 'expires = "2h"')
    assert "too late" in _words(bench, late, evening)


def _words(bench: Bench, source: str, chosen: Chosen) -> str:
    bench.kept.__init__()  # type: ignore[misc]
    timing = show(bench, source, chosen, at=chosen.at).timing
    assert timing is not None
    return timing.words


def test_an_old_event_is_not_simply_too_late(house: House, bench: Bench) -> None:
    tell(house, "order_paid")
    paid = event_of(house, "order.paid")
    then, later = show(bench, event=paid), show(bench, event=paid, at=now() + timedelta(days=3))
    assert then.decision is not None
    assert isinstance(then.decision.verdict, Send)
    assert later.decision is not None
    assert isinstance(later.decision.verdict, Skip)
    assert later.decision.verdict.reason is Reason.TOO_LATE


def test_the_ledger_is_asked_about_whoever_has_the_number(house: House, bench: Bench) -> None:
    house.publish("order_paid")
    tell(house, "order_paid")
    (contact,) = house.rows("contact")
    refuse(house, contact.id, Purpose.UTILITY)
    seen = show(bench, event=event_of(house, "order.paid"))
    assert seen.person is not None
    assert seen.person.contact.id == contact.id
    assert seen.decision is not None
    assert isinstance(seen.decision.verdict, Skip)
    assert seen.decision.verdict.reason is Reason.REVOKED
    assert seen.decision.steps[-1].name == "consent"


def test_the_message_is_shown_in_any_of_its_languages(house: House, bench: Bench) -> None:
    document = json.loads((SHOP / "templates.json").read_bytes())
    paid = next(each for each in document["data"] if each["name"] == "order_paid")
    other = json.loads(json.dumps(paid).replace("Hi ", "Hallo ")) | {"language": "de", "id": "9"}
    house.know_templates(json.dumps({"data": [*document["data"], other]}).encode())
    house.catalogue.refresh(at_most_old=0)
    seen, german = show(bench), show(bench, language="de")
    assert set(seen.languages) == {"en", "de"}
    assert (seen.language, german.language, german.chosen_language) == ("en", "de", "en")
    assert german.bubble is not None
    assert plain(german.bubble.body).startswith("Hallo Amelia")


# Other eyes.


def test_a_masked_preview_holds_nothing_of_the_person(house: House, bench: Bench) -> None:
    house.publish("order_paid")
    source = PAID.replace(
        "[when.conditions]\nall = [", '[when.conditions]\nall = [\n{ field = "email", operator = "is", value = "x" },'
    )
    tell(house, "order_paid")
    for text in (PAID, source):
        seen = masked(show(bench, text, event_of(house, "order.paid")))
        assert masked(seen) is seen
        told = json.dumps(_everything(seen), default=str, ensure_ascii=False)
        for secret in ("Amelia", "Okafor", "+441134960142", "0113 496", "example.com", "35.45 ", "authenticate"):
            assert secret not in told
        assert seen.bubble is not None
        assert "A•••" in plain(seen.bubble.body)


def _everything(value: Any) -> Any:
    """Every text of a value, those hidden from reprs too."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: _everything(getattr(value, name)) for name in value.__dataclass_fields__ if name != "example"}
    if isinstance(value, dict):
        return {str(name): _everything(inner) for name, inner in value.items()}
    return [_everything(inner) for inner in value] if isinstance(value, tuple | list) else str(value)


# Contact mappings.


def test_a_contact_mapping_shows_what_it_reads(bench: Bench) -> None:
    seen = preview_contact(bench, "shopify/contact", CONTACT)
    assert seen.faults == ()
    assert seen.record.startswith("customer:")
    views = {(view.contact, view.direction): view for view in seen.fields}
    assert views["phone", "in"].value.startswith("+44")
    assert "consent.whatsapp_updated only" in views["consent.marketing", "in"].words
    hidden = json.dumps(_everything(masked_contact(seen)), ensure_ascii=False)
    assert views["name", "in"].value not in hidden
    assert views["phone", "in"].value not in hidden


def test_a_contact_mapping_shows_what_it_would_write_back(house: House, bench: Bench) -> None:
    house.publish("contact", source=CONTACT)
    payload = fixture("order_paid")["payload"]
    house.post(fresh(payload), "orders/create")
    house.decide()
    (contact,) = house.rows("contact")
    refuse(house, contact.id, Purpose.MARKETING)
    seen = preview_contact(bench, "shopify/contact", CONTACT, event_of(house, "order.created"))
    out = next(view for view in seen.fields if view.direction == "out" and view.contact == "consent.marketing")
    assert (seen.is_known, out.writes) == (True, "whatsapp_marketing_consent = UNSUBSCRIBED")


@pytest.mark.parametrize("source", ["", "kind = 'contact'", PAID, "["])
def test_any_text_of_a_contact_mapping_is_shown_as_far_as_it_goes(bench: Bench, source: str) -> None:
    assert preview_contact(bench, "shopify/contact", source).faults


# Speed.


def test_a_preview_follows_the_keys(bench: Bench) -> None:
    """Far below what anybody notices; what else the machine does meanwhile is not counted."""
    sample = choices(bench, "shopify", "order.paid")[-1]
    show(bench, PAID, sample)
    times = []
    for number in range(12):
        source = PAID.replace("{{ name }}", f"{{{{ name }}}} {number}")
        begun = time.thread_time()
        show(bench, source, sample)
        times.append(time.thread_time() - begun)
    assert sorted(times)[3] < 0.05


def test_offers_of_an_event_can_be_inserted_as_they_are(bench: Bench) -> None:
    sample = choices(bench, "shopify", "order.paid")[-1]
    loaded = load(bench, sample)
    assert loaded is not None
    offers = picker.offer(
        bench.fields("shopify", "order.paid"),
        loaded.event.payload,
        dict(remembered_fields(bench, loaded)),
        {**loaded.account, "name": sample.account},
        loaded.event,
    )
    for each in [each for each in offers if each.present and each.usable and each.declared]:
        source = PAID.replace('body.3 = "{{ name }}"', f'body.3 = "{each.liquid}"')
        slot = next(slot for slot in show(bench, source, sample).slots if slot.key == "body.3")
        assert slot.value, (each.path, slot.fault)
