"""Servers that behave as told, byte by byte."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connector.testing.vendor import nobody

Behaviour = Callable[[socket.socket, bytes], bool]
"""Given the connection and one whole request; True where it stays open for another."""


PATIENCE = 60.0
"""Seconds for what must come; it comes at once, but machines have bad moments."""


@dataclass
class Server:
    port: int
    requests: list[bytes] = field(default_factory=list)
    guests: list[tuple[str, int]] = field(default_factory=list)
    """Who has connected, in order."""

    @property
    def connections(self) -> int:
        return len(self.guests)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def all_connections(self) -> int:
        """Return how many connections there were by now, whether or not the server has had time to take them."""
        before, end = self.connections, time.monotonic() + PATIENCE
        with socket.create_connection(("127.0.0.1", self.port)) as last:  # they are taken in their order
            while last.getsockname() not in self.guests:
                assert time.monotonic() < end, f"only {before} connections were taken"
                time.sleep(0.005)
        return self.connections - 1


def _read(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := connection.recv(65536)):
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    size = int(lengths[0]) if lengths else 0
    while len(body) < size:
        if not (more := connection.recv(65536)):
            return b""
        body += more
    return head + b"\r\n\r\n" + body


Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server: ``serve(behaviour)``, over TLS with ``serve(behaviour, tls=context)``."""
    listeners: list[socket.socket] = []

    def start(behave: Behaviour, tls: ssl.SSLContext | None = None) -> Server:
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        listeners.append(listener)
        server = Server(listener.getsockname()[1])

        def talk(taken: socket.socket) -> None:
            with suppress(OSError), taken, tls.wrap_socket(taken, server_side=True) if tls else taken as connection:
                while request := _read(connection):
                    server.requests.append(request)
                    if not behave(connection, request):
                        break

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, guest = listener.accept()
                    server.guests.append(guest)
                    threading.Thread(target=talk, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return server

    yield start
    for listener in listeners:
        listener.close()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port where nobody listens, and which nobody else is given meanwhile."""
    with nobody() as url:
        yield int(url.rpartition(":")[2])


@dataclass
class Certificate:
    file: Path
    context: ssl.SSLContext


@pytest.fixture
def certificate(tmp_path: Path) -> Callable[[str], Certificate]:
    """Make a self-signed certificate for a name and a server context that shows it."""

    def make(name: str) -> Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        today = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(today - timedelta(days=1))
            .not_valid_after(today + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        file = tmp_path / f"{name}.pem"
        file.write_bytes(
            made.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return Certificate(file, context)

    return make
