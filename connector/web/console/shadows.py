"""Shadow runs: begin one, see what it would have done beside what was really done, stop it."""

from __future__ import annotations

from flask import make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from connector.errors import ConfigurationError
from connector.flow import shadow as flow
from connector.flow.shadow import Report
from connector.flow.story import spoken
from connector.model import Permission
from connector.store import Transaction, mappings, past, shadows
from connector.web.console.frame import actor, console, missing, needs, record, say, store
from connector.web.console.mappings import find_row
from connector.web.console.versions import common


@console.get("/mappings/<path:name>/shadow")
@needs(Permission.LOOK)
def shadow(name: str) -> AnyResponse | str:
    """Show the newest run of a mapping, or offer one."""
    return _draw(name)


@console.post("/mappings/<path:name>/shadow")
@needs(Permission.EDIT_MAPPINGS)
def begin_shadow(name: str) -> AnyResponse | str:
    """Begin a run; an older one of the mapping ends."""
    which = request.form.get("which", "draft")[:12]
    try:
        flow.begin(store(), name, which, actor().name)
    except ConfigurationError as error:
        return make_response(_draw(name, str(error)), 422)
    record("mapping.shadow_begun", name, f"{which}, for up to {flow.LASTS.days} days")
    say("The shadow run has begun. It looks at what comes from now on, and sends nothing.")
    return redirect(url_for("console.shadow", name=name), 303)


@console.post("/mappings/<path:name>/shadow/stop")
@needs(Permission.EDIT_MAPPINGS)
def stop_shadow(name: str) -> AnyResponse:
    """End the run; what it found stays until the next one."""
    if flow.stop(store(), name, actor().name):
        record("mapping.shadow_ended", name)
        say("The shadow run has ended; what it found stays here.")
    return redirect(url_for("console.shadow", name=name), 303)


def _draw(name: str, trouble: str = "") -> AnyResponse | str:
    row = find_row(name)
    if row is None:
        return missing("mapping")
    report = flow.report(store(), name)
    with store().read() as tx:
        versions = mappings.versions(tx, name)
        lists = _lists(tx, report) if report is not None else []
        labels = past.labels(tx, sorted({id_ for _, _, ids in lists for id_ in ids}))
    current = next((version for version in versions if version.version == row.published), None)
    return render_template(
        "console/mapping_shadow.html", report=report, versions=versions, lists=lists, labels=labels, trouble=trouble,
        days=flow.LASTS.days, most=flow.MOST_EVENTS, changed=current is not None and current.source != row.draft,
        **common(name, row, "shadow"),
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
