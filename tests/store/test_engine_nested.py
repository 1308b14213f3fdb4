"""A write inside a write."""

from __future__ import annotations

import pytest

from connector.store import Store


def test_a_write_inside_a_write_fails_at_once_instead_of_waiting_for_itself(sqlite_store: Store) -> None:
    with sqlite_store.write():
        with pytest.raises(RuntimeError, match="wait for itself"), sqlite_store.write():
            pass
        with sqlite_store.read():
            pass
    with sqlite_store.write():
        pass
