"""What a mapping is tried on: events that came, samples that adapters declare, and all that was known about them."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from connector.contract import Adapter, Field, Topic
from connector.errors import ConfigurationError
from connector.flow import retell
from connector.flow.accounts import Accounts, Registry
from connector.flow.catalogue import Catalogue
from connector.flow.crowd import Tools
from connector.flow.situation import situate
from connector.mapping import Mapping as Notification
from connector.mapping import Situation
from connector.model import AccountId, Event, EventId, Payload, RequestId, now
from connector.store import Store, Transaction, accounts, look, past
from connector.store.events import NewEvent
from connector.store.mappings import TemplateUse
from connector.store.views import EventFilter, EventRow

SAMPLE = "Sample"
FRESH_SECONDS = 10.0
"""How long an event that was loaded is taken as it was: a preview follows each keystroke."""
MOST_LOADED = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """An event that a mapping can be tried on."""

    id: EventId | None
    """None: a sample that the adapter declares."""
    adapter: str
    event: str
    """Our type: ``order.paid``."""
    topic: str = ""
    """The vendor's word; tells the samples of one event apart."""
    account_id: AccountId | None
    account: str
    """Name."""
    label: str
    """``#1001``; ``Sample``."""
    at: datetime
    """When it happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A chosen event with everything the road knows when it plans it."""

    chosen: Chosen
    new: NewEvent
    topic: Topic | None
    account: Mapping[str, Any] = field(default_factory=dict)
    """Public settings of whose event it is."""
    remembered: Mapping[str, Payload] = field(default_factory=dict)
    """Earlier payloads by root, as they were then."""
    seen: frozenset[str] = frozenset()
    """Types of the events that had come about its subject."""
    arrived_at: datetime
    """The moment at which it is planned: when it came in; for a sample now."""

    @property
    def event(self) -> Event:
        """What happened."""
        return self.new.event


class Kept:
    """Events that were loaded, each for a moment; safe to use from many threads."""

    def __init__(self) -> None:
        self._loaded: OrderedDict[Chosen | EventId, tuple[float, Loaded]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Chosen | EventId) -> Loaded | None:
        """Return an event that was loaded a moment ago."""
        with self._lock:
            found = self._loaded.get(key)
        return found[1] if found and time.monotonic() - found[0] < FRESH_SECONDS else None

    def put(self, key: Chosen | EventId, loaded: Loaded | None) -> Loaded | None:
        """Keep an event."""
        with self._lock:
            if loaded is not None:
                self._loaded[key] = time.monotonic(), loaded
                self._loaded.move_to_end(key)
            while len(self._loaded) > MOST_LOADED:
                self._loaded.popitem(last=False)
        return loaded


_KEPT: WeakKeyDictionary[Store, Kept] = WeakKeyDictionary()
"""By database: what holds it would keep it open."""


class Bench:
    """Everything a preview needs, with what costs time kept for a moment; safe to use from many threads."""

    def __init__(self, store: Store, registry: Registry, accounts: Accounts, catalogue: Catalogue) -> None:
        self.store, self.registry, self.accounts, self.catalogue = store, registry, accounts, catalogue
        self.kept = _KEPT.setdefault(store, Kept())

    @classmethod
    def of(cls, tools: Tools) -> Bench:
        """Return the bench of an installation; benches over one database share what they keep."""
        return cls(tools.store, tools.registry, tools.desk.accounts, tools.desk.catalogue)

    def adapter(self, name: str) -> Adapter | None:
        """Return an adapter, or None where it is not installed."""
        try:
            return self.registry.get(name) if name else None
        except ConfigurationError:
            return None

    def topics(self, adapter: str) -> tuple[Topic, ...]:
        """Return the topics that an adapter declares."""
        found = self.adapter(adapter)
        return found.topics if found else ()

    def topic(self, adapter: str, event: str, name: str = "") -> Topic | None:
        """Return the topic of an event type; of several that of this vendor's word, else the first."""
        mine = [topic for topic in self.topics(adapter) if topic.event == event]
        return next((topic for topic in mine if topic.name == name), mine[0] if mine else None)

    def fields(self, adapter: str, event: str) -> tuple[Field, ...]:
        """Return what is declared of an event type, by all its topics."""
        mine = [topic for topic in self.topics(adapter) if topic.event == event]
        return tuple({field.path: field for topic in mine for field in topic.fields}.values())


def choices(bench: Bench, adapter: str, event: str, account: str = "", most: int = 20) -> list[Chosen]:
    """Return the newest stored events of this type, and at the end the declared samples (``id`` None)."""
    with bench.store.read() as tx:
        names = {row.id: row.name for row in accounts.all_(tx) if row.adapter == adapter}
        ids = tuple(id_ for id_, name in names.items() if account in ("", name))
        which = past.Which(type=event, accounts=ids)
        first = past.newest_from(tx, which, most) if ids else ""
        came = past.page(tx, replace(which, first=first), "", most) if ids else []
    found = [
        Chosen(
            id=each.id, adapter=adapter, event=event, account_id=each.account_id, account=names[each.account_id],
            label=each.label or each.subject, at=each.planned_at,
        )
        for each in reversed(came)
    ]  # fmt: skip
    return [*found, *samples(bench, adapter, event, [(id_, names[id_]) for id_ in ids])]


def samples(
    bench: Bench, adapter: str, event: str, owners: Collection[tuple[AccountId, str]] | None = None
) -> list[Chosen]:
    """Return the samples that an adapter declares for an event type, as if they came from its first account."""
    if owners is None:
        with bench.store.read() as tx:
            owners = [(row.id, row.name) for row in accounts.all_(tx) if row.adapter == adapter]
    id_, name = next(iter(owners), (None, ""))
    mine = [topic for topic in bench.topics(adapter) if topic.event == event and topic.sample()]
    return [
        Chosen(
            id=None, adapter=adapter, event=event, topic=topic.name, account_id=id_, account=name,
            label=SAMPLE if len(mine) == 1 else f"{SAMPLE}: {topic.name}", at=now().replace(microsecond=0),
        )
        for topic in mine
    ]  # fmt: skip


def load(bench: Bench, chosen: Chosen | EventId) -> Loaded | None:
    """Return an event with what is known about it; None where it can no longer be read."""
    key = replace(chosen, at=datetime.min) if isinstance(chosen, Chosen) and chosen.id is None else chosen  # noqa: DTZ901
    key = chosen.id if isinstance(chosen, Chosen) and chosen.id is not None else key
    known = bench.kept.get(key)
    if known is not None:
        return known
    if isinstance(chosen, Chosen) and chosen.id is None:
        return bench.kept.put(key, _sample(bench, chosen))
    with bench.store.read() as tx:
        return bench.kept.put(key, _stored(bench, tx, EventId(str(key))))


def _sample(bench: Bench, chosen: Chosen) -> Loaded | None:
    topic = bench.topic(chosen.adapter, chosen.event, chosen.topic)
    if topic is None:
        return None
    remembered = {}
    for root, event in topic.remembers.items():
        earlier = bench.topic(chosen.adapter, event)
        if earlier is not None:
            remembered[root] = earlier.sample()
    event_ = Event(
        key="sample", type=chosen.event, topic=topic.name, subject="sample:1", label=SAMPLE, occurred_at=chosen.at,
        payload=topic.sample(), remembers=dict.fromkeys(topic.remembers, "sample:1"),
    )  # fmt: skip
    account_id = chosen.account_id or AccountId("")
    new = NewEvent(id=EventId("sample"), account_id=account_id, request_id=RequestId(0), position=0, event=event_)
    public = bench.accounts.public(account_id) if chosen.account_id else {}
    return Loaded(
        chosen=chosen, new=new, topic=topic, account=public, remembered=remembered, arrived_at=chosen.at
    )  # fmt: skip


def _stored(bench: Bench, tx: Transaction, id_: EventId) -> Loaded | None:
    row = next(iter(look.list_events(tx, EventFilter(ids=[id_]))), None)
    account = bench.accounts.account(AccountId(row.account_id)) if row else None
    event = retell.event(tx, bench.accounts, id_) if row and account else None
    if row is None or account is None or event is None:
        return None
    own, request_id = (account.id, event.subject), RequestId(row.request_id)
    subjects = {root: (account.id, subject) for root, subject in event.remembers.items()}
    mentions = past.mentions(tx, {own, *subjects.values()})
    places = {
        root: place
        for root, subject in subjects.items()
        if (place := past.newest(mentions.get(subject, ()), id_, request_id)) is not None
    }
    told = retell.payloads(tx, bench.accounts, {(each.request_id, each.position) for each in places.values()})
    return Loaded(
        chosen=_chosen(row, account.adapter, event),
        new=NewEvent(id=id_, account_id=account.id, request_id=request_id, position=0, event=event),
        topic=bench.topic(account.adapter, event.type, event.topic),
        account=bench.accounts.public(account.id),
        remembered={
            root: told[place.request_id, place.position]
            for root, place in places.items()
            if (place.request_id, place.position) in told
        },
        seen=frozenset(each.type for each in mentions.get(own, ()) if each.had_come(id_, request_id)),
        arrived_at=row.planned_at,
    )


def _chosen(row: EventRow, adapter: str, event: Event) -> Chosen:
    return Chosen(
        id=EventId(row.id), adapter=adapter, event=event.type, topic=event.topic, account_id=AccountId(row.account_id),
        account=row.account, label=row.label or row.subject, at=row.planned_at,
    )  # fmt: skip


def situation_of(
    bench: Bench,
    loaded: Loaded,
    mapping: Notification,
    *,
    at: datetime | None = None,
    uses: Collection[TemplateUse] = (),
) -> Situation:
    """Return the situation that the road would plan with; ``uses`` as for :func:`situate`."""
    return situate(
        bench.catalogue,
        mapping,
        loaded.event,
        account_name=loaded.chosen.account,
        account=loaded.account,
        remembered=loaded.remembered,
        seen=loaded.seen,
        at=at or loaded.arrived_at,
        uses=uses,
    )


def remembered_fields(bench: Bench, loaded: Loaded) -> Iterator[tuple[str, tuple[tuple[Field, ...], Payload]]]:
    """Yield each root that an event remembers, with what is declared of it and what stood there, for the picker."""
    for root, event in (loaded.topic.remembers if loaded.topic else {}).items():
        yield root, (bench.fields(loaded.chosen.adapter, event), loaded.remembered.get(root, {}))
