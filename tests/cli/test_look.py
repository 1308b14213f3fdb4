"""The commands that look, run as a user runs them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from click.testing import CliRunner, Result

from connector.cli import cli
from connector.errors import ConfigurationError
from connector.model import State, now
from connector.store import Store, migrate
from tests.scene import PHONE, Scene


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv("CONNECTOR_DATA", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("REDIS_URL", f"unix://{tmp_path}/nobody.sock")
    store = Store(f"sqlite:///{tmp_path / 'connector.db'}")
    migrate.upgrade(store)
    yield Scene(store)
    store.close()


def call(*words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == code, result.output
    return result


def refused(*words: str) -> str:
    """Return what the set-up or the input must change; `main` makes it one sentence and exit code 2."""
    with pytest.raises(ConfigurationError) as caught:
        CliRunner().invoke(cli, words, catch_exceptions=False)
    return str(caught.value)


def as_json(*words: str, code: int = 0) -> Any:
    return json.loads(call(*words, "--json", code=code).stdout)


@pytest.mark.parametrize("command", ["events", "messages", "explain", "replay", "stats"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    shown = call(command, "--help").output
    assert f"connector {command}" in shown
    assert "Example" in shown


def test_events_tell_what_was_decided(scene: Scene) -> None:
    scene.skip(scene.event("#1"))
    scene.message(label="#2")
    scene.event("#3")
    shown = call("events").output
    assert "skipped: no agreement" in shown
    assert "message by order_paid" in shown
    assert "no mapping listens" in shown
    assert [row["label"] for row in as_json("events", "--verdict", "skip")] == ["#1"]
    assert [row["label"] for row in as_json("events", "--label", "3")] == ["#3"]
    assert as_json("events", "--since", "1h") == []


def test_an_empty_list_teaches_the_next_step(scene: Scene) -> None:
    assert "connector accounts check" in call("events").output
    assert "connector events" in call("messages").output
    assert as_json("messages") == []


def test_messages_are_listed_without_whole_phones(scene: Scene) -> None:
    id_ = scene.message(state=State.FAILED, words=f"{PHONE} is not on WhatsApp")
    scene.message(label="#2", recipient="+33612345678", state=State.WAITING)
    for shown in (call("messages").output, call("messages", "--json").output):
        assert PHONE not in shown
        assert "••• 4567" in shown
        assert id_ in shown
    assert [row["id"] for row in as_json("messages", "--state", "failed")] == [id_]
    assert [row["id"] for row in as_json("messages", "--to", "0170 1234567")] == [id_]
    assert as_json("messages", "--to", "+491701234568") == []
    assert "phone number" in call("messages", "--to", "12", code=2).stderr


def test_messages_go_on_below_the_last_of_the_page(scene: Scene) -> None:
    made = [scene.message(label=f"#{number}") for number in range(3)]
    first = as_json("messages", "--limit", "2")
    rest = as_json("messages", "--limit", "2", "--before", first[-1]["id"])
    assert sorted(row["id"] for row in (*first, *rest)) == sorted(made)


def test_a_message_is_drawn_as_the_phone_shows_it(scene: Scene) -> None:
    id_ = scene.message()
    scene.receipt(id_, "read")
    shown = call("messages", "show", id_).output
    for part in ("Order #1001", "Hi Zoë, we have received € 59,90.", "Example Shop", "✓✓ read", "View order"):
        assert part in shown
    assert "Receipt: read" in shown
    assert as_json("messages", "show", id_)["slots"]["body.1"] == "Zoë"


def test_a_message_of_an_unknown_template_shows_its_values(scene: Scene) -> None:
    shown = call("messages", "show", scene.message(template="gone")).output
    assert "connector templates sync" in shown
    assert "€ 59,90" in shown


def test_an_unknown_message_is_an_error_in_words(scene: Scene) -> None:
    assert "There is no message" in call("messages", "show", "0" * 26, code=1).stderr


def test_explain_tells_every_story_of_an_order(scene: Scene) -> None:
    scene.skip(scene.event("#7"))
    shown = call("explain", "7").output
    assert "Nothing was sent (no agreement). The buyer has not agreed to marketing." in shown
    (story,) = as_json("explain", "#7")
    assert (story["tone"], story["found"]) == ("skip", True)
    assert story["lines"][-1]["tone"] == "skip"


def test_explain_of_nothing_says_where_it_looked_and_fails(scene: Scene) -> None:
    assert "Looked at labels of orders" in call("explain", "#404", code=1).output


def test_a_replay_without_anybody_to_ask_needs_yes(scene: Scene) -> None:
    request = scene.request(state="unreadable")
    assert "--yes" in refused("replay", "--unreadable")
    plan = as_json("replay", "--unreadable")
    assert (plan["requests"], plan["put_back"]) == (1, 0)
    assert "1 stored request would be read again." in call("replay", str(request), "--yes").output
    with scene.store.read() as tx:
        assert tx.exec_driver_sql("SELECT state FROM request").scalar_one() == "new"


def test_a_replay_says_what_is_swallowed_before_it_does_anything(scene: Scene) -> None:
    scene.message(label="#5")
    shown = call("replay", "5", "--source", "mapping", "--yes").output
    assert shown.index("1 message by order_paid already made: swallowed") < shown.index("1 put back into the inbox")
    with scene.store.read() as tx:
        assert tx.exec_driver_sql("SELECT words FROM request").scalar_one() == "replay:mapping"


def test_a_replay_of_nothing_in_particular_is_refused(scene: Scene) -> None:
    assert "Say what to replay" in refused("replay")
    assert "10m" in call("replay", "--since", "soon", code=2).stderr


def test_stats_are_numbers_under_fixed_names(scene: Scene) -> None:
    at = now()
    scene.message(state=State.WAITING, not_before=at - timedelta(seconds=90))
    scene.message(state=State.IN_DOUBT)
    scene.skip(scene.event())
    scene.request(state="new", at=at)
    with time_machine.travel(at, tick=False):
        told = as_json("stats")
    assert told["messages"]["waiting"] == told["outbox"] == 1
    assert set(told["messages"]) == {state.value for state in State}
    assert told["requests"]["new"] == told["inbox"] == 1
    assert told["in_doubt"] == 1
    assert told["queue_depth"] is None
    assert told["oldest_waiting_seconds"] == 90
    assert told["skips"] == {"no_agreement": 1}
    assert "Redis is away" in call("stats").output
