"""A connector to measure: its own folder, database and processes, two accounts, one template, one mapping."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from connector.flow import accounts, templates
from connector.model import (
    Account,
    Category,
    ContactId,
    EventId,
    Key,
    KeyKind,
    MessageId,
    Send,
    Sighting,
    State,
    new_id,
    now,
)
from connector.sandbox.stage import free_port
from connector.settings import Settings
from connector.store import mappings, migrate, outbox
from connector.wiring import Wiring
from tests.benchmarks.mock_graph import NUMBER
from tests.benchmarks.orders import SHOP
from tests.servers import Postgres

SECRET = "bench-secret"
APP_SECRET = "bench-app-secret"
RECIPE = """
title = "Benchmark"
[when]
event = "order.paid"
adapter = "shopify"
[when.conditions]
all = [{ field = "test", operator = "is_not", value = true }]
[to]
phone = ["{{ phone }}", "{{ shipping_address.phone }}"]
region = ["{{ shipping_address.country_code }}"]
locale = ["{{ customer_locale }}"]
[template]
name = "order_paid"
language = "en"
[slots]
body.1 = "{{ customer.first_name | default: 'there' }}"
body.2 = "{{ name }}"
body.3 = "{{ total_price_set | money }}"
body.4 = "{{ created_at | date: 'medium' }}"
button.0.url = "{{ order_status_url | url_suffix: 'https://shop.example/' }}"
"""
TEMPLATE = {
    "name": "order_paid",
    "language": "en",
    "status": "APPROVED",
    "category": "UTILITY",
    "parameter_format": "POSITIONAL",
    "components": [
        {"type": "BODY", "text": "Hi {{1}}, order {{2}} over {{3}} of {{4}} is paid. Thank you!"},
        {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "View", "url": "https://shop.example/{{1}}"}]},
    ],
}


@dataclass
class Stage:
    """What is measured, set up and not yet running."""

    tools: Wiring
    shop: Account
    number: Account
    environ: dict[str, str]

    @property
    def shop_url(self) -> str:
        """Where orders are posted."""
        return self.tools.settings.webhook_url(self.shop.token)

    @property
    def number_url(self) -> str:
        """Where receipts are posted."""
        return self.tools.settings.webhook_url(self.number.token)

    def connect(self, graph_url: str) -> None:
        """Connect both accounts, import the template, publish the mapping."""
        tools = self.tools
        self.number = accounts.connect(
            tools.store, tools.registry, tools.vault, "whatsapp", "number",
            {
                "phone_number_id": NUMBER, "waba_id": "200000000000001", "access_token": "token",
                "app_secret": APP_SECRET, "verify_token": "verify", "api_url": graph_url,
                "messages_per_second": 2000,
            },
        )  # fmt: skip
        read = tools.registry.get("whatsapp").read_templates
        assert read is not None
        templates.take(tools.store, self.number, list(read({"data": [TEMPLATE]})))
        with tools.store.write() as tx:
            mappings.save_draft(tx, "bench/paid", RECIPE, now())
            mappings.publish(tx, "bench/paid", RECIPE, [], at=now())

    @contextmanager
    def running(self, *words: str) -> Iterator[int]:
        """Run one of our commands until the block ends; yields its process id."""
        command = [sys.executable, "-m", "connector", *words]
        with (self.tools.settings.data / "bench.log").open("ab") as log:
            process = subprocess.Popen(command, env=self.environ, stdout=log, stderr=log)
        try:
            self._wait(process)
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + 60
        url = f"http://127.0.0.1:{self.tools.settings.port}/readyz"
        while process.poll() is None and time.monotonic() < end:
            try:
                with urllib.request.urlopen(url, timeout=1):
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError((self.tools.settings.data / "bench.log").read_text()[-3000:])

    def fill_outbox(self, count: int) -> None:
        """Put messages that are due into the outbox, each for a person of its own, whom the gate asks about."""
        at = now()
        sightings = [
            Sighting(keys=(Key(KeyKind.PHONE, f"+49151{20_000_000 + number:08d}"),), seen_at=at)
            for number in range(count)
        ]
        meeting, people = self.tools.people, list[ContactId]()
        for start in range(0, count, 500):
            with self.tools.store.write() as tx:
                people += meeting.resolve(tx, sightings[start : start + 500], at)
        made = [
            outbox.NewMessage(
                id=MessageId(new_id()), event_id=EventId("bench"), mapping="bench/paid", version=1,
                source_id=self.shop.id, contact_id=people[number],
                dedupe_key=new_id(), subject=f"order:{number}", label=f"#{number}", occurred_at=at,
                send=Send(
                    channel=self.number.id, recipient=f"+49151{20_000_000 + number:08d}", template="order_paid",
                    language="en", category=Category.UTILITY, not_before=at,
                    slots={"body.1": "Änne", "body.2": f"#{number}", "body.3": "59,00 €", "body.4": "22.11.2026",
                           "button.0.url": f"1/orders/{number}"},
                ),
            )
            for number in range(count)
        ]  # fmt: skip
        for start in range(0, count, 500):
            with self.tools.store.write() as tx:
                outbox.add(tx, made[start : start + 500], at)

    def count(self, state: State) -> int:
        """Count messages that are in this state."""
        with self.tools.store.read() as tx:
            found = tx.exec_driver_sql(f"SELECT count(*) FROM message WHERE state = '{state.value}'").scalar_one()
        return int(found)


@contextmanager
def stage(database: str) -> Iterator[Stage]:
    """Set up on ``sqlite`` or ``postgresql`` in a temporary folder, without accounts of the channel yet."""
    folder = Path(tempfile.mkdtemp(prefix="connector-bench-"))
    folder.chmod(0o711)
    server = Postgres(folder / "pg", durable=True) if database == "postgresql" else None
    data = folder / "data"
    try:
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CONNECTOR_", "DATABASE_URL", "REDIS_URL"))
        } | {"CONNECTOR_DATA": str(data), "CONNECTOR_PORT": str(free_port())}
        if server is not None:
            server.start(watched=os.getpid())
            name = f"bench_{uuid.uuid4().hex[:8]}"
            server.run(f"CREATE DATABASE {name}")
            environ["DATABASE_URL"] = server.url(name)
        tools = Wiring.from_settings(Settings.from_env(environ))
        migrate.upgrade(tools.store)
        shop = accounts.connect(
            tools.store, tools.registry, tools.vault, "shopify", "shop", {"shop": SHOP, "webhook_secret": SECRET}
        )
        yield Stage(tools=tools, shop=shop, number=shop, environ=environ)
        tools.close()
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def tree_cpu(root: int) -> float:
    """Return the CPU seconds that a process and all it started have used so far."""
    ticks = os.sysconf("SC_CLK_TCK")
    parents: dict[int, list[int]] = {}
    used: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
            used[int(entry.name)] = (int(fields[11]) + int(fields[12])) / ticks
    total, todo = 0.0, [root]
    while todo:
        process = todo.pop()
        total += used.get(process, 0.0)
        todo += parents.get(process, [])
    return total
