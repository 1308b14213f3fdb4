"""The decision trace, in words: why something was, or was not, sent.

A story is told from what is stored and from nothing else, so it says the same a month later; only where a
person stands is told as of now. Phone numbers show their last digits only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from connector.flow.followed import tell_learned, tell_wishes
from connector.flow.life import tell_life, tone_of
from connector.flow.portrait import Portrait, concerned, portray, tell_conversation, tell_person, whom
from connector.flow.story import Line as Line
from connector.flow.story import Story as Story
from connector.flow.story import Tone as Tone
from connector.flow.story import hidden, is_number, quoted, spoken
from connector.flow.story import hide_phone as hide_phone
from connector.flow.story import hide_phones as hide_phones
from connector.model import ContactId, KeyKind, now
from connector.store import Store, Transaction, about, find, look
from connector.store.views import (
    DecisionRow,
    EventFile,
    EventFilter,
    EventRow,
    InboundRow,
    MessageFile,
    MessageFilter,
    RequestRow,
)

MOST_STORIES = 20
MOST_PEOPLE = 3
"""So many people are told of; a term that means more is too wide."""


def explain(store: Store, term: str) -> list[Story]:
    """Tell what became of an order, a person, a message, an event or a delivery, the oldest first.

    A person (phone, e-mail address, contact, record) is told first, with the whole ledger; of anything else
    the people concerned come last, with where they stand now. There is always at least one story; where
    nothing was found it says where was looked, and what is near.
    """
    with store.read() as tx:
        found = find.find(tx, term)
        meant = [portrait for id_ in whom(tx, term)[:MOST_PEOPLE] if (portrait := portray(tx, id_, now()))]
        events = {event.id: event for event in (*_events(tx, found), *_events_of(tx, meant))}
        files = [file for id_ in sorted(events)[-MOST_STORIES:] if (file := look.event_file(tx, id_))]
        stories = [tell_event(file) for file in files]
        if len(events) > MOST_STORIES:
            stories.insert(0, _tell_older(len(events) - MOST_STORIES))
        told = {event.request_id for event in events.values()}
        bare = [row for row in look.list_requests(tx, (), ids=found.request_ids) if row.id not in told]
        stories += [tell_request(row, look.inbound_of(tx, [row.id])) for row in bare]
        stories += [_tell_parked(remote_id) for remote_id in found.parked]
        senders = [*found.senders, *(value for portrait in meant for value in _senders(portrait))]
        said = look.inbound_from(tx, senders) if senders else []
        followed = [line for portrait in meant for line in tell_conversation(portrait)]
        if said or followed:
            stories.append(_tell_said(said, followed))
        if meant:
            return [*(story for item in meant for story in tell_person(item, whole=True)), *stories]
        stories += [story for item in people_of(tx, files) for story in tell_person(item)]
        return stories or [_tell_nothing(found, unread=len(look.list_requests(tx, ("new",))))]


def people_of(tx: Transaction, files: Iterable[EventFile | MessageFile]) -> list[Portrait]:
    """Return the people whom these events and messages concern, as they stand now."""
    ids: dict[ContactId, None] = dict.fromkeys(id_ for file in files for id_ in concerned(tx, file))
    return [portrait for id_ in list(ids)[:MOST_PEOPLE] if (portrait := portray(tx, id_, now()))]


def events_about(tx: Transaction, portrait: Portrait, most: int = MOST_STORIES) -> list[EventRow]:
    """Return the newest events about a person with what was decided about them, the newest first."""
    records = [
        (key.account_id, key.value)
        for key in portrait.keys
        if key.kind is KeyKind.RECORD and key.account_id is not None
    ]
    ids = about.events_of(tx, portrait.contact.id, records, most)
    if phone := portrait.contact.phone:
        found = find.find(tx, phone)
        ids |= set(found.event_ids)
    ids |= {told.evidence.removeprefix("event ") for told in portrait.entries if told.evidence.startswith("event ")}
    return look.list_events(tx, EventFilter(ids=ids), most=most) if ids else []


def _events_of(tx: Transaction, people: Iterable[Portrait]) -> Iterator[EventRow]:
    for portrait in people:
        yield from events_about(tx, portrait, MOST_STORIES + 1)


def _senders(portrait: Portrait) -> Iterator[str]:
    for key in portrait.keys:
        if key.kind is not KeyKind.RECORD:
            yield key.value


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
    reasons = dict.fromkeys(spoken(told.reason) for told in event.decisions)
    return Tone.SKIP, "skipped: " + ", ".join(reasons)


def tell_event(file: EventFile) -> Story:
    """Tell an event from its arrival to the ends of its messages."""
    event = file.event
    lines = [*_arrival(event, file.request), *tell_learned(file.followed)]
    if not event.decisions:
        words = f"No published mapping listens to {event.type}: nothing was to be sent."
        lines.append(Line(at=event.planned_at, tone=Tone.SKIP, words=words))
    for told in event.decisions:
        lines += _decision(told)
        lines += [
            replace(line, depth=1)
            for message in file.messages
            if message.message.id == told.message_id and told.verdict == "send"
            for line in tell_life(message, of=event)
        ]
    spread = {row.place for message in file.messages for row in message.followed.wishes}
    own = [row for row in file.followed.wishes if row.place not in spread]
    lines += tell_wishes(own, file.followed.accounts)
    tone, words = outcome(event)
    if file.messages:
        states = [spoken(message.message.state) for message in file.messages]
        tone, words = tone_of(file.messages[-1].message.state), f"message {', '.join(states)}"
    return Story(
        title=f"{event.type} · {event.label or event.subject} · {event.account}",
        tone=tone,
        outcome=words,
        lines=hidden(lines),
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
    lines += tell_life(file, of=event)
    return Story(
        title=f"{message.label or message.subject} · {message.mapping} · {hide_phone(message.recipient)}",
        tone=tone_of(message.state),
        outcome=f"message {spoken(message.state)}",
        lines=hidden(lines),
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
        outcome=spoken(row.state),
        lines=hidden([*lines, *map(_said, said)]),
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


def _tell_said(said: Sequence[InboundRow], followed: Sequence[Line]) -> Story:
    lines = [*map(_said, reversed(said)), *followed]
    lines.sort(key=lambda line: line.at or now())
    return Story(title="what this person said", tone=Tone.INFO, outcome=f"{len(said)} heard", lines=hidden(lines))


def _tell_older(number: int) -> Story:
    words = "`connector events --label` or `--subject` lists them; `connector explain` takes the id of one."
    line = Line(at=None, tone=Tone.INFO, words=words)
    return Story(title=f"{number} older events, left out here", tone=Tone.INFO, outcome="left out", lines=(line,))


def _tell_nothing(found: find.Found, *, unread: int) -> Story:
    looked = (*found.looked, "people by their numbers, e-mail addresses, ids and records")
    lines = [Line(at=None, tone=Tone.INFO, words=f"Looked at {place}.") for place in looked]
    if found.near:
        lines.append(Line(at=None, tone=Tone.INFO, words=f"Near: {', '.join(found.near)}"))
    if unread:
        words = f"Stored and not read yet: {unread}. It may be among them."
    else:
        words = "Whatever arrived has been read. Did the shop send it? `connector accounts check` asks."
    lines.append(Line(at=None, tone=Tone.INFO, words=words))
    title = f"Nothing is known of {found.term!r}"
    return Story(title=hide_phones(title), tone=Tone.INFO, outcome="not found", lines=hidden(lines), found=False)


def _arrival(event: EventRow, request: RequestRow | None) -> Iterator[Line]:
    name = event.label or event.subject
    what = f"{event.type}: {name if is_number(name) else quoted(name)} at {event.account}"
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
        words = f"Nothing was sent ({spoken(told.reason)}). {why}".strip()
        yield Line(at=told.at, tone=tone, words=words, depth=1)


def _said(row: InboundRow) -> Line:
    # What people wrote is theirs: that they wrote is enough here.
    words = {
        "reply": f"They answered ({row.word}).",
        "preference": f"They chose {row.word} for {row.words or 'messages'}.",
    }.get(row.kind, f"{row.kind} {row.word}: {quoted(row.words)}")
    return Line(at=row.occurred_at, tone=Tone.INFO, words=words)
