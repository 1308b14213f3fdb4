"""Sending by a mapping because a program asks for it: planned at once, and told what came of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from connector.errors import ConfigurationError
from connector.flow import pushed, retell
from connector.flow.catalogue import Catalogue, Recipe
from connector.flow.crowd import Tools
from connector.flow.decide import LEASE_SECONDS, decide_request
from connector.model import Account, AccountId, Event, EventId, Payload, now
from connector.store import Store, events, inbox, look
from connector.store.inbox import Arrival
from connector.store.views import DecisionRow, EventFilter


class NotFoundError(ConfigurationError):
    """What was named is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a program asks for."""

    key: str
    """The same wish has the same key: the API key's id and the name that the caller gave."""
    mapping: str
    data: Payload | None = field(default=None, repr=False)
    """What the mapping's expressions read; or else …"""
    event: str = ""
    """… the id of a stored event whose data they read."""
    account: str = ""
    """Name of the account as whose the data counts; ``""``: the only one that the mapping listens to."""
    to: str = field(default="", repr=False)
    """Whom to write to, where not whom the mapping finds."""
    subject: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What came of a wish."""

    event_id: str
    decision: DecisionRow
    channels: Collection[AccountId] = ()
    """Channels that have something to send now: the bell is the caller's to ring."""


def fulfil(tools: Tools, accounts: Collection[Account], owner: str, wish: Wish) -> Granted:
    """Plan a message by a mapping in force, through the same gates as any other.

    ``accounts``: all there are. Raises NotFoundError, and ConfigurationError where it cannot be planned.
    """
    tools.desk.catalogue.refresh(at_most_old=0)
    recipe = _in_force(tools.desk.catalogue, wish.mapping)
    told = _told(tools, wish) if wish.event else None
    account = _account(recipe, accounts, wish.account or (told[0] if told else ""))
    digest = sha256(wish.key.encode()).hexdigest()[:32]
    subject = wish.subject or (told[1].subject if told else f"api:{digest}")
    asked = pushed.Asked(
        mapping=wish.mapping, type=recipe.mapping.when.event, key=f"api:{digest}", subject=subject,
        data=told[2] if told else (wish.data or {}), to=wish.to, at=now(),
        label=wish.label or (told[1].label if told else subject if wish.subject else "by API"),
    )  # fmt: skip
    arrival = Arrival(
        account_id=account.id, delivery_key=f"message:{digest}", topic="api/message", request=pushed.envelope(asked)
    )
    with tools.store.write() as tx:
        leased = inbox.take_in(tx, arrival, owner, LEASE_SECONDS)
    done = decide_request(tools.store, tools.desk, leased, owner=owner) if leased else None
    return _granted(tools.store, account.id, asked.key, done.channels if done else ())


def _in_force(catalogue: Catalogue, name: str) -> Recipe:
    found = catalogue.named(name)
    if found is None:
        raise NotFoundError("mapping: there is no notification mapping of this name in force.")
    return found


def _told(tools: Tools, wish: Wish) -> tuple[str, Event, Payload]:
    """Return a stored event: its account's name, itself, and what expressions see of it."""
    accounts = tools.desk.accounts
    with tools.store.read() as tx:
        event = retell.event(tx, accounts, EventId(wish.event))
        place = events.places(tx, [EventId(wish.event)]).get(EventId(wish.event))
        seen = retell.roots(tx, accounts, EventId(wish.event))
    account = accounts.account(place[0]) if place else None
    if event is None or seen is None or account is None:
        raise NotFoundError("event: there is no such event, or its data can no longer be read.")
    data: Mapping[str, Any] = {name: value for name, value in seen.items() if name not in ("account", "event")}
    return account.name, event, data


def _account(recipe: Recipe, accounts: Collection[Account], name: str) -> Account:
    when = recipe.mapping.when
    fit = [each for each in accounts if recipe.mapping.wants(adapter=each.adapter, event=when.event, account=each.name)]
    if name:
        fit = [each for each in fit if each.name == name]
    if not fit:
        whose = f"the account {name}" if name else f"any account of {when.adapter}"
        raise ConfigurationError(f"account: the mapping does not listen to {whose}.")
    if len(fit) > 1:
        names = ", ".join(sorted(each.name for each in fit)[:10])
        raise ConfigurationError(f"account: the mapping listens to several; say as whose the data counts: {names}.")
    return fit[0]


def _granted(store: Store, account_id: AccountId, key: str, channels: Collection[AccountId]) -> Granted:
    with store.read() as tx:
        id_ = events.known(tx, {(account_id, key)}).get((account_id, key))
        rows = look.list_events(tx, EventFilter(ids=[id_])) if id_ else []
    if id_ is None or not rows or not rows[0].decisions:
        raise ConfigurationError("It is being planned at this moment; ask again in half a minute.")
    return Granted(event_id=id_, decision=rows[0].decisions[-1], channels=channels)
