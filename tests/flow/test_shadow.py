"""Shadow runs: a draft looks at live traffic, says what it would have done, and does nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from connector.errors import ConfigurationError
from connector.flow import publish, shadow
from connector.flow.shadow import Report
from connector.model import now
from connector.store import Store, schema, shadows
from tests.flow.world import ANN, BEN, OFFER, PAID, World

NAME = "shop/paid"


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


def _begin(world: World, source: str = PAID) -> str:
    publish.save(world.store, NAME, source)
    return shadow.begin(world.store, NAME, "draft", "Ada")


def _order(world: World, number: int, phone: str = ANN, **more: Any) -> None:
    world.event("order.paid", f"order:{number}", phone=phone, name=f"#{number}", **more)


def _report(world: World) -> Report:
    found = shadow.report(world.store, NAME)
    assert found is not None
    return found


def _rows(world: World, table: Any) -> list[Any]:
    with world.store.read() as tx:
        return list(tx.execute(select(table)))


def test_a_draft_says_what_it_would_have_done_about_what_comes(world: World) -> None:
    _begin(world)
    _order(world, 1)
    _order(world, 2, "")
    world.work()

    told = _report(world)
    assert (told.is_on, told.looked_at, told.sends, told.skips) == (True, 2, 1, (("no_recipient", 1),))
    assert told.run.by == "Ada"


def test_a_shadow_run_sends_nothing_and_makes_nobody(world: World) -> None:
    _begin(world, OFFER)
    _order(world, 1, agrees=True)
    world.work()

    assert _report(world).sends == 1
    for table in (schema.message, schema.contact, schema.decision, schema.consent, schema.reaction):
        assert _rows(world, table) == []


def test_it_is_told_beside_what_was_really_done(world: World) -> None:
    world.publish(NAME, PAID.replace("[to]", '[when.conditions]\nfield = "big"\noperator = "is"\nvalue = true\n[to]'))
    _begin(world, PAID)
    _order(world, 1, big=True)
    _order(world, 2, BEN, big=False)
    world.work()

    told = _report(world)
    assert (told.sends, told.more, told.fewer, told.alike) == (2, 1, 0, 1)
    with world.store.read() as tx:
        more = shadows.examples(tx, told.run, verdict="send", real="skip")
        alike = shadows.examples(tx, told.run, verdict="send", real="send")
    assert len(more) == len(alike) == 1
    assert len(world.messages()) == 1


def test_a_run_speaks_once_about_a_subject_too(world: World) -> None:
    _begin(world)
    for _ in range(2):
        _order(world, 1)
        world.work()

    told = _report(world)
    assert (told.sends, told.skips) == (1, (("already_said", 1),))


def test_the_text_is_frozen_when_the_run_begins(world: World) -> None:
    _begin(world)
    publish.save(world.store, NAME, PAID.replace("order.paid", "order.created"))
    _order(world, 1)
    world.work()
    assert _report(world).sends == 1


def test_what_comes_late_is_late_in_a_shadow_run_as_in_reality(world: World) -> None:
    _begin(world, PAID + '[timing]\nexpires = "1h"\n')
    _order(world, 1, ago=180)
    world.work()
    assert _report(world).skips == (("too_late", 1),)


def test_a_run_can_be_stopped(world: World) -> None:
    _begin(world)
    assert shadow.stop(world.store, NAME, "Grace")
    assert not shadow.stop(world.store, NAME, "Grace")
    _order(world, 1)
    world.work()

    told = _report(world)
    assert (told.is_on, told.looked_at, told.run.words) == (False, 0, "Stopped by Grace.")


def test_a_run_ends_by_itself_after_a_week(world: World) -> None:
    _begin(world)
    with world.store.write() as tx:
        tx.execute(update(schema.shadow_run).values(until=now() - timedelta(seconds=1)))
    _order(world, 1)
    world.work()
    assert (_report(world).is_on, _report(world).looked_at) == (False, 0)


def test_a_run_ends_by_itself_after_so_many_events(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "MOST_EVENTS", 2)
    _begin(world)
    for number in range(3):
        _order(world, number)
        world.work()

    told = _report(world)
    assert (told.is_on, told.looked_at) == (False, 2)
    assert "2 events" in told.run.words


def test_a_new_run_takes_the_place_of_the_old_one_and_of_what_it_found(world: World) -> None:
    _begin(world)
    _order(world, 1)
    world.work()
    shadow.begin(world.store, NAME, "draft", "Grace")

    assert (_report(world).looked_at, _report(world).run.by) == (0, "Grace")
    assert _rows(world, schema.shadow) == []


def test_a_run_that_fails_costs_the_real_messages_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(shadow, "_observe", fail)
    world.publish(NAME, PAID)
    _begin(world)
    _order(world, 1)
    assert world.work().events == 1
    assert len(world.messages()) == 1


def test_nothing_personal_is_kept_of_a_run(world: World) -> None:
    _begin(world)
    world.event("order.paid", "order:1", phone=ANN, name="Zoë of the seven names")
    world.work()
    assert "Zoë" not in repr(_rows(world, schema.shadow))
    assert ANN not in repr(_rows(world, schema.shadow))


def test_only_what_sends_can_be_tried(world: World) -> None:
    publish.save(world.store, "policy/people", 'kind = "policy"\n')
    with pytest.raises(ConfigurationError, match="sends nothing"):
        shadow.begin(world.store, "policy/people", "draft", "Ada")
    assert shadow.report(world.store, "policy/people") is None
