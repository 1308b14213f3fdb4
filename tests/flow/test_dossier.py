"""What is stored of a person, for them to have: the bodies that are theirs, and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest

from connector.flow.dossier import compile_
from connector.model import Secret
from connector.registry import Registry
from connector.store import Store
from tests.flow.forgetting import JANE, JOHN, NUMBER, SHOP, World
from tests.flow.test_redact import Shops, Stage

WHATSAPP = {"app_secret": (), "verify_token": Secret("v"), "phone_number_id": "2", "waba_id": "1"}


class Doors(Shops):
    """The shop's webhooks are Shopify's, the number's are WhatsApp's."""

    def receiver(self, id_: Any) -> Any:
        make = Registry().get("whatsapp").receiver
        return make(WHATSAPP) if id_ == NUMBER and make else self._door


@pytest.fixture
def stage(store: Store) -> Stage:
    return Stage(store, World(store))


def compile_of(stage: Stage, id_: Any) -> dict[Any, Any]:
    told = compile_(stage.store, Doors(), id_)
    return {item["topic"] + str(number): item for number, item in enumerate(told["requests"])}


def test_a_delivery_about_one_thing_is_told_with_its_body(stage: Stage) -> None:
    jane = stage.world.person(JANE, (SHOP, "customer:55"))
    stage.post("orders/paid", id=77, name="#1001", customer={"id": 55}, phone=JANE)
    stage.post("fulfillments/create", id=5, order_id=77, name="#1001.1", shipment_status="in_transit")
    told = compile_of(stage, jane)
    assert [item["body"]["id"] for item in told.values()] == [77, 5]
    assert all("left_out" not in item for item in told.values())


def test_what_was_made_of_a_delivery_that_names_them_is_told_though_no_record_is_theirs(stage: Stage) -> None:
    jane = stage.world.person(JANE)
    stage.world.person(JOHN)
    stage.post("orders/paid", id=77, name="#1001", customer={"id": 55}, phone=JANE)
    stage.post("orders/paid", id=78, name="#1002", customer={"id": 56}, phone=JOHN)
    assert [item["label"] for item in compile_(stage.store, Doors(), jane)["events"]] == ["#1001"]


def test_a_delivery_about_several_people_is_named_without_its_body(stage: Stage) -> None:
    jane = stage.world.person(JANE)

    def status(id_: str, to: str) -> dict[str, str]:
        return {"id": id_, "status": "sent", "timestamp": "1767225600", "recipient_id": to[1:]}

    def body(*statuses: dict[str, str]) -> dict[str, Any]:
        value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": "2"}, "statuses": list(statuses)}
        changes = [{"field": "messages", "value": value}]
        return {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]}

    stage.world.request(body(status("a", JANE)), NUMBER)
    stage.world.request(body(status("b", JANE), status("c", JOHN)), NUMBER)
    alone, crowd = compile_of(stage, jane).values()
    assert alone["body"]["entry"][0]["id"] == "1"
    assert crowd["body"] is None
    assert "other people" in crowd["left_out"]


def test_what_was_emptied_is_not_told(stage: Stage) -> None:
    from connector.flow.privacy import erase
    from tests.desks import digest

    jane, john = stage.world.person(JANE), stage.world.person(JOHN, email="")
    stage.world.request({"phones": [JANE, JOHN]})
    erase(stage.store, digest, jane)
    assert compile_of(stage, john) == {}
