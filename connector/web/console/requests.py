"""Requests: whatever vendors posted, as it came, and what came of it. First of all what produced nothing."""

from __future__ import annotations

from collections.abc import Sequence

from flask import render_template
from werkzeug.wrappers import Response as AnyResponse

from connector.errors import PayloadError
from connector.flow.explain import tell_request
from connector.flow.inside import test_of
from connector.flow.received import tell_requests
from connector.model import Json, Permission, RequestId, parse_json
from connector.store import counts, inbox, look
from connector.store.deep import dig
from connector.store.inbox import BARREN, ERASED, UNREAD, RequestState
from connector.web.console.events import raw
from connector.web.console.frame import console, missing, needs, store, tools
from connector.web.console.lists import WINDOWS, address, argument, number_argument, one_of, span
from connector.web.console.payloads import tree
from connector.web.console.sight import sees_people

SHOWN = {
    "": BARREN,
    "all": (),
    "unread": UNREAD,
    **{state.value: (state.value,) for state in RequestState},
}


@console.get("/requests")
@needs(Permission.LOOK)
def requests() -> str:
    """List stored requests and what came of each, first of all those that produced nothing."""
    stretch = span("all")
    state, account, topic = one_of("state", SHOWN), argument("account"), argument("topic")
    term, before, deeper = argument("q"), number_argument("before"), number_argument("deeper")
    states: Sequence[str] = SHOWN[state]
    test = test_of(term)
    with store().read() as tx:
        dug = None
        if test is not None and sees_people():
            dug = dig(tx, test, account=account, since=stretch.since, until=stretch.until, before=deeper)
            states = () if not state else states
        rows = look.list_requests(
            tx, states, since=stretch.since, until=stretch.until, account=account, topic=topic,
            ids=dug.request_ids if dug else None, before=before, most=look.PAGE + 1,
        )  # fmt: skip
        shown = rows[: look.PAGE]
        given = {"state": state, "account": account, "topic": topic, **stretch.given}
        return render_template(
            "console/requests.html",
            rows=shown,
            came=tell_requests(tx, tools().desk.accounts, shown),
            older=shown[-1].id if len(rows) > look.PAGE else "",
            numbers=counts.requests_by_state(tx),
            choices={"account": sorted(look.account_names(tx).values())},
            given=(kept := {name: value for name, value in given.items() if value}),
            plain=not (dug or kept.keys() - {"state"}),
            term=term,
            dug=dug,
            before=before,
            stretch=stretch,
            windows=WINDOWS,
            address=address,
            unread=counts.troubled(tx),
        )


@console.get("/requests/<int:number>")
@needs(Permission.LOOK)
def stored_request(number: int) -> str | AnyResponse:
    """Show one stored request: what came of it, and what stands in it."""
    with store().read() as tx:
        rows = look.list_requests(tx, (), ids=[number]) if number < 2**63 else []
        if not rows:
            return missing("request")
        came = tell_requests(tx, tools().desk.accounts, rows)[number]
        leased = inbox.load(tx, [RequestId(number)])[RequestId(number)]
        story = tell_request(rows[0], look.inbound_of(tx, [number]))
        unread = counts.troubled(tx)
    value, text = _read(leased.request.body)
    if text and not sees_people():
        text = ""
    return render_template(
        "console/request.html",
        row=rows[0],
        came=came,
        story=story,
        payload=tree(value) if value is not None and rows[0].words != ERASED else None,
        text=text if rows[0].words != ERASED else "",
        headers=dict(sorted(leased.request.headers.items())),
        unread=unread,
    )


def _read(body: bytes) -> tuple[Json, str]:
    """Return a body as JSON, or else as text."""
    try:
        return parse_json(body), ""
    except PayloadError:
        return None, body[:20_000].decode("utf-8", "replace")


@console.get("/requests/<int:number>/raw")
@needs(Permission.SEE_PEOPLE)
def request_raw(number: int) -> AnyResponse:
    """Hand out the bytes of a stored request."""
    return raw(number, f"request {number}") if number < 2**63 else missing("request")
