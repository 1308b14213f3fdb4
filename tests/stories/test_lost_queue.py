"""The queue carries wake-ups only: emptied or gone, it costs time and nothing else."""

from __future__ import annotations

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

    valkey.stop()
    away = stage.post(Mix(total=60), seed=2, rate=15, connections=8)
    assert away.statuses == {200: 60}
    assert stage.taken() == 80, "nobody was woken"
    valkey.start()
    stage.audit(140)
