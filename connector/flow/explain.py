"""The decision trace, in words: why something was, or was not, sent.

A story is told from what is stored and from nothing else, so it says the same a month later. Phone
numbers show their last digits only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from connector.model import State, Status
from connector.store import Store, Transaction, find, look
from connector.store.views import (
    AttemptRow,
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

MOST_STORIES = 20


class Tone(StrEnum):
    """How a line is meant; skipped is not failed."""

    OK = "ok"
    SKIP = "skip"
    FAIL = "fail"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a story; ``at`` is None for what holds now, ``depth`` 1 for what belongs to the line above."""

    at: datetime | None
    tone: Tone
    words: str
    depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What became of one thing. ``found`` is False for the story of having found nothing."""

    title: str
    tone: Tone
    outcome: str
    """The end of it, in a few words."""
    lines: tuple[Line, ...]
    event_id: str | None = None
    request_id: int | None = None
    message_ids: tuple[str, ...] = ()
    found: bool = True


_WRITTEN = re.compile(r"(?<![\w.+:#\-])(?:\+\d|00\d|0\d)[\d \u00a0()\-]{5,}\d(?!\w)")


def hide_phone(phone: str) -> str:
    """Show only the end of a phone number or of a channel's own id of a person."""
    shown = 4 if len(phone) > 9 else 2
    return f"••• {phone[-shown:]}" if phone else ""


def hide_phones(words: str) -> str:
    """Hide phone numbers inside a sentence."""
    return _WRITTEN.sub(lambda match: hide_phone(re.sub(r"\D", "", match[0])), words)


def explain(store: Store, term: str) -> list[Story]:
    """Tell what became of an order, a person, a message, an event or a delivery, the oldest first.

    There is always at least one story; where nothing was found it says where was looked, and what is near.
    """
    with store.read() as tx:
        found = find.find(tx, term)
        events = {event.id: event for event in _events(tx, found)}
        files = [look.event_file(tx, id_) for id_ in sorted(events)[-MOST_STORIES:]]
        stories = [tell_event(file) for file in files if file]
        if len(events) > MOST_STORIES:
            stories.insert(0, _tell_older(len(events) - MOST_STORIES))
        told = {event.request_id for event in events.values()}
        bare = [row for row in look.list_requests(tx, (), ids=found.request_ids) if row.id not in told]
        stories += [tell_request(row, look.inbound_of(tx, [row.id])) for row in bare]
        stories += [_tell_parked(remote_id) for remote_id in found.parked]
        if found.senders and (said := look.inbound_from(tx, found.senders)):
            stories.append(_tell_said(said[::-1]))
        return stories or [_tell_nothing(found, unread=len(look.list_requests(tx, ("new",))))]


def _events(tx: Transaction, found: find.Found) -> Iterator[EventRow]:
    spoken = look.list_messages(tx, MessageFilter(ids=found.message_ids))
    if ids := {message.event_id for message in spoken} | set(found.event_ids):
        yield from look.list_events(tx, EventFilter(ids=ids), most=len(ids))
    if found.request_ids:
        yield from look.list_events(tx, EventFilter(request_ids=found.request_ids))


def outcome(event: EventRow) -> tuple[Tone, str]:
    """Say in a few words what was decided about an event."""
    if not event.decisions:
        return Tone.SKIP, "no mapping listens"
    sent = [told.mapping for told in event.decisions if told.verdict == "send"]
    if sent:
        return Tone.OK, "message by " + ", ".join(dict.fromkeys(sent))
    reasons = dict.fromkeys(_plain(told.reason) for told in event.decisions)
    return Tone.SKIP, "skipped: " + ", ".join(reasons)


def tell_event(file: EventFile) -> Story:
    """Tell an event from its arrival to the ends of its messages."""
    event = file.event
    lines = [*_arrival(event, file.request)]
    if not event.decisions:
        words = f"No published mapping listens to {event.type}: nothing was to be sent."
        lines.append(Line(at=event.planned_at, tone=Tone.SKIP, words=words))
    for told in event.decisions:
        lines += _decision(told)
        lines += [
            replace(line, depth=1)
            for message in file.messages
            if message.message.id == told.message_id and told.verdict == "send"
            for line in _life(message, of=event)
        ]
    tone, words = outcome(event)
    if file.messages:
        states = [_plain(message.message.state) for message in file.messages]
        tone, words = _tone(file.messages[-1].message.state), f"message {', '.join(states)}"
    return Story(
        title=f"{event.type} · {event.label or event.subject} · {event.account}",
        tone=tone,
        outcome=words,
        lines=_hidden(lines),
        event_id=event.id,
        request_id=event.request_id,
        message_ids=tuple(message.message.id for message in file.messages),
    )


def tell_message(file: MessageFile) -> Story:
    """Tell one message: the event, the decision of its own mapping, and its life."""
    message, event = file.message, file.event
    lines: list[Line] = []
    if event:
        lines += _arrival(event, file.request)
        for told in event.decisions:
            if told.message_id == message.id and told.verdict == "send":
                lines += _decision(told)
    lines += _life(file, of=event)
    return Story(
        title=f"{message.label or message.subject} · {message.mapping} · {hide_phone(message.recipient)}",
        tone=_tone(message.state),
        outcome=f"message {_plain(message.state)}",
        lines=_hidden(lines),
        event_id=message.event_id,
        request_id=event.request_id if event else None,
        message_ids=(message.id,),
    )


def tell_request(row: RequestRow, said: Sequence[InboundRow] = ()) -> Story:
    """Tell a request that no event came of."""
    tone, words = _REQUEST_ENDS.get(row.state, (Tone.INFO, f"It is {row.state}."))
    if row.state == "done" and said:
        tone, words = Tone.OK, "It was read; this is what it brought:"
    lines = [_received(row), Line(at=None, tone=tone, words=f"{words} {row.words}".strip())]
    return Story(
        title=f"request {row.id} · {row.topic or 'no topic'} · {row.account}",
        tone=tone,
        outcome=_plain(row.state),
        lines=_hidden([*lines, *map(_said, said)]),
        request_id=row.id,
    )


_REQUEST_ENDS = {
    "new": (Tone.INFO, "It is stored and waits to be read."),
    "done": (Tone.OK, "It was read, and brought no event that was new: receipts, or facts known before."),
    "ignored": (Tone.SKIP, "It was ignored: nobody here asks for this topic."),
    "unreadable": (
        Tone.FAIL,
        "The sender is who they say, but the body cannot be read. Replay it after the fix.",
    ),
    "broken": (Tone.FAIL, "Working on it failed again and again; that is a fault of the connector's."),
}


def _tell_parked(remote_id: str) -> Story:
    words = f"The channel reported on {remote_id}, and no message of ours has this id yet; the report is kept."
    line = Line(at=None, tone=Tone.INFO, words=words)
    return Story(title="a parked receipt", tone=Tone.INFO, outcome="parked", lines=(line,))


def _tell_said(said: Sequence[InboundRow]) -> Story:
    return Story(
        title="what this person said",
        tone=Tone.INFO,
        outcome=f"{len(said)} heard",
        lines=_hidden(map(_said, said)),
    )


def _tell_older(number: int) -> Story:
    words = "`connector events --label` or `--subject` lists them; `connector explain` takes the id of one."
    line = Line(at=None, tone=Tone.INFO, words=words)
    return Story(title=f"{number} older events, left out here", tone=Tone.INFO, outcome="left out", lines=(line,))


def _tell_nothing(found: find.Found, *, unread: int) -> Story:
    lines = [Line(at=None, tone=Tone.INFO, words=f"Looked at {place}.") for place in found.looked]
    if found.near:
        lines.append(Line(at=None, tone=Tone.INFO, words=f"Near: {', '.join(found.near)}"))
    if unread:
        words = f"Stored and not read yet: {unread}. It may be among them."
    else:
        words = "Whatever arrived has been read. Did the shop send it? `connector accounts check` asks."
    lines.append(Line(at=None, tone=Tone.INFO, words=words))
    title = f"Nothing is known of {found.term!r}"
    return Story(title=hide_phones(title), tone=Tone.INFO, outcome="not found", lines=_hidden(lines), found=False)


def _arrival(event: EventRow, request: RequestRow | None) -> Iterator[Line]:
    what = f"{event.type}: {event.label or event.subject} at {event.account}"
    yield Line(at=event.occurred_at, tone=Tone.INFO, words=what)
    if request:
        yield _received(request)
    else:
        yield Line(at=event.planned_at, tone=Tone.INFO, words="The request that brought it is no longer stored.")


def _received(request: RequestRow) -> Line:
    words = f"{request.topic or 'A webhook'} came from {request.account}, delivery {request.delivery_key}"
    return Line(at=request.received_at, tone=Tone.INFO, words=f"{words} (request {request.id})")


def _decision(told: DecisionRow) -> Iterator[Line]:
    tone = Tone.OK if told.verdict == "send" else Tone.SKIP
    words = f"Mapping {told.mapping}, version {told.version}: {'send' if tone is Tone.OK else 'skip'}"
    yield Line(at=told.at, tone=tone, words=words)
    for step in told.steps:
        mark = Tone.OK if step.ok else Tone.SKIP
        yield Line(at=told.at, tone=mark, words=f"{step.name}: {step.words}", depth=1)
    if tone is Tone.SKIP:
        why = told.words if not told.steps or told.words not in told.steps[-1].words else ""
        words = f"Nothing was sent ({_plain(told.reason)}). {why}".strip()
        yield Line(at=told.at, tone=tone, words=words, depth=1)


def _life(file: MessageFile, of: EventRow | None) -> list[Line]:
    message = file.message
    words = f"Message {message.id} to {hide_phone(message.recipient)}: template {message.template}"
    words += f" ({message.language}, {message.category})"
    lines = [Line(at=message.created_at, tone=Tone.INFO, words=words), *_due(message)]
    if of and of.id != message.event_id:
        newer = "A newer event about the same subject has replaced what it says."
        lines.append(Line(at=message.created_at, tone=Tone.INFO, words=newer))
    lines += [_attempt(number, row) for number, row in enumerate(file.attempts, 1)]
    lines += [_receipt(row) for row in file.receipts]
    lines.sort(key=lambda line: _moment(line.at or message.created_at))
    failed = any(line.tone is Tone.FAIL for line in lines)
    return [*lines, *_end(message, failed=failed)]


def _moment(at: datetime) -> datetime:
    """Return a moment to sort by: channels tell whole seconds, and mean some time within them."""
    return at if at.microsecond else at + timedelta(seconds=1)


def _due(message: MessageRow) -> Iterator[Line]:
    waits = message.not_before > message.created_at + timedelta(seconds=1)
    if waits and not (message.ended_at and message.ended_at < message.not_before):
        words = "Due to leave." if message.tries < 2 else "Due to be tried again."
        yield Line(at=message.not_before, tone=Tone.INFO, words=words)


def _attempt(number: int, row: AttemptRow) -> Line:
    tone, words = _ATTEMPT_ENDS.get(row.outcome, (Tone.INFO, row.outcome))
    why = ": ".join(filter(None, (row.code and f"code {row.code}", row.words)))
    return Line(at=row.started_at, tone=tone, words=f"Attempt {number}: {words}" + (f" ({why})" if why else ""))


_ATTEMPT_ENDS = {
    "": (Tone.INFO, "begun, and no result written yet: in flight, or in doubt"),
    "accepted": (Tone.OK, "the channel took it over"),
    "temporary": (Tone.INFO, "refused for now"),
    "uncertain": (Tone.INFO, "no answer; it may have been carried out"),
    "permanent": (Tone.FAIL, "refused"),
    "credentials": (Tone.FAIL, "the account was refused"),
}


def _receipt(row: ReceiptRow) -> Line:
    if row.status is not Status.FAILED:
        return Line(at=row.occurred_at, tone=Tone.OK, words=f"Receipt: {row.word}")
    again = row.retry_after is not None
    why = ": ".join(filter(None, (row.code and f"code {row.code}", row.words)))
    words = f"Receipt: {'failed for now' if again else 'failed'} ({why or 'the channel gave no reason'})"
    tone = Tone.INFO if again else Tone.FAIL
    return Line(at=row.occurred_at, tone=tone, words=f"{words}. {row.advice}" if row.advice else words)


def _end(message: MessageRow, *, failed: bool) -> Iterator[Line]:
    why = " ".join(filter(None, (message.reason and f"({_plain(message.reason)})", message.words)))
    if message.state in _NOW:
        yield Line(at=None, tone=Tone.INFO, words=f"{_NOW[message.state]} {why}".strip())
    elif message.state in (State.CANCELLED, State.EXPIRED, State.SKIPPED):
        words = f"{_plain(message.state).capitalize()}: it was not sent. {why}".strip()
        yield Line(at=message.ended_at, tone=Tone.SKIP, words=words)
    elif message.state is State.FAILED and not failed:
        yield Line(at=message.ended_at, tone=Tone.FAIL, words=f"Failed. {why}".strip())


_NOW = {
    State.WAITING: "It waits to be sent.",
    State.SENDING: "It is being sent.",
    State.IN_DOUBT: "In doubt: an attempt may have been carried out; a receipt that names it will tell.",
}


def _said(row: InboundRow) -> Line:
    # What people wrote is theirs: that they wrote is enough here.
    words = {
        "reply": f"They answered ({row.word}).",
        "preference": f"They chose {row.word} for {row.words or 'messages'}.",
    }.get(row.kind, f"{row.kind} {row.word}: {row.words}")
    return Line(at=row.occurred_at, tone=Tone.INFO, words=words)


def _tone(state: State) -> Tone:
    if state is State.FAILED:
        return Tone.FAIL
    if state in (State.CANCELLED, State.EXPIRED, State.SKIPPED):
        return Tone.SKIP
    return Tone.INFO if state in _NOW else Tone.OK


def _plain(word: str) -> str:
    return word.replace("_", " ")


def _hidden(lines: Iterable[Line]) -> tuple[Line, ...]:
    return tuple(replace(line, words=hide_phones(line.words)) for line in lines)
