"""Shadow runs: begin one, see what it would have done beside what was really done, stop it."""

from __future__ import annotations

from flask import make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from connector.errors import ConfigurationError
from connector.flow import shadow as flow
from connector.flow.shadow import Report
from connector.flow.story import spoken
from connector.model import Permission
from connector.store import Transaction, past, shadows
from connector.store.mappings import MappingRow
from connector.web.console.frame import actor, console, needs, record, say, store
from connector.web.console.mappings import head, of_mapping


@console.get("/mappings/<path:name>/shadow")
@needs(Permission.LOOK)
@of_mapping
def shadow(row: MappingRow) -> str:
    """Show the newest run of a mapping, or offer one."""
    return _draw(row)


@console.post("/mappings/<path:name>/shadow")
@needs(Permission.EDIT_MAPPINGS)
@of_mapping
def begin_shadow(row: MappingRow) -> AnyResponse:
    """Begin a run; an older one of the mapping ends."""
    name, which = row.name, request.form.get("which", "draft")[:12]
    try:
        flow.begin(store(), name, which, actor().name)
    except ConfigurationError as error:
        return make_response(_draw(row, str(error)), 422)
    record("mapping.shadow_begun", name, f"{which}, for up to {flow.LASTS.days} days")
    say("The shadow run has begun. It looks at what comes from now on, and sends nothing.")
    return redirect(url_for("console.shadow", name=name), 303)


@console.post("/mappings/<path:name>/shadow/stop")
@needs(Permission.EDIT_MAPPINGS)
@of_mapping
def stop_shadow(row: MappingRow) -> AnyResponse:
    """End the run; what it found stays until the next one."""
    name = row.name
    if flow.stop(store(), name, actor().name):
        record("mapping.shadow_ended", name)
        say("The shadow run has ended; what it found stays here.")
    return redirect(url_for("console.shadow", name=name), 303)


def _draw(row: MappingRow, trouble: str = "") -> str:
    report = flow.report(store(), row.name)
    with store().read() as tx:
        lists = _lists(tx, report) if report is not None else []
        labels = past.labels(tx, sorted({id_ for _, _, ids in lists for id_ in ids}))
    return render_template(
        "console/mapping_shadow.html", report=report, lists=lists, labels=labels, trouble=trouble,
        days=flow.LASTS.days, most=flow.MOST_EVENTS, **head(row, "shadow"),
    )  # fmt: skip


def _lists(tx: Transaction, report: Report) -> list[tuple[str, int, list[str]]]:
    """Return what to look into: words, how many, and the newest events of it."""
    run = report.run
    found = [
        ("Would be sent, and was not", report.more, shadows.examples(tx, run, verdict="send", real="skip")),
        ("Was sent, and would not be", report.fewer, shadows.examples(tx, run, verdict="skip", real="send")),
    ]
    for reason, number in report.skips:
        ids = shadows.examples(tx, run, verdict="skip", reason=reason)
        found.append((f"Would be skipped: {spoken(reason)}", number, ids))
    return [each for each in found if each[1]]
