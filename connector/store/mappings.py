"""Mappings: one draft each, and published versions that never change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from datetime import datetime

from sqlalchemy import RowMapping, func, insert, select, update

from connector.errors import ConfigurationError
from connector.model import AccountId
from connector.store import news, schema
from connector.store.engine import Transaction

_MAPPING = schema.mapping.c
_VERSION = schema.mapping_version.c


@dataclass(frozen=True, slots=True)
class TemplateUse:
    """A template that a version may send, and the shape it had when the version was published."""

    account_id: AccountId
    name: str
    language: str
    fingerprint: str
    category: str = ""
    """As it was then; ``""``: published before this was kept."""
    quality: str = field(default="", compare=False)
    """As it was then; it comes and goes, and makes no other version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingRow:
    """A mapping: the text that is being worked on, and which version is in force."""

    name: str
    draft: str = field(repr=False)
    """TOML."""
    published: int | None
    """The version in force; None: nothing is sent."""
    updated_at: datetime
    revision: int = 0
    """Counts every change of the draft: who saves says which one they have read."""
    draft_by: str = ""
    """Name of whoever changed the draft last."""


class Conflict(ConfigurationError):  # noqa: N818 - it is what they show: somebody else's text
    """Somebody else changed the draft in the meantime; nothing was written. ``theirs`` is how it stands now."""

    def __init__(self, theirs: MappingRow) -> None:
        self.theirs = theirs
        who = theirs.draft_by or "Somebody else"
        super().__init__(
            f"{who} changed the draft of {theirs.name} on {theirs.updated_at:%Y-%m-%d %H:%M} UTC, after you opened it;"
            " look at both texts, then save again."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    """A published version; it never changes."""

    name: str
    version: int
    source: str = field(repr=False)
    """TOML."""
    templates: tuple[TemplateUse, ...]
    published_at: datetime
    note: str
    by: str = ""
    """Name of whoever published it, as it was then."""


def _read(row: RowMapping) -> MappingRow:
    return MappingRow(**row)


def _read_version(row: RowMapping) -> VersionRow:
    uses = tuple(TemplateUse(*use) for use in row["templates"])
    return VersionRow(**dict(row) | {"templates": uses})


def get(tx: Transaction, name: str) -> MappingRow | None:
    """Return the mapping of this name, or None."""
    row = tx.execute(select(schema.mapping).where(_MAPPING.name == name)).mappings().first()
    return _read(row) if row is not None else None


def all_(tx: Transaction) -> list[MappingRow]:
    """Return every mapping, by name."""
    return [_read(row) for row in tx.execute(select(schema.mapping).order_by(_MAPPING.name)).mappings()]


def save_draft(
    tx: Transaction, name: str, source: str, at: datetime, *, revision: int | None = None, by: str = ""
) -> bool:
    """Keep a text as the mapping's draft; makes the mapping where it is new. False: it was so already.

    ``revision`` is that of the draft which the text was made from (0: there was none); None writes over
    whatever stands there. Raises Conflict where another text stands there by now.
    """
    row = _locked(tx, name)
    if row is None:
        values = {"name": name, "draft": source, "published": None, "updated_at": at, "revision": 1, "draft_by": by}
        tx.execute(insert(schema.mapping).values(values))
        return True
    if row.draft == source:
        return False
    if revision is not None and revision != row.revision:
        raise Conflict(row)
    values = {"draft": source, "updated_at": at, "revision": row.revision + 1, "draft_by": by}
    tx.execute(update(schema.mapping).where(_MAPPING.name == name).values(values))
    return True


def publish(
    tx: Transaction,
    name: str,
    source: str,
    templates: Sequence[TemplateUse],
    *,
    at: datetime,
    note: str = "",
    by: str = "",
) -> int:
    """Store a text as the mapping's next version, put it in force and return its number.

    The mapping must exist (:func:`save_draft`); raises ConfigurationError otherwise.
    """
    if _locked(tx, name) is None:
        raise ConfigurationError(f"There is no mapping named {name!r}.")
    newest = tx.scalar(select(func.max(_VERSION.version)).where(_VERSION.name == name))
    number = (newest or 0) + 1
    tx.execute(
        insert(schema.mapping_version).values(
            name=name,
            version=number,
            source=source,
            templates=[list(astuple(use)) for use in templates],
            published_at=at,
            note=note,
            by=by,
        )
    )
    tx.execute(update(schema.mapping).where(_MAPPING.name == name).values(published=number))
    news.published(tx, name, number, at)
    return number


def expect(tx: Transaction, name: str, revision: int | None) -> None:
    """Lock a mapping, and raise Conflict where its draft is not the one of this revision; None: whichever it is."""
    row = _locked(tx, name)
    if row is not None and revision is not None and row.revision != revision:
        raise Conflict(row)


def unpublish(tx: Transaction, name: str, at: datetime) -> bool:
    """Take a mapping out of force; its versions stay. False where none was in force."""
    statement = update(schema.mapping).where(_MAPPING.name == name, _MAPPING.published.is_not(None))
    done = tx.execute(statement.values(published=None)).rowcount == 1
    if done:
        news.published(tx, name, None, at)
    return done


def version(tx: Transaction, name: str, number: int) -> VersionRow | None:
    """Return one version of a mapping, or None."""
    statement = select(schema.mapping_version).where(_VERSION.name == name, _VERSION.version == number)
    row = tx.execute(statement).mappings().first()
    return _read_version(row) if row is not None else None


def versions(tx: Transaction, name: str) -> list[VersionRow]:
    """Return every version of a mapping, newest first."""
    statement = select(schema.mapping_version).where(_VERSION.name == name).order_by(_VERSION.version.desc())
    return [_read_version(row) for row in tx.execute(statement).mappings()]


def in_force(tx: Transaction) -> list[VersionRow]:
    """Return the version in force of every mapping that has one, by name."""
    same = (_VERSION.name == _MAPPING.name) & (_VERSION.version == _MAPPING.published)
    statement = select(schema.mapping_version).join(schema.mapping, same).order_by(_VERSION.name)
    return [_read_version(row) for row in tx.execute(statement).mappings()]


def _locked(tx: Transaction, name: str) -> MappingRow | None:
    # Two publishers at once must not take the same number: on PostgreSQL the row is locked, on SQLite
    # every writer is alone anyway.
    row = tx.execute(select(schema.mapping).where(_MAPPING.name == name).with_for_update()).mappings().first()
    return _read(row) if row is not None else None
