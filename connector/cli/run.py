"""The commands that run things: run, web, worker, clock, migrate."""

from __future__ import annotations

import errno
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connector.errors import ConfigurationError
from connector.log import configure
from connector.settings import Settings

if TYPE_CHECKING:
    from connector.security import Vault
    from connector.store import Store

DATA = click.option("--data", type=click.Path(path_type=Path), help="Data folder (CONNECTOR_DATA).")
HOST = click.option("--host", help="Address to listen on (CONNECTOR_HOST; default 127.0.0.1).")
PORT = click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on (CONNECTOR_PORT; default 8080).")
WEB_THREADS = 32
PORT_SECONDS = 4.0


def _settings(data: Path | None = None, host: str | None = None, port: int | None = None) -> Settings:
    settings = Settings.from_env(data=data, host=host, port=port)
    os.environ["CONNECTOR_DATA"] = str(settings.data)
    os.environ["CONNECTOR_HOST"], os.environ["CONNECTOR_PORT"] = settings.host, str(settings.port)
    configure(settings.log_level)
    return settings


@click.command()
@DATA
@HOST
@PORT
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Worker processes.")
@click.option(
    "--web-processes",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Web processes; more than one needs PostgreSQL.",
)
@click.option("--sandbox", is_flag=True, help="Run a sandbox beside it: a shop and a number to try everything with.")
def run(
    data: Path | None, host: str | None, port: int | None, workers: int, web_processes: int, sandbox: bool
) -> None:  # fmt: skip
    """Run everything: Valkey (when no REDIS_URL is set), web, workers, clock.

    With --sandbox a stand-in shop and number run on this machine too; "Getting started" in the console connects
    them by a button.

    \b
    Example:
      connector run --data ./connector-data --port 8080
      connector run --sandbox
    """
    from connector.flow import lost_key
    from connector.security import Vault
    from connector.store import Store, migrate, users
    from connector.supervisor import Supervisor
    from connector.web import page_token

    settings = _settings(data, host, port)
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    _require_free(settings)
    store = Store(settings.database_url)
    if web_processes > 1 and store.is_sqlite:
        raise ConfigurationError("Several web processes need PostgreSQL; set DATABASE_URL or use --web-processes 1.")
    migrate.upgrade(store)
    lost_key.require(store, Vault.open(settings.data, os.environ))
    with store.read() as tx:
        door = "sign-in" if users.is_any(tx) else f"setup?token={page_token(settings.data)}"
    store.close()

    def ready() -> None:
        words = "Sign in at:" if door == "sign-in" else "Create the owner at:"
        click.echo(f"{words:<20} http://{settings.local_host}:{settings.port}/{door}")
        click.echo(f"Webhooks arrive at:  {settings.public_url}/hooks/…  (connector accounts list shows each)")

    Supervisor(settings, workers, web_processes, _sandbox(settings) if sandbox else None).run(ready)


def _sandbox(settings: Settings) -> Callable[[], tuple[str, ...]]:
    """Prepare a sandbox beside the service, and return how its command is worded whenever it starts."""
    from connector.sandbox import offer

    os.environ.update(offer.prepare(settings.data))
    return lambda: offer.words(settings.data)


@click.command()
@DATA
@HOST
@PORT
@click.option("--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="Web processes.")
def web(data: Path | None, host: str | None, port: int | None, processes: int) -> None:
    """Serve webhooks, pages, health and metrics.

    \b
    Example:
      DATABASE_URL=postgresql+psycopg://… REDIS_URL=redis://… connector web --processes 2
    """
    from connector.log import GRANIAN
    from connector.security import Vault
    from connector.store import Store
    from connector.supervisor import follow_parent

    settings = _settings(data, host, port)
    store = Store(settings.database_url)
    if processes > 1 and store.is_sqlite:
        raise ConfigurationError("Several web processes need PostgreSQL; set DATABASE_URL or use --processes 1.")
    _require(store, Vault.open(settings.data, os.environ))
    store.close()
    follow_parent()
    serve("wsgi:app", settings.host, settings.port, processes, log_dictconfig=GRANIAN)


def serve(target: str, host: str, port: int, processes: int, **more: Any) -> None:
    """Serve a WSGI application until told to stop; benchmarks serve theirs by it too, to compare like with like."""
    from granian import Granian
    from granian.constants import Interfaces, Loops

    Granian(
        target,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=processes,
        blocking_threads=WEB_THREADS,
        backlog=2048,
        backpressure=WEB_THREADS * 8,
        loop=Loops.asyncio,
        websockets=False,
        # Whoever started us starts us again. Granian's own respawning forgets a request to stop that comes
        # together with the end of a worker, as when a whole process group is signalled (Ctrl-C, systemd).
        respawn_failed_workers=False,
        workers_kill_timeout=10,
        **more,
    ).serve()


@click.command()
@DATA
@click.option("--burst", is_flag=True, help="Stop when no job is left.")
def worker(data: Path | None, burst: bool) -> None:
    """Work off the queue: decide about requests, send messages.

    \b
    Example:
      DATABASE_URL=postgresql+psycopg://… REDIS_URL=redis://… connector worker
    """
    from connector import jobs, queue
    from connector.supervisor import follow_parent

    _settings(data)
    tools = jobs.wiring()
    _require(tools.store, tools.vault)
    if not tools.queue.ping():
        raise ConfigurationError(
            "Redis does not answer: set REDIS_URL, or use `connector run`, which brings an embedded server."
        )
    follow_parent()
    queue.work(tools.redis_url, name=f"{socket.gethostname()}.{os.getpid()}.{os.urandom(3).hex()}", burst=burst)


@click.command()
@DATA
def clock(data: Path | None) -> None:
    """Ring for what is due: retries, delayed messages, daily template syncs. Two clocks do no harm.

    \b
    Example:
      DATABASE_URL=postgresql+psycopg://… REDIS_URL=redis://… connector clock
    """
    from connector import clock as ticking
    from connector.supervisor import follow_parent
    from connector.wiring import Wiring

    tools = Wiring(_settings(data))
    _require(tools.store, tools.vault)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    follow_parent()
    ticking.run(tools, stopping)


@click.command()
@DATA
@click.option("--to", "revision", default="head", show_default=True, help="Revision to reach; `base` drops everything.")
def migrate(data: Path | None, revision: str) -> None:
    """Bring the database to the form this program needs (or back to an older one).

    \b
    Example:
      DATABASE_URL=postgresql+psycopg://… connector migrate
    """
    from connector.store import Store
    from connector.store import migrate as migrations

    store = Store(_settings(data).database_url)
    before = migrations.current(store)
    if revision != "head" and (revision == "base" or revision < before):
        click.confirm(
            f"Go back from {before or 'nothing'} to {revision}, losing what the newer form holds?", abort=True
        )
        reached = migrations.downgrade(store, revision)
    else:
        reached = migrations.upgrade(store, revision)
    click.echo(f"The database is at revision {reached or '(empty)'}" + (", as before." if reached == before else "."))


def _require(store: Store, vault: Vault) -> None:
    """Refuse to start on a database of another form, or with a key that opens nothing in it."""
    from connector.flow import lost_key
    from connector.store import migrate

    migrate.require(store)
    lost_key.require(store, vault)


def _require_free(settings: Settings) -> None:
    """Wait a moment for a predecessor to let go of the port. Raises ConfigurationError."""
    end = time.monotonic() + PORT_SECONDS
    while True:
        with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.host, settings.port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE and time.monotonic() < end:
                    time.sleep(0.2)
                    continue
                raise ConfigurationError(
                    f"Cannot listen on {settings.host}:{settings.port} ({error.strerror}); choose another --port."
                ) from None
        return
