"""Replay: walk stored requests again, on purpose; first said what that would meet, then done."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from connector.flow import replay as flow
from connector.flow import tasks
from connector.flow.replay import Source
from connector.model import Permission
from connector.store import Transaction, look
from connector.store.inbox import UNREAD
from connector.store.views import EventFilter
from connector.web.console.events import event_filter, within
from connector.web.console.frame import actor, console, needs, record, refuse, say, store, tools
from connector.web.console.lists import ID, argument, number_argument, one_of, span

MOST = 20_000
"""Requests of one replay; the newest."""


@console.get("/replay")
@needs(Permission.REPLAY)
def replay() -> str | AnyResponse:
    """Say what a replay would take, and what de-duplication would swallow; changes nothing."""
    source = Source(one_of("source", tuple(Source), Source.MAPPING.value))
    with store().read() as tx:
        ids, what = _chosen(tx)
    if not ids:
        return refuse(
            404, "There is nothing to replay", "No stored request is behind what was chosen.", "Choose again."
        )
    plan = flow.survey_requests(store(), ids, source)
    return render_template(
        "console/replay.html",
        plan=plan,
        words=list(plan.words()),
        what=what,
        capped=len(ids) >= MOST,
        most=MOST,
        at_once=flow.AT_ONCE,
        sources=Source,
        kept={name: request.args.getlist(name) for name in request.args if name != "source"},
        back=_back(),
    )


def _chosen(tx: Transaction) -> tuple[list[int], str]:
    """Return the requests that the address names: rows that were checked, else all that a filter shows."""
    events = [id_ for id_ in request.args.getlist("event") if ID.fullmatch(id_)][:MOST]
    numbers = [int(each) for each in request.args.getlist("request") if each.isascii() and each.isdigit()][:MOST]
    numbers = [number for number in numbers if number < 2**63]
    if events or numbers:
        found = look.requests_behind(tx, EventFilter(ids=events), MOST) if events else []
        many = len(events) + len(numbers)
        kind = "event" if events and not numbers else "request"
        return [*found, *numbers], f"{many:,} {kind}{'' if many == 1 else 's'} that you have chosen"
    if state := one_of("requests", (*UNREAD, "unread")):
        states = UNREAD if state == "unread" else (state,)
        found = [row.id for row in look.list_requests(tx, states, most=MOST)]
        return found, "every request that could not be read"
    if "events" not in request.args:
        return [], ""
    stretch = span()
    wanted, _ = event_filter(stretch)
    narrowed, _ = within(tx, wanted, argument("q"), number_argument("deeper"))
    return look.requests_behind(tx, narrowed, MOST), f"all events that your filter shows ({stretch.words})"


def _back() -> str:
    only = request.args.getlist("event")
    return url_for("console.event", id_=only[0]) if len(only) == 1 and ID.fullmatch(only[0]) else "/events"


@console.post("/replay")
@needs(Permission.REPLAY)
def replay_now() -> AnyResponse:
    """Put the requests back: few at once, many as a task."""
    given = request.form.get("requests", "").split()
    ids = sorted({int(each) for each in given if each.isascii() and each.isdigit() and len(each) < 19})[:MOST]
    source = request.form.get("source", "")
    if not ids or source not in tuple(Source):
        return refuse(400, "Nothing was chosen", "The form came without what is to be replayed.", "Begin again.")
    plan = flow.survey_requests(store(), ids, Source(source))
    told = {"requests": plan.requests, "source": source, "known_events": plan.events}
    if plan.requests > flow.AT_ONCE:
        task = flow.begin(store(), plan, actor().name)
        tools().queue.ring(tasks.JOB)
        record("request.replayed", task, f"{plan.requests:,} requests, from the {source}", **told)
        return redirect(f"/tasks/{task}", 303)
    done = flow.run(store(), plan)
    tools().queue.ring("decide")
    record("request.replayed", str(ids[0]) if len(ids) == 1 else "", f"{done} put back", put_back=done, **told)
    busy = plan.requests - done
    rest = f" {busy} are being worked on just now, and were left alone." if busy else ""
    say(f"{done} put back into the inbox.{rest} What comes of it appears here within seconds.")
    return redirect(_return_to(request.form.get("back", "")), 303)


def _return_to(path: str) -> str:
    return path if path == "/events" or (path.startswith("/events/") and ID.fullmatch(path[8:])) else "/events"
