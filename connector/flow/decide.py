"""Deciding: lease stored requests, parse them, plan events by the mappings, write all of it at once.

Parsing and planning happen between two short transactions, so that nothing long holds the database.
Whatever is derived has a unique key; doing it twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from connector.errors import PayloadError
from connector.flow import pushed, retell, shadow, write
from connector.flow.accounts import Accounts
from connector.flow.catalogue import Catalogue, Recipe
from connector.flow.consult import consult
from connector.flow.crowd import Desk
from connector.flow.situation import situate
from connector.log import get
from connector.mapping import draft
from connector.model import (
    Account,
    AccountId,
    Event,
    EventId,
    Ignored,
    Item,
    Notice,
    Payload,
    Preference,
    Receipt,
    Reply,
    RequestId,
    Send,
    new_id,
    now,
)
from connector.store import Store, events, inbox, receipts
from connector.store.events import NewEvent, Subject
from connector.store.inbox import Leased, RequestState

BATCH = 200
LEASE_SECONDS = 20.0
RETRY_SECONDS = 5.0
REPLAY = "replay:mapping"
"""Written into a request by a replay that wants known events to be planned anew."""

log = get(__name__)


def decide_batch(store: Store, desk: Desk, *, owner: str, most: int = BATCH) -> write.Done:
    """Work off one batch; ``Done.requests`` is 0 where nothing was due.

    A batch that cannot be written is worked off one by one, so that one request that trips a bug is set
    aside in the end and costs the others nothing.
    """
    with store.read() as tx:
        if not inbox.is_due(tx):
            return write.Done()
    with store.write() as tx:
        leased = inbox.lease(tx, owner, most, LEASE_SECONDS)
    if not leased:
        return write.Done()
    desk.catalogue.refresh()
    try:
        return _work_off(store, desk, leased, owner)
    except Exception:  # a bug, or the database's trouble: both end in the log, and in another try
        log.exception("requests.not_written", requests=len(leased))
    done = write.Done()
    for item in leased:
        try:
            done.add(_work_off(store, desk, [item], owner))
        except Exception:
            log.exception("request.not_written", request_id=item.id, topic=item.topic)
            _give_back(store, owner, [item.id])
            done.requests += 1
    return done


def decide_request(store: Store, desk: Desk, leased: Leased, *, owner: str) -> write.Done:
    """Work off one request that is leased to us, at once. Raises whatever goes wrong."""
    desk.catalogue.refresh(at_most_old=0)
    return _work_off(store, desk, [leased], owner)


def _work_off(store: Store, desk: Desk, leased: Sequence[Leased], owner: str) -> write.Done:
    batch = write.Batch()
    for item in leased:
        _read(item, desk.accounts, batch)
    with store.read() as tx:
        known = events.known(tx, {(new.account_id, new.event.key) for new in batch.events})
    _drop_known(batch, known, {item.id for item in leased if item.words == REPLAY})
    done = write.write(store, desk, batch, _plan(store, desk, batch), owner=owner)
    if batch.failed:
        _give_back(store, owner, batch.failed)
    if desk.catalogue.shadows():
        shadow.observe(store, desk, [new for new in batch.events if new.id not in batch.replayed])
    return done


def _give_back(store: Store, owner: str, failed: Sequence[RequestId]) -> None:
    with store.write() as tx:
        inbox.give_back(tx, owner, failed, seconds=RETRY_SECONDS)
        inbox.set_aside(tx, failed)


def _read(leased: Leased, accounts: Accounts, batch: write.Batch) -> None:
    receiver = accounts.receiver(leased.account_id)
    if receiver is None:
        batch.outcomes[leased.id] = RequestState.UNREADABLE, "The account it was sent to is no longer there."
        return
    try:
        items = list(pushed.items(receiver, leased.request))
        chosen = pushed.only(leased.request)
    except PayloadError as error:
        batch.outcomes[leased.id] = RequestState.UNREADABLE, str(error)
        return
    except Exception:  # one request that trips a bug must not stop the others
        log.exception("request.not_parsed", request_id=leased.id, topic=leased.topic)
        batch.failed.append(leased.id)
        return
    if chosen is not None:
        batch.only[leased.id] = chosen
    for position, item in enumerate(items):
        _sort(leased, position, item, batch)
    ignored = [item.topic for item in items if isinstance(item, Ignored)]
    if len(ignored) == len(items):
        words = f"Nobody asked for {', '.join(dict.fromkeys(ignored))}." if ignored else "Nothing in it."
        batch.outcomes[leased.id] = RequestState.IGNORED, words[:500]
    else:
        batch.outcomes[leased.id] = RequestState.DONE, ""


def _sort(leased: Leased, position: int, item: Item, batch: write.Batch) -> None:
    match item:
        case Event():
            batch.events.append(
                NewEvent(
                    id=EventId(new_id()),
                    account_id=leased.account_id,
                    request_id=leased.id,
                    position=position,
                    event=item,
                )
            )
        case Receipt():
            batch.receipts.append((leased.id, leased.account_id, item))
        case Reply() | Preference() | Notice():
            batch.heard.append(
                receipts.Heard(account_id=leased.account_id, request_id=leased.id, position=position, item=item)
            )
        case Ignored():
            pass


def _drop_known(
    batch: write.Batch, known: Mapping[tuple[AccountId, str], EventId], replays: Collection[RequestId]
) -> None:
    """Keep each event once; a known one only where a replay asked for it, under its old id."""
    kept: dict[tuple[AccountId, str], NewEvent] = {}
    for new in batch.events:
        key = new.account_id, new.event.key
        if key in kept:
            batch.duplicates += 1
        elif key not in known:
            kept[key] = new
        elif new.request_id in replays:
            kept[key] = NewEvent(
                id=known[key],
                account_id=new.account_id,
                request_id=new.request_id,
                position=new.position,
                event=new.event,
            )
            batch.replayed.add(known[key])
        else:
            batch.duplicates += 1
    batch.events = list(kept.values())


def _plan(store: Store, desk: Desk, batch: write.Batch) -> list[write.Planned]:
    at, accounts, catalogue = now(), desk.accounts, desk.catalogue
    pairs = []
    for new in batch.events:
        account = accounts.account(new.account_id)
        if account is not None:
            pairs += [(found, account, recipe) for found, recipe in _listening(catalogue, batch, new, account)]
    if not pairs:
        return []
    seen = _seen(
        store, batch, {(new.account_id, new.event.subject) for new, _, r in pairs if r.mapping.timing.cancel_when}
    )
    remembered = _remember(store, accounts, batch, [new for new, _, _ in pairs])
    planned = []
    for new, account, recipe in pairs:
        situation = situate(
            catalogue,
            recipe.mapping,
            new.event,
            account_name=account.name,
            account=accounts.public(account.id),
            remembered={
                root: remembered[new.account_id, subject]
                for root, subject in new.event.remembers.items()
                if (new.account_id, subject) in remembered
            },
            seen=seen.get((new.account_id, new.event.subject), frozenset()),
            at=at,
            uses=recipe.uses,
        )
        planned.append(write.Planned(event=new, decision=draft(recipe.mapping, recipe.version, situation)))
    return _ask_the_ledger(store, planned, at)


def _listening(
    catalogue: Catalogue, batch: write.Batch, new: NewEvent, account: Account
) -> list[tuple[NewEvent, Recipe]]:
    chosen = batch.only.get(new.request_id)
    if chosen is None:
        return [(new, recipe) for recipe in catalogue.listening(new.event.type, account)]
    event, recipes = pushed.narrow(chosen, new.event, catalogue.listening(chosen.type, account))
    return [(replace(new, event=event), recipe) for recipe in recipes]


def _ask_the_ledger(store: Store, drafted: Sequence[write.Planned], at: datetime) -> list[write.Planned]:
    """Let the drafts pass, or not, by what is known of their recipients."""
    if not any(isinstance(item.decision.verdict, Send) for item in drafted):
        return list(drafted)
    with store.read() as tx:
        told = consult(tx, [(item.event, item.decision) for item in drafted], at)
    return [replace(item, decision=made) for item, (made, _) in zip(drafted, told, strict=True)]


def _seen(store: Store, batch: write.Batch, subjects: set[Subject]) -> dict[Subject, frozenset[str]]:
    """Return which events are stored, or stand in this very batch, about each subject."""
    if not subjects:
        return {}
    with store.read() as tx:
        found = dict(events.seen(tx, subjects))
    for new in batch.events:
        for name in (new.event.subject, *new.event.about):
            subject = new.account_id, name
            if subject in subjects:
                found[subject] = found.get(subject, frozenset()) | {new.event.type}
    return found


def _remember(
    store: Store, accounts: Accounts, batch: write.Batch, wanting: Sequence[NewEvent]
) -> dict[Subject, Payload]:
    """Return the newest payload of everything these events may speak of, from this batch or the store."""
    subjects = {(new.account_id, subject) for new in wanting for subject in new.event.remembers.values()}
    if not subjects:
        return {}
    with store.read() as tx:
        found = retell.newest(tx, accounts, subjects)
    for new in batch.events:
        subject = new.account_id, new.event.subject
        if subject in subjects and (subject not in found or new.event.occurred_at >= found[subject][0]):
            found[subject] = new.event.occurred_at, new.event.payload
    return {subject: payload for subject, (_, payload) in found.items()}
