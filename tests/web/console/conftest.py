"""What tests of the console share.

========================  ==========================================================================
fixture                   gives
========================  ==========================================================================
``room``                  a :class:`tests.web.console.room.Room`: the console, and clients signed in to it
``scene``                 what has come in and gone out in that room (:mod:`tests.web.console.traffic`)
========================  ==========================================================================
"""

from __future__ import annotations

import pytest

from connector.web import create_pages
from tests.web.conftest import House
from tests.web.console.room import Room
from tests.web.console.traffic import Traffic


@pytest.fixture
def room(house: House) -> Room:
    """The console of a whole installation on SQLite."""
    return Room(house, create_pages(house.tools))


@pytest.fixture
def scene(room: Room) -> Traffic:
    """Rows to fill the room with."""
    return Traffic(room.store)
