"""Forgetting people: on an operator's word, and on that of a shop (docs/security.md has the rules in words).

A person is forgotten in one transaction. What is stored of them is found by their keys and records, and by
their numbers and addresses in the bytes of requests, which no row leads to; those are read beforehand, and
what came meanwhile within the transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.flow.mention import spoken, written
from connector.model import (
    AccountId,
    ConsentState,
    ContactId,
    KeyKind,
    RequestId,
    Source,
    new_id,
    now,
    spellings,
)
from connector.store import Store, Transaction, consents, erased, forget, people, privacy, traces
from connector.store.erased import Refused
from connector.store.events import NewEvent, Subject
from connector.store.privacy import CUSTOMER_REDACT, DATA_REQUEST, SHOP_REDACT, Asked
from connector.store.traces import Traces

KINDS: Mapping[str, str] = {
    "privacy.data_request": DATA_REQUEST,
    "privacy.customer_redact": CUSTOMER_REDACT,
    "privacy.shop_redact": SHOP_REDACT,
}
"""Types of events that ask for something, and what they ask for."""
WITHIN = timedelta(days=30)
"""How long one has for it (facts: Shopify's privacy webhooks; also Art. 12 (3) GDPR: one month)."""
PAGE = 200
"""Bodies read at once."""

Progress = Callable[[str, int], object]
"""Told what is being counted, and how far it has come."""


def note(tx: Transaction, new_events: Iterable[NewEvent], at: datetime) -> int:
    """Remember what these events, which are new, ask for; return how many do. In the transaction that stores them."""
    return privacy.note(
        tx,
        [
            Asked(
                id=new_id(), event_id=new.id, account_id=new.account_id, kind=KINDS[new.event.type],
                record=new.event.subject, asked_at=min(new.event.occurred_at, at),
                due_at=min(new.event.occurred_at, at) + WITHIN,
            )
            for new in new_events
            if new.event.type in KINDS
        ],
    )  # fmt: skip


@dataclass(slots=True)
class Forgotten:
    """What was forgotten; all nought where there was nothing left."""

    contacts: int = 0
    messages: int = 0
    requests: int = 0
    replies: int = 0
    refusals: int = 0
    """Hashes that are kept, so that whoever refused is not written to when they come again."""

    def add(self, other: Forgotten) -> None:
        """Add up."""
        for name in Forgotten.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """Somebody, with whoever was merged into them."""

    id: ContactId
    family: frozenset[ContactId]
    records: frozenset[Subject]
    numbers: frozenset[str] = field(repr=False)
    """Every spelling, and user ids: what refusals are kept for."""
    emails: frozenset[str] = field(repr=False)
    """Only those that nobody else has."""

    @property
    def addresses(self) -> set[str]:
        """Return how senders and recipients are stored."""
        return set(self.numbers) | {number.removeprefix("+") for number in self.numbers}

    @property
    def forms(self) -> set[bytes]:
        """Return how they may stand in a body."""
        return written(self.numbers, self.emails)


def whose(tx: Transaction, id_: ContactId, *, locked: bool = False) -> Whose | None:
    """Return a contact that stays, with all that it is known by; None where there is none.

    ``locked``: nobody else changes it, or meets its people, until the transaction ends.
    """
    family = set(people.family(tx, [id_]))
    keys = [key for found in people.keys_of(tx, family).values() for key in found]
    if locked:
        people.lock(tx, keys)
    contacts = people.load(tx, family, locked=locked)
    if id_ not in contacts or contacts[id_].merged_into:
        return None
    phones = {key.value for key in keys if key.kind in (KeyKind.PHONE, KeyKind.WA_ID)}
    phones |= {item.phone for item in contacts.values() if item.phone}
    known = {key.value for key in keys if key.kind in (KeyKind.USER_ID, KeyKind.PARENT_ID)}
    emails = {item.email.casefold() for item in contacts.values() if item.email}
    owners = consents.by_email(tx, emails) if emails else {}
    return Whose(
        id=id_,
        family=frozenset(family),
        records=frozenset((key.account_id, key.value) for key in keys if key.account_id),
        numbers=frozenset(known | {spelled for phone in phones for spelled in spellings(phone)}),
        emails=frozenset(email for email in emails if set(owners.get(email, [])) <= family),
    )


@dataclass(slots=True)
class Mentions:
    """Requests whose bytes mention somebody: by whom was asked about."""

    found: dict[str, dict[RequestId, AccountId]] = field(default_factory=dict)
    upto: int = 0
    """The last request that was read."""

    def of(self, name: str, account_id: AccountId | None = None) -> set[RequestId]:
        """Return the requests that mention one of those asked about; of one account, where it is given."""
        found = self.found.get(name, {})
        return {number for number, holder in found.items() if account_id in (None, holder)}


def search(
    store: Store, forms: Mapping[str, Collection[bytes]], progress: Progress = lambda _what, _count: None
) -> Mentions:
    """Read every stored request once, and return those that mention one of these (name -> forms)."""
    index = _index(forms)
    mentions, read = Mentions(), 0
    while index:
        with store.read() as tx:
            page = traces.bodies(tx, mentions.upto, PAGE)
        if not page:
            break
        _match(page, index, mentions)
        read += len(page)
        progress("requests read", read)
    return mentions


def _index(forms: Mapping[str, Collection[bytes]]) -> dict[bytes, list[str]]:
    index: dict[bytes, list[str]] = {}
    for name, theirs in forms.items():
        for form in theirs:
            index.setdefault(form, []).append(name)
    return index


def _match(
    page: Sequence[tuple[RequestId, AccountId, bytes]], index: Mapping[bytes, Sequence[str]], into: Mentions
) -> None:
    for number, account_id, body in page:
        for form in spoken(body) & index.keys():
            for name in index[form]:
                into.found.setdefault(name, {})[number] = account_id
        into.upto = number


def since(tx: Transaction, forms: Collection[bytes], mentions: Mentions) -> set[RequestId]:
    """Return requests that mention somebody and came after those that were searched."""
    late = Mentions(upto=mentions.upto)
    index = _index({"": forms})
    while page := traces.bodies(tx, late.upto, PAGE):
        _match(page, index, late)
    return late.of("")


def find_all(tx: Transaction, who: Whose, mentions: Mentions, extra: Collection[Subject] = ()) -> Traces:
    """Return all that is stored of somebody."""
    return traces.gather(
        tx,
        family=who.family,
        subjects={*who.records, *extra},
        addresses=who.addresses,
        mentioned=mentions.of(who.id) | since(tx, who.forms, mentions),
    )


def erase(
    store: Store,
    digest: Callable[[str], str],
    id_: ContactId,
    progress: Progress = lambda _what, _count: None,
) -> Forgotten:
    """Forget a person for good. Done again, it finds nothing; what is kept are hashes of what they refused.

    ``digest`` hashes a number under a key of this installation (see :mod:`connector.flow.erasure`).
    """
    with store.read() as tx:
        who = whose(tx, id_)
    if who is None:
        return Forgotten()
    mentions = search(store, {who.id: who.forms}, progress)
    with store.write() as tx, forget.thoroughly(tx):
        return erase_in(tx, digest, id_, mentions, now())


def erase_in(
    tx: Transaction,
    digest: Callable[[str], str],
    id_: ContactId,
    mentions: Mentions,
    at: datetime,
    extra: Collection[Subject] = (),
) -> Forgotten:
    """Forget a person within a transaction; ``extra``: what else is about them, such as their orders."""
    who = whose(tx, id_, locked=True)
    if who is None:
        return Forgotten()
    found = find_all(tx, who, mentions, extra)
    refused = _refusals(tx, who, digest, at)
    erased.add(tx, refused)
    done = empty(tx, found, at)
    forget.wishes(tx, {*found.subjects, *who.records})
    privacy.forget_records(tx, who.records, at)
    forget.people(tx, who.family)
    forget.trials(tx, who.numbers)
    done.contacts, done.refusals = 1, len(refused)
    return done


def empty(tx: Transaction, found: Traces, at: datetime) -> Forgotten:
    """Empty what was found: messages, requests, replies, what was weighed."""
    forget.said_to_others(tx, found.to_others, at)
    done = Forgotten(
        messages=forget.messages(tx, found.messages, at),
        requests=forget.requests(tx, found.requests),
        replies=forget.said(tx, found.inbound),
    )
    events = {*found.own_events, *traces.events_of(tx, found.requests)}
    forget.events(tx, events)
    forget.answered(tx, events, {*found.messages, *found.to_others})
    return done


def _refusals(tx: Transaction, who: Whose, digest: Callable[[str], str], at: datetime) -> list[Refused]:
    """Return what outlives them: for every number and user id, each purpose that stands revoked."""
    standing = {
        purpose: item
        for (_, purpose), item in consents.standings(tx, [who.id]).items()
        if item.state is ConsentState.REVOKED
    }
    sources = {entry.id: entry.source for entry in consents.entries(tx, [item.entry_id for item in standing.values()])}
    return [
        Refused(
            digest=digest(number),
            purpose=purpose,
            source=sources.get(item.entry_id, Source.ADMIN),
            occurred_at=item.since or at,
            erased_at=at,
        )
        for number in sorted(who.numbers)
        for purpose, item in standing.items()
    ]
