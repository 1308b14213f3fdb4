from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connector.cli.consent import consent
from connector.cli.people import people
from connector.model import AccountId, ConsentState, ContactId, EventId, Source, State, new_id, now
from connector.store import privacy
from connector.store.privacy import Asked
from connector.wiring import Wiring
from tests.cli.conftest import without_ids
from tests.flow.forgetting import AT, CRM, EMAIL, JANE, JOHN, NAME, NUMBER, OTHER, SHOP, World

Run = Any
GRANTED, REVOKED = ConsentState.GRANTED, ConsentState.REVOKED


@pytest.fixture
def world(wiring: Wiring) -> World:
    found = World(wiring.store)
    found.people = wiring.people
    return found


@pytest.fixture(autouse=True)
def rung(wiring: Wiring, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which bells rang."""
    heard: list[str] = []
    monkeypatch.setattr(type(wiring.queue), "ring", lambda _self, kind, argument="": heard.append(f"{kind} {argument}"))
    return heard


@pytest.fixture
def jane(world: World) -> ContactId:
    id_ = world.person(JANE, (SHOP, "customer:55"), (CRM, "Contact:003A"))
    world.message(world.event("order:77", "customer:55", body={"phone": JANE}), id_)
    world.said(id_, GRANTED, Source.CHECKOUT, account_id=SHOP, record="order:77")
    world.label(id_)
    world.wish(id_, "customer", "55")
    world.talk(id_)
    world.reply()
    return id_


def test_people_are_listed_with_their_numbers_hidden(run: Run, jane: ContactId) -> None:
    told = run(people, "list").stdout
    assert re.search(rf"{jane} +••• 3456 +{NAME} +granted +vip", told)
    assert "7400" not in without_ids(told)
    assert JANE in run(people, "list", "--reveal").stdout
    (row,) = json.loads(run(people, "list", "fernhill", "--json").stdout)
    assert (row["contact"], row["phone"], row["marketing"]) == (jane, "••• 3456", "granted")


@pytest.mark.parametrize(
    ("args", "found"),
    [
        (("+44 7400 123456",), True), ((EMAIL,), True), (("customer:55",), True), (("nobody",), False),
        (("--label", "VIP"), True), (("--label", "other"), False), (("--blocked",), False),
    ],
)  # fmt: skip
def test_people_are_found_by_whatever_is_at_hand(run: Run, jane: ContactId, args: tuple[str, ...], found: bool) -> None:
    told = run(people, "list", *args).stdout
    assert (jane in told) is found
    assert ("Nobody is like that." in told) is not found


def test_the_list_goes_on_on_another_page(run: Run, world: World) -> None:
    first, second = world.person(JANE), world.person(JOHN, email="")
    told = run(people, "list", "--limit", "1").stdout
    assert second in told
    assert f"connector people list --before {second} shows older ones" in told
    assert first in run(people, "list", "--before", second).stdout


def test_nobody_is_said_to_be_nobody(run: Run) -> None:
    assert run(people, "list").stdout == "Nobody is known yet.\n"
    assert run(people, "labels").stdout == "Nobody has a label.\n"
    for command in (("show",), ("erase", "--yes"), ("block", "--reason", "x"), ("label",)):
        name, *more = command
        result = run(people, name, JANE, *more, *(["vip"] if name == "label" else []))
        assert (result.exit_code, result.stderr) == (1, "Error: Nobody is known by this.\n")


def test_one_screen_shows_a_person(run: Run, jane: ContactId, world: World) -> None:
    gone = world.person(JOHN, name="", email="")
    with world.store.write() as tx:
        world.people.merge(tx, jane, gone, "She said so.", AT)
    told = run(people, "show", JANE).stdout
    here = f"{AT.astimezone():%Y-%m-%d %H:%M}"
    for line in (
        NAME, f"contact {jane}", "phone: ••• 3456", "record: customer:55 of shop", "record: Contact:003A of crm",
        "e-mail: •••@fernhill.example", f"merged: {gone}", "She said so.", "✓ marketing: granted.",
        f"last wrote to number {here}", "only a template may be sent now", "button: label",
    ):  # fmt: skip
        assert line in told
    assert re.search(r"vip +admin +2026-05-03", told)
    assert re.search(r"shop, customer:55: note = .Jane Fernhill.\.", told)
    assert re.search(r"#1001 +order_paid +read +button: label", told)
    assert "7400" not in without_ids(told)
    revealed = run(people, "show", JANE, "--reveal").stdout
    assert f"phone: {JANE}" in revealed
    assert EMAIL in revealed


def test_a_program_can_read_the_screen(run: Run, jane: ContactId) -> None:
    told = json.loads(run(people, "show", jane, "--json").stdout)
    assert told["known_by"][0] == {"kind": "phone", "value": "••• 3456", "account": None}
    assert {"kind": "record", "value": "customer:55", "account": "shop"} in told["known_by"]
    assert told["standings"]["marketing"]["state"] == "granted"
    assert [item["name"] for item in told["labels"]] == ["vip"]
    assert [item["state"] for item in told["messages"]] == ["read"]
    assert told["write_backs"][0]["value"] == NAME


def test_a_label_comes_and_goes(run: Run, jane: ContactId) -> None:
    assert run(people, "label", JANE, "gold", "--actor", "Ada").stdout == "✓ Label gold added.\n"
    assert run(people, "label", JANE, "GOLD").stdout == "Nothing to do: they have it already.\n"
    assert json.loads(run(people, "labels", "--json").stdout) == {"gold": 1, "vip": 1}
    assert run(people, "unlabel", JANE, "gold").stdout == "✓ Label gold removed.\n"
    assert run(people, "unlabel", JANE, "gold").stdout == "Nothing to do: they do not have it.\n"
    assert re.search(r"vip +1", run(people, "labels").stdout)


def test_whoever_is_blocked_is_shown_with_the_reason_until_unblocked(run: Run, jane: ContactId) -> None:
    assert run(people, "block", JANE, "--reason", "disputed order", "--actor", "Ada").stdout == "✓ Blocked.\n"
    assert "that reason stays" in run(people, "block", JANE, "--reason", "another").stdout
    assert "✗ blocked: " in run(people, "show", JANE).stdout
    assert "disputed order (Ada)" in run(people, "show", JANE).stdout
    assert jane in run(people, "list", "--blocked").stdout
    assert run(people, "unblock", JANE).stdout == "✓ Unblocked.\n"
    assert run(people, "unblock", JANE).stdout == "✓ They were not blocked.\n"


def test_a_block_needs_a_reason(run: Run, jane: ContactId) -> None:
    assert "Missing option '--reason'" in run(people, "block", JANE).stderr


def test_merging_keeps_both_histories_and_a_revocation_of_either(run: Run, jane: ContactId, world: World) -> None:
    john = world.person(JOHN, name="", email="")
    world.said(john, REVOKED)
    args = ("merge", JANE, JOHN, "--actor", "Ada", "--reason", "one person, two phones")
    assert "Nobody is here to ask: say --yes" in run(people, *args).stderr
    assert run(people, *args, "--yes").stdout == f"✓ {john} is a part of {jane} now.\n"
    told = json.loads(run(people, "show", JOHN, "--json").stdout)
    assert told["contact"] == jane
    assert told["merged"] == [{"contact": john, "why": "Merged by Ada: one person, two phones"}]
    assert told["standings"]["marketing"]["state"] == "revoked"
    assert [item["state"] for item in told["ledger"]] == ["granted", "revoked"]
    assert "the same contact already" in run(people, *args, "--yes").stderr


def test_merging_fills_what_the_one_that_stays_lacks(run: Run, world: World) -> None:
    first = world.person("", (CRM, "Contact:003A"), name="", email="")
    world.person(JOHN, name="John")
    run(people, "merge", first, JOHN, "--yes")
    told = json.loads(run(people, "show", first, "--json", "--reveal").stdout)
    assert (told["name"], told["email"]) == ("John", EMAIL)


def test_an_export_holds_all_that_is_stored(run: Run, jane: ContactId, tmp_path: Path, world: World) -> None:
    crowd = world.request({"statuses": [{"recipient_id": JANE[1:]}, {"recipient_id": JOHN[1:]}]}, NUMBER)
    out = tmp_path / "jane.json"
    result = run(people, "export", JANE, "--output", str(out))
    assert (result.exit_code, result.stdout) == (0, f"✓ {out} holds all that is stored. Hand it over, and delete it.\n")
    assert oct(out.stat().st_mode)[-3:] == "600"
    told = json.loads(out.read_text())
    assert told["format"] == "connector-person/1"
    assert told["contact"]["phone"] == JANE
    assert {"kind": "record", "value": "Contact:003A", "account": "crm"} in told["known_by"]
    assert [entry["state"] for entry in told["ledger"]] == ["granted"]
    assert [item["name"] for item in told["labels"]] == ["vip"]
    (message,) = told["messages"]
    assert (message["slots"], message["state"], message["channel"]) == ({"body.1": NAME}, "read", "number")
    assert [len(message[part]) for part in ("attempts", "receipts", "reactions")] == [1, 1, 1]
    assert told["written_by_them"][0]["words"] == f"It is me, {NAME}"
    assert told["write_backs"][0]["value"] == NAME
    assert [item["type"] for item in told["events"]] == ["order.paid"]
    assert len(told["decisions"]) == 1
    left_out = {item["id"]: item for item in told["requests"]}[crowd]
    assert left_out["body"] is None
    assert "other people" in left_out["left_out"]
    assert JOHN[1:] not in out.read_text()


def test_an_export_may_go_to_standard_output(run: Run, jane: ContactId) -> None:
    assert json.loads(run(people, "export", JANE, "--output", "-").stdout)["contact"]["id"] == jane


@pytest.mark.parametrize("args", [(), (JANE, "--request", "x")])
def test_an_export_is_of_one_person(run: Run, jane: ContactId, args: tuple[str, ...]) -> None:
    result = run(people, "export", *args, "--output", "-")
    assert (result.exit_code, result.stderr) == (2, "Error: Say whose data it is, or --request ID; not both.\n")


def asked(world: World, kind: str, record: str = "customer:55", *, days: int = 30, body: Any = None) -> Asked:
    type_ = f"privacy.{kind}"
    event = world.event(record, type_=type_, body=body if body is not None else {"customer": {"phone": JANE}})
    at = now() - timedelta(days=30 - days)
    item = Asked(
        id=new_id(), event_id=EventId(event.id), account_id=AccountId(SHOP), kind=kind, record=record, asked_at=at,
        due_at=at + timedelta(days=30, hours=1),
    )  # fmt: skip
    with world.store.write() as tx:
        privacy.note(tx, [item])
    return item


def test_requests_are_listed_with_the_day_when_they_are_due(run: Run, world: World) -> None:
    assert run(people, "requests").stdout == "Nothing is open.\n"
    item = asked(world, "data_request", days=12)
    result = run(people, "requests")
    assert result.exit_code == 0
    assert re.search(r"– data_request: customer:55 of shop: due \d{4}-\d\d-\d\d, in 12 days", result.stdout)
    assert f"connector people export --request {item.id} --output FILE" in result.stdout


def test_what_is_overdue_is_wrong(run: Run, world: World) -> None:
    asked(world, "customer_redact", days=-3)
    result = run(people, "requests")
    assert result.exit_code == 1
    assert "✗ customer_redact: customer:55 of shop" in result.stdout
    assert "3 days overdue" in result.stdout
    (row,) = json.loads(run(people, "requests", "--json").stdout)
    assert (row["overdue"], row["account"], row["record"]) == (True, "shop", "customer:55")


def test_a_data_request_is_fulfilled_by_an_export(run: Run, jane: ContactId, world: World) -> None:
    item = asked(world, "data_request")
    told = json.loads(run(people, "export", "--request", item.id, "--output", "-").stdout)
    assert told["contact"]["id"] == jane
    assert run(people, "requests").stdout == "Nothing is open.\n"
    assert "Exported for them." in run(people, "requests", "--all").stdout


def test_data_of_somebody_who_is_no_contact_is_exported_too(run: Run, world: World) -> None:
    item = asked(world, "data_request", body={"customer": {"phone": JANE}})
    world.event("order:77", "customer:55", body={"note": "private"})
    world.event("order:78", body={"phone": "07400 123456"})
    world.event("order:79", account_id=OTHER, body={"phone": JANE})
    told = json.loads(run(people, "export", "--request", item.id, "--output", "-").stdout)
    assert told["contact"] is None
    assert {event["subject"] for event in told["events"]} == {"customer:55", "order:77"}
    assert len(told["requests"]) == 3


def test_only_a_data_request_that_is_there_can_be_fulfilled(run: Run, world: World) -> None:
    other = asked(world, "customer_redact")
    for id_ in (other.id, "nothing"):
        result = run(people, "export", "--request", id_, "--output", "-")
        assert result.exit_code == 2
        assert "`connector people requests` lists them" in result.stderr


def test_a_person_is_erased_only_when_somebody_says_so(run: Run, jane: ContactId, world: World) -> None:
    assert "Nobody is here to ask: say --yes" in run(people, "erase", JANE).stderr
    assert JANE[1:] in world.everything()
    result = run(people, "erase", JANE, "--yes")
    assert result.stdout.startswith("✓ Forgotten. 1 messages, 2 stored requests and 1 replies were emptied.\n")
    assert "Next: erase them in the shop and the CRM too" in result.stdout
    assert JANE[1:] not in world.everything()
    assert run(people, "erase", JANE, "--yes").exit_code == 1


def test_a_refusal_outlives_an_erasure_and_is_explained(run: Run, jane: ContactId) -> None:
    run(consent, "revoke", JANE, "--purpose", "marketing", "--actor", "Ada")
    told = json.loads(run(people, "erase", JANE, "--yes", "--json").stdout)
    assert (told["contacts"], told["refusals"]) == (1, 1)
    run(consent, "grant", JANE, "--purpose", "utility", "--place", "till", "--actor", "Ada")
    again = json.loads(run(consent, "show", JANE, "--json").stdout)
    assert again["contact"] != jane
    assert {name: each["state"] for name, each in again["standings"].items()}["marketing"] == "revoked"


def test_what_shops_want_forgotten_can_be_forgotten_at_once(run: Run, jane: ContactId, world: World) -> None:
    asked(world, "customer_redact")
    waiting = world.message(world.event("order:90", "customer:55"), jane, state=State.WAITING)
    result = run(people, "requests", "--work", "--all")
    assert re.search(r"✓ customer_redact: somebody who is forgotten of shop, \w+: done", result.stdout)
    assert world.row("message", waiting).contact_id is None
    assert NAME in world.everything(), "the CRM knows her too"


def test_an_erased_person_cannot_be_told_any_more(run: Run, jane: ContactId, world: World) -> None:
    item = asked(world, "data_request")
    run(people, "erase", JANE, "--yes")
    result = run(people, "export", "--request", item.id, "--output", "-")
    assert "has been erased" in result.stderr
