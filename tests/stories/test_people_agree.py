"""What people say, and what is changed in the shop and in the CRM, is soon the same in all three."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from connector.flow import catchup
from connector.model import now
from connector.sandbox.orders import orders
from tests.stories.conftest import OpenStage
from tests.stories.kit import SHOP
from tests.stories.town import (
    LABELS,
    OPTED_IN,
    STATUS,
    STATUS_AT,
    STATUS_SOURCE,
    Town,
    Townsman,
    eventually,
    open_town,
)

STOPPED = "You will receive no more messages from us. To start again, write START."


def test_shop_crm_and_ledger_come_to_say_the_same_of_consent_and_labels(open_stage: OpenStage) -> None:
    town = open_town(open_stage, org={"echo": True, "restamp": True, "restrict_labels": True})
    town.stage.publish("order_paid")
    town.stage.run("--workers", "1")
    ann, bob, dee, eve, fay, gil = town.settle_in(6)
    town.rest()

    # First, in one go.
    wamid = town.write(ann, "STOP")
    assert town.write_again(ann, "STOP", wamid) == 200
    _enter(town, bob, OPTED_IN, hours=-1)
    town.shop.edit_customer(dee.customer_id, add_tags=["vip", "wholesale"])
    town.edit(eve, **{LABELS: "replied;vip"})
    town.edit(gil, **{LABELS: "wholesale"})
    town.shop.edit_customer(fay.customer_id, add_tags=["gold"])
    town.write(fay, "stop")
    eventually(
        town,
        {
            "Ann is out": lambda: town.agree(ann, "revoked"),
            "Bob is in": lambda: town.agree(bob, "granted"),
            "Dee's tags are labels": lambda: town.at_org(dee)[1] == {"vip", "wholesale"},
            "Eve's labels are tags": lambda: town.at_shop(eve)[1] == {"replied", "vip"},
            "Gil's label is a tag": lambda: town.at_shop(gil)[1] == {"wholesale"},
            "Fay is out": lambda: town.agree(fay, "revoked"),
            "Fay's label needs a look": lambda: [row.item for row in town.rows("org", "failed")] == ["gold"],
        },
    )
    held = town.org.record("Contact", ann.record_id)
    assert held[STATUS_SOURCE] == "WhatsApp: keyword"
    assert town.entries(ann) == [("keyword", "revoked", "STOP")]
    assert town.answers(ann) == [STOPPED]
    listed = town.stage.command("writebacks", "list", "--failed")
    assert "gold" in listed.stdout
    assert "WhatsApp_Labels__c" in listed.stdout
    assert town.labels(fay) == {"gold"}
    _order(town, ann, seed=1)
    town.stage.until("Ann is left in peace", lambda: town.stage.counts().skips == {"revoked": 1})

    # Then, otherwise.
    town.write(ann, "START")
    town.write(bob, "Stop!")
    town.stage.until("Bob's stop is known", lambda: town.standing(bob).state.value == "revoked")
    _enter(town, bob, OPTED_IN, hours=-2)
    town.shop.edit_customer(dee.customer_id, remove_tags=["vip"], add_tags=["replied"])
    town.edit(eve, **{LABELS: "vip"})
    town.edit(gil, **{LABELS: None})  # of which an Outbound Message says nothing
    town.again(catchup.CHORE, "org")
    town.shop.edit_customer(fay.customer_id, add_tags=["silver", "vip"])
    eventually(
        town,
        {
            "Ann is in": lambda: town.agree(ann, "granted"),
            "Bob is out, whatever was entered": lambda: town.agree(bob, "revoked"),
            "Dee has lost one and won one": lambda: town.at_org(dee)[1] == {"replied", "wholesale"},
            "Fay has the one that the CRM knows": lambda: town.at_org(fay)[1] == {"vip"},
            "Gil has lost the only one": lambda: town.at_shop(gil)[1] == set(),
            "Eve has lost one": lambda: town.at_shop(eve)[1] == {"vip"},
        },
    )
    _order(town, ann, seed=2)
    town.stage.until(
        "Ann is written to again", lambda: town.stage.whatsapp.stats()["by_template"].get("order_paid") == 1
    )
    town.rest()
    assert town.at_shop(dee)[1] == {"wholesale", "replied"}
    assert town.at_org(eve)[1] == {"vip"}
    calls = town.org.calls()
    town.rest()
    assert town.org.calls() == calls, "an echo, be its time later, is answered by nothing"


def _order(town: Town, who: Townsman, *, seed: int) -> None:
    """Let somebody pay for an order."""
    order = next(orders(seed, 1, unusable=0, shop=SHOP))
    order = replace(order, payload=order.payload | {"phone": who.phone})
    assert town.stage.deliver("orders/paid", order) == 200


def _enter(town: Town, who: Townsman, status: str, *, hours: int) -> None:
    """Let somebody in the org enter consent from paper."""
    at = (now() + timedelta(hours=hours)).isoformat(timespec="seconds")
    town.edit(who, **{STATUS: status, STATUS_AT: at, STATUS_SOURCE: "Paper form"})
