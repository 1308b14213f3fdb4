"""The templates of the stand-in's business account: listed, created, edited, paused."""

from __future__ import annotations

import itertools
import json
import re
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from connector.errors import ConfigurationError
from connector.sandbox.refusal import GraphError

CATEGORIES = ("UTILITY", "MARKETING", "AUTHENTICATION")
STATUSES = ("APPROVED", "PENDING", "REJECTED", "PAUSED", "DISABLED", "IN_APPEAL", "ARCHIVED")
_NAME = re.compile(r"[a-z0-9_]{1,512}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Z]{2,4})?")
_FIRST_ID = 1_800_000_000_000_000
_PAGE = 25
_LARGEST_PAGE = 1000

Json = dict[str, Any]


def read_templates(path: str | None = None) -> list[Json]:
    """Read Meta's JSON of one or many templates; without a path, those that come with the recipes.

    Raises ConfigurationError.
    """
    try:
        if path is None:
            return _shipped()
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ConfigurationError(
            f"The templates in {path or 'mappings/*/templates.json'} cannot be read; "
            'give a JSON file such as {"data": [{"name": …, "language": …, "components": […]}]}.'
        ) from None
    return _listed(document)


def _shipped() -> list[Json]:
    """Return the templates of all vendors' recipes."""
    files = (folder / "templates.json" for folder in resources.files("mappings").iterdir() if folder.is_dir())
    return [
        template
        for file in sorted(files, key=str)
        if file.is_file()
        for template in _listed(json.loads(file.read_text(encoding="utf-8")))
    ]


def _listed(document: Any) -> list[Json]:
    found = document.get("data", [document]) if isinstance(document, dict) else document
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ConfigurationError('Templates must be a list, or {"data": [ … ]}.')
    return found


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of the list, with Meta's cursors."""

    data: list[Json]
    before: str
    after: str
    more: bool


class Catalogue:
    """Templates by name and language; safe to use from many threads."""

    def __init__(self, documents: list[Json]) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(_FIRST_ID)
        self._templates: dict[tuple[str, str], Json] = {}
        for document in documents:
            try:
                self.create(document, status=str(document.get("status", "APPROVED")).upper())
            except GraphError as fault:
                name = str(document.get("name", "without a name"))[:80]
                raise ConfigurationError(f"The template {name!r} cannot be used: {fault.details}.") from None

    def find(self, name: str, language: str) -> Json:
        """Return a template that may be sent. Raises GraphError 132001, 132015 or 132016."""
        template = self._templates.get((name, language))
        status = template["status"] if template else ""
        if template is None or status not in ("APPROVED", "PAUSED", "DISABLED"):
            raise GraphError(132001, f"template name ({name}) does not exist in {language}")
        if status != "APPROVED":
            raise GraphError(132015 if status == "PAUSED" else 132016, f"template ({name}) is {status.lower()}")
        return template

    def create(self, document: Json, *, status: str = "PENDING") -> Json:
        """Add a template. Raises GraphError 100 where it could never be approved, or is already there."""
        name, language = str(document.get("name", "")), str(document.get("language", ""))
        category = str(document.get("category", "UTILITY")).upper()
        components = document.get("components")
        if not _NAME.fullmatch(name):
            raise GraphError(100, "name takes lower-case letters, digits and underscores")
        if not _LANGUAGE.fullmatch(language):
            raise GraphError(100, "language must be a code such as en or pt_BR")
        if category not in CATEGORIES or status not in STATUSES:
            raise GraphError(100, f"category must be one of {', '.join(CATEGORIES)}, status of {', '.join(STATUSES)}")
        _check_components(components)
        with self._lock:
            if (name, language) in self._templates:
                raise GraphError(100, "content in this language already exists", subcode=2388024)
            taken = {template["id"] for template in self._templates.values()}
            new_id = str(document.get("id", ""))
            while not new_id.isdigit() or new_id in taken:
                new_id = str(next(self._ids))
            template: Json = {
                "parameter_format": "POSITIONAL",
                "quality_score": {"score": "UNKNOWN"},
            } | document
            template |= {"id": new_id, "status": status, "category": category, "components": components}
            template["parameter_format"] = str(template["parameter_format"]).upper()
            self._templates[name, language] = template
        return template

    def by_id(self, template_id: str) -> Json | None:
        """Return the template with that id, or None."""
        with self._lock:
            return next((item for item in self._templates.values() if item["id"] == template_id), None)

    def change(self, name: str, language: str, **changes: Any) -> tuple[Json, Json]:
        """Change a template; return it as it was and as it is now. Raises GraphError 132001 or 100."""
        if "components" in changes:
            _check_components(changes["components"])
        if changes.get("status", "APPROVED") not in STATUSES or changes.get("category", "UTILITY") not in CATEGORIES:
            raise GraphError(100, f"status must be one of {', '.join(STATUSES)}, category of {', '.join(CATEGORIES)}")
        with self._lock:
            before = self._templates.get((name, language))
            if before is None:
                raise GraphError(132001, f"template name ({name}) does not exist in {language}")
            self._templates[name, language] = before | changes
        return before, before | changes

    def page(self, query: Mapping[str, str]) -> Page:
        """Return one page; ``limit``, ``after``, ``name``, ``status``, ``language`` and ``category`` choose it."""
        limit = query.get("limit", str(_PAGE))
        if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit[:6]) <= _LARGEST_PAGE:
            raise GraphError(100, f"limit must be a number from 1 to {_LARGEST_PAGE}")
        wanted = {key: query[key].lower() for key in ("name", "status", "language", "category") if key in query}
        with self._lock:
            templates = sorted(self._templates.items())
        chosen = [
            template
            for _, template in templates
            if all(_matches(key, value, str(template[key]).lower()) for key, value in wanted.items())
        ]
        start = _place(query["after"]) if query.get("after") else 0
        data = chosen[start : start + int(limit)]
        return Page(data, _cursor(start), _cursor(start + len(data)), start + len(data) < len(chosen))


def _check_components(components: object) -> None:
    if not isinstance(components, list) or not all(isinstance(item, dict) for item in components):
        raise GraphError(100, "components must be an array of objects")
    bodies = [item for item in components if str(item.get("type", "")).upper() == "BODY"]
    if len(bodies) != 1 or not isinstance(bodies[0].get("text", ""), str):
        raise GraphError(100, "a template needs one BODY")
    if len(bodies[0].get("text", "")) > 1024:
        raise GraphError(100, "the BODY has more than 1024 characters", subcode=2388040)


def _matches(key: str, wanted: str, value: str) -> bool:
    return wanted in value if key == "name" else wanted == value


def _cursor(place: int) -> str:
    return urlsafe_b64encode(f"at{place}".encode()).decode()


def _place(cursor: str) -> int:
    try:
        return int(urlsafe_b64decode(cursor.encode()).decode().removeprefix("at"))
    except ValueError:
        raise GraphError(100, "after is not a cursor of this list") from None
