"""Analytics: rolling up a million messages of 90 days, and the pages over them."""

from __future__ import annotations

import os
import platform
import random
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import accumulate
from typing import Any

from sqlalchemy import Column, MetaData, Table, insert, text

from connector.flow import rollup
from connector.model import Role, first_id, now
from connector.store import Store
from connector.web import create_pages
from connector.web.console import frame
from tests.benchmarks.stage import stage

DAYS = 90
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
    """Write events, decisions, messages and what followed, spread over the days as a shop's life is.

    One life is made row by row; the database itself then lives it again for every hour.
    """
    dice, end = random.Random(20260301), now().replace(minute=0, second=0, microsecond=0)
    with store.write() as tx:
        tx.exec_driver_sql(f"CREATE TABLE life ({', '.join(f'{name} {kind}' for name, kind in _LIFE.items())})")
        life = Table("life", MetaData(), *(Column(name) for name in _LIFE))
        tx.execute(insert(life), [_row(dice, serial) for serial in range(LIVES)])
    hours, done = [end - timedelta(hours=place) for place in range(24 * days, 0, -1)], 0
    shares = list(accumulate(_BY_HOUR[hour.hour] for hour in hours))
    for batch in range(0, len(hours), 24):
        with store.write() as tx:
            for place in range(batch, min(batch + 24, len(hours))):
                upto = round(count * shares[place] / shares[-1])
                first = dice.randrange(max(1, LIVES - (upto - done)))
                given = {"first": first, "last": first + upto - done, "shop": shop, "number": number}
                at = hours[place] + timedelta(minutes=7)
                given |= {"at": int(at.timestamp() * 1_000_000), "prefix": first_id(at)[:10]}
                for statement in _LIVED:
                    tx.execute(text(statement), given)
                done = upto
    with store.write() as tx:
        tx.exec_driver_sql("DROP TABLE life")


def _row(dice: random.Random, serial: int) -> dict[str, Any]:
    mapping, template, _ = dice.choices(_MAPPINGS, [item[2] for item in _MAPPINGS])[0]
    country, language, _ = dice.choices(_COUNTRIES, [item[2] for item in _COUNTRIES])[0]
    chance = dice.random()
    state = next(name for name, share in _STATES if chance < share)
    reached = _REACH.index(state) if state in _REACH else -1
    return {
        "n": serial, "tail": f"{serial:016d}", "mapping": mapping, "template": template, "language": language,
        "country": country, "state": state, "reached": reached,
        "code": dice.choice(_CODES) if state == "failed" else "",
        "reason": {"failed": "refused", "skipped": "revoked", "cancelled": "overtaken"}.get(state, ""),
        "skip": dice.choice(_REASONS) if dice.random() < 0.15 else "",
        **{kind: int(reached >= 2 and dice.random() < share) for kind, share in _SEQUELS.items()},
    }  # fmt: skip


LIVES = 20_000
_BY_HOUR = (1, 1, 1, 1, 1, 2, 4, 7, 9, 10, 11, 12, 12, 11, 10, 10, 11, 12, 13, 14, 13, 9, 5, 2)
_REACH = ("accepted", "sent", "delivered", "read")
_STATES = (
    ("read", 0.68), ("delivered", 0.9), ("sent", 0.94), ("failed", 0.965), ("skipped", 0.985), ("cancelled", 1.01),
)  # fmt: skip
_SEQUELS = {"reply": 0.05, "tap": 0.04, "ordered": 0.03, "opt_out": 0.004}
_LIFE = dict.fromkeys(("tail", "mapping", "template", "language", "country", "state", "code", "reason", "skip"), "TEXT")
_LIFE |= dict.fromkeys(("reached", *_SEQUELS), "INTEGER") | {"n": "INTEGER PRIMARY KEY"}
_THOSE = "FROM life WHERE n >= :first AND n < :last"
_AT = "CAST(:at AS BIGINT)"
_REACHED = ", ".join(f"CASE WHEN reached >= {place} THEN {_AT} END" for place in range(len(_REACH)))
_EVENT = f"""
INSERT INTO event (
    id, account_id, request_id, position, key, type, topic, subject, label, occurred_at, planned_at
) SELECT :prefix || tail, :shop, n, 0, :prefix || tail, 'order.paid', 'orders/paid', 'order:' || :prefix || tail,
    '#1', {_AT}, {_AT} {_THOSE}
"""
_SENT = f"""
INSERT INTO decision (id, event_id, mapping, version, verdict, reason, words, steps, message_id, at)
SELECT :prefix || tail, :prefix || tail, mapping, 1, 'send', '', '', '[]', :prefix || tail, {_AT} {_THOSE}
"""
_SKIPPED = f"""
INSERT INTO decision (id, event_id, mapping, version, verdict, reason, words, steps, at)
SELECT :prefix || 'x' || substr(tail, 2), :prefix || tail, mapping, 1, 'skip', skip, '', '[]', {_AT}
{_THOSE} AND skip <> ''
"""
_MESSAGE = f"""
INSERT INTO message (
    id, event_id, mapping, version, source_id, channel_id, dedupe_key, subject, label, recipient, recipient_id,
    template, language, category, slots, state, reason, words, code, occurred_at, not_before, cancel_when,
    resend_in_doubt, tries, gates, trial, country, contact_id, created_at, accepted_at, sent_at, delivered_at,
    read_at, ended_at
) SELECT :prefix || tail, :prefix || tail, mapping, 1, :shop, :number, :prefix || tail,
    'order:' || :prefix || tail, '#1', '+4915112' || n, '', template, language, 'utility', '{{}}', state, reason, '',
    code, {_AT}, {_AT}, '[]', true, 1, '{{}}', false, country, 'c' || n, {_AT}, {_REACHED},
    CASE WHEN reached < 0 THEN {_AT} END {_THOSE}
"""
_FOLLOWED = tuple(
    f"""
INSERT INTO sequel (id, key, kind, message_id, at)
SELECT :prefix || '{letter}' || substr(tail, 2), '{kind}:' || :prefix || tail, '{kind}', :prefix || tail, {_AT}
{_THOSE} AND {column} = 1
"""
    for letter, column, kind in (
        ("a", "reply", "reply"), ("b", "tap", "tap"), ("c", "ordered", "order"), ("d", "opt_out", "opt_out"),
    )
)  # fmt: skip
_LIVED = (_EVENT, _SENT, _SKIPPED, _MESSAGE, *_FOLLOWED)
"""What a life leaves behind in the tables."""
