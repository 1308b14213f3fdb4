"""Being told to stop: what is in flight is awaited, the rest is left for the next start."""

from __future__ import annotations

import signal
import time

import pytest

from connector.model import State
from connector.sandbox.deliveries import Mix
from connector.supervisor import GRACE_SECONDS
from tests.stories.conftest import OpenStage


@pytest.mark.parametrize("way", ["sigterm", "ctrl-c", "sigterm to all, twice"])
def test_told_to_stop_it_awaits_what_is_in_flight_and_goes_on_at_the_next_start(
    open_stage: OpenStage, way: str
) -> None:
    stage = open_stage(latency_ms=2500).set_up(messages_per_second=20, in_doubt_seconds=60)
    first = stage.run()
    assert stage.post(Mix(total=60)).ok
    stage.until("some are in flight", lambda: stage.taken() >= 15)
    match way:
        case "sigterm":
            first.send(signal.SIGTERM)
        case "ctrl-c":
            first.send(signal.SIGINT, group=True)  # a terminal sends it to everybody
        case _:
            first.send(signal.SIGTERM, group=True)  # as systemd does, and then somebody is impatient
            time.sleep(1.2)
            first.send(signal.SIGTERM, group=True)
    assert first.ended(2 * GRACE_SECONDS) == 0
    assert stage.processes() == {}, "nothing outlives an orderly stop"
    told = stage.states()
    assert not told.get(State.SENDING)
    assert not told.get(State.IN_DOUBT)
    assert told.get(State.WAITING), "it was stopped in the middle"
    assert stage.taken() == 60 - told[State.WAITING], "every answer was awaited and written down"
    stage.whatsapp.configure(latency_ms=50)
    stage.run()
    stage.audit(60)
