"""The figures and their file, counted anew from the rows, by other means, for every side and zone."""

from __future__ import annotations

import csv
import io
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from connector.flow import rollup
from connector.model import AccountId, State, moment_of
from connector.store import Store, forget, schema, sequels
from connector.store.sequels import Sequel
from tests.scene import CHANNEL, SHOP
from tests.web.console.room import Room
from tests.web.console.traffic import Traffic

BEGIN = datetime(2026, 3, 26, tzinfo=UTC)  # in Europe the clocks go forward on the 29th
HOURS = 24 * 7
SIDES = {"mapping": "mapping", "template": "template", "account": "channel_id", "source": "source_id",
         "language": "language", "country": "country"}  # fmt: skip
NAMES = {SHOP: "old-store", CHANNEL: "old-line"}
STOPPED = ("skipped", "expired", "cancelled")


@pytest.fixture(name="life")
def a_week_of_a_shop(scene: Traffic, room: Room) -> Traffic:
    """Messages, tests, answers, skips and what followed, at random; some receipts came late, somebody was erased."""
    dice = random.Random(11)
    sent: list[Any] = []
    for number in range(220):
        at = BEGIN + timedelta(minutes=dice.randrange(HOURS * 60))
        phone = dice.choice(("+491701234567", "+447400123456", "+12025550123"))
        state = dice.choice((*State, State.READ, State.DELIVERED))
        given: dict[str, Any] = {"mapping": dice.choice(("paid", "cart")), "language": dice.choice(("en", "de"))}
        given |= {"template": dice.choice(("order_paid", "cart", "cart", "")), "trial": dice.random() < 0.1}
        given |= {"reason": dice.choice(("revoked", "refused", "")), "code": dice.choice(("131026", ""))}
        given |= {"country": None, "contact_id": f"c{number % 9}"}
        if dice.random() < 0.15:  # only the last receipt came
            given |= {"accepted_at": None, "sent_at": None}
        sent.append(scene.message(scene.event(at=at), at=at, state=state, recipient=phone, **given))
        if dice.random() < 0.4:
            reason = dice.choice(("no_agreement", "condition_not_met"))
            scene.skip(scene.event(at=at), at=at, mapping=dice.choice(("paid", "cart")), reason=reason)
    with room.store.read() as tx:
        decided = tx.execute(select(schema.decision).order_by(schema.decision.c.id)).all()
    for row in decided[::5]:  # replayed: what is decided again is nothing new
        scene.skip(row.event_id, at=row.at + timedelta(minutes=dice.randrange(600)), mapping=row.mapping)
    rollup.roll_up(room.store)
    with room.store.write() as tx:  # long after they were counted first
        told = [(kind, id_) for id_ in sent for kind in ("reply", "tap", "order", "opt_out") if dice.random() < 0.15]
        late = [Sequel(key=f"{kind}:{id_}", kind=kind, message_id=id_, at=BEGIN) for kind, id_ in told]
        alone = Sequel(key="opt_out:x", kind="opt_out", message_id=None, at=BEGIN + timedelta(hours=50),
                       account_id=CHANNEL)  # fmt: skip
        sequels.add(tx, [*late, alone])
        forget.messages(tx, sent[:6], BEGIN)
    for id_ in sent[20:40]:
        scene.receipt(id_, "read", at=moment_of(id_) + timedelta(hours=1), received_at=moment_of(id_))
        with room.store.write() as tx:
            row = schema.message.c
            tx.execute(schema.message.update().where(row.id == id_).values(state="read", read_at=BEGIN))
    with room.store.write() as tx:  # as the next look of the clock would find, whatever day it is
        tx.execute(schema.stat_due.delete())
        tx.execute(schema.stat_due.insert(), [{"hour": BEGIN + timedelta(hours=place)} for place in range(HOURS)])
    rollup.roll_up(room.store)
    return scene


Fact = tuple[datetime, Mapping[str, str], Counter[str]]


def facts(store: Store) -> list[Fact]:
    """Everything that is counted, one by one: its hour, its sides, and as what it counts."""
    found: list[Fact] = []
    with store.read() as tx:
        kinds: dict[str, set[str]] = {}
        for row in tx.execute(select(schema.sequel)).mappings():
            kinds.setdefault(row["message_id"] or "", set()).add(row["kind"])
            if row["message_id"] is None:
                found.append((row["at"], {"account": row["account_id"]}, Counter(opted_out=1)))
        for row in tx.execute(select(schema.message)).mappings():
            if row["trial"] or not row["template"]:
                continue
            told, state = kinds.get(row["id"], set()), str(row["state"])
            seen = row["read_at"] is not None
            arrived = seen or row["delivered_at"] is not None
            left = arrived or row["sent_at"] is not None or row["accepted_at"] is not None
            marks = {
                "matched": True, "sent": left, "delivered": arrived, "read": seen, "failed": state == "failed",
                "stopped": state in STOPPED, "replied": bool(told & {"reply", "tap"}), "ordered": "order" in told,
                "opted_out": "opt_out" in told,
                "engaged": arrived and bool(told & {"reply", "tap"}) and "opt_out" not in told,
            }  # fmt: skip
            sides = {name: row[column] or "" for name, column in SIDES.items()}
            found.append((moment_of(row["id"]), sides, Counter({name: 1 for name, so in marks.items() if so})))
        whose = {row.id: row.account_id for row in tx.execute(select(schema.event))}
        for id_, source in whose.items():
            found.append((moment_of(id_), {"source": source}, Counter(events=1)))
        first: dict[tuple[str, str], Any] = {}
        for row in tx.execute(select(schema.decision).order_by(schema.decision.c.id)).mappings():
            first.setdefault((row["event_id"], row["mapping"]), row)
        for row in (each for each in first.values() if each["verdict"] == "skip"):
            sides = {"mapping": row["mapping"], "source": whose[row["event_id"]]}
            found.append((moment_of(row["id"]), sides, Counter(skipped=1)))
    return found


def expected(chosen: Iterable[Fact], asked: Mapping[str, str]) -> Counter[str]:
    """What the file must say of these facts."""
    sums: Counter[str] = sum((counts for _, _, counts in chosen), Counter())
    if asked.keys() & {"template", "account", "language", "country"}:
        del sums["events"], sums["skipped"]
    elif "mapping" in asked:
        sums["received"] = sums["matched"] + sums["skipped"]
    else:
        sums["received"] = sums["events"]
    del sums["events"]
    return +sums


def of_line(line: Mapping[str, str]) -> Counter[str]:
    """What a line of the file says."""
    return +Counter({name: int(value) for name, value in line.items() if name in COUNTED and value})


COUNTED = {"received", "skipped", "matched", "stopped", "sent", "delivered", "read", "replied", "engaged", "ordered",
           "opted_out", "failed"}  # fmt: skip
ASKED: tuple[dict[str, str], ...] = (
    {}, {"mapping": "paid"}, {"template": "cart"}, {"account": CHANNEL}, {"source": SHOP}, {"language": "de"},
    {"country": "GB"}, {"mapping": "cart", "country": "DE"}, {"source": SHOP, "mapping": "paid"},
    {"language": "en", "template": "order_paid", "country": "US"}, {"mapping": "nothing"},
)  # fmt: skip


def starts(zone: str) -> Callable[[datetime], date]:
    """Return of which day an hour is in a zone: where its beginning lies."""
    return lambda at: at.replace(minute=0, second=0, microsecond=0).astimezone(ZoneInfo(zone)).date()


@pytest.mark.usefixtures("life")
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Auckland"])
def test_every_line_of_the_file_is_what_the_rows_say(room: Room, zone: str) -> None:
    known, client, day_of = facts(room.store), room.client("viewer"), starts(zone)
    first, last = date(2026, 3, 27), date(2026, 3, 31)
    for asked in ASKED:
        query = "&".join(f"{name}={NAMES.get(AccountId(value), value)}" for name, value in asked.items())
        text = client.get(f"/analytics.csv?from={first}&to={last}&zone={zone}&{query}").text
        lines = list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"))))
        mine = [fact for fact in known if first <= day_of(fact[0]) <= last]
        mine = [fact for fact in mine if all(fact[1].get(name, "") == value for name, value in asked.items())]
        told = {(line["by"], line["value"]): of_line(line) for line in lines}
        assert told["all", ""] == expected(mine, asked), asked
        days = {day_of(at) for at, _, _ in known if first <= day_of(at) <= last}
        for day in days:
            (value,) = (value for by, value in told if by == "day" and value.startswith(f"{day}"))
            assert told["day", value] == expected([fact for fact in mine if day_of(fact[0]) == day], asked), (
                asked,
                day,
            )
        for name in SIDES:
            here = [fact for fact in mine if name in fact[1] or fact[1].keys() == {"account"}]
            values = {fact[1].get(name, "") for fact in here if "events" not in fact[2] or name == "source"}
            for value in values:
                counts = expected([fact for fact in here if fact[1].get(name, "") == value], {**asked, name: value})
                assert told.get((name, NAMES.get(AccountId(value), value)), Counter()) == counts, (asked, name, value)
