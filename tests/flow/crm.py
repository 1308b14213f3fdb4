"""A CRM that the tests play: it holds fields, refuses as told, and counts its calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connector.contract import Change, Crm, Delta, Field, Outcome
from connector.errors import RemoteError

Spot = tuple[str, str, str]


class FakeCrm(Crm):
    """Holds one value a field, or a set of texts where a Delta was written."""

    def __init__(self, *, most: int = 200, bulk_from: int | None = None) -> None:
        self.most = most
        self.bulk_from = bulk_from
        self.held: dict[Spot, Any] = {}
        self.calls: list[tuple[str, int]] = []
        """Kind, and how many changes or numbers it carried."""
        self.refuse: Callable[[Change], RemoteError | None] = lambda change: None
        self.raises: list[RemoteError | Callable[[], None]] = []
        """What the next calls meet: an error, or something to do first."""
        self.records: dict[str, str] = {}
        """Phone -> record id, for ``find``."""
        self.tickets: dict[str, Sequence[Change]] = {}
        self.polls_left = 0

    def record(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        """Write."""
        self._begin("record", len(changes))
        assert len({(change.object, change.record_id) for change in changes}) <= self.most
        return self._write(changes)

    def fields(self, object: str) -> Sequence[Field]:  # noqa: A002
        """Describe nothing."""
        return ()

    def find(self, object: str, phones: Sequence[str]) -> Mapping[str, str]:  # noqa: A002
        """Look up."""
        self._begin("find", len(phones))
        return {phone: self.records[phone] for phone in phones if phone in self.records}

    def start(self, changes: Sequence[Change]) -> str:
        """Take many."""
        self._begin("start", len(changes))
        ticket = f"job-{len(self.tickets)}"
        self.tickets[ticket] = changes
        return ticket

    def finish(self, ticket: str, changes: Sequence[Change]) -> Sequence[Outcome] | None:
        """Tell, when it is done."""
        self._begin("finish", len(changes))
        assert sorted(map(repr, changes)) == sorted(map(repr, self.tickets[ticket]))
        if self.polls_left:
            self.polls_left -= 1
            return None
        return self._write(self.tickets[ticket])

    def _begin(self, kind: str, size: int) -> None:
        self.calls.append((kind, size))
        met = self.raises.pop(0) if self.raises else None
        if isinstance(met, RemoteError):
            raise met
        if met is not None:
            met()

    def _write(self, changes: Sequence[Change]) -> list[Outcome]:
        outcomes = []
        for change in changes:
            error = self.refuse(change)
            if error is None:
                spot = change.object, change.record_id, change.field
                if isinstance(change.value, Delta):
                    self.held[spot] = self.held.get(spot, set()) | set(change.value.add) - set(change.value.remove)
                    self.held[spot] -= set(change.value.remove)
                else:
                    self.held[spot] = change.value
            outcomes.append(Outcome(change, error))
        return outcomes[::-1]  # in no order that anybody may rely on
