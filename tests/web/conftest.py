"""A whole installation for tests of its door: the real web application, in this process or under its server.

========================  ==========================================================================
fixture                   gives
========================  ==========================================================================
``house``                 a :class:`House`: a shop and a number connected, the web in this process
``served``                the same behind its real server, :class:`Served`; one for all tests of a module
``log_lines``             a function that returns the log lines since it was last asked, read from JSON
========================  ==========================================================================

What workers do is done by calling it (:meth:`House.decide`), so that nothing has to be waited for.
"""

from __future__ import annotations

import hmac
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import delete, select
from werkzeug.test import Client, TestResponse

from connector import log
from connector.flow import accounts, publish, templates
from connector.flow.decide import decide_batch
from connector.flow.write import Done
from connector.model import Account, now
from connector.settings import Settings
from connector.store import Store, schema
from connector.web import create_app
from connector.wiring import Wiring
from tests.servers import Postgres

RECIPES = resources.files("mappings") / "shopify"
SHOP = "fernhill-tea.myshopify.com"
SHOP_SECRET = "shop-secret-3f9a"
NUMBER, WABA = "220000000000001", "310000000000001"
APP_SECRET, VERIFY_TOKEN, ACCESS_TOKEN = "app-secret-71c2", "let-me-in-0b7d", "EAAaccess-5f0c"
SECRETS = (SHOP_SECRET, APP_SECRET, VERIFY_TOKEN, ACCESS_TOKEN)
CAP = 4 * 1024 * 1024
ROOT = Path(__file__).parents[2]
PROXY = "http://proxy-user:proxy-password@proxy.example:3128"
"""What the environment of the server says, and nobody else need know."""
PATIENCE = 180.0
"""Seconds that anything may take which must come: a server starts in three, but machines have bad moments."""


def encode(payload: object) -> bytes:
    """Return a body: bytes as they are, everything else as JSON."""
    return payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=False).encode()


def shop_signature(body: bytes, secret: str = SHOP_SECRET) -> str:
    """Sign as Shopify does."""
    return b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()


def app_signature(body: bytes, secret: str = APP_SECRET) -> str:
    """Sign as Meta does."""
    return f"sha256={hmac.digest(secret.encode(), body, 'sha256').hex()}"


def shop_headers(body: bytes, topic: str = "orders/paid", **changes: str | None) -> dict[str, str]:
    """Return the headers of a signed webhook; underscores stand for hyphens, None takes a header away."""
    own = {
        "Content-Type": "application/json",
        "X-Shopify-Topic": topic,
        "X-Shopify-Hmac-Sha256": shop_signature(body),
        "X-Shopify-Shop-Domain": SHOP,
    }
    for name, value in changes.items():
        wanted = name.replace("_", "-").lower()
        own = {known: kept for known, kept in own.items() if known.lower() != wanted}
        if value is not None:
            own[wanted] = value
    return own


class House:
    """One installation: a shop ``main-store`` and a number ``hotline``, the web, and the worker's part."""

    def __init__(self, tools: Wiring) -> None:
        self.tools = tools
        self.shop = self.connect("shopify", "main-store", shop=SHOP, webhook_secret=[SHOP_SECRET], country="GB")
        self.number = self.connect(
            "whatsapp", "hotline", phone_number_id=NUMBER, waba_id=WABA, access_token=ACCESS_TOKEN,
            app_secret=[APP_SECRET], verify_token=VERIFY_TOKEN,
        )  # fmt: skip
        self.catalogue = tools.catalogue
        self.web = create_app(tools)
        self.web._intake._patience = PATIENCE  # type: ignore[attr-defined]  # vendors hang up, tests wait for the disk
        self.client = Client(self.web)

    @property
    def store(self) -> Store:
        """The database."""
        return self.tools.store

    def connect(self, adapter: str, name: str, **settings: Any) -> Account:
        """Connect an account."""
        tools = self.tools
        account = accounts.connect(tools.store, tools.registry, tools.vault, adapter, name, settings)
        tools.directory._read_at = float("-inf")
        return account

    # the door

    def open(self, path: str, method: str = "GET", **given: Any) -> TestResponse:
        """Ask for a page or anything else."""
        return self.client.open(path, method=method, **given)

    def knock(self, account: Account, body: bytes = b"", method: str = "POST", **given: Any) -> TestResponse:
        """Call an account's webhook address with nothing but what is given."""
        return self.client.open(f"/hooks/{account.token}", method=method, data=body, **given)

    def post(self, payload: object, topic: str = "orders/paid", **headers: str | None) -> TestResponse:
        """Post as the shop would, signed; ``headers`` as for :func:`shop_headers`."""
        body = encode(payload)
        return self.knock(self.shop, body, headers=shop_headers(body, topic, **headers))

    def tell(self, payload: object, **headers: str) -> TestResponse:
        """Post as Meta would, signed."""
        body = encode(payload)
        own = {"Content-Type": "application/json", "X-Hub-Signature-256": app_signature(body)}
        return self.knock(self.number, body, headers=own | headers)

    # the worker

    def decide(self) -> Done:
        """Work off the inbox."""
        total, end = Done(), 50
        self.catalogue.refresh(at_most_old=0)
        while (done := decide_batch(self.store, self.tools.desk, owner="test")).requests and end:
            total.add(done)
            end -= 1
        return total

    # what was published

    def know_templates(self, document: bytes | None = None) -> None:
        """Take templates over from Meta's own JSON; by default those of the shipped recipes."""
        adapter = self.tools.registry.get("whatsapp")
        found = templates.read(adapter, document or (RECIPES / "templates.json").read_bytes())
        templates.take(self.store, self.number, found)

    def publish(self, *recipes: str, source: str = "") -> None:
        """Publish recipes that come with the connector, or a text of one's own under a name."""
        for recipe in recipes:
            text = source or (RECIPES / f"{recipe}.toml").read_text("utf-8")
            publish.save(self.store, recipe, text)
            publish.publish(self.store, self.tools.registry, recipe)

    # what is stored

    def rows(self, table: str) -> list[Any]:
        """Return everything in a table, the oldest first."""
        found = schema.metadata.tables[table]
        with self.store.read() as tx:
            return list(tx.execute(select(found).order_by(*found.primary_key.columns)).all())

    def close(self) -> None:
        """Stop the writer and close the database."""
        self.web._intake.close()  # type: ignore[attr-defined]
        self.tools.close()


@pytest.fixture
def house(tmp_path: Path, sqlite_store: Store) -> Iterator[House]:
    """An installation on SQLite, without Redis."""
    with closing(House(Wiring(Settings.from_env({}, data=tmp_path)))) as made:
        yield made


@pytest.fixture
def log_lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[Mapping[str, Any]]]]:
    """Return the log lines, all of them JSON objects, that were written since the last call."""
    root = logging.getLogger()
    before, configuration = (root.handlers, root.level), structlog.get_config()
    log.configure("info", as_json=True)
    yield lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    root.handlers = before[0]
    root.setLevel(before[1])  # which also forgets what loggers have concluded from the other level
    logging.captureWarnings(capture=False)
    structlog.configure(**configuration)


def claim() -> socket.socket:
    """Return a socket that keeps a free port for a server yet to start: nobody else is given it meanwhile.

    It does not listen, so that the server, which allows such company (SO_REUSEADDR), may bind the port beside it.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


def until(comes: Callable[[], object]) -> None:
    """Wait until something is so; fail where it never is."""
    end = time.monotonic() + PATIENCE
    while not comes():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


class Served:
    """An installation behind its real server: ``python -m connector web``, in a process of its own."""

    def __init__(self, house: House, data: Path, *words: str, **environ: str) -> None:
        """``words`` are further ones of the command, ``environ`` further variables."""
        self.house = house
        self.log_path = data / "web.log"
        self._claim = claim()
        self.port = int(self._claim.getsockname()[1])
        ours = ("CONNECTOR_", "DATABASE_URL", "REDIS_URL", "PROMETHEUS_MULTIPROC_DIR")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        with self.log_path.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "connector", "web", "--port", str(self.port), *words],
                env=inherited | {"CONNECTOR_DATA": str(data), "HTTP_PROXY": PROXY} | environ,
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        end = time.monotonic() + PATIENCE
        while not self.is_well():
            if self.process.poll() is not None or time.monotonic() > end:
                self.close()
                raise AssertionError(self.log_path.read_text()[-2000:])
            time.sleep(0.05)

    def is_well(self) -> bool:
        """Tell whether it answers."""
        with suppress(OSError):
            return self.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").startswith(
                b"HTTP/1.1 200"
            )
        return False

    def connect(self) -> socket.socket:
        """Open a connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def send(self, *parts: bytes, hang_up: bool = False, pause: float = 0.0) -> bytes:
        """Send bytes as they are and return all that comes back until the other side hangs up.

        ``hang_up`` says that no more will come; between the parts there is a pause of so many seconds.
        """
        with self.connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for number, part in enumerate(parts):
                time.sleep(pause if number else 0)
                with suppress(ConnectionError):  # it may hang up before it has heard all; what it said counts
                    connection.sendall(part)
            if hang_up:
                with suppress(OSError):  # it may have been quicker
                    connection.shutdown(socket.SHUT_WR)
            heard = b""
            with suppress(ConnectionError):
                while part := connection.recv(65536):
                    heard += part
            return heard

    def head(self, body: bytes, *lines: str, start: str = "", length: str | None = "") -> bytes:
        """Return the head of a signed webhook of the shop; ``length`` None leaves its length out."""
        told = [start or f"POST /hooks/{self.house.shop.token} HTTP/1.1", "Host: x", "Connection: close"]
        told += [f"{name}: {value}" for name, value in shop_headers(body).items()]
        told += [] if length is None else [f"Content-Length: {length or len(body)}"]
        return "\r\n".join([*told, *lines, "", ""]).encode("latin-1")

    def bodies(self) -> list[bytes]:
        """Return the bodies that are stored, the oldest first."""
        return [row.body for row in self.house.rows("request")]

    def peak(self) -> int:
        """Return how many bytes of memory the server and its workers have used at most, so far."""
        pids = [self.process.pid]
        pids += map(int, Path(f"/proc/{pids[0]}/task/{pids[0]}/children").read_text().split())
        found = [Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0] for pid in pids]
        return sum(map(int, found)) * 1024

    def close(self) -> None:
        """Stop it."""
        self.process.terminate()
        self.process.wait(PATIENCE)
        self._claim.close()
        self.house.close()


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory, _migrated_file: Path) -> Iterator[Served]:
    data = tmp_path_factory.mktemp("served")
    shutil.copy(_migrated_file, data / "connector.db")
    with closing(Served(House(Wiring(Settings.from_env({}, data=data))), data)) as server:
        yield server


@pytest.fixture
def served(_server: Served) -> Iterator[Served]:
    """The server with an empty inbox; after the test it must be as well as before."""
    with _server.house.store.write() as tx:
        tx.execute(delete(schema.request))
    yield _server
    assert _server.is_well()


class Away:
    """A PostgreSQL database that can be taken away, and given back."""

    def __init__(self, server: Postgres, url: str) -> None:
        self.server, self.name = server, url.partition("?")[0].rpartition("/")[2]

    def go(self) -> None:
        """Cut every connection, and let nobody in."""
        self.server.run(
            f"ALTER DATABASE {self.name} WITH ALLOW_CONNECTIONS false",
            f"SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = '{self.name}'",  # and wait
        )

    def come_back(self) -> None:
        """Let everybody in."""
        self.server.run(f"ALTER DATABASE {self.name} WITH ALLOW_CONNECTIONS true")


def fresh(payload: Any) -> Any:
    """Return a payload whose moments are all now, so that nothing about it is too late."""
    if isinstance(payload, dict):
        return {name: fresh(value) for name, value in payload.items()}
    if isinstance(payload, list):
        return [fresh(value) for value in payload]
    is_moment = isinstance(payload, str) and payload[4:5] == payload[7:8] == "-" and payload[10:11] == "T"
    return now().isoformat() if is_moment else payload
