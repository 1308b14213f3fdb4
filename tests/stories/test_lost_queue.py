"""The queue carries wake-ups only: emptied or gone, it costs time and nothing else."""

from __future__ import annotations

from connector.sandbox.deliveries import Mix
from tests.servers import Valkey
from tests.stories.conftest import OpenStage


def test_a_flushed_redis_loses_no_work(open_stage: OpenStage, valkey: Valkey) -> None:
    stage = open_stage(REDIS_URL=valkey.url, latency_ms=200).set_up(messages_per_second=40)
    stage.run()
    posted = stage.posting(Mix(total=100), rate=40)
    for reached in (10, 40, 70):
        stage.until(f"{reached} are sent", lambda reached=reached: stage.taken() >= reached)
        valkey.flush()
    assert posted().ok
    stage.audit(100)


def test_without_redis_webhooks_are_acknowledged_and_sent_when_it_is_back(
    open_stage: OpenStage, valkey: Valkey
) -> None:
    stage = open_stage(REDIS_URL=valkey.url).set_up()
    stage.run()
    valkey.stop()
    posted = stage.post(Mix(total=60), rate=15, connections=8)
    assert posted.statuses == {200: 60}
    assert stage.counts().messages == dict.fromkeys(stage.counts().messages, 0), "nobody was woken"
    valkey.start()
    stage.audit(60)
