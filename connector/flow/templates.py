"""Knowing the channel's templates: asked for, or read from the vendor's own JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from connector.contract import Adapter, Channel
from connector.errors import ConfigurationError, PayloadError
from connector.model import Account, Template, now, parse_json
from connector.store import Store, templates
from connector.store.templates import Counts


def sync(store: Store, account: Account, channel: Channel) -> Counts:
    """Ask the channel for all its templates and store them; what it no longer lists becomes ``deleted``.

    Raises a RemoteError, and changes nothing, where the list cannot be had whole.
    """
    asked_at = now()
    listed = list(channel.templates())  # before the transaction: this waits for the vendor
    with store.write() as tx:
        return templates.upsert_all(tx, account.id, listed, asked_at)


def take(store: Store, account: Account, listed: Iterable[Template]) -> Counts:
    """Store some templates as they are, for trials without a network; the account's others stay."""
    found = list(listed)
    with store.write() as tx:
        return templates.upsert_all(tx, account.id, found, now(), partial=True)


def read(adapter: Adapter, body: bytes) -> list[Template]:
    """Read the vendor's own JSON of one template, of many, or a list of such. Raises ConfigurationError."""
    if adapter.read_templates is None:
        raise ConfigurationError(f"{adapter.title} has no templates.")
    try:
        value = parse_json(body)
        values = value if isinstance(value, list) else [value]
        payloads = [payload for payload in values if isinstance(payload, Mapping)]
        if len(payloads) < len(values):
            raise PayloadError("It holds something else than JSON objects.")
        found = [template for payload in payloads for template in adapter.read_templates(payload)]
    except PayloadError as error:
        raise ConfigurationError(f"These are no templates of {adapter.title}: {error}") from None
    if not found:
        raise ConfigurationError(f"There is no template of {adapter.title} in it.")
    return found
