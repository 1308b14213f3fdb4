"""Receipts move messages forward, never back.

accepted < sent < delivered < read; failed is final unless the message is known to have been delivered.
Receipts come twice, in any order, and before the reply to the send: all of that ends in the same state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.model import RANK, STATE_OF, AccountId, MessageId, Receipt, RemoteId, State, Status
from connector.store import Transaction, outbox, receipts

RESEND_HORIZON = timedelta(hours=24)
"""Without an expiry of its own, a message is not tried again after so long."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A message that came further, or ended."""

    row: outbox.Row
    before: State


@dataclass(slots=True)
class Settled:
    """What a batch of receipts came to."""

    moved: list[Moved] = field(default_factory=list)
    matched: list[tuple[outbox.Row, Receipt]] = field(default_factory=list)
    """Receipts that were new, and their messages."""


def settle(tx: Transaction, arrived: Sequence[tuple[AccountId, Receipt]], at: datetime) -> Settled:
    """Store receipts and move their messages."""
    fresh = receipts.unknown(tx, arrived)
    if not fresh:
        return Settled()
    rows = outbox.load(
        tx,
        {item.message_id for _, item in fresh if item.message_id},
        {item.remote_id for _, item in fresh if not item.message_id},
    )
    by_id = {row.id: row for row in rows}
    by_remote = {row.remote_id: row for row in rows if row.remote_id}
    stored: list[tuple[AccountId, Receipt, MessageId | None]] = []
    touched: dict[MessageId, tuple[outbox.Row, State]] = {}
    matched: list[tuple[outbox.Row, Receipt]] = []
    for account_id, item in fresh:
        # Our id, which only the channel knows, proves itself: one URL may serve several numbers of an app.
        row = by_id.get(item.message_id) if item.message_id else by_remote.get(item.remote_id)
        if row is None or (row.channel_id != account_id and not item.message_id):
            stored.append((account_id, item, None))  # another sender's, or too early: parked
            continue
        stored.append((account_id, item, row.id))
        touched.setdefault(row.id, (row, row.state))
        matched.append((row, item))
        advance(row, item, at)
    receipts.add(tx, stored, at)
    outbox.save(tx, (row for row, _ in touched.values()))
    return Settled([Moved(row, before) for row, before in touched.values() if row.state != before], matched)


def settle_parked(tx: Transaction, channel_id: AccountId, remote_ids: Sequence[RemoteId], at: datetime) -> None:
    """Apply receipts that came before we knew these remote ids."""
    parked = receipts.unpark(tx, channel_id, remote_ids)
    if not parked:
        return
    rows = {row.remote_id: row for row in outbox.load(tx, remote_ids={item.remote_id for item in parked})}
    for item in parked:
        if (row := rows.get(item.remote_id)) is not None:
            receipts.assign(tx, channel_id, item.key, row.id)
            advance(row, item, at)
    outbox.save(tx, rows.values())


def advance(row: outbox.Row, item: Receipt, at: datetime) -> None:
    """Fold one receipt into where a message stands."""
    if item.status is Status.FAILED:
        _fail(row, item, at)
        return
    if row.remote_id is None:
        row.remote_id = item.remote_id
    _stamp(row, item)
    reached = STATE_OF[item.status]
    rank = RANK.get(row.state, 0)
    revived = row.state is State.FAILED and item.status >= Status.DELIVERED
    if revived or (row.state in RANK and row.state is not State.FAILED and RANK[reached] > rank):
        row.state = reached
        row.reason = row.words = row.code = ""
        row.ended_at = None


def _stamp(row: outbox.Row, item: Receipt) -> None:
    if item.status >= Status.SENT:
        row.sent_at = min(row.sent_at or item.occurred_at, item.occurred_at)
    if item.status >= Status.DELIVERED:  # Meta skips `delivered` where a message is read at once
        row.delivered_at = min(row.delivered_at or item.occurred_at, item.occurred_at)
    if item.status >= Status.READ:
        row.read_at = min(row.read_at or item.occurred_at, item.occurred_at)


def _fail(row: outbox.Row, item: Receipt, at: datetime) -> None:
    known_delivered = RANK.get(row.state, 0) >= RANK[State.DELIVERED]
    if known_delivered or row.state not in RANK or row.state is State.FAILED:
        return
    if row.remote_id is None and (row.tries <= 1 or row.state is not State.SENDING):
        row.remote_id = item.remote_id
    if row.remote_id != item.remote_id:  # an earlier attempt's end says nothing about the present one
        return
    refusal = item.refusal
    row.code = refusal.code if refusal else ""
    row.words = refusal.words if refusal else "The channel gave no reason."
    horizon = row.expires_at or row.created_at + RESEND_HORIZON
    if refusal and refusal.temporary:
        again = at + timedelta(seconds=max(refusal.retry_after or 0, 4.0 ** min(row.tries, 5)))
        if again < horizon:
            row.state, row.reason, row.not_before, row.remote_id = State.WAITING, "refused_for_now", again, None
            return
    row.state, row.reason, row.ended_at = State.FAILED, "refused", item.occurred_at
