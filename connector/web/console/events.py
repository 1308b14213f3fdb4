"""Events: what happened at shops and CRMs, what was decided about each, and the payload that came."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from flask import Response, make_response, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from connector.flow import explain
from connector.flow.explain import outcome
from connector.flow.inside import test_of
from connector.flow.received import event_of, topic_of
from connector.model import EventId, Permission, Reason, RequestId, State
from connector.store import Transaction, counts, inbox, look
from connector.store.deep import Dug, dig
from connector.store.inbox import ERASED
from connector.store.views import EventFile, EventFilter
from connector.web.console.frame import console, missing, needs, record, refuse, store, tools
from connector.web.console.lists import (
    ID,
    WINDOWS,
    Sheet,
    Span,
    address,
    argument,
    as_csv,
    id_argument,
    label_as,
    number_argument,
    one_of,
    span,
)
from connector.web.console.payloads import Tree, tree
from connector.web.console.sight import sees_people

VERDICTS = {"send": "message planned", "skip": "skipped", "none": "no mapping listens"}
COLUMNS = (
    "event",
    "planned_at",
    "occurred_at",
    "type",
    "account",
    "order",
    "subject",
    "outcome",
    "reasons",
    "messages",
)


def event_filter(stretch: Span) -> tuple[EventFilter, dict[str, str]]:
    """Read which events are asked for from the address, and return what was given as it stands there."""
    verdict, state = one_of("verdict", VERDICTS), one_of("state", tuple(State))
    given = {
        "type": argument("type"),
        "account": argument("account"),
        "verdict": verdict,
        "reason": one_of("reason", tuple(Reason)),
        "mapping": "" if verdict == "none" else argument("mapping"),
        "state": state,
    }
    wanted = EventFilter(
        type=given["type"], account=given["account"], verdict=verdict, reason=given["reason"],
        mapping=given["mapping"], state=State(state) if state else None, since=stretch.since, until=stretch.until,
    )  # fmt: skip
    return wanted, {**{name: value for name, value in given.items() if value}, **stretch.given}


def within(tx: Transaction, wanted: EventFilter, term: str, before: int | None) -> tuple[EventFilter, Dug | None]:
    """Narrow a filter to events whose stored bytes hold a text; for those alone who may see people."""
    test = test_of(term)
    if test is None or not sees_people():
        return wanted, None
    dug = dig(tx, test, account=wanted.account, since=wanted.since, until=wanted.until, before=before)
    return replace(wanted, request_ids=dug.request_ids), dug


@console.get("/events")
@needs(Permission.LOOK)
def events() -> str | Response:
    """List events and what was decided about each."""
    stretch = span()
    wanted, given = event_filter(stretch)
    term, before, deeper = argument("q"), id_argument("before"), number_argument("deeper")
    if request.args.get("format") == "csv":
        return _as_file(wanted, term, deeper, given)
    with store().read() as tx:
        narrowed, dug = within(tx, wanted, term, deeper)
        rows = look.list_events(tx, narrowed, before=before, most=look.PAGE + 1)
        return render_template(
            "console/events.html",
            rows=rows[: look.PAGE],
            older=rows[look.PAGE - 1].id if len(rows) > look.PAGE else "",
            ever=bool(rows) or bool(look.list_events(tx, EventFilter(), most=1)),
            choices=_choices(tx),
            given=given,
            sifting=bool(given.keys() - {"verdict", "window"}),
            term=term,
            dug=dug,
            before=before,
            stretch=stretch,
            windows=WINDOWS,
            verdicts=VERDICTS,
            address=address,
            unread=counts.troubled(tx),
        )


def _choices(tx: Transaction) -> Mapping[str, Sequence[str]]:
    return {
        "type": look.event_types(tx),
        "account": sorted(look.account_names(tx).values()),
        "mapping": look.mapping_names(tx),
        "reason": tuple(Reason),
        "state": tuple(State),
    }


def _as_file(wanted: EventFilter, term: str, deeper: int | None, given: Mapping[str, str]) -> Response:
    with store().read() as tx:
        narrowed, _ = within(tx, wanted, term, deeper)
    reading, whole = store(), sees_people()

    def page(last: str, most: int) -> list[tuple[str, Sequence[object]]]:
        with reading.read() as tx:
            rows = look.list_events(tx, narrowed, before=last, most=most)
        return [
            (
                row.id,
                (
                    row.id, row.planned_at, row.occurred_at, row.type, row.account,
                    label_as(row.label, whole=whole), label_as(row.subject, whole=whole), outcome(row)[1],
                    " ".join(dict.fromkeys(told.reason for told in row.decisions if told.reason)),
                    " ".join(told.message_id for told in row.decisions if told.message_id),
                ),
            )
            for row in rows
        ]  # fmt: skip

    return as_csv(Sheet(name="event", columns=COLUMNS, page=page), [*given, *(["q"] if term else [])])


@console.get("/events/<id_>")
@needs(Permission.LOOK)
def event(id_: str) -> str | AnyResponse:
    """Show one event: its payload, every decision about it step by step, and what followed."""
    with store().read() as tx:
        file = look.event_file(tx, id_) if ID.fullmatch(id_) else None
        if file is None:
            return missing("event")
        people = explain.people_of(tx, [file])
        payload = _payload(tx, file)
        stored = inbox.load(tx, [RequestId(file.event.request_id)]) if file.request else {}
        unread = counts.troubled(tx)
    headers: Mapping[str, str] = {}
    for leased in stored.values():
        headers = leased.request.headers if leased.words != ERASED else {}
    return render_template(
        "console/event.html",
        file=file,
        row=file.event,
        story=explain.tell_event(file),
        people=people,
        payload=payload,
        headers=dict(sorted(headers.items())),
        mappings=list(dict.fromkeys(told.mapping for told in file.event.decisions)),
        unread=unread,
    )


def _payload(tx: Transaction, file: EventFile) -> Tree | None:
    desk = tools().desk
    found = event_of(tx, desk.accounts, EventId(file.event.id))
    if found is None:
        return None
    topic = topic_of(desk.accounts.receiver(found[0]), file.event.type)
    return tree(found[1].payload, topic.fields if topic else ())


@console.get("/events/<id_>/raw")
@needs(Permission.SEE_PEOPLE)
def event_raw(id_: str) -> AnyResponse:
    """Hand out the bytes that brought an event."""
    with store().read() as tx:
        rows = look.list_events(tx, EventFilter(ids=[id_])) if ID.fullmatch(id_) else []
    return raw(rows[0].request_id, f"event {id_}") if rows else missing("event")


def raw(number: int, what: str) -> AnyResponse:
    """Hand out the bytes of a stored request, and enter that in the audit log."""
    with store().read() as tx:
        stored = inbox.load(tx, [RequestId(number)]).get(RequestId(number))
    if stored is None:
        return missing("request")
    if stored.words == ERASED:
        return refuse(410, "The bytes are gone", "This request was emptied when a person was erased.")
    record("request.downloaded", str(number), f"The bytes of {what}.", bytes=len(stored.request.body))
    answer = make_response(stored.request.body)
    is_json = _is_json(stored.request.body)
    answer.headers["Content-Type"] = "application/json" if is_json else "application/octet-stream"
    name = f"request-{number}.{'json' if is_json else 'bin'}"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True
