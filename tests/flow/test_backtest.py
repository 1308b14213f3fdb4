"""Backtests: what a draft would have made of what came, counted; and nothing is touched by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain, repeat
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from connector.errors import ConfigurationError
from connector.flow import backtest, publish, tasks
from connector.flow.tally import Tally, country_of
from connector.model import Category, Identity, Slot, Template
from connector.store import Store, schema, templates
from connector.store import tasks as rows
from connector.store.tasks import Task
from tests.flow.world import ANN, AT, BEN, CAT, NUMBER, OFFER, PAID, World

NAME = "shop/paid"


@dataclass
class Bench:
    """As much of the wiring as a backtest uses."""

    world: World
    rung: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.world, name)


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


def _draft(world: World, source: str = PAID) -> None:
    publish.save(world.store, NAME, source)


def _order(world: World, number: int, phone: str = ANN, **more: Any) -> None:
    world.event("order.paid", f"order:{number}", phone=phone, name=f"#{number}", **more)


def _run(world: World, window: str = "24h", which: str = "draft", chosen: str = "", **ways: Any) -> Task:
    wanted = backtest.want(world.store, NAME, which, window, chosen)
    id_ = tasks.begin(world.store, backtest.KIND, wanted.args(), "Ada", wanted.words())
    enough: Callable[[], bool] = ways.get("enough", lambda: False)
    tasks.work_off(Bench(world), "here:1:me", enough=enough)  # type: ignore[arg-type]
    return _task(world.store, id_)


def _task(store: Store, id_: str) -> Task:
    with store.read() as tx:
        found = rows.get(tx, id_)
    assert found is not None
    return found


def _report(world: World, window: str = "24h", which: str = "draft", chosen: str = "") -> Mapping[str, Any]:
    task = _run(world, window, which, chosen)
    assert task.state == "done", task.trouble
    return task.result


def _dump(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    with store.read() as tx:
        return {
            name: sorted(map(tuple, tx.execute(select(table))), key=repr)
            for name, table in schema.metadata.tables.items()
            if name != "task"
        }


def test_a_draft_is_tried_on_what_came_and_counted(world: World) -> None:
    _draft(world)
    for number, phone in enumerate((ANN, BEN, "", "12")):
        _order(world, number, phone)
    world.work()

    told = _report(world)

    assert (told["looked_at"], told["sends"], told["skipped"]) == (4, 2, 2)
    assert {reason: count["number"] for reason, count in told["skips"].items()} == {
        "no_recipient": 1,
        "invalid_phone": 1,
    }
    assert told["languages"] == {"en": 2}
    assert told["countries"] == {"GB": 2}
    assert len(told["previews"]) == 4


def test_a_backtest_touches_nothing_but_its_own_task(world: World) -> None:
    world.publish(NAME, PAID)
    _order(world, 1)
    _order(world, 2, BEN)
    world.work()
    _draft(world, OFFER)
    before = _dump(world.store)

    _report(world)

    assert _dump(world.store) == before
    with world.store.read() as tx:
        assert len(rows.listing(tx)) == 1


def test_events_that_are_older_than_the_window_are_not_looked_at(world: World) -> None:
    _draft(world)
    _order(world, 1)
    world.work()
    with world.store.write() as tx:
        tx.execute(delete(schema.event_subject))
        tx.execute(update(schema.event).values(id="0" * 26))

    assert _report(world)["looked_at"] == 0


def test_every_reason_names_at_most_twenty_events(world: World) -> None:
    _draft(world)
    for number in range(25):
        _order(world, number, "")
    world.work()

    count = _report(world)["skips"]["no_recipient"]
    assert (count["number"], len(count["events"])) == (25, 20)


def test_blank_slots_are_counted_by_slot(world: World) -> None:
    _draft(world)
    world.event("order.paid", "order:1", phone=ANN)
    world.event("order.paid", "order:2", phone=ANN, name=" ")
    world.work()

    told = _report(world)
    assert told["blanks"]["body.1"]["number"] == 2
    assert told["skips"]["blank_slot"]["number"] == 2


def test_a_text_that_is_longer_than_its_slot_is_told_as_cut(world: World) -> None:
    with world.store.write() as tx:
        short = Template(
            name="paid", language="en", category=Category.UTILITY, status="approved",
            slots=(Slot(key="body.1", limit=10),),
        )  # fmt: skip
        templates.upsert_all(tx, NUMBER, [short], AT + timedelta(seconds=1))
    _draft(world)
    world.event("order.paid", "order:1", phone=ANN, name="a name of more than ten characters")
    world.event("order.paid", "order:2", phone=ANN, name="short …")
    world.work()

    assert {key: count["number"] for key, count in _report(world)["cut"].items()} == {"body.1": 1}


def test_consent_counts_as_it_stands_now(world: World) -> None:
    _draft(world, OFFER)
    _order(world, 1, ANN)
    _order(world, 2, BEN, agrees=True)
    world.work()
    assert _report(world)["skips"]["no_agreement"]["number"] == 1

    world.reply("START", sender=Identity(phone=ANN))
    world.work()
    assert _report(world)["sends"] == 2

    world.reply("STOP", sender=Identity(phone=BEN), ago=-1)
    world.work()
    told = _report(world)
    assert (told["sends"], told["skips"]["revoked"]["number"]) == (1, 1)


def test_a_mapping_speaks_once_about_a_subject_in_a_backtest_too(world: World) -> None:
    _draft(world)
    _order(world, 1)
    _order(world, 1)
    world.work()

    told = _report(world)
    assert (told["sends"], told["skips"]["already_said"]["number"]) == (1, 1)


def test_what_was_said_before_the_window_stays_said(world: World) -> None:
    world.publish(NAME, PAID)
    _order(world, 1)
    world.work()
    with world.store.write() as tx:
        tx.execute(update(schema.message).values(created_at=AT - timedelta(days=3)))
    _order(world, 1)
    world.work()

    assert _report(world)["skips"]["already_said"]["number"] == 2


def test_what_was_really_sent_is_told_beside_what_would_be(world: World) -> None:
    world.publish(NAME, PAID)
    _order(world, 1)
    world.work()
    _draft(world, PAID.replace("{{ name }}", "order {{ name }}"))
    told = _report(world)
    assert (told["sends"], told["really"]["number"]) == (1, 1)


def test_what_came_before_its_time_overtakes_a_delayed_message(world: World) -> None:
    timing = '[timing]\ndelay = "10m"\ncancel_when = ["order.cancelled"]\n'
    _draft(world, PAID + timing)
    _order(world, 1)
    _order(world, 2)
    world.work()
    world.event("order.cancelled", "order:1", phone=ANN)
    world.work()

    told = _report(world)
    assert told["sends"] == 1
    assert told["skips"]["overtaken"]["number"] == 1


def test_what_came_long_after_it_would_have_left_overtakes_nothing(world: World) -> None:
    _draft(world, PAID + '[timing]\ndelay = "10m"\ncancel_when = ["order.cancelled"]\n')
    _order(world, 1)
    world.work()
    world.event("order.cancelled", "order:1", phone=ANN)
    world.work()
    with world.store.write() as tx:
        late = update(schema.event).where(schema.event.c.type == "order.cancelled")
        tx.execute(late.values(planned_at=AT + timedelta(hours=2)))

    assert _report(world)["sends"] == 1


def test_messages_in_quiet_hours_are_told_as_held_and_still_sent(world: World) -> None:
    begins = (AT + timedelta(hours=-2)).strftime("%H:00")
    ends = (AT + timedelta(hours=3)).strftime("%H:00")
    _draft(world, PAID + f'[timing]\nquiet = "{begins}-{ends}"\n')
    _order(world, 1)
    world.work()

    told = _report(world)
    assert (told["sends"], told["quiet"]["number"]) == (1, 1)


def test_a_cap_counts_the_messages_of_the_backtest_itself(world: World) -> None:
    _draft(world, PAID + '[timing]\ncap = ["1 per 24h"]\n')
    for number in range(3):
        _order(world, number, ANN)
    _order(world, 9, BEN)
    world.work()

    told = _report(world)
    assert (told["sends"], told["skips"]["over_cap"]["number"]) == (2, 2)


def test_events_that_came_late_are_judged_as_if_each_had_come_fresh(world: World) -> None:
    _draft(world, PAID + '[timing]\nexpires = "1h"\n')
    _order(world, 1, ago=180)
    world.work()

    assert _report(world)["sends"] == 1


def test_a_draft_is_compared_with_what_is_in_force(world: World) -> None:
    world.publish(NAME, PAID)
    only = PAID.replace(
        'adapter = "toyshop"', 'adapter = "toyshop"\n[when.conditions]\nfield = "big"\noperator = "is"\nvalue = true'
    )
    _draft(world, only.replace('"{{ name }}"', '"{{ name | default: phone }}"'))
    _order(world, 1, big=True)
    _order(world, 2, big=False)
    world.event("order.paid", "order:3", phone=ANN, big=True)
    world.work()

    compared = _report(world)["compared"]
    assert (compared["version"], compared["sends"]) == (1, 2)
    assert (compared["more"]["number"], compared["fewer"]["number"], compared["other"]["number"]) == (1, 1, 0)


def test_what_is_in_force_is_not_compared_with_itself(world: World) -> None:
    world.publish(NAME, PAID)
    assert "compared" not in _report(world)
    assert "compared" not in _report(world, which="1")


def test_chosen_events_are_found_by_their_ids_or_by_what_they_are_about(world: World) -> None:
    _draft(world)
    _order(world, 1)
    _order(world, 2)
    world.work()
    with world.store.read() as tx:
        id_ = tx.execute(select(schema.event.c.id).order_by(schema.event.c.id)).scalars().first()

    assert _report(world, "chosen", chosen=str(id_))["looked_at"] == 1
    assert _report(world, "chosen", chosen="order:2")["looked_at"] == 1
    with pytest.raises(ConfigurationError, match="No stored order"):
        backtest.want(world.store, NAME, "draft", "chosen", "order:77")


def test_what_sends_nothing_is_not_backtested(world: World) -> None:
    publish.save(world.store, "policy/people", 'kind = "policy"\n')
    with pytest.raises(ConfigurationError, match="sends nothing"):
        backtest.want(world.store, "policy/people", "draft", "24h")
    _draft(world)
    with pytest.raises(ConfigurationError, match="Choose one of"):
        backtest.want(world.store, NAME, "draft", "9y")


def test_without_rates_messages_are_counted_and_not_priced(world: World) -> None:
    _draft(world)
    _order(world, 1)
    world.work()

    cost = _report(world)["cost"]
    assert (cost["total"], cost["unpriced"]) == (None, 1)
    assert cost["rows"] == [["utility", "GB", 1, None, None]]


def test_with_rates_the_cost_is_estimated_and_what_has_no_price_is_told(world: World) -> None:
    _draft(world)
    rates = 'kind = "rates"\ncurrency = "EUR"\n[[card]]\nvalid_from = 2026-01-01\n[card.prices.utility]\nGB = 0.025\n'
    world.publish("policy/rates", rates)
    _order(world, 1)
    _order(world, 2)
    _order(world, 3, "+4915112345678")
    world.work()

    cost = _report(world)["cost"]
    assert (cost["total"], cost["currency"], cost["unpriced"], cost["valid_from"]) == ("0.05", "EUR", 1, "2026-01-01")
    assert cost["rows"][0] == ["utility", "GB", 2, "0.025", "0.05"]


def _after(times: int) -> Callable[[], bool]:
    """Answer no so many times, and then yes."""
    asked = chain(repeat(False, times), repeat(True))
    return lambda: next(asked)


def test_a_backtest_that_made_room_for_others_comes_to_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "WRITE_SECONDS", 0.0)
    monkeypatch.setattr(backtest, "BATCH", 2)
    world.publish(NAME, PAID)
    _draft(world, PAID + '[timing]\ncap = ["2 per 24h"]\n')
    for number in range(9):
        _order(world, number % 7, (ANN, BEN, CAT)[number % 3])
    world.work()
    whole = _report(world)

    task = _run(world, enough=_after(2))
    assert (task.state, task.done) == ("waiting", 4)
    while task.state == "waiting":
        tasks.work_off(Bench(world), "here:1:me", enough=_after(2))  # type: ignore[arg-type]
        task = _task(world.store, task.id)

    assert dict(task.result) | {"since": ""} == dict(whole) | {"since": ""}


def test_a_person_who_was_erased_leaves_nothing_in_a_report(world: World) -> None:
    _draft(world)
    world.event("order.paid", "order:1", phone=ANN, name="Zoë of the seven names")
    world.work()
    task = _run(world)

    assert "Zoë" not in repr(dict(task.result))
    assert ANN not in repr(dict(task.result))
    shown = backtest.rehearse(Bench(world), task.args, task.result["previews"])  # type: ignore[arg-type]
    assert [outcome.send.slots for outcome in shown if outcome.send] == [{"body.1": "Zoë of the seven names"}]


def test_a_tally_can_be_written_down_and_read_again() -> None:
    tally = Tally(sends=3, languages={"en": 3})
    tally.skips["blocked"] = tally.quiet
    assert Tally.read(tally.write()) == tally


def test_a_number_tells_its_country() -> None:
    assert (country_of(ANN), country_of("+4915112345678"), country_of("nonsense")) == ("GB", "DE", "?")


def test_events_of_other_accounts_are_not_looked_at(world: World) -> None:
    _draft(world, PAID.replace('adapter = "toyshop"', 'adapter = "toyshop"\naccounts = ["elsewhere"]'))
    _order(world, 1)
    world.work()
    assert _report(world)["looked_at"] == 0


TIMED = """
[when.conditions]
field = "note"
operator = "is_not"
value = "no"
[timing]
cap = ["2 per 24h"]
cancel_when = ["order.cancelled"]
"""


def test_what_is_in_force_is_told_as_it_really_went(world: World) -> None:
    """A backtest of the version in force, over the time in which it was, comes to what was really done."""
    source = OFFER.replace("[timing]\n", TIMED)
    world.publish(NAME, source)
    for number, person in enumerate((ANN, BEN, CAT, ANN, ANN, "", "12", BEN)):
        _order(world, number, person, agrees=person != CAT, note="no" if number == 7 else "yes")
        world.work()
    _order(world, 1, BEN, agrees=True, note="yes")
    world.event("order.paid", "order:20", phone=BEN, agrees=True, note="yes")
    for number in range(21, 27):  # in one request: known together
        world.event("order.cancelled", f"order:{number}", phone=BEN)
        _order(world, number, BEN, agrees=True, note="yes")
    world.work()
    world.send()

    told = _report(world, which="published")

    with world.store.read() as tx:
        decided = tx.execute(select(schema.decision.c.event_id, schema.decision.c.verdict, schema.decision.c.reason))
        really = {row.event_id: "send" if row.verdict == "send" else row.reason for row in decided}
        stopped = tx.execute(select(schema.message.c.event_id, schema.message.c.reason, schema.message.c.state))
        really |= {row.event_id: row.reason for row in stopped if row.state in ("skipped", "cancelled")}
    would = dict.fromkeys(really, "send")
    would |= {id_: reason for reason, count in told["skips"].items() for id_ in count["events"]}
    assert would == really
    assert len(set(really.values())) >= 7
    assert told["sends"] == told["really"]["number"] == list(really.values()).count("send")
