"""Guided start: each step is ticked by what is stored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from connector.flow import accounts, progress, publish, team
from connector.flow.progress import Progress
from connector.model import Role, State, now
from connector.settings import Settings
from connector.store import Store, templates
from connector.store import progress as facts
from connector.wiring import Wiring
from tests.scene import Scene
from tests.web.conftest import RECIPES, House


@pytest.fixture
def house(tmp_path: Path, sqlite_store: Store) -> Iterator[House]:
    with closing(House(Wiring(Settings.from_env({}, data=tmp_path)))) as made:
        yield made


def look(house: House) -> Progress:
    tools = house.tools
    tools.directory.forget()
    return progress.look(house.store, tools.registry, tools.directory.senders())


def done(house: House) -> set[str]:
    return {step.key for step in look(house).steps if step.done}


def test_an_empty_installation_begins_with_its_owner(house: House) -> None:
    for name in ("main-store", "hotline"):
        accounts.remove(house.store, name)
    found = look(house)
    assert done(house) == set()
    assert found.next is not None
    assert (found.next.key, found.share) == ("owner", 0)


def test_each_step_is_ticked_by_what_is_stored(house: House) -> None:
    assert done(house) == {"source", "channel"}
    team.add(house.store, email_="o@example.org", name_="O", role=Role.OWNER, password="marmalade-orbit-flint")
    assert done(house) == {"source", "channel", "owner"}
    house.know_templates()
    assert "templates" in done(house)
    publish.save(house.store, "shopify/order_paid", (RECIPES / "order_paid.toml").read_text("utf-8"))
    assert {"recipe", "mapped"} <= done(house)
    assert "published" not in done(house)
    assert "tested" not in done(house)
    publish.publish(house.store, house.tools.registry, "shopify/order_paid")
    found = look(house)
    assert {"tested", "published"} <= done(house), "who has published without a test is not asked for one"
    assert [step.href for step in found.steps if step.key == "tested"] == ["/mappings/shopify/order_paid/test"]


def test_a_draft_with_faults_is_not_complete(house: House) -> None:
    house.know_templates()
    text = (RECIPES / "order_paid.toml").read_text("utf-8")
    publish.save(house.store, "mine", text.replace('name = "order_paid"', 'name = "another"'))
    assert "recipe" in done(house)
    assert "mapped" not in done(house)


def test_templates_that_may_not_be_sent_do_not_count(house: House) -> None:
    house.know_templates()
    with house.store.write() as tx:
        paused = [replace(row.template, status="paused") for row in templates.all_(tx, house.number.id)]
        templates.upsert_all(tx, house.number.id, paused, now())
    assert "templates" not in done(house)


def test_the_checklist_can_be_put_away_and_back(house: House) -> None:
    assert not progress.is_hidden(house.store)
    progress.hide(house.store)
    assert progress.is_hidden(house.store)
    progress.show(house.store)
    assert not progress.is_hidden(house.store)


def test_a_message_on_a_phone_is_the_end_of_the_way_and_a_test_is_not(sqlite_store: Store) -> None:
    scene = Scene(sqlite_store)
    event = scene.event()

    def arrived() -> str:
        with sqlite_store.read() as tx:
            return facts.facts(tx).first

    scene.message(event, state=State.SENT)
    scene.message(event, state=State.READ, trial=True)
    assert arrived() == ""
    id_ = scene.message(event, state=State.DELIVERED)
    assert arrived() == id_
