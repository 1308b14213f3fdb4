"""What became of a template at the channel: status, category, quality and shape, each change once, with its time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from connector.model import AccountId, Template, new_id
from connector.store import news
from connector.store.connection_schema import template_change
from connector.store.engine import Transaction

BY_LIST, BY_NOTICE = "list", "notice"
FOUND = "found"
"""What a template's first entry says; its ``after`` holds the status."""
MOST = 200
"""Changes of one template that are shown."""

_CHANGE = template_change.c


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateEntry:
    """One thing that changed about a template."""

    account_id: AccountId
    name: str
    language: str
    what: str
    """``found``, ``status``, ``category``, ``quality`` or ``shape``."""
    before: str
    after: str
    """Of a shape: what is read, part by part."""
    told_by: str
    """``list``: seen when the channel was asked; ``notice``: the channel said so by itself."""
    at: datetime


def first(account_id: AccountId, template: Template, at: datetime) -> list[dict[str, Any]]:
    """Return the rows for a template that was not known."""
    category = [_row(account_id, template, "category", "", template.category.value, BY_LIST, at)]
    return [_row(account_id, template, FOUND, "", template.status, BY_LIST, at), *category]


def differences(
    account_id: AccountId, before: Template, after: Template, at: datetime, told_by: str = BY_LIST
) -> list[dict[str, Any]]:
    """Return the rows for what differs between a template as it was and as it is; none for what nobody asks after."""
    values = [
        ("status", before.status, after.status),
        ("category", before.category.value, after.category.value),
        ("quality", before.quality, after.quality),
    ]
    if before.fingerprint != after.fingerprint:
        values.append(("shape", _told(before), _told(after)))
    return [_row(account_id, after, what, old, new, told_by, at) for what, old, new in values if old != new]


def add(tx: Transaction, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows down, in one statement."""
    if rows:
        tx.execute(insert(template_change), list(rows))
        news.retemplated(tx, rows)


def of(tx: Transaction, account_id: AccountId, name: str, language: str) -> list[TemplateEntry]:
    """Return what became of one template, the newest first."""
    here = (_CHANGE.account_id == account_id, _CHANGE.name == name, _CHANGE.language == language)
    return _read(tx, select(template_change).where(*here).order_by(_CHANGE.at.desc(), _CHANGE.what).limit(MOST))


def since(tx: Transaction, at: datetime, whats: Iterable[str] = ("status", "category", "shape")) -> list[TemplateEntry]:
    """Return what has changed about any template since a moment, the newest first."""
    wanted = (_CHANGE.at >= at, _CHANGE.what.in_(list(whats)))
    return _read(tx, select(template_change).where(*wanted).order_by(_CHANGE.at.desc(), _CHANGE.what).limit(MOST))


def _read(tx: Transaction, query: Any) -> list[TemplateEntry]:
    names = TemplateEntry.__dataclass_fields__
    return [TemplateEntry(**{name: row[name] for name in names}) for row in tx.execute(query).mappings()]


def _row(
    account_id: AccountId, template: Template, what: str, before: str, after: str, told_by: str, at: datetime
) -> dict[str, Any]:
    return {
        "id": new_id(), "account_id": account_id, "name": template.name, "language": template.language,
        "what": what, "before": before, "after": after, "told_by": told_by, "at": at,
    }  # fmt: skip


def _told(template: Template) -> str:
    lines = (
        f"{part.prefix or part.kind}: {part.text}{f' [{part.media}]' if part.media else ''}" for part in template.parts
    )
    return "\n".join(lines)
