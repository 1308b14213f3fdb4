"""``connector run``: everything in one command, and kept alive.

The parent does no work of its own: it starts the embedded Valkey, migrates, starts web, workers and
clock as children, starts again whatever dies, and on Ctrl-C or SIGTERM stops them in an order that loses
nothing: first the door, then the workers (they finish what is in flight), then the clock, then Valkey.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from connector import embedded, metrics
from connector.log import get
from connector.settings import Settings

GRACE_SECONDS = 25.0
"""How long a child may take to stop; a send in flight may take 20 s."""
CALM_SECONDS = 10.0
"""A child that lived so long starts again at once; one that dies sooner waits longer each time."""
LONGEST_PAUSE = 15.0
POLL_SECONDS = 0.2
ADOPTED_SECONDS = 2.0
"""How often to see whether a server that we did not start is still up."""

FOLLOWED = "CONNECTOR_SUPERVISED"
"""Names, in the environment of a child, the process whose end it shares."""

log = get(__name__)


@dataclass(slots=True)
class Child:
    """One supervised process."""

    name: str
    start: Callable[[], subprocess.Popen[bytes] | None]
    stop_signal: signal.Signals = signal.SIGTERM
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    again_at: float = 0.0
    deaths: int = 0

    def begin(self) -> None:
        """Start it."""
        self.process = self.start()
        self.started_at = time.monotonic()

    def watch(self) -> None:
        """Start it again if it has died and its pause is over."""
        at = time.monotonic()
        if self.process is None:  # it was up already when we came: look after it all the same
            if at - self.started_at > ADOPTED_SECONDS:
                self.begin()
            return
        if self.process.poll() is None:
            return
        if not self.again_at:
            self.deaths = 0 if at - self.started_at > CALM_SECONDS else self.deaths + 1
            pause = min(LONGEST_PAUSE, 0.5 * 2 ** (self.deaths - 1)) if self.deaths else 0.0
            self.again_at = at + pause
            log.error("child.died", child=self.name, code=self.process.returncode, again_in=round(pause, 1))
        if at >= self.again_at:
            self.again_at = 0.0
            self.begin()

    def ask_to_stop(self) -> None:
        """Send its signal."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(self.stop_signal)

    def wait(self, end: float) -> None:
        """Wait until it has stopped; at the end of patience kill it (what it had in flight is in doubt, not lost)."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("child.killed", child=self.name)
            self.process.kill()
            self.process.wait()


@dataclass(slots=True)
class Supervisor:
    """Runs a whole installation on one machine."""

    settings: Settings
    workers: int
    web_processes: int = 1
    beside: Callable[[], Sequence[str]] | None = None
    """Words of a further command of ours that is kept alive, asked for whenever it starts: the sandbox."""
    _stopping: threading.Event = field(default_factory=threading.Event)

    def run(self, ready: Callable[[], None]) -> None:
        """Start everything, and keep it alive until told to stop; call ``ready`` once the web takes connections.

        Raises ConfigurationError.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._stopping.set())
        metrics.prepare(self.settings.data / "metrics")
        groups = self._children()
        try:
            for group in groups:
                for child in group:
                    child.begin()
            listens = False
            while not self._stopping.wait(POLL_SECONDS):
                if not listens and (listens := self._listens()):
                    ready()
                for group in groups:
                    for child in group:
                        child.watch()
        finally:
            self._stop(groups)

    def _listens(self) -> bool:
        try:
            socket.create_connection((self.settings.local_host, self.settings.port), timeout=POLL_SECONDS).close()
        except OSError:
            return False
        return True

    def _children(self) -> list[list[Child]]:
        """Return who is started in this order, and stopped in the reverse."""
        servers = []
        if not self.settings.redis_url:
            servers.append(Child("valkey", lambda: embedded.start(self.settings.data)))
        clock = Child("clock", lambda: self._command("clock"))
        workers = [Child(f"worker-{number}", lambda: self._command("worker")) for number in range(1, self.workers + 1)]
        web = Child("web", lambda: self._command("web", "--processes", str(self.web_processes)))
        asked = self.beside
        beside = [Child("sandbox", lambda: self._command(*asked()))] if asked else []
        return [servers, [clock], workers, beside, [web]]

    def _command(self, *words: str) -> subprocess.Popen[bytes]:
        environ = os.environ | {
            "CONNECTOR_DATA": str(self.settings.data),
            "CONNECTOR_HOST": self.settings.host,
            "CONNECTOR_PORT": str(self.settings.port),
            FOLLOWED: str(os.getpid()),
        }
        return subprocess.Popen(  # noqa: S603 - ourselves; and this process has one thread
            [sys.executable, "-m", "connector", *words], env=environ, preexec_fn=_leave_ctrl_c_to_parent
        )

    def _stop(self, groups: Sequence[Sequence[Child]]) -> None:
        servers, *others = groups
        for group in reversed(others):
            for child in group:
                child.ask_to_stop()
            end = time.monotonic() + GRACE_SECONDS
            for child in group:
                child.wait(end)
        if servers:
            embedded.stop(self.settings.data)
            for child in servers:
                child.wait(time.monotonic() + GRACE_SECONDS)


def _leave_ctrl_c_to_parent() -> None:
    """A terminal sends Ctrl-C to the whole process group; the children are stopped in order instead."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def follow_parent() -> None:
    """End this process when the one that started it is gone, even by kill -9; its own children follow it in turn."""
    parent = int(os.environ.get(FOLLOWED) or 0)
    os.environ[FOLLOWED] = str(os.getpid())
    if parent in (0, os.getpid()):
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="follow-parent", daemon=True).start()
