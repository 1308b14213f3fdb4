"""What came of stored requests, each in a few words; and the items inside them, read once more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connector.contract import Receiver, Topic
from connector.errors import PayloadError
from connector.flow.accounts import Accounts
from connector.flow.explain import outcome
from connector.flow.story import Tone, spoken
from connector.log import get
from connector.model import AccountId, Event, EventId, Ignored, Item, Notice, Preference, Receipt, Reply, RequestId
from connector.store import Transaction, events, inbox, look
from connector.store.inbox import ERASED, Leased
from connector.store.views import EventFilter, EventRow, RequestRow

MOST_EVENTS = 1000
"""Events of one page of requests; a request may bring a thousand."""

log = get(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What came of one request."""

    tone: Tone
    words: str
    events: tuple[EventRow, ...] = ()


def tell_requests(tx: Transaction, accounts: Accounts, rows: Sequence[RequestRow]) -> dict[int, Came]:
    """Say what came of each of these requests."""
    ids = [row.id for row in rows]
    found: dict[int, list[EventRow]] = {}
    for event in look.list_events(tx, EventFilter(request_ids=ids), most=MOST_EVENTS) if ids else ():
        found.setdefault(event.request_id, []).append(event)
    heard = look.inbound_kinds(tx, ids)
    bare = [RequestId(row.id) for row in rows if row.state == "done" and row.id not in {*found, *heard}]
    stored = inbox.load(tx, bare) if bare else {}
    told: dict[int, Came] = {}
    for row in rows:
        if row.words == ERASED:
            told[row.id] = Came(tone=Tone.SKIP, words="emptied when a person was erased")
        elif row.state != "done":
            told[row.id] = _unread(row)
        elif row.id in found:
            told[row.id] = _events(sorted(found[row.id], key=lambda event: event.id))
        elif row.id in heard:
            told[row.id] = Came(tone=Tone.OK, words=_counted(heard[row.id]))
        else:
            told[row.id] = _again(accounts, stored.get(RequestId(row.id)))
    return told


def _unread(row: RequestRow) -> Came:
    tone, words = {
        "new": (Tone.INFO, "waits to be read"),
        "ignored": (Tone.SKIP, "ignored topic"),
        "unreadable": (Tone.FAIL, "unreadable"),
        "broken": (Tone.FAIL, "broken"),
    }.get(row.state, (Tone.INFO, row.state))
    return Came(tone=tone, words=f"{words}: {row.words}" if row.words else words)


def _events(found: Sequence[EventRow]) -> Came:
    if len(found) == 1:
        tone, words = outcome(found[0])
        return Came(tone=tone, words=words, events=tuple(found))
    ends = Counter(outcome(event) for event in found)
    tone = Tone.OK if any(each is Tone.OK for each, _ in ends) else Tone.SKIP
    words = "; ".join(f"{number} × {words}" for (_, words), number in ends.most_common(3))
    return Came(tone=tone, words=f"{len(found)} events: {words}", events=tuple(found))


def _counted(kinds: Mapping[str, int]) -> str:
    plural = {"reply": "replies", "preference": "choices", "notice": "notices"}
    single = {"preference": "choice"}
    return ", ".join(
        f"{number} {plural.get(kind, kind)}" if number > 1 else f"a {single.get(kind, kind)}"
        for kind, number in sorted(kinds.items())
    )


def _again(accounts: Accounts, stored: Leased | None) -> Came:
    """Read a request once more that brought nothing new, to say what stands in it."""
    items = items_of(accounts.receiver(stored.account_id), stored) if stored else None
    if items is None:
        return Came(tone=Tone.SKIP, words="nothing new: known before")
    receipts = Counter(item.word for item in items if isinstance(item, Receipt))
    if receipts:
        number = receipts.total()
        words = ", ".join(spoken(word) for word in receipts)
        return Came(tone=Tone.OK, words=f"{number} receipts: {words}" if number > 1 else f"a receipt: {words}")
    if any(isinstance(item, Event | Reply | Preference | Notice) for item in items):
        return Came(tone=Tone.SKIP, words="a duplicate: known already, swallowed")
    topics = dict.fromkeys(item.topic for item in items if isinstance(item, Ignored))
    return Came(tone=Tone.SKIP, words=f"ignored topic: {', '.join(topics)}" if topics else "nothing in it")


def items_of(receiver: Receiver | None, stored: Leased) -> Sequence[Item] | None:
    """Read a stored request; None where it cannot be read (any more)."""
    if receiver is None or stored.words == ERASED:
        return None
    try:
        return receiver.parse(stored.request)
    except PayloadError:
        return None
    except Exception:  # an adapter's bug shall not cost the page
        log.exception("request.not_parsed", request_id=stored.id, topic=stored.topic)
        return None


def event_of(tx: Transaction, accounts: Accounts, id_: EventId) -> tuple[AccountId, Event] | None:
    """Read a stored event from its request; None where that cannot be done (any more)."""
    place = events.places(tx, [id_]).get(id_)
    stored = inbox.load(tx, [place[1]]).get(place[1]) if place else None
    if place is None or stored is None:
        return None
    items = items_of(accounts.receiver(place[0]), stored) or ()
    item = items[place[2]] if place[2] < len(items) else None
    return (place[0], item) if isinstance(item, Event) else None


def topic_of(receiver: Receiver | None, event: str) -> Topic | None:
    """Return what an adapter declares about a type of event."""
    return next((topic for topic in receiver.topics.values() if topic.event == event), None) if receiver else None
