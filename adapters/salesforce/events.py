"""From records to events in our words, whichever door they came through.

Salesforce tells what a record is now and never what has changed: every event is ``<object>.saved``, or
``<object>.deleted``, or the word that the account's settings or the sender give it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from adapters.salesforce.ids import is_id, is_name, long_id, object_of
from connector.errors import PayloadError
from connector.model import Event, Payload, parse_time, text_at

AHEAD = timedelta(minutes=5)
"""How far Salesforce's clock may be ahead of ours before its times are not believed."""
STAMP = "SystemModstamp"
LABEL_LIMIT = 60

_TIMES = (STAMP, "LastModifiedDate")
_LOOKUPS: Mapping[str, str] = {
    "ContactId": "Contact",
    "ShipToContactId": "Contact",
    "BillToContactId": "Contact",
    "ConvertedContactId": "Contact",
    "LeadId": "Lead",
    "AccountId": "Account",
    "OpportunityId": "Opportunity",
    "CaseId": "Case",
    "OrderId": "Order",
    "CampaignId": "Campaign",
}
_OPEN_LOOKUPS = ("WhoId", "WhatId")
"""May point to records of several objects; the id's first characters tell of which."""
ROOTS: Mapping[str, str] = {
    "Contact": "contact",
    "Lead": "lead",
    "Account": "organisation",
    "Opportunity": "opportunity",
    "Case": "case",
    "Order": "order",
}
"""Under which name an expression finds an earlier payload of a related record (``account`` is the connected one)."""
_NAMES: Mapping[str, str] = {"Case": "CaseNumber", "Order": "OrderNumber", "Opportunity": "Name"}
"""What people call a record; no other standard object has a name that could not be a person's."""
_VERSION = re.compile(r"[!-~]{1,120}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record as one of the doors let it in."""

    object: str
    values: Payload = field(repr=False)
    event: str = ""
    """Our word for what happened, where the settings or the sender give one."""
    version: str = ""
    """What tells this state of it from others; empty: SystemModstamp, else the values themselves."""
    deleted: bool = False


def read(record: Record, received_at: datetime) -> Event:
    """Return the event of a record. Raises PayloadError where it has no usable id or object."""
    object_ = record.object
    if not is_name(object_):
        raise PayloadError("A record does not say of which object it is, such as Contact or Appointment__c.")
    id_ = long_id(text_at(record.values, "Id"))
    if not id_:
        raise PayloadError(f"A record of {object_} has no usable Id; 15 or 18 letters and digits are expected.")
    deleted = record.deleted or record.values.get("IsDeleted") is True
    type_ = record.event or f"{object_.lower()}.{'deleted' if deleted else 'saved'}"
    subject = f"{object_}:{id_}"
    related = {name: other for name, other in _related(record.values) if other != subject}
    return Event(
        key=f"{type_}:{id_}:{_version(record)}",
        type=type_,
        topic=f"{object_}.deleted" if deleted else object_,
        subject=subject,
        about=tuple(dict.fromkeys(related.values())),
        remembers={
            ROOTS[name]: other for other in reversed(related.values()) if (name := other.partition(":")[0]) in ROOTS
        },
        label=_label(object_, id_, record.values),
        occurred_at=_occurred_at(record.values, received_at),
        payload={**record.values, "Id": id_, "_object": object_},
    )


def _version(record: Record) -> str:
    stamp = _moment(record.values, STAMP)
    given = record.version or (f"{stamp:%Y%m%dT%H%M%S}" if stamp else "")
    if _VERSION.fullmatch(given):
        return given
    told = given or json.dumps(record.values, sort_keys=True, default=str)
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _related(values: Payload) -> Iterator[tuple[str, str]]:
    """Yield the records that a record points to, by the field that does so."""
    for name, object_ in _LOOKUPS.items():
        if id_ := _id(values, name):
            yield name, f"{object_}:{id_}"
    for name in _OPEN_LOOKUPS:
        id_ = _id(values, name)
        if id_ and (object_ := object_of(id_)):
            yield name, f"{object_}:{id_}"


def _id(values: Payload, name: str) -> str:
    value = values.get(name)
    return long_id(value) if isinstance(value, str) and is_id(value) else ""


def _label(object_: str, id_: str, values: Payload) -> str:
    """Return what people call it; never a person's name, since labels are shown in lists and logs."""
    named = _NAMES.get(object_, "Name" if object_.endswith("__c") else "")
    name = _line(text_at(values, named)) if named else ""
    if not name:
        return f"{object_[:40]} …{id_[9:15]}"
    return name if object_ not in ("Case", "Order") else f"{object_} {name}"[:LABEL_LIMIT]


def _line(text: str) -> str:
    return "".join(c for c in text[: 4 * LABEL_LIMIT] if c.isprintable()).strip()[:LABEL_LIMIT]


def _occurred_at(values: Payload, received_at: datetime) -> datetime:
    for name in _TIMES:
        at = _moment(values, name)
        if at and at <= received_at + AHEAD:
            return at
    return received_at


def _moment(values: Payload, name: str) -> datetime | None:
    value = values.get(name)
    return parse_time(value) if isinstance(value, str) else None
