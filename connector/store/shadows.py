"""Shadow runs as rows: a text that is tried on live traffic, and what it would have done about each event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, func, insert, select, update

from connector.model import new_id
from connector.store.dialect import insert_new
from connector.store.engine import Transaction
from connector.store.schema import decision, shadow, shadow_run

_RUN = shadow_run.c
_SHADOW = shadow.c
EXAMPLES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One shadow run."""

    id: str
    mapping: str
    source: str = field(repr=False)
    """TOML, as it was when the run began."""
    label: str
    """``draft`` or ``v3``."""
    by: str
    started_at: datetime
    until: datetime
    ended_at: datetime | None
    words: str
    """Why it ended."""
    events: int

    def is_on(self, at: datetime) -> bool:
        """Tell whether it still runs."""
        return self.ended_at is None and at < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a run would have done about one event."""

    run_id: str
    event_id: str
    verdict: str
    reason: str
    said: str | None
    template: str
    language: str
    category: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Group:
    """Events with the same outcome in a run and in reality."""

    verdict: str
    reason: str
    real: str
    """``send``, the reason of a skip, or ``""``: nothing was decided by the mapping itself."""
    number: int


def _read(row: Any) -> Run:
    return Run(**row._mapping)


def begin(tx: Transaction, mapping: str, source: str, label: str, by: str, at: datetime, until: datetime) -> str:
    """Begin a run and return its id; what an older run of the mapping found is forgotten."""
    tx.execute(delete(shadow_run).where(_RUN.mapping == mapping))
    id_ = new_id()
    tx.execute(
        insert(shadow_run).values(
            id=id_, mapping=mapping, source=source, label=label, by=by, started_at=at, until=until, words="", events=0
        )
    )
    return id_


def open_runs(tx: Transaction, at: datetime) -> list[Run]:
    """Return every run that is on."""
    return [_read(row) for row in tx.execute(select(shadow_run).where(_RUN.ended_at.is_(None), _RUN.until > at))]


def latest(tx: Transaction, mapping: str) -> Run | None:
    """Return the newest run of a mapping, whether it is on or not."""
    row = tx.execute(select(shadow_run).where(_RUN.mapping == mapping).order_by(_RUN.id.desc()).limit(1)).first()
    return _read(row) if row is not None else None


def running(tx: Transaction, mapping: str, at: datetime) -> Run | None:
    """Return the run of a mapping that is on."""
    found = latest(tx, mapping)
    return found if found is not None and found.is_on(at) else None


def end(tx: Transaction, id_: str, words: str, at: datetime) -> bool:
    """End a run; False where it had ended."""
    ended = update(shadow_run).where(_RUN.id == id_, _RUN.ended_at.is_(None))
    return tx.execute(ended.values(ended_at=at, words=words)).rowcount == 1


def spoken(tx: Transaction, run_id: str, digests: Sequence[str]) -> set[str]:
    """Return about which of these a run would have spoken before."""
    if not digests:
        return set()
    query = select(_SHADOW.said).where(_SHADOW.run_id == run_id, _SHADOW.said.in_(list(digests)))
    return {str(said) for said in tx.execute(query).scalars()}


def add(tx: Transaction, seen: Sequence[Seen]) -> dict[str, int]:
    """Store what runs would have done; an event counts once for each run. Returns how many each has now."""
    if not seen:
        return {}
    columns = Seen.__dataclass_fields__
    rows = [{name: getattr(item, name) for name in columns} for item in seen]
    tx.execute(insert_new(tx, shadow), rows)
    counts = {}
    for run_id in {item.run_id for item in seen}:
        number = tx.scalar(select(func.count()).select_from(shadow).where(_SHADOW.run_id == run_id)) or 0
        tx.execute(update(shadow_run).where(_RUN.id == run_id).values(events=number))
        counts[run_id] = int(number)
    return counts


def groups(tx: Transaction, run: Run) -> list[Group]:
    """Count what a run would have done beside what was really done about the same events."""
    same = and_(decision.c.event_id == _SHADOW.event_id, decision.c.mapping == run.mapping)
    first = select(func.min(decision.c.id)).where(same).correlate(shadow).scalar_subquery()
    real = shadow.outerjoin(decision, and_(same, decision.c.id == first))
    columns = (_SHADOW.verdict, _SHADOW.reason, decision.c.verdict.label("did"), decision.c.reason.label("why"))
    query = select(*columns, func.count()).select_from(real).where(_SHADOW.run_id == run.id).group_by(*columns)
    return [
        Group(verdict, reason, did if did == "send" else why or "", number)
        for verdict, reason, did, why, number in tx.execute(query)
    ]


def examples(tx: Transaction, run: Run, *, verdict: str, reason: str = "", real: str | None = None) -> list[str]:
    """Return the newest events of one outcome; ``real`` ``send`` or ``skip``: only those that were really so."""
    query = select(_SHADOW.event_id).where(_SHADOW.run_id == run.id, _SHADOW.verdict == verdict)
    if reason:
        query = query.where(_SHADOW.reason == reason)
    if real is not None:
        sent = (
            select(decision.c.id)
            .where(
                decision.c.event_id == _SHADOW.event_id,
                decision.c.mapping == run.mapping,
                decision.c.verdict == "send",
            )
            .exists()
        )
        query = query.where(sent if real == "send" else ~sent)
    return [str(id_) for id_ in tx.execute(query.order_by(_SHADOW.event_id.desc()).limit(EXAMPLES)).scalars()]
