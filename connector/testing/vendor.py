"""A vendor's API on this machine: answers what it is told, and remembers what it was asked."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum

PATIENCE = 30.0
"""Seconds that an answer, or a request, may take which is on its way; machines have bad moments."""


class Trouble(Enum):
    """What can happen instead of an answer."""

    SILENCE = "no answer at all"
    RESET = "the connection is reset after the request"
    CUT = "the answer is cut"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that the vendor got."""

    method: str
    target: str
    head: str = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(slots=True)
class Vendor:
    """Answers every request alike until it is told otherwise."""

    url: str
    status: int = 200
    body: bytes = b"{}"
    content_type: str = "application/json"
    trouble: Trouble | None = None
    asked: list[Asked] = field(default_factory=list)

    def answer(self) -> bytes:
        """Return the answer as bytes."""
        head = f"HTTP/1.1 {self.status} Staged\r\nContent-Type: {self.content_type}\r\n"
        if 300 <= self.status < 400:
            head += f"Location: {self.url}/elsewhere\r\n"
        return f"{head}Content-Length: {len(self.body)}\r\n\r\n".encode() + self.body

    def heard(self) -> int:
        """Return how many requests came, once one has: whoever did not wait for an answer is ahead of us."""
        deadline = time.monotonic() + PATIENCE
        while not self.asked and time.monotonic() < deadline:
            time.sleep(0.01)
        return len(self.asked)


@contextmanager
def a_vendor() -> Iterator[Vendor]:
    """Serve on a free port of the loopback until the block ends."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        vendor = Vendor(f"http://127.0.0.1:{listener.getsockname()[1]}")
        done = threading.Event()

        def accept() -> None:
            with suppress(OSError):
                while not done.is_set():
                    connection, _ = listener.accept()
                    threading.Thread(target=_talk, args=(connection, vendor, done), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield vendor
        finally:
            done.set()
            with suppress(OSError):  # some systems refuse this, and let a thread wait on
                listener.shutdown(socket.SHUT_RDWR)


@contextmanager
def nobody() -> Iterator[str]:
    """Give the URL of a port that refuses connections."""
    with socket.socket() as held:  # bound and not listening: nobody else can take the port
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def _talk(connection: socket.socket, vendor: Vendor, done: threading.Event) -> None:
    with suppress(OSError, ValueError), connection, connection.makefile("rb") as stream:
        while line := stream.readline():
            method, target, _ = line.decode("latin-1").split(" ", 2)
            head = b"".join(iter(stream.readline, b"\r\n")).decode("latin-1")
            sizes = [row.split(":")[1] for row in head.lower().splitlines() if row.startswith("content-length:")]
            vendor.asked.append(Asked(method, target, head, stream.read(int(sizes[0]) if sizes else 0)))
            if vendor.trouble is Trouble.SILENCE:
                while not done.is_set():
                    time.sleep(0.01)
            if vendor.trouble is Trouble.RESET:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if vendor.trouble:
                connection.sendall(vendor.answer()[:-1] if vendor.trouble is Trouble.CUT else b"")
                return
            connection.sendall(vendor.answer())
