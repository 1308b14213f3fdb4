"""The queue carries wake-ups only: emptied or gone, it costs time and nothing else."""

from __future__ import annotations

import redis

from connector.queue import NAME
from connector.sandbox.deliveries import Mix
from tests.servers import Valkey
from tests.stories.conftest import OpenStage


def test_a_redis_that_is_flushed_or_away_costs_no_acknowledgement_and_no_message(
    open_stage: OpenStage, valkey: Valkey
) -> None:
    stage = open_stage(REDIS_URL=valkey.url, latency_ms=200).set_up(messages_per_second=40)
    stage.run()
    posted = stage.posting(Mix(total=80), seed=1, rate=40)
    for reached in (10, 30, 50):
        stage.until(f"{reached} are sent", lambda reached=reached: stage.taken() >= reached)
        valkey.flush()
    assert posted().ok
    stage.audit(80)

    with redis.Redis.from_url(valkey.url) as queue:
        # Whoever has sent stays awake for a moment, and would see what comes.
        at_work = [f"rq:queue:{NAME}", f"rq:wip:{NAME}"]
        stage.until("everybody has gone to sleep", lambda: not stage.drainer() and not queue.exists(*at_work))
    valkey.stop()
    away = stage.post(Mix(total=60), seed=2, rate=15, connections=8)
    assert away.ok
    assert away.statuses[200] == 60
    assert not {status for status in away.statuses if status >= 400} - {503}, "503: the disk was slow"
    assert away.latency_ms["p50"] < 2500, "nobody waits for a Redis that is away"
    assert stage.taken() == 80, "nobody was woken"
    valkey.start()
    stage.audit(140)
