"""``make bench``: measures, prints a table, and one JSON object for programs.

Absolute figures drift with the machine; every comparison is therefore a ratio of two things that were
measured side by side in this run.

    python -m tests.benchmarks [--quick] [--only acks,sends,loop,render,writeback,analytics]
        [--database sqlite,postgresql] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from connector.flow.catalogue import Catalogue
from connector.flow.deliver import Drain
from connector.mapping import Situation, load, plan
from connector.model import Message, Request, Send, State, Verified, now
from connector.sandbox.stage import free_port
from connector.store import outbox
from tests.benchmarks import figures as figures_
from tests.benchmarks import http_load, orders, write_back
from tests.benchmarks.http_load import Load
from tests.benchmarks.mock_graph import MockGraph
from tests.benchmarks.stage import APP_SECRET, RECIPE, SECRET, Stage, stage, tree_cpu

CONNECTIONS = 32
THREADS = 200
ROUNDS = 3


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work: to see that it runs")
    parser.add_argument("--only", default="render,acks,sends,loop,writeback,analytics")
    parser.add_argument("--database", default="sqlite,postgresql")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    scale = 0.1 if given.quick else 1.0
    figures: dict[str, Any] = {}
    wanted = given.only.split(",")
    if "render" in wanted:
        figures["render"] = measure_render(int(3000 * scale) or 1)
    for database in given.database.split(","):
        told = figures.setdefault(database, {})
        if "acks" in wanted:
            told["acks"] = measure_acks(database, int(6000 * scale))
        if "sends" in wanted:
            told["sends"] = measure_sends(database, int(4000 * scale))
        if "loop" in wanted:
            told["loop"] = measure_loop(database, int(2000 * scale))
        if "writeback" in wanted:
            told["writeback"] = write_back.measure(database, int(10_000 * scale), say)
        if "analytics" in wanted:
            told["analytics"] = figures_.measure(database, int(1_000_000 * scale), say)
    print("\n" + json.dumps(figures))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1))


def say(words: str) -> None:
    """Print a line at once."""
    print(words, flush=True)


# --- acknowledgements ------------------------------------------------------------------------------------


def measure_acks(database: str, count: int) -> dict[str, float]:
    """Compare the durable acknowledgement with a bare Flask route under the same server, in turn."""
    say(f"\nAcknowledgements on {database}: {CONNECTIONS} connections, {orders.BYTES} bytes, {count} a round")
    ours: list[Load] = []
    bare: list[Load] = []
    with stage(database) as setting, _bare_flask() as bare_url, setting.running("web"):
        for turn in range(ROUNDS):
            build = partial(orders.paid, bare_url, SECRET, count, 0)
            bare.append(http_load.load(bare_url, build, connections=CONNECTIONS, warm=count // 10))
            build = partial(orders.paid, setting.shop_url, SECRET, count, turn * count)
            ours.append(http_load.load(setting.shop_url, build, connections=CONNECTIONS, warm=count // 10))
    rows = [(f"bare Flask route, {n}", done) for n, done in enumerate(bare, 1)]
    rows += [(f"stored and acknowledged, {n}", done) for n, done in enumerate(ours, 1)]
    for line in http_load.table(rows):
        say("  " + line)
    ratio = statistics.median(a.per_second / b.per_second for a, b in zip(ours, bare, strict=True))
    best = sorted(ours, key=lambda done: done.percentile(99))[len(ours) // 2]
    say(f"  ratio {ratio:.0%} (target 35 %), p99 {best.percentile(99) * 1000:.0f} ms (target 150 ms)")
    return {
        "acks_per_second": round(statistics.median(done.per_second for done in ours)),
        "bare_per_second": round(statistics.median(done.per_second for done in bare)),
        "ratio": round(ratio, 3),
        "p50_ms": round(best.percentile(50) * 1000, 1),
        "p95_ms": round(best.percentile(95) * 1000, 1),
        "p99_ms": round(best.percentile(99) * 1000, 1),
    }


@contextmanager
def _bare_flask() -> Iterator[str]:
    port = free_port()
    environ = os.environ | {"BENCH_SECRET": SECRET}
    command = [sys.executable, "-m", "tests.benchmarks.bare_flask", str(port), "1"]
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/hooks/x"
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(url, timeout=1)
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)


# --- sending ---------------------------------------------------------------------------------------------


def measure_sends(database: str, count: int) -> dict[str, float]:
    """Compare a drain of the outbox with the same threads and session that only send, in turn."""
    say(f"\nSending on {database}: {count} messages a round, {THREADS} threads, one session")
    told: dict[str, float] = {}
    with stage(database) as setting, MockGraph() as graph:
        setting.connect(graph.url)
        for latency in (150.0, 0.0):
            pairs = []
            cpu = 0.0
            for _ in range(ROUNDS):
                graph.reset(latency_ms=latency)
                raw = _raw_sends(setting, count)
                graph.reset(latency_ms=latency)
                used = time.process_time()
                ours = _drained_sends(setting, count)
                cpu += time.process_time() - used
                pairs.append((ours, raw))
            ratio = statistics.median(ours / raw for ours, raw in pairs)
            ours, raw = (statistics.median(values) for values in zip(*pairs, strict=True))
            per_thousand = cpu / ROUNDS / count * 1000
            target = " (target 70 %)" if latency else ""
            say(
                f"  {latency:3.0f} ms: {ours:5.0f}/s from the outbox, {raw:5.0f}/s without store or queue: "
                f"{ratio:.0%}{target}; {per_thousand:.2f} CPU s per 1,000"
            )
            name = f"at_{latency:.0f}_ms"
            told |= {f"{name}_per_second": round(ours), f"{name}_raw_per_second": round(raw)}
            told |= {f"{name}_ratio": round(ratio, 3), f"{name}_cpu_s_per_1000": round(per_thousand, 3)}
    return told


def _raw_sends(setting: Stage, count: int) -> float:
    found = setting.tools.channel(setting.number.id)
    assert found is not None
    channel = found[1]
    setting.fill_outbox(count)
    with setting.tools.store.write() as tx:
        rows = outbox.due(tx, setting.number.id, count)
        tx.exec_driver_sql("DELETE FROM message")
    messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
    for row in rows:
        messages.put(row.message())
    for _ in range(THREADS):
        messages.put(None)

    def work() -> None:
        while (message := messages.get()) is not None:
            channel.send(message)

    started = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(THREADS):
            pool.submit(work)
    return count / (time.perf_counter() - started)


def _drained_sends(setting: Stage, count: int) -> float:
    found = setting.tools.channel(setting.number.id)
    assert found is not None
    setting.fill_outbox(count)
    done = threading.Event()
    drain = Drain(
        setting.tools.store,
        setting.number.id,
        found[1],
        setting.tools.desk,
        owner="bench:0:x",
        threads=THREADS,
        should_stop=done.is_set,
    )
    started = time.perf_counter()
    drain.run(lambda: None)
    seconds = time.perf_counter() - started - 0.3  # what it lingers when nothing is left
    assert setting.count(State.ACCEPTED) == count
    with setting.tools.store.write() as tx:
        tx.exec_driver_sql("DELETE FROM attempt")
        tx.exec_driver_sql("DELETE FROM message")
    return count / seconds


# --- the whole loop --------------------------------------------------------------------------------------


def measure_loop(database: str, count: int) -> dict[str, float]:
    """Orders in, messages out at 150 ms, three signed receipts each back in, until all are read."""
    say(f"\nThe whole loop on {database}: {count} orders, 150 ms, three receipts each, everything on this machine")
    with stage(database) as setting:
        with MockGraph(latency_ms=150.0, receipts=setting.number_url, secret=APP_SECRET) as graph:
            setting.connect(graph.url)
        with MockGraph(latency_ms=150.0) as plain:
            setting.tools.store.close()
            raw = _raw_with(setting, plain.url, count)
    with stage(database) as setting, _graph_with_receipts(setting) as graph, setting.running("run") as process:
        before = tree_cpu(process)
        started = time.perf_counter()
        build = partial(orders.paid, setting.shop_url, SECRET, count, 0)
        posting = threading.Thread(target=http_load.load, args=(setting.shop_url, build), kwargs={"connections": 16})
        posting.start()
        while setting.count(State.READ) < count and time.perf_counter() - started < 180:
            time.sleep(0.1)
        ended = time.perf_counter()
        posting.join()
        first = min(at for at, _, _ in graph.arrivals())
        cpu = tree_cpu(process) - before
        read = setting.count(State.READ)
        arrived = graph.counts()["arrivals"]
        seconds = time.monotonic() - first - (time.perf_counter() - ended)
    rate = read / seconds
    say(
        f"  {rate:.0f} orders/s from post to read, {raw:.0f} sends/s raw: {rate / raw:.0%} (target 25 %); "
        f"{cpu / count * 1000:.1f} CPU s per 1,000; {arrived - count} doubled, {count - read} not read"
    )
    return {
        "orders_per_second": round(rate, 1), "raw_sends_per_second": round(raw), "ratio": round(rate / raw, 3),
        "cpu_s_per_1000": round(cpu / count * 1000, 2), "doubled": arrived - count, "not_read": count - read,
    }  # fmt: skip


@contextmanager
def _graph_with_receipts(setting: Stage) -> Iterator[MockGraph]:
    setting.connect("http://127.0.0.1:1")  # to learn the address that receipts go to
    with MockGraph(latency_ms=150.0, receipts=setting.number_url, secret=APP_SECRET) as graph:
        from connector.flow import accounts

        tools = setting.tools
        accounts.change(tools.store, tools.registry, tools.vault, "number", {"api_url": graph.url})
        yield graph


def _raw_with(setting: Stage, url: str, count: int) -> float:
    from connector.flow import accounts

    tools = setting.tools
    accounts.change(tools.store, tools.registry, tools.vault, "number", {"api_url": url})
    time.sleep(1.1)  # the directory looks once a second
    return statistics.median(_raw_sends(setting, count) for _ in range(ROUNDS))


# --- rendering -------------------------------------------------------------------------------------------


def measure_render(count: int) -> dict[str, float]:
    """Time one plan: conditions, recipient, template, five slots."""
    with stage("sqlite") as setting:
        setting.connect("http://127.0.0.1:1")
        catalogue = Catalogue(setting.tools.store, setting.tools.directory.senders)
        catalogue.refresh()
        receiver = setting.tools.directory.receiver(setting.shop.id)
        assert receiver is not None
        head, _, body = bytes(orders.paid("http://127.0.0.1/x", SECRET, 1)[0]).partition(b"\r\n\r\n")
        lines = [line.split(": ", 1) for line in head.decode().split("\r\n")[1:]]
        headers = {name.lower(): value for name, value in lines}
        request = Verified(Request(method="POST", headers=headers, body=body, received_at=now()))
        started = time.process_time()
        for _ in range(count):
            events = receiver.parse(request)
        parse = (time.process_time() - started) / count
        mapping = load("bench/paid", RECIPE)
        situation = Situation(
            event=events[0], account_name="shop", now=now(), channel=setting.number.id,  # type: ignore[arg-type]
            template=catalogue.finder(setting.number.id),
        )  # fmt: skip
        started = time.process_time()
        for _ in range(count):
            decision = plan(mapping, 1, situation)
        cost = (time.process_time() - started) / count
    assert isinstance(decision.verdict, Send)
    say(f"\nOne plan with five slots: {cost * 1e6:.0f} µs; one parse of 7 KB: {parse * 1e6:.0f} µs")
    return {"plan_us": round(cost * 1e6), "parse_us": round(parse * 1e6)}


if __name__ == "__main__":
    main()
