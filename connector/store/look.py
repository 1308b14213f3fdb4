"""Looking: what came in, what was decided about it, and what became of the messages. Reads only.

Lists come newest first and are paged by id: ``before`` is the last id of the page above.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Select, exists, func, or_, select, text

from connector.model import AccountId, ContactId, MessageId, State, Status, Step, first_id
from connector.store import about, reactions, schema, stats, templates
from connector.store.engine import Transaction
from connector.store.views import (
    NONE,
    AttemptRow,
    Consequences,
    DecisionRow,
    EventFile,
    EventFilter,
    EventRow,
    InboundRow,
    MessageFile,
    MessageFilter,
    MessageRow,
    ReceiptRow,
    RequestRow,
)

_ACCOUNT = schema.account.c
_REQUEST = schema.request.c
_EVENT = schema.event.c
_SUBJECT = schema.event_subject.c
_DECISION = schema.decision.c
_MESSAGE = schema.message.c
_ATTEMPT = schema.attempt.c
_RECEIPT = schema.receipt.c
_INBOUND = schema.inbound.c

MOST_TYPES = 200
"""Types of events that are offered for choosing."""
PAGE = 50
"""Rows of a list, unless asked for more."""


def labels(term: str) -> tuple[str, ...]:
    """Return the ways to write an order label: ``1001`` and ``#1001`` mean the same."""
    bare = term.strip().removeprefix("#")
    return (bare, f"#{bare}") if bare else ()


def list_events(tx: Transaction, wanted: EventFilter, *, before: str = "", most: int = PAGE) -> list[EventRow]:
    """Return events with their decisions, the newest first."""
    query = select(schema.event).order_by(_EVENT.id.desc()).limit(most)
    if before:
        query = query.where(_EVENT.id < before)
    rows = tx.execute(_narrow_events(query, wanted)).mappings().all()
    told = _decisions(tx, [row["id"] for row in rows])
    names = account_names(tx)
    return [_event(row, names, told) for row in rows]


def _narrow_events(query: Select[Any], wanted: EventFilter) -> Select[Any]:
    if wanted.ids is not None:
        query = query.where(_EVENT.id.in_(list(wanted.ids)))
    if wanted.request_ids is not None:
        query = query.where(_EVENT.request_id.in_(list(wanted.request_ids)))
    if wanted.type:
        query = query.where(_EVENT.type == wanted.type)
    if wanted.label:
        query = query.where(_EVENT.label.in_(labels(wanted.label)))
    if wanted.subject:
        # Naming the accounts lets the primary key (account, subject, event) be used.
        theirs = _SUBJECT.account_id.in_(select(_ACCOUNT.id)) & (_SUBJECT.subject == wanted.subject)
        query = query.where(_EVENT.id.in_(select(_SUBJECT.event_id).where(theirs)))
    if wanted.account:
        query = query.where(_EVENT.account_id.in_(select(_ACCOUNT.id).where(_ACCOUNT.name == wanted.account)))
    if wanted.since:
        query = query.where(_EVENT.id >= first_id(wanted.since))
    if wanted.until:
        query = query.where(_EVENT.id < first_id(wanted.until))
    if wanted.state:
        made = select(_DECISION.event_id).join(schema.message, _MESSAGE.id == _DECISION.message_id)
        query = query.where(made.where(_DECISION.event_id == _EVENT.id, _MESSAGE.state == wanted.state).exists())
    if wanted.verdict == "none":
        return query.where(~exists().where(_DECISION.event_id == _EVENT.id))
    about = [
        column == value
        for column, value in (
            (_DECISION.verdict, wanted.verdict),
            (_DECISION.reason, wanted.reason),
            (_DECISION.mapping, wanted.mapping),
        )
        if value
    ]
    if wanted.verdict or wanted.reason:
        about.append(stats.is_first())
    return query.where(exists().where(_DECISION.event_id == _EVENT.id, *about)) if about else query


def list_messages(tx: Transaction, wanted: MessageFilter, *, before: str = "", most: int = PAGE) -> list[MessageRow]:
    """Return messages, the newest first."""
    query = select(schema.message).order_by(_MESSAGE.id.desc()).limit(most)
    if before:
        query = query.where(_MESSAGE.id < before)
    names = account_names(tx)
    return [_message(row, names) for row in tx.execute(narrow_messages(query, wanted)).mappings()]


def narrow_messages(query: Select[Any], wanted: MessageFilter) -> Select[Any]:
    """Let a query of messages hold those of a filter alone."""
    alike = (
        (_MESSAGE.mapping, wanted.mapping),
        (_MESSAGE.template, wanted.template),
        (_MESSAGE.language, wanted.language),
        (_MESSAGE.reason, wanted.reason),
        (_MESSAGE.code, wanted.code),
        (_MESSAGE.country, wanted.country),
        (_MESSAGE.contact_id, wanted.contact_id),
    )
    query = query.where(*(column == value for column, value in alike if value))
    if wanted.word:
        query = query.where(stats.word_of() == ("" if wanted.word == NONE else wanted.word))
    if wanted.trial is not None:
        query = query.where(_MESSAGE.trial.is_(wanted.trial))
    if wanted.ids is not None:
        query = query.where(_MESSAGE.id.in_(list(wanted.ids)))
    if wanted.states:
        query = query.where(_MESSAGE.state.in_(wanted.states))
    if wanted.reached:
        query = query.where(stats.is_counted(), stats.reached(wanted.reached))
    if wanted.account:
        named = select(_ACCOUNT.id).where(_ACCOUNT.name == wanted.account)
        query = query.where(or_(_MESSAGE.source_id.in_(named), _MESSAGE.channel_id.in_(named)))
    if wanted.recipients:
        query = query.where(_MESSAGE.recipient.in_(wanted.recipients))
    if wanted.label:
        query = query.where(_MESSAGE.label.in_(labels(wanted.label)))
    if wanted.since:
        query = query.where(_MESSAGE.id >= first_id(wanted.since))
    if wanted.until:
        query = query.where(_MESSAGE.id < first_id(wanted.until))
    return query


def list_requests(
    tx: Transaction,
    states: Sequence[str] = schema.BARREN,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    account: str = "",
    topic: str = "",
    ids: Collection[int] | None = None,
    before: int | None = None,
    most: int = PAGE,
) -> list[RequestRow]:
    """Return stored requests without their bytes, the newest first; no states means all of them."""
    columns = [column for column in _REQUEST if column.name not in _UNSEEN]
    query = select(*columns, func.length(_REQUEST.body).label("size")).order_by(_REQUEST.id.desc()).limit(most)
    if states:
        query = query.where(_REQUEST.state.in_(states))
        query = query.where(text(schema.IS_BARREN)) if set(states) <= set(schema.BARREN) else query
    if since:
        query = query.where(_REQUEST.received_at >= since)
    if until:
        query = query.where(_REQUEST.received_at < until)
    if account:
        query = query.where(_REQUEST.account_id.in_(select(_ACCOUNT.id).where(_ACCOUNT.name == account)))
    if topic:
        query = query.where(_REQUEST.topic == topic)
    if ids is not None:
        query = query.where(_REQUEST.id.in_(list(ids)))
    if before is not None:
        query = query.where(_REQUEST.id < before)
    names = account_names(tx)
    return [
        RequestRow(**row, account=names.get(row["account_id"], row["account_id"]))
        for row in tx.execute(query).mappings()
    ]


_UNSEEN = ("body", "headers", "method", "lease_owner", "lease_until")


def message_file(tx: Transaction, id_: str) -> MessageFile | None:
    """Return everything about one message, or None where there is none."""
    row = tx.execute(select(schema.message).where(_MESSAGE.id == id_)).mappings().first()
    if row is None:
        return None
    names = account_names(tx)
    message = _message(row, names)
    events = list_events(tx, EventFilter(ids=[message.event_id]))
    return _file(tx, message, events[0] if events else None, names)


def event_file(tx: Transaction, id_: str) -> EventFile | None:
    """Return everything about one event, or None where there is none."""
    events = list_events(tx, EventFilter(ids=[id_]))
    if not events:
        return None
    event, names = events[0], account_names(tx)
    planned = [told.message_id for told in event.decisions if told.message_id and told.verdict == "send"]
    query = select(schema.message).where(_MESSAGE.id.in_(planned)).order_by(_MESSAGE.id)
    rows = tx.execute(query).mappings().all()
    files = tuple(_file(tx, _message(row, names), event, names) for row in rows)
    told = _followed(tx, event.id, names)
    return EventFile(event=event, request=_request(tx, event.request_id), messages=files, followed=told)


def _followed(
    tx: Transaction, id_: str, names: Mapping[str, str], since: datetime | None = None, whose: str | None = None
) -> Consequences:
    """Return what an event or a message led to.

    What it made records hold is told by the moments of what it taught; a message's rules may also set fields
    of other records, at some moment between its making (``since``) and the last of them.
    """
    entries, changes = about.entries_by(tx, [id_]), about.labels_by(tx, [id_])
    done = reactions.of(tx, messages=[MessageId(id_)])
    moments = {entry.occurred_at for entry in entries} | {change.at for change in changes} | {item.at for item in done}
    people = [ContactId(whose) if whose else None, *(entry.contact_id for entry in entries)]
    people += [*(change.contact_id for change in changes), *(item.contact_id for item in done)]
    first = min({*moments, since} if since and moments else moments, default=None)
    wishes = about.wishes_of(tx, about.present(tx, people), first) if first else []
    last = max(moments) if since and moments else None
    answers = about.answers_to(tx, id_)
    return Consequences(
        reactions=tuple(done),
        entries=tuple(entries),
        labels=tuple(changes),
        answers=tuple(list_messages(tx, MessageFilter(ids=answers)))[::-1] if answers else (),
        wishes=tuple(row for row in wishes if row.wanted_at in moments or (last and row.wanted_at <= last)),
        accounts=names,
    )


def inbound_of(tx: Transaction, request_ids: Iterable[int]) -> list[InboundRow]:
    """Return the replies, preferences and notices that these requests brought."""
    wanted = list(request_ids)
    query = select(schema.inbound).where(_INBOUND.request_id.in_(wanted)).order_by(_INBOUND.id).limit(PAGE)
    return _inbound(tx, query)


def inbound_kinds(tx: Transaction, request_ids: Iterable[int]) -> dict[int, dict[str, int]]:
    """Count the replies, preferences and notices that each of these requests brought."""
    wanted = list(request_ids)
    query = select(_INBOUND.request_id, _INBOUND.kind, func.count()).where(_INBOUND.request_id.in_(wanted))
    found: dict[int, dict[str, int]] = {}
    for number, kind, total in tx.execute(query.group_by(_INBOUND.request_id, _INBOUND.kind)) if wanted else ():
        found.setdefault(number, {})[kind] = total
    return found


def requests_behind(tx: Transaction, wanted: EventFilter, most: int) -> list[int]:
    """Return the requests that brought these events, those of the newest events first, each once."""
    query = _narrow_events(select(_EVENT.request_id).order_by(_EVENT.id.desc()).limit(most), wanted)
    return list(dict.fromkeys(tx.execute(query).scalars()))


def said_with(tx: Transaction, dedupe_key: str) -> str | None:
    """Return the message that holds a business key, if there is one."""
    found: str | None = tx.scalar(select(_MESSAGE.id).where(_MESSAGE.dedupe_key == dedupe_key))
    return found


def inbound_from(tx: Transaction, senders: Collection[str], *, most: int = PAGE) -> list[InboundRow]:
    """Return what these senders said, the newest first."""
    query = select(schema.inbound).where(_INBOUND.sender.in_(list(senders)))
    return _inbound(tx, query.order_by(_INBOUND.id.desc()).limit(most))


def event_types(tx: Transaction) -> list[str]:
    """Return the types of the stored events, by skipping from one to the next in their index."""
    found: list[str] = []
    while len(found) < MOST_TYPES:
        query = select(func.min(_EVENT.type)).where(_EVENT.type > found[-1]) if found else select(func.min(_EVENT.type))
        following = tx.scalar(query)
        if following is None:
            break
        found.append(following)
    return found


def account_names(tx: Transaction) -> dict[str, str]:
    """Return the name of every account by its id."""
    return {row.id: row.name for row in tx.execute(select(_ACCOUNT.id, _ACCOUNT.name))}


def mapping_names(tx: Transaction) -> list[str]:
    """Return the name of every mapping, for choosing one."""
    return list(tx.execute(select(schema.mapping.c.name).order_by(schema.mapping.c.name)).scalars())


def _file(tx: Transaction, message: MessageRow, event: EventRow | None, names: Mapping[str, str]) -> MessageFile:
    attempts = select(schema.attempt).where(_ATTEMPT.message_id == message.id).order_by(_ATTEMPT.id)
    receipts = select(schema.receipt).where(_RECEIPT.message_id == message.id)
    return MessageFile(
        message=message,
        event=event,
        request=_request(tx, event.request_id) if event else None,
        attempts=tuple(AttemptRow(**row) for row in tx.execute(attempts).mappings()),
        receipts=tuple(
            _receipt(row) for row in tx.execute(receipts.order_by(_RECEIPT.occurred_at, _RECEIPT.id)).mappings()
        ),
        template=templates.get(tx, AccountId(message.channel_id), message.template, message.language),
        followed=_followed(tx, message.id, names, message.created_at, message.contact_id),
    )


def _request(tx: Transaction, id_: int) -> RequestRow | None:
    rows = list_requests(tx, (), ids=[id_])
    return rows[0] if rows else None


def _decisions(tx: Transaction, event_ids: Sequence[str]) -> dict[str, list[DecisionRow]]:
    told: dict[str, list[DecisionRow]] = {}
    query = select(schema.decision).where(_DECISION.event_id.in_(event_ids)).order_by(_DECISION.id)
    for row in tx.execute(query).mappings() if event_ids else ():
        steps = tuple(Step(name=name, ok=ok, words=words) for name, ok, words in row["steps"])
        told.setdefault(row["event_id"], []).append(DecisionRow(**_pick(row, DecisionRow), steps=steps))
    return told


def _event(row: RowMapping, names: Mapping[str, str], told: Mapping[str, list[DecisionRow]]) -> EventRow:
    return EventRow(
        **_pick(row, EventRow),
        account=names.get(row["account_id"], row["account_id"]),
        decisions=tuple(told.get(row["id"], ())),
    )


def _message(row: RowMapping, names: Mapping[str, str]) -> MessageRow:
    return MessageRow(
        **_pick(row, MessageRow) | {"state": State(row["state"])},
        source=names.get(row["source_id"], row["source_id"]),
        channel=names.get(row["channel_id"], row["channel_id"]),
    )


def _receipt(row: RowMapping) -> ReceiptRow:
    return ReceiptRow(**_pick(row, ReceiptRow) | {"status": Status(row["status"])})


def _inbound(tx: Transaction, query: Select[Any]) -> list[InboundRow]:
    names = account_names(tx)
    rows = tx.execute(query).mappings().all()
    return [
        InboundRow(**_pick(row, InboundRow), account=names.get(row["account_id"], row["account_id"])) for row in rows
    ]


def _pick(row: RowMapping, kind: type[Any]) -> dict[str, Any]:
    """Return the columns that a value has, without those that it works out itself."""
    wanted = kind.__dataclass_fields__
    return {name: value for name, value in row.items() if name in wanted and name != "steps"}
