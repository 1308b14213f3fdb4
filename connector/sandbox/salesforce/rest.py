"""REST: queries with pages, descriptions, single records, and sObject Collections of up to 200 rows."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connector.sandbox.salesforce.faults import NOWHERE, OrgError, RowError
from connector.sandbox.salesforce.objects import OBJECTS
from connector.sandbox.salesforce.records import Records, Row
from connector.sandbox.salesforce.soql import Query, parse, select
from connector.sandbox.salesforce.values import as_json as plain
from connector.sandbox.transport import Answer, Call, as_json

COLLECTION_LIMIT = 200
CHUNK_LIMIT = 10
"""A collection may change its object so many times, in the order of its rows."""
RETRIEVE_LIMIT = 2000
PAGE = 2000
_LEAST_PAGE = 200
_KEPT_QUERIES = 200
ORGANIZATION_FIELDS = tuple(OBJECTS["Organization"].fields)

Json = dict[str, Any]
Write = Callable[[str, str, Mapping[str, Any]], str]


def kind_of(call: Call) -> str:
    """Return the kind of call it is, by which calls are counted."""
    path = list(call.path[1:])
    if path == ["oauth2", "token"]:
        return "login"
    match call.method, path[2:] if path[:1] == ["data"] else []:
        case _, ["query" | "queryAll", *more]:
            return "query_more" if more else "query"
        case "GET", ["sobjects", *more]:
            return "describe" if more[-1:] == ["describe"] else "record"
        case _, ["sobjects", *_]:
            return "record"
        case "PATCH", ["composite", "sobjects"]:
            return "update"
        case "POST", ["composite", "sobjects"]:
            return "insert"
        case "DELETE", ["composite", "sobjects"]:
            return "delete"
        case _, ["composite", "sobjects", _]:
            return "retrieve"
        case _, ["jobs", "ingest", *more]:
            return _kind_of_bulk(call.method, more)
        case _, ["limits"]:
            return "limits"
    return "other"


def _kind_of_bulk(method: str, path: Sequence[str]) -> str:
    words = {"POST": "create", "PUT": "upload", "PATCH": "close", "DELETE": "delete"}
    return f"bulk_{words.get(method) or ('results' if len(path) > 1 else 'poll')}"


class Pages:
    """Queries of which more is to be fetched; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turn = itertools.count(1)
        self._of: dict[str, list[Json]] = {}

    def first(self, version: str, found: list[Json], size: int) -> Json:
        """Return the first page."""
        if len(found) <= size:
            return {"totalSize": len(found), "done": True, "records": found}
        key = f"01gSb0{next(self._turn):09d}"
        with self._lock:
            self._of[key] = found
            while len(self._of) > _KEPT_QUERIES:
                del self._of[next(iter(self._of))]
        return self._page(version, key, found, 0, size)

    def next(self, version: str, locator: str, size: int) -> Json:
        """Return a further page. Raises OrgError INVALID_QUERY_LOCATOR."""
        key, _, place = locator.partition("-")
        with self._lock:
            found = self._of.get(key)
        if found is None or not place.isascii() or not place.isdigit():
            raise OrgError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(version, key, found, int(place[:9]), size)

    def _page(self, version: str, key: str, found: list[Json], start: int, size: int) -> Json:
        end = start + size
        page: Json = {"totalSize": len(found), "done": end >= len(found), "records": found[start:end]}
        return page if page["done"] else page | {"nextRecordsUrl": f"/services/data/{version}/query/{key}-{end}"}


def query(call: Call, path: Sequence[str], records: Records, pages: Pages, organization: Row) -> Answer:
    """Answer ``query?q=``, ``queryAll?q=``, or ``query/<locator>``. Raises OrgError."""
    version, size = call.path[2], _size(call.headers.get("sforce-query-options", ""))
    if len(path) == 2:
        return as_json(pages.next(version, path[1], size))

    def reach(name: str, record_id: str) -> Row | None:
        try:
            return records.find(name, record_id)
        except RowError:
            return None

    wanted = parse(call.query.get("q", ""), reach)
    rows = [organization] if wanted.object.name == "Organization" else records.rows(wanted.object.name)
    if path[0] == "query":
        rows = [row for row in rows if not row["IsDeleted"]]
    found = select(wanted, rows, reach)
    if wanted.count:
        return as_json({"totalSize": len(found), "done": True, "records": []})
    return as_json(pages.first(version, [_chosen(wanted, row, version, reach) for row in found], size))


def _size(options: str) -> int:
    name, _, text = options.replace(" ", "").partition("=")
    if name.lower() != "batchsize" or not text.isascii() or not text.isdigit():
        return PAGE
    return min(PAGE, max(_LEAST_PAGE, int(text[:6])))


def _chosen(wanted: Query, row: Row, version: str, reach: Callable[[str, str], Row | None]) -> Json:
    found: Json = {"attributes": _attributes(wanted.object.name, row["Id"], version)}
    for path in wanted.paths:
        value = plain(path.read(row, reach))
        if path.via is None:
            found[path.field.name] = value
            continue
        target = row[path.via.name]
        about = found.setdefault(path.via.relationship, None)
        if target and about is None:
            about = found[path.via.relationship] = {"attributes": _attributes(path.via.to, target, version)}
        if about is not None:
            about[path.field.name] = value
    return found


def _attributes(name: str, record_id: str, version: str) -> Json:
    return {"type": name, "url": f"/services/data/{version}/sobjects/{name}/{record_id}"}


def objects(call: Call, path: Sequence[str], records: Records, write: Write) -> Answer:
    """Answer below ``sobjects`` and ``composite/sobjects``. Raises OrgError."""
    version = call.path[2]
    match call.method, list(path):
        case "GET", ["sobjects", name, "describe"]:
            if name not in records.specs:
                raise NOWHERE
            return as_json(records.specs[name].described(version))
        case "GET", ["sobjects"]:
            shown = ({"name": name, "keyPrefix": spec.prefix, "updateable": True} for name, spec in OBJECTS.items())
            return as_json({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": list(shown)})
        case "GET", ["sobjects", name, record_id]:
            return as_json(_whole(_living(records, name, record_id), name, version, None))
        case "PATCH", ["sobjects", name, record_id]:
            return _one(name, record_id, _body(call), write)
        case ("PATCH" | "POST") as method, ["composite", "sobjects"]:
            return _collection("update" if method == "PATCH" else "insert", _body(call), write)
        case "DELETE", ["composite", "sobjects"]:
            ids = call.query.get("ids", "").split(",")
            rows = [{"attributes": {"type": records.object_of(one)}, "id": one} for one in ids]
            return _collection("delete", {"allOrNone": call.query.get("allOrNone") == "true", "records": rows}, write)
        case "POST", ["composite", "sobjects", name]:
            asked = _body(call)
            return _retrieve(name, asked.get("ids"), asked.get("fields"), records, version)
        case "GET", ["composite", "sobjects", name]:
            ids, fields = (call.query.get(word, "").split(",") for word in ("ids", "fields"))
            return _retrieve(name, ids, fields, records, version)
    raise NOWHERE


def _living(records: Records, name: str, record_id: str) -> Row:
    try:
        row = records.find(name, record_id)
    except RowError:
        raise NOWHERE from None
    if row["IsDeleted"]:
        raise OrgError(404, "ENTITY_IS_DELETED", "entity is deleted")
    return row


def _whole(row: Row, name: str, version: str, fields: Sequence[str] | None) -> Json:
    found = {one: plain(row[one]) for one in (fields or row)}
    return {"attributes": _attributes(name, row["Id"], version)} | found


def _one(name: str, record_id: str, fields: Json, write: Write) -> Answer:
    try:
        write("update", name, fields | {"Id": record_id})
    except RowError as refusal:
        missing = refusal.code in ("INVALID_CROSS_REFERENCE_KEY", "MALFORMED_ID")
        raise OrgError(404 if missing else 400, "NOT_FOUND" if missing else refusal.code, refusal.message) from None
    return Answer(status=204)


def _collection(operation: str, asked: Json, write: Write) -> Answer:
    rows = asked.get("records")
    if not isinstance(rows, list) or not rows:
        raise OrgError(400, "INVALID_INPUT", "The records list is required and must not be empty")
    if len(rows) > COLLECTION_LIMIT:
        raise OrgError(
            400, "EXCEEDED_ID_LIMIT", "record limit reached. cannot submit more than 200 records into this call"
        )
    if not all(isinstance(row, dict) for row in rows):
        # Here, and only here, Salesforce answers with one bare object instead of a list.
        words = "Json Deserialization failed on token 'null' and has left off in the middle of parsing a row."
        return as_json({"message": words, "errorCode": "INVALID_FIELD"}, status=400)
    types = [str(_type(row)) for row in rows]
    if sum(1 for place, one in enumerate(types) if place == 0 or types[place - 1] != one) > CHUNK_LIMIT:
        raise OrgError(400, "INVALID_INPUT", "at most 10 chunks of objects are allowed")
    if asked.get("allOrNone"):
        raise OrgError(400, "INVALID_INPUT", "The stand-in takes collections with allOrNone false only")
    seen: set[str] = set()
    return as_json([_row(operation, row, seen, write) for row in rows])


def _type(row: Json) -> object:
    about = row.get("attributes")
    return about.get("type", "") if isinstance(about, dict) else ""


def _row(operation: str, row: Json, seen: set[str], write: Write) -> Json:
    fields = {("Id" if key.lower() == "id" else key): value for key, value in row.items() if key != "attributes"}
    record_id = str(fields.get("Id", ""))
    try:
        if operation != "insert":
            if not record_id:
                raise RowError("MISSING_ARGUMENT", "Id not specified in an update call")
            if record_id[:15] in seen:
                raise RowError("DUPLICATE_VALUE", f"Duplicate id specified: {record_id}", "Id")
            seen.add(record_id[:15])
        return {"id": write(operation, str(_type(row)), fields), "success": True, "errors": []}
    except RowError as refusal:
        return refusal.result()


def _retrieve(name: str, ids: Any, fields: Any, records: Records, version: str) -> Answer:
    """Return the records in the order of their ids; null for those that are not there."""
    if not isinstance(ids, list) or not isinstance(fields, list) or not ids or not fields:
        raise OrgError(400, "INVALID_INPUT", "ids and fields are required")
    if len(ids) > RETRIEVE_LIMIT:
        raise OrgError(
            400, "EXCEEDED_ID_LIMIT", "record limit reached. cannot submit more than 2000 records into this call"
        )
    try:
        spec = records.spec(name)
    except RowError:
        raise NOWHERE from None
    names = []
    for field in fields:
        found = spec.find(str(field))
        if found is None:
            raise OrgError(400, "INVALID_FIELD", f"No such column '{str(field)[:80]}' on sobject of type {name}")
        names.append(found.name)
    return as_json([_found(records, name, str(one), version, names) for one in ids])


def _found(records: Records, name: str, record_id: str, version: str, names: Sequence[str]) -> Json | None:
    try:
        row = records.find(name, record_id)
    except RowError:
        return None
    return None if row["IsDeleted"] else _whole(row, name, version, names)


def _body(call: Call) -> Json:
    try:
        found = call.document()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise OrgError(
            400, "JSON_PARSER_ERROR", "The HTTP entity body is required, but this request has no JSON object."
        )
    return found
