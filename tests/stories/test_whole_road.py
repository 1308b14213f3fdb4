"""An order goes out as a message, and its receipts come home: with real processes, on both set-ups."""

from __future__ import annotations

import signal

from connector.sandbox.deliveries import Mix
from connector.supervisor import GRACE_SECONDS
from tests.servers import Valkey
from tests.stories.conftest import OpenStage
from tests.stories.kit import Stage

MIX = Mix(total=40, duplicates=4, forged=3, unusable=4, test=2)
WANTED = 40 - 4 - 3 - 4 - 2


def test_a_paid_order_becomes_a_message_and_its_receipts_come_home(open_stage: OpenStage) -> None:
    stage = open_stage(duplicates=0.2, reorder=0.3, early=0.2).set_up()
    part = stage.run()
    _tell_the_story(stage)
    part.send(signal.SIGTERM)
    assert part.ended(4 * GRACE_SECONDS) == 0
    assert stage.processes() == {}


def test_the_parts_run_apart_on_postgresql_and_an_outer_redis(
    open_stage: OpenStage, postgres_url: str, valkey: Valkey
) -> None:
    stage = open_stage(DATABASE_URL=postgres_url, REDIS_URL=valkey.url, duplicates=0.2, reorder=0.3, early=0.2)
    migrated = stage.command("migrate")
    assert migrated.returncode == 0, migrated.stderr
    stage.set_up()
    for words in (("web",), ("worker",), ("worker",), ("clock",)):
        stage.start(*words)
    stage.until("the web answers", stage.serves)
    _tell_the_story(stage)


def _tell_the_story(stage: Stage) -> None:
    posted = stage.post(MIX)
    assert posted.ok
    assert posted.refused == MIX.forged
    stage.audit(WANTED)
    assert not set(posted.forged) & set(stage.labels())
    skips = stage.counts().skips
    assert (skips["condition_not_met"], sum(skips.values())) == (MIX.test, MIX.test + MIX.unusable)
    for label, end in ((stage.labels()[0], "Receipt: read"), (posted.unusable[0], "Nothing was sent")):
        told = stage.command("explain", label)
        assert told.returncode == 0, told.stderr
        assert label in told.stdout
        assert end in told.stdout
