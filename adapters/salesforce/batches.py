"""Many records in one call: sObject Collections, with each row's result told by its place.

200 rows of at most ten objects are written in a call, 2,000 are read; ``allOrNone`` is false, so that one bad row
costs no other. Source: REST API Developer Guide, "Use sObject Collections" (API 64.0).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.salesforce.client import Client
from adapters.salesforce.errors import MINUTE, first, named_fields, row_fault, unreadable
from adapters.salesforce.fit import by_name, misfits
from adapters.salesforce.ids import same_id
from adapters.salesforce.rows import Row
from connector.errors import PermanentError, RemoteError, TemporaryError
from connector.model import Json, text_at

WRITE_MOST = 200
READ_MOST = 2000
OBJECTS_MOST = 10
HALVINGS = 24
"""Calls that one batch may cost more, where Salesforce refuses a whole call for a row that it does not name."""
_PATH = "composite/sobjects"


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one row."""

    error: RemoteError | None = None
    fields: frozenset[str] = field(default=frozenset())
    """Whose fault it is; empty: the whole row's."""
    id: str = ""
    """Of a record that was created."""


def chunks(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Cut sorted rows into what one call takes."""
    chunk: list[Row] = []
    for row in rows:
        objects = {one.object for one in chunk}
        if len(chunk) == WRITE_MOST or (row.object not in objects and len(objects) == OBJECTS_MOST):
            yield chunk
            chunk = []
        chunk.append(row)
    if chunk:
        yield chunk


def read(client: Client, name: str, ids: Sequence[str], fields: Sequence[str]) -> list[Mapping[str, Json] | None]:
    """Return at most 2,000 records by their place, None for those that are gone or cannot be seen.

    Raises a RemoteError; PermanentError where a field does not exist, or may not be read.
    """
    told = client.rest("POST", f"{_PATH}/{name}", {"ids": list(ids), "fields": list(fields)})
    if not isinstance(told, list) or len(told) != len(ids):
        raise unreadable(200)
    records = [record if isinstance(record, Mapping) else None for record in told]
    if any(record and not _same(record, record_id) for record, record_id in zip(records, ids, strict=True)):
        raise unreadable(200)
    return records


def update(client: Client, rows: Sequence[Row]) -> list[Told]:
    """Write the values of at most 200 rows; what became of each, by its place. Raises a RemoteError."""
    return _Writing(client).write(list(rows))


def create(client: Client, name: str, records: Sequence[Mapping[str, Json]]) -> list[Told]:
    """Create at most 200 records of one object. Raises a RemoteError."""
    body = [{"attributes": {"type": name}, **record} for record in records]
    return _told(client.rest("POST", _PATH, {"allOrNone": False, "records": body}), [""] * len(body))


def delete(client: Client, ids: Sequence[str]) -> list[Told]:
    """Delete at most 200 records. Raises a RemoteError."""
    return _told(client.rest("DELETE", _PATH, params={"ids": ",".join(ids), "allOrNone": "false"}), list(ids))


class _Writing:
    """One batch on its way; where the whole call is refused for some row, that row is found and the others go on."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._left = HALVINGS

    def write(self, rows: list[Row]) -> list[Told]:
        records: list[Any] = [{"attributes": {"type": row.object}, "Id": row.id, **row.values} for row in rows]
        try:
            told = self._client.rest("PATCH", _PATH, {"allOrNone": False, "records": records})
        except PermanentError as error:
            if error.status != 400:
                raise
            return self._apart(rows, error)
        return _told(told, [row.id for row in rows])

    def _apart(self, rows: list[Row], error: PermanentError) -> list[Told]:
        """Find out whose fault it is that a whole call is refused: by the description, then by halves."""
        column = named_fields([{"message": error.words}])
        blamed = [Told(error, named) if (named := column & row.values.keys()) else None for row in rows]
        if not any(blamed):
            blamed = [self._misfit(row) for row in rows]
        rest = [row for row, told in zip(rows, blamed, strict=True) if told is None]
        if len(rest) == len(rows) == 1:
            return [Told(error)]
        if len(rest) < len(rows):
            again = iter(self.write(rest) if rest else [])
        elif self._left < 2:
            later = TemporaryError(error.words, retry_after=MINUTE, code=error.code, advice=error.advice)
            return [Told(later)] * len(rows)
        else:
            self._left -= 2
            half = len(rows) // 2
            again = iter([*self.write(rows[:half]), *self.write(rows[half:])])
        return [told or next(again) for told in blamed]

    def _misfit(self, row: Row) -> Told | None:
        try:
            wrong = misfits(by_name(self._client.describe(row.object)), row.values)
        except PermanentError as unknown:  # no such object
            return Told(unknown)
        return Told(next(iter(wrong.values())), frozenset(wrong)) if wrong else None


def _told(results: Json, ids: Sequence[str]) -> list[Told]:
    """Pair results with rows; where they do not fit together nobody knows, and all are written again."""
    if not isinstance(results, list) or len(results) != len(ids):
        raise unreadable(200)
    return [_result(result, record_id) for result, record_id in zip(results, ids, strict=True)]


def _result(result: Json, record_id: str) -> Told:
    if not isinstance(result, Mapping) or not isinstance(result.get("success"), bool):
        return Told(unreadable(200))
    if result["success"] is True:
        found = text_at(result, "id")
        if record_id and found and not same_id(found, record_id):
            return Told(unreadable(200))
        return Told(id=found)
    errors = result.get("errors")
    return Told(row_fault(first(errors)), named_fields(first(errors)))


def _same(record: Mapping[str, Json], record_id: str) -> bool:
    found = text_at(record, "Id", "id")
    return not found or same_id(found, record_id)
