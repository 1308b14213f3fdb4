"""Writing back: one row a record, 200 rows a call, and thousands through the Bulk API."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from adapters.salesforce import bulk
from adapters.salesforce.assignments import assign
from adapters.salesforce.auth import has_access
from adapters.salesforce.batches import READ_MOST, WRITE_MOST, chunks, read, update
from adapters.salesforce.client import Client
from adapters.salesforce.errors import coded, named_fields
from adapters.salesforce.fit import by_name, field_of
from adapters.salesforce.rows import TOPICS, Batch, Row, change_set, merge, same_set
from connector.contract import Change, Crm, Field, Kit, Outcome, Settings
from connector.errors import PermanentError, TemporaryError
from connector.model import text_at

WHATSAPP_ID = "WhatsApp_Id__c"
"""The one field by which records are found: numbers elsewhere are written as people like."""
PASSES = 3
"""A row that is refused for one of its fields is written again without it, so often."""
FIND_MOST = 100
_NUMBER = re.compile(r"\+?(\d{5,15})")


def make_crm(settings: Settings, kit: Kit) -> SalesforceCrm | None:
    """Return the account's CRM, or None where the settings hold no access to the API."""
    return SalesforceCrm(settings, kit) if has_access(settings) else None


class SalesforceCrm(Crm):
    """One organisation."""

    most = WRITE_MOST
    bulk_from = 2000

    def __init__(self, settings: Settings, kit: Kit) -> None:
        self._client = Client(settings, kit)

    def record(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        """Write changes of at most 200 records in one call; one more reads them first where a delta asks for it.

        A delta on ``Topics`` costs up to five calls more. Raises a RemoteError where nobody knows what was written.
        """
        batch = merge(changes)
        assign(self._client, batch)
        resolve(self._client, batch)
        rows = [row for row in batch.rows if row.values]
        for _ in range(PASSES):
            rows = [again for chunk in chunks(rows) for again in self._write(batch, chunk)]
            if not rows:
                break
        for row in rows:
            later = TemporaryError("Not written yet: several of the record's fields were refused.", retry_after=1)
            batch.refuse(row, row.values, later)
        return batch.outcomes()

    def fields(self, object: str) -> Sequence[Field]:  # noqa: A002 - the CRM's own word
        """Describe an object's fields, and the topics that its records may have. Raises a RemoteError."""
        found = [field_of(described) for described in by_name(self._client.describe(object)).values()]
        return [*found, Field(TOPICS, "list", "Topics; labels are added and removed as topics of the record")]

    def find(self, object: str, phones: Sequence[str]) -> Mapping[str, str]:  # noqa: A002 - the CRM's own word
        """Look up records by ``WhatsApp_Id__c``, where the object has it; of several the oldest counts.

        Raises a RemoteError.
        """
        digits = {found[1]: phone for phone in phones if (found := _NUMBER.fullmatch(phone))}
        if not digits or WHATSAPP_ID not in by_name(self._client.describe(object)):
            return {}
        ids: dict[str, str] = {}
        asked = list(digits)
        for start in range(0, len(asked), FIND_MOST):
            listed = ", ".join(f"'{number}', '+{number}'" for number in asked[start : start + FIND_MOST])
            told = self._client.query(
                f"SELECT Id, {WHATSAPP_ID} FROM {object} WHERE {WHATSAPP_ID} IN ({listed}) ORDER BY CreatedDate, Id"  # noqa: S608 - digits
            )
            records = told["records"] if isinstance(told["records"], list) else []
            for record in records:
                number = text_at(record, WHATSAPP_ID).removeprefix("+")
                if number in digits:
                    ids.setdefault(digits[number], text_at(record, "Id"))
        return ids

    def start(self, changes: Sequence[Change]) -> str:
        """Hand many changes over to Bulk API 2.0: three calls an object, and one for 2,000 records with deltas."""
        batch = merge(changes)
        assign(self._client, batch)
        resolve(self._client, batch)
        return bulk.start(self._client, batch)

    def finish(self, ticket: str, changes: Sequence[Change]) -> Sequence[Outcome] | None:
        """Ask once how far the jobs are; one call while they run, one more for each that refused rows."""
        return bulk.finish(self._client, ticket, merge(changes))

    def _write(self, batch: Batch, rows: list[Row]) -> list[Row]:
        """Write one call's rows; return those that are worth another try without the field that was to blame."""
        again = []
        for row, told in zip(rows, update(self._client, rows), strict=True):
            if told.error is None:
                continue
            blamed = told.fields & row.values.keys()
            if blamed and isinstance(told.error, PermanentError) and len(blamed) < len(row.values):
                batch.refuse(row, blamed, told.error)
                again.append(row)
            else:
                batch.refuse(row, row.values, told.error)
        return again


def resolve(client: Client, batch: Batch) -> None:
    """Turn deltas into whole values by what the records hold now; equal ones are not written.

    Raises a RemoteError; a field that cannot be read concerns its own changes alone.
    """
    rows: dict[str, list[Row]] = {}
    for row in batch.rows:
        if row.deltas:
            rows.setdefault(row.object, []).append(row)
    for name, several in rows.items():
        for start in range(0, len(several), READ_MOST):
            _resolve(client, batch, name, several[start : start + READ_MOST])


def _resolve(client: Client, batch: Batch, name: str, rows: list[Row]) -> None:
    while fields := sorted({field for row in rows for field in row.deltas}):
        try:
            records = read(client, name, [row.id for row in rows], ["Id", *fields])
            break
        except PermanentError as error:
            blamed = named_fields([{"message": error.words}]) & set(fields) or set(fields)
            for row in rows:
                batch.refuse(row, blamed & row.deltas.keys(), error)
    else:
        return
    for row, record in zip(rows, records, strict=True):
        if record is None:
            batch.refuse(row, row.deltas, coded("NOT_FOUND"))
            continue
        for field, deltas in row.deltas.items():
            value = change_set(record.get(field), deltas)
            if not same_set(value, record.get(field)):
                row.values[field] = value
        row.deltas.clear()
