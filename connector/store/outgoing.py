"""Webhooks that leave: endpoints, what each is to be told, and every attempt.

News is written in the transaction in which it happened, by whatever writes the rows it is about; where there is no
endpoint that costs a look at what this process remembers. Only ids and states are written: what is personal is
looked up when a delivery leaves, so that nothing has to be forgotten here.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, RowMapping, and_, delete, func, insert, or_, select, update

from connector.model import new_id, now
from connector.store.dialect import insert_new, lock_rows
from connector.store.engine import Transaction
from connector.store.schema import delivery, delivery_try, endpoint

FRESH_SECONDS = 1.0
"""How old what a process remembers of endpoints may be: news of the first second may miss a new one."""
MOST_NOTED = 200
WAITING, LEASED, DONE, FAILED = "waiting", "leased", "done", "failed"
STATES = (WAITING, LEASED, DONE, FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRow:
    """Where webhooks go."""

    id: str
    url: str
    words: str
    types: tuple[str, ...]
    with_personal_data: bool
    active: bool
    note: str = ""
    failing_since: datetime | None = None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """Something that happened; the same has the same key and is told once."""

    type: str
    key: str
    at: datetime
    data: Mapping[str, Any]
    """Ids and states, nothing personal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """One piece of news for one endpoint."""

    id: str
    endpoint_id: str
    type: str
    data: Mapping[str, Any]
    at: datetime
    state: str
    tries: int
    not_before: datetime
    status: int | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One attempt."""

    delivery_id: str
    at: datetime
    ms: int
    status: int | None = None
    words: str = ""
    answer: str = field(default="", repr=False)


_ENDPOINT = [endpoint.c[name] for name in EndpointRow.__dataclass_fields__]
_DELIVERY = [delivery.c[name] for name in DeliveryRow.__dataclass_fields__]
_known: WeakKeyDictionary[Engine, tuple[float, list[EndpointRow]]] = WeakKeyDictionary()


def tell(tx: Transaction, news: Sequence[News]) -> None:
    """Write down for every endpoint that wants it what happened."""
    if not news:
        return
    wanting = _active(tx)
    at = now()
    rows = [
        {"id": f"evt_{new_id()}", "endpoint_id": each.id, "key": item.key, "type": item.type, "data": dict(item.data),
         "at": item.at, "state": WAITING, "tries": 0, "not_before": at}
        for each in wanting
        for item in news
        if item.type in each.types
    ]  # fmt: skip
    if rows:
        tx.execute(insert_new(tx, delivery), rows)


def add_one(tx: Transaction, endpoint_id: str, type_: str, key: str, data: Mapping[str, Any], at: datetime) -> str:
    """Write down something for one endpoint, whatever kinds it has chosen; return the delivery's id."""
    id_ = f"evt_{new_id()}"
    row = {"id": id_, "endpoint_id": endpoint_id, "key": key, "type": type_, "data": dict(data), "at": at}
    tx.execute(insert(delivery).values(row | {"state": WAITING, "tries": 0, "not_before": at}))
    return id_


def wanted(tx: Transaction) -> bool:
    """Tell whether anybody wants to be told anything: whoever has much to prepare asks first."""
    return bool(_active(tx))


def _active(tx: Transaction) -> list[EndpointRow]:
    known = _known.get(tx.engine)
    if known is None or time.monotonic() - known[0] > FRESH_SECONDS:
        rows = tx.execute(select(*_ENDPOINT).where(endpoint.c.active.is_(True))).mappings()
        known = time.monotonic(), [_read(row) for row in rows]
        _known[tx.engine] = known
    return known[1]


def _forget_known(tx: Transaction) -> None:
    _known.pop(tx.engine, None)


def _read(row: RowMapping) -> EndpointRow:
    return EndpointRow(**dict(row) | {"types": tuple(row["types"])})


# endpoints


def add(tx: Transaction, row: EndpointRow) -> None:
    """Store an endpoint."""
    values = {name: getattr(row, name) for name in EndpointRow.__dataclass_fields__}
    tx.execute(insert(endpoint).values(values | {"types": list(row.types)}))
    _forget_known(tx)


def get(tx: Transaction, id_: str) -> EndpointRow | None:
    """Return an endpoint, or None."""
    row = tx.execute(select(*_ENDPOINT).where(endpoint.c.id == id_)).mappings().first()
    return _read(row) if row is not None else None


def all_(tx: Transaction) -> list[EndpointRow]:
    """Return every endpoint, the oldest first."""
    return [_read(row) for row in tx.execute(select(*_ENDPOINT).order_by(endpoint.c.id)).mappings()]


def change(tx: Transaction, id_: str, **values: Any) -> bool:
    """Change some of an endpoint; False where there is none."""
    done = tx.execute(update(endpoint).where(endpoint.c.id == id_).values(**values)).rowcount == 1
    _forget_known(tx)
    return done


def remove(tx: Transaction, id_: str) -> bool:
    """Delete an endpoint with its deliveries; False where there is none."""
    done = tx.execute(delete(endpoint).where(endpoint.c.id == id_)).rowcount == 1
    _forget_known(tx)
    return done


def give_up(tx: Transaction, id_: str, at: datetime) -> int:
    """End what still waits for an endpoint that is switched off; return how many."""
    theirs = delivery.c.endpoint_id == id_, delivery.c.state.in_((WAITING, LEASED))
    ended = update(delivery).where(*theirs).values(state=FAILED, ended_at=at, lease_owner=None, lease_until=None)
    return int(tx.execute(ended).rowcount)


# deliveries


def is_due(tx: Transaction) -> bool:
    """Tell whether a delivery is to leave."""
    return tx.execute(select(delivery.c.id).where(_due(now())).limit(1)).first() is not None


def _due(at: datetime) -> Any:
    return or_(
        and_(delivery.c.state == WAITING, delivery.c.not_before <= at),
        and_(delivery.c.state == LEASED, delivery.c.lease_until < at),
    )


def lease(tx: Transaction, owner: str, most: int, seconds: float) -> list[DeliveryRow]:
    """Take deliveries that are due, the longest due first, for so many seconds."""
    at = now()
    query = select(*_DELIVERY).where(_due(at)).order_by(delivery.c.not_before, delivery.c.id).limit(most)
    rows = [DeliveryRow(**row) for row in tx.execute(lock_rows(tx, query, skip_locked=True)).mappings()]
    if rows:
        tx.execute(
            update(delivery)
            .where(delivery.c.id.in_([row.id for row in rows]))
            .values(state=LEASED, lease_owner=owner, lease_until=at + timedelta(seconds=seconds))
        )
    return rows


def end(
    tx: Transaction, owner: str, row: DeliveryRow, tried: Try, *, state: str, not_before: datetime | None = None
) -> bool:
    """Write down how an attempt ended; False where the delivery was not ours any more."""
    values = {
        "state": state, "tries": row.tries + 1, "status": tried.status, "lease_owner": None, "lease_until": None,
        "ended_at": None if state == WAITING else tried.at, "not_before": not_before or row.not_before,
    }  # fmt: skip
    ours = update(delivery).where(delivery.c.id == row.id, delivery.c.lease_owner == owner)
    done = tx.execute(ours.values(values)).rowcount == 1
    note(tx, tried)
    return done


def note(tx: Transaction, tried: Try) -> None:
    """Keep an attempt."""
    values = {name: getattr(tried, name) for name in Try.__dataclass_fields__}
    tx.execute(insert(delivery_try).values(values | {"id": new_id()}))


def find(tx: Transaction, id_: str) -> DeliveryRow | None:
    """Return a delivery, or None."""
    row = tx.execute(select(*_DELIVERY).where(delivery.c.id == id_)).mappings().first()
    return DeliveryRow(**row) if row is not None else None


def listing(
    tx: Transaction, *, endpoint_id: str = "", state: str = "", type_: str = "", before: str = "", most: int = 50
) -> list[DeliveryRow]:
    """Return deliveries, the newest first; ``before`` is the last id of the page above."""
    query = select(*_DELIVERY).order_by(delivery.c.id.desc()).limit(most)
    for column, value in ((delivery.c.endpoint_id, endpoint_id), (delivery.c.state, state), (delivery.c.type, type_)):
        query = query.where(column == value) if value else query
    if before:
        query = query.where(delivery.c.id < before)
    return [DeliveryRow(**row) for row in tx.execute(query).mappings()]


def tries_of(tx: Transaction, ids: Collection[str]) -> dict[str, list[Try]]:
    """Return the attempts of deliveries, the oldest first."""
    if not ids:
        return {}
    columns = [delivery_try.c[name] for name in Try.__dataclass_fields__]
    found: dict[str, list[Try]] = {}
    query = select(*columns).where(delivery_try.c.delivery_id.in_(list(ids))).order_by(delivery_try.c.id)
    for row in tx.execute(query).mappings():
        found.setdefault(row["delivery_id"], []).append(Try(**row))
    return found


def counts(tx: Transaction) -> dict[str, dict[str, int]]:
    """Return how many deliveries of each state every endpoint has."""
    found: dict[str, dict[str, int]] = {}
    query = select(delivery.c.endpoint_id, delivery.c.state, func.count()).group_by(
        delivery.c.endpoint_id, delivery.c.state
    )
    for id_, state, number in tx.execute(query):
        found.setdefault(id_, {})[state] = number
    return found


def again(tx: Transaction, *, id_: str = "", endpoint_id: str = "", since: datetime | None = None) -> int:
    """Let one delivery leave again, or all of an endpoint that failed since then, each under its own id.

    One that waits for its next try leaves now; one that is on its way does not leave twice.
    """
    at, chosen = now(), update(delivery)
    if id_:
        chosen = chosen.where(delivery.c.id == id_, delivery.c.state.in_((DONE, FAILED, WAITING)))
    else:
        chosen = chosen.where(delivery.c.endpoint_id == endpoint_id, delivery.c.state == FAILED)
        chosen = chosen.where(delivery.c.at >= since) if since else chosen
    return int(tx.execute(chosen.values(state=WAITING, tries=0, not_before=at, ended_at=None)).rowcount)


def prune(tx: Transaction, before: datetime, most: int = 5000) -> int:
    """Delete deliveries that ended before a moment, with their attempts; return how many."""
    old = select(delivery.c.id).where(delivery.c.state.in_((DONE, FAILED)), delivery.c.ended_at < before).limit(most)
    return int(tx.execute(delete(delivery).where(delivery.c.id.in_(old))).rowcount)
