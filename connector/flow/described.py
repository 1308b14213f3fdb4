"""Asking vendors which fields their objects have: by the first account that may, and each once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from connector.contract import Crm, Field
from connector.errors import ConfigurationError, RemoteError
from connector.flow.publish import Described
from connector.model import Account, AccountId


def asker(
    accounts: Iterable[Account],
    crm: Callable[[AccountId], tuple[Account, Crm] | None],
    complain: Callable[[str], None] = lambda words: None,
) -> Described:
    """Return how a vendor is asked for an object's fields; ``complain`` hears of those that could not be asked."""
    known: dict[tuple[str, str], Sequence[Field] | None] = {}
    candidates = list(accounts)

    def ask(adapter: str, object_: str) -> Sequence[Field] | None:
        for account in candidates:
            if account.adapter != adapter:
                continue
            try:
                found = crm(account.id)
                if found is not None:
                    return found[1].fields(object_)
            except (RemoteError, ConfigurationError) as error:
                complain(f"{account.name} could not be asked for the fields of {object_}: {error}")
        return None

    def described(adapter: str, object_: str) -> Sequence[Field] | None:
        if (adapter, object_) not in known:
            known[adapter, object_] = ask(adapter, object_)
        return known[adapter, object_]

    return described
