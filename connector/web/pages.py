"""The pages: what came in, what was decided, and what became of it. Read only, behind a token.

The token of ``PAGE_TOKEN`` opens them once, in the address; from then on a cookie holds a digest of it.
Nothing here changes anything, so there are no forms that post and nothing to forge.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse

from connector.flow import explain, followed, portrait
from connector.flow.bubble import TICKS, fill
from connector.model import State, now
from connector.store import Store, Transaction, counts, find, look
from connector.store.inbox import RequestState
from connector.store.views import BARREN, EventFilter, EventRow, MessageFilter, MessageRow

COOKIE = "connector_page"
COOKIE_SECONDS = 30 * 24 * 3600
WINDOWS: Mapping[str, tuple[str, timedelta | None]] = {
    "1d": ("24 hours", timedelta(days=1)),
    "7d": ("7 days", timedelta(days=7)),
    "30d": ("30 days", timedelta(days=30)),
    "all": ("everything", None),
}
VERDICTS = {"send": "message planned", "skip": "skipped", "none": "no mapping listens"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_ARGUMENTS = ("q", "state", "mapping", "window", "before", "verdict")
_ID = re.compile(r"[0-9a-z]{1,26}")

pages = Blueprint("pages", __name__, template_folder="templates", static_folder="static", static_url_path="/assets")


@pages.before_request
def guard() -> AnyResponse | None:
    """Let in whoever has the token, or the cookie that it bought; without a token configured, nobody."""
    if request.endpoint == "pages.static":
        return None
    token = str(current_app.config.get("PAGE_TOKEN") or "")
    given = request.args.get("token")
    if token and given is not None and _same(given, token):
        # Out of the address bar at once: addresses are remembered, copied and logged.
        rest: dict[str, Any] = {name: request.args[name] for name in _ARGUMENTS if name in request.args}
        answer = redirect(url_for(str(request.endpoint), **(request.view_args or {}) | rest), 303)
        answer.set_cookie(
            COOKIE,
            _digest(token),
            max_age=COOKIE_SECONDS,
            secure=request.is_secure,
            httponly=True,
            samesite="Strict",
        )
        return answer
    if token and given is None and _same(request.cookies.get(COOKIE, ""), _digest(token)):
        return None
    return make_response(render_template("locked.html", wrong=given is not None), 401)


@pages.after_request
def seal(answer: Response) -> Response:
    """Put the security headers on every answer of these pages."""
    answer.headers.update(HEADERS)
    if request.endpoint != "pages.static":
        answer.headers["Cache-Control"] = "no-store"
    return answer


@pages.get("/")
def start() -> AnyResponse:
    """Begin at the messages."""
    return redirect(url_for("pages.messages"), 303)


@pages.get("/messages")
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
            "messages.html",
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


@pages.get("/messages/<id_>")
def message(id_: str) -> str | tuple[str, int]:
    """Show one message as the phone shows it, beside its life."""
    with _store().read() as tx:
        file = look.message_file(tx, id_) if _ID.fullmatch(id_) else None
        people = explain.people_of(tx, [file]) if file else []
        unread = _unread(tx)
    if file is None:
        return render_template("missing.html", what="message", unread=unread), 404
    return render_template(
        "message.html",
        file=file,
        row=file.message,
        bubble=fill(file.template, file.message.slots) if file.template else None,
        story=explain.tell_message(file),
        people=people,
        unread=unread,
    )


@pages.get("/events")
def events() -> str:
    """List events and what was decided about each."""
    verdict, mapping, before = request.args.get("verdict", ""), _argument("mapping"), _id("before")
    verdict = verdict if verdict in VERDICTS else ""
    with _store().read() as tx:
        wanted = EventFilter(verdict=verdict, mapping="" if verdict == "none" else mapping)
        rows = look.list_events(tx, wanted, before=before, most=look.PAGE + 1)
        return render_template(
            "events.html",
            rows=rows[: look.PAGE],
            older=rows[look.PAGE - 1].id if len(rows) > look.PAGE else "",
            mappings=look.mapping_names(tx),
            verdicts=VERDICTS,
            given={"verdict": verdict, "mapping": mapping},
            before=before,
            unread=_unread(tx),
        )


@pages.get("/events/<id_>")
def event(id_: str) -> str | tuple[str, int]:
    """Show one event with every decision about it, step by step."""
    with _store().read() as tx:
        file = look.event_file(tx, id_) if _ID.fullmatch(id_) else None
        people = explain.people_of(tx, [file]) if file else []
        unread = _unread(tx)
    if file is None:
        return render_template("missing.html", what="event", unread=unread), 404
    story = explain.tell_event(file)
    return render_template("event.html", file=file, row=file.event, story=story, people=people, unread=unread)


@pages.get("/people/<id_>")
def person(id_: str) -> AnyResponse | str | tuple[str, int]:
    """Show one person: where they stand and why, the ledger, labels, records, and the decisions about them."""
    with _store().read() as tx:
        whom = portrait.whom(tx, id_) if _ID.fullmatch(id_) else []
        found = portrait.portray(tx, whom[0], now()) if whom else None
        unread = _unread(tx)
        events = explain.events_about(tx, found) if found else []
    if found is None:
        return render_template("missing.html", what="person", unread=unread), 404
    if found.contact.id != id_:  # merged since
        return redirect(url_for("pages.person", id_=found.contact.id), 303)
    stories = {story.title.partition(" · ")[2]: story for story in portrait.tell_person(found, whole=True)}
    wishes = [(row, *followed.tell_state(row)) for row in found.wishes]
    return render_template(
        "person.html", who=found, stories=stories, wishes=wishes, events=events, tells=followed, unread=unread
    )


@pages.get("/requests")
def requests() -> str:
    """List stored requests, first of all those that produced nothing."""
    state = request.args.get("state", "")
    states = (state,) if state in tuple(RequestState) else BARREN
    before = request.args.get("before", "")
    last = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
    with _store().read() as tx:
        rows = look.list_requests(tx, states, before=last, most=look.PAGE + 1)
        return render_template(
            "requests.html",
            rows=rows[: look.PAGE],
            older=rows[look.PAGE - 1].id if len(rows) > look.PAGE else "",
            numbers=counts.requests_by_state(tx),
            given={"state": state if state in tuple(RequestState) else ""},
            before=last,
            unread=_unread(tx),
        )


@pages.app_template_filter("moment")
def show_moment(at: datetime | None) -> Markup:
    """Draw a moment; the script of the page turns it into the viewer's own zone."""
    if at is None:
        return Markup("")
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        utc.isoformat(timespec="milliseconds").replace("+00:00", "Z"), f"{utc:%d %b %H:%M} UTC"
    )


pages.add_app_template_filter(explain.hide_phone, "phone")
pages.add_app_template_filter(explain.hide_phones, "hide_phones")
pages.add_app_template_filter(explain.outcome, "outcome")


@pages.app_template_filter("plain")
def plain(word: str) -> str:
    """Write a word of the database as people do."""
    return str(word).replace("_", " ")


@pages.app_template_filter("ticks")
def ticks(row: MessageRow) -> object:
    """Return the signs that say how far a message has come."""
    return TICKS[row.state]


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


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode("utf-8", "replace"))


def _digest(token: str) -> str:
    return hmac.new(token.encode("utf-8", "replace"), b"connector page cookie", hashlib.sha256).hexdigest()
