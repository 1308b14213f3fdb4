"""kill -9 of any of our processes, at the worst moments: nothing lost, nothing doubled, and all of it back."""

from __future__ import annotations

import os
import signal

from connector.model import State
from connector.sandbox.deliveries import Mix
from tests.stories.conftest import OpenStage
from tests.stories.kit import PATIENCE, Gate


def test_a_worker_killed_while_it_sends_loses_nothing_and_doubles_nothing(open_stage: OpenStage) -> None:
    stage = open_stage().set_up(messages_per_second=40, in_doubt_seconds=60)
    gate = stage.whatsapp.mood = Gate()
    stage.run("--workers", "2")
    assert stage.post(Mix(total=180)).ok
    killed = set()
    for _ in range(3):
        with stage.receipts_held():  # until somebody has taken over
            gate.open(25)
            stage.until("more are in flight", lambda: gate.held() >= 8)
            sender = stage.until("somebody sends", stage.drainer)
            assert stage.sending(sender) >= 8
            os.kill(sender, signal.SIGKILL)
            stage.until("somebody has taken over", lambda sender=sender: not stage.sending(sender))
            assert stage.states()[State.IN_DOUBT] >= 8, "what was in flight is in doubt"
        killed.add(sender)
    gate.open()
    stage.audit(180)
    assert len(killed) == 3
    stage.until("both workers are back", lambda: len(stage.pids("worker") - killed) == 2)


def test_everything_killed_at_once_loses_no_acknowledged_order_and_doubles_none(open_stage: OpenStage) -> None:
    stage = open_stage().set_up(messages_per_second=30, in_doubt_seconds=60)
    gate = stage.whatsapp.mood = Gate()
    first = stage.run()
    posted = stage.posting(Mix(total=100), rate=25)
    with stage.receipts_held():  # for what is in flight
        gate.open(20)
        stage.until("more are in flight", lambda: gate.held() >= 8)
        first.send(signal.SIGKILL, group=True)
        first.ended(PATIENCE)
        stage.until("nothing of it lives", lambda: not stage.processes())
        gate.open()
        stage.run()
        stage.until("what was in flight is in doubt", lambda: stage.states().get(State.IN_DOUBT, 0) >= 8)
    assert not posted().undelivered
    stage.audit(100)


def test_a_killed_web_and_a_killed_clock_are_started_again_and_make_up_for_the_gap(open_stage: OpenStage) -> None:
    stage = open_stage().set_up()
    part = stage.run("--workers", "1")
    posted = stage.posting(Mix(total=60), rate=20)
    stage.until("some orders came", lambda: len(stage.labels()) >= 5)
    both = [stage.until(f"the {name} is up", lambda name=name: stage.child(name)) for name in ("web", "clock")]
    before = stage.pids("web") | stage.pids("clock")
    for pid in both:
        os.kill(pid, signal.SIGKILL)
    stage.until("another web is up", lambda: stage.child("web", besides=before) and stage.serves())
    stage.until("nothing is left of the first", lambda: not set(stage.processes()) & before)
    assert not posted().undelivered
    stage.audit(60)

    stage.store_without_ringing(5)  # only the new clock can notice these
    stage.audit(65)
    assert part.process.poll() is None
