"""What differs between two texts of a mapping: field by field in words, and line by line."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from connector.errors import MappingError
from connector.mapping.pieces import read_toml

_WORDS = {
    "title": "Title", "description": "Description", "kind": "Kind", "when.event": "Event", "when.adapter": "Adapter",
    "when.accounts": "Accounts", "when.conditions": "Conditions", "when.once_per": "Once per",
    "to.phone": "Recipient", "to.region": "Country of the number", "to.locale": "Language of the person",
    "to.agreement": "Agreement to marketing", "to.ground": "Ground", "template.name": "Template",
    "template.account": "Sent by", "template.language": "Language", "timing.delay": "Delay", "timing.at": "Moment",
    "timing.before": "So long before", "timing.expires": "Not sent after", "timing.cancel_when": "Stopped by",
    "timing.restart": "Newer event restarts", "timing.quiet": "Quiet hours", "timing.cap": "At most",
    "timing.in_doubt": "In doubt", "after": "After-effects",
}  # fmt: skip

_ABOUT = ("field", "on", "contact", "valid_from")
"""By what an item of a list is called, the first that it has."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that is not the same in both."""

    path: str
    words: str
    """What the field is called."""
    before: str = field(repr=False)
    """``""``: it was not there."""
    after: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a comparison."""

    sign: str
    """``+``, ``-`` or a space; ``@`` where lines were left out."""
    text: str


def fields(before: str, after: str) -> list[Difference] | None:
    """Return the fields that differ, in the order of the newer text; None where one of them is no TOML."""
    try:
        old, new = _flat(read_toml(before)), _flat(read_toml(after))
    except MappingError:
        return None
    paths = list(dict.fromkeys((*new, *old)))
    return [
        Difference(path, words_of(path), old.get(path, ""), new.get(path, ""))
        for path in paths
        if old.get(path) != new.get(path)
    ]


def lines(before: str, after: str, context: int = 3) -> list[Line]:
    """Return the lines that differ with some around them; none where both say the same."""
    found = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=context)
    told = [line for line in found if not line.startswith(("---", "+++"))]
    return [Line("@", "") if line.startswith("@@") else Line(line[:1] or " ", line[1:]) for line in told]


def words_of(path: str) -> str:
    """Return what a field is called."""
    if path in _WORDS:
        return _WORDS[path]
    if path.startswith("slots."):
        return f"Slot {path.removeprefix('slots.')}"
    near = max((known for known in _WORDS if path.startswith(f"{known}.")), key=len, default="")
    return f"{_WORDS[near]}: {path.removeprefix(f'{near}.')}" if near else path


def _flat(value: Any, path: str = "") -> dict[str, str]:
    if isinstance(value, dict):
        found: dict[str, str] = {}
        for name, inner in value.items():
            found |= _flat(inner, f"{path}.{name}" if path else str(name))
        return found
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        found = {}
        for name, item in zip(_names(value), value, strict=True):
            found |= _flat(item, f"{path}.{name}")
        return found
    return {path: ", ".join(_listed(value))}


def _names(items: list[Any]) -> Iterator[str]:
    """Yield what to call the items of a list: by the field, outcome or contact field they are about, else by place."""
    seen: dict[str, int] = {}
    for place, item in enumerate(items):
        about = next((str(item[key]) for key in _ABOUT if key in item), "") if isinstance(item, dict) else ""
        name = about or str(place + 1)
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name} ({seen[name]})"


def _listed(value: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        yield str(item).lower() if isinstance(item, bool) else str(item)
