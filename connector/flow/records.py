"""What shops and CRMs tell of people: identity, consent and labels, taken in by the contact mappings.

An echo of our own writing is no news, whatever time it carries. What is news becomes an entry of the ledger
or a change of labels, by the rules of whoever owns them; where the record then says otherwise than it
should, it is set right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from connector.flow import writeback
from connector.flow.crowd import Crowd
from connector.flow.writeback import News, Told
from connector.mapping.contact import ContactMapping, FieldRule, Wins
from connector.mapping.sight import Claim, LabelsTold, Seen, sight
from connector.model import (
    Account,
    AccountId,
    ConsentState,
    ContactId,
    Entry,
    Json,
    Key,
    KeyKind,
    Purpose,
    Sighting,
    Source,
    new_id,
)
from connector.store import consents, labels
from connector.store.events import NewEvent
from connector.store.labels import LabelChange

SHOP_OBJECTS = ("customer", "order", "checkout")
"""Records of shops; all others are a CRM's."""
_OPPOSITE = {ConsentState.GRANTED: ConsentState.REVOKED, ConsentState.REVOKED: ConsentState.GRANTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A person in one event, by one contact mapping."""

    new: NewEvent
    account: Account
    mapping: ContactMapping
    seen: Seen

    @property
    def record_id(self) -> str:
        return self.seen.record.partition(":")[2]


def take_in(crowd: Crowd, events: Iterable[NewEvent]) -> None:
    """Learn what these events, which are new, tell of people."""
    cases = list(_cases(crowd, events))
    whose = crowd.meet([case.seen.sighting(case.account.id) for case in cases])
    known = [(case, id_) for case, id_ in zip(cases, whose, strict=True) if id_ is not None]
    if not known:
        return
    held = labels.held(crowd.tx, {_set_of(case, item) for case, _ in known for item in case.seen.labels})
    told = [(item, case, id_, claim) for case, id_ in known for item, claim in _told(case, held)]
    for (item, case, id_, claim), news in zip(
        told, writeback.learn(crowd.tx, [item for item, *_ in told], crowd.at), strict=True
    ):
        if isinstance(claim, Claim):
            if news is News.NEW or (news is News.AGAIN and _counts_again(crowd, id_, claim)):
                _claim(crowd, case, id_, claim, again=news is News.AGAIN)
        elif news:
            _label(crowd, case, id_, item)
    for case, id_ in known:
        if case.seen.record:
            crowd.touch(id_)


def _cases(crowd: Crowd, events: Iterable[NewEvent]) -> Iterator[_Case]:
    accounts = crowd.desk.accounts
    for new in events:
        account = accounts.account(new.account_id)
        for mapping in crowd.desk.catalogue.contacts(account) if account else ():
            seen = sight(mapping, new.event, accounts.public(new.account_id), crowd.at) if account else None
            if account and seen is not None and seen.sighting(account.id).keys:
                yield _Case(new=new, account=account, mapping=mapping, seen=seen)


Held = Mapping[tuple[str, ...], Sequence[str]]


def _set_of(case: _Case, item: LabelsTold) -> tuple[AccountId, str, str, str]:
    return case.account.id, case.mapping.object, case.record_id, _field(case, item.rule)


def _told(case: _Case, held: Held) -> Iterator[tuple[Told, Claim | LabelsTold]]:
    """Yield what the record is said to hold, field by field."""
    for claim in case.seen.claims:
        said = _says(case, claim.rule, "", _value(claim), claim.at or case.new.event.occurred_at)
        yield replace(said, dated=claim.at is not None), claim
    for item in case.seen.labels:
        for name, has in _members(item, held.get(_set_of(case, item), ())):
            yield _says(case, item.rule, name, has, case.new.event.occurred_at), item


def _says(case: _Case, rule: FieldRule, item: str, value: Json, at: datetime) -> Told:
    return Told(
        account_id=case.account.id, object=case.mapping.object, record_id=case.record_id, field=_field(case, rule),
        item=item, value=value, at=at,
    )  # fmt: skip


def _field(case: _Case, rule: FieldRule) -> str:
    """Return the field that a rule's value stands in: for what only comes in, that which the same thing goes out to."""
    if rule.vendor:
        return rule.vendor
    head = rule.contact.partition(".")[0] if rule.contact.startswith("labels") else rule.contact
    return next((other.vendor for other in case.mapping.fields if other.contact == head and other.vendor), head)


def _value(claim: Claim) -> Json:
    return {"true": True, "false": False}.get(claim.told, claim.told)


def _members(item: LabelsTold, held: Sequence[str]) -> Iterator[tuple[str, bool]]:
    yield from ((name, True) for name in item.added)
    yield from ((name, False) for name in item.removed)
    if item.whole is not None:
        present = {name.casefold() for name in item.whole}
        yield from ((name, True) for name in item.whole)
        yield from ((name, False) for name in held if name.casefold() not in present)


def _counts_again(crowd: Crowd, id_: ContactId, claim: Claim) -> bool:
    """Tell whether to enter what a record says once more: it renews where the person stands, and never changes it."""
    standing = consents.standings(crowd.tx, [id_]).get((id_, claim.purpose))
    otherwise = _OPPOSITE.get(claim.state)
    return otherwise is not None and not (standing and standing.state is otherwise)


def _claim(crowd: Crowd, case: _Case, id_: ContactId, claim: Claim, *, again: bool) -> None:
    if claim.rule.wins is Wins.OURS and _is_known(crowd, id_, claim.purpose):
        return  # touched in any case: the record is set right
    event = case.new.event
    dated = claim.at is not None
    occurred_at = claim.at or event.occurred_at
    if claim.rule.wins is Wins.THEIRS and claim.state is ConsentState.REVOKED and not again:
        occurred_at = crowd.at
    crowd.enter(
        f"{case.new.id}:{case.mapping.name}:{claim.purpose}",
        Entry(
            id=new_id(), contact_id=id_, purpose=claim.purpose, state=claim.state,
            source=Source.SHOP if case.mapping.object in SHOP_OBJECTS else Source.CRM, account_id=case.account.id,
            record=case.seen.record, place=claim.place, wording=f"{_field(case, claim.rule)} = {claim.told}",
            evidence=f"event {case.new.id}", actor=case.account.name, dated=dated,
            occurred_at=min(occurred_at, crowd.at), learned_at=crowd.at,
        ),
    )  # fmt: skip


def _is_known(crowd: Crowd, id_: ContactId, purpose: Purpose) -> bool:
    standing = consents.standings(crowd.tx, [id_]).get((id_, purpose))
    return standing is not None and standing.state is not ConsentState.UNKNOWN


def _label(crowd: Crowd, case: _Case, id_: ContactId, told: Told) -> None:
    crowd.label(
        LabelChange(
            key=f"{case.new.id}:{told.item}:{told.value}", contact_id=id_, name=told.item, added=told.value is True,
            origin=case.account.id, words=f"{case.seen.record} of {case.account.name}", at=crowd.at,
        ),
        told=True,
    )  # fmt: skip
    if told.value is True:
        crowd.untrue(id_, told.item)


def agreements(crowd: Crowd, agreed: Sequence[tuple[NewEvent, str, ContactId]]) -> None:
    """Enter that buyers agreed to marketing by a field of an event: (event, field, who)."""
    for new, field, id_ in agreed:
        crowd.enter(agreement_key(new), agreement_entry(new, field, id_, crowd.at))


def agreement_key(new: NewEvent) -> str:
    """Return the key under which an event's agreement is entered once."""
    return f"{new.id}:agreed"


def agreement_entry(new: NewEvent, field: str, id_: ContactId, at: datetime) -> Entry:
    """Return the entry of an agreement that an event's field tells."""
    return Entry(
        id=new_id(), contact_id=id_, purpose=Purpose.MARKETING, state=ConsentState.GRANTED, source=Source.CHECKOUT,
        account_id=new.account_id, record=new.event.subject, place=f"{new.event.topic}, field {field}",
        wording=f"{field} = true", evidence=f"event {new.id}", actor="the person",
        occurred_at=min(new.event.occurred_at, at), learned_at=at,
    )  # fmt: skip


def sighting_of(recipient: str, new: NewEvent) -> Sighting:
    """Return whom an event is to be told to, as a sighting."""
    return Sighting(keys=(Key(KeyKind.PHONE, recipient),), seen_at=new.event.occurred_at)
