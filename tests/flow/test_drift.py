"""Drift: a change of a template or of payloads is told on the mapping before the first message fails of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from connector.contract import Adapter, SettingsSchema
from connector.flow import drift
from connector.flow.drift import Drift, holds
from connector.model import Category, Part, Slot, Template, TemplateChange
from connector.store import Store, mappings, marks, schema, templates
from connector.store.mappings import TemplateUse
from tests.flow.world import ANN, AT, BEN, NUMBER, PAID, World

NAME = "shop/paid"
TEMPLATE = Template(
    name="paid", language="en", category=Category.UTILITY, status="approved", slots=(Slot(key="body.1"),)
)
READS = PAID.replace('body.1 = "{{ name }}"', "body.1 = \"{{ name }}, {{ items.title | default: 'things' }}\"")


class Adapters:
    """Knows a shop and nothing else."""

    def get(self, name: str) -> Adapter:
        return Adapter(name=name, title=name, settings=SettingsSchema)

    def names(self) -> list[str]:
        return ["toyshop"]


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


def _publish(world: World, source: str = PAID, quality: str = "") -> int:
    use = TemplateUse(NUMBER, "paid", "en", TEMPLATE.fingerprint, "utility", quality)
    with world.store.write() as tx:
        mappings.save_draft(tx, NAME, source, AT)
        return mappings.publish(tx, NAME, source, [use], at=AT)


def _change(world: World, **values: Any) -> None:
    with world.store.write() as tx:
        change = TemplateChange(name="paid", language="en", **values)
        templates.apply_change(tx, NUMBER, change, AT + timedelta(minutes=1))


def _of(world: World) -> list[Drift]:
    with world.store.read() as tx:
        return drift.of(tx, NAME)


def _watch(world: World) -> list[Drift]:
    drift.watch(world.store, Adapters(), world)
    return _of(world)


def _orders(world: World, count: int, **payload: Any) -> None:
    for _ in range(count):
        world.event("order.paid", f"order:{next(world._numbers)}", phone=ANN, name="x", **payload)
    world.work()


def test_a_mapping_whose_template_is_as_it_was_has_not_drifted(world: World) -> None:
    _publish(world)
    assert _of(world) == []


def test_a_mapping_that_is_not_in_force_has_not_drifted(world: World) -> None:
    _publish(world)
    _change(world, status="rejected")
    with world.store.write() as tx:
        mappings.unpublish(tx, NAME, AT)
    assert _of(world) == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [("paused", "paused"), ("rejected", "rejected"), ("disabled", "rejected"), ("deleted", "gone")],
)
def test_a_template_that_is_not_approved_any_more_is_told_at_once(world: World, status: str, kind: str) -> None:
    _publish(world)
    _change(world, status=status)
    (found,) = _of(world)
    assert (found.kind, found.stops, found.since) == (kind, True, AT + timedelta(minutes=1))
    assert found.fix


def test_a_template_that_was_edited_is_told(world: World) -> None:
    _publish(world)
    edited = replace(TEMPLATE, parts=(Part(kind="body", text="Hi {{1}}", prefix="body"),))
    with world.store.write() as tx:
        templates.upsert_all(tx, NUMBER, [edited], AT + timedelta(minutes=1), partial=True)
    (found,) = _of(world)
    assert found.kind == "edited"
    assert "publish again" in found.fix


def test_publishing_again_takes_the_new_form_over(world: World) -> None:
    _publish(world)
    _change(world, category="marketing")
    assert [found.kind for found in _of(world)] == ["recategorised"]
    with world.store.write() as tx:
        use = TemplateUse(NUMBER, "paid", "en", TEMPLATE.fingerprint, "marketing")
        mappings.publish(tx, NAME, PAID, [use], at=AT)
    assert _of(world) == []


def test_a_template_that_became_marketing_tells_how_many_people_have_not_agreed_to_it(world: World) -> None:
    _publish(world)
    for number, phone in enumerate((ANN, BEN)):
        world.event("order.paid", f"order:{number}", phone=phone, name="x")
    world.work()
    world.reply("START")
    world.work()
    _change(world, category="marketing")

    (found,) = _of(world)
    assert "1 of the 2 people it wrote to" in found.words
    assert "agreed to marketing" in found.fix


def test_versions_that_did_not_keep_the_category_are_not_accused_of_another(world: World) -> None:
    with world.store.write() as tx:
        mappings.save_draft(tx, NAME, PAID, AT)
        mappings.publish(tx, NAME, PAID, [TemplateUse(NUMBER, "paid", "en", TEMPLATE.fingerprint)], at=AT)
    _change(world, category="marketing")
    assert _of(world) == []


def test_falling_quality_is_told_and_rising_quality_is_not(world: World) -> None:
    _publish(world, quality="YELLOW")
    _change(world, quality="GREEN")
    assert _of(world) == []
    _change(world, quality="RED")
    (found,) = _of(world)
    assert (found.kind, found.stops) == ("quality", False)


def test_a_field_that_disappeared_from_payloads_is_told_before_a_message_fails(world: World) -> None:
    _publish(world, READS)
    _orders(world, 30, items=[{"title": "tea"}])
    assert _watch(world) == []

    _orders(world, 19)
    assert _watch(world) == []
    _orders(world, 1)
    (found,) = _watch(world)
    assert found.kind == "blank_field"
    assert found.words.startswith("items.title was blank or missing in all of the last 20 events")
    assert "slots.body.1" in found.fix


def test_a_field_that_was_often_missing_before_tells_nothing(world: World) -> None:
    _publish(world, READS)
    _orders(world, 30)
    _orders(world, 5, items=[{"title": "tea"}])
    _orders(world, 20)
    assert _watch(world) == []


def test_a_field_that_is_back_is_not_told_any_more(world: World) -> None:
    _publish(world, READS)
    _orders(world, 30, items=[{"title": "tea"}])
    _orders(world, 20)
    assert len(_watch(world)) == 1
    _orders(world, 1, items=[{"title": "tea"}])
    assert _watch(world) == []


def test_what_was_found_about_an_older_version_is_past(world: World) -> None:
    _publish(world, READS)
    _orders(world, 30, items=[{"title": "tea"}])
    _orders(world, 20)
    assert len(_watch(world)) == 1
    _publish(world, PAID)
    assert _of(world) == []


def test_since_when_a_field_is_missing_stays_as_it_was_first_told(world: World) -> None:
    _publish(world, READS)
    _orders(world, 30, items=[{"title": "tea"}])
    _orders(world, 20)
    first = _watch(world)[0].since
    _orders(world, 5)
    assert _watch(world)[0].since == first


def test_payloads_are_looked_at_every_hour(store: Store) -> None:
    with store.write() as tx:
        assert drift.is_due(tx)
        drift.put_off(tx)
        assert not drift.is_due(tx)
        tx.execute(update(schema.mark).values(at=AT - timedelta(hours=2)))
        assert drift.is_due(tx)
        assert marks.get(tx, drift.CHORE) == "asked"


@pytest.mark.parametrize(
    ("payload", "names", "there"),
    [
        ({"a": {"b": "x"}}, ("a", "b"), True),
        ({"a": {"b": " "}}, ("a", "b"), False),
        ({"a": None}, ("a", "b"), False),
        ({"a": [{}, {"b": 0}]}, ("a", "b"), True),
        ({"a": []}, ("a", "b"), False),
        ({"a": [1]}, ("a", "size"), True),
        ({"a": False}, ("a",), True),
    ],
)
def test_something_stands_at_a_path_or_not(payload: Any, names: tuple[str, ...], there: bool) -> None:
    assert holds(payload, names) is there
