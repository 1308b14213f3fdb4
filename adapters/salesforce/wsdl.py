"""An outbound message's WSDL, as Setup shows it: which fields it sends, and of which type.

It tells the fields without any access to the API. Made by Salesforce for each message
(Setup > Outbound Messages > the message > Click for WSDL).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from adapters.salesforce.ids import is_name
from adapters.salesforce.markup import walk
from connector.contract import Field
from connector.errors import PayloadError

MOST_BYTES = 1024 * 1024
MOST_FIELDS = 2000
"""Of all objects together; Salesforce allows 800 custom fields an object."""
MOST_DEPTH = 20

_SCHEMA = "{http://www.w3.org/2001/XMLSchema}"
_RECORDS = "urn:sobject.enterprise.soap.sforce.com"
_BASES = ("sObject", "AggregateResult")
_ID = Field("Id", "id", "Salesforce's id, 18 characters")
_PHONE = re.compile(r"phone|mobile", re.IGNORECASE)
_TYPES: Mapping[str, str] = {
    "ID": "id",
    "boolean": "boolean",
    "date": "time",
    "dateTime": "time",
    "double": "number",
    "decimal": "number",
    "int": "number",
    "integer": "number",
    "long": "number",
}
"""Type of a schema, without its prefix -> ours; all others are text."""


def read_wsdl(data: bytes) -> Mapping[str, tuple[Field, ...]]:
    """Return the fields that a WSDL declares, by object, in its order. Raises PayloadError."""
    if len(data) > MOST_BYTES:
        raise PayloadError(f"The WSDL has {len(data)} bytes; at most {MOST_BYTES} are read.")
    reader = _Reader()
    walk(reader, data)
    if not reader.objects:
        raise PayloadError(
            "This is no WSDL of an outbound message: it declares no object. Take the one behind "
            "Setup > Outbound Messages > the message > Click for WSDL."
        )
    return {name: tuple(fields.values()) for name, fields in reader.objects.items()}


class _Reader:
    """Walks through a WSDL, and keeps the elements of complex types in the schema of records."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Field]] = {}
        self._depth = 0
        self._count = 0
        self._schema_at = self._type_at = 0
        """Depth of the schema, and of the complex type, that we are in; 0: in none."""
        self._fields: dict[str, Field] = {}

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise PayloadError("The WSDL is nested too deeply; Salesforce's are not.")
        name = attributes.get("name", "")
        if tag == f"{_SCHEMA}schema" and attributes.get("targetNamespace") == _RECORDS:
            self._schema_at = self._depth
        elif tag == f"{_SCHEMA}complexType" and self._schema_at and not self._type_at and name not in _BASES:
            if is_name(name):
                self._type_at = self._depth
                self._fields = self.objects.setdefault(name, {"Id": _ID})
        elif tag == f"{_SCHEMA}element" and self._type_at and is_name(name):
            self._count += 1
            if self._count > MOST_FIELDS:
                raise PayloadError(f"The WSDL declares more than {MOST_FIELDS} fields.")
            self._fields.setdefault(name, _field(name, attributes.get("type", "")))

    def data(self, text: str) -> None:
        """No text of it is needed."""

    def end(self, tag: str) -> None:
        if self._depth == self._type_at:
            self._type_at = 0
        if self._depth == self._schema_at:
            self._schema_at = 0
        self._depth -= 1

    def close(self) -> None:
        """Nothing is left to do."""


def _field(name: str, type_: str) -> Field:
    found = _TYPES.get(type_.rpartition(":")[2], "text")
    return Field(name, "phone" if found == "text" and _PHONE.search(name) else found)
