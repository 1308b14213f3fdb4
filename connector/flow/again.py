"""Doing what is asked once, however often it is asked: an answer is kept under the name that the caller gave it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any

from connector.errors import ConfigurationError
from connector.model import now
from connector.model.exact import write_json
from connector.store import Store, api_keys

KEPT = timedelta(hours=48)
BROKEN_OFF = timedelta(minutes=1)
"""After so long nobody is still at work on it."""


def once(
    store: Store, key_id: str, name: str, asked: Any, work: Callable[[], Mapping[str, Any]]
) -> tuple[Mapping[str, Any], bool]:
    """Do what is asked, or return what was answered before; tells whether it was done now.

    ``key_id`` is the caller's API key, ``name`` what the caller calls this wish, ``asked`` all of it. Raises
    ConfigurationError where something else was asked under this name, or somebody is at work on it; and what
    ``work`` raises, after which the name is free again.
    """
    digest, at = sha256(write_json(asked).encode("utf-8", "replace")).hexdigest(), now()
    with store.write() as tx:
        api_keys.forget(tx, at, KEPT)
        known = api_keys.begin(tx, key_id, name, digest, at)
        if known is not None:
            if known.digest != digest:
                raise ConfigurationError("Something else was asked under this Idempotency-Key before; take another.")
            if known.body is not None:
                return known.body, False
            if not api_keys.resume(tx, key_id, name, at - BROKEN_OFF, at):
                raise ConfigurationError("The same is being worked on at this moment; ask again in a few seconds.")
    try:
        answer = work()
    except Exception:
        with store.write() as tx:
            api_keys.drop(tx, key_id, name)
        raise
    with store.write() as tx:
        api_keys.finish(tx, key_id, name, answer)
    return answer, True
