"""Asking for what has changed: SOQL over ``SystemModstamp``, deleted records included.

The cursor is JSON: each object with the moment up to which it is told, or, in the middle of a long stretch, with
the last record that was told (``2026-11-22T10:00:00.000Z/003…``). A stretch begins five minutes before the last
one ended: what a long transaction stamps becomes visible only when it commits. What is found twice has the same
key. A query asks for all plain fields that fit into its URL. Source: SOQL and SOSL Reference (API 64.0).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from adapters.salesforce.auth import has_access
from adapters.salesforce.client import Client
from adapters.salesforce.errors import unreadable
from adapters.salesforce.fit import by_name
from adapters.salesforce.ids import is_name, long_id
from connector.contract import Feed, Fetched, Kit, Page, Settings
from connector.errors import PermanentError
from connector.model import Json, Payload, Request, Verified, parse_time, text_at

OVERLAP = timedelta(minutes=5)
PAGE = 1000
"""Records that one query finds; with the fields below a page stays far below what is read of an answer."""
TOGETHER = 200
"""Records of one request, as in Salesforce's own batches."""
FIELDS_MOST = 6000
"""Characters of field names in one query: 16 KB of URL and headers are taken, and commas grow threefold."""
TEXT_MOST = 4000
"""Longer text areas are left out."""
STAMP = "SystemModstamp"
_ALWAYS = ("Id", STAMP, "IsDeleted")
_LEFT_OUT = frozenset({"address", "location", "base64", "complexvalue", "anyType", "encryptedstring"})
_FEED = {"x-connector-feed": "1", "content-type": "application/json"}
_GONE = ("Id", STAMP, "MasterRecordId")
"""What is told of a deleted record; the last names the record it was merged into."""


def make_feed(settings: Settings, kit: Kit) -> SalesforceFeed | None:
    """Return the account's feed, or None where the settings hold no access to the API."""
    return SalesforceFeed(settings, kit) if has_access(settings) else None


class SalesforceFeed(Feed):
    """One organisation's objects."""

    def __init__(self, settings: Settings, kit: Kit) -> None:
        self.every = timedelta(minutes=settings["feed_minutes"])
        self._client = Client(settings, kit)
        self._objects: Sequence[str] = settings["objects"]
        self._fields: dict[str, Sequence[str]] = {}

    def pull(self, cursor: str, now: datetime) -> Page:
        """Return one page of every object, or of those that had more last time: one call each.

        Raises a RemoteError; PermanentError where an object cannot be asked for.
        """
        places = _read(cursor)
        halfway = [name for name in self._objects if "/" in places.get(name, "")]
        found: list[Fetched] = []
        for name in halfway or self._objects:
            place = places.get(name) or _spell(now)
            records, more = self._page(name, place)
            found += _fetched(name, records, now)
            places[name] = _next(place, records, more=more)
        kept = {name: place for name, place in places.items() if name in self._objects}
        more = any("/" in place for place in kept.values())
        return Page(found, json.dumps(kept, sort_keys=True, separators=(",", ":")), more)

    def _page(self, name: str, place: str) -> tuple[list[Payload], bool]:
        moment, _, after = place.partition("/")
        since = moment if after else _spell((parse_time(moment) or datetime.now(UTC)) - OVERLAP)
        where = f"{STAMP} >= {since}"
        if after:
            where += f" AND ({STAMP} > {since} OR Id > '{after}')"
        soql = f"SELECT {', '.join(self._names(name))} FROM {name} WHERE {where} ORDER BY {STAMP}, Id LIMIT {PAGE}"  # noqa: S608 - names and ids have been checked
        told = self._client.query(soql, deleted=True)
        records = told["records"] if isinstance(told["records"], list) else []
        if not all(isinstance(record, Mapping) and long_id(text_at(record, "Id")) for record in records):
            raise unreadable(200)
        if not all(parse_time(text_at(record, STAMP)) for record in records):
            raise unreadable(200)
        # Fewer than asked for come also where records are so wide that Salesforce cuts the page.
        return records, bool(records) and (len(records) >= PAGE or told.get("done") is False)

    def _names(self, name: str) -> Sequence[str]:
        if name not in self._fields:
            self._fields[name] = chosen(name, by_name(self._client.describe(name)))
        return self._fields[name]


def chosen(name: str, fields: Mapping[str, Payload]) -> list[str]:
    """Return the fields to ask for, standard ones first, as many as fit. Raises PermanentError."""
    if missing := [one for one in _ALWAYS if one not in fields]:
        raise PermanentError(
            f"{name} cannot be asked for what has changed: it has no {missing[0]}.",
            code="INVALID_FIELD",
            advice="Take it out of the account's objects.",
        )
    plain = [one for one, described in fields.items() if one not in _ALWAYS and is_name(one) and _plain(described)]
    found, left = list(_ALWAYS), FIELDS_MOST
    for one in sorted(plain, key=lambda one: fields[one].get("custom") is True):
        left -= len(one) + 3
        if left < 0:
            break
        found.append(one)
    return found


def _plain(described: Payload) -> bool:
    kind = text_at(described, "type")
    length = described.get("length")
    long = kind == "textarea" and isinstance(length, int) and length > TEXT_MOST
    return kind not in _LEFT_OUT and not long and described.get("deprecatedAndHidden") is not True


def _next(place: str, records: Sequence[Payload], *, more: bool) -> str:
    if not records:
        return place.partition("/")[0]
    moment = parse_time(text_at(records[-1], STAMP)) or datetime.now(UTC)
    if more:
        return f"{_spell(moment)}/{long_id(text_at(records[-1], 'Id'))}"
    before = parse_time(place.partition("/")[0])
    return _spell(max(moment, before) if before else moment)


def _fetched(name: str, records: Sequence[Payload], now: datetime) -> Iterator[Fetched]:
    for start in range(0, len(records), TOGETHER):
        part = records[start : start + TOGETHER]
        told = "\n".join(f"{text_at(record, 'Id')} {text_at(record, STAMP)}" for record in part)
        body = {
            "object": name,
            "records": [record for record in part if record.get("IsDeleted") is not True],
            "deleted": [
                {field: record[field] for field in _GONE if record.get(field)}
                for record in part
                if record.get("IsDeleted") is True
            ],
        }
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), default=_number)
        request = Request(method="POST", headers=_FEED, body=text.encode("utf-8", "replace"), received_at=now)
        key = f"feed:{name}:{hashlib.sha256(told.encode()).hexdigest()}"
        yield Fetched(key=key, topic=f"feed/{name}", request=Verified(request))


def _read(cursor: str) -> dict[str, str]:
    """Return each object's place; what cannot be read begins now, as an empty cursor does."""
    try:
        read: Json = json.loads(cursor or "{}")
    except ValueError:
        return {}
    places = read.items() if isinstance(read, Mapping) else ()
    return {name: place for name, place in places if isinstance(place, str) and _sound(place)}


def _sound(place: str) -> bool:
    moment, slash, after = place.partition("/")
    return parse_time(moment) is not None and "-" in moment and (not slash or long_id(after) == after != "")


def _spell(moment: datetime) -> str:
    """Write a moment as SOQL takes it, unquoted."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def _number(value: Any) -> int | float:
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} is not JSON")
    return int(value) if value == value.to_integral_value() else float(value)
