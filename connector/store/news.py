"""What is told to endpoints, and in which words: one function for each kind of row that has changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from connector.model import State
from connector.store import outgoing
from connector.store.engine import Transaction
from connector.store.outgoing import News

TYPES: Mapping[str, str] = {
    "message.accepted": "The channel has taken a message over",
    "message.sent": "A message has left the channel",
    "message.delivered": "A message is on the phone",
    "message.read": "A message was read",
    "message.replied": "Somebody answered, or wrote of their own accord",
    "message.failed": "A message could not be delivered",
    "message.skipped": "A gate stopped a message after it was planned",
    "message.cancelled": "An event came first, and a message that waited was called off",
    "message.expired": "A message was too late to be sent",
    "consent.changed": "What a person agreed to has changed",
    "label.changed": "A label was put on a person, or taken off",
    "mapping.published": "Another version of a mapping is in force",
    "mapping.unpublished": "A mapping is no longer in force",
    "template.changed": "The channel has changed a template: status, category, quality",
    "account.suspended": "An account is not used any more before somebody has mended it",
    "account.resumed": "A suspended account is used again",
    "endpoint.test": "A test that somebody sent from the console or by the API",
}
"""Kinds of news, and what they mean."""
CHOSEN = tuple(name for name in TYPES if name != "endpoint.test")
"""Kinds that an endpoint can choose; a test comes unasked."""
_TOLD = {
    state: f"message.{state.value}"
    for state in (
        State.SENT, State.DELIVERED, State.READ, State.FAILED, State.CANCELLED, State.EXPIRED, State.SKIPPED,
    )
}  # fmt: skip


def moved(tx: Transaction, rows: Iterable[Any]) -> None:
    """Tell where messages stand; what was told of a message before is not told again."""
    if outgoing.wanted(tx):
        outgoing.tell(tx, [_moved(row) for row in rows if row.state in _TOLD])


def _moved(row: Any) -> News:
    moments = {State.SENT: row.sent_at, State.DELIVERED: row.delivered_at, State.READ: row.read_at}
    data = {"message_id": row.id, "state": row.state.value, "reason": row.reason, "code": row.code}
    at = moments.get(row.state, row.ended_at) or row.ended_at or row.created_at
    return News(type=_TOLD[row.state], key=f"{_TOLD[row.state]}:{row.id}", at=at, data=data)


def accepted(tx: Transaction, ids: Sequence[str], at: datetime) -> None:
    """Tell that the channel has taken messages over."""
    if outgoing.wanted(tx):
        name, state = "message.accepted", State.ACCEPTED.value
        outgoing.tell(
            tx,
            [News(type=name, key=f"{name}:{id_}", at=at, data={"message_id": id_, "state": state}) for id_ in ids],
        )


def replied(tx: Transaction, said: Iterable[tuple[str, str, str, str, str | None, datetime]]) -> None:
    """Tell that people wrote: (account's id, key, contact's id, kind, id of the message answered, when)."""
    if outgoing.wanted(tx):
        name = "message.replied"
        outgoing.tell(
            tx,
            [
                News(
                    type=name, key=f"{name}:{account}:{key}", at=at,
                    data={"contact_id": contact, "kind": kind, "message_id": message, "reply": [account, key]},
                )
                for account, key, contact, kind, message, at in said
            ],
        )  # fmt: skip


def labelled(tx: Transaction, changes: Iterable[Any]) -> None:
    """Tell how labels came and went."""
    if outgoing.wanted(tx):
        outgoing.tell(
            tx,
            [
                News(
                    type="label.changed", key=f"label.changed:{item.key}:{item.contact_id}", at=item.at,
                    data={"contact_id": item.contact_id, "label": item.name, "added": item.added},
                )
                for item in changes
            ],
        )  # fmt: skip


def consented(tx: Transaction, changed: Mapping[Any, tuple[Any, Any]], at: datetime) -> None:
    """Tell whose standing has another state now: (contact, purpose) -> before and after."""
    if outgoing.wanted(tx):
        outgoing.tell(
            tx,
            [
                News(
                    type="consent.changed", key=f"consent.changed:{id_}:{purpose}:{after.entry_id}:{after.state}",
                    at=after.since or at,
                    data={"contact_id": id_, "purpose": purpose.value, "before": before.state.value,
                          "after": after.state.value, "entry_id": after.entry_id},
                )
                for (id_, purpose), (before, after) in changed.items()
            ],
        )  # fmt: skip


def published(tx: Transaction, name: str, version: int | None, at: datetime) -> None:
    """Tell that a mapping is in force in another version, or (None) not any more."""
    kind = "mapping.published" if version is not None else "mapping.unpublished"
    key = f"{kind}:{name}:{version if version is not None else int(at.timestamp() * 1000)}"
    outgoing.tell(tx, [News(type=kind, key=key, at=at, data={"mapping": name, "version": version})])


def retemplated(tx: Transaction, rows: Iterable[Mapping[str, Any]]) -> None:
    """Tell what has changed about templates, in rows of their history."""
    if outgoing.wanted(tx):
        outgoing.tell(
            tx,
            [
                News(
                    type="template.changed", key=f"template.changed:{row['id']}", at=row["at"],
                    data={"account_id": row["account_id"], "template": row["name"], "language": row["language"],
                          "field": row["what"], "before": row["before"][:100], "after": row["after"][:100]},
                )
                for row in rows
                if row["before"]  # else it has just become known
            ],
        )  # fmt: skip


def stood(tx: Transaction, account_id: str, note: str, at: datetime) -> None:
    """Tell that an account was suspended, with why, or (``""``) is used again."""
    kind = "account.suspended" if note else "account.resumed"
    key = f"{kind}:{account_id}:{int(at.timestamp() * 1000)}"
    outgoing.tell(tx, [News(type=kind, key=key, at=at, data={"account_id": account_id})])
