"""Taking requests in: one durable insert, then the bell, then the acknowledgement.

Requests that arrive together are committed together: the threads of the web server hand their request
to one writer and wait for its commit, so that a slow disk costs one sync for all of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from connector.store import Store, inbox

MOST_AT_ONCE = 64
PATIENCE_SECONDS = 4.0
"""Shopify hangs up after 5 s; holding a thread for longer helps nobody."""


class Intake:
    """Stores arrivals. ``accept`` may be called from many threads; each call returns after its commit."""

    def __init__(self, store: Store, ring: Callable[[], object], *, patience: float = PATIENCE_SECONDS) -> None:
        """``ring`` is called after a commit that stored something new; it must not fail."""
        self._store = store
        self._ring = ring
        self._patience = patience
        self._waiting: SimpleQueue[_Ticket | None] = SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="intake-writer", daemon=True)
        self._writer.start()

    def accept(self, arrival: inbox.Arrival) -> bool:
        """Store one request durably; tell whether it was new. Raises what the database raises, or TimeoutError."""
        ticket = _Ticket(arrival)
        self._waiting.put(ticket)
        return ticket.wait(self._patience)

    def close(self) -> None:
        """Write what has been handed in, then stop."""
        self._waiting.put(None)
        self._writer.join(self._patience)

    def _write(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch, last = self._gather(first)
            self._commit(batch)
            if last:
                return

    def _gather(self, first: _Ticket) -> tuple[list[_Ticket], bool]:
        batch = [first]
        while len(batch) < MOST_AT_ONCE:
            try:
                ticket = self._waiting.get_nowait()
            except Empty:
                break
            if ticket is None:
                return batch, True
            batch.append(ticket)
        return batch, False

    def _commit(self, batch: list[_Ticket]) -> None:
        wanted = [(ticket, arrival) for ticket in batch if (arrival := ticket.arrival) is not None]
        if not wanted:
            return
        try:
            with self._store.write() as tx:
                fresh = inbox.add(tx, [arrival for _, arrival in wanted])
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear it
            if len(wanted) > 1:  # one bad row must not cost the others their place
                for ticket, _ in wanted:
                    self._commit([ticket])
            else:
                wanted[0][0].fail(error)
            return
        for (ticket, _), new in zip(wanted, fresh, strict=True):
            ticket.settle(new)
        if any(fresh):
            self._ring()


class _Ticket:
    """One request, and somebody who waits for its commit."""

    __slots__ = ("_done", "_error", "_new", "arrival")

    def __init__(self, arrival: inbox.Arrival) -> None:
        self.arrival: inbox.Arrival | None = arrival
        self._done = threading.Lock()
        self._done.acquire()
        self._new = False
        self._error: Exception | None = None

    def settle(self, new: bool) -> None:
        self._new = new
        self._done.release()

    def fail(self, error: Exception) -> None:
        self._error = error
        self._done.release()

    def wait(self, seconds: float) -> bool:
        if not self._done.acquire(timeout=seconds):
            self.arrival = None  # nobody waits for it: it shall not pile up while the database is away
            raise TimeoutError("The database did not take the request in time.")
        if self._error is not None:
            raise self._error
        return self._new
