"""Bulk 2.0: jobs that take rows as CSV, are worked off after some polls, and tell what became of each row."""

from __future__ import annotations

import csv
import io
import itertools
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connector.sandbox.salesforce.faults import NOWHERE, OrgError, RowError
from connector.sandbox.salesforce.objects import OBJECTS
from connector.sandbox.salesforce.records import whole_id
from connector.sandbox.salesforce.values import from_csv
from connector.sandbox.transport import Answer, Call, as_json

CSV_TYPE = "text/csv; charset=UTF-8"
_STATES = ("UploadComplete", "Aborted")
_WORDS = {"update": "update", "insert": "insert", "delete": "delete"}
_RESULTS = ("successfulResults", "failedResults", "unprocessedrecords")

Write = Callable[[str, str, Mapping[str, Any]], str]
"""Operation, object, and the row's fields (Id among them) -> the record's id. Raises RowError."""


@dataclass(slots=True)
class _Job:
    """One job; ``done`` and ``failed`` hold lines of CSV."""

    id: str
    object: str
    operation: str
    state: str = "Open"
    names: Sequence[str] = ()
    rows: list[dict[str, str]] = field(default_factory=list)
    polls: int = 0
    words: str | None = None
    done: list[list[str]] = field(default_factory=list)
    failed: list[list[str]] = field(default_factory=list)

    def told(self, version: str) -> dict[str, Any]:
        """Return it as its status is told."""
        return {
            "id": self.id, "object": self.object, "operation": self.operation, "state": self.state,
            "contentType": "CSV", "apiVersion": float(version.removeprefix("v")), "lineEnding": "LF",
            "columnDelimiter": "COMMA", "concurrencyMode": "Parallel", "jobType": "V2Ingest",
            "contentUrl": f"services/data/{version}/jobs/ingest/{self.id}/batches",
            "numberRecordsProcessed": len(self.done) + len(self.failed), "numberRecordsFailed": len(self.failed),
            "retries": 0, **({"errorMessage": self.words} if self.words else {}),
        }  # fmt: skip


class Jobs:
    """The org's ingest jobs; safe to use from many threads."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._turn = itertools.count(1)
        self._of: dict[str, _Job] = {}

    def answer(self, call: Call, path: Sequence[str], *, polls: int, fails: bool) -> Answer:
        """Answer below ``jobs/ingest``. Raises OrgError."""
        version = call.path[2]
        with self._lock:
            match call.method, list(path):
                case "POST", []:
                    return as_json(self._create(_json(call)).told(version))
                case "GET", [job_id]:
                    return as_json(self._polled(self._job(job_id), polls, fails=fails).told(version))
                case "PUT", [job_id, "batches"]:
                    self._load(self._job(job_id), call.body)
                    return Answer(status=201)
                case "PATCH", [job_id]:
                    return as_json(self._close(self._job(job_id), _json(call)).told(version))
                case "DELETE", [job_id]:
                    del self._of[self._job(job_id).id]
                    return Answer(status=204)
                case "GET", [job_id, results] if results in _RESULTS:
                    return Answer(body=_results(self._job(job_id), results), kind=CSV_TYPE)
        raise NOWHERE

    def _job(self, job_id: str) -> _Job:
        job = self._of.get(whole_id(job_id))
        if job is None:
            raise NOWHERE
        return job

    def _create(self, wanted: dict[str, Any]) -> _Job:
        name, operation = wanted.get("object"), wanted.get("operation")
        if name not in OBJECTS or operation not in _WORDS:
            raise OrgError(400, "INVALIDENTITY", f"Unable to find object: {str(name)[:80]} for {str(operation)[:20]}")
        if wanted.get("contentType", "CSV") != "CSV" or wanted.get("lineEnding", "LF") not in ("LF", "CRLF"):
            raise OrgError(400, "INVALIDJOB", "contentType must be CSV and lineEnding LF or CRLF")
        job = _Job(whole_id(f"750Sb0{next(self._turn):09d}"), str(name), str(operation))
        self._of[job.id] = job
        return job

    def _load(self, job: _Job, body: bytes) -> None:
        if job.state != "Open" or job.names:
            raise OrgError(400, "INVALIDJOBSTATE", f"Found multiple contents for job: <{job.id}>, or it is not open")
        try:
            reader = csv.DictReader(io.StringIO(body.decode("utf-8")), restval="", strict=True)
            rows = list(reader)
        except (ValueError, csv.Error):
            raise OrgError(400, "INVALIDJOB", "the content is no CSV in UTF-8") from None
        job.names, job.rows = tuple(reader.fieldnames or ()), rows

    def _close(self, job: _Job, wanted: dict[str, Any]) -> _Job:
        state = wanted.get("state")
        if state not in _STATES or job.state not in ("Open", "UploadComplete"):
            raise OrgError(400, "INVALIDJOBSTATE", f"a job that is {job.state} cannot become {str(state)[:40]}")
        job.state = state
        return job

    def _polled(self, job: _Job, polls: int, *, fails: bool) -> _Job:
        """Work the job off once it has been asked often enough."""
        if job.state not in ("UploadComplete", "InProgress"):
            return job
        job.polls += 1
        if job.polls < polls:
            job.state = "InProgress"
        elif fails or not job.names:
            job.state, job.words = "Failed", "InvalidBatch : because of bulk_fails, or without a header"
        elif unknown := [name for name in job.names if OBJECTS[job.object].find(name) is None]:
            job.state, job.words = "Failed", f"InvalidBatch : Field name not found : {unknown[0][:80]}"
        else:
            self._work(job)
            job.state = "JobComplete"
        return job

    def _work(self, job: _Job) -> None:
        for row in job.rows:
            cells = [row[name] or "" for name in job.names]
            try:
                if None in row:
                    raise RowError("INVALID_CSV", "the row has more cells than the header")
                written = self._write(job.operation, job.object, _fields(job.object, row))
            except RowError as refusal:
                job.failed.append([row.get("Id") or "", refusal.line(), *cells])
            else:
                job.done.append([written, "true" if job.operation == "insert" else "false", *cells])


def _fields(name: str, row: Mapping[str, str]) -> dict[str, Any]:
    """Return the cells that say something; empty ones leave the field alone. Raises RowError."""
    spec = OBJECTS[name]
    found: dict[str, Any] = {}
    for column, cell in row.items():
        if cell == "":
            continue
        kind = spec.find(column)
        if kind is None:  # the job has failed already where a column is unknown
            raise RowError("INVALID_FIELD", f"Field name not found : {column[:80]}")
        found[kind.name] = cell if kind.name == "Id" else from_csv(kind, cell)
    return found


def _results(job: _Job, which: str) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    if which == "unprocessedrecords":
        writer.writerow(job.names)
        if job.state in ("Failed", "Aborted"):
            writer.writerows([row[name] for name in job.names] for row in job.rows)
    elif which == "successfulResults":
        writer.writerow(["sf__Id", "sf__Created", *job.names])
        writer.writerows(job.done)
    else:
        writer.writerow(["sf__Id", "sf__Error", *job.names])
        writer.writerows(job.failed)
    return out.getvalue().encode()


def _json(call: Call) -> dict[str, Any]:
    try:
        found = call.document()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise OrgError(400, "JSON_PARSER_ERROR", json.dumps("Unexpected character, or no object")[1:-1])
    return found
