"""Entering what people do in the audit log: every change, and every look at unmasked personal data."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from connector.model import now
from connector.store import Store, audit

LOOKED = "person.seen"
LOOK_LASTS = timedelta(minutes=10)
"""A page that is looked at again within this time is one look."""


def record(
    store: Store,
    actor: str,
    actor_name: str,
    action: str,
    object_: str = "",
    words: str = "",
    address: str = "",
    **details: Any,
) -> None:
    """Enter that somebody did something. ``details`` hold ids and counts, nothing personal and no secrets.

    Not to be called inside a write of the same thread.
    """
    entry = audit.Entry(
        at=now(), actor=actor, actor_name=actor_name, action=action, object=object_, words=words[:500],
        address=address[:100], details=details,
    )  # fmt: skip
    with store.write() as tx:
        audit.add(tx, entry)


def looked(store: Store, actor: str, actor_name: str, page: str, address: str = "") -> None:
    """Enter that somebody saw a page with unmasked personal data; once in ten minutes for each page."""
    with store.read() as tx:
        if audit.seen_since(tx, actor, LOOKED, page, now() - LOOK_LASTS):
            return
    record(store, actor, actor_name, LOOKED, page, address=address)
