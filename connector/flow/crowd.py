"""What one transaction learns about people, gathered, entered in one go, and shared with shops and CRMs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol, TypeVar

from connector.flow import labels as labels_
from connector.flow import ledger, share
from connector.flow.accounts import Accounts, Registry
from connector.flow.catalogue import Catalogue
from connector.flow.ledger import Changed
from connector.flow.people import Met, People
from connector.flow.writeback import Want
from connector.mapping.people import PeoplePolicy
from connector.model import AccountId, Contact, ContactId, Entry, EventId, MessageId, Rekey, Sighting
from connector.store import Store, Transaction, outbox, people, reactions
from connector.store.labels import LabelChange
from connector.store.outbox import NewMessage
from connector.store.reactions import Reaction

Gathered = TypeVar("Gathered", LabelChange, Want, Reaction, NewMessage)

ANSWERS = ("button", "replied")
"""Outcomes by which a person answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The tools of whoever deals with people."""

    people: People
    catalogue: Catalogue
    accounts: Accounts
    retell: Callable[[Transaction, EventId], Mapping[str, Any] | None]
    """Return what expressions see of a stored event, or None where it can no longer be read."""


class Tools(Protocol):
    """What works on an installation; the wiring is one."""

    @property
    def store(self) -> Store:
        """The database."""
        ...

    @property
    def registry(self) -> Registry:
        """The adapters."""
        ...

    @property
    def desk(self) -> Desk:
        """What is needed to deal with people: they, the mappings in force, the accounts."""
        ...


class Crowd:
    """The people of one transaction. Gather first, then :meth:`close`."""

    def __init__(self, tx: Transaction, desk: Desk, at: datetime) -> None:
        self.tx, self.desk, self.at = tx, desk, at
        self.policy: PeoplePolicy = desk.catalogue.policy()
        self._entries: list[tuple[str, Entry]] = []
        self._labels: list[LabelChange] = []
        self._told_labels: list[LabelChange] = []
        self._wants: list[Want] = []
        self._reactions: list[Reaction] = []
        self._answers: list[NewMessage] = []
        self._touched: set[ContactId] = set()
        self._untrue: dict[ContactId, set[str]] = {}
        self._stays: dict[ContactId, ContactId] = {}
        self.changed: Changed = {}

    def meet(self, sightings: Sequence[Sighting]) -> list[ContactId | None]:
        """Return whose sightings these are; people who are new are added."""
        return self._follow(self.desk.people.meet(self.tx, sightings, self.at)).ids

    def rekey(self, change: Rekey) -> None:
        """Let somebody be known by another number or user id."""
        self._follow(self.desk.people.rekey(self.tx, change, self.at))

    def present(self, id_: ContactId) -> ContactId:
        """Return who somebody is by now who was met in this transaction: they may have been merged since."""
        while id_ in self._stays:
            id_ = self._stays[id_]
        return id_

    def _follow(self, met: Met) -> Met:
        self._stays |= met.stays
        self._touched |= set(met.stays.values())  # whose records now include those of another
        self._note(met.changed)
        return met

    def _note(self, changed: Changed) -> None:
        for pair, (before, after) in changed.items():
            self.changed[pair] = (self.changed[pair][0] if pair in self.changed else before), after

    def enter(self, key: str, entry: Entry) -> None:
        """Enter something into the ledger."""
        self._entries.append((key, entry))

    def label(self, change: LabelChange, *, told: bool = False) -> None:
        """Put a label on somebody, or take it off; ``told``: a shop or CRM says so."""
        (self._told_labels if told else self._labels).append(change)

    def untrue(self, contact_id: ContactId, label: str) -> None:
        """Note that a record says otherwise about a label than it may: it is set right unless it was accepted."""
        self._untrue.setdefault(contact_id, set()).add(label)

    def want(self, wish: Want) -> None:
        """Want something to stand in a record."""
        self._wants.append(wish)

    def touch(self, contact_id: ContactId) -> None:
        """See that this person's records hold what they should."""
        self._touched.add(contact_id)

    def did(self, reaction: Reaction) -> None:
        """Remember something done."""
        self._reactions.append(reaction)

    def answer(self, message: NewMessage) -> None:
        """Send an answer in free words."""
        self._answers.append(message)

    def fresh(self, keys: Iterable[str]) -> set[str]:
        """Return those keys of reactions under which nothing has been done."""
        asked = set(keys)
        return asked - reactions.known(self.tx, asked) - {item.key for item in self._reactions}

    def answered(self, ids: Collection[MessageId]) -> set[MessageId]:
        """Return to which of these messages the person has answered in a way that a rule is about."""
        known = {item.message_id for item in reactions.of(self.tx, messages=ids) if item.on in ANSWERS}
        known |= {item.message_id for item in self._reactions if item.on in ANSWERS}
        return {id_ for id_ in ids if id_ in known}

    def change(self, ids: Iterable[ContactId], alter: Callable[[Contact], Contact]) -> None:
        """Change contacts themselves: blocks, bounces."""
        found = people.load(self.tx, set(ids), locked=True)
        altered = [after for before in found.values() if (after := alter(before)) != before]
        people.save(self.tx, [replace(item, updated_at=self.at) for item in altered])

    def enter_all(self) -> None:
        """Enter what was gathered for the ledger so far, so that ``changed`` tells what it came to."""
        self._note(ledger.enter(self.tx, self._entries, self.at))
        self._entries = []

    def close(self) -> set[AccountId]:
        """Write everything, and return which numbers have something to send.

        For what is to be written back the clock rings, once it has had time to gather.
        """
        self.enter_all()
        labelled = [
            *labels_.change(self.tx, map(self._of_present, self._told_labels), self.policy, from_records=True),
            *labels_.change(self.tx, map(self._of_present, self._labels), self.policy),
        ]
        gone: dict[ContactId, set[str]] = {}
        for id_, names in self._untrue.items():
            gone.setdefault(self.present(id_), set()).update(names)
        for item in labelled:
            if not item.added:
                gone.setdefault(item.contact_id, set()).add(item.name)
        ids = {id_ for id_, _ in self.changed} | {item.contact_id for item in labelled} | set(gone) | self._touched
        share.spread(
            self.tx, self.desk.catalogue, self.desk.accounts, set(map(self.present, ids)), self.at, gone_labels=gone,
            more=list(map(self._of_present, self._wants)),
        )  # fmt: skip
        reactions.add(self.tx, list(map(self._of_present, self._reactions)))
        outbox.add(self.tx, list(map(self._of_present, self._answers)), self.at)
        return {item.send.channel for item in self._answers}

    def _of_present(self, item: Gathered) -> Gathered:
        """Let what was gathered about somebody be about who they are by now."""
        return replace(item, contact_id=self.present(item.contact_id)) if item.contact_id in self._stays else item
