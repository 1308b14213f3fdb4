"""Identifiers: ours are 26 characters, sort by time of making, and are unique across installations."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime
from typing import NewType

AccountId = NewType("AccountId", str)
ContactId = NewType("ContactId", str)
EventId = NewType("EventId", str)
MessageId = NewType("MessageId", str)
RequestId = NewType("RequestId", int)
RemoteId = NewType("RemoteId", str)
"""The id a vendor gave to a message (WhatsApp: ``wamid.…``)."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_RANDOM = 80
"""Bits of an id that are not of the clock."""


class _Last(threading.local):
    """The number that this thread made last."""

    number = 0


_last = _Last()


def new_id() -> str:
    """Return a fresh id: 48 bits of milliseconds, 80 random bits, in Crockford's base 32.

    What one thread makes within one millisecond ascends too, by random steps (as ULID's monotonic form does):
    what was written first is listed first, and nobody guesses the next.
    """
    start = time.time_ns() // 1_000_000
    if _last.number >> _RANDOM == start:
        _last.number += 1 + int.from_bytes(os.urandom(5))
    else:
        _last.number = start << _RANDOM | int.from_bytes(os.urandom(10))
    return _spell(_last.number)


def first_id(moment: datetime) -> str:
    """Return the lowest id that may be made at a moment: ids from then on are not below it."""
    return _spell(int(moment.timestamp() * 1000) << _RANDOM)


def moment_of(id_: str) -> datetime:
    """Return the millisecond in which an id was made; of the first letters of one, the first that they may mean."""
    number = 0
    for letter in id_[:10].ljust(10, _ALPHABET[0]):
        number = number << 5 | _ALPHABET.index(letter)
    return datetime.fromtimestamp(number / 1000, UTC)


def _spell(number: int) -> str:
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
