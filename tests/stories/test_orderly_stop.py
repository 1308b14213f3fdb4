"""Being told to stop: what is in flight is awaited, the rest is left for the next start."""

from __future__ import annotations

import signal
import time

from connector.model import State
from connector.sandbox.deliveries import Mix
from connector.supervisor import GRACE_SECONDS
from tests.stories.conftest import OpenStage
from tests.stories.kit import Part


def test_told_to_stop_it_awaits_what_is_in_flight_and_goes_on_at_the_next_start(open_stage: OpenStage) -> None:
    stage = open_stage(latency_ms=2500).set_up(messages_per_second=20, in_doubt_seconds=60)

    def ctrl_c(part: Part) -> None:
        part.send(signal.SIGINT, group=True)  # a terminal sends it to everybody

    def sigterm_to_all_twice(part: Part) -> None:
        part.send(signal.SIGTERM, group=True)  # as systemd does; and then somebody is impatient
        time.sleep(1.2)
        part.send(signal.SIGTERM, group=True)

    for seed, stop in enumerate((ctrl_c, sigterm_to_all_twice), 1):
        before = stage.taken()
        part = stage.run("--workers", "1")
        assert stage.post(Mix(total=80), seed=seed).ok
        stage.until("some are in flight", lambda before=before: stage.taken() >= before + 15)
        stop(part)
        assert part.ended(4 * GRACE_SECONDS) == 0
        assert stage.processes() == {}, "nothing outlives an orderly stop"
        told = stage.states()
        assert not told.get(State.SENDING)
        assert not told.get(State.IN_DOUBT)
        assert told[State.WAITING], "it was stopped in the middle"
        planned = sum(told.values())  # the rest of the orders waits unread
        assert stage.taken() == planned - told[State.WAITING], "every answer was awaited and written down"
    stage.whatsapp.configure(latency_ms=50)
    stage.run("--workers", "1")
    stage.audit(160)
