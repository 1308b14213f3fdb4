"""The standard objects as an editor offers them; custom objects and fields come through all the same.

Fields are listed in ``fields.json`` (path, type, words), ``every`` for what all objects have. Which standard fields
there are depends on what an organisation has switched on, so patterns stand for the others: a slip in a common
name is still found. Samples are in ``fixtures/samples``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from adapters.salesforce.events import ROOTS
from connector.contract import Field, Topic
from connector.model import Payload, parse_object

_HERE = Path(__file__).parent

_TITLES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "Contact": ("Contact", ("Account",)),
    "Lead": ("Lead", ()),
    "Account": ("Account", ()),
    "Opportunity": ("Opportunity", ("Contact", "Account")),
    "Case": ("Case", ("Contact", "Account")),
    "Order": ("Order", ("Contact", "Account", "Opportunity")),
    "CampaignMember": ("Campaign member", ("Contact", "Lead")),
    "Task": ("Task", ("Contact", "Lead", "Account", "Opportunity", "Case", "Order")),
    "Event": ("Calendar event", ("Contact", "Lead", "Account", "Opportunity", "Case", "Order")),
}
"""Object -> what people call it, and the objects whose earlier payloads its expressions may use."""
OBJECTS = tuple(_TITLES)


def _fields() -> Mapping[str, tuple[Field, ...]]:
    shapes = json.loads((_HERE / "fields.json").read_text("utf-8"))
    every = [Field(*row) for row in shapes.pop("every")]
    return {name: (*every, *(Field(*row) for row in rows)) for name, rows in shapes.items()}


def sample(name: str) -> Payload:
    """Return the sample payload of an object, as an event of it carries it."""
    return {**parse_object((_HERE / "fixtures" / "samples" / f"{name}.json").read_bytes()), "_object": name}


def sample_deleted(name: str) -> Payload:
    """Return what is left to be told of a deleted record."""
    whole = sample(name)
    return {"Id": whole["Id"], "IsDeleted": True, "SystemModstamp": whole["SystemModstamp"], "_object": name}


def _topics() -> tuple[Topic, ...]:
    fields = _fields()
    saved = tuple(
        Topic(
            name=name,
            event=f"{name.lower()}.saved",
            title=f"{title} created or changed",
            fields=tuple(field for field in fields[name] if name != "CampaignMember" or field.path != "OwnerId"),
            sample=partial(sample, name),
            remembers={ROOTS[other]: f"{other.lower()}.saved" for other in related},
        )
        for name, (title, related) in _TITLES.items()
    )
    deleted = tuple(
        Topic(
            name=f"{name}.deleted",
            event=f"{name.lower()}.deleted",
            title=f"{title} deleted",
            fields=tuple(field for field in fields[name] if field.path in sample_deleted(name)),
            sample=partial(sample_deleted, name),
        )
        for name, (title, _) in _TITLES.items()
    )
    return (*saved, *deleted)


TOPICS = _topics()
BY_NAME: Mapping[str, Topic] = {topic.name: topic for topic in TOPICS}
"""Vendor's word -> its topic."""
