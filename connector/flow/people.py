"""Recognising people: which contact a sighting is, who turns out to be one person, who is new.

A contact is somebody who can be written to. Records of shops and CRMs belong to whoever has their number:

- A record whose number somebody else has already, belongs to that person from then on (two people who
  share a phone are one contact here: whatever one of them says to the number holds for both).
- A record that has a new number nobody has, is still the same person.
- A contact of which no number is known is merged into the one that turns out to be the same.
- What the channel says belongs together (a number and a user id) is one person. A record that names two
  numbers of two people belongs to the first, and joins nobody.

Numbers are compared by all their spellings and kept as they came. Everything here is for one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from connector.flow import ledger
from connector.model import (
    ConsentState,
    Contact,
    ContactId,
    Entry,
    Identity,
    Key,
    KeyKind,
    Purpose,
    Rekey,
    Sighting,
    Standing,
    new_id,
    spellings,
)
from connector.store import Transaction, erased, people

ADDRESSES = (KeyKind.PHONE, KeyKind.WA_ID, KeyKind.USER_ID, KeyKind.PARENT_ID)
"""Kinds of keys by which a person can be reached; a record is none."""
Changed = dict[tuple[ContactId, Purpose], tuple[Standing, Standing]]


def keys_of(person: Identity) -> tuple[Key, ...]:
    """Return what the channel says a person is recognised by."""
    pairs = (
        (KeyKind.WA_ID, person.phone),
        (KeyKind.USER_ID, person.user_id),
        (KeyKind.PARENT_ID, person.parent_user_id),
    )
    return tuple(Key(kind, value) for kind, value in pairs if value)


@dataclass(slots=True)
class Met:
    """Who the people of a batch turned out to be."""

    ids: list[ContactId | None]
    """One for each sighting; None where it holds nothing to recognise anybody by."""
    changed: Changed = field(default_factory=dict)
    """Standings that merging changed."""
    stays: dict[ContactId, ContactId] = field(default_factory=dict)
    """Who was merged, and into whom."""


class People:
    """Recognises people. ``digest`` hashes a number under a key of this installation (see flow.erasure)."""

    def __init__(self, digest: Callable[[str], str]) -> None:
        self._digest = digest

    def resolve(self, tx: Transaction, sightings: Sequence[Sighting], at: datetime) -> list[ContactId]:
        """Return whose sightings these are, making contacts of people who are new. Every one must have a key."""
        return [id_ for id_ in self.meet(tx, sightings, at).ids if id_ is not None]

    def meet(self, tx: Transaction, sightings: Sequence[Sighting], at: datetime) -> Met:
        """Return whose sightings these are, and what follows from some being one person."""
        asked = {key: None for sighting in sightings for key in sighting.keys}
        if not asked:
            return Met([None] * len(sightings))
        people.lock(tx, asked)
        known, contacts = _look_up(tx, [spelled for key in asked for spelled in _spelled(key)])
        reachable = _reachable(people.keys_of(tx, list(contacts)))
        room = _Room(known, contacts, reachable, at)
        ids = [room.seat(sighting) for sighting in sightings]
        room.write(tx)
        met = Met(
            [room.present(id_) if id_ else None for id_ in ids],
            stays={gone: room.present(gone) for _, gone, _ in room.merges},
        )
        if room.merges:
            met.changed.update(ledger.restand(tx, {room.present(keep) for keep, _, _ in room.merges}, at))
        met.changed.update(self._remember_refusals(tx, room, at))
        return met

    def rekey(self, tx: Transaction, change: Rekey, at: datetime) -> Met:
        """Let a person be known by another number or user id as well; the old ones stay theirs."""
        old, new = keys_of(change.old), keys_of(change.new)
        return self.meet(tx, [Sighting(keys=(*new, *old), alias=change.new.name, seen_at=at)], at)

    def merge(self, tx: Transaction, keep: ContactId, gone: ContactId, words: str, at: datetime) -> Changed:
        """Make two contacts one, on somebody's word; both histories stay. Returns the standings that changed."""
        people.merge(tx, keep, gone, words, at)
        return ledger.restand(tx, {keep}, at)

    def _remember_refusals(self, tx: Transaction, room: _Room, at: datetime) -> Changed:
        """Enter for people who have a number anew what an erased person of the same number had refused."""
        numbers = {
            self._digest(spelled.value): id_
            for key, id_ in room.given.items()
            if key.kind in ADDRESSES
            for spelled in _spelled(key)
        }
        entries = [
            (
                f"erased:{numbers[item.digest]}:{item.purpose}",
                Entry(
                    id=new_id(), contact_id=room.present(numbers[item.digest]), purpose=item.purpose,
                    state=ConsentState.REVOKED, source=item.source, actor="the person",
                    evidence=f"kept as a hash when they were erased on {item.erased_at:%Y-%m-%d}",
                    occurred_at=item.occurred_at, learned_at=at,
                ),
            )
            for item in erased.find(tx, list(numbers))
        ]  # fmt: skip
        return ledger.enter(tx, entries, at) if entries else {}


def recipients(tx: Transaction, phones: Collection[str]) -> dict[str, ContactId]:
    """Return whose these numbers are, as far as that is known; nobody is made."""
    asked = {phone: list(_spelled(Key(KeyKind.PHONE, phone))) for phone in phones}
    found = people.find(tx, {key for keys in asked.values() for key in keys})
    known = {phone: [found[key] for key in keys if key in found] for phone, keys in asked.items()}
    return {phone: min(ids) for phone, ids in known.items() if ids}


def _look_up(tx: Transaction, keys: Collection[Key]) -> tuple[dict[Key, ContactId], dict[ContactId, Contact]]:
    """Return whose keys these are, and lock them; whoever was merged while we waited is somebody else by now."""
    known = people.find(tx, keys)
    contacts = people.load(tx, set(known.values()), locked=True)
    while merged := {id_: item.merged_into for id_, item in contacts.items() if item.merged_into}:
        known = {key: merged.get(id_, id_) for key, id_ in known.items()}
        contacts = people.load(tx, set(known.values()), locked=True)
    return known, contacts


def _spelled(key: Key) -> Iterable[Key]:
    """Yield the keys that would be the same person: every spelling of a number, whoever wrote it."""
    if key.kind not in (KeyKind.PHONE, KeyKind.WA_ID):
        yield key
        return
    for value in spellings(key.value):
        yield Key(KeyKind.PHONE, value)
        yield Key(KeyKind.WA_ID, value)


def _reachable(keys: Mapping[ContactId, Collection[Key]]) -> set[ContactId]:
    return {id_ for id_, theirs in keys.items() if any(key.kind in ADDRESSES for key in theirs)}


class _Room:
    """The people of one batch, as they take their seats; written in a few statements at the end."""

    def __init__(
        self,
        known: Mapping[Key, ContactId],
        contacts: Mapping[ContactId, Contact],
        reachable: set[ContactId],
        at: datetime,
    ) -> None:
        self._known = dict(known)
        self._contacts = dict(contacts)
        self._reachable = set(reachable)
        self._at = at
        self._touched: set[ContactId] = set()
        self._stays: dict[ContactId, ContactId] = {}
        self.fresh: set[ContactId] = set()
        self.given: dict[Key, ContactId] = {}
        self.merges: list[tuple[ContactId, ContactId, str]] = []

    def present(self, id_: ContactId) -> ContactId:
        """Return who stays of whom this contact was merged into."""
        while id_ in self._stays:
            id_ = self._stays[id_]
        return id_

    def seat(self, sighting: Sighting) -> ContactId | None:
        """Find or make the contact of a sighting, and note what is new about it."""
        if not sighting.keys:
            return None
        addresses = [key for key in sighting.keys if key.kind in ADDRESSES]
        records = [key for key in sighting.keys if key.kind is KeyKind.RECORD]
        id_ = self._by_address(addresses, joins=not records)
        for record in records:
            id_ = self._with_record(id_, record)
        if id_ is None:
            id_ = self._make()
        for key in sighting.keys:
            holder = self._known.get(key)
            if holder == id_ or (holder and records and key in addresses and self.present(holder) != id_):
                continue  # theirs already; or somebody else's, which a record cannot change
            self._known[key] = self.given[key] = id_
        if addresses:
            self._reachable.add(id_)
        self._note(id_, sighting, addresses)
        return id_

    def _by_address(self, addresses: Sequence[Key], *, joins: bool) -> ContactId | None:
        # Of each key one: that two numbers may be two spellings of one, merges nobody who is known by both.
        found = ([self._known[each] for each in _spelled(key) if each in self._known] for key in addresses)
        holders = dict.fromkeys(self.present(ids[0]) for ids in found if ids)
        if not joins:
            return next(iter(holders), None)
        first = min(holders, default=None)  # ids sort by time: the oldest stays
        for other in sorted(holders)[1:] if first else ():
            self._merge(min(holders), other, "The channel says that these numbers and user ids are one person's.")
        return first

    def _with_record(self, id_: ContactId | None, record: Key) -> ContactId | None:
        holder = self._known.get(record)
        holder = self.present(holder) if holder else None
        if id_ is None or holder is None or holder == id_:
            return id_ or holder
        if holder not in self._reachable:
            self._merge(id_, holder, f"{record.value} turned out to have this person's number.")
        return id_  # otherwise the record alone moves over

    def _merge(self, keep: ContactId, gone: ContactId, words: str) -> None:
        self.merges.append((keep, gone, words))
        self._stays[gone] = keep
        lost, stays = self._contacts[gone], self._contacts[keep]
        self._contacts[keep] = replace(
            stays,
            **{
                name: getattr(stays, name) or getattr(lost, name)
                for name in ("phone", "raw_phone", "name", "email", "region", "locale", "timezone", "blocked_at")
            },
            blocked_words=stays.blocked_words or lost.blocked_words,
        )
        self._touched.add(keep)
        if gone in self._reachable:
            self._reachable.add(keep)

    def _make(self) -> ContactId:
        id_ = ContactId(new_id())
        self._contacts[id_] = Contact(id=id_, created_at=self._at, updated_at=self._at)
        self.fresh.add(id_)
        return id_

    def _note(self, id_: ContactId, sighting: Sighting, addresses: Sequence[Key]) -> None:
        before = self._contacts[id_]
        told = {
            name: getattr(sighting, name)
            for name in ("name", "email", "region", "locale", "timezone")
            if getattr(sighting, name)
        }
        if sighting.alias and not before.name:
            told.setdefault("name", sighting.alias)
        number = next((key for key in addresses if key.kind in (KeyKind.PHONE, KeyKind.WA_ID)), None)
        if number is not None and number.value not in spellings(before.phone):
            told |= {"phone": number.value, "raw_phone": sighting.raw_phone}
            if before.unreachable_at:  # another number is another chance
                told |= {"unreachable_at": None, "bounces": 0}
        after = replace(before, **told) if told else before
        if after != before:
            self._contacts[id_] = replace(after, updated_at=self._at)
            self._touched.add(id_)

    def write(self, tx: Transaction) -> None:
        """Write what came of it."""
        people.add(tx, [self._contacts[id_] for id_ in sorted(self.fresh)])
        for keep, gone, words in self.merges:
            people.merge(tx, self.present(keep), gone, words, self._at)
        people.save(tx, [self._contacts[id_] for id_ in sorted(self._touched - self.fresh) if id_ not in self._stays])
        people.give_keys(tx, {key: self.present(id_) for key, id_ in self.given.items()}, self._at)
