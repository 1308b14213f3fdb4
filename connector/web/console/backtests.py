"""Backtests: begin one, and read what it came to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flask import make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from connector.errors import ConfigurationError
from connector.flow import backtest, mask
from connector.flow.bubble import Bubble, fill
from connector.flow.rehearse import Outcome
from connector.flow.story import spoken
from connector.model import Permission
from connector.store import past
from connector.store import tasks as rows
from connector.store.mappings import MappingRow
from connector.store.tasks import Task
from connector.web.console.frame import console, needs, record, store, tools
from connector.web.console.mappings import find_row, head, of_mapping
from connector.web.console.sight import sees_people
from connector.web.console.tasks import SHOWN, begin

MOST_REPORTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One of the ten previews."""

    event_id: str
    label: str
    tone: str
    words: str
    bubble: Bubble | None


@console.get("/mappings/<path:name>/backtest")
@needs(Permission.LOOK)
@of_mapping
def backtests(row: MappingRow) -> str:
    """Offer a backtest, and list those of the last 30 days."""
    return _draw(row)


@console.post("/mappings/<path:name>/backtest")
@needs(Permission.EDIT_MAPPINGS)
@of_mapping
def begin_backtest(row: MappingRow) -> AnyResponse:
    """Begin a backtest in the background, and go where it can be watched."""
    which, window = request.form.get("which", "draft")[:12], request.form.get("window", "7d")
    try:
        wanted = backtest.want(store(), row.name, which, window, request.form.get("chosen", "")[:20_000])
    except ConfigurationError as error:
        return make_response(_draw(row, str(error)), 422)
    id_ = begin(backtest.KIND, wanted.args(), wanted.words())
    record("mapping.backtested", row.name, wanted.words(), task=id_)
    return redirect(url_for("console.task", id_=id_), 303)


def _draw(row: MappingRow, trouble: str = "") -> str:
    with store().read() as tx:
        reports = [task for task in rows.listing(tx, backtest.KIND, most=200) if task.args.get("name") == row.name]
    return render_template(
        "console/mapping_backtest.html", reports=reports[:MOST_REPORTS], trouble=trouble,
        windows=backtest.WINDOWS, given=request.form or request.args, draft=row.draft, **head(row, "backtest"),
    )  # fmt: skip


def show(task: Task) -> Mapping[str, Any]:
    """Return what the report's page needs beside the report: names of events, and previews worked out again."""
    ids = {*_events(task.result), *task.result.get("previews", ())}
    with store().read() as tx:
        labels = past.labels(tx, sorted(ids))
    row = find_row(str(task.args.get("name", "")))
    is_draft = row is not None and row.draft == task.args.get("source")
    stands = head(row, "backtest") if row is not None else {}
    return {
        "labels": labels,
        "previews": _previews(task, labels),
        "differs": not is_draft,
        "publishable": is_draft and (stands["changed"] or stands["current"] is None),
    }


def _events(told: Mapping[str, Any]) -> Iterator[str]:
    """Yield every event that a report names."""
    for group in ("skips", "blanks", "left_out", "misfits", "cut"):
        for count in told.get(group, {}).values():
            yield from count["events"]
    singles = {**told, **told.get("compared", {})}
    for single in ("quiet", "paused", "really", "more", "fewer", "other"):
        yield from singles.get(single, {}).get("events", ())


def _previews(task: Task, labels: Mapping[str, str]) -> list[Shown]:
    outcomes = backtest.rehearse(tools(), task.args, task.result.get("previews", ()))
    sees = bool(outcomes) and sees_people()
    return [_preview(outcome, labels, sees=sees) for outcome in outcomes]


def _preview(outcome: Outcome, labels: Mapping[str, str], *, sees: bool) -> Shown:
    id_, send = str(outcome.came.id), outcome.send
    words = f"skipped: {spoken(outcome.reason)}" if send is None else "would be sent"
    if outcome.held_until is not None:
        words = f"held until {outcome.held_until:%d %b %H:%M} UTC"
    template = outcome.situation.template(send.template, send.language) if send is not None else None
    bubble = None
    if template is not None and send is not None:
        texts = send.slots if sees else {key: mask.text(value) for key, value in send.slots.items()}
        bubble = fill(template, texts)
    return Shown(
        event_id=id_, label=labels.get(id_, ""), tone="skip" if send is None else "ok", words=words, bubble=bubble
    )


SHOWN[backtest.KIND] = show
