"""Sharing: what is known of people becomes what their records in shops and CRMs should hold.

The contact mappings in force say which field that is and in which words. What stands there already is not
written again; that is for :mod:`connector.flow.writeback` to see.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from connector.flow import writeback
from connector.flow.accounts import Accounts
from connector.flow.catalogue import Catalogue
from connector.flow.writeback import Want
from connector.mapping.contact import ContactMapping, FieldRule
from connector.mapping.people import Owner, PeoplePolicy
from connector.model import (
    Account,
    AccountId,
    ConsentState,
    ContactId,
    Entry,
    Key,
    KeyKind,
    Person,
    Purpose,
    Standing,
)
from connector.store import Transaction, consents, labels, people, wanted
from connector.store.wanted import LOOK_UP


@dataclass(frozen=True, slots=True)
class _Place:
    """One record of a person, and the mapping that says what it should hold."""

    account: Account
    mapping: ContactMapping
    record_id: str

    def says(self, entry: Entry | None) -> bool:
        """Tell whether an entry of the ledger is what this very record said."""
        record = f"{self.mapping.object}:{self.record_id}"
        return entry is not None and (entry.account_id, entry.record) == (self.account.id, record)


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is to be written together; ``over``: only where this stands in the first field, or is to be written."""

    wants: tuple[Want, ...]
    over: str | bool | None = None


def spread(
    tx: Transaction,
    catalogue: Catalogue,
    accounts: Accounts,
    contacts: Collection[ContactId],
    at: datetime,
    *,
    gone_labels: Mapping[ContactId, Collection[str]] | None = None,
    more: Sequence[Want] = (),
) -> set[AccountId]:
    """Want what these people's records should hold by now; return the accounts that have something to write.

    ``gone_labels``: labels that they have no more, which their records are to lose. ``more``: what else is
    wanted in this transaction, all in one, so that transactions do not wait for each other in a circle.
    """
    wishes = _wishes(tx, catalogue, accounts, contacts, at, gone_labels or {})
    return writeback.want(tx, [*wishes, *more], at)


def _wishes(
    tx: Transaction,
    catalogue: Catalogue,
    accounts: Accounts,
    contacts: Collection[ContactId],
    at: datetime,
    gone: Mapping[ContactId, Collection[str]],
) -> Sequence[Want]:
    if not contacts:
        return ()
    places = {id_: list(found) for id_, found in _places(tx, catalogue, accounts, contacts)}
    if not any(places.values()):
        return ()
    persons = people.persons(tx, contacts)
    entries = _deciding(tx, persons.values())
    wearing = labels.of(tx, contacts)
    keys = people.keys_of(tx, contacts)
    policy = catalogue.policy()
    wishes: list[_Wish] = []
    for id_, found in places.items():
        person = persons.get(id_)
        worn = _worn(wearing.get(id_, ()), gone.get(id_, ()))
        for place in found if person else ():
            for rule in place.mapping.fields:
                if rule.goes_out and person is not None:
                    wishes += _of_rule(place, rule, person, worn, policy, keys.get(id_, ()), entries, at)
    return _due(tx, wishes)


def would_hold(
    tx: Transaction,
    account: Account,
    mapping: ContactMapping,
    record_id: str,
    id_: ContactId,
    policy: PeoplePolicy,
    at: datetime,
) -> dict[int, list[Want]]:
    """Return what a mapping wants one record of a person to hold, by the place of the rule; nothing is written.

    ``mapping`` need not be in force. What stands there already is wanted all the same.
    """
    person = people.persons(tx, [id_]).get(id_)
    if person is None:
        return {}
    entries, keys = _deciding(tx, [person]), people.keys_of(tx, [id_]).get(id_, ())
    worn = _worn(labels.of(tx, [id_]).get(id_, ()), ())
    place = _Place(account, mapping, record_id)
    wishes = {
        number: list(_of_rule(place, rule, person, worn, policy, keys, entries, at))
        for number, rule in enumerate(mapping.fields)
        if rule.goes_out
    }
    return {number: [item for wish in found for item in wish.wants] for number, found in wishes.items()}


def _worn(wearing: Iterable[str], gone: Iterable[str]) -> dict[str, bool]:
    """Return which labels records should have and which not; shops and CRMs do not tell them apart by case."""
    has = {name.casefold() for name in wearing}
    return {name: False for name in gone if name.casefold() not in has} | dict.fromkeys(wearing, True)


def _due(tx: Transaction, wishes: Iterable[_Wish]) -> list[Want]:
    """Leave out what is to be written over something else than what stands there."""
    asked = {wish.wants[0].place: wish.over for wish in wishes if wish.over is not None}
    rows = {row.place: (row.value, row.known) for row in wanted.load(tx, list(asked))}
    stands = {place for place, over in asked.items() if writeback.spell(over) in rows.get(place, ())}
    return [
        item for wish in wishes if wish.over is None or wish.wants[0].place in stands for item in wish.wants
    ]  # fmt: skip


def _places(
    tx: Transaction, catalogue: Catalogue, accounts: Accounts, contacts: Collection[ContactId]
) -> Iterator[tuple[ContactId, Iterator[_Place]]]:
    writing = [
        (account, mapping)
        for account in accounts.crms()
        for mapping in catalogue.contacts(account)
        if any(rule.goes_out for rule in mapping.fields)
    ]
    keys = people.keys_of(tx, contacts) if writing else {}
    for id_ in contacts if writing else ():
        yield id_, _places_of(id_, keys.get(id_, ()), writing)


def _places_of(
    id_: ContactId, keys: Iterable[Key], writing: Sequence[tuple[Account, ContactMapping]]
) -> Iterator[_Place]:
    records = [(key.account_id, *key.value.partition(":")[::2]) for key in keys if key.kind is KeyKind.RECORD]
    for account, mapping in writing:
        own = [number for holder, kind, number in records if holder == account.id and kind == mapping.object]
        if not own and mapping.look_up:
            own = [writeback.somewhere(id_)]
        for number in own:
            yield _Place(account, mapping, number)


def _deciding(tx: Transaction, persons: Iterable[Person]) -> Mapping[str, Entry]:
    """Return the entries that decide where these people stand, by id."""
    ids = [standing.entry_id for person in persons for standing in person.standings.values() if standing.entry_id]
    return {entry.id: entry for entry in consents.entries(tx, ids)}


def _source(entry: Entry | None) -> str:
    """Return how what decides was learned, in words for a field of a CRM."""
    if entry is None:
        return ""
    return f"WhatsApp: {entry.source}" if entry.source.value in _SAID_TO_US else entry.place or entry.source.value


_SAID_TO_US = ("keyword", "button", "preference", "refusal", "signup")


def _of_rule(
    place: _Place,
    rule: FieldRule,
    person: Person,
    worn: Mapping[str, bool],
    policy: PeoplePolicy,
    keys: Iterable[Key],
    entries: Mapping[str, Entry],
    at: datetime,
) -> Iterator[_Wish]:
    if rule.contact.startswith("consent."):
        standing = person.standings.get(Purpose(rule.contact.partition(".")[2]))
        if standing is not None:
            yield from _consent(place, rule, person.contact.id, standing, entries.get(standing.entry_id), at)
    elif rule.contact == "labels":
        only = {name.casefold() for name in rule.only}
        for name, worn_now in worn.items():
            if policy.owner(name) is not Owner.THEIRS and (not only or name.casefold() in only):
                yield _Wish((_want(place, rule.vendor, worn_now, person.contact.id, at, item=name),))
    elif rule.contact == "wa_id" and not place.record_id.startswith(LOOK_UP):  # nobody is looked up for that alone
        number = next((key.value for key in keys if key.kind is KeyKind.WA_ID), "")
        if number:
            yield _Wish((_want(place, rule.vendor, number, person.contact.id, at),))


def _consent(
    place: _Place, rule: FieldRule, id_: ContactId, standing: Standing, entry: Entry | None, at: datetime
) -> Iterator[_Wish]:
    word = rule.to_vendor(standing.state.value)
    if word is None:
        return
    since = standing.since or at
    wants = [_want(place, rule.vendor, _typed(word), id_, since)]
    if rule.write_at and not place.says(entry):  # else it says itself since when, and by whom
        wants.append(_want(place, rule.write_at, since.isoformat(timespec="milliseconds"), id_, since))
    if rule.write_source and not place.says(entry):
        wants.append(_want(place, rule.write_source, _source(entry), id_, since))
    refused = rule.to_vendor(ConsentState.REVOKED)
    lifts = standing.state is ConsentState.UNKNOWN and refused is not None
    # That nothing is known replaces a stop that was lifted, and nothing that a human has put there.
    yield _Wish(tuple(wants), over=_typed(refused) if lifts and refused is not None else None)


def _typed(word: str) -> str | bool:
    """Return a checkbox's value as one."""
    return {"true": True, "false": False}.get(word, word)


def _want(place: _Place, field: str, value: str | bool, id_: ContactId, at: datetime, *, item: str = "") -> Want:
    return Want(
        account_id=place.account.id, object=place.mapping.object, record_id=place.record_id, field=field, item=item,
        value=value, contact_id=id_, at=at,
    )  # fmt: skip
