"""The proof: all that is recorded of one person's consent, to be shown to them, an auditor or a court."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connector.model import AccountId, Contact, ContactId, Entry, KeyKind, Purpose, Standing
from connector.policy.consent import RULES, stand
from connector.store import Transaction, consents, people


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What one page holds."""

    contact: Contact
    keys: tuple[tuple[str, str], ...] = field(repr=False)
    """What the person is recognised by: kind, value."""
    merged: tuple[Contact, ...] = ()
    """Contacts that turned out to be this person."""
    standings: Mapping[Purpose, Standing]
    """For every purpose, worked out anew from the entries."""
    entries: tuple[Entry, ...] = field(repr=False)
    """The whole history, oldest first."""
    accounts: Mapping[AccountId, str]
    """Names of the accounts that entries came by."""
    rules: tuple[str, ...] = RULES
    printed_at: datetime
    printed_by: str

    def account_of(self, entry: Entry) -> str:
        """Return the name of the account that an entry came by; one that was removed has only its id."""
        return self.accounts.get(entry.account_id, entry.account_id) if entry.account_id else ""


def prove(
    tx: Transaction, contact_id: ContactId, accounts: Mapping[str, AccountId], at: datetime, by: str
) -> Proof | None:
    """Gather the proof of one person; None where there is no such contact. ``accounts``: id by name."""
    contact = people.load(tx, [contact_id]).get(contact_id)
    if contact is None:
        return None
    names = {id_: name for name, id_ in accounts.items()}
    entries = consents.of(tx, [contact_id])
    keys = (
        (_kind(key.kind, names.get(key.account_id or AccountId(""), "")), key.value)
        for key in people.keys_of(tx, [contact_id]).get(contact_id, ())
    )
    return Proof(
        contact=contact,
        keys=tuple(keys),
        merged=tuple(people.merged_into(tx, contact_id)),
        standings={purpose: stand(entries, purpose) for purpose in Purpose},
        entries=tuple(entries),
        accounts=names,
        printed_at=at,
        printed_by=by,
    )


def shape(proof: Proof) -> dict[str, Any]:
    """Return a proof for programs: plain values, times in ISO 8601 with their offset."""
    contact = proof.contact
    return {
        "contact": {
            "id": contact.id,
            "name": contact.name,
            "phone": contact.phone,
            "phone_as_written": contact.raw_phone,
            "email": contact.email,
            "created_at": contact.created_at.isoformat(),
            "known_by": [{"kind": kind, "value": value} for kind, value in proof.keys],
            "merged": [
                {"contact": item.id, "why": item.merged_words, "at": item.updated_at.isoformat()}
                for item in proof.merged
            ],
        },
        "standings": {purpose.value: standing_shape(item) for purpose, item in proof.standings.items()},
        "entries": [entry_shape(entry, proof.account_of(entry)) for entry in proof.entries],
        "rules": list(proof.rules),
        "printed_at": proof.printed_at.isoformat(),
        "printed_by": proof.printed_by,
    }


def standing_shape(standing: Standing) -> dict[str, Any]:
    """Return where somebody stands, for programs."""
    return {
        "state": standing.state.value,
        "since": standing.since.isoformat() if standing.since else None,
        "entry": standing.entry_id or None,
        "words": standing.words,
    }


def entry_shape(entry: Entry, account: str) -> dict[str, Any]:
    """Return an entry of the ledger, for programs; ``account`` is the name of the one that it came by."""
    return {
        "entry": entry.id,
        "purpose": entry.purpose.value,
        "state": entry.state.value,
        "source": entry.source.value,
        "account": account,
        "record": entry.record,
        "place": entry.place,
        "wording": entry.wording,
        "wording_version": entry.wording_version,
        "evidence": entry.evidence,
        "actor": entry.actor,
        "dated": entry.dated,
        "occurred_at": entry.occurred_at.isoformat(),
        "learned_at": entry.learned_at.isoformat(),
    }


def _kind(kind: KeyKind, account: str) -> str:
    words = {
        KeyKind.PHONE: "phone",
        KeyKind.WA_ID: "number at the channel",
        KeyKind.USER_ID: "user id at the channel",
        KeyKind.PARENT_ID: "parent user id at the channel",
        KeyKind.RECORD: "record",
    }[kind]
    return f"{words} of {account}" if account else words
