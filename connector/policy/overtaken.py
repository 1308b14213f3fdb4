"""What a later event has made untrue is not sent."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from connector.model import Reason, Skip


def overtaken(cancel_when: Sequence[str], seen: Collection[str]) -> Skip | None:
    """Stop where one of the cancelling event types is among those already seen about the subject."""
    first = next((event for event in cancel_when if event in seen), None)
    if first is None:
        return None
    return Skip(reason=Reason.OVERTAKEN, words=f"{first} came first.")
