from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from connector.cli.new_adapter import LAYOUT, new_adapter
from connector.errors import ConfigurationError

HOUSE = Path(__file__).parents[2]
NAMES = ["acme", "acme_crm_2", "a", "x" * 40]


def begin(name: str, path: Path) -> Result:
    return CliRunner().invoke(new_adapter, [name, "--path", str(path)], catch_exceptions=False)


def run(folder: Path, *command: str) -> None:
    env = {**os.environ, "PYTHONPATH": str(folder), "MYPYPATH": str(HOUSE), "PYTEST_ADDOPTS": ""}
    done = subprocess.run([sys.executable, "-m", *command], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def adapters(tmp_path: Path) -> Path:
    """A folder that looks like the one of a checkout."""
    folder = tmp_path / "adapters"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""Adapters."""\n')
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_a_package_of_ones_own_passes_the_contract_as_it_is(tmp_path: Path, name: str) -> None:
    begin(name, tmp_path)
    folder = tmp_path / f"connector_{name}"
    assert {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()} == set(LAYOUT)
    run(tmp_path, "ruff", "check", "--no-cache", "--config", str(HOUSE / "pyproject.toml"), ".")
    run(tmp_path, "ruff", "format", "--no-cache", "--check", "--config", str(HOUSE / "pyproject.toml"), ".")
    if name == NAMES[1]:
        run(tmp_path, "pytest", "-p", "no:cacheprovider", "-q", "-W", "error", folder.name)


def test_a_folder_of_the_house_passes_the_contract_as_it_is(adapters: Path) -> None:
    begin("acme", adapters)
    run(adapters.parent, "pytest", "-p", "no:cacheprovider", "-q", "--import-mode=importlib", "adapters/acme")
    run(adapters.parent, "ruff", "check", "--no-cache", "--config", str(HOUSE / "pyproject.toml"), ".")


def test_it_needs_nothing_that_only_tests_need(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules.update(pytest=None, hypothesis=None);"
        f"from connector.cli.new_adapter import new_adapter; new_adapter(['acme', '--path', {str(tmp_path)!r}])"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert (tmp_path / "connector_acme" / "adapter.py").is_file()


def test_its_types_are_strict(tmp_path: Path) -> None:
    begin("acme", tmp_path)
    command = ["mypy", "--strict", "--no-incremental", "--config-file", str(HOUSE / "pyproject.toml")]
    run(tmp_path, *command, "connector_acme/adapter.py")


def test_the_files_of_every_adapter_have_the_five_headings(tmp_path: Path) -> None:
    begin("acme", tmp_path)
    headings = [line for line in (tmp_path / "connector_acme/README.md").read_text().splitlines() if line[:3] == "## "]
    assert headings == ["## What it does", "## Set up", "## Events", "## Settings", "## Limits and quirks"]


def test_nothing_of_the_templates_is_left_open(tmp_path: Path) -> None:
    begin("acme", tmp_path)
    for file in (tmp_path / "connector_acme").rglob("*.*"):
        if file.is_file():
            assert "$" not in file.read_text()


def test_it_says_what_to_do_next(tmp_path: Path, adapters: Path) -> None:
    told = begin("acme", tmp_path).output
    assert '[project.entry-points."connector.adapters"]' in told
    assert 'acme = "connector_acme.adapter:ADAPTER"' in told
    assert "connector accounts add acme" in told
    assert "entry-points" not in begin("acme", adapters).output


def test_in_a_checkout_it_goes_where_the_adapters_are(adapters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(adapters.parent)
    CliRunner().invoke(new_adapter, ["acme"], catch_exceptions=False)
    assert (adapters / "acme" / "adapter.py").is_file()


@pytest.mark.parametrize("name", ["Acme", "1acme", "acme-crm", "../acme", "acme crm", "", "class", "x" * 41, "_acme"])
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be the name"):
        begin(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="an adapter 'webhook' already"):
        begin("webhook", tmp_path)


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "connector_acme").mkdir()
    (tmp_path / "connector_acme" / "mine.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="exists already"):
        begin("acme", tmp_path)
    assert (tmp_path / "connector_acme" / "mine.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        begin("acme", tmp_path / "file" / "inside")
