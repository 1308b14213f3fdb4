"""``connector demo``: the whole road on this machine, with a sandbox at both ends.

Everything is real but the two vendors: the commands that a person would type, the embedded Valkey, the
workers, the signed webhooks over HTTP. It fails where anything was lost, doubled or stuck.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from connector.cli.bubble import bubble
from connector.errors import ConfigurationError
from connector.model import State, now
from connector.sandbox.deliveries import Mix
from connector.sandbox.salesforce.org import SandboxOrg
from connector.sandbox.server import PHONE_NUMBER_ID, WABA_ID, SandboxServer
from connector.sandbox.shopify.shop import API_VERSION, SandboxShop
from connector.sandbox.stage import Stage, free_port, start
from connector.sandbox.store import Posted, post
from connector.sandbox.way_back import way_back
from connector.store import Store, counts, look
from connector.store.counts import Counts, Funnel
from connector.store.views import MessageFilter

SHOP = "aurora-tea.myshopify.com"
OWNER = "owner@example.org"
MIX = Mix(total=300, duplicates=18, forged=12, unusable=24, test=8, topics=("orders/paid",))
OWNER = "owner@example.org"
STUCK_SECONDS = 30.0
"""Nothing moving for so long means that something is stuck."""
ENDS = (State.READ, State.FAILED, State.CANCELLED, State.EXPIRED, State.SKIPPED)


@click.command()
@click.option("--seed", type=int, default=7, show_default=True, help="Other orders for another number.")
@click.option("--keep", is_flag=True, help="Keep the data folder, and say where it is.")
def demo(seed: int, keep: bool) -> None:
    """See it work without any account: a sandbox shop, a sandbox WhatsApp, and everything between.

    On a terminal it stays up, with a page to look at, until Ctrl-C; elsewhere it ends by itself. Exit code
    1 means that a message was lost, doubled or stuck.

    \b
    Example:
      connector demo
    """
    console = Console()
    data = Path(tempfile.mkdtemp(prefix="connector-demo-"))
    try:
        with ExitStack() as stack:
            stage = Stage(console, data, free_port())
            troubles = _play(stage, stack, seed)
            if sys.stdin.isatty() and sys.stdout.isatty():
                console.print(f"\nThe same in the console: {_door(stage)}", soft_wrap=True)
                console.print("The link lets you in as the owner, once. It stays up until Ctrl-C.", style="bold")
                _wait_for_ctrl_c()
    except KeyboardInterrupt:
        troubles = []
    finally:
        if keep:
            console.print(f"The data is in {data}", soft_wrap=True)
        else:
            shutil.rmtree(data, ignore_errors=True)
    sys.exit(1 if troubles else 0)


def _play(stage: Stage, stack: ExitStack, seed: int) -> list[str]:
    console = stage.console
    console.rule("[bold]A shop's orders become WhatsApp messages")
    keys = _Keys()
    shop = SandboxShop(shop=SHOP, seed=seed, client_id="demo", client_secret=keys.shop)
    org = SandboxOrg(seed=seed, client_id="demo", client_secret=keys.org, echo=True)
    sandbox = stack.enter_context(
        SandboxServer(
            seed=seed, token=keys.token, app_secret=keys.app, latency_ms=80, receipt_ms=800, duplicates=0.1,
            reorder=0.2, early=0.05, tenants=(shop, org),
        )
    )  # fmt: skip
    shop.stock(MIX, seed=seed)
    start(stage, stack)
    shop_url = _connect(stage, sandbox, shop, org, keys)
    store = Store(f"sqlite:///{stage.data / 'connector.db'}")
    stack.callback(store.close)
    posted = _watch(console, store, lambda: post(shop_url, secret=keys.shop, shop=SHOP, mix=MIX, seed=seed))
    sandbox.settled(STUCK_SECONDS)  # some receipts come twice, and the last of them after all is read
    told, funnel = _settle(store)
    _show_funnel(console, posted, told, funnel.events)
    _show_message(console, store)
    _show_traces(stage, store, posted)
    troubles = _audit(posted, told, sandbox.stats(), sandbox.messages(10_000))
    troubles += way_back(stage, store, sandbox, shop, org, seed=seed + 1)
    for trouble in troubles:
        console.print(f"✗ {trouble}", style="bold red", soft_wrap=True)
    if not troubles:
        console.print("✓ nothing lost, nothing doubled, nothing stuck; every forgery refused", style="bold green")
    return troubles


def _door(stage: Stage) -> str:
    """Make an owner, and return a link that signs them in."""
    hidden = {"CONNECTOR_SECRET_PASSWORD": secrets.token_urlsafe(16)}
    stage.run("users", "add", OWNER, "--role", "owner", "--name", "Demo", hidden=hidden)
    return stage.run("users", "link", OWNER).split()[-1]


class _Keys:
    """The secrets of this run."""

    def __init__(self) -> None:
        self.shop, self.app, self.token, self.org = (secrets.token_hex(16) for _ in range(4))


def _connect(stage: Stage, sandbox: SandboxServer, shop: SandboxShop, org: SandboxOrg, keys: _Keys) -> str:
    """Connect all accounts, fetch the templates and publish the recipes, all by command; return the shop's URL."""
    store = json.loads(
        stage.run(
            "accounts", "add", "shopify", "--name", "aurora-tea", "--set", f"shop={SHOP}", "--set", "client_id=demo",
            "--set", f"api_url={sandbox.url}/admin/api/{API_VERSION}", "--json",
            hidden={"CONNECTOR_SECRET_CLIENT_SECRET": keys.shop},
        )
    )  # fmt: skip
    channel = json.loads(
        stage.run(
            "accounts", "add", "whatsapp", "--name", "aurora-number", "--set", f"phone_number_id={PHONE_NUMBER_ID}",
            "--set", f"waba_id={WABA_ID}", "--set", f"api_url={sandbox.graph_url}", "--json",
            hidden={
                "CONNECTOR_SECRET_ACCESS_TOKEN": keys.token,
                "CONNECTOR_SECRET_APP_SECRET": keys.app,
                "CONNECTOR_SECRET_VERIFY_TOKEN": "sandbox",
            },
        )
    )  # fmt: skip
    crm = json.loads(
        stage.run(
            "accounts", "add", "salesforce", "--name", "aurora-crm", "--set", f"organization_id={org.org_id}",
            "--set", f"api_url={sandbox.url}", "--set", "client_id=demo", "--json",
            hidden={"CONNECTOR_SECRET_CLIENT_SECRET": keys.org},
        )
    )  # fmt: skip
    sandbox.configure(webhook_url=channel["webhook_url"], verify_token="sandbox")  # noqa: S106 - echoes a challenge
    shop.configure(webhook_url=store["webhook_url"])
    org.configure(webhook_url=crm["webhook_url"])
    stage.run("templates", "sync", "aurora-number")
    stage.run("mappings", "import", "shipped", "--publish")
    return str(store["webhook_url"])


def _watch(console: Console, store: Store, work: Callable[[], Posted]) -> Posted:
    """Let the store post, and draw how messages come to be read; ends when nothing more is to come."""
    found: list[Posted] = []
    poster = threading.Thread(target=lambda: found.append(work()), daemon=True)
    wanted = MIX.genuine - MIX.unusable - MIX.test
    columns = TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    console.print(
        f"\nThe shop posts {MIX.total} events: {MIX.duplicates} of them twice, {MIX.forged} forged, "
        f"{MIX.unusable} without a usable phone, {MIX.test} test orders."
    )
    with Progress(*columns, console=console) as progress:
        arrived = progress.add_task("events worked off", total=MIX.genuine)
        accepted = progress.add_task("taken by WhatsApp", total=wanted)
        read = progress.add_task("read by the customer", total=wanted)
        poster.start()
        moved_at, before = time.monotonic(), ""
        while True:
            with store.read() as tx:
                told, seen = counts.count(tx, now()), counts.funnel(tx)
            left = sum(n for state, n in told.messages.items() if state not in (*ENDS, State.SENDING, State.WAITING))
            progress.update(arrived, completed=seen.events)
            progress.update(accepted, completed=left + told.messages[State.READ])
            progress.update(read, completed=told.messages[State.READ])
            at, present = time.monotonic(), f"{told}{seen.events}"
            moved_at, before = (at, present) if present != before else (moved_at, before)
            busy = told.inbox or any(n for state, n in told.messages.items() if state not in ENDS)
            if not poster.is_alive() and found and (not busy or at - moved_at > STUCK_SECONDS):
                return found[0]
            if not poster.is_alive() and not found:
                raise ConfigurationError("The sandbox shop could not post its events.")
            time.sleep(0.15)


def _settle(store: Store) -> tuple[Counts, Funnel]:
    """Count when the inbox is empty, or when it plainly will not be."""
    end = time.monotonic() + STUCK_SECONDS
    while True:
        with store.read() as tx:
            told, funnel = counts.count(tx, now()), counts.funnel(tx)
        if not (told.inbox or told.parked) or time.monotonic() > end:
            return told, funnel
        time.sleep(0.1)


def _show_funnel(console: Console, posted: Posted, told: Counts, events: int) -> None:
    skips = told.skips
    rows: list[tuple[str, int, str]] = [
        ("posted by the shop", posted.total, ""),
        ("refused, forged", posted.refused, "red"),
        ("repeated, swallowed", posted.total - posted.refused - events, "dim"),
        ("events", events, ""),
        *((f"skipped: {reason.replace('_', ' ')}", number, "dim") for reason, number in skips.items()),
        ("planned", sum(told.messages.values()), ""),
        ("delivered", told.messages[State.READ] + told.messages[State.DELIVERED], ""),
        ("read", told.messages[State.READ], "bright_blue"),
    ]
    table = Table(box=None, show_header=False, padding=(0, 1))
    widest = max(number for _, number, _ in rows) or 1
    for name, number, style in rows:
        table.add_row(name, f"{number:>4}", Text("█" * round(34 * number / widest), style=style or "green"))
    console.print()
    console.print(table)


def _show_message(console: Console, store: Store) -> None:
    with store.read() as tx:
        rows = look.list_messages(tx, MessageFilter(states=(State.READ,)), most=1)
        file = look.message_file(tx, rows[0].id) if rows else None
    if file is not None and file.template is not None:
        row = file.message
        console.print("\nOne of them, as the customer sees it:\n")
        console.print(bubble(file.template, row.slots, state=row.state, at=row.read_at or row.created_at))


def _show_traces(stage: Stage, store: Store, posted: Posted) -> None:
    """Explain one order that was written about, and one that was not."""
    with store.read() as tx:
        rows = look.list_messages(tx, MessageFilter(states=(State.READ,)), most=1)
    for label in [row.label for row in rows] + list(posted.unusable[:1]):
        stage.console.print()
        stage.console.print(stage.run("explain", label).rstrip(), markup=False, highlight=False, soft_wrap=True)
    stage.console.print()


def _audit(posted: Posted, told: Counts, sandbox: Mapping[str, Any], sent: list[dict[str, Any]]) -> list[str]:
    """Return what was lost, doubled or stuck, in words; empty where all is well."""
    troubles = []
    wanted = posted.expected_messages - MIX.test
    if posted.undelivered:
        troubles.append(f"{posted.undelivered} genuine events were not taken.")
    if posted.refused != MIX.forged:
        troubles.append(f"{MIX.forged - posted.refused} forged events were taken.")
    if (count := sum(told.messages.values())) != wanted:
        troubles.append(f"{count} messages were planned, and not {wanted}.")
    if (count := told.messages[State.READ]) != wanted:
        troubles.append(f"{count} of {wanted} messages were read in the end; the rest is lost or stuck.")
    ours = [message["request"]["biz_opaque_callback_data"] for message in sent]
    if len(ours) != len(set(ours)) or len(ours) != wanted:
        troubles.append(f"WhatsApp took {len(ours)} messages, {len(ours) - len(set(ours))} of them twice.")
    if told.inbox or told.parked:
        troubles.append(f"{told.inbox} events and {told.parked} receipts are stuck.")
    if (pending := sandbox["receipts"]["pending"]) or sandbox["receipts"]["dropped"]:
        troubles.append(f"{pending + sandbox['receipts']['dropped']} receipts did not come home.")
    return troubles


def _wait_for_ctrl_c() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return
