"""Forgetting: what is stored of people is deleted, or emptied where counts and keys must stay.

What stays of a message: its id, mapping, template, state and times; of a request: that it came, and when; of
an event and a decision: what it was, and what came of it. Everything here may be done twice.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Table, case, delete, literal, or_, select, tuple_, update

from connector.model import AccountId, ContactId, EventId, MessageId, Reason, RequestId, State
from connector.store.engine import Transaction
from connector.store.events import Subject
from connector.store.inbox import ERASED, RequestState
from connector.store.schema import (
    api_answer,
    attempt,
    consent,
    contact,
    conversation,
    decision,
    delivery,
    delivery_try,
    event,
    identity,
    inbound,
    label,
    label_change,
    message,
    reaction,
    receipt,
    request,
    standing,
    test_number,
    wanted,
)
from connector.store.traces import chunks

_NUMBER = re.compile(r"#?[A-Z]{0,6}-?\d{1,20}")
"""An order's number; whatever else a label holds could name somebody."""
STEPS = [["erased", True, "A person was erased; what was weighed about them is gone."]]
_WORDS = "The person was erased."


def people(tx: Transaction, family: Collection[ContactId]) -> None:
    """Delete contacts and all that hangs on them: keys, ledger, labels, conversations, reactions, wishes."""
    ids = list(family)
    for table in (identity, consent, standing, label, label_change, conversation, reaction, wanted):
        tx.execute(delete(table).where(table.c.contact_id.in_(ids)))
    for id_ in ids:
        tx.execute(delete(wanted).where(wanted.c.record_id == f"?{id_}"))
    _silence(tx, "contact_id", ids)
    tx.execute(delete(contact).where(or_(contact.c.id.in_(ids), contact.c.merged_into.in_(ids))))


def messages(tx: Transaction, ids: Collection[MessageId], at: datetime) -> int:
    """Empty messages to people, and what was tried and reported of them; what has not left does not leave."""
    gone: dict[str, Any] = {"recipient": "", "recipient_id": "", "contact_id": None, "remote_id": None}
    done = 0
    for chunk in chunks(sorted(ids)):
        theirs = message.c.id.in_(chunk)
        done += tx.execute(
            update(message).where(theirs, message.c.recipient != "").values(
                gone | {"slots": {}, "words": "", "in_reply_to": None, "dedupe_key": _key("answer|")}
            )
        ).rowcount  # fmt: skip
        _stop(tx, chunk, at)
        _unlabel(tx, message, chunk)
        tx.execute(update(attempt).where(attempt.c.message_id.in_(chunk)).values(words="", exchange=None))
        tx.execute(
            update(receipt)
            .where(receipt.c.message_id.in_(chunk))
            .values(words="", remote_id="", key=literal("erased:") + receipt.c.id)  # the channel's ids hold the number
        )
        tx.execute(delete(reaction).where(reaction.c.message_id.in_(chunk)))
        tx.execute(update(decision).where(decision.c.message_id.in_(chunk)).values(words="", steps=STEPS))
    return done


def said_to_others(tx: Transaction, ids: Collection[MessageId], at: datetime) -> None:
    """Empty what messages to other people say about somebody; those that have not left do not leave."""
    for chunk in chunks(sorted(ids)):
        tx.execute(update(message).where(message.c.id.in_(chunk)).values(slots={}))
        tx.execute(update(attempt).where(attempt.c.message_id.in_(chunk)).values(exchange=None))
        _stop(tx, chunk, at)
        _unlabel(tx, message, chunk)


def requests(tx: Transaction, ids: Collection[RequestId]) -> int:
    """Empty stored requests for good; return how many were not empty yet. One that waits is not read any more."""
    done, unread = 0, request.c.state == RequestState.NEW.value
    for chunk in chunks(sorted(ids)):
        done += tx.execute(
            update(request)
            .where(request.c.id.in_(chunk), request.c.words != ERASED)
            .values(
                body=b"{}", headers={}, words=ERASED, lease_owner=None, lease_until=None,
                state=case((unread, RequestState.IGNORED.value), else_=request.c.state),
            )
        ).rowcount  # fmt: skip
    return done


def events(tx: Transaction, ids: Collection[EventId]) -> None:
    """Empty what was weighed about events, and labels that could name somebody."""
    for chunk in chunks(sorted(ids)):
        tx.execute(update(decision).where(decision.c.event_id.in_(chunk)).values(words="", steps=STEPS))
        _unlabel(tx, event, chunk)


def answered(tx: Transaction, events: Collection[EventId], messages: Collection[MessageId]) -> None:
    """Empty what programs were answered about events, and what endpoints answered when told of messages."""
    for chunk in chunks(sorted(events)):
        query = select(api_answer).where(api_answer.c.answer["event_id"].as_string().in_(chunk))
        for row in tx.execute(query).all():
            told = row.answer.get("decision") or {}
            steps = [{"name": name, "ok": ok, "words": words} for name, ok, words in STEPS]
            emptied = {**row.answer, "words": "", "decision": {**told, "words": "", "steps": steps}}
            theirs = api_answer.c.key_id == row.key_id, api_answer.c.name == row.name
            tx.execute(update(api_answer).where(*theirs).values(answer=emptied))
    for told_of in chunks(sorted(messages)):
        _silence(tx, "message_id", told_of)


def trials(tx: Transaction, numbers: Collection[str]) -> None:
    """Take numbers off the list of those that tests may go to."""
    tx.execute(delete(test_number).where(test_number.c.phone.in_(sorted(numbers))))


def _silence(tx: Transaction, name: str, ids: Collection[str]) -> None:
    told = select(delivery.c.id).where(delivery.c.data[name].as_string().in_(list(ids)))
    tx.execute(update(delivery_try).where(delivery_try.c.delivery_id.in_(told)).values(answer=""))


def said(tx: Transaction, ids: Collection[str]) -> int:
    """Empty what people wrote to us."""
    done = 0
    for chunk in chunks(sorted(ids)):
        done += tx.execute(
            update(inbound)
            .where(inbound.c.id.in_(chunk))
            .values(sender="", words="", key=literal("erased:") + inbound.c.id)
        ).rowcount
    return done


def wishes(tx: Transaction, records: Collection[Subject]) -> None:
    """Delete what is wanted and known of records (account, ``customer:5521``)."""
    places = sorted((account_id, *subject.partition(":")[::2]) for account_id, subject in records)
    for chunk in chunks(places):
        theirs = tuple_(wanted.c.account_id, wanted.c.object, wanted.c.record_id).in_(chunk)
        tx.execute(delete(wanted).where(theirs))


def wishes_of(tx: Transaction, account_id: AccountId) -> None:
    """Delete whatever is wanted and known of an account's records."""
    tx.execute(delete(wanted).where(wanted.c.account_id == account_id))


def told_by(tx: Transaction, family: Collection[ContactId], account_id: AccountId, record: str = "") -> None:
    """Let contacts stay, without what an account (``record``: one record of it) told of them.

    Its revocations stay in the ledger: that somebody refused must outlive whoever told it. The caller works
    out the standings anew, which are deleted here.
    """
    ids = list(family)
    theirs = [identity.c.account_id == account_id, identity.c.contact_id.in_(ids)]
    entries = [consent.c.account_id == account_id, consent.c.contact_id.in_(ids), consent.c.state != "revoked"]
    if record:
        theirs.append(identity.c.value == record)
        entries.append(consent.c.record == record)
    else:
        for table in (label, label_change):
            tx.execute(delete(table).where(table.c.contact_id.in_(ids), table.c.origin == account_id))
    tx.execute(delete(identity).where(*theirs))
    tx.execute(delete(consent).where(*entries))
    tx.execute(delete(standing).where(standing.c.contact_id.in_(ids)))


def requests_page(tx: Transaction, account_id: AccountId, after: RequestId, most: int) -> list[RequestId]:
    """Return the next requests of an account above a number, emptied or not."""
    query = select(request.c.id).where(request.c.account_id == account_id, request.c.id > after)
    return [RequestId(number) for number in tx.execute(query.order_by(request.c.id).limit(most)).scalars()]


def messages_page(tx: Transaction, account_id: AccountId, after: MessageId, most: int) -> list[MessageId]:
    """Return the next messages about an account's events above an id."""
    query = select(message.c.id).where(message.c.source_id == account_id, message.c.id > after)
    return [MessageId(number) for number in tx.execute(query.order_by(message.c.id).limit(most)).scalars()]


def _key(prefix: str) -> Any:
    """Return the key of an answer without the channel's id of what it answered, and any other as it is."""
    return case(
        (message.c.dedupe_key.startswith(prefix), literal("erased|") + message.c.id), else_=message.c.dedupe_key
    )


def _stop(tx: Transaction, ids: Collection[str], at: datetime) -> None:
    gone = {"reason": Reason.ERASED.value, "words": _WORDS, "ended_at": at, "lease_owner": None, "lease_until": None}
    theirs = message.c.id.in_(list(ids))
    ends = {(State.WAITING,): State.CANCELLED, (State.SENDING, State.IN_DOUBT): State.FAILED}
    for states, end in ends.items():
        tx.execute(update(message).where(theirs, message.c.state.in_(states)).values(gone | {"state": end}))


def _unlabel(tx: Transaction, table: Table, ids: Collection[str]) -> None:
    query = select(table.c.id, table.c.label).where(table.c.id.in_(list(ids)), table.c.label != "")
    naming = [row.id for row in tx.execute(query) if not _NUMBER.fullmatch(row.label)]
    if naming:
        tx.execute(update(table).where(table.c.id.in_(naming)).values(label=""))


@contextmanager
def thoroughly(tx: Transaction) -> Iterator[None]:
    """Overwrite what is deleted: SQLite would leave its bytes in the file's free space. For one transaction."""
    if tx.dialect.name != "sqlite":
        yield
        return
    tx.exec_driver_sql("PRAGMA secure_delete=ON")
    try:
        yield
    finally:
        tx.exec_driver_sql("PRAGMA secure_delete=OFF")
