"""All that is stored of one person, as JSON: for them to have (docs/security.md describes the form).

A delivery that speaks of other people too is named without its body, which is theirs as well.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from connector.contract import Receiver
from connector.errors import PayloadError
from connector.flow.privacy import Mentions, Progress, Whose, find_all, search, whose
from connector.flow.proof import entry_shape, standing_shape
from connector.flow.writeback import read
from connector.model import AccountId, ContactId, Event, RequestId, now
from connector.store import Store, Transaction, consents, inbox, labels, look, people, traces
from connector.store.events import Subject
from connector.store.inbox import ERASED, Leased
from connector.store.traces import Traces

FORM = "connector-person/1"
_OURS = {
    "lease_owner", "lease_until", "dedupe_key", "key", "leased", "leased_version", "version", "ticket", "written",
    "resend_in_doubt", "contact_id", "message_id", "request_id", "position",
}  # fmt: skip
"""Columns that say how we work, and nothing about the person."""
_ACCOUNTS = {"account_id": "account", "source_id": "source", "channel_id": "channel"}


class Accounts(Protocol):
    """What is asked about accounts."""

    def receiver(self, id_: AccountId) -> Receiver | None:
        """Return an account's receiver."""


def compile_(
    store: Store,
    accounts: Accounts,
    id_: ContactId | None,
    *,
    records: Collection[Subject] = (),
    forms: Collection[bytes] = (),
    progress: Progress = lambda _what, _count: None,
) -> dict[str, Any]:
    """Return all that is stored of a person.

    ``id_`` None: of whoever has these ``records``, and whom a body mentions in one of these ``forms``, though
    nobody is known as a contact.
    """
    with store.read() as tx:
        who = whose(tx, id_) if id_ is not None else None
    mentions = search(store, {who.id: who.forms} if who else {"": forms}, progress)
    with store.read() as tx:
        found = find_all(tx, who, mentions, records) if who else _of_records(tx, mentions, records)
        names = look.account_names(tx)
        told = {"format": FORM, "exported_at": now().isoformat()}
        requests = _requests(tx, accounts, found, names)
        theirs = [item["id"] for item in requests["requests"] if "left_out" not in item]
        found = replace(found, own_events=found.own_events | traces.events_of(tx, theirs))
        return told | _person(tx, who, names) | _history(tx, who, found, names) | requests


def _of_records(tx: Transaction, mentions: Mentions, records: Collection[Subject]) -> Traces:
    account_id = next((holder for holder, _ in records), AccountId(""))
    return traces.gather(
        tx, family=(), subjects=records, addresses=(), mentioned=mentions.of("", account_id), account_id=account_id
    )


def _person(tx: Transaction, who: Whose | None, names: Mapping[str, str]) -> dict[str, Any]:
    if who is None:
        return {"contact": None, "merged": [], "known_by": [], "standings": {}, "ledger": []}
    rows = {row["id"]: _plain(row, names) for row in traces.rows_of(tx, "contact", "id", who.family)}
    keys = [key for found in people.keys_of(tx, who.family).values() for key in found]
    return {
        "contact": rows.pop(who.id),
        "merged": list(rows.values()),
        "known_by": [
            {"kind": key.kind.value, "value": key.value, "account": names.get(key.account_id or "", None)}
            for key in keys
        ],
        "standings": {
            purpose.value: standing_shape(item) for (_, purpose), item in consents.standings(tx, [who.id]).items()
        },
        "ledger": [
            entry_shape(entry, names.get(entry.account_id or "", entry.account_id or ""))
            for entry in consents.of(tx, [who.id])
        ],
    }


def _history(tx: Transaction, who: Whose | None, found: Traces, names: Mapping[str, str]) -> dict[str, Any]:
    family = who.family if who else ()

    def rows(table: str, column: str, values: Collection[Any]) -> list[dict[str, Any]]:
        return [_plain(row, names) for row in traces.rows_of(tx, table, column, values)]

    by_message: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for table in ("attempt", "receipt", "reaction"):
        for row in traces.rows_of(tx, table, "message_id", found.messages):
            by_message.setdefault(row["message_id"], {}).setdefault(f"{table}s", []).append(_plain(row, names))
    wishes = {
        (row["account_id"], row["object"], row["record_id"], row["field"], row["item"]): row
        for row in (
            *traces.rows_of(tx, "wanted", "contact_id", family),
            *traces.wishes_about(tx, found.subjects),
        )
    }
    return {
        "labels": [_label(row, names) for row in traces.rows_of(tx, "label", "contact_id", family)],
        "label_history": [
            {"name": item.name, "added": item.added, "origin": names.get(item.origin, item.origin),
             "words": item.words, "at": item.at.isoformat()}
            for item in labels.history(tx, list(family))
        ],
        "conversations": rows("conversation", "contact_id", family),
        "messages": [row | by_message.get(row["id"], {}) for row in rows("message", "id", found.messages)],
        "written_by_them": rows("inbound", "id", found.inbound),
        "reactions": rows("reaction", "contact_id", family),
        "events": rows("event", "id", found.own_events),
        "decisions": rows("decision", "event_id", found.own_events),
        "write_backs": [_wish(row, names) for row in wishes.values()],
    }  # fmt: skip


def _requests(tx: Transaction, accounts: Accounts, found: Traces, names: Mapping[str, str]) -> dict[str, Any]:
    told = []
    for chunk in traces.chunks(sorted(found.requests), 100):
        for number, stored in sorted(inbox.load(tx, chunk).items()):
            if stored.words != ERASED:
                told.append(_request(number, stored, accounts, names))
    return {"requests": told}


def _request(number: RequestId, stored: Leased, accounts: Accounts, names: Mapping[str, str]) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "id": number,
        "account": names.get(stored.account_id, stored.account_id),
        "topic": stored.topic,
        "received_at": stored.request.received_at.isoformat(),
        "body": None,
    }
    if _is_about_one(stored, accounts.receiver(stored.account_id)):
        return shape | {"body": _body(stored.request.body)}
    return shape | {"left_out": "It speaks of other people too, or nobody can tell any more."}


def _is_about_one(stored: Leased, receiver: Receiver | None) -> bool:
    """Tell whether a delivery speaks of one thing: one item, or several events of one payload."""
    if receiver is None:
        return False
    try:
        items = receiver.parse(stored.request)
    except PayloadError:
        return False
    except Exception:  # noqa: BLE001 - an adapter's bug shall not cost somebody the rest
        return False
    payloads = [item.payload if isinstance(item, Event) else None for item in items]
    return len(items) == 1 or (
        bool(items) and payloads[0] is not None and all(item is payloads[0] for item in payloads)
    )


def _body(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode("utf-8", "replace")


def _label(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {"name": row["name"], "origin": names.get(row["origin"], row["origin"]), "since": row["since"].isoformat()}


def _wish(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    told = _plain(row, names)
    return told | {name: None if row[name] is None else read(row[name]) for name in ("value", "known")}


def _plain(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return a row for others: accounts by name, times in ISO 8601, without what is ours alone."""
    told: dict[str, Any] = {}
    for name, value in row.items():
        if name in _OURS:
            continue
        if name in _ACCOUNTS:
            told[_ACCOUNTS[name]] = names.get(value, value)
        else:
            told[name] = value.isoformat() if isinstance(value, datetime) else value
    return told
