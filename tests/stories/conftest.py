"""``open_stage``: an installation for a story, ended with all its processes however the story goes."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from connector.sandbox.stage import free_port
from connector.settings import Settings
from connector.wiring import Wiring
from tests.stories.kit import OURS, Stage, Whatsapp

OpenStage = Callable[..., Stage]


@pytest.fixture
def open_stage(_migrated_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenStage]:
    """Open a stage: ``open_stage(DATABASE_URL=…, latency_ms=300)``; capitals are variables, the rest the sandbox's."""
    if sys.platform != "linux":
        pytest.skip("stories look for their processes in /proc")
    for name in [name for name in os.environ if name.startswith(OURS) and not name.startswith("CONNECTOR_TEST_")]:
        monkeypatch.delenv(name)
    stages: list[Stage] = []

    def open_one(**given: Any) -> Stage:
        stack = ExitStack()
        port = stack.enter_context(_own_port())
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="story-"))  # short, as socket paths must be
        data = Path(folder) / "data"
        data.mkdir(mode=0o700)
        variables = {"CONNECTOR_DATA": str(data), "CONNECTOR_PORT": str(port)}
        variables |= {name: given.pop(name) for name in list(given) if name.isupper()}
        if "DATABASE_URL" not in variables:
            shutil.copy(_migrated_file, data / "connector.db")
        whatsapp = stack.enter_context(Whatsapp(**{"receipt_ms": 600, "latency_ms": 100} | given))
        wiring = Wiring.from_settings(Settings.from_env(variables))
        stack.callback(wiring.close)
        stages.append(Stage(data, port, {**os.environ, **variables}, whatsapp, wiring, stack))
        return stages[-1]

    yield open_one
    for stage in stages:
        stage.close()


@contextmanager
def _own_port() -> Iterator[int]:
    """Keep a port for one stage among all that run on this machine, also while nobody listens on it."""
    while True:
        port = free_port()
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0connector-story-{port}")  # a name without a file: it goes with the process, however that ends
        except OSError:
            mark.close()
        else:
            break
    with mark:
        yield port
