"""A set-up that cannot work ends with exit code 2 and one sentence that says what to do."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from connector.flow.keepsake import keepsake
from connector.security import Vault
from tests.servers import Valkey
from tests.stories.conftest import OpenStage


def test_a_port_in_use_is_told(open_stage: OpenStage) -> None:
    stage = open_stage()
    with socket.create_server(("127.0.0.1", stage.port)):
        _is_told(stage.command("run"), f"127.0.0.1:{stage.port}")


@pytest.mark.parametrize("url", ["mysql://shop:hush-hush@db/connector", "no url at all"])
def test_an_unknown_kind_of_database_is_told(open_stage: OpenStage, url: str) -> None:
    _is_told(open_stage().command("run", DATABASE_URL=url), "DATABASE_URL")


@pytest.mark.parametrize("command", ["run", "web", "worker", "clock", "migrate"])
def test_a_database_that_does_not_answer_is_told(open_stage: OpenStage, command: str) -> None:
    url = "postgresql+psycopg://shop:hush-hush@127.0.0.1:1/connector"
    _is_told(open_stage().command(command, DATABASE_URL=url), "DATABASE_URL")


@pytest.mark.parametrize("command", ["web", "worker", "clock"])
def test_a_database_that_was_not_migrated_is_told(
    open_stage: OpenStage, postgres_url: str, valkey: Valkey, command: str
) -> None:
    said = open_stage().command(command, DATABASE_URL=postgres_url, REDIS_URL=valkey.url)
    _is_told(said, "connector migrate")


@pytest.mark.parametrize("command", ["run", "web"])
def test_a_key_that_opens_nothing_is_told(open_stage: OpenStage, command: str) -> None:
    stage = open_stage()
    keepsake(stage.store, Vault.open(stage.data, {}), "sessions")
    (stage.data / "secret.key").unlink()
    _is_told(stage.command(command), "secret.key")


def test_a_worker_without_redis_is_told(open_stage: OpenStage, tmp_path: Path) -> None:
    _is_told(open_stage().command("worker", REDIS_URL=f"unix://{tmp_path}/nobody.sock"), "REDIS_URL")


def _is_told(said: subprocess.CompletedProcess[str], words: str) -> None:
    assert said.returncode == 2, said.stderr
    assert words in said.stderr
    assert "Traceback" not in said.stderr
    assert len(said.stderr.strip().splitlines()) == 1, said.stderr
    assert said.stderr.startswith("Error: ")
    assert "hush-hush" not in said.stderr
