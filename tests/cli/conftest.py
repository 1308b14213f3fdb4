"""A data folder with made-up adapters, and a way to run commands on it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from connector.settings import Settings as Installation
from connector.wiring import Directory, Wiring
from tests.toys import SECRET, ToyRegistry

Run = Callable[..., Result]


def without_ids(told: str) -> str:
    """Return what was told without its ids: any four digits may stand in them by chance."""
    return re.sub(r"\b[0-9a-z]{26}\b", "…", told)


@pytest.fixture
def wiring(tmp_path: Path, _migrated_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wiring]:
    for name in ("WEBHOOK_SECRET", "ACCESS_TOKEN"):
        monkeypatch.delenv(f"CONNECTOR_SECRET_{name}", raising=False)
    (tmp_path / "data").mkdir(mode=0o700)
    shutil.copy(_migrated_file, tmp_path / "data" / "connector.db")
    environ = {"CONNECTOR_DATA": str(tmp_path / "data"), "CONNECTOR_PUBLIC_URL": "https://connect.example.org"}
    wiring = Wiring.from_settings(Installation.from_env(environ))
    wiring.registry = ToyRegistry()
    wiring.directory = Directory(wiring.store, wiring.registry, wiring.vault)
    yield wiring
    wiring.close()


@pytest.fixture
def run(wiring: Wiring) -> Run:
    """Run a command of a group: ``run(accounts, "list", env={...}, input="typed")``."""

    def run_(group: click.Group, *args: str, **options: Any) -> Result:
        result = CliRunner().invoke(group, args, obj=wiring, **options)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert SECRET not in result.output
        assert SECRET not in repr(wiring.__dict__)
        return result

    return run_


@pytest.fixture
def _shop(run: Run) -> None:
    from connector.cli.accounts import accounts

    given = ("--set", "shop=abc", "--set", f"webhook_secret={SECRET}")
    assert run(accounts, "add", "toyshop", "--name", "main", *given).exit_code == 0


@pytest.fixture
def _line(run: Run) -> None:
    from connector.cli.accounts import accounts

    given = ("--set", "shop=abc", "--set", f"access_token={SECRET}")
    assert run(accounts, "add", "toyline", "--name", "line", *given).exit_code == 0
