"""Finding by whatever a person has at hand: an order, a phone, an id. Reads only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, cast, or_, select

from connector.store import schema
from connector.store.engine import Transaction
from connector.store.look import labels

MOST = 40
"""So many things of each kind at most; the newest."""
RECENT = 20_000
"""Searches that no index serves look at so many of the newest rows."""
CANDIDATES = 400
"""Skipped events whose bytes are read in search of a phone."""
NATIONAL = 8
"""Digits of the shortest number that counts as written without its country code."""
LONGEST = 200
"""Characters of a term; more is nobody's order."""
SUBJECTS = ("order", "draft_order", "checkout", "customer", "fulfillment", "refund")
"""What a bare number may be the vendor's id of."""

_ACCOUNT = schema.account.c
_REQUEST = schema.request.c
_EVENT = schema.event.c
_SUBJECT = schema.event_subject.c
_DECISION = schema.decision.c
_MESSAGE = schema.message.c
_RECEIPT = schema.receipt.c
_INBOUND = schema.inbound.c

_PHONE = re.compile(r"\+?[\d\s().\-/\u00a0\u2010-\u2015]+")
_ID = re.compile(r"[0-9a-z]{26}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a term led to. ``looked`` says where was looked, ``near`` what comes close where nothing matched."""

    term: str = field(repr=False)
    event_ids: tuple[str, ...] = ()
    message_ids: tuple[str, ...] = ()
    request_ids: tuple[int, ...] = ()
    """Requests that were named themselves, not those of the events."""
    parked: tuple[str, ...] = ()
    """The channel's ids of receipts whose message we do not know."""
    senders: tuple[str, ...] = field(default=(), repr=False)
    """The phone as it may stand in what people wrote to us."""
    looked: tuple[str, ...] = ()
    near: tuple[str, ...] = field(default=(), repr=False)

    def __bool__(self) -> bool:
        return bool(self.event_ids or self.message_ids or self.request_ids or self.parked)


def phones(term: str) -> tuple[str, ...]:
    """Return the forms in which a written phone number may be stored; empty where it is none.

    ``+49 (170) 123-4567``, ``0049170…`` and ``49170…`` all give ``+49170…``; also without the plus, as
    channels name people.
    """
    digits = re.sub(r"\D", "", term)
    if not _PHONE.fullmatch(term.strip()) or not 7 <= len(digits) <= 17:
        return ()
    bare = digits.removeprefix("00")
    return (f"+{bare}", bare)


def find(tx: Transaction, term: str) -> Found:
    """Look for a term as an order, an id of ours or of the vendor's, a delivery, a request, a phone."""
    # Databases refuse NUL and half characters; nothing that is stored holds them.
    term = term.replace("\0", "").encode("utf-8", "replace").decode().strip()[:LONGEST]
    if not term:
        return Found(term=term, looked=("nothing: the term is empty",))
    looked: list[str] = []
    events: list[str] = []
    messages: list[str] = []
    requests: list[int] = []
    parked: list[str] = []
    for what, search in _SEARCHES:
        if (hits := search(tx, term)) is None:
            continue
        looked.append(what)
        events += hits.events
        messages += hits.messages
        requests += hits.requests
        parked += hits.parked
        if hits.enough:
            break
    found = Found(
        term=term,
        event_ids=_unique(events),
        message_ids=_unique(messages),
        request_ids=_unique(requests),
        parked=_unique(parked),
        senders=phones(term),
        looked=tuple(looked),
    )
    return found or _with_near(tx, found)


def find_messages_to(tx: Transaction, phone: str) -> tuple[str, ...]:
    """Return the newest messages to a phone number, in any way to write it."""
    for search in (_by_phone, _by_national_phone):
        if (hits := search(tx, phone)) and hits.messages:
            return tuple(hits.messages)
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hits:
    events: Sequence[str] = ()
    messages: Sequence[str] = ()
    requests: Sequence[int] = ()
    parked: Sequence[str] = ()

    @property
    def enough(self) -> bool:
        return bool(self.events or self.messages or self.requests or self.parked)


def _by_id(tx: Transaction, term: str) -> _Hits | None:
    if not _ID.fullmatch(term.lower()):
        return None
    events = _column(tx, select(_EVENT.id).where(_EVENT.id == term.lower()))
    messages = _column(tx, select(_MESSAGE.id).where(_MESSAGE.id == term.lower()))
    return _Hits(events=events, messages=messages)


def _by_label(tx: Transaction, term: str) -> _Hits | None:
    events = select(_EVENT.id).where(_EVENT.label.in_(labels(term))).order_by(_EVENT.id.desc())
    return _Hits(events=_column(tx, events))


def _by_subject(tx: Transaction, term: str) -> _Hits | None:
    subjects = [f"{kind}:{term}" for kind in SUBJECTS] if term.isdigit() else [term]
    theirs = _SUBJECT.account_id.in_(select(_ACCOUNT.id)) & _SUBJECT.subject.in_(subjects)
    return _Hits(events=_column(tx, select(_SUBJECT.event_id).where(theirs).order_by(_SUBJECT.event_id.desc())))


def _by_remote_id(tx: Transaction, term: str) -> _Hits | None:
    if len(term) < 12 or any(c.isspace() for c in term):
        return None
    messages = _column(tx, select(_MESSAGE.id).where(_MESSAGE.remote_id == term))
    parked = select(_RECEIPT.remote_id).where(_RECEIPT.remote_id == term, _RECEIPT.message_id.is_(None))
    return _Hits(messages=messages, parked=_column(tx, parked))


def _by_delivery(tx: Transaction, term: str) -> _Hits | None:
    if len(term) < 12 or any(c.isspace() for c in term):
        return None
    theirs = _REQUEST.account_id.in_(select(_ACCOUNT.id)) & (_REQUEST.delivery_key == term)
    return _Hits(requests=_column(tx, select(_REQUEST.id).where(theirs)))


def _by_request(tx: Transaction, term: str) -> _Hits | None:
    number = term.lower().removeprefix("request").lstrip(":# ")
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        return None
    return _Hits(requests=_column(tx, select(_REQUEST.id).where(_REQUEST.id == int(number))))


def _by_phone(tx: Transaction, term: str) -> _Hits | None:
    if not (forms := phones(term)):
        return None
    messages = select(_MESSAGE.id).where(_MESSAGE.recipient.in_(forms)).order_by(_MESSAGE.id.desc())
    return _Hits(messages=_column(tx, messages), events=_skipped_for(tx, forms[1]))


def _by_national_phone(tx: Transaction, term: str) -> _Hits | None:
    """Look for a number without its country code among the newest messages, by its end."""
    digits = re.sub(r"\D", "", term).lstrip("0")
    if not phones(term) or term.strip().startswith(("+", "00")) or len(digits) < 7:
        return None
    recent = select(_MESSAGE.id, _MESSAGE.recipient).order_by(_MESSAGE.id.desc()).limit(RECENT).subquery()
    ends = select(recent.c.id).where(recent.c.recipient.endswith(digits)).order_by(recent.c.id.desc())
    return _Hits(messages=_column(tx, ends))


def _skipped_for(tx: Transaction, digits: str) -> list[str]:
    """Return skipped events whose request names this phone.

    A trace shows only the last two digits of the phone that was read. They choose the candidates; the
    stored bytes decide, compared without the signs that people write between digits.
    """
    recent = (
        select(_DECISION.id, _DECISION.event_id, cast(_DECISION.steps, Text).label("told"))
        .where(_DECISION.verdict == "skip")
        .order_by(_DECISION.id.desc())
        .limit(RECENT)
        .subquery()
    )
    query = (
        select(_EVENT.id, _REQUEST.body)
        .join(recent, recent.c.event_id == _EVENT.id)
        .join(schema.request, _REQUEST.id == _EVENT.request_id)
        .where(recent.c.told.contains(f"•{digits[-2:]}"))
        .order_by(recent.c.id.desc())
        .limit(CANDIDATES)
    )
    wanted = digits.lstrip("0").encode()
    return [row.id for row in tx.execute(query) if _names(row.body, wanted)][:MOST]


def _names(body: bytes, wanted: bytes) -> bool:
    """Tell whether a number stands in a body: with or without its country code, and not another with the same end."""
    bare = _SIGNS.sub(b"", body)
    if wanted[-NATIONAL:] not in bare:
        return False
    return any(run.endswith(wanted) or wanted.endswith(run) for run in _numbers(bare))


def _numbers(bare: bytes) -> Iterator[bytes]:
    """Yield the numbers in a text, also without a trunk's zero behind the country code."""
    for run in _RUN.findall(bare):
        if len(short := run.lstrip(b"0")) >= NATIONAL:
            yield short
            yield from (short[:at] + short[at + 1 :] for at in (1, 2, 3) if short[at : at + 1] == b"0")


_SIGNS = re.compile(rb"[\s().\-/]")
_RUN = re.compile(rb"\d+")


_SEARCHES: tuple[tuple[str, Callable[[Transaction, str], _Hits | None]], ...] = (
    ("our ids of messages and events", _by_id),
    ("labels of orders and other subjects", _by_label),
    ("the vendors' ids of orders, checkouts and customers", _by_subject),
    ("the channels' ids of messages", _by_remote_id),
    ("delivery keys of webhooks", _by_delivery),
    ("phone numbers of recipients and of skipped events", _by_phone),
    (f"ends of phone numbers in the newest {RECENT:,} messages", _by_national_phone),
    ("numbers of stored requests", _by_request),
)


def _with_near(tx: Transaction, found: Found) -> Found:
    near = _near_labels(tx, found.term) if len(found.term) < 40 else []
    return Found(term=found.term, looked=found.looked, senders=found.senders, near=tuple(near))


def _near_labels(tx: Transaction, term: str) -> list[str]:
    """Return labels that share the longest beginning with the term, of at least half of it."""
    bare = term.removeprefix("#")
    for length in range(len(bare), max(1, (len(bare) - 1) // 2), -1):
        starts = [bare[:length], f"#{bare[:length]}"]
        close: ColumnElement[bool] = or_(*(_between(_EVENT.label, start) for start in starts))
        query = select(_EVENT.label).where(close).distinct().order_by(_EVENT.label)
        if hits := _column(tx, query):
            return hits[:5]
    return []


def _between(column: ColumnElement[str], start: str) -> ColumnElement[bool]:
    # A range instead of LIKE: it uses the index on every database and needs no escaping.
    return and_(column >= start, column < start + "\U0010ffff")


def _column(tx: Transaction, query: Select[Any]) -> list[Any]:
    return list(tx.execute(query.limit(MOST)).scalars())


def _unique(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))
