"""Where the demo plays: a folder, a port, and our own commands as a person would type them."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from rich.console import Console
from rich.text import Text

from connector.errors import ConfigurationError

START_SECONDS = 60.0
PORTS = range(20_000, 30_000)
"""Of these :func:`free_port` draws one; systems give outgoing connections higher ones."""
_OURS = ("CONNECTOR_", "DATABASE_URL", "REDIS_URL", "PROMETHEUS_MULTIPROC_DIR")


@dataclass
class Stage:
    """A folder, a port, and the environment of the commands."""

    console: Console
    data: Path
    port: int
    environ: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        self.environ = clean | {"CONNECTOR_DATA": str(self.data), "CONNECTOR_PORT": str(self.port)}

    def run(self, *words: str, hidden: Mapping[str, str] | None = None) -> str:
        """Run one of our commands as a person would, show it, and return what it printed; secrets go by environment."""
        self.console.print(Text.assemble(("  $ connector ", "dim"), " ".join(words)), soft_wrap=True)
        done = subprocess.run(  # noqa: S603 - ourselves
            [sys.executable, "-m", "connector", *words],
            env={**self.environ, **(hidden or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ConfigurationError(f"`connector {words[0]}` failed: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout


def start(stage: Stage, stack: ExitStack) -> None:
    """Start ``connector run``."""
    stage.console.print(Text.assemble(("  $ connector ", "dim"), f"run --port {stage.port}"))
    log = stack.enter_context((stage.data / "connector.log").open("wb"))
    process = subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-m", "connector", "run", "--port", str(stage.port)],
        env=stage.environ,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C is for the demo, which then stops it in order
    )
    stack.callback(_stop, process)
    end = time.monotonic() + START_SECONDS
    while not _answers(f"http://127.0.0.1:{stage.port}/readyz"):
        if process.poll() is not None or time.monotonic() > end:
            tail = (stage.data / "connector.log").read_text(errors="replace")[-2000:]
            raise ConfigurationError(f"`connector run` did not come up:\n{tail}")
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def free_port() -> int:
    """Return a port that nobody listens on, and none of those that go to whoever connects somewhere.

    One of these may be taken before we listen, and who knocks often enough at a closed one is connected to himself.
    """
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise ConfigurationError(f"No port from {PORTS[0]} to {PORTS[-1]} is free.")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(40)
    except subprocess.TimeoutExpired:
        process.kill()
