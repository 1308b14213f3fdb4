"""Templates as the channel had them when it was last asked, or last told us."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from connector.model import AccountId, Category, Part, Slot, SlotKind, Template, TemplateChange
from connector.store import schema, template_history
from connector.store.engine import Transaction

_TEMPLATE = schema.template.c
GONE = "deleted"
"""Status of a template that the channel no longer lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateRow:
    """A stored template: whose it is, when it was last seen, when anything about it last changed."""

    account_id: AccountId
    template: Template
    seen_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a sync found."""

    new: int = 0
    changed: int = 0
    gone: int = 0
    unchanged: int = 0


def get(tx: Transaction, account_id: AccountId, name: str, language: str) -> Template | None:
    """Return one template in one language, whatever its status, or None."""
    row = tx.execute(select(schema.template).where(*_key(account_id, name, language))).first()
    return _read(row).template if row is not None else None


def all_(tx: Transaction, account_id: AccountId | None = None) -> list[TemplateRow]:
    """Return the templates of one account, or of all, by name and language."""
    statement = select(schema.template).order_by(_TEMPLATE.account_id, _TEMPLATE.name, _TEMPLATE.language)
    if account_id is not None:
        statement = statement.where(_TEMPLATE.account_id == account_id)
    return [_read(row) for row in tx.execute(statement)]


def upsert_all(
    tx: Transaction,
    account_id: AccountId,
    templates: Iterable[Template],
    at: datetime,
    *,
    partial: bool = False,
) -> Counts:
    """Store what the channel listed; what it no longer lists becomes ``deleted``, unless ``partial``.

    ``at`` is when the list was asked for: a row that a webhook changed later than that is newer than the
    list and stays as it is.
    """
    listed = {(template.name, template.language): template for template in templates}
    known = {(row.template.name, row.template.language): row for row in all_(tx, account_id)}
    news: list[dict[str, Any]] = []
    new = changed = gone = unchanged = 0
    for key, template in listed.items():
        row = known.get(key)
        if row is None:
            tx.execute(insert(schema.template).values(_values(account_id, template, at) | {"changed_at": at}))
            news += template_history.first(account_id, template, at)
            new += 1
        elif row.changed_at > at or row.template == template:
            _change(tx, account_id, *key, seen_at=at)
            unchanged += 1
        else:
            _change(tx, account_id, *key, **_values(account_id, template, at), changed_at=at)
            news += template_history.differences(account_id, row.template, template, at)
            changed += 1
    for key, row in known.items():
        if not partial and key not in listed and row.template.status != GONE and row.changed_at <= at:
            _change(tx, account_id, *key, status=GONE, changed_at=at)
            news += template_history.differences(account_id, row.template, replace(row.template, status=GONE), at)
            gone += 1
    template_history.add(tx, news)
    return Counts(new=new, changed=changed, gone=gone, unchanged=unchanged)


def apply_change(tx: Transaction, account_id: AccountId, change: TemplateChange, at: datetime) -> bool:
    """Write down what a notice says about one template; False where we do not know it, or it says nothing.

    A category that is none of ours leaves the stored one.
    """
    values: dict[str, Any] = {}
    if change.status is not None:
        values["status"] = change.status
    if change.category in tuple(Category):
        values["category"] = change.category
    if change.quality is not None:
        values["quality"] = change.quality
    if not values:
        return False
    known = get(tx, account_id, change.name, change.language)
    if known is None:
        return False
    told = replace(known, **values | ({"category": Category(values["category"])} if "category" in values else {}))
    template_history.add(tx, template_history.differences(account_id, known, told, at, template_history.BY_NOTICE))
    return _change(tx, account_id, change.name, change.language, **values, changed_at=at)


def _key(account_id: AccountId, name: str, language: str) -> tuple[Any, ...]:
    return _TEMPLATE.account_id == account_id, _TEMPLATE.name == name, _TEMPLATE.language == language


def _change(tx: Transaction, account_id: AccountId, name: str, language: str, /, **values: Any) -> bool:
    statement = update(schema.template).where(*_key(account_id, name, language)).values(values)
    return tx.execute(statement).rowcount == 1


def _values(account_id: AccountId, template: Template, at: datetime) -> dict[str, Any]:
    return {
        "account_id": account_id,
        "name": template.name,
        "language": template.language,
        "category": template.category.value,
        "status": template.status,
        "quality": template.quality,
        "reason": template.reason,
        "remote_id": template.remote_id,
        "slots": [asdict(slot) for slot in template.slots],
        "parts": [asdict(part) for part in template.parts],
        "budget": [list(share) for share in template.budget],
        "fingerprint": template.fingerprint,
        "seen_at": at,
    }


def _read(row: Row[Any]) -> TemplateRow:
    template = Template(
        name=row.name,
        language=row.language,
        category=Category(row.category),
        status=row.status,
        slots=tuple(Slot(**slot | {"kind": SlotKind(slot["kind"])}) for slot in row.slots),
        parts=tuple(Part(**part) for part in row.parts),
        budget=tuple((prefix, room) for prefix, room in row.budget),
        remote_id=row.remote_id,
        quality=row.quality,
        reason=row.reason,
    )
    return TemplateRow(account_id=row.account_id, template=template, seen_at=row.seen_at, changed_at=row.changed_at)


def standings(tx: Transaction, account_id: AccountId) -> dict[tuple[str, str], tuple[str, str]]:
    """Return the (status, category) of every template of an account by (name, language); cheap."""
    query = select(_TEMPLATE.name, _TEMPLATE.language, _TEMPLATE.status, _TEMPLATE.category)
    rows = tx.execute(query.where(_TEMPLATE.account_id == account_id))
    return {(row.name, row.language): (row.status, row.category) for row in rows}
