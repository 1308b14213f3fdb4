"""Bulk API 2.0, never waiting: ``start`` hands a file over, each ``finish`` asks once.

One job an object, with a column for every field that any of its rows sets: an empty cell leaves a field alone, and
``#N/A`` clears it. Source: Bulk API 2.0 and Bulk API Developer Guide, "Prepare CSV files", "Ingest" (API 64.0).
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adapters.salesforce.client import Client
from adapters.salesforce.errors import MINUTE, bulk_errors, coded, named_fields, row_fault, tidy, unreadable
from adapters.salesforce.fit import by_name, misfits
from adapters.salesforce.ids import long_id
from adapters.salesforce.rows import Batch, Row
from connector.contract import Outcome
from connector.errors import PermanentError, RemoteError, TemporaryError
from connector.model import Json, text_at

JOB_MOST = 10_000
"""Rows of one job: what it refuses is then read in one answer."""
NULL = "#N/A"
ENDS = frozenset({"JobComplete", "Failed", "Aborted"})
_PATH = "jobs/ingest"
_JOB = re.compile(r"[A-Za-z0-9]{15,18}")


def start(client: Client, batch: Batch) -> str:
    """Hand the rows over, object by object; return a ticket: the jobs, and what was refused before.

    Raises a RemoteError.
    """
    objects: dict[str, list[Row]] = {}
    for row in batch.rows:
        objects.setdefault(row.object, []).append(row)
    jobs = []
    for name, rows in objects.items():
        _sift(client, batch, name, rows)
        filled = [row for row in rows if row.values]
        parts = (filled[first : first + JOB_MOST] for first in range(0, len(filled), JOB_MOST))
        jobs += [{"id": _hand_over(client, name, part), "object": name} for part in parts]
    refused = [_note(batch, place, error) for place, error in batch.errors.items()]
    return json.dumps({"jobs": jobs, "refused": refused}, separators=(",", ":"))


def finish(client: Client, ticket: str, batch: Batch) -> Sequence[Outcome] | None:
    """Return the outcomes, or None while a job is under way. Raises a RemoteError."""
    try:
        jobs, refused = _read_ticket(ticket)
    except (ValueError, KeyError, TypeError):
        lost = TemporaryError("The ticket of this bulk write cannot be read; the changes are written again.")
        return [Outcome(change, lost) for change in batch.changes]
    states: list[Mapping[str, Json]] = []
    for job in jobs:
        told = _state(client, job["id"])
        if text_at(told, "state") not in ENDS:
            return None
        states.append(told)
    rows = {(row.object, row.id): row for row in batch.rows}
    for job, told in zip(jobs, states, strict=True):
        _judge(client, batch, job, told, rows)
    for name, record_id, field, code, words, passing in refused:
        if row := rows.get((name, record_id)):
            kind = TemporaryError if passing else PermanentError
            batch.refuse(row, [field], kind(words, code=code, advice=coded(code).advice))
    return batch.outcomes()


def _sift(client: Client, batch: Batch, name: str, rows: Sequence[Row]) -> None:
    """Take out what would fail the whole job: fields that are not there, or may not be edited."""
    if not any(row.values for row in rows):
        return
    try:
        fields = by_name(client.describe(name))
    except PermanentError as error:
        for row in rows:
            batch.refuse(row, row.values, error)
        return
    for row in rows:
        for field, misfit in misfits(fields, row.values).items():
            batch.refuse(row, [field], misfit)


def _hand_over(client: Client, name: str, rows: Sequence[Row]) -> str:
    made = client.rest(
        "POST", _PATH, {"object": name, "operation": "update", "contentType": "CSV", "lineEnding": "LF"}
    )  # fmt: skip
    job = text_at(made, "id")
    if not _JOB.fullmatch(job):
        raise unreadable(200)
    client.upload(f"{_PATH}/{job}/batches", _written(rows))
    client.rest("PATCH", f"{_PATH}/{job}", {"state": "UploadComplete"})
    return job


def _written(rows: Sequence[Row]) -> bytes:
    columns = sorted({name for row in rows for name in row.values})
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["Id", *columns])
    for row in rows:
        writer.writerow([row.id, *(_cell(row.values[name]) if name in row.values else "" for name in columns)])
    return text.getvalue().encode("utf-8", "replace")


def _cell(value: Json) -> str:
    if value is None or value == "":
        return NULL
    return str(value).lower() if isinstance(value, bool) else str(value)


def _state(client: Client, job: str) -> Mapping[str, Json]:
    try:
        told = client.rest("GET", f"{_PATH}/{job}")
    except PermanentError as error:
        if error.code not in ("NOT_FOUND", "INVALIDJOB"):
            raise
        return {"state": "Aborted"}  # deleted after seven days, or by somebody
    if not isinstance(told, Mapping) or not text_at(told, "state"):
        raise unreadable(200)
    return told


def _judge(
    client: Client, batch: Batch, job: Mapping[str, str], told: Mapping[str, Json], rows: Mapping[tuple[str, str], Row]
) -> None:
    """Note what a job that is over did not write."""
    complete = text_at(told, "state") == "JobComplete"
    if complete and text_at(told, "numberRecordsFailed") == "0":
        return
    failed: dict[str, str] = {}
    if text_at(told, "numberRecordsFailed") not in ("", "0") or complete:
        failed = dict(_failures(client.download(f"{_PATH}/{job['id']}/failedResults")))
    for record_id, text in failed.items():
        if row := rows.get((job["object"], record_id)):
            _refuse(batch, row, text)
    if not complete:
        said = tidy(text_at(told, "errorMessage"))
        words = f"The bulk job ended as {text_at(told, 'state')}{f': {said}' if said else ''}."
        again = TemporaryError(words, retry_after=MINUTE, advice="Nothing to do; the changes are written again.")
        for (name, record_id), row in rows.items():
            if name == job["object"] and record_id not in failed:
                batch.refuse(row, row.asked, again)


def _refuse(batch: Batch, row: Row, text: str) -> None:
    """Note a refused row; where one field is to blame the others are worth another try."""
    errors = bulk_errors(text)
    error: RemoteError = row_fault(errors)
    blamed = named_fields(errors) & row.asked.keys()
    if blamed and isinstance(error, PermanentError) and len(blamed) < len(row.asked):
        again = TemporaryError("Not written, because of another field of the record.", retry_after=1, code=error.code)
        batch.refuse(row, row.asked.keys() - blamed, again)
        batch.refuse(row, blamed, error)
    else:
        batch.refuse(row, row.asked, error)


def _failures(text: str) -> Iterator[tuple[str, str]]:
    try:
        for line in csv.DictReader(io.StringIO(text, newline="")):
            record_id = long_id((line.get("Id") or line.get("sf__Id") or "").strip())
            if record_id:
                yield record_id, line.get("sf__Error") or ""
    except csv.Error:
        raise unreadable(200) from None


def _note(batch: Batch, place: int, error: RemoteError) -> list[Any]:
    change = batch.changes[place]
    passing = isinstance(error, TemporaryError)
    return [change.object, long_id(change.record_id), change.field, error.code, error.words, passing]


def _read_ticket(ticket: str) -> tuple[list[dict[str, str]], list[Any]]:
    read = json.loads(ticket)
    if not all(_JOB.fullmatch(job["id"]) and isinstance(job["object"], str) for job in read["jobs"]):
        raise ValueError("a job without an id")
    return read["jobs"], [[*entry] for entry in read["refused"]]
