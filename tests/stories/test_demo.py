"""The first thing that anybody runs."""

from __future__ import annotations

from tests.stories.conftest import OpenStage


def test_the_demo_shows_the_whole_road_and_ends_by_itself(open_stage: OpenStage) -> None:
    stage = open_stage()
    said = stage.command("demo", TMPDIR=str(stage.data.parent))
    assert said.returncode == 0, said.stdout + said.stderr
    for words in ("posted by the shop", "refused, forged", "planned", "delivered", "read"):
        assert words in said.stdout
    assert "nothing lost, nothing doubled, nothing stuck" in said.stdout
    assert "Traceback" not in said.stdout + said.stderr
    assert stage.processes() == {}
    assert not list(stage.data.parent.glob("connector-*")), "it leaves nothing behind"
