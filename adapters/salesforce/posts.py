"""JSON about records: what Flow and Apex post, and what our own feed finds.

::

    {"object": "Case", "record": {"Id": "500…", "Status": "Closed"}, "event": "case.closed", "id": "7f3a…"}
    {"object": "Contact", "records": [{…}, {…}], "deleted": ["003…"]}

A record's ``attributes`` name its object too, as in ``JSON.serialize(record)``; ``event`` and ``id`` may be left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from adapters.salesforce.events import Record
from adapters.salesforce.values import plain
from connector.errors import PayloadError
from connector.model import Json, Payload, parse_object, text_at

MOST_RECORDS = 500
"""In ``records``, and as many in ``deleted``; Salesforce's own batches have 200."""

_EVENT = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)+")
_EVENT_LIMIT = 80


def read(body: bytes) -> list[Record]:
    """Return the records of a body. Raises PayloadError."""
    post = parse_object(body)
    event = _event(post)
    version = text_at(post, "id").strip()
    found = [
        Record(object=_object(post, values), values=values, event=event, version=version)
        for values in map(_values, _records(post))
    ]
    found += [
        Record(object=_object(post, values), values=values, event=event, version=version, deleted=True)
        for values in map(_gone, _list(post, "deleted"))
    ]
    return found


def _records(post: Payload) -> Iterator[Json]:
    if "record" in post:
        yield post["record"]
    yield from _list(post, "records")
    if not any(name in post for name in ("record", "records", "deleted")):
        raise PayloadError('The body has neither record nor records; send {"object": "Case", "record": {"Id": …}}.')


def _list(post: Payload, name: str) -> Sequence[Json]:
    found = post.get(name, [])
    if not isinstance(found, Sequence) or isinstance(found, str):
        raise PayloadError(f"{name} must be a list.")
    if len(found) > MOST_RECORDS:
        raise PayloadError(f"{name} holds {len(found)} records; at most {MOST_RECORDS} are read of one request.")
    return found


def _values(record: Json) -> Payload:
    if not isinstance(record, Mapping):
        raise PayloadError("A record must be an object with its fields by API name, and its Id.")
    values = plain(record)
    found = dict(values) if isinstance(values, Mapping) else {}
    if object_ := text_at(record, "attributes.type"):
        found["_object"] = object_
    return found


def _gone(entry: Json) -> Payload:
    """Return what is known of a deleted record: its id, or what Salesforce tells in place of it."""
    if isinstance(entry, str):
        return {"Id": entry}
    values = dict(_values(entry))
    if "Id" not in values and "id" in values:  # as /deleted tells it
        values["Id"] = values.pop("id")
    if "SystemModstamp" not in values and "deletedDate" in values:
        values["SystemModstamp"] = values.pop("deletedDate")
    return values


def _object(post: Payload, values: Payload) -> str:
    return text_at(post, "object").strip() or text_at(values, "_object").strip()


def _event(post: Payload) -> str:
    event = post.get("event")
    if event in (None, ""):
        return ""
    if not isinstance(event, str) or len(event) > _EVENT_LIMIT or not _EVENT.fullmatch(event):
        raise PayloadError("event must be a word such as case.closed: small letters, digits, _ and dots.")
    return event
