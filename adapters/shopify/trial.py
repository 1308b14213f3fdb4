"""A kit for settings that are not stored yet: its token lives as long as the look at them."""

from __future__ import annotations

from collections.abc import Callable

from connector.contract import Budget, Grant, Kit, Tokens, Visit


def kit_of(visit: Visit) -> Kit:
    """Return what a visit brought along, else a kit of one's own."""
    return visit.kit or Kit(http=visit.http, tokens=OwnTokens(), budget=NoBudget())


class OwnTokens(Tokens):
    """Keeps one token in memory; for one thread."""

    def __init__(self) -> None:
        self._grant: Grant | None = None

    def current(self, renew: Callable[[Grant | None], Grant]) -> Grant:
        """Return the token, asking for one the first time."""
        if self._grant is None:
            self._grant = renew(None)
        return self._grant

    def reject(self, grant: Grant) -> None:
        """Forget it."""
        self._grant = None

    def keep(self, grant: Grant) -> None:
        """Take another."""
        self._grant = grant


class NoBudget(Budget):
    """Knows nothing of what is left; Shopify will tell."""

    def take(self, cost: float) -> float:
        """Allow everything."""
        return 0.0

    def tell(self, *, left: float, most: float, per_second: float) -> None:
        """Forget it."""
