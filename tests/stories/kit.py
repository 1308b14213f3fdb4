"""A stage for whole stories: the connector's own processes, with a sandbox at both ends.

Nothing here is pretended but the two vendors: commands run as processes of their own on a data folder of
their own, webhooks come signed over HTTP, and what is looked at is the database and the sandbox's ledger.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import URLError
from urllib.request import urlopen

from sqlalchemy import func, select

from connector.flow import accounts, publish, templates
from connector.flow.intake import Intake
from connector.http import Http
from connector.model import Account, AccountId, Request, Secret, State, now
from connector.sandbox import store as shop
from connector.sandbox.deliveries import Mix, Sender
from connector.sandbox.documents import document
from connector.sandbox.graph import Answer, Call
from connector.sandbox.line import Line
from connector.sandbox.orders import Order, orders
from connector.sandbox.server import WABA_ID, SandboxServer
from connector.sandbox.store import Posted
from connector.store import Store, counts, leases
from connector.store.counts import Counts
from connector.store.inbox import Arrival
from connector.store.schema import message
from connector.wiring import Wiring

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "mappings" / "shopify"
SHOP = "aurora-tea.myshopify.com"
SHOP_SECRET = "shop-secret-3f2a"
APP_SECRET = "app-secret-77c1"
TOKEN = "graph-token-d0e5"
VERIFY = "verify-1b9c"
OURS = ("CONNECTOR_", "DATABASE_URL", "REDIS_URL", "PROMETHEUS_MULTIPROC_DIR")
"""How the names of the connector's variables begin."""
PATIENCE = 240.0
"""Seconds until something that ought to come is given up; it comes in a few, but machines have bad moments."""
IN_DOUBT = 10
"""The shortest window that an account may have."""

T = TypeVar("T")
Mood = Callable[[Call, Callable[[Call], Answer]], Answer]


class Whatsapp(SandboxServer):
    """The stand-in, with moods: while one is set, it decides how a call is answered."""

    mood: Mood | None = None

    def answer(self, call: Call) -> Answer:
        """Answer, as the mood would have it."""
        if self.mood is None:
            return super().answer(call)
        return self.mood(call, super().answer)


class Gate:
    """A mood of the stand-in: it takes every send, and answers so many; the rest hear nothing until it opens wider."""

    def __init__(self) -> None:
        self.came = 0
        self._answered = 0
        self._news = threading.Condition()

    def __call__(self, call: Call, usual: Callable[[Call], Answer]) -> Answer:
        answer = usual(call)
        if is_send(call):
            with self._news:
                self.came += 1
                turn = self.came
                self._news.wait_for(lambda: turn <= self._answered, PATIENCE)
        return answer

    def open(self, more: int = 1_000_000) -> None:
        """Answer all that came so far, and so many more."""
        with self._news:
            self._answered = self.came + more
            self._news.notify_all()

    def held(self) -> int:
        """Return how many wait for their answer."""
        return max(0, self.came - self._answered)


def webhook(topic: str, order: Order) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a signed webhook about an order, each time with a webhook id of its own."""
    body = json.dumps(document(topic, order), ensure_ascii=False).encode()
    return body, {
        "Content-Type": "application/json",
        "X-Shopify-Topic": topic,
        "X-Shopify-Hmac-Sha256": Sender(SHOP, Secret(SHOP_SECRET)).signature(body),
        "X-Shopify-Shop-Domain": SHOP,
        "X-Shopify-Webhook-Id": str(uuid.uuid4()),
    }


def is_send(call: Call) -> bool:
    """Tell whether a call is a message."""
    return call.method == "POST" and list(call.path[-1:]) == ["messages"]


@dataclass
class Part:
    """One command that was started, the leader of its own process group."""

    process: subprocess.Popen[bytes]
    words: tuple[str, ...]

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self.process.pid

    def send(self, number: signal.Signals, *, group: bool = False) -> None:
        """Send a signal, to it alone or to its whole group, as a terminal does."""
        with suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.pid, number)

    def ended(self, seconds: float) -> int:
        """Wait until it has ended, and return its exit code. Raises subprocess.TimeoutExpired."""
        return self.process.wait(seconds)


@dataclass
class Stage:
    """One installation: its folder, its sandbox, its processes."""

    data: Path
    port: int
    environ: Mapping[str, str] = field(repr=False)
    whatsapp: Whatsapp
    wiring: Wiring = field(repr=False)
    stack: ExitStack = field(repr=False)
    shop_url: str = ""
    number: AccountId | None = None
    parts: list[Part] = field(default_factory=list)

    @property
    def store(self) -> Store:
        """The database."""
        return self.wiring.store

    # -- setting up -------------------------------------------------------------------------------------

    def connect_shop(self, name: str = "aurora-tea") -> Account:
        """Connect a shop; the first is the one that posts."""
        given = {"shop": SHOP, "webhook_secret": SHOP_SECRET}
        account = accounts.connect(self.store, self.wiring.registry, self.wiring.vault, "shopify", name, given)
        self.shop_url = self.shop_url or self.wiring.settings.webhook_url(account.token)
        return account

    def connect_number(self, name: str = "aurora-number", whatsapp: Whatsapp | None = None, **settings: Any) -> Account:
        """Connect a number of a sandbox, tell the sandbox where receipts go, and fetch the templates."""
        server = whatsapp or self.whatsapp
        given = {
            "phone_number_id": server.phone_number_ids[0], "waba_id": WABA_ID, "api_url": server.graph_url,
            "access_token": TOKEN, "app_secret": APP_SECRET, "verify_token": VERIFY, "in_doubt_seconds": IN_DOUBT,
        }  # fmt: skip
        tools = self.wiring
        account = accounts.connect(self.store, tools.registry, tools.vault, "whatsapp", name, given | settings)
        server.configure(webhook_url=tools.settings.webhook_url(account.token), app_secret=APP_SECRET, token=TOKEN)
        adapter = tools.registry.get("whatsapp")
        assert adapter.channel is not None
        http = Http(adapter.hosts(account.settings), threads=1)
        templates.sync(self.store, account, adapter.channel(account.settings, http))
        http.close()
        self.number = self.number or account.id
        return account

    def publish(self, recipe: str, name: str = "", *, changes: Mapping[str, str] | None = None) -> None:
        """Publish a recipe that comes with the connector; ``changes``: text in it -> what stands there instead."""
        source = (RECIPES / f"{recipe}.toml").read_text()
        for before, after in (changes or {}).items():
            assert before in source
            source = source.replace(before, after)
        name = name or f"shopify/{recipe}"
        publish.save(self.store, name, source)
        publish.publish(self.store, self.wiring.registry, name)

    def set_up(self, *recipes: str, **settings: Any) -> Stage:
        """Connect a shop and a number, and publish recipes."""
        self.connect_shop()
        self.connect_number(**settings)
        for recipe in recipes or ("order_paid",):
            self.publish(recipe)
        return self

    # -- processes --------------------------------------------------------------------------------------

    def start(self, *words: str) -> Part:
        """Start ``connector <words>`` in a process group of its own; what it says goes to the log."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "connector", *words], env=self.environ, cwd=ROOT, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.parts.append(Part(process, words))
        return self.parts[-1]

    def run(self, *words: str) -> Part:
        """Start ``connector run`` and wait until it serves."""
        part = self.start("run", *words)
        self.until("the web answers", lambda: self.serves() or part.process.poll() is not None)
        assert part.process.poll() is None, self.tail()
        return part

    def command(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run ``connector <words>`` to its end and return what it said."""
        return subprocess.run(
            [sys.executable, "-m", "connector", *words], env={**self.environ, **environ}, cwd=ROOT,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=2 * PATIENCE,
        )  # fmt: skip

    def serves(self) -> bool:
        """Tell whether the web answers and has its database."""
        with suppress(URLError, OSError), urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    def processes(self) -> dict[int, list[str]]:
        """Return everything that lives on a data folder of this stage, whoever started it: process id -> command."""
        mark = f"CONNECTOR_DATA={self.data.parent}/".encode()
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if any(each.startswith(mark) for each in (folder / "environ").read_bytes().split(b"\0")):
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().decode().split("\0")
        return found

    def pids(self, command: str) -> set[int]:
        """Return the processes that run ``connector <command>``."""
        return {pid for pid, words in self.processes().items() if words[1:4] == ["-m", "connector", command]}

    def child(self, command: str, *, besides: Collection[int] = ()) -> int:
        """Return a process that runs ``connector <command>`` for ``connector run``, and not one of its own children.

        0: there is none.
        """
        leaders = {part.pid for part in self.parts}
        return next((pid for pid in self.pids(command) - set(besides) if _parent(pid) in leaders), 0)

    @contextmanager
    def receipts_held(self) -> Iterator[None]:
        """Let receipts find nobody for a while; they are posted again afterwards."""
        url = self.whatsapp.configure().webhook_url
        self.whatsapp.configure(webhook_url="http://127.0.0.1:9/nobody")
        try:
            yield
        finally:
            self.whatsapp.configure(webhook_url=url)

    def drainer(self) -> int:
        """Return the process that sends by the number now; 0: none."""
        with self.store.read() as tx:
            owner = leases.holder(tx, f"deliver:{self.number}")
        return int(owner.split(":")[1]) if owner else 0

    def sending(self, pid: int) -> int:
        """Return how many messages a process has in flight, or had when it came to its end."""
        its = message.c.lease_owner.contains(f":{pid}:")
        with self.store.read() as tx:
            query = select(func.count()).where(message.c.state == State.SENDING, its)
            return int(tx.execute(query).scalar_one())

    # -- posting ----------------------------------------------------------------------------------------

    def post(self, mix: Mix, **options: Any) -> Posted:
        """Let the shop post, with Shopify's retries."""
        options = {"connections": 64} | options
        return shop.post(self.shop_url, secret=SHOP_SECRET, shop=SHOP, mix=mix, **options)

    def posting(self, mix: Mix, **options: Any) -> Callable[[], Posted]:
        """Let the shop post meanwhile; the result waits for all answers.

        What was given up is posted again, under the same webhook ids, as Shopify does for four hours.
        """
        found: list[Posted | BaseException] = []
        at = now()

        def work() -> None:
            try:
                found.append(self.post(mix, at=at, **options))
            except BaseException as error:
                found.append(error)

        thread = threading.Thread(target=work, name="posting", daemon=True)
        thread.start()

        def result() -> Posted:
            thread.join(PATIENCE)
            assert found, "the shop is still posting"
            if isinstance(found[0], BaseException):
                raise found[0]
            return self.post(mix, at=at, **options) if found[0].undelivered else found[0]

        return result

    def deliver(self, topic: str, order: Order, url: str = "") -> int:
        """Post one webhook about an order, once; return the status."""
        body, headers = webhook(topic, order)
        with Line(url or self.shop_url) as line:
            return line.post(body, headers)

    def store_without_ringing(self, number: int, *, seed: int = 7) -> None:
        """Store orders as the web would, but with a bell that does nothing."""
        found = self.wiring.directory.by_token(self.shop_url.rsplit("/", 1)[1])
        assert found is not None
        assert found.receiver is not None
        intake = Intake(self.store, lambda: None)
        for order in orders(seed, number, unusable=0, shop=SHOP):
            body, headers = webhook("orders/paid", order)
            small = {name.lower(): value for name, value in headers.items()}
            request = Request(method="POST", headers=small, body=body, received_at=now())
            key = found.receiver.key(found.receiver.verify(request))
            assert intake.accept(
                Arrival(account_id=found.account.id, delivery_key=key, topic="orders/paid", request=request)
            )
        intake.close()

    # -- looking ----------------------------------------------------------------------------------------

    def counts(self) -> Counts:
        """Count everything in the database."""
        with self.store.read() as tx:
            return counts.count(tx, now())

    def states(self) -> dict[State, int]:
        """Return how many messages stand where; only where there are any."""
        return {state: number for state, number in self.counts().messages.items() if number}

    def labels(self) -> list[str]:
        """Return the labels of all messages."""
        with self.store.read() as tx:
            return sorted(tx.execute(select(message.c.label)).scalars())

    def taken(self) -> int:
        """Return how many messages the sandbox has taken over, doubles among them."""
        return int(self.whatsapp.stats()["accepted"])

    def until(self, what: str, holds: Callable[[], T], *, seconds: float = PATIENCE) -> T:
        """Wait until something holds, and return it. Raises AssertionError that tells what stands instead."""
        end = time.monotonic() + seconds
        while not (found := holds()):
            if time.monotonic() > end:
                raise AssertionError(f"Not within {seconds:.0f} s: {what}. There is {self.tell()}\n{self.tail()}")
            time.sleep(0.1)
        return found

    def tell(self) -> str:
        """Say how things stand."""
        told = self.counts()
        return (
            f"{self.states()}, {told.inbox} unread, {told.parked} parked, skips {told.skips}, "
            f"the sandbox: {self.whatsapp.stats()}, processes: {self.processes()}"
        )

    def tail(self, lines: int = 40) -> str:
        """Return the end of the log, without the lines that tell of every webhook."""
        said = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join([line for line in said if '"webhook.answered"' not in line][-lines:])

    @property
    def log(self) -> Path:
        """Where all processes of this stage write."""
        return self.data.parent / "connector.log"

    def audit(self, wanted: int) -> None:
        """Wait until everything has been read by its customer; assert that nothing was lost, doubled or stuck."""
        self.until(f"{wanted} messages are read", lambda: self.counts().messages[State.READ] >= wanted)
        self.until("all receipts came home", lambda: not self.whatsapp.stats()["receipts"]["pending"])
        self.until("they are read by us", lambda: not self.counts().inbox)
        assert not self.counts().parked
        stats = self.whatsapp.stats()
        assert stats["duplicated"] == []
        assert (stats["unique"], stats["unkeyed"]) == (wanted, 0), self.tell()
        assert self.states() == {State.READ: wanted}
        assert stats["receipts"]["dropped"] == 0
        troubles = {state: n for state, n in self.counts().requests.items() if state not in ("done", "ignored")}
        assert not any(troubles.values()), troubles

    def close(self) -> None:
        """End everything that was started here, and whatever that had started."""
        print(self.tail(60))  # shown where the test failed
        for part in self.parts:
            part.send(signal.SIGKILL, group=True)
        for part in self.parts:
            part.ended(PATIENCE)
        end = time.monotonic() + PATIENCE
        while left := self.processes():
            assert time.monotonic() < end, f"these do not end: {left}"
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        self.stack.close()


def _parent(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0
