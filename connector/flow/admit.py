"""Consent by word of mouth: what an admin or a program says of one person, found by whatever is at hand.

The command line and the API both come through :class:`Notary`. Files of many rows: :mod:`connector.flow.optins`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import phonenumbers

from connector.errors import ConfigurationError
from connector.flow import ledger
from connector.flow.ledger import Changed
from connector.flow.people import People
from connector.model import (
    AccountId,
    ConsentState,
    ContactId,
    Entry,
    Key,
    KeyKind,
    Purpose,
    Sighting,
    Source,
    Standing,
    new_id,
    spellings,
)
from connector.policy.consent import SKEW
from connector.store import Store, Transaction, consents, people

Spread = Callable[[Transaction, Collection[ContactId], datetime], object]
"""Wants written back what is now known of these people; in the transaction that learned it."""

_CONTACT = re.compile(r"[0-9a-z]{26}")
RECORD = re.compile(r"[A-Za-z]\w*:\S{1,200}")
"""How a record is written: ``customer:5521``."""
_USER_ID = re.compile(r"[A-Z]{2}\.[\w.]{1,140}")
LONGEST = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What somebody says of a person's consent."""

    purpose: Purpose
    state: ConsentState
    source: Source
    actor: str
    """Who says so."""
    place: str = ""
    """Where and how the person said it. A grant must have one."""
    wording: str = ""
    wording_version: str = ""
    evidence: str = ""
    occurred_at: datetime | None = None
    """When the person said it; None: now."""
    key: str = ""
    """The same fact has the same key, and is entered once; ``""``: it is a new one."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """What became of a statement."""

    contact_id: ContactId
    purpose: Purpose
    entered: bool
    """False: it was known already, by its key."""
    before: Standing
    after: Standing


@dataclass(frozen=True, slots=True)
class Notary:
    """Takes statements about people. ``accounts``: id by name, for records."""

    store: Store
    people: People
    accounts: Mapping[str, AccountId]
    spread: Spread

    def admit(self, who: str, said: Sequence[Statement], at: datetime, *, account: str = "") -> list[Admitted]:
        """Enter what was said of one person, all of it or nothing; whoever has a new phone number is new.

        Raises ConfigurationError where it is not clear who is meant, or what is said cannot stand.
        """
        for statement in said:
            _check(statement, at)
        with self.store.write() as tx:
            id_, changed = self._meet(tx, who, at, account)
            before = consents.standings(tx, [id_])
            entries = [_entry(statement, id_, at) for statement in said]
            keys = [statement.key or f"said:{entry.id}" for statement, entry in zip(said, entries, strict=True)]
            changed |= ledger.enter(tx, list(zip(keys, entries, strict=True)), at)
            self.share(tx, changed, at)
            entered = {entry.id for entry in consents.entries(tx, [entry.id for entry in entries])}
            after = consents.standings(tx, [id_])
        pairs = [(id_, entry.purpose) for entry in entries]
        return [
            Admitted(*pair, entry.id in entered, before.get(pair, ledger.NOTHING), after.get(pair, ledger.NOTHING))
            for pair, entry in zip(pairs, entries, strict=True)
        ]

    def share(self, tx: Transaction, changed: Changed, at: datetime) -> None:
        """Want written back what has changed: the one place where words of mouth reach shops and CRMs."""
        if changed:
            self.spread(tx, {id_ for id_, _ in changed}, at)

    def _meet(self, tx: Transaction, who: str, at: datetime, account: str) -> tuple[ContactId, Changed]:
        phone = read_phone(who)
        if phone is not None:
            sighting = Sighting(keys=(Key(KeyKind.PHONE, phone),), raw_phone=who.strip(), seen_at=at)
            met = self.people.meet(tx, [sighting], at)
            if met.ids[0] is not None:
                return met.ids[0], met.changed
        found = whose(tx, who, self.accounts, account)
        if found is None:
            raise ConfigurationError("Nobody is known by this; a person who is new is entered by their phone number.")
        return found, {}


def whose(tx: Transaction, who: str, accounts: Mapping[str, AccountId], account: str = "") -> ContactId | None:
    """Return who is meant by a phone number, an e-mail address, a contact's id, a user id or a record.

    Raises ConfigurationError where it is none of these, or means several people.
    """
    who = who.strip()[:LONGEST]
    if _CONTACT.fullmatch(who):
        return consents.present(tx, ContactId(who))
    if "@" in who:
        found = consents.by_email(tx, [who]).get(who.casefold(), [])
    else:
        found = sorted(set(people.find(tx, _keys(who, accounts, account)).values()))
    if len(found) > 1:
        ids = ", ".join(found[:10])
        raise ConfigurationError(f"{len(found)} people are meant by this; say which contact it is: {ids}.")
    return found[0] if found else None


def _keys(who: str, accounts: Mapping[str, AccountId], account: str) -> list[Key]:
    if account and account not in accounts:
        raise ConfigurationError(f"There is no account named {account!r}; `connector accounts list` names them.")
    if RECORD.fullmatch(who):
        return [Key(KeyKind.RECORD, who, holder) for name, holder in accounts.items() if account in ("", name)]
    if _USER_ID.fullmatch(who):
        return [Key(KeyKind.USER_ID, who), Key(KeyKind.PARENT_ID, who)]
    phone = read_phone(who)
    if phone is None:
        raise ConfigurationError(
            "This means nobody: give a phone number with its country code (+49 151 …), an e-mail address, the id"
            " of a contact, or a record such as Contact:003000000000001AAA."
        )
    kinds = (KeyKind.PHONE, KeyKind.WA_ID)
    return [Key(kind, spelled) for spelled in spellings(phone) for kind in kinds]


def read_phone(text: str) -> str | None:
    """Return a number that was written with its country code in E.164 form; None where it is none."""
    text = text.strip()
    if len(text) > 40 or not text.startswith(("+", "00")) or any(char.isalpha() for char in text):
        return None
    try:
        number = phonenumbers.parse(f"+{text.lstrip('+').removeprefix('00')}", None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _entry(said: Statement, contact_id: ContactId, at: datetime) -> Entry:
    return Entry(
        id=new_id(), contact_id=contact_id, purpose=said.purpose, state=said.state, source=said.source,
        place=said.place.strip(), wording=said.wording, wording_version=said.wording_version, evidence=said.evidence,
        actor=said.actor, occurred_at=said.occurred_at or at, learned_at=at,
    )  # fmt: skip


def _check(said: Statement, at: datetime) -> None:
    if said.state is ConsentState.UNKNOWN:
        raise ConfigurationError("Say granted, pending or revoked: unknown says nothing.")
    if said.state is ConsentState.GRANTED and not said.place.strip():
        raise ConfigurationError(
            "A grant needs its source, or it proves nothing: say where and how the person agreed, such as"
            " 'form at the till, Main Street'."
        )
    if said.occurred_at is not None and said.occurred_at > at + SKEW:
        raise ConfigurationError("This has not happened yet: the time is in the future.")
