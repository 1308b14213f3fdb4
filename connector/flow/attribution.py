"""From which message something followed: a reply, an order, an opt-out. One message at most; the last one wins.

* A **reply** or tap belongs to the message that it quotes, else to the last one that went to this person by the
  same number within :data:`REPLY_WITHIN`. Told at once, by ``flow.listen``.
* An **order** belongs to the last message that was delivered to the buyer within the window before it; not to
  one about this very order, or each confirmation would count its own. The buyer is known by their record
  (``customer:5521``), which contact mappings make known, or by what was written to them about the order.
* An **opt-out** belongs to the last message that was delivered within :data:`STOP_WITHIN` before it; one without
  such a message is counted without a mapping.

Orders and opt-outs are looked for by the roll-up. An order is looked at twice, since receipts may come after
it; then it stays where it is, whatever is changed, merged or erased later.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from connector.errors import ConfigurationError
from connector.model import AccountId, ContactId, MessageId, Reply, Source, moment_of, now
from connector.store import Store, Transaction, marks, people, sequels, stats
from connector.store.outbox import Row
from connector.store.sequels import Order, Reached, Sequel

REPLY_WITHIN = timedelta(hours=24)
STOP_WITHIN = timedelta(days=7)
SETTLED = timedelta(minutes=30)
"""After so long an order is looked at for the last time."""
OVERLAP = timedelta(minutes=2)
STRETCH = timedelta(hours=6)
"""Of the past, so much is read at once."""
MOST_DAYS = 90
ORDERS = ("order.created", "order.paid")
_SAID = (Source.KEYWORD, Source.BUTTON, Source.PREFERENCE, Source.REFUSAL)
K = TypeVar("K", bound=str)
_RULES, _DONE = "attribution", "attribution:done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Which orders count as following from a message."""

    days: int = 7
    """How long after a message."""
    types: tuple[str, ...] = ORDERS
    """Events that tell of an order; the first of them about it counts."""


def rules(tx: Transaction) -> Rules:
    """Return the rules in force."""
    text = marks.get(tx, _RULES)
    told = json.loads(text) if text else {}
    return Rules(**told | {"types": tuple(told["types"])}) if told else Rules()


def put_rules(tx: Transaction, given: Rules) -> None:
    """Let other rules hold for orders from now on; what was counted stays. Raises ConfigurationError."""
    if not 1 <= given.days <= MOST_DAYS:
        raise ConfigurationError(f"days: a whole number from 1 to {MOST_DAYS}.")
    if not given.types:
        raise ConfigurationError("types: name at least one type of event, such as order.created.")
    marks.put(tx, _RULES, json.dumps(asdict(given)))


def replied(tx: Transaction, heard: Sequence[tuple[AccountId, Reply, ContactId, Row | None]]) -> None:
    """Remember which messages people have answered: (number, what they wrote, who, the message it quotes)."""
    loose = [item for item in heard if item[3] is None]
    before: dict[ContactId, list[Reached]] = {}
    if loose:
        times = [reply.occurred_at for _, reply, _, _ in loose]
        whose = {id_ for _, _, id_, _ in loose}
        before = _by_person(sequels.reached(tx, whose, min(times) - REPLY_WITHIN, max(times)))
    found = []
    for account_id, reply, id_, row in heard:
        theirs = (item for item in before.get(id_, ()) if item.channel_id == account_id)
        last = row.id if row else _last(theirs, reply.occurred_at - REPLY_WITHIN, reply.occurred_at)
        if last is not None and (row is None or row.template):
            kind = "tap" if reply.button else "reply"
            found.append(Sequel(key=f"{kind}:{last}", kind=kind, message_id=last, at=reply.occurred_at))
    sequels.add(tx, found)


def _by_person(messages: Iterable[Reached]) -> dict[ContactId, list[Reached]]:
    found: dict[ContactId, list[Reached]] = {}
    for item in messages:
        found.setdefault(item.contact_id, []).append(item)
    return found


def _last(messages: Iterable[Reached], since: datetime, until: datetime) -> MessageId | None:
    """Return the latest of these messages in a stretch of time."""
    within = [item for item in messages if since <= item.at <= until]
    return max(within, key=lambda item: (item.at, item.id)).id if within else None


@dataclass(frozen=True, slots=True)
class _Found:
    """What a stretch of time came to."""

    fresh: Sequence[Sequel] = ()
    gone: frozenset[str] = frozenset()
    """Keys of what turned out otherwise."""
    losers: frozenset[MessageId] = frozenset()
    """Messages from which something does not follow any more: no new row tells of that."""


def attribute(store: Store, *, enough: Callable[[], bool] = lambda: False) -> int:
    """Find from which messages new orders and opt-outs followed; return how many did. For one at a time."""
    with store.read() as tx:
        told = json.loads(marks.get(tx, _DONE) or "{}")
        begun = stats.first(tx)
        at = now()
    done = 0
    for name, late in _LATE.items():
        since = datetime.fromisoformat(told[name]) if name in told else begun
        while since is not None and since < at - late and not enough():
            until = min(since + STRETCH, at - late)
            with store.read() as tx:
                look = _stops if name == "stops" else _orders
                found = look(tx, since - OVERLAP, until)
            told[name] = until.isoformat()
            with store.write() as tx:
                sequels.forget(tx, found.gone)
                sequels.add(tx, found.fresh)
                stats.put_due(tx, map(stats.hour_of, map(moment_of, found.losers)))
                marks.put(tx, _DONE, json.dumps(told))
            done += len(found.fresh)
            since = until
    return done


_LATE: Mapping[str, timedelta] = {"orders": timedelta(), "orders again": SETTLED, "stops": timedelta()}
"""What is looked for, and how long after it has come in."""


def _orders(tx: Transaction, since: datetime, until: datetime) -> _Found:
    given = rules(tx)
    found = sequels.orders(tx, given.types, since, until)
    if not found:
        return _Found()
    window = timedelta(days=given.days)
    whose = _present(tx, sequels.buyers(tx, found))
    times = [order.at for order in found]
    everybody = {id_ for ids in whose.values() for id_ in ids}
    messages = _by_person(sequels.reached(tx, everybody, min(times) - window, max(times)))
    wins = {_key(order): _winner(order, messages, whose.get(order.event_id, set()), window) for order in found}
    before = sequels.known(tx, wins)
    ours = sequels.is_whose(tx, {id_ for id_ in before.values() if id_})
    changed = {
        key for key, last in wins.items() if last != before.get(key) and (key not in before or before[key] in ours)
    }
    fresh = [
        Sequel(
            key=_key(order), kind="order", message_id=last, at=order.at, account_id=order.account_id,
            event_id=order.event_id,
        )
        for order in found
        if _key(order) in changed and (last := wins[_key(order)]) is not None
    ]  # fmt: skip
    losers = frozenset(id_ for key in changed if (id_ := before.get(key)))
    return _Found(fresh, frozenset(changed & before.keys()), losers)


def _winner(
    order: Order, messages: Mapping[ContactId, Sequence[Reached]], whose: Iterable[ContactId], window: timedelta
) -> MessageId | None:
    theirs = (item for id_ in whose for item in messages.get(id_, ()))
    own = order.account_id, order.subject
    others = (item for item in theirs if item.delivered and (item.source_id, item.subject) != own)
    return _last(others, order.at - window, order.at)


def _key(order: Order) -> str:
    return f"order:{order.account_id}:{order.subject}"


def _present(tx: Transaction, whose: Mapping[K, set[ContactId]]) -> dict[K, set[ContactId]]:
    """Return who people are by now: whoever was merged is somebody else, whoever was erased is nobody."""
    loaded = people.load(tx, {id_ for ids in whose.values() for id_ in ids})
    return {key: {loaded[id_].merged_into or id_ for id_ in ids if id_ in loaded} for key, ids in whose.items()}


def _stops(tx: Transaction, since: datetime, until: datetime) -> _Found:
    found = sequels.stops(tx, [source.value for source in _SAID], since, until)
    keys = {f"opt_out:{_digest(stop.contact_id, stop.at)}": stop for stop in found}
    fresh = keys.keys() - sequels.known(tx, keys).keys()
    stops = {key: keys[key] for key in sorted(fresh)}
    if not stops:
        return _Found()
    whose = _present(tx, {key: {stop.contact_id} for key, stop in stops.items()})
    times = [stop.at for stop in stops.values()]
    everybody = {id_ for ids in whose.values() for id_ in ids}
    messages = _by_person(sequels.reached(tx, everybody, min(times) - STOP_WITHIN, max(times)))
    return _Found(
        [
            Sequel(
                key=key, kind="opt_out", at=stop.at, account_id=stop.account_id,
                message_id=_last((item for id_ in whose[key] for item in messages.get(id_, ()) if item.delivered),
                                 stop.at - STOP_WITHIN, stop.at),
            )
            for key, stop in stops.items()
        ]
    )  # fmt: skip


def _digest(id_: ContactId, at: datetime) -> str:
    """Tell two opt-outs apart by nothing that tells of a person who was erased since."""
    told = f"{id_}|{at.astimezone(UTC).isoformat()}"
    return hashlib.sha256(told.encode()).hexdigest()[:24]
