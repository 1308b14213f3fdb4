"""Working off what shops ask for in their customers' name: to be forgotten, one customer or the whole shop.

Somebody who is known from elsewhere too (another shop, the CRM, another customer with the same number) stays
a contact; only what this account told of them is forgotten. Whatever is broken off is done again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from connector.errors import PayloadError
from connector.flow import ledger
from connector.flow.mention import named_in, written
from connector.flow.privacy import Forgotten, Mentions, Progress, Whose, empty, erase_in, search, whose
from connector.log import get
from connector.model import AccountId, ContactId, Key, KeyKind, MessageId, RequestId, now, parse_json
from connector.store import Store, Transaction, accounts, events, forget, inbox, marks, people, privacy, tokens, traces
from connector.store.events import Subject
from connector.store.privacy import CUSTOMER_REDACT, SHOP_REDACT, Asked

CHORE = "privacy"
AGAIN = timedelta(minutes=2)
"""A bell that nobody heard, and what could not be done, come again after so long."""
REDACTS = (CUSTOMER_REDACT, SHOP_REDACT)
CUSTOMERS = 100
"""Customers for whom the stored requests are read once."""
PEOPLE = 1000
"""The same for the people of a shop."""
ROWS = 500
_WHOLE = "shop"
"""First part of the subject of an event that is about no record but the shop itself."""

log = get(__name__)


@dataclass(slots=True)
class Worked:
    """What was worked off."""

    done: int = 0
    failed: int = 0
    """Requests that stay open, since working on them failed; the log says why."""
    left: bool = False
    forgotten: Forgotten = field(default_factory=Forgotten)


def is_due(tx: Transaction) -> bool:
    """Tell whether somebody waits to be forgotten, and nobody has been woken for it just now."""
    asked_at = marks.at(tx, CHORE)
    return (asked_at is None or now() - asked_at > AGAIN) and privacy.waits(tx, REDACTS)


def put_off(tx: Transaction) -> None:
    """Note that somebody is being woken for it."""
    marks.put(tx, CHORE, "asked")


def work_off(
    store: Store,
    digest: Callable[[str], str],
    *,
    enough: Callable[[], bool] = lambda: False,
    progress: Progress = lambda _what, _count: None,
) -> Worked:
    """Forget whoever shops have asked to be forgotten; ``enough`` is asked between larger pieces of the work."""
    worked = Worked()
    tried: set[str] = set()
    while True:
        with store.read() as tx:
            waiting = privacy.open_(tx, REDACTS, CUSTOMERS + len(tried))
        batch = [item for item in waiting if item.id not in tried]
        if not batch or (tried and enough()):
            worked.left = worked.left or bool(batch)
            return worked
        tried |= {item.id for item in batch}
        customers = [item for item in batch if item.kind == CUSTOMER_REDACT]
        if customers:
            _Customers(store, digest, customers, progress).forget(worked)
        for item in batch:
            if item.kind == SHOP_REDACT:
                _try(worked, item, partial(_Shop(store, digest, item, enough, progress).forget, worked))


def _try(worked: Worked, item: Asked, work: Callable[[], bool]) -> None:
    try:
        if work():
            worked.done += 1
        else:
            worked.left = True
    except Exception:  # one that trips a bug shall not cost the others their right
        log.exception("privacy.not_done", privacy_id=item.id, kind=item.kind)
        worked.failed += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One customer, as a request names them."""

    asked: Asked
    subjects: frozenset[Subject]
    """Their record, and their orders."""
    candidates: tuple[ContactId, ...]
    """Who has the record, and people without any record who were told of its events."""
    forms: frozenset[bytes] = field(repr=False)
    """The numbers and addresses that the request itself names."""


class _Customers:
    """Forgets some customers; the stored requests are read once for all of them."""

    def __init__(self, store: Store, digest: Callable[[str], str], asked: Sequence[Asked], progress: Progress) -> None:
        self._store, self._digest, self._asked, self._progress = store, digest, asked, progress

    def forget(self, worked: Worked) -> None:
        forms: dict[str, Collection[bytes]] = {}
        cases: list[_Case] = []
        with self._store.read() as tx:
            for asked in self._asked:
                case = _case(tx, asked)
                cases.append(case)
                forms[asked.id] = case.forms
                forms |= {id_: who.forms for id_ in case.candidates if (who := whose(tx, id_)) is not None}
        mentions = search(self._store, forms, self._progress)
        for case in cases:
            _try(worked, case.asked, partial(self._one, case, mentions, worked))

    def _one(self, case: _Case, mentions: Mentions, worked: Worked) -> bool:
        at, account_id, record = now(), case.asked.account_id, case.asked.record
        with self._store.write() as tx, forget.thoroughly(tx):
            done, kept = Forgotten(), {}
            for id_ in case.candidates:
                who = whose(tx, id_, locked=True)
                why = _held(tx, who, case) if who is not None else ""
                if who is not None and why:
                    kept[id_] = why
                    _detach(tx, who, account_id, record, at)
                else:
                    done.add(erase_in(tx, self._digest, id_, mentions, at, case.subjects))
            done.add(self._rest(tx, case, mentions, kept, at))
            privacy.forget_records(tx, {(account_id, record)}, at)
            privacy.finish(tx, case.asked.id, _words(done, list(kept.values())), at, forget=True)
        worked.forgotten.add(done)
        return True

    def _rest(
        self, tx: Transaction, case: _Case, mentions: Mentions, kept: Collection[ContactId], at: datetime
    ) -> Forgotten:
        """Empty what this account alone has brought about the customer."""
        account_id = case.asked.account_id
        shared = bool(kept) and traces.has_record_of(tx, kept, account_id, case.asked.record)
        mentioned: set[RequestId] = set()
        if not shared:  # else the number is another customer's as well
            for name in (case.asked.id, *kept):
                mentioned |= mentions.of(name, account_id)
        found = traces.gather(
            tx, family=case.candidates, subjects=case.subjects, addresses=(), mentioned=mentioned, account_id=account_id
        )
        forget.wishes(tx, found.subjects)
        return empty(tx, found, at)


def _case(tx: Transaction, asked: Asked) -> _Case:
    account_id = asked.account_id
    told = events.subjects_of(tx, [asked.event_id]).get(asked.event_id, [])
    subjects = {(account_id, name) for name in (asked.record, *told) if name.partition(":")[0] not in ("", _WHOLE)}
    holder = people.find(tx, [Key(KeyKind.RECORD, asked.record, account_id)])
    own = traces.events_about(tx, subjects, list(holder.values()))
    told_of = traces.receivers_of(tx, own)
    nameless = sorted(told_of.keys() - traces.has_records(tx, told_of.keys()) - set(holder.values()))
    return _Case(
        asked=asked,
        subjects=frozenset(subjects),
        candidates=(*holder.values(), *nameless),
        forms=frozenset(named(tx, asked)),
    )


def named(tx: Transaction, asked: Asked) -> set[bytes]:
    """Return how whoever a request names by number or address may stand in other bodies."""
    place = events.places(tx, [asked.event_id]).get(asked.event_id)
    stored = inbox.load(tx, [place[1]]).get(place[1]) if place else None
    try:
        names = list(named_in(parse_json(stored.request.body))) if stored else []
    except PayloadError:
        names = []
    return written([name for name in names if "@" not in name], [name for name in names if "@" in name])


def _held(tx: Transaction, who: Whose, case: _Case) -> str:
    """Say by what else somebody is known; ``""``: by nothing."""
    held = traces.held_elsewhere(tx, who.family, case.asked.account_id, case.asked.record)
    if held or who.records:
        return held
    about = traces.receivers_of(tx, traces.events_about(tx, case.subjects, who.family))
    theirs = traces.messages_to(tx, who.family, ()) - {id_ for told in about.values() for id_ in told}
    return "messages about something else" if traces.about_events(tx, theirs) else ""


def _detach(tx: Transaction, who: Whose, account_id: AccountId, record: str, at: datetime) -> None:
    forget.told_by(tx, who.family, account_id, record)
    ledger.restand(tx, [who.id], at)


def _words(done: Forgotten, kept: Sequence[str]) -> str:
    words = f"{done.contacts} forgotten, {done.messages} messages and {done.requests} requests emptied."
    return f"{words} Stays a contact: known by {', '.join(dict.fromkeys(kept))}." if kept else words


class _Shop:
    """Forgets all that an account has brought, and the people who are known by it alone."""

    def __init__(
        self, store: Store, digest: Callable[[str], str], asked: Asked, enough: Callable[[], bool], progress: Progress
    ) -> None:
        self._store, self._digest, self._asked = store, digest, asked
        self._enough, self._progress = enough, progress
        self._account = asked.account_id
        self._kept = 0

    def forget(self, worked: Worked) -> bool:
        """Return whether all of it is done; what is left is done the next time."""
        self._close()
        return self._people(worked) and self._requests(worked) and self._messages(worked) and self._end(worked)

    def _close(self) -> None:
        """Let nothing more be fetched from a shop that asked to be forgotten."""
        with self._store.write() as tx:
            tokens.delete_(tx, self._account)
            accounts.suspend(tx, self._account, "The shop has gone, and asked to be forgotten.", now())

    def _people(self, worked: Worked) -> bool:
        after = ContactId("")
        while True:
            with self._store.read() as tx:
                page = traces.people_of(tx, self._account, after, PEOPLE)
                known = [who for id_ in page if (who := whose(tx, id_)) is not None]
                gone = {who.id: who for who in known if not traces.held_elsewhere(tx, who.family, self._account)}
            if not page:
                return True
            mentions = search(self._store, {id_: who.forms for id_, who in gone.items()}, self._progress)
            for number, who in enumerate(known, 1):
                worked.forgotten.add(self._person(who.id, mentions, searched=who.id in gone))
                self._progress("people", number)
            after = page[-1]
            if self._enough():
                return False

    def _person(self, id_: ContactId, mentions: Mentions, *, searched: bool) -> Forgotten:
        with self._store.write() as tx, forget.thoroughly(tx):
            who = whose(tx, id_, locked=True)
            if who is None:
                return Forgotten()
            if not searched or traces.held_elsewhere(tx, who.family, self._account):
                _detach(tx, who, self._account, "", now())
                self._kept += 1
                return Forgotten()
            return erase_in(tx, self._digest, id_, mentions, now())

    def _requests(self, worked: Worked) -> bool:
        after = RequestId(0)
        while True:
            with self._store.write() as tx, forget.thoroughly(tx):
                page = forget.requests_page(tx, self._account, after, ROWS)
                worked.forgotten.requests += forget.requests(tx, page)
                forget.events(tx, traces.events_of(tx, page))
            if not page:
                return True
            after = page[-1]
            self._progress("requests emptied", after)

    def _messages(self, worked: Worked) -> bool:
        after = MessageId("")
        while True:
            with self._store.write() as tx, forget.thoroughly(tx):
                page = forget.messages_page(tx, self._account, after, ROWS)
                worked.forgotten.messages += forget.messages(tx, page, now())
            if not page:
                return True
            after = page[-1]

    def _end(self, worked: Worked) -> bool:
        with self._store.write() as tx:
            forget.wishes_of(tx, self._account)
            privacy.forget_account(tx, self._account, now())
            words = _words(worked.forgotten, ["another account"] * bool(self._kept))
            privacy.finish(tx, self._asked.id, words, now(), forget=True)
        return True
