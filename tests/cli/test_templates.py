from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from connector.cli.accounts import accounts
from connector.cli.templates import templates

Run = Any


@pytest.mark.usefixtures("_line")
def test_synced_templates_are_listed_with_their_slots(run: Run) -> None:
    result = run(templates, "sync")
    assert result.exit_code == 0
    assert "✓ line: 2 new, 0 changed, 0 gone, 0 unchanged." in result.stdout
    assert json.loads(run(templates, "sync", "line", "--json").stdout) == {
        "line": {"new": 0, "changed": 0, "gone": 0, "unchanged": 2}
    }
    listed = run(templates, "list").stdout
    assert re.search(r"line +order_paid +en +utility +approved +body\.1, body\.2", listed)
    assert re.search(r"line +shipped +en +utility +paused", listed)
    told = json.loads(run(templates, "list", "line", "--json").stdout)
    assert [slot["key"] for slot in told[0]["slots"]] == ["body.1", "body.2"]


@pytest.mark.usefixtures("_line")
def test_a_channel_that_refuses_is_told_with_its_advice(run: Run) -> None:
    run(accounts, "set", "line", "health=ill")
    result = run(templates, "sync")
    assert result.exit_code == 1
    assert "Error: line: The line is dead. Pay the bill." in result.stderr
    assert "No template is stored yet." in run(templates, "list").stdout


@pytest.mark.usefixtures("_shop")
def test_an_account_that_cannot_send_has_no_templates(run: Run, tmp_path: Path) -> None:
    result = run(templates, "sync", "main")
    assert result.exit_code == 2
    assert "main cannot send" in result.stderr
    assert "No account can send yet" in run(templates, "sync").stderr
    (tmp_path / "t.json").write_text("{}")
    result = run(templates, "import", str(tmp_path / "t.json"), "--account", "main")
    assert (result.exit_code, result.stderr) == (2, "Error: Toy shop has no templates.\n")


@pytest.mark.usefixtures("_line")
def test_imported_templates_join_the_others(run: Run, tmp_path: Path) -> None:
    run(templates, "sync")
    (tmp_path / "t.json").write_text('{"data": [{"name": "trial"}, {"name": "trial_2"}]}')
    result = run(templates, "import", str(tmp_path / "t.json"))
    assert result.exit_code == 0
    assert "  trial (en, utility, approved): no slots" in result.stdout
    assert "✓ line: 2 new, 0 changed, 0 gone, 0 unchanged." in result.stdout
    assert len(json.loads(run(templates, "list", "--json").stdout)) == 4


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "These are no templates of Toy line: The body is not JSON"),
        (b"\xff", "These are no templates of Toy line: The body is not UTF-8"),
        (b"[1]", "It holds something else than JSON objects."),
        (b"{}", "There is no list under data."),
        (b'{"data": []}', "There is no template of Toy line in it."),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
@pytest.mark.usefixtures("_line")
def test_a_file_that_holds_no_templates_is_refused(run: Run, tmp_path: Path, body: bytes, words: str) -> None:
    (tmp_path / "t.json").write_bytes(body)
    result = run(templates, "import", str(tmp_path / "t.json"), "--account", "line")
    assert result.exit_code == 2
    assert words in result.stderr


def test_every_command_has_an_example(run: Run) -> None:
    for name in templates.commands:
        assert "Example:\n" in run(templates, name, "--help").stdout
