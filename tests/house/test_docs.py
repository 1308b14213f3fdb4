"""Documents that tell the whole truth."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from connector.model import Reason
from connector.registry import Registry
from tests.house.commands import PAGE, every
from tests.house.tree import ADAPTERS, ROOT

HEADINGS = ("What it does", "Set up", "Events", "Settings", "Limits and quirks")

each_adapter = pytest.mark.parametrize("folder", ADAPTERS, ids=lambda folder: folder.name)


def readme(folder: Path) -> str:
    return (folder / "README.md").read_text()


@each_adapter
def test_an_adapter_tells_what_it_does_in_five_parts(folder: Path) -> None:
    found = re.findall(r"^## (.+)$", readme(folder), re.MULTILINE)
    assert [heading for heading in found if heading in HEADINGS] == list(HEADINGS)


@each_adapter
def test_an_adapter_explains_every_setting(folder: Path) -> None:
    schema = Registry().get(folder.name).settings()
    assert [name for name in schema.fields if f"`{name}`" not in readme(folder)] == []


@each_adapter
def test_an_adapter_lists_every_topic(folder: Path) -> None:
    topics = Registry().get(folder.name).topics
    assert [topic.name for topic in topics if f"`{topic.name}`" not in readme(folder)] == []


def test_every_reason_for_not_sending_is_explained() -> None:
    words = (ROOT / "docs" / "reasons.md").read_text()
    told = re.findall(r"^\| `(\w+)` \|", words, re.MULTILINE)
    assert sorted(told) == sorted(reason.value for reason in Reason)


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    # In a process of its own: a command remembers the help options it was first asked with, by whichever test.
    command = [sys.executable, "-m", "tests.house.commands", "--print"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    assert PAGE.read_text() == printed.stdout, "run `make docs`"


def test_every_command_shows_an_example() -> None:
    from connector.cli import cli

    silent = [
        called
        for called, command, context in every(cli, "connector")
        if not isinstance(command, click.Group) and "connector " not in command.get_help(context).partition("\n")[2]
    ]
    assert silent == []


def test_the_changelog_has_room_for_what_is_not_released() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "[Unreleased]"


def test_links_between_documents_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "adapters").glob("*/README.md")]
    broken = [
        f"{path.relative_to(ROOT)}: {link}"
        for path in pages
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text())
        if "://" not in link and not (path.parent / link).exists()
    ]
    assert broken == []


def test_the_modules_that_the_documents_name_are_there() -> None:
    named = {
        (path, name)
        for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
        for name in re.findall(
            r"`((?:flow|store|mapping|policy|model|cli|web|security)/[\w/]*(?:\.py)?)`", path.read_text()
        )
    }
    assert named
    assert sorted(name for _, name in named if not (ROOT / "connector" / name).exists()) == []


def test_the_architecture_names_every_room() -> None:
    words = (ROOT / "docs" / "architecture.md").read_text()
    rooms = [path for path in (ROOT / "connector").iterdir() if path.is_dir() or path.suffix == ".py"]
    names = [f"{path.name}/" if path.is_dir() else path.name for path in rooms if not path.name.startswith("__")]
    assert [name for name in names if f"`{name}`" not in words] == []


def blocks() -> Iterator[tuple[str, str]]:
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for block in re.findall(r"^```console run\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL):
            yield f"{path.relative_to(ROOT)}: {block.splitlines()[0]}", block


def test_what_the_documents_show_is_what_happens(tmp_path: Path) -> None:
    """Each ``console run`` block: its ``$`` lines end well, and say the lines below them (… stands for anything)."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "CONNECTOR_DATA": str(tmp_path / "data"),
        "NO_COLOR": "1",
        "COLUMNS": "200",
    }
    shown = list(blocks())
    assert shown, "no document shows a command that is tried"
    for place, block in shown:
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, expected = step.partition("\n")
            done = subprocess.run(
                command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
            )
            said = done.stdout + done.stderr
            assert done.returncode == 0, f"{place}\n{said}"
            for line in filter(None, map(str.strip, expected.splitlines())):
                pattern = ".*".join(re.escape(part) for part in line.split("…"))
                assert re.search(pattern, said), f"{place}\nnot said: {line}\n{said}"
