"""Keeps one server: ``keeper.py WATCHED USER PROGRAM [ARGUMENT...]``.

Ends the server with a fast, orderly stop when the process WATCHED is gone, or when told by SIGTERM, and
ends itself with the server. USER may be empty: whoever we are.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time


def keep(watched: int, user: str, argv: list[str]) -> int:
    """Run ``argv`` until it ends, the process ``watched`` is gone, or SIGTERM comes."""
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for pytest, which then tells us
    server = subprocess.Popen(argv, user=user or None, cwd="/")
    while server.poll() is None and not told and alive(watched):
        time.sleep(0.05)
    if server.poll() is None:
        server.send_signal(signal.SIGINT)  # PostgreSQL: fast shutdown; Valkey: shutdown
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
    return server.wait()


def alive(pid: int) -> bool:
    """Tell whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


if __name__ == "__main__":
    sys.exit(keep(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
