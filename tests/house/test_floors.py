"""Imports only go down, and each outside world has one door."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import ADAPTERS, ROOT, imports, modules, shown

LINTER = Path(sys.executable).with_name("lint-imports")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LINTER, "--no-cache", "--no-logo"], cwd=folder, capture_output=True, text=True)


def test_imports_only_go_down() -> None:
    told = lint(ROOT)
    assert told.returncode == 0, f"docs/architecture.md says who may import whom.\n{told.stdout}{told.stderr}"


TRESPASSES = {
    "connector/store/stray.py": "import connector.web",
    "connector/model/stray.py": "import sqlalchemy",
    "connector/flow/stray.py": "import redis",
    "connector/mapping/stray.py": "import requests",
    "connector/policy/stray.py": "import adapters",
    "connector/web/stray.py": "import connector.sandbox",
    "adapters/one/__init__.py": "import connector.log",
    "adapters/two/__init__.py": "import adapters.one",
}


def test_every_rule_bites(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for room in ("connector", "adapters"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("tests", "fixtures", "__pycache__"))
    for path, words in TRESPASSES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(words + "\n")
    told = lint(tmp_path).stdout
    assert "0 kept" in told, f"A rule let a trespass pass:\n{told}"


def test_a_new_module_must_be_given_its_floor(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for room in ("connector", "adapters"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("tests", "fixtures", "__pycache__"))
    (tmp_path / "connector" / "stray.py").touch()
    told = lint(tmp_path)
    assert told.returncode != 0
    assert "stray" in told.stdout + told.stderr


@pytest.mark.parametrize(
    ("packages", "door"),
    [
        ({"requests", "urllib3"}, "connector/http.py"),
        ({"rq"}, "connector/queue.py"),
        ({"redis"}, ("connector/queue.py", "connector/limits.py")),
        ({"sqlalchemy", "alembic"}, "connector/store/"),
    ],
)
def test_each_outside_world_has_its_door(packages: set[str], door: str | tuple[str, ...]) -> None:
    users = [shown(path) for path in [*modules("connector", "adapters"), ROOT / "wsgi.py"] if packages & imports(path)]
    assert users, f"nobody imports {packages}: is the rule still needed?"
    assert [user for user in users if not user.startswith(door)] == [], f"only {door} may import {packages}"


@pytest.mark.parametrize("folder", ADAPTERS, ids=lambda folder: folder.name)
def test_an_adapter_speaks_to_the_world_only_through_what_it_is_given(folder: Path) -> None:
    doors = {"requests", "urllib3", "httpx", "socket", "http", "subprocess", "threading", "time", "os", "logging"}
    users = {shown(path): doors & imports(path) for path in modules(shown(folder))}
    assert {path: found for path, found in users.items() if found} == {}
