"""A bell that rings just when somebody stops working."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import redis

from connector import jobs
from connector.flow.write import Done
from connector.queue import NAME
from tests.servers import Valkey
from tests.stories.conftest import OpenStage


def test_what_comes_while_a_decider_makes_its_last_look_is_not_left_for_the_clock(
    open_stage: OpenStage, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = open_stage(REDIS_URL=valkey.url).set_up()
    bell, usual = stage.wiring.queue, jobs._work_off
    monkeypatch.setattr(jobs, "wiring", lambda: stage.wiring)
    monkeypatch.setattr(jobs, "LINGER_SECONDS", 0.0)
    queue = redis.Redis.from_url(valkey.url)

    def work_off(*given: Any) -> Done:
        done = usual(*given)
        stage.store_without_ringing(1)  # after the last look
        assert bell.ring("decide")
        queue.delete(f"rq:queue:{NAME}")  # another worker took the job ...
        other = threading.Thread(target=jobs.decide)
        other.start()
        other.join()  # ... found us at it, and went away
        return done

    monkeypatch.setattr(jobs, "_work_off", work_off)
    jobs.decide()
    assert stage.counts().inbox == 1
    assert bell.depth() == 1, "somebody is woken for it"
    queue.close()
