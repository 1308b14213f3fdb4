"""Events, messages and people: what came in, what was decided, and what became of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from flask import current_app, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from connector.flow import explain, followed, portrait
from connector.flow.bubble import fill
from connector.model import Permission, State, now
from connector.store import Store, Transaction, counts, find, look
from connector.store.inbox import RequestState
from connector.store.views import BARREN, EventFilter, EventRow, MessageFilter
from connector.web.console.frame import console, missing, needs

WINDOWS: Mapping[str, tuple[str, timedelta | None]] = {
    "1d": ("24 hours", timedelta(days=1)),
    "7d": ("7 days", timedelta(days=7)),
    "30d": ("30 days", timedelta(days=30)),
    "all": ("everything", None),
}
VERDICTS = {"send": "message planned", "skip": "skipped", "none": "no mapping listens"}
_ID = re.compile(r"[0-9a-z]{1,26}")


@console.get("/")
@needs(Permission.LOOK)
def start() -> AnyResponse:
    """Begin at the messages."""
    return redirect(url_for("console.messages"), 303)


@console.get("/messages")
@needs(Permission.LOOK)
def messages() -> str:
    """List messages, with the funnel above; a search leads here too."""
    term, mapping, before = _argument("q"), _argument("mapping"), _id("before")
    state = request.args.get("state", "")
    state = state if state in tuple(State) else ""
    window = request.args.get("window", "")
    window = window if window in WINDOWS else "7d"
    length = WINDOWS[window][1]
    since = now() - length if length else None
    with _store().read() as tx:
        searched = _search(tx, term) if term else None
        ids = None if searched is None else searched.message_ids  # found nothing is not: show everything
        wanted = MessageFilter(
            states=(State(state),) if state else (), mapping=mapping, since=None if term else since, ids=ids
        )
        rows = look.list_messages(tx, wanted, before=before, most=look.PAGE + 1)
        return render_template(
            "console/messages.html",
            rows=rows[: look.PAGE],
            older=rows[look.PAGE - 1].id if len(rows) > look.PAGE else "",
            funnel=counts.funnel(tx, since, mapping=mapping),
            ever=bool(rows) or bool(look.list_events(tx, EventFilter(), most=1)),
            mappings=look.mapping_names(tx),
            searched=searched,
            given={"q": term, "state": state, "mapping": mapping, "window": window},
            before=before,
            windows=WINDOWS,
            unread=_unread(tx),
        )


class _Searched:
    """What a search led to: messages, events, and the story of nothing where there is neither."""

    def __init__(self, tx: Transaction, found: find.Found) -> None:
        named = look.list_messages(tx, MessageFilter(ids=found.message_ids))
        events = {message.event_id for message in named} | set(found.event_ids)
        self.events: list[EventRow] = look.list_events(tx, EventFilter(ids=events), most=find.MOST) if events else []
        if found.request_ids:
            self.events += look.list_events(tx, EventFilter(request_ids=found.request_ids), most=find.MOST)
        self.requests = look.list_requests(tx, (), ids=found.request_ids) if found.request_ids else []
        planned = {told.message_id for row in self.events for told in row.decisions if told.message_id}
        self.message_ids = planned | set(found.message_ids)
        whom = portrait.whom(tx, found.term)[: explain.MOST_PEOPLE]
        self.people = [who for id_ in whom if (who := portrait.portray(tx, id_, now()))]
        self.looked = found.looked
        self.near = found.near

    def __bool__(self) -> bool:
        return bool(self.events or self.message_ids or self.requests or self.people)


def _search(tx: Transaction, term: str) -> _Searched:
    return _Searched(tx, find.find(tx, term))


@console.get("/messages/<id_>")
@needs(Permission.LOOK)
def message(id_: str) -> str | AnyResponse:
    """Show one message as the phone shows it, beside its life."""
    with _store().read() as tx:
        file = look.message_file(tx, id_) if _ID.fullmatch(id_) else None
        people = explain.people_of(tx, [file]) if file else []
        unread = _unread(tx)
    if file is None:
        return missing("message")
    return render_template(
        "console/message.html",
        file=file,
        row=file.message,
        bubble=fill(file.template, file.message.slots) if file.template else None,
        story=explain.tell_message(file),
        people=people,
        unread=unread,
    )


@console.get("/events")
@needs(Permission.LOOK)
def events() -> str:
    """List events and what was decided about each."""
    verdict, mapping, before = request.args.get("verdict", ""), _argument("mapping"), _id("before")
    verdict = verdict if verdict in VERDICTS else ""
    with _store().read() as tx:
        wanted = EventFilter(verdict=verdict, mapping="" if verdict == "none" else mapping)
        rows = look.list_events(tx, wanted, before=before, most=look.PAGE + 1)
        return render_template(
            "console/events.html",
            rows=rows[: look.PAGE],
            older=rows[look.PAGE - 1].id if len(rows) > look.PAGE else "",
            mappings=look.mapping_names(tx),
            verdicts=VERDICTS,
            given={"verdict": verdict, "mapping": mapping},
            before=before,
            unread=_unread(tx),
        )


@console.get("/events/<id_>")
@needs(Permission.LOOK)
def event(id_: str) -> str | AnyResponse:
    """Show one event with every decision about it, step by step."""
    with _store().read() as tx:
        file = look.event_file(tx, id_) if _ID.fullmatch(id_) else None
        people = explain.people_of(tx, [file]) if file else []
        unread = _unread(tx)
    if file is None:
        return missing("event")
    story = explain.tell_event(file)
    return render_template("console/event.html", file=file, row=file.event, story=story, people=people, unread=unread)


@console.get("/people/<id_>")
@needs(Permission.LOOK)
def person(id_: str) -> AnyResponse | str:
    """Show one person: where they stand and why, the ledger, labels, records, and the decisions about them."""
    with _store().read() as tx:
        whom = portrait.whom(tx, id_) if _ID.fullmatch(id_) else []
        found = portrait.portray(tx, whom[0], now()) if whom else None
        unread = _unread(tx)
        events = explain.events_about(tx, found) if found else []
    if found is None:
        return missing("person")
    if found.contact.id != id_:  # merged since
        return redirect(url_for("console.person", id_=found.contact.id), 303)
    stories = {story.title.partition(" · ")[2]: story for story in portrait.tell_person(found, whole=True)}
    wishes = [(row, *followed.tell_state(row)) for row in found.wishes]
    return render_template(
        "console/person.html", who=found, stories=stories, wishes=wishes, events=events, tells=followed, unread=unread
    )


@console.get("/requests")
@needs(Permission.LOOK)
def requests() -> str:
    """List stored requests, first of all those that produced nothing."""
    state = request.args.get("state", "")
    states = (state,) if state in tuple(RequestState) else BARREN
    before = request.args.get("before", "")
    last = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
    with _store().read() as tx:
        rows = look.list_requests(tx, states, before=last, most=look.PAGE + 1)
        return render_template(
            "console/requests.html",
            rows=rows[: look.PAGE],
            older=rows[look.PAGE - 1].id if len(rows) > look.PAGE else "",
            numbers=counts.requests_by_state(tx),
            given={"state": state if state in tuple(RequestState) else ""},
            before=last,
            unread=_unread(tx),
        )


def _store() -> Store:
    store: Store = current_app.extensions["connector"].store
    return store


def _unread(tx: Transaction) -> int:
    """How many requests need a person; shown in the navigation only where there are any."""
    return counts.troubled(tx)


def _argument(name: str) -> str:
    return request.args.get(name, "").replace("\0", "").strip()[: find.LONGEST]


def _id(name: str) -> str:
    given = request.args.get(name, "")
    return given if _ID.fullmatch(given) else ""
