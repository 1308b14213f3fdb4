"""The org as a whole: what it answers, what it counts, and how a trial changes it.

Paths and words after Salesforce's REST API Developer Guide (API 64.0) and the Bulk API 2.0 guide; any version is
answered. It knows the wire on its own and shares no code with an adapter.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import phonenumbers

from connector.errors import ConfigurationError
from connector.sandbox.chance import draw
from connector.sandbox.orders import Order
from connector.sandbox.people import national
from connector.sandbox.salesforce import rest
from connector.sandbox.salesforce.bulk import Jobs
from connector.sandbox.salesforce.faults import (
    BROKEN,
    DOWN,
    LOCKED,
    NOWHERE,
    OVER_LIMIT,
    PAGE,
    OrgError,
    RowError,
)
from connector.sandbox.salesforce.knobs import OrgKnobs
from connector.sandbox.salesforce.login import Sessions
from connector.sandbox.salesforce.objects import LABELS_FIELD, OBJECTS
from connector.sandbox.salesforce.outbound import Messenger, action_id
from connector.sandbox.salesforce.records import HUMAN, INTEGRATION, Records, Row, whole_id
from connector.sandbox.salesforce.values import as_json as plain
from connector.sandbox.transport import Answer, Call, as_json

ORG_ID = whole_id("00DSb0000000001")
_VERSION = re.compile(r"v\d{2}\.0")


class SandboxOrg:
    """A Salesforce org in memory; hand it to ``SandboxServer(tenants=[org])``, or call ``answer``.

    ``knobs``: the fields of :class:`connector.sandbox.salesforce.knobs.OrgKnobs`; secrets as plain text.
    """

    root = "services"
    name = "org"

    def __init__(self, *, org_id: str = ORG_ID, **knobs: Any) -> None:
        self.org_id = whole_id(org_id)
        self._knobs = OrgKnobs().changed(knobs)
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._writes: Counter[str] = Counter()
        self._tries: Counter[str] = Counter()
        self._records = Records(self._changed)
        self._messenger = Messenger(self.org_id, lambda: self._knobs, self._records.find)
        self._people: dict[str, str] = {}
        self._jobs = Jobs(self._write)
        self._pages = rest.Pages()
        for who in (HUMAN, INTEGRATION):
            self._records.users[who] = self._records.create(
                "User", {"Name": who, "Username": f"{who}@sandbox.example"}, who
            )
        self._sessions = Sessions(self.org_id, self._records.users[INTEGRATION])
        self.configure()

    def start(self) -> None:
        """Start sending Outbound Messages."""
        self._messenger.start()

    def close(self) -> None:
        """Stop sending; what is pending is forgotten."""
        self._messenger.stop()

    def configure(self, **changes: Any) -> OrgKnobs:
        """Change how it behaves, now. Raises ConfigurationError."""
        self._knobs = self._knobs.changed(changes)
        self._records.restamp = self._knobs.restamp
        names = (LABELS_FIELD,) if self._knobs.restrict_labels else ()
        self._records.specs = {name: spec.restricting(*names) for name, spec in OBJECTS.items()}
        return self._knobs

    def create(self, name: str, fields: Mapping[str, Any], *, by: str = HUMAN) -> str:
        """Make a record of an object, and return its id; by a human it is told. Raises ConfigurationError."""
        try:
            return self._records.create(name, fields, by)
        except RowError as refusal:
            raise ConfigurationError(str(refusal)) from None

    def take(self, made: Iterable[Order], *, national_share: float = 0.0) -> dict[str, str]:
        """Make a Contact of every buyer who can be reached: E.164 -> id; nobody is told of these.

        ``made``: orders of the generator. A share of the numbers is written as people of the country do.
        """
        for order in made:
            if order.phone and order.phone not in self._people:
                person = _person(order, national_share)
                self._people[order.phone] = self._records.create("Contact", person, INTEGRATION)
        return dict(self._people)

    def edit(self, name: str, record_id: str, fields: Mapping[str, Any], *, by: str = HUMAN) -> None:
        """Change a record, as somebody in the org would; None clears a field. Raises ConfigurationError."""
        try:
            self._records.update(name, record_id, fields, by)
        except RowError as refusal:
            raise ConfigurationError(str(refusal)) from None

    def delete(self, name: str, record_id: str) -> None:
        """Put a record into the recycle bin; that is told to nobody. Raises ConfigurationError."""
        try:
            self._records.delete(name, record_id, HUMAN)
        except RowError as refusal:
            raise ConfigurationError(str(refusal)) from None

    def record(self, name: str, record_id: str) -> dict[str, Any]:
        """Return a record as REST writes its fields. Raises ConfigurationError."""
        try:
            return _shown(self._records.find(name, record_id))
        except RowError as refusal:
            raise ConfigurationError(str(refusal)) from None

    def records(self, name: str) -> list[dict[str, Any]]:
        """Return an object's records that are not deleted, in the order of their making."""
        return [_shown(row) for row in self._records.rows(name) if not row["IsDeleted"]]

    def topics(self, record_id: str) -> set[str]:
        """Return the names of the Topics that are assigned to a record."""
        names = {row["Id"]: row["Name"] for row in self._records.rows("Topic")}
        found = (row for row in self._records.rows("TopicAssignment") if not row["IsDeleted"])
        return {names[row["TopicId"]] for row in found if row["EntityId"] == whole_id(record_id)}

    def expire(self) -> int:
        """End all sessions now; return how many there were."""
        return self._sessions.expire()

    def calls(self) -> dict[str, int]:
        """Return how many API calls of each kind came, logins and refused ones too."""
        with self._lock:
            return dict(sorted(self._calls.items()))

    def stats(self) -> dict[str, Any]:
        """Return all counts, as ``GET /_sandbox/org/stats`` does."""
        count = self._messenger.count
        with self._lock:
            calls, writes = dict(sorted(self._calls.items())), dict(sorted(self._writes.items()))
        outbound = {
            "planned": count.planned, "acknowledged": count.acknowledged, "pending": count.pending,
            "dropped": count.dropped, "refused_posts": count.refused, "posts": count.posts,
        }  # fmt: skip
        return {"calls": calls, "total_calls": sum(calls.values()), "rows": writes, "outbound": outbound}

    def reset(self) -> None:
        """Forget counts and pending messages; records, sessions and settings stay."""
        self._messenger.forget()
        with self._lock:
            self._calls.clear()
            self._writes.clear()
            self._tries.clear()

    def settled(self, timeout: float = 10.0) -> bool:
        """Wait until no Outbound Message is pending; tell whether that came to be within ``timeout`` seconds."""
        return self._messenger.settled(timeout)

    def answer(self, call: Call) -> Answer:
        """Answer a request below ``/services/``."""
        knobs = self._knobs
        delay = knobs.latency_ms / 1000
        kind = rest.kind_of(call)
        with self._lock:
            self._calls[kind] += 1
            nth, used = self._calls[kind], knobs.used + sum(self._calls.values()) - self._calls["login"]
        usage = {"Sforce-Limit-Info": f"api-usage={used}/{knobs.daily_limit}"}
        try:
            self._stumble(knobs, kind, nth)
            if kind == "login":
                found = self._sessions.login(call, knobs)
                return Answer(status=found.status, body=found.body, delay=delay)
            self._sessions.check(call.headers, knobs)
            if used > knobs.daily_limit:
                raise OVER_LIMIT
            if knobs.html_rate and draw(knobs.seed, "html", kind, nth) < knobs.html_rate:
                return Answer(body=PAGE, kind="text/html; charset=UTF-8", delay=delay)
            found = self._route(call, knobs, used)
        except OrgError as refusal:
            found = refusal.answer()
        return Answer(
            status=found.status, body=found.body, kind=found.kind, delay=delay, headers={**usage, **found.headers}
        )

    def control(self, call: Call) -> Answer:
        """Answer below ``/_sandbox/org``."""
        try:
            document = call.document() if call.body else {}
            if not isinstance(document, dict):
                raise ConfigurationError("Send a JSON object.")
            return self._steer(call, document)
        except ConfigurationError as fault:
            return Answer(status=400, body=json.dumps({"error": str(fault)}).encode())
        except ValueError:
            return Answer(status=400, body=b'{"error": "The body is not JSON."}')

    def _steer(self, call: Call, document: dict[str, Any]) -> Answer:
        name, record_id = str(document.get("object", "")), str(document.get("id", ""))
        fields, by = document.get("fields", {}), str(document.get("by", HUMAN))
        if not isinstance(fields, dict) or by not in (HUMAN, INTEGRATION):
            raise ConfigurationError("fields must be an object, and by human or integration.")
        match call.method, list(call.path):
            case "GET", ["stats"]:
                return as_json(self.stats())
            case "GET", ["config"]:
                return as_json(self._knobs.shown())
            case "POST", ["config"]:
                return as_json(self.configure(**document).shown())
            case "GET", ["records", name]:
                return as_json({"records": self.records(name)})
            case "POST", ["create"]:
                return as_json({"id": self.create(name, fields, by=by)})
            case "POST", ["edit"]:
                self.edit(name, record_id, fields, by=by)
                return as_json(self.record(name, record_id))
            case "POST", ["delete"]:
                self.delete(name, record_id)
                return as_json({"success": True})
            case "POST", ["expire"]:
                return as_json({"ended": self.expire()})
            case "POST", ["reset"]:
                self.reset()
                return as_json({"success": True})
        words = "There are stats, config, records/<object>, create, edit, delete, expire and reset."
        return Answer(status=404, body=json.dumps({"error": words}).encode())

    def _stumble(self, knobs: OrgKnobs, kind: str, nth: int) -> None:
        """Raise what chance has in store for this call."""
        if knobs.down:
            raise DOWN
        if knobs.error_rate and draw(knobs.seed, "error", kind, nth) < knobs.error_rate:
            raise BROKEN

    def _route(self, call: Call, knobs: OrgKnobs, used: int) -> Answer:
        match call.method, list(call.path[1:]):
            case "GET", ["oauth2", "userinfo"]:
                return as_json({"user_id": self._records.users[INTEGRATION], "organization_id": self.org_id})
            case "GET", ["data"]:
                return as_json([{"label": "Sandbox", "url": "/services/data/v64.0", "version": "64.0"}])
            case _, ["data", version, *path] if _VERSION.fullmatch(version):
                if path[:2] == ["jobs", "ingest"]:
                    return self._jobs.answer(call, path[2:], polls=knobs.bulk_polls, fails=knobs.bulk_fails)
                if path == ["limits"]:
                    most = {"Max": knobs.daily_limit, "Remaining": max(0, knobs.daily_limit - used)}
                    return as_json(
                        {"DailyApiRequests": most, "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000}}
                    )
                if path[:1] in (["query"], ["queryAll"]):
                    return rest.query(call, path, self._records, self._pages, self._organization())
                return rest.objects(call, path, self._records, self._write)
        raise NOWHERE

    def _organization(self) -> Row:
        row: Row = dict.fromkeys(rest.ORGANIZATION_FIELDS)
        return row | {"Id": self.org_id, "Name": "Sandbox", "OrganizationType": "Enterprise Edition", "IsSandbox": True,
                      "InstanceName": "SBX0", "IsDeleted": False}  # fmt: skip

    def _write(self, operation: str, name: str, fields: Mapping[str, Any]) -> str:
        """Write one row for the integration user; return its id. Raises RowError."""
        record_id = str(fields.get("Id", ""))
        knobs = self._knobs
        with self._lock:
            self._tries[record_id] += 1
            nth = self._tries[record_id]
        try:
            if knobs.lock_rate and record_id and draw(knobs.seed, "lock", record_id, nth) < knobs.lock_rate:
                raise LOCKED
            rest_of = {key: value for key, value in fields.items() if key != "Id"}
            match operation:
                case "insert":
                    found = self._records.create(name, rest_of, INTEGRATION)
                case "delete":
                    found = self._records.delete(name, record_id, INTEGRATION)
                case _:
                    found = self._records.update(name, record_id, rest_of, INTEGRATION)
        except RowError as refusal:
            with self._lock:
                self._writes[f"refused {refusal.code}"] += 1
            raise
        with self._lock:
            self._writes[operation] += 1
        return found

    def _changed(self, name: str, record_id: str, by: str) -> None:
        """Send an Outbound Message about a change, where there is one for its object."""
        knobs = self._knobs
        if knobs.webhook_url and name in knobs.objects and (by == HUMAN or knobs.echo):
            self._messenger.tell(name, record_id)

    @staticmethod
    def action_of(name: str) -> str:
        """Return the ActionId of an object's Outbound Message."""
        return action_id(name)


def _person(order: Order, national_share: float) -> dict[str, Any]:
    """Return the fields of a Contact for a buyer."""
    people = ("customer", "shipping_address", "billing_address")
    told: Mapping[str, Any] = next((order.payload[one] for one in people if order.payload[one]), {})
    region = phonenumbers.region_code_for_number(phonenumbers.parse(order.phone))
    as_national = draw(1, "national", order.phone) < national_share
    return {
        "FirstName": str(told.get("first_name") or "")[:40] or None, "LastName": str(told.get("last_name") or "?")[:80],
        "MobilePhone": national(order.phone) if as_national else order.phone, "Email": order.payload["email"] or None,
        "MailingCountryCode": region, "MailingCountry": region,
    }  # fmt: skip


def _shown(row: Row) -> dict[str, Any]:
    return {name: plain(value) for name, value in row.items()}
