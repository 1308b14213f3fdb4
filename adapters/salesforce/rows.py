"""Many changes made into one row a record, and what became of the rows told change by change again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from adapters.salesforce.ids import is_name, long_id
from connector.contract import Change, Delta, Outcome
from connector.errors import PermanentError, RemoteError
from connector.model import Json

TOPICS = "Topics"
"""Not a field: a delta on it adds and removes topics of the record."""


@dataclass(slots=True)
class Row:
    """One record: what is to be written, and which changes ask for it."""

    object: str
    id: str
    """18 characters."""
    values: dict[str, Json] = field(default_factory=dict, repr=False)
    deltas: dict[str, list[Delta]] = field(default_factory=dict)
    """Field -> changes to what it holds, still to be applied to that."""
    asked: dict[str, list[int]] = field(default_factory=dict)
    """Field -> places of its changes."""


@dataclass(slots=True)
class Batch:
    """All rows of a call, and what is known of its changes by now."""

    changes: Sequence[Change]
    rows: list[Row]
    """By object, then id, so that calls that run at once lock records in the same order."""
    errors: dict[int, RemoteError] = field(default_factory=dict)
    """Place of a change -> why it was not written."""

    def refuse(self, row: Row, names: Iterable[str], error: RemoteError) -> None:
        """Take fields out of a row: they are not going to be written."""
        for name in list(names):
            row.values.pop(name, None)
            row.deltas.pop(name, None)
            self.errors.update(dict.fromkeys(row.asked.get(name, ()), error))

    def outcomes(self) -> list[Outcome]:
        """Return one outcome per change, in the order they came in."""
        return [Outcome(change, self.errors.get(place)) for place, change in enumerate(self.changes)]


def merge(changes: Sequence[Change]) -> Batch:
    """Make one row of all changes of a record; of two values of one field the later counts, deltas add up."""
    rows: dict[tuple[str, str], Row] = {}
    errors: dict[int, RemoteError] = {}
    for place, change in enumerate(changes):
        record_id = long_id(change.record_id)
        if error := _fault(change, record_id):
            errors[place] = error
            continue
        row = rows.setdefault((change.object, record_id), Row(change.object, record_id))
        row.asked.setdefault(change.field, []).append(place)
        if isinstance(change.value, Delta):
            if change.field in row.values:
                row.values[change.field] = change_set(row.values[change.field], [change.value])
            else:
                row.deltas.setdefault(change.field, []).append(change.value)
        else:
            row.deltas.pop(change.field, None)
            row.values[change.field] = _plain(change.value)
    return Batch(changes, [rows[key] for key in sorted(rows)], errors)


def change_set(held: Json, deltas: Iterable[Delta]) -> str | None:
    """Apply deltas to what a multi-select picklist holds (``a;b``): values' case counts, their order is kept."""
    values = dict.fromkeys(part for part in held.split(";") if part) if isinstance(held, str) else {}
    for delta in deltas:
        for value in delta.remove:
            values.pop(value, None)
        values.update(dict.fromkeys(delta.add))
    return ";".join(values) or None


def same_set(one: Json, other: Json) -> bool:
    """Tell whether two values of a multi-select picklist hold the same; Salesforce sorts as the picklist does."""
    return _set(one) == _set(other)


def _set(held: Json) -> set[str]:
    return {part for part in held.split(";") if part} if isinstance(held, str) else set()


def _plain(value: Json) -> Json:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ";".join(map(str, value)) or None
    return value


def _fault(change: Change, record_id: str) -> RemoteError | None:
    if not is_name(change.object) or not is_name(change.field):
        return PermanentError(
            "The object or the field is not an API name such as Contact or WhatsApp_Status__c.",
            code="INVALID_FIELD",
            advice="Correct the contact mapping.",
        )
    if not record_id:
        return PermanentError(
            "The record id is not one of Salesforce's.", code="MALFORMED_ID", advice="Nothing to do for this record."
        )
    value = change.value
    if isinstance(value, Delta):
        bad = any(not item or ";" in item or item != item.strip() for item in (*value.add, *value.remove))
        if bad and change.field != TOPICS:
            return PermanentError(
                "A label for a multi-select picklist is blank, or holds a semicolon.",
                code="INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
                advice="Rename the label, or give it a value in the contact mapping.",
            )
    elif change.field == TOPICS:
        return PermanentError("Topics are added and removed, not set.", advice="Map labels, and nothing else, to it.")
    elif not _writable(value):
        return PermanentError("An object cannot be written to a field.", advice="Correct the contact mapping.")
    return None


def _writable(value: Json) -> bool:
    if isinstance(value, Mapping):
        return False
    if isinstance(value, Sequence) and not isinstance(value, str):
        return all(isinstance(part, str) and ";" not in part for part in value)
    return value is None or isinstance(value, bool | int | Decimal | str)
