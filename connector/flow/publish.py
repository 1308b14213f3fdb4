"""From a draft to what is in force: check, publish, compare, go back. Published versions never change."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from connector.contract import Field
from connector.errors import ConfigurationError, Fault, MappingError
from connector.flow.accounts import Registry
from connector.mapping import Mapping, check
from connector.mapping.contact import ContactMapping
from connector.mapping.contact_form import check_contact
from connector.mapping.kinds import read
from connector.mapping.rates_form import NAME as RATES
from connector.model import AccountId, Permission, Template, now
from connector.store import Store, Transaction, accounts, mappings, templates
from connector.store.accounts import AccountRow
from connector.store.mappings import MappingRow, TemplateUse, VersionRow

DRAFT = "draft"
PUBLISHED = "published"
Described = Callable[[str, str], Sequence[Field] | None]
"""Asks a vendor which fields an object has: (adapter, object) -> its fields, or None where nobody can be asked."""


def undescribed(adapter: str, object_: str) -> Sequence[Field] | None:
    """Ask nobody: what the adapter knows by heart is all that a contact mapping is checked against."""
    return None


def takes(permission: Permission, name: str) -> Permission:
    """Return what it takes to do this to this very mapping: rates are entered by whoever may connect accounts."""
    changes = permission in (Permission.EDIT_MAPPINGS, Permission.PUBLISH)
    return Permission.EDIT_ACCOUNTS if changes and name == RATES else permission


@dataclass(frozen=True, slots=True)
class Published:
    """The version in force after publishing."""

    version: int
    is_new: bool
    """False: the draft says what is in force already, and the templates have kept their shapes."""


def find_faults(
    store: Store | None, registry: Registry, name: str, source: str, described: Described = undescribed
) -> tuple[Fault, ...]:
    """Return everything that is wrong with a mapping's text, whatever its kind.

    Without a store a notification's form and its fields are checked, and the template is left out.
    """
    if faults := find_form_faults(name, source):
        return faults
    mapping = read(name, source)
    if not isinstance(mapping, Mapping):
        return tuple(_contact_faults(registry, mapping, described) if isinstance(mapping, ContactMapping) else ())
    if store is None:
        return tuple(check_against(registry, mapping, None, ()))
    with store.read() as tx:
        names, channel = _channel(tx, registry, mapping)
        return tuple(check_against(registry, mapping, names, _templates(tx, channel)))


def find_form_faults(name: str, source: str) -> tuple[Fault, ...]:
    """Return what is wrong with a mapping's text by itself; such a text is not stored."""
    try:
        read(name, source)
    except MappingError as error:
        return error.faults
    return ()


def save(store: Store, name: str, source: str, *, revision: int | None = None, by: str = "") -> bool:
    """Keep a text as the mapping's draft; False where it was so already.

    ``revision`` is that of the draft which the text was made from (0: there was none); None writes over
    whatever stands there. Raises MappingError for its form, and mappings.Conflict where somebody else
    changed the draft in the meantime.
    """
    read(name, source)
    with store.write() as tx:
        return mappings.save_draft(tx, name, source, now(), revision=revision, by=by)


def publish(
    store: Store,
    registry: Registry,
    name: str,
    *,
    note: str = "",
    described: Described = undescribed,
    by: str = "",
    revision: int | None = None,
) -> Published:
    """Put a mapping's draft in force as its next version.

    The shapes that its templates have now are kept with it: when one changes, the mapping is not used for
    that template before somebody has looked. ``revision`` is that of the draft which was looked at; None:
    whichever it is. Raises MappingError with every fault, mappings.Conflict, ConfigurationError.
    """
    with store.read() as tx:
        row = find(tx, name)
        if revision is not None and revision != row.revision:
            raise mappings.Conflict(row)
        current = mappings.version(tx, name, row.published) if row.published else None
    uses = _require_sound(store, registry, name, row.draft, described)
    # Between reading and writing the draft may change; what is published is what was checked.
    if current is not None and (current.source, current.templates) == (row.draft, uses):
        return Published(current.version, is_new=False)
    with store.write() as tx:
        return Published(mappings.publish(tx, name, row.draft, uses, at=now(), note=note, by=by), is_new=True)


def roll_back(
    store: Store,
    registry: Registry,
    name: str,
    number: int,
    *,
    note: str = "",
    described: Described = undescribed,
    by: str = "",
    revision: int | None = None,
) -> int:
    """Put an older version's text in force, as a new version, and return its number.

    A draft that somebody works on stays; one that says what was in force follows. The old text is checked
    as any other: its template may be gone. ``revision`` is that of the draft which was looked at; None:
    whichever it is. Raises MappingError, mappings.Conflict, ConfigurationError.
    """
    with store.read() as tx:
        row = find(tx, name)
        older = find_version(tx, name, number)
        current = mappings.version(tx, name, row.published) if row.published else None
    uses = _require_sound(store, registry, name, older.source, described)
    words = f"Back to version {number}."
    at = now()
    with store.write() as tx:
        mappings.expect(tx, name, revision)
        if current is not None and row.draft == current.source:
            mappings.save_draft(tx, name, older.source, at, revision=row.revision, by=by)
        return mappings.publish(tx, name, older.source, uses, at=at, note=f"{words} {note}".strip(), by=by)


def unpublish(store: Store, name: str, *, revision: int | None = None) -> bool:
    """Take a mapping out of force; False where it was not in force.

    Raises ConfigurationError, and mappings.Conflict where the draft is not the one of this revision.
    """
    with store.write() as tx:
        find(tx, name)
        mappings.expect(tx, name, revision)
        return mappings.unpublish(tx, name, now())


def diff(store: Store, name: str, a: str = PUBLISHED, b: str = DRAFT) -> tuple[str, ...]:
    """Return the lines of a unified diff between two texts of a mapping; none where they are the same.

    Each is ``draft``, ``published``, or a version: ``3`` or ``v3``. Raises ConfigurationError.
    """
    with store.read() as tx:
        (label_a, text_a), (label_b, text_b) = (_text(tx, name, which) for which in (a, b))
    lines = text_a.splitlines(), text_b.splitlines()
    return tuple(difflib.unified_diff(*lines, f"{name} {label_a}", f"{name} {label_b}", lineterm=""))


def text(store: Store, name: str, which: str = DRAFT) -> str:
    """Return one text of a mapping: ``draft``, ``published``, ``3`` or ``v3``. Raises ConfigurationError."""
    with store.read() as tx:
        return _text(tx, name, which)[1]


def find(tx: Transaction, name: str) -> MappingRow:
    """Return the mapping of this name. Raises ConfigurationError that lists the names there are."""
    row = mappings.get(tx, name)
    if row is None:
        names = [row.name for row in mappings.all_(tx)]
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or names[:10]
        hint = f"there is {', '.join(near)}" if near else "there is none yet; try `connector mappings import shipped`"
        raise ConfigurationError(f"There is no mapping named {name!r}; {hint}.")
    return row


def find_version(tx: Transaction, name: str, number: int) -> VersionRow:
    """Return a version of a mapping. Raises ConfigurationError that lists the versions there are."""
    find(tx, name)
    version = mappings.version(tx, name, number)
    if version is None:
        numbers = ", ".join(str(version.version) for version in mappings.versions(tx, name)) or "none yet"
        raise ConfigurationError(f"{name} has no version {number}; there are: {numbers}.")
    return version


def _require_sound(
    store: Store, registry: Registry, name: str, source: str, described: Described
) -> tuple[TemplateUse, ...]:
    """Return the templates that a text may send. Raises MappingError with everything that is wrong with it."""
    mapping = read(name, source)
    if not isinstance(mapping, Mapping):
        if isinstance(mapping, ContactMapping) and (faults := _contact_faults(registry, mapping, described)):
            raise MappingError(faults)
        return ()
    with store.read() as tx:
        names, channel = _channel(tx, registry, mapping)
        stored = _templates(tx, channel)
    faults = check_against(registry, mapping, names, stored)
    if faults or channel is None:
        raise MappingError(faults)
    choice = mapping.template
    return tuple(
        TemplateUse(
            channel, template.name, template.language, template.fingerprint, template.category.value, template.quality
        )
        for template in stored
        if template.name == choice.name and template.language in choice.language.all
    )


def _contact_faults(registry: Registry, mapping: ContactMapping, described: Described) -> list[Fault]:
    try:
        adapter = registry.get(mapping.adapter)
    except ConfigurationError as error:
        return [Fault("adapter", str(error))]
    fields = described(mapping.adapter, mapping.object) if mapping.object in adapter.objects else None
    return check_contact(mapping, adapter, {mapping.object: fields} if fields else None)


def check_against(
    registry: Registry, mapping: Mapping, channels: Sequence[str] | None, stored: Sequence[Template]
) -> list[Fault]:
    """Check a mapping; ``channels`` are the names of those that can send, None: nobody knows of accounts and templates.

    ``stored`` are the templates of the account that it sends by.
    """
    try:
        adapter = registry.get(mapping.when.adapter)
    except ConfigurationError as error:
        return [Fault("when.adapter", str(error))]
    faults = check(
        mapping, topics=adapter.topics, templates=stored, channels=channels or (), custom_events=adapter.custom_events
    )
    unknown = set()
    if channels is None:
        unknown = {"template", "template.account"}
    elif "template.account" in {fault.path for fault in faults}:
        unknown = {"template"}  # which templates there are, nobody can tell before the account is known
    return [fault for fault in faults if fault.path not in unknown]


def _channel(tx: Transaction, registry: Registry, mapping: Mapping) -> tuple[list[str], AccountId | None]:
    """Return the names of the accounts that can send, and the id of the one that this mapping sends by."""
    ids = {row.name: row.id for row in accounts.all_(tx) if _can_send(registry, row)}
    wanted = mapping.template.account
    if wanted:
        return list(ids), ids.get(wanted)
    return list(ids), next(iter(ids.values())) if len(ids) == 1 else None


def _can_send(registry: Registry, row: AccountRow) -> bool:
    try:
        return registry.get(row.adapter).channel is not None
    except ConfigurationError:
        return False  # an adapter that is no longer installed


def _templates(tx: Transaction, channel: AccountId | None) -> list[Template]:
    return [row.template for row in templates.all_(tx, channel)] if channel else []


def _text(tx: Transaction, name: str, which: str) -> tuple[str, str]:
    row = find(tx, name)
    if which == DRAFT:
        return DRAFT, row.draft
    if which == PUBLISHED:
        if row.published is None:
            raise ConfigurationError(f"{name} is not published; name a version, or publish it.")
        which = str(row.published)
    number = which.removeprefix("v")
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise ConfigurationError(f"{which!r} is neither {DRAFT}, {PUBLISHED} nor the number of a version.")
    return f"v{number}", find_version(tx, name, int(number)).source
