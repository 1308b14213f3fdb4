"""What was asked for in the name of a shop's customers: to know, or to be forgotten; each request once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, tuple_, update

from connector.model import AccountId, EventId
from connector.store.dialect import insert_new
from connector.store.engine import Transaction
from connector.store.schema import privacy

DATA_REQUEST, CUSTOMER_REDACT, SHOP_REDACT = KINDS = ("data_request", "customer_redact", "shop_redact")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, and where it stands."""

    id: str
    event_id: EventId
    account_id: AccountId
    kind: str
    """One of KINDS."""
    record: str = ""
    """Whose data it is: ``customer:5521``; ``""`` once they are forgotten."""
    state: str = "open"
    """``open`` or ``done``."""
    words: str = ""
    """What was done."""
    asked_at: datetime
    due_at: datetime
    done_at: datetime | None = None


def note(tx: Transaction, asked: Sequence[Asked]) -> int:
    """Remember requests, each event's once; return how many are new."""
    if not asked:
        return 0
    return int(tx.execute(insert_new(tx, privacy), [asdict(item) for item in asked]).rowcount)


def listing(tx: Transaction, *, states: Collection[str] = ("open",), most: int = 100) -> list[Asked]:
    """Return requests in these states: what is open first, by the day when it is due."""
    query = select(privacy).where(privacy.c.state.in_(list(states)))
    query = query.order_by(privacy.c.state.desc(), privacy.c.due_at, privacy.c.id).limit(most)
    return [_read(row) for row in tx.execute(query)]


def get(tx: Transaction, id_: str) -> Asked | None:
    """Return a request by id, or None."""
    row = tx.execute(select(privacy).where(privacy.c.id == id_)).first()
    return _read(row) if row is not None else None


def open_(tx: Transaction, kinds: Collection[str], most: int) -> list[Asked]:
    """Return open requests of these kinds, those that are due soonest first."""
    query = select(privacy).where(privacy.c.state == "open", privacy.c.kind.in_(list(kinds)))
    return [_read(row) for row in tx.execute(query.order_by(privacy.c.due_at, privacy.c.id).limit(most))]


def waits(tx: Transaction, kinds: Collection[str]) -> bool:
    """Tell whether a request of these kinds is open."""
    query = select(privacy.c.id).where(privacy.c.state == "open", privacy.c.kind.in_(list(kinds)))
    return tx.execute(query.limit(1)).first() is not None


def finish(tx: Transaction, id_: str, words: str, at: datetime, *, forget: bool = False) -> None:
    """Mark a request as done; ``forget``: whose data it was, too."""
    values: dict[str, Any] = {"state": "done", "words": words, "done_at": at}
    if forget:
        values["record"] = ""
    tx.execute(update(privacy).where(privacy.c.id == id_).values(values))


def forget_records(tx: Transaction, records: Collection[tuple[AccountId, str]], at: datetime) -> None:
    """Forget whose data requests were about; what was open to be told is done: there is nothing left to tell."""
    if not records:
        return
    theirs = tuple_(privacy.c.account_id, privacy.c.record).in_(list(records))
    tx.execute(
        update(privacy)
        .where(theirs, privacy.c.state == "open", privacy.c.kind == DATA_REQUEST)
        .values(state="done", words="The person was erased before.", done_at=at, record="")
    )
    tx.execute(update(privacy).where(theirs, privacy.c.state == "done").values(record=""))


def forget_account(tx: Transaction, account_id: AccountId, at: datetime) -> None:
    """Forget whose data an account's requests were about; all of them are done."""
    theirs = privacy.c.account_id == account_id
    gone = {"state": "done", "words": "The shop was erased.", "done_at": at}
    tx.execute(update(privacy).where(theirs, privacy.c.state == "open").values(gone))
    tx.execute(update(privacy).where(theirs).values(record=""))


def _read(row: Any) -> Asked:
    return Asked(**row._mapping)
