"""The org's records: made, changed, deleted one row at a time, each with a reason where it is refused."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from connector.model import now
from connector.sandbox.salesforce.faults import RowError
from connector.sandbox.salesforce.objects import OBJECTS, ObjectSpec
from connector.sandbox.salesforce.values import checked

Row = dict[str, Any]
"""Field name -> kept value; times are aware, all others as in JSON. Every field of the object is there."""

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_STRIDE = 7_368_787
"""Prime to 62^9: ids jump about, so that some differ only in the case of a letter, as real ones do."""
HUMAN, INTEGRATION = "human", "integration"


def whole_id(short: str) -> str:
    """Return an id of 15 characters with the 3 that tell its capitals; one of 18 as it is."""
    if len(short) != 15:
        return short
    bits = (sum(1 << place for place, one in enumerate(short[at : at + 5]) if one.isupper()) for at in (0, 5, 10))
    return short + "".join(_SUFFIX[number] for number in bits)


class Records:
    """All objects' records, in memory; safe to use from many threads.

    ``told`` is called after each change, with the object, the id and who changed it.
    """

    def __init__(self, told: Callable[[str, str, str], None]) -> None:
        self.lock = threading.RLock()
        self.users = {HUMAN: "", INTEGRATION: ""}
        self.restamp = False
        self.specs: Mapping[str, ObjectSpec] = OBJECTS
        self._told = told
        self._turn = itertools.count(1)
        self._of: dict[str, dict[str, Row]] = {name: {} for name in OBJECTS}
        self._taken: dict[tuple[str, str, Any], str] = {}
        self._last = now()

    def create(self, name: str, fields: Mapping[str, Any], by: str) -> str:
        """Make a record; return its id. Raises RowError."""
        spec = self.spec(name)
        with self.lock:
            if missing := [one for one in spec.required() if not fields.get(one)]:
                raise RowError(
                    "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", *missing
                )
            values = self._checked(spec, fields, "")
            new = whole_id(f"{spec.prefix}Sb0{_word(next(self._turn))}")
            row: Row = {one: False if kind.type == "boolean" else None for one, kind in spec.fields.items()}
            moment = self._moment()
            row |= values | {"Id": new, "CreatedDate": moment, "CreatedById": self.users[by]}
            if "CaseNumber" in spec.fields:
                row["CaseNumber"] = f"{len(self._of[name]) + 1001:08d}"
            self._put(spec, row, by, moment)
        self._told(name, new, by)
        return new

    def update(self, name: str, record_id: str, fields: Mapping[str, Any], by: str) -> str:
        """Change a record; return its whole id. Raises RowError."""
        spec = self.spec(name)
        with self.lock:
            row = self.find(name, record_id)
            if row["IsDeleted"]:
                raise RowError("ENTITY_IS_DELETED", "entity is deleted")
            if row.get("IsConverted") and by == INTEGRATION:
                raise RowError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
            values = self._checked(spec, fields, row["Id"])
            moment = self._moment()
            if self.restamp and by == INTEGRATION and "WhatsApp_Status__c" in values:
                values["WhatsApp_Status_At__c"] = moment + timedelta(seconds=1)
            self._put(spec, row | values, by, moment)
        self._told(name, row["Id"], by)
        return str(row["Id"])

    def delete(self, name: str, record_id: str, by: str) -> str:
        """Put a record into the recycle bin; return its whole id. Raises RowError."""
        with self.lock:
            row = self.find(name, record_id)
            if row["IsDeleted"]:
                raise RowError("ENTITY_IS_DELETED", "entity is deleted")
            self._put(self.spec(name), row | {"IsDeleted": True}, by, self._moment())
            for key in [key for key, owner in self._taken.items() if owner == row["Id"]]:
                del self._taken[key]
        return str(row["Id"])

    def find(self, name: str, record_id: str) -> Row:
        """Return a record, deleted or not. Raises RowError."""
        if len(record_id) not in (15, 18) or not record_id.isascii() or not record_id.isalnum():
            raise RowError("MALFORMED_ID", f"bad id {record_id[:20]}", "Id")
        whole = whole_id(record_id[:15])
        if not whole.startswith(self.spec(name).prefix) or (len(record_id) == 18 and whole != record_id):
            raise RowError("MALFORMED_ID", f"{name} ID: id value of incorrect type: {record_id}", "Id")
        with self.lock:
            row = self._of[name].get(whole)
        if row is None:
            raise RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        return row

    def rows(self, name: str) -> list[Row]:
        """Return all records of an object, deleted ones too, in the order of their making."""
        with self.lock:
            return list(self._of[name].values())

    def spec(self, name: str) -> ObjectSpec:
        """Return an object's fields. Raises RowError."""
        found = self.specs.get(name)
        if found is None:
            raise RowError("INVALID_TYPE", f"sObject type '{name[:80]}' is not supported.")
        return found

    def object_of(self, record_id: str) -> str:
        """Return the object whose records have such ids, or an empty text."""
        return next((name for name, spec in OBJECTS.items() if record_id.startswith(spec.prefix)), "")

    def _checked(self, spec: ObjectSpec, fields: Mapping[str, Any], owner: str) -> Row:
        values: Row = {}
        for name, value in fields.items():
            kind = spec.find(name)
            if kind is None:
                raise RowError("INVALID_FIELD", f"No such column '{name[:80]}' on sobject of type {spec.name}")
            if not kind.writable:
                raise RowError(
                    "INVALID_FIELD_FOR_INSERT_UPDATE",
                    f"Unable to create/update fields: {kind.name}. Please check the security settings of this field "
                    "and verify that it is read/write for your profile or permission set.",
                    kind.name,
                )
            values[kind.name] = checked(kind, value)
            holder = self._taken.get((spec.name, kind.name, values[kind.name]), owner) if kind.unique else owner
            if holder != owner and values[kind.name] is not None:
                raise RowError(
                    "DUPLICATE_VALUE",
                    f"duplicate value found: {kind.name} duplicates value on record with id: {holder[:15]}",
                )
        return values

    def _put(self, spec: ObjectSpec, row: Row, by: str, moment: datetime) -> None:
        if "FirstName" in spec.fields:
            row["Name"] = " ".join(part for part in (row["FirstName"], row["LastName"]) if part)
        row |= {"LastModifiedDate": moment, "LastModifiedById": self.users[by], "SystemModstamp": moment}
        before = self._of[spec.name].get(row["Id"])
        for one in spec.fields.values():
            if one.unique:
                if before is not None:
                    self._taken.pop((spec.name, one.name, before[one.name]), None)
                if row[one.name] is not None:
                    self._taken[spec.name, one.name, row[one.name]] = row["Id"]
        self._of[spec.name][row["Id"]] = row

    def _moment(self) -> datetime:
        """Return the time in whole seconds, as the org keeps it; it never goes back."""
        self._last = max(self._last, now())
        return self._last.replace(microsecond=0)


def _word(number: int) -> str:
    number = number * _STRIDE % 62**9
    return "".join(_ALPHABET[number // 62**place % 62] for place in range(9))
