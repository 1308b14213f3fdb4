"""Marketing leaves only where the buyer has agreed to it."""

from __future__ import annotations

from collections.abc import Sequence

from connector.model import Category, Json, Payload, Reason, Skip, dig

GRANTED = frozenset({"true", "subscribed", "granted", "yes"})
"""Words, in any case, by which vendors say that a person has agreed."""


def agreed(fields: Sequence[str], payload: Payload) -> str | None:
    """Return the first of these paths that holds an agreement, or None.

    An agreement is ``true`` or one of :data:`GRANTED`; nothing else is read into a payload.
    """
    return next((field for field in fields if _grants(dig(payload, field))), None)


def agreement(category: Category, fields: Sequence[str], payload: Payload) -> Skip | None:
    """Stop a marketing message unless one of the mapping's agreement fields says that the buyer agreed.

    ``fields`` are paths into the payload (``to.agreement`` of the mapping); the evidence is the field that
    :func:`agreed` returns for the same arguments.
    """
    if category is not Category.MARKETING or agreed(fields, payload):
        return None
    if not fields:
        words = "The template is marketing, and the mapping names no field that holds the buyer's agreement."
    else:
        found = ", ".join(f"{field} is {_show(dig(payload, field))}" for field in fields)
        words = f"The template is marketing, and the buyer has not agreed to that: {found}."
    return Skip(reason=Reason.NO_AGREEMENT, words=words)


def _grants(value: Json) -> bool:
    return value is True or (isinstance(value, str) and value.strip().casefold() in GRANTED)


def _show(value: Json) -> str:
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value[:40]) if isinstance(value, str) else "not an agreement"
