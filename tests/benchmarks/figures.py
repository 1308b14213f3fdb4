"""Analytics: rolling up a million messages of 90 days, and the pages over them."""

from __future__ import annotations

import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert

from connector.flow import rollup
from connector.model import Role, first_id, now
from connector.store import Store, schema
from connector.web import create_pages
from connector.web.console import frame
from tests.benchmarks.stage import stage

DAYS = 90
BATCH = 5_000
ROUNDS = 5
PAGES = {
    "analytics, 90 days": "/analytics?period=90d",
    "analytics, 90 days compared": "/analytics?period=90d&compare=1",
    "analytics, one mapping by country": "/analytics?period=90d&mapping=shop/paid&by=country",
    "analytics, 24 hours": "/analytics?period=24h",
    "overview": "/",
}
_MAPPINGS = (
    ("shop/paid", "order_paid", 0.38), ("shop/shipped", "order_shipped", 0.3), ("shop/cart", "cart_reminder", 0.17),
    ("crm/visit", "visit_reminder", 0.1), ("shop/refund", "refund_done", 0.05),
)  # fmt: skip
_COUNTRIES = (("DE", "de", 0.42), ("GB", "en", 0.25), ("FR", "fr", 0.15), ("BR", "pt_BR", 0.12), ("IL", "he", 0.06))
_CODES = ("131026", "131049", "131047", "130472")
_REASONS = ("no_agreement", "condition_not_met", "no_recipient", "already_said", "blank_slot")


def measure(database: str, count: int, say: Callable[[str], None]) -> dict[str, float]:
    """Fill a database, roll it up, and open the pages."""
    say(f"\nAnalytics on {database}: {count:,} messages over {DAYS} days; {_machine()}")
    with stage(database) as setting:
        setting.connect("http://127.0.0.1:1")
        store = setting.tools.store
        started = time.perf_counter()
        fill(store, count, setting.shop.id, setting.number.id)
        _settle(store)
        say(f"  filled in {time.perf_counter() - started:.0f} s")
        told: dict[str, float] = {}
        started = time.perf_counter()
        while rollup.roll_up(store).left:
            pass
        told["roll_up_s"] = round(time.perf_counter() - started, 2)
        per_hour = told["roll_up_s"] / (DAYS * 24)
        say(f"  counting all {DAYS * 24} hours once: {told['roll_up_s']:.1f} s, {per_hour * 1000:.1f} ms an hour")
        started = time.perf_counter()
        again = rollup.roll_up(store)
        told["look_again_ms"] = round((time.perf_counter() - started) * 1000)
        say(f"  looking again, {again.hours} hours changed: {told['look_again_ms']} ms")
        _settle(store)
        told |= _pages(setting, say)
    return told


def _pages(setting: Any, say: Callable[[str], None]) -> dict[str, float]:
    app = create_pages(setting.tools)
    app.extensions["signed_in"] = lambda: frame.Actor("bench", "Bench", Role.OWNER)
    client, told = app.test_client(), {}
    for name, path in PAGES.items():
        spent = []
        for _ in range(ROUNDS + 1):
            started = time.perf_counter()
            answer = client.get(path)
            spent.append(time.perf_counter() - started)
            assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
        first, middle = spent[0] * 1000, statistics.median(spent[1:]) * 1000
        target = 300 if name == "overview" else 1000
        say(
            f"  {name}: {middle:.0f} ms (the first time {first:.0f} ms; target {target} ms), {len(answer.data):,} bytes"
        )
        told[f"{name} ms"] = round(middle)
        told[f"{name} first ms"] = round(first)
    raw = _count_rows(setting.tools.store)
    say(f"  counting the same rows without a roll-up: {raw:.0f} ms; the whole page takes "
        f"{told['analytics, 90 days ms'] / raw:.0%} of that")  # fmt: skip
    return told | {"raw_count_ms": round(raw), "ratio": round(told["analytics, 90 days ms"] / raw, 3)}


def _count_rows(store: Store) -> float:
    """Time what the first table of the page would cost from the rows themselves."""
    started = time.perf_counter()
    with store.read() as tx:
        tx.exec_driver_sql(
            "SELECT mapping, template, language, country, count(*),"
            " sum(CASE WHEN delivered_at IS NOT NULL THEN 1 ELSE 0 END) FROM message"
            " WHERE template <> '' GROUP BY mapping, template, language, country"
        ).all()
    return (time.perf_counter() - started) * 1000


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def _settle(store: Store) -> None:
    """Let the database learn what it holds, as its own upkeep would in time."""
    with store.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()


def fill(store: Store, count: int, shop: str, number: str, *, days: int = DAYS) -> None:
    """Write events, decisions, messages and what followed, spread over the days as a shop's life is."""
    dice = random.Random(20260301)
    end = now()
    for batch in _batches(count, dice, end, days):
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in ("event", "decision", "message", "sequel")}
        for at, serial in batch:
            _row(rows, dice, at, serial, shop, number, end)
        with store.write() as tx:
            for name, given in rows.items():
                if given:
                    tx.execute(insert(schema.metadata.tables[name]), given)


def _batches(count: int, dice: random.Random, end: datetime, days: int) -> Iterator[list[tuple[datetime, int]]]:
    weights = [1, 1, 1, 1, 1, 2, 4, 7, 9, 10, 11, 12, 12, 11, 10, 10, 11, 12, 13, 14, 13, 9, 5, 2]
    batch: list[tuple[datetime, int]] = []
    for serial in range(count):
        day = days * serial / count
        hour = dice.choices(range(24), weights)[0]
        at = end - timedelta(days=days) + timedelta(days=int(day), hours=hour, seconds=dice.random() * 3600)
        batch.append((min(at, end - timedelta(seconds=5)), serial))
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _id(at: datetime, serial: int) -> str:
    return first_id(at)[:12] + f"{serial:014d}"


def _row(
    rows: dict[str, list[dict[str, Any]]], dice: random.Random, at: datetime, serial: int, shop: str, number: str,
    end: datetime,
) -> None:  # fmt: skip
    mapping, template, _ = dice.choices(_MAPPINGS, [item[2] for item in _MAPPINGS])[0]
    country, language, _ = dice.choices(_COUNTRIES, [item[2] for item in _COUNTRIES])[0]
    id_ = _id(at, serial)
    event = {
        "id": id_, "account_id": shop, "request_id": serial, "position": 0, "key": f"e{serial}", "type": "order.paid",
        "topic": "orders/paid", "subject": f"order:{serial}", "label": f"#{serial}", "occurred_at": at,
        "planned_at": at,
    }  # fmt: skip
    rows["event"].append(event)
    if dice.random() < 0.15:
        rows["decision"].append(_decision(id_, serial, mapping, "skip", dice.choice(_REASONS), at))
    rows["decision"].append(_decision(id_[:-1] + "z", serial, mapping, "send", "", at) | {"event_id": id_})
    chance, moment = dice.random(), {"accepted_at": at, "sent_at": at, "delivered_at": at, "read_at": at}
    state = next(name for name, share in _STATES if chance < share)
    if state == "read" and at > end - timedelta(minutes=20):
        state = "delivered"
    reached = list(_REACH).index(state) if state in _REACH else -1
    moments = {name: moment[name] if place <= reached else None for place, name in enumerate(_REACH.values())}
    code = dice.choice(_CODES) if state == "failed" else ""
    rows["message"].append(
        {
            "id": id_, "event_id": id_, "mapping": mapping, "version": 1, "source_id": shop, "channel_id": number,
            "dedupe_key": f"k{serial}", "subject": f"order:{serial}", "label": f"#{serial}",
            "recipient": f"+4915112{serial:06d}", "recipient_id": "", "template": template, "language": language,
            "category": "utility", "slots": {"body.1": "Ada"}, "state": state,
            "reason": {"failed": "refused", "skipped": "revoked", "cancelled": "overtaken"}.get(state, ""),
            "words": "", "code": code, "occurred_at": at, "not_before": at, "expires_at": None, "cancel_when": [],
            "resend_in_doubt": True, "tries": 1, "contact_id": f"c{serial % 300_000}", "country": country,
            "created_at": at, "ended_at": at if state in ("failed", "skipped", "cancelled") else None, **moments,
        }
    )  # fmt: skip
    if reached >= 2:
        _follow(rows, dice, id_, at)


def _decision(id_: str, serial: int, mapping: str, verdict: str, reason: str, at: datetime) -> dict[str, Any]:
    return {
        "id": id_, "event_id": id_, "mapping": mapping, "version": 1, "verdict": verdict, "reason": reason, "words": "",
        "steps": [], "message_id": id_ if verdict == "send" else None, "at": at,
    }  # fmt: skip


def _follow(rows: dict[str, list[dict[str, Any]]], dice: random.Random, id_: str, at: datetime) -> None:
    for place, (kind, share) in enumerate((("reply", 0.05), ("tap", 0.04), ("order", 0.03), ("opt_out", 0.004))):
        if dice.random() < share:
            sequel = {"id": id_[:-1] + "abcd"[place], "key": f"{kind}:{id_}", "kind": kind, "message_id": id_, "at": at}
            rows["sequel"].append(sequel | {"account_id": "", "event_id": ""})


_REACH = {"accepted": "accepted_at", "sent": "sent_at", "delivered": "delivered_at", "read": "read_at"}
_STATES = (
    ("read", 0.68), ("delivered", 0.9), ("sent", 0.94), ("failed", 0.965), ("skipped", 0.985), ("cancelled", 1.01),
)  # fmt: skip
