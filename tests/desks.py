"""Desks for tests: the tools of whoever deals with people, over fakes of what lies around them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from connector.contract import Receiver
from connector.flow import retell
from connector.flow.catalogue import Catalogue
from connector.flow.crowd import Desk
from connector.flow.people import People
from connector.model import Account, AccountId
from connector.store import Store


class Nobody:
    """Knows no accounts."""

    def account(self, id_: AccountId) -> Account | None:
        return None

    def receiver(self, id_: AccountId) -> Receiver | None:
        return None

    def public(self, id_: AccountId) -> Mapping[str, Any]:
        return {}

    def crms(self) -> Sequence[Account]:
        return []


def digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def desk_over(store: Store, accounts: Any = None, catalogue: Catalogue | None = None) -> Desk:
    """Return a desk; ``accounts`` is whatever has account, receiver, public and crms."""
    known = accounts or Nobody()
    return Desk(
        people=People(digest),
        catalogue=catalogue or Catalogue(store, list),
        accounts=known,
        retell=lambda tx, id_: retell.roots(tx, known, id_),
    )
