"""The sandbox that runs beside this installation: what it offers to connect, and what can be made to happen in it.

What it offers stands in a file of the data folder (``sandbox.json``), written by ``connector run --sandbox``: which
accounts, with which settings, what they need to be told, and what can be acted. Nothing here knows the vendors.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from connector.errors import ConfigurationError, ConnectorError, RemoteError
from connector.flow import accounts
from connector.flow.accounts import Registry, Vault
from connector.http import Http, is_loopback
from connector.model import Account
from connector.store import Store
from connector.store import accounts as rows

FILE = "sandbox.json"
URL = "{webhook_url}"
"""Stands, in what an account's stand-in is told, for the account's webhook address."""
_SECONDS = (1.0, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """An account that the sandbox stands in for."""

    adapter: str
    name: str
    settings: Mapping[str, Any] = field(repr=False)
    tell_path: str
    tell: Mapping[str, Any] = field(repr=False)
    """Posted to ``tell_path`` once the account is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something that can be made to happen in the sandbox."""

    key: str
    title: str
    path: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Playground:
    """What the sandbox beside this installation offers."""

    url: str
    accounts: tuple[Offered, ...]
    acts: tuple[Act, ...]
    webhooks: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Account's name -> the address that its stand-in was told; told again when the sandbox starts."""


def read(data: Path) -> Playground | None:
    """Return what is offered; None where no sandbox was ever started here. Raises ConfigurationError."""
    try:
        told = json.loads((data / FILE).read_text("utf-8"))
        return Playground(
            url=told["url"],
            accounts=tuple(Offered(**each) for each in told["accounts"]),
            acts=tuple(Act(**each) for each in told["acts"]),
            webhooks=dict(told.get("webhooks", {})),
        )
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        raise ConfigurationError(f"{data / FILE} cannot be read; delete it, and start with --sandbox again.") from None


def is_up(playground: Playground) -> bool:
    """Tell whether the sandbox answers."""
    try:
        return _ask(playground, "GET", "/_sandbox/stats").get("receipts") is not None
    except ConnectorError:
        return False


def missing(store: Store, playground: Playground) -> list[Offered]:
    """Return the offered accounts that are not connected yet."""
    with store.read() as tx:
        known = {row.name for row in rows.all_(tx)}
    return [each for each in playground.accounts if each.name not in known]


def connect(
    store: Store, registry: Registry, vault: Vault, data: Path, local_url: Callable[[str], str]
) -> list[Account]:
    """Connect what the sandbox offers and tell it where to post; return the accounts that are new.

    ``local_url`` makes a webhook address of this machine from an account's token. Raises ConfigurationError where
    there is no sandbox, or it does not take what it is told; a RemoteError where it does not answer.
    """
    playground = read(data)
    if playground is None:
        raise ConfigurationError("There is no sandbox here; start the service with `connector run --sandbox`.")
    fresh = [
        accounts.connect(store, registry, vault, each.adapter, each.name, each.settings)
        for each in missing(store, playground)
    ]
    webhooks = dict(playground.webhooks)
    for each in playground.accounts:
        webhooks[each.name] = local_url(accounts.find(store, each.name).token)
        _tell(playground, each, webhooks[each.name])
    _keep(data, webhooks)
    return fresh


def act(data: Path, key: str) -> str:
    """Let something happen in the sandbox and return what it is called. Raises as :func:`connect`."""
    playground = read(data)
    wanted = next((each for each in playground.acts if each.key == key), None) if playground else None
    if playground is None or wanted is None:
        raise ConfigurationError("The sandbox offers nothing of that kind.")
    for each in playground.accounts:  # it forgets when it is started again; what it knows does no harm
        if each.name in playground.webhooks:
            _tell(playground, each, playground.webhooks[each.name])
    told = _ask(playground, "POST", wanted.path, wanted.body)
    return str(told.get("name") or wanted.title)


def write(data: Path, offer: Mapping[str, Any]) -> None:
    """Keep what a sandbox offers, for its owner's eyes only: it holds its secrets."""
    path, fresh = data / FILE, data / f"{FILE}.{os.getpid()}"
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(offer, indent=1), "utf-8")
    fresh.replace(path)


def _keep(data: Path, webhooks: Mapping[str, str]) -> None:
    write(data, json.loads((data / FILE).read_text("utf-8")) | {"webhooks": dict(webhooks)})


def _tell(playground: Playground, each: Offered, url: str) -> None:
    body = {name: url if value == URL else value for name, value in each.tell.items()}
    _ask(playground, "POST", each.tell_path, body)


def _ask(playground: Playground, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    host = urlsplit(playground.url).netloc
    if not is_loopback(urlsplit(playground.url).hostname or ""):
        raise ConfigurationError("A sandbox is on this machine, and on no other.")
    http = Http([host], threads=1, timeout=_SECONDS)
    try:
        answer = http.request(method, f"{playground.url}{path}", json=body)
        told = answer.json()
    except RemoteError as error:
        advice = "Start the service with `connector run --sandbox`, and wait a moment."
        raise type(error)("The sandbox does not answer.", advice=advice) from None
    finally:
        http.close()
    if answer.status != 200 or not isinstance(told, dict):
        words = told.get("error") if isinstance(told, dict) else ""
        raise ConfigurationError(f"The sandbox refused that: {words or answer.status}")
    return told
