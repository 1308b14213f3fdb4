"""kill -9 of any of our processes, at the worst moments: nothing lost, nothing doubled, and all of it back."""

from __future__ import annotations

import os
import signal

from connector.flow.intake import Intake
from connector.model import Request, State, now
from connector.sandbox.deliveries import Mix
from connector.sandbox.orders import orders
from connector.store.inbox import Arrival
from tests.stories.conftest import OpenStage
from tests.stories.kit import SHOP, Stage, webhook


def test_a_worker_killed_while_it_sends_loses_nothing_and_doubles_nothing(open_stage: OpenStage) -> None:
    stage = open_stage(latency_ms=300).set_up(messages_per_second=40)
    stage.run("--workers", "2")
    posted = stage.post(Mix(total=140))
    assert posted.ok
    killed = set()
    for reached in (25, 50, 75):
        stage.until(f"{reached} are sent", lambda reached=reached: stage.taken() >= reached)
        sender = stage.until("somebody sends", stage.drainer)
        os.kill(sender, signal.SIGKILL)
        killed.add(sender)
    stage.audit(140)
    assert len(killed) == 3
    stage.until("both workers are back", lambda: len(stage.pids("worker") - killed) == 2)


def test_everything_killed_at_once_loses_no_acknowledged_order_and_doubles_none(open_stage: OpenStage) -> None:
    stage = open_stage(latency_ms=300).set_up(messages_per_second=30, in_doubt_seconds=20)
    first = stage.run()
    posted = stage.posting(Mix(total=100), rate=25)
    stage.until("some are sent", lambda: stage.taken() >= 20)
    first.send(signal.SIGKILL, group=True)
    first.ended(10)
    stage.until("nothing of it lives", lambda: not stage.processes())
    assert not stage.counts().messages[State.FAILED]
    stage.run()
    assert not posted().undelivered
    stage.audit(100)


def test_a_killed_clock_is_started_again_and_makes_up_for_a_bell_that_nobody_heard(open_stage: OpenStage) -> None:
    stage = open_stage().set_up()
    stage.run("--workers", "1")
    before = stage.until("the clock is up", lambda: stage.pids("clock"))
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    stage.until("another clock is up", lambda: stage.pids("clock") - before)
    _store_without_ringing(stage, 5)
    stage.audit(5)


def test_a_killed_web_is_started_again_and_takes_what_the_shop_repeats(open_stage: OpenStage) -> None:
    stage = open_stage().set_up()
    part = stage.run("--workers", "1")
    posted = stage.posting(Mix(total=60), rate=20)
    stage.until("some orders came", lambda: len(stage.labels()) >= 5)
    before = stage.pids("web")
    os.kill(stage.child("web"), signal.SIGKILL)
    stage.until("another web is up", lambda: stage.child("web", besides=before) and stage.serves())
    stage.until("nothing is left of the first", lambda: not stage.pids("web") & before)
    assert not posted().undelivered
    stage.audit(60)
    assert part.process.poll() is None


def _store_without_ringing(stage: Stage, number: int) -> None:
    """Store requests as the web would, with a bell that does nothing."""
    found = stage.wiring.directory.by_token(stage.shop_url.rsplit("/", 1)[1])
    assert found is not None
    assert found.receiver is not None
    intake = Intake(stage.store, lambda: None)
    for order in orders(7, number, unusable=0, shop=SHOP):
        body, headers = webhook("orders/paid", order)
        request = Request(
            method="POST", headers={name.lower(): value for name, value in headers.items()}, body=body,
            received_at=now(),
        )  # fmt: skip
        verified = found.receiver.verify(request)
        arrival = Arrival(
            account_id=found.account.id, delivery_key=found.receiver.key(verified), topic="orders/paid",
            request=request,
        )  # fmt: skip
        assert intake.accept(arrival)
    intake.close()
