"""Connections of one test's own, which wait for a server that has a bad moment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connector import limits


@pytest.fixture(autouse=True)
def _own_connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What an earlier test's server did shall make nobody deaf, nor half a second in which the machine was busy."""
    monkeypatch.setattr(limits, "TIMEOUT_SECONDS", 60.0)
    limits._made.cache_clear()
    yield
    limits._made.cache_clear()
