"""The outbox: messages that are to leave, are leaving, or have left."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, case, or_, select, text, true, update

from connector.model import (
    AccountId,
    Category,
    ContactId,
    EventId,
    Message,
    MessageId,
    RemoteId,
    Send,
    Sent,
    State,
    new_id,
    now,
)
from connector.policy import country_of
from connector.store import leases, news
from connector.store.dialect import insert_new, lock_rows
from connector.store.engine import Transaction
from connector.store.schema import attempt, message


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message on its way into the outbox, frozen as it was decided."""

    id: MessageId
    event_id: EventId
    mapping: str
    version: int
    source_id: AccountId
    dedupe_key: str
    subject: str
    label: str
    occurred_at: datetime
    send: Send
    contact_id: ContactId | None = None
    in_reply_to: RemoteId | None = None
    """For an answer: what it quotes."""
    trial_by: str = ""
    """Of a test message: who sends it; it counts in no figure and no cap."""


@dataclass(slots=True, kw_only=True)
class Row:
    """A message as it stands; what :func:`save` writes back."""

    id: MessageId
    channel_id: AccountId
    source_id: AccountId
    event_id: EventId
    mapping: str
    version: int
    subject: str
    label: str
    contact_id: ContactId | None
    gates: Mapping[str, Any]
    """What the gates before sending go by: ``ground``, ``quiet``, ``timezone``, ``cap``."""
    template: str
    language: str
    category: str
    recipient: str = field(repr=False)
    slots: Mapping[str, str] = field(repr=False)
    state: State
    reason: str
    words: str
    code: str
    tries: int
    remote_id: RemoteId | None
    in_reply_to: RemoteId | None
    recipient_id: str = field(repr=False)
    cancel_when: Sequence[str]
    resend_in_doubt: bool
    created_at: datetime
    occurred_at: datetime
    not_before: datetime
    expires_at: datetime | None
    lease_owner: str | None
    lease_until: datetime | None
    accepted_at: datetime | None
    sent_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None
    ended_at: datetime | None

    def message(self) -> Message:
        """Return what the channel needs."""
        return Message(
            id=self.id,
            recipient=self.recipient,
            template=self.template,
            language=self.language,
            category=Category(self.category),
            slots=self.slots,
            in_reply_to=self.in_reply_to,
        )


@dataclass(frozen=True, slots=True)
class Cleared:
    """A message that has passed every gate; only ``flow.gate`` makes one, and nothing else can be begun."""

    row: Row


COLUMNS = [message.c[name] for name in Row.__dataclass_fields__]
_SAVED = [
    "state", "reason", "words", "code", "tries", "remote_id", "recipient_id", "not_before", "lease_owner",
    "lease_until", "accepted_at", "sent_at", "delivered_at", "read_at", "ended_at",
]  # fmt: skip


def row_of(found: Any) -> Row:
    """Read a row of COLUMNS."""
    return Row(**dict(found._mapping) | {"state": State(found.state)})


def taken(tx: Transaction, dedupe_keys: Collection[str]) -> dict[str, Row]:
    """Return the messages that already hold these business keys."""
    if not dedupe_keys:
        return {}
    query = select(*COLUMNS, message.c.dedupe_key.label("key")).where(message.c.dedupe_key.in_(list(dedupe_keys)))
    found = {}
    for row in tx.execute(lock_rows(tx, query)):
        values = dict(row._mapping)
        key = values.pop("key")
        found[key] = Row(**(values | {"state": State(values["state"])}))
    return found


def add(tx: Transaction, messages: Sequence[NewMessage], at: datetime) -> set[MessageId]:
    """Store messages that wait to be sent; return the ids of those whose business key was free."""
    if not messages:
        return set()
    ids, rows = {item.id for item in messages}, [_new_row(item, at) for item in messages]
    if tx.execute(insert_new(tx, message), rows).rowcount == len(rows):
        return ids
    present = select(message.c.id).where(message.c.id.in_(list(ids)))
    return {MessageId(number) for number in tx.execute(present).scalars()}


def _new_row(item: NewMessage, at: datetime) -> dict[str, Any]:
    send = item.send
    return {
        "id": item.id, "event_id": item.event_id, "mapping": item.mapping, "version": item.version,
        "source_id": item.source_id, "channel_id": send.channel, "dedupe_key": item.dedupe_key,
        "subject": item.subject, "label": item.label, "recipient": send.recipient, "recipient_id": "",
        "template": send.template, "language": send.language, "category": send.category.value,
        "slots": dict(send.slots), "state": State.WAITING, "reason": "", "words": "", "code": "",
        "occurred_at": item.occurred_at, "not_before": send.not_before, "expires_at": send.expires_at,
        "cancel_when": list(send.cancel_when), "resend_in_doubt": send.resend_in_doubt, "tries": 0,
        "contact_id": item.contact_id, "trial": bool(item.trial_by),
        "gates": gates_of(send) | ({"by": item.trial_by} if item.trial_by else {}),
        "in_reply_to": item.in_reply_to, "created_at": at,
    }  # fmt: skip


def gates_of(send: Send) -> dict[str, Any]:
    """Return what the gates before sending go by, as it is kept with a message."""
    told = {"ground": send.ground, "quiet": send.quiet, "timezone": send.timezone, "cap": list(send.cap)}
    return {name: value for name, value in told.items() if value}


def replace(tx: Transaction, id_: MessageId, newer: NewMessage) -> None:
    """Let a newer event about the same subject speak instead of a message that still waits."""
    tx.execute(
        update(message)
        .where(message.c.id == id_, message.c.state == State.WAITING)
        .values(
            event_id=newer.event_id,
            version=newer.version,
            recipient=newer.send.recipient,
            country=country_of(newer.send.recipient),
            template=newer.send.template,
            language=newer.send.language,
            category=newer.send.category.value,
            slots=dict(newer.send.slots),
            occurred_at=newer.occurred_at,
            not_before=newer.send.not_before,
            expires_at=newer.send.expires_at,
            cancel_when=list(newer.send.cancel_when),
            label=newer.label,
            contact_id=newer.contact_id,
            gates=gates_of(newer.send),
        )
    )


def due(tx: Transaction, channel_id: AccountId, most: int) -> list[Row]:
    """Return up to ``most`` messages of this channel whose time has come, the longest due first."""
    query = (
        select(*COLUMNS)
        .where(message.c.channel_id == channel_id, message.c.state == State.WAITING, message.c.not_before <= now())
        .order_by(message.c.not_before, message.c.id)
        .limit(most)
    )
    return [row_of(found) for found in tx.execute(lock_rows(tx, query, skip_locked=True))]


def begin(tx: Transaction, cleared: Sequence[Cleared], owner: str, seconds: float) -> dict[MessageId, str]:
    """Lease messages and write down one attempt each, BEFORE the call; return the attempts' ids."""
    if not cleared:
        return {}
    rows, at = [item.row for item in cleared], now()
    tx.execute(
        update(message)
        .where(message.c.id.in_([row.id for row in rows]))
        .values(
            state=State.SENDING,
            tries=message.c.tries + 1,
            lease_owner=owner,
            lease_until=at + timedelta(seconds=seconds),
            reason="",
            words="",
            code="",
        )
    )
    attempts = {row.id: new_id() for row in rows}
    tx.execute(
        attempt.insert(),
        [
            {"id": number, "message_id": row_id, "started_at": at, "outcome": "", "code": "", "words": ""}
            for row_id, number in attempts.items()
        ],
    )
    return attempts


@dataclass(frozen=True, slots=True)
class End:
    """How an attempt ended."""

    attempt: str
    outcome: str
    code: str
    words: str
    exchange: Sequence[Mapping[str, Any]] | None = field(default=None, repr=False)
    """What was said on the wire (:meth:`connector.model.exchange.Exchange.shape`), call by call."""


_KEEP_SAID = {
    "sqlite": text(
        "UPDATE attempt SET exchange = said.value FROM json_each(:said) AS said WHERE attempt.id = said.key"
    ),
    "postgresql": text(
        "UPDATE attempt SET exchange = said.value FROM json_each(CAST(:said AS json)) AS said"
        " WHERE attempt.id = said.key"
    ),
}
"""What was said at many attempts, in one statement with one value: a statement each is a round trip each."""


def end_attempts(tx: Transaction, ends: Sequence[End], at: datetime) -> None:
    """Write how attempts ended. Most end alike: one statement for each kind."""
    alike: dict[tuple[str, str, str], list[str]] = {}
    for end in ends:
        alike.setdefault((end.outcome, end.code, end.words), []).append(end.attempt)
    for (name, code, words), ids in alike.items():
        tx.execute(
            update(attempt).where(attempt.c.id.in_(ids)).values(outcome=name, code=code, words=words, ended_at=at)
        )
    if said := {end.attempt: end.exchange for end in ends if end.exchange}:
        tx.execute(_KEEP_SAID[tx.dialect.name], {"said": json.dumps(said, ensure_ascii=False)})


_ON_THE_WAY = or_(message.c.state == State.SENDING, message.c.state == State.IN_DOUBT)
_ACCEPT = (
    update(message)
    .where(
        message.c.id == bindparam("id_"),
        or_(message.c.lease_owner == bindparam("owner_"), message.c.state == State.IN_DOUBT),
    )
    .values(
        remote_id=bindparam("remote_id_"),
        recipient_id=bindparam("recipient_id_"),
        accepted_at=bindparam("at_"),
        state=case((_ON_THE_WAY, State.ACCEPTED.value), else_=message.c.state),
        reason=case((_ON_THE_WAY, ""), else_=message.c.reason),
        words=case((_ON_THE_WAY, ""), else_=message.c.words),
        lease_owner=None,
        lease_until=None,
    )
)


def accept(tx: Transaction, taken: Sequence[tuple[MessageId, Sent]], owner: str, at: datetime) -> None:
    """Note that the channel took messages over. One that a receipt has moved already stays where it is."""
    if taken:
        tx.execute(
            _ACCEPT,
            [
                {
                    "id_": id_,
                    "owner_": owner,
                    "remote_id_": sent.remote_id,
                    "recipient_id_": sent.recipient_id,
                    "at_": at,
                }
                for id_, sent in taken
            ],
        )
        news.accepted(tx, [id_ for id_, _ in taken], at)


def load(tx: Transaction, ids: Collection[MessageId] = (), remote_ids: Collection[RemoteId] = ()) -> list[Row]:
    """Return messages by our id or by the channel's, locked until the transaction ends."""
    wanted = []
    if ids:
        wanted.append(message.c.id.in_(sorted(ids)))
    if remote_ids:
        wanted.append(message.c.remote_id.in_(sorted(remote_ids)))
    if not wanted:
        return []
    query = select(*COLUMNS).where(or_(*wanted)).order_by(message.c.id)
    return [row_of(found) for found in tx.execute(lock_rows(tx, query))]


_SAVE = update(message).where(message.c.id == bindparam("id_")).values({name: bindparam(f"{name}_") for name in _SAVED})


def save(tx: Transaction, rows: Iterable[Row]) -> None:
    """Write back where messages stand, and tell whoever wants to know."""
    rows = list(rows)
    values = [{"id_": row.id} | {f"{name}_": getattr(row, name) for name in _SAVED} for row in rows]
    if values:
        tx.execute(_SAVE, values)
        news.moved(tx, rows)


def orphans(tx: Transaction, channel_id: AccountId, owner: str) -> list[Row]:
    """Return messages of this channel that somebody else began to send and has not finished."""
    query = select(*COLUMNS).where(
        message.c.channel_id == channel_id,
        message.c.state == State.SENDING,
        or_(message.c.lease_owner != owner, message.c.lease_until < now()),
    )
    return [row_of(found) for found in tx.execute(lock_rows(tx, query))]


def doubts(tx: Transaction, channel_id: AccountId) -> list[Row]:
    """Return messages in doubt whose window for a receipt has closed."""
    query = select(*COLUMNS).where(
        message.c.channel_id == channel_id, message.c.state == State.IN_DOUBT, message.c.lease_until < now()
    )
    return [row_of(found) for found in tx.execute(lock_rows(tx, query))]


def restless(tx: Transaction, channel_ids: Iterable[AccountId]) -> list[AccountId]:
    """Return the channels that have something to do now: due, orphaned or doubtful messages."""
    at = now()
    found = []
    for channel_id in channel_ids:
        late = message.c.lease_until < at
        nobody_sends = not leases.holder(tx, drain_lease(channel_id))
        query = select(message.c.id).where(
            message.c.channel_id == channel_id,
            or_(
                and_(message.c.state == State.WAITING, message.c.not_before <= at),
                and_(message.c.state == State.IN_DOUBT, late),
                and_(message.c.state == State.SENDING, true() if nobody_sends else late),
            ),
        )
        if tx.execute(query.limit(1)).first() is not None:
            found.append(channel_id)
    return found


def drain_lease(channel_id: AccountId) -> str:
    """Return the name of the lease of whoever sends by this channel."""
    return f"deliver:{channel_id}"
