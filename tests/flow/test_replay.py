"""Replay: what it says beforehand, and what it does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connector.errors import ConfigurationError
from connector.flow.decide import REPLAY
from connector.flow.replay import Selection, Source, run, survey
from connector.model import now
from connector.store import Store, inbox
from connector.store.inbox import RequestState
from tests.scene import CHANNEL, START, Scene

_COLUMNS = "account_id, delivery_key, topic, method, headers, body, received_at, state, words, tries"


@pytest.fixture
def scene(store: Store) -> Scene:
    return Scene(store)


def row(scene: Scene, id_: int) -> Any:
    with scene.store.read() as tx:
        return tx.exec_driver_sql(f"SELECT state, words, tries, lease_until FROM request WHERE id = {id_}").one()


def test_nothing_named_is_refused(scene: Scene) -> None:
    with pytest.raises(ConfigurationError, match="Say what to replay"):
        survey(scene.store, Selection())


def test_a_survey_says_what_would_be_swallowed_and_changes_nothing(scene: Scene) -> None:
    request = scene.request()
    event = scene.event("#5", request_id=request)
    scene.message(event, label="#5")
    scene.skip(event, mapping="another")
    plan = survey(scene.store, Selection(term="#5"), Source.MAPPING)
    assert plan.request_ids == (request,)
    assert (plan.events, plan.messages) == (1, {"order_paid": 1})
    assert plan.oldest == START - timedelta(seconds=2)
    said = " ".join(plan.words())
    assert "1 message by order_paid already made: swallowed" in said
    assert "1 event known already: planned again" in said
    assert row(scene, request).state == "done"


def test_a_survey_from_the_request_says_that_known_events_are_not_planned_again(scene: Scene) -> None:
    scene.message(label="#5")
    said = " ".join(survey(scene.store, Selection(term="#5")).words())
    assert "1 event known already: swallowed, and not planned again" in said


def test_a_replay_makes_the_request_new_as_if_nobody_had_tried(scene: Scene) -> None:
    request = scene.request(state="broken", words="Failed 5 times")
    with scene.store.write() as tx:
        tx.exec_driver_sql("UPDATE request SET tries = 5")
    assert run(scene.store, survey(scene.store, Selection(unreadable=True))) == 1
    assert tuple(row(scene, request)) == ("new", "", 0, None)
    with scene.store.write() as tx:
        (leased,) = inbox.lease(tx, "me", 10, 60)
    assert (leased.id, leased.words) == (request, "")


def test_a_replay_from_the_mapping_tells_the_decider_so(scene: Scene) -> None:
    scene.message(label="#5")
    assert run(scene.store, survey(scene.store, Selection(term="#5"), Source.MAPPING)) == 1
    with scene.store.write() as tx:
        (leased,) = inbox.lease(tx, "me", 10, 60)
    assert leased.words == REPLAY


def test_only_what_could_not_be_read_is_taken_where_that_was_asked_for(scene: Scene) -> None:
    wanted = [scene.request(state=state) for state in ("unreadable", "broken")]
    for state in ("done", "ignored", "new"):
        scene.request(state=state)
    assert survey(scene.store, Selection(unreadable=True)).request_ids == tuple(wanted)


def test_age_narrows(scene: Scene) -> None:
    scene.request(at=now() - timedelta(hours=5), state="unreadable")
    young = scene.request(at=now() - timedelta(hours=1), state="unreadable")
    done = scene.request(at=now() - timedelta(hours=1))
    since = now() - timedelta(hours=2)
    assert survey(scene.store, Selection(unreadable=True, since=since)).request_ids == (young,)
    assert survey(scene.store, Selection(since=since)).request_ids == (young, done)


def test_a_request_that_waits_anyway_is_left_where_it_is(scene: Scene) -> None:
    request = scene.request(state="new", key="delivery-that-waits")
    plan = survey(scene.store, Selection(term="delivery-that-waits"))
    assert (plan.requests, plan.waiting) == (0, 1)
    assert "Nothing to put back." in list(plan.words())
    assert run(scene.store, plan) == 0
    assert row(scene, request).state == "new"


def test_a_request_that_was_taken_up_meanwhile_is_left_alone(scene: Scene) -> None:
    scene.request(state="unreadable")
    plan = survey(scene.store, Selection(unreadable=True))
    with scene.store.write() as tx:
        tx.exec_driver_sql("UPDATE request SET state = 'new', lease_owner = 'x', tries = 1")
    assert run(scene.store, plan) == 0


def test_thousands_are_put_back_in_turns(scene: Scene) -> None:
    arrivals = [scene.request(state="unreadable", account=CHANNEL) for _ in range(3)]
    with scene.store.write() as tx:
        tx.exec_driver_sql(
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 800)"
            f" INSERT INTO request ({_COLUMNS})"
            f" SELECT {_COLUMNS.replace('delivery_key', 'delivery_key || n.x')} FROM request, n"
        )
    plan = survey(scene.store, Selection(unreadable=True))
    assert plan.requests == len(arrivals) * 801
    assert run(scene.store, plan) == plan.requests
    with scene.store.read() as tx:
        assert inbox.measure(tx)[0] == plan.requests


def test_a_term_that_leads_nowhere_puts_nothing_back(scene: Scene) -> None:
    scene.request(state=RequestState.UNREADABLE)
    assert survey(scene.store, Selection(term="#404")).requests == 0
