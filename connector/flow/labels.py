"""Labels: deltas from every side, each once, to people by their owner's rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from connector.mapping.people import Owner, PeoplePolicy
from connector.store import Transaction, labels
from connector.store.labels import LabelChange

LONGEST = 100
"""Characters of a label; a shop's tag has at most 255, a picklist's value 255."""


def change(
    tx: Transaction, wanted: Iterable[LabelChange], policy: PeoplePolicy, *, from_records: bool = False
) -> list[LabelChange]:
    """Put labels on people and take them off; return what really changed anything.

    A change that was made already, that changes nothing, or that its sender may not make, is passed over:
    so an echo of our own writing ends here. ``from_records``: shops and CRMs say so, and not we. Labels that
    differ in case alone are one; the spelling that came first stays.
    """
    asked = [item for item in map(_tidy, wanted) if item is not None and _may(policy.owner(item.name), from_records)]
    if not asked:
        return []
    done = labels.known(tx, {item.key for item in asked})
    have = {
        id_: {name.casefold(): name for name in names}
        for id_, names in labels.of(tx, {item.contact_id for item in asked}).items()
    }
    real: list[LabelChange] = []
    for item in asked:
        theirs = have.setdefault(item.contact_id, {})
        name = theirs.get(item.name.casefold())
        if item.key in done or item.added == (name is not None):
            continue
        done.add(item.key)
        item = replace(item, name=name or item.name)  # the spelling that came first
        if item.added:
            theirs[item.name.casefold()] = item.name
        else:
            del theirs[item.name.casefold()]
        real.append(item)
    labels.apply(tx, real)
    return real


def net(changes: Sequence[LabelChange]) -> list[LabelChange]:
    """Return the last change of each label of each person."""
    return list({(item.contact_id, item.name): item for item in changes}.values())


def _tidy(item: LabelChange) -> LabelChange | None:
    name = " ".join("".join(char for char in item.name if char.isprintable()).split())[:LONGEST]
    return replace(item, name=name) if name else None


def _may(owner: Owner, from_records: bool) -> bool:
    return owner is Owner.BOTH or (owner is Owner.THEIRS) is from_records
