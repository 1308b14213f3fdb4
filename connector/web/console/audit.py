"""The audit log: who did what to what, who looked at whose data; to read, to narrow down, to take away."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Response, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from connector.model import Permission
from connector.store import Store, audit, users
from connector.store.audit import Entry
from connector.web.console.frame import console, needs, record, store

PAGE, BATCH = 100, 1000
COLUMNS = ("at", "actor", "actor_name", "action", "object", "words", "address", "details", "id")
OTHERS = {"command": "the command line", "system": "the service itself", "unknown": "somebody unknown"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_ID = re.compile(r"[0-9a-z]{26}")
_PAGES = {"user": "/team/", "person": "/people/", "mapping": "/mappings/", "account": "/accounts/", "key": "/keys#"}


@console.get("/audit")
@needs(Permission.EDIT_TEAM)
def audit_page() -> str:
    """Show entries, the newest first."""
    given, wanted = _asked()
    before = request.args.get("before", "")
    before = before if _ID.fullmatch(before) else ""
    with store().read() as tx:
        rows = audit.listing(tx, before=before, most=PAGE + 1, **wanted)
        people = {row.id: row.name for row in users.all_(tx)}
    return render_template(
        "console/audit.html", rows=rows[:PAGE], given=given, before=before, people=people | OTHERS, where=where,
        older=rows[PAGE - 1].id if len(rows) > PAGE else "", narrowed=any(given.values()),
    )  # fmt: skip


@console.get("/audit/export")
@needs(Permission.EDIT_TEAM)
def export_audit() -> AnyResponse:
    """Give out what the page shows, all of it: CSV for a spreadsheet, or JSON lines."""
    given, wanted = _asked()
    form = "jsonl" if request.args.get("format") == "jsonl" else "csv"
    record("audit.exported", words=form, narrowed={name: value for name, value in given.items() if value})
    rows = _all(store(), wanted)
    lines = map(_line, rows) if form == "jsonl" else _as_csv(rows)
    kind = "application/x-ndjson" if form == "jsonl" else "text/csv"
    answer = Response(lines, content_type=f"{kind}; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="audit-{datetime.now(UTC):%Y-%m-%d}.{form}"'
    return answer


def where(entry: Entry) -> str:
    """Return the page of what an entry is about, or nothing."""
    if entry.action.startswith("person.seen"):
        return entry.object
    path = _PAGES.get(entry.action.partition(".")[0], "")
    if entry.action.startswith("user.invit"):
        return "/team"
    return f"{path}{entry.object}" if path and entry.object else ""


def safe_cell(value: Any) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _asked() -> tuple[dict[str, str], dict[str, Any]]:
    """Return what was typed, and what it means to the store."""
    given = {name: request.args.get(name, "").replace("\0", "").strip()[:100] for name in ("actor", "action", "object")}
    given |= {name: request.args.get(name, "")[:10] for name in ("since", "until")}
    since, until = _day(given["since"]), _day(given["until"])
    given["since"], given["until"] = given["since"] if since else "", given["until"] if until else ""
    wanted = {"actor": given["actor"], "action": given["action"], "object_": given["object"], "since": since}
    return given, wanted | {"until": until + timedelta(days=1) if until else None}


def _day(text: str) -> datetime | None:
    try:
        found = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    return found if 2000 <= found.year < 3000 else None


def _all(from_: Store, wanted: dict[str, Any]) -> Iterator[Entry]:
    """Yield entries batch by batch, each in a transaction of its own, so that nothing waits for a slow reader."""
    before = ""
    while True:
        with from_.read() as tx:
            rows = audit.listing(tx, before=before, most=BATCH, **wanted)
        yield from rows
        if len(rows) < BATCH:
            return
        before = rows[-1].id


def _line(entry: Entry) -> str:
    told = asdict(entry) | {"at": entry.at.isoformat()}
    return json.dumps({name: told[name] for name in COLUMNS}, ensure_ascii=False, default=str) + "\n"


def _as_csv(rows: Iterator[Entry]) -> Iterator[str]:
    yield _row(COLUMNS)
    for entry in rows:
        told = asdict(entry) | {"at": entry.at.isoformat(), "details": json.dumps(dict(entry.details), default=str)}
        yield _row([safe_cell(told[name]) for name in COLUMNS])


def _row(cells: Any) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()
