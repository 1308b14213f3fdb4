"""The clock of a world: whoever asks for one lives on its day, however long ago its module was read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import time_machine

from tests.flow.world import AT


@pytest.fixture(autouse=True)
def _clock_of_a_world(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let the clock go on from AT where a test asks for a ``world``; no hour, day or month turns close to it."""
    if "world" in request.fixturenames:
        with time_machine.travel(AT, tick=True):
            yield
    else:
        yield
