"""People: contacts, and what they are recognised by."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, or_, select, text, tuple_, update

from connector.model import (
    AccountId,
    ConsentState,
    Contact,
    ContactId,
    Key,
    KeyKind,
    Person,
    Purpose,
    Standing,
    spellings,
)
from connector.store.dialect import insert_new, lock_rows
from connector.store.engine import Transaction
from connector.store.schema import contact, conversation, identity, label, message, standing, wanted

_COLUMNS = [contact.c[name] for name in Contact.__dataclass_fields__]
_CHANGING = [
    "phone", "raw_phone", "name", "email", "region", "locale", "timezone", "blocked_at", "blocked_words", "bounces",
    "unreachable_at", "updated_at",
]  # fmt: skip
_SAVE = (
    update(contact).where(contact.c.id == bindparam("id_")).values({name: bindparam(f"{name}_") for name in _CHANGING})
)


def lock(tx: Transaction, keys: Iterable[Key]) -> None:
    """Let nobody else look for, or make, people of these keys until the transaction ends.

    Two transactions that meet a new person at once would make two of them. On SQLite there is one writer.
    """
    if tx.dialect.name == "sqlite":
        return
    names = sorted({_name(key) for key in keys})
    if names:
        tx.execute(
            text(
                "SELECT pg_advisory_xact_lock(hashtextextended(name, 7306122)) "
                "FROM (SELECT name FROM unnest(CAST(:names AS text[])) AS name ORDER BY name) AS sorted"
            ),
            {"names": names},
        )


def _name(key: Key) -> str:
    # A phone and a channel's id of the same number must exclude each other, however it is spelled.
    if key.kind in (KeyKind.PHONE, KeyKind.WA_ID):
        return f"number|{min(spellings(key.value))}"
    return f"{key.kind.value}|{key.account_id or ''}|{key.value}"


def find(tx: Transaction, keys: Collection[Key]) -> dict[Key, ContactId]:
    """Return whose keys these are, as far as they are known."""
    if not keys:
        return {}
    rows = [(key.kind.value, key.account_id or "", key.value) for key in keys]
    query = select(identity.c.kind, identity.c.account_id, identity.c.value, identity.c.contact_id).where(
        tuple_(identity.c.kind, identity.c.account_id, identity.c.value).in_(rows)
    )
    return {_key(row): ContactId(row.contact_id) for row in tx.execute(query)}


def _key(row: Any) -> Key:
    return Key(KeyKind(row.kind), row.value, AccountId(row.account_id) if row.account_id else None)


def keys_of(tx: Transaction, ids: Collection[ContactId]) -> dict[ContactId, list[Key]]:
    """Return what contacts are recognised by, oldest first."""
    if not ids:
        return {}
    query = select(identity).where(identity.c.contact_id.in_(list(ids))).order_by(identity.c.since, identity.c.value)
    found: dict[ContactId, list[Key]] = {}
    for row in tx.execute(query):
        found.setdefault(ContactId(row.contact_id), []).append(_key(row))
    return found


def load(tx: Transaction, ids: Collection[ContactId], *, locked: bool = False) -> dict[ContactId, Contact]:
    """Return contacts by id."""
    if not ids:
        return {}
    query = select(*_COLUMNS).where(contact.c.id.in_(sorted(ids))).order_by(contact.c.id)
    rows = tx.execute(lock_rows(tx, query) if locked else query)
    return {ContactId(row.id): Contact(**row._mapping) for row in rows}


def newest(tx: Transaction, before: str, most: int) -> list[Contact]:
    """Return contacts, the newest first, without those who were merged; ``before`` is the last id of the page above."""
    query = select(*_COLUMNS).where(contact.c.merged_into.is_(None)).order_by(contact.c.id.desc()).limit(most)
    if before:
        query = query.where(contact.c.id < before)
    return [Contact(**row._mapping) for row in tx.execute(query)]


def persons(tx: Transaction, ids: Collection[ContactId]) -> dict[ContactId, Person]:
    """Return what the gates need to know of these contacts; of whoever was merged, what is known of the other."""
    contacts = load(tx, ids)
    stays = {id_: item.merged_into for id_, item in contacts.items() if item.merged_into}
    if stays:
        others = persons(tx, set(stays.values()))
        merged = {id_: others[other] for id_, other in stays.items() if other in others}
        return persons(tx, contacts.keys() - stays.keys()) | merged
    query = select(standing).where(standing.c.contact_id.in_(list(contacts)))
    found: dict[ContactId, dict[Purpose, Standing]] = {}
    for row in tx.execute(query) if contacts else ():
        found.setdefault(ContactId(row.contact_id), {})[Purpose(row.purpose)] = Standing(
            state=ConsentState(row.state), since=row.since, entry_id=row.entry_id, words=row.words
        )
    return {id_: Person(contact=item, standings=found.get(id_, {})) for id_, item in contacts.items()}


def add(tx: Transaction, contacts: Sequence[Contact]) -> None:
    """Store new contacts."""
    if contacts:
        tx.execute(contact.insert(), [asdict(item) for item in contacts])


def save(tx: Transaction, contacts: Iterable[Contact]) -> None:
    """Write back what may change about contacts."""
    rows = [{"id_": item.id} | {f"{name}_": getattr(item, name) for name in _CHANGING} for item in contacts]
    if rows:
        tx.execute(_SAVE, rows)


def give_keys(tx: Transaction, keys: Mapping[Key, ContactId], at: datetime) -> None:
    """Let contacts be recognised by these keys from now on; one that somebody else has, moves."""
    rows = [
        {
            "kind": key.kind.value,
            "account_id": key.account_id or "",
            "value": key.value,
            "contact_id": id_,
            "since": at,
        }
        for key, id_ in keys.items()
    ]
    if not rows:
        return
    if tx.execute(insert_new(tx, identity), rows).rowcount != len(rows):
        move = update(identity).where(
            identity.c.kind == bindparam("kind_"),
            identity.c.account_id == bindparam("account_"),
            identity.c.value == bindparam("value_"),
            identity.c.contact_id != bindparam("contact_"),
        )
        tx.execute(
            move.values(contact_id=bindparam("contact_"), since=at),
            [
                {"kind_": r["kind"], "account_": r["account_id"], "value_": r["value"], "contact_": r["contact_id"]}
                for r in rows
            ],
        )


def merge(tx: Transaction, keep: ContactId, gone: ContactId, words: str, at: datetime) -> None:
    """Let one contact be known as another from now on. The ledger's entries stay where they are, and count for both."""
    tx.execute(update(identity).where(identity.c.contact_id == gone).values(contact_id=keep))
    tx.execute(update(contact).where(contact.c.merged_into == gone).values(merged_into=keep))
    tx.execute(
        update(contact)
        .where(contact.c.id == gone)
        .values(merged_into=keep, merged_words=words, phone="", updated_at=at)
    )
    for table in (message, wanted):
        tx.execute(update(table).where(table.c.contact_id == gone).values(contact_id=keep))
    labels = tx.execute(select(label).where(label.c.contact_id == gone)).all()
    if labels:
        tx.execute(insert_new(tx, label), [{**row._mapping, "contact_id": keep} for row in labels])
    spoken = tx.execute(select(conversation).where(conversation.c.contact_id == gone)).all()
    heard(tx, {(keep, AccountId(row.channel_id)): row.heard_at for row in spoken})
    for table in (label, conversation, standing):
        tx.execute(delete(table).where(table.c.contact_id == gone))


def family(tx: Transaction, ids: Collection[ContactId]) -> dict[ContactId, ContactId]:
    """Return every contact that counts as one of these: itself and whoever was merged into it -> the one that stays."""
    if not ids:
        return {}
    found = {id_: id_ for id_ in ids}
    query = select(contact.c.id, contact.c.merged_into).where(contact.c.merged_into.in_(list(ids)))
    for row in tx.execute(query):
        found[ContactId(row.id)] = ContactId(row.merged_into)
    return found


def heard(tx: Transaction, spoken: Mapping[tuple[ContactId, AccountId], datetime]) -> None:
    """Remember when people last wrote to a number of ours; a later moment stays."""
    rows = [{"contact_id": id_, "channel_id": channel, "heard_at": at} for (id_, channel), at in spoken.items()]
    if not rows:
        return
    tx.execute(insert_new(tx, conversation), rows)
    later = update(conversation).where(
        conversation.c.contact_id == bindparam("id_"),
        conversation.c.channel_id == bindparam("channel_"),
        conversation.c.heard_at < bindparam("at_"),
    )
    tx.execute(
        later.values(heard_at=bindparam("at_")),
        [{"id_": row["contact_id"], "channel_": row["channel_id"], "at_": row["heard_at"]} for row in rows],
    )


def reached(tx: Transaction, ids: Collection[ContactId]) -> None:
    """Note that these people are on the channel after all."""
    if ids:
        gone = contact.c.id.in_(sorted(ids)), or_(contact.c.bounces > 0, contact.c.unreachable_at.is_not(None))
        tx.execute(update(contact).where(*gone).values(bounces=0, unreachable_at=None))


def last_heard(tx: Transaction, ids: Collection[ContactId], channel_id: AccountId) -> dict[ContactId, datetime]:
    """Return when these people last wrote to this number."""
    if not ids:
        return {}
    query = select(conversation.c.contact_id, conversation.c.heard_at).where(
        conversation.c.contact_id.in_(list(ids)), conversation.c.channel_id == channel_id
    )
    return {ContactId(row.contact_id): row.heard_at for row in tx.execute(query)}


def search(tx: Transaction, words: str, most: int = 20) -> list[Contact]:
    """Return contacts by id, number, user id, record, e-mail address or a part of the name; newest first."""
    wanted_ = words.strip()
    if not wanted_:
        return []
    by_key = select(identity.c.contact_id).where(identity.c.value == wanted_)
    pattern = wanted_.casefold().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    query = (
        select(*_COLUMNS)
        .where(
            contact.c.merged_into.is_(None),
            or_(
                contact.c.id == wanted_,
                contact.c.id == select(contact.c.merged_into).where(contact.c.id == wanted_).scalar_subquery(),
                contact.c.id.in_(by_key),
                func.lower(contact.c.email) == wanted_.casefold(),
                func.lower(contact.c.name).like(f"%{pattern}%", escape="\\"),
            ),
        )
        .order_by(contact.c.id.desc())
        .limit(most)
    )
    return [Contact(**row._mapping) for row in tx.execute(query)]


def merged_into(tx: Transaction, id_: ContactId) -> list[Contact]:
    """Return the contacts that were merged into this one, oldest first."""
    query = select(*_COLUMNS).where(contact.c.merged_into == id_).order_by(contact.c.id)
    return [Contact(**row._mapping) for row in tx.execute(query)]


def listing(
    tx: Transaction,
    *,
    label_name: str = "",
    blocked: bool = False,
    marketing: str = "",
    ids: Collection[ContactId] | None = None,
    before: str = "",
    most: int = 20,
) -> list[Contact]:
    """Return contacts, the newest first; only those with a label, only those to whom nothing is sent.

    ``marketing``: only those who stand so (``granted``; ``unknown``: nothing is recorded). ``ids``: only these.
    """
    query = select(*_COLUMNS).where(contact.c.merged_into.is_(None)).order_by(contact.c.id.desc()).limit(most)
    if label_name:
        wearing = select(label.c.contact_id).where(func.lower(label.c.name) == label_name.strip().lower())
        query = query.where(contact.c.id.in_(wearing))
    if blocked:
        query = query.where(or_(contact.c.blocked_at.is_not(None), contact.c.unreachable_at.is_not(None)))
    if marketing:
        told = select(standing.c.contact_id).where(
            standing.c.purpose == Purpose.MARKETING.value, standing.c.state != ConsentState.UNKNOWN.value
        )
        if marketing == ConsentState.UNKNOWN.value:
            query = query.where(contact.c.id.not_in(told))
        else:
            query = query.where(contact.c.id.in_(told.where(standing.c.state == marketing)))
    if ids is not None:
        query = query.where(contact.c.id.in_(list(ids)))
    if before:
        query = query.where(contact.c.id < before)
    return [Contact(**row._mapping) for row in tx.execute(query)]
