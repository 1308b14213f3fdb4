"""Work in the background as a page: how far it is, what came of it, and a way to stop it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from flask import abort, jsonify, redirect, render_template, url_for
from jinja2 import TemplateNotFound
from werkzeug.wrappers import Response as AnyResponse

from connector.flow import tasks as flow
from connector.model import Permission
from connector.store import tasks as rows
from connector.store.tasks import Task, TaskState
from connector.web.console.frame import actor, console, missing, needs, record, say, store, tools

SHOWN: dict[str, Callable[[Task], Mapping[str, Any]]] = {}
"""By kind: what its template (``console/task_<kind>.html``) needs beside the task."""
_ID = re.compile(r"[0-9a-z]{1,26}")


def begin(kind: str, args: dict[str, Any], words: str) -> str:
    """Begin work in the background for who is signed in, wake the job, and return the task's id."""
    id_ = flow.begin(store(), kind, args, actor().name, words)
    tools().queue.ring(flow.JOB)
    return id_


@console.get("/tasks/<id_>")
@needs(Permission.LOOK)
def task(id_: str) -> str | AnyResponse:
    """Show one task: its progress while it runs, its result when it has ended."""
    found = _find(id_)
    if found is None:
        return missing("task")
    unheard = found.state is TaskState.WAITING and not tools().queue.ping()
    more = SHOWN[found.kind](found) if found.kind in SHOWN and found.state is TaskState.DONE else {}
    may_stop = actor().may(flow.needs(found))
    return render_template(
        "console/task.html", task=found, unheard=unheard, told=_told(found), may_stop=may_stop, **more
    )


@console.get("/tasks/<id_>/state")
@needs(Permission.LOOK)
def task_state(id_: str) -> AnyResponse:
    """Tell scripts how far a task is."""
    found = _find(id_)
    if found is None:
        return jsonify(error="There is no such task."), 404  # type: ignore[return-value]
    return jsonify(
        id=found.id, kind=found.kind, state=found.state, words=found.words, done=found.done, total=found.total,
        ended=found.has_ended, trouble=found.trouble, stopping=found.cancel_asked and not found.has_ended,
    )  # fmt: skip


@console.post("/tasks/<id_>/cancel")
@needs(Permission.EDIT_MAPPINGS)
def cancel_task(id_: str) -> AnyResponse:
    """Stop a task, at once or as soon as it looks up; that takes what beginning it takes."""
    found = _find(id_)
    if found is None:
        return missing("task")
    if not actor().may(flow.needs(found)):
        abort(403)
    state = flow.cancel(store(), id_)
    record("task.cancelled", id_)
    say("Cancelled." if state is TaskState.CANCELLED else "It stops as soon as it looks up.", "ok")
    return redirect(url_for("console.task", id_=id_), 303)


def _find(id_: str) -> Task | None:
    with store().read() as tx:
        return rows.get(tx, id_) if _ID.fullmatch(id_) else None


def _told(task: Task) -> str:
    """Return the template that shows this kind's results; ``""`` where there is none."""
    from flask import current_app

    name = f"console/task_{task.kind}.html"
    try:
        current_app.jinja_env.get_template(name)
    except TemplateNotFound:
        return ""
    return name
