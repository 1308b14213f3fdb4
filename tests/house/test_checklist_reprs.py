"""What holds people or secrets does not show them when printed: in a traceback, a log line, a failed assertion."""

from __future__ import annotations

import dataclasses
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import adapters
import connector

PERSONAL = re.compile(
    r"(?:.*_)?(?:phones?|emails?|wa_id|recipient|recipient_id|headers|query|payload|slots)|(?:first|last)_name|address"
)
"""Names of fields that hold somebody's number, address or words, or a signature."""
MEANT_OTHERWISE = {"connector.mapping.notification.Mapping.slots", "connector.mapping.rules.Rule.payload"}
"""Fields of such a name that hold a mapping's words, and nobody's."""


def shown() -> Iterator[tuple[str, dataclasses.Field[Any]]]:
    """Yield every field that a data class of ours shows when it is printed."""
    for package in (connector, adapters):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if re.search(r"\.(?:tests|migrations|sandbox|__main__)\b", found.name):  # the sandbox's people are made up
                continue
            module = import_module(found.name)
            for one in vars(module).values():
                own = isinstance(one, type) and dataclasses.is_dataclass(one) and one.__module__ == found.name
                if own and one.__dataclass_params__.repr:
                    yield from ((f"{found.name}.{one.__name__}", each) for each in dataclasses.fields(one) if each.repr)


def test_no_data_class_prints_a_person_or_a_secret() -> None:
    fields = list(shown())
    told = {
        f"{owner}.{field.name}"
        for owner, field in fields
        if PERSONAL.fullmatch(field.name) and re.search(r"\b(?:str|bytes|Json|Payload|Mapping|dict)\b", str(field.type))
    }
    assert len(fields) > 300, "the walk has found our modules"
    assert told - MEANT_OTHERWISE == set(), "say field(repr=False)"
