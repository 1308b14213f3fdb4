"""Receipts, and what else a channel tells us: kept once, each matched to its message or parked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, tuple_, update

from connector.model import (
    AccountId,
    MessageId,
    Notice,
    Preference,
    Receipt,
    Refusal,
    RemoteId,
    Reply,
    RequestId,
    Status,
    new_id,
)
from connector.store.dialect import insert_new
from connector.store.engine import Transaction
from connector.store.schema import inbound, receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A reply, preference or notice, and where it stands."""

    account_id: AccountId
    request_id: RequestId
    position: int
    item: Reply | Preference | Notice


def unknown(tx: Transaction, receipts: Sequence[tuple[AccountId, Receipt]]) -> list[tuple[AccountId, Receipt]]:
    """Return those receipts that are not stored yet, each once."""
    fresh = {(account_id, item.key): (account_id, item) for account_id, item in receipts}
    if fresh:
        query = select(receipt.c.account_id, receipt.c.key).where(
            tuple_(receipt.c.account_id, receipt.c.key).in_(list(fresh))
        )
        for row in tx.execute(query):
            fresh.pop((AccountId(row.account_id), row.key), None)
    return list(fresh.values())


def add(tx: Transaction, receipts: Sequence[tuple[AccountId, Receipt, MessageId | None]], at: datetime) -> None:
    """Store receipts; one without a message is parked until the message's remote id is known."""
    rows = [
        {
            "id": new_id(),
            "account_id": account_id,
            "key": item.key,
            "remote_id": item.remote_id,
            "message_id": message_id,
            "status": int(item.status),
            "word": item.word,
            "code": item.refusal.code if item.refusal else "",
            "words": item.refusal.words if item.refusal else "",
            "advice": item.refusal.advice if item.refusal else "",
            "retry_after": int(item.refusal.retry_after or 0) if item.refusal and item.refusal.temporary else None,
            "billing": dict(item.billing),
            "occurred_at": item.occurred_at,
            "received_at": at,
        }
        for account_id, item, message_id in receipts
    ]
    if rows:
        tx.execute(insert_new(tx, receipt), rows)


def unpark(tx: Transaction, account_id: AccountId, remote_ids: Iterable[RemoteId]) -> list[Receipt]:
    """Return the parked receipts for these remote ids."""
    query = select(receipt).where(
        receipt.c.message_id.is_(None), receipt.c.remote_id.in_(list(remote_ids)), receipt.c.account_id == account_id
    )
    return [
        Receipt(
            key=row.key,
            remote_id=RemoteId(row.remote_id),
            status=Status(row.status),
            word=row.word,
            occurred_at=row.occurred_at,
            refusal=Refusal(
                code=row.code,
                words=row.words,
                advice=row.advice,
                temporary=row.retry_after is not None,
                retry_after=row.retry_after,
            )
            if row.code or row.words
            else None,
            billing=row.billing,
        )
        for row in tx.execute(query)
    ]


def assign(tx: Transaction, account_id: AccountId, key: str, message_id: MessageId) -> None:
    """Give a parked receipt to its message."""
    tx.execute(
        update(receipt).where(receipt.c.account_id == account_id, receipt.c.key == key).values(message_id=message_id)
    )


def hear(tx: Transaction, items: Sequence[Heard]) -> list[Heard]:
    """Store replies, preferences and notices, each once; return those that were new."""
    fresh = {(heard.account_id, heard.item.key): heard for heard in reversed(items)}
    if not fresh:
        return []
    pair = inbound.c.account_id, inbound.c.key
    for row in tx.execute(select(*pair).where(tuple_(*pair).in_(list(fresh)))):
        fresh.pop((AccountId(row.account_id), row.key), None)
    rows = {new_id(): heard for heard in reversed(fresh.values())}
    if not rows or tx.execute(insert_new(tx, inbound), [_inbound(*row) for row in rows.items()]).rowcount == len(rows):
        return list(rows.values())
    ours = tx.execute(select(inbound.c.id).where(inbound.c.id.in_(list(rows)))).scalars()  # another was quicker
    return [rows[id_] for id_ in ours]


def _inbound(id_: str, heard: Heard) -> dict[str, object]:
    item = heard.item
    word, words = _describe(item)
    return {
        "id": id_,
        "account_id": heard.account_id,
        "request_id": heard.request_id,
        "position": heard.position,
        "key": item.key,
        "kind": type(item).__name__.lower(),
        "word": word,
        "sender": item.sender.phone or item.sender.user_id if isinstance(item, Reply | Preference) else "",
        "words": words,
        "occurred_at": item.occurred_at,
    }


def _describe(item: Reply | Preference | Notice) -> tuple[str, str]:
    match item:
        case Reply():
            return item.kind, (item.button or item.text)[:1000]
        case Preference():
            return item.choice, item.purpose
        case Notice():
            return item.kind, item.words[:1000]
