"""Drift: what has changed around a mapping since it was published, told before the first message fails of it.

Templates are compared with what was kept of them when the version was published, whenever somebody looks. What
payloads hold, and what a CRM describes, is looked at by the clock every hour and kept as marks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from connector.errors import MappingError, PayloadError
from connector.flow import publish, pushed
from connector.flow.accounts import Accounts, Registry
from connector.flow.publish import Described
from connector.mapping import Mapping as Notification
from connector.mapping.check import used
from connector.mapping.kinds import read
from connector.model import Event, Template, now, parse_time
from connector.store import Store, Transaction, accounts, drifting, inbox, mappings, marks, past, templates
from connector.store.mappings import TemplateUse, VersionRow
from connector.store.past import Which

CHORE = "watch"
EVERY = timedelta(hours=1)
LAST = 20
"""Of so many newest events, all must lack a field before it counts as gone."""
BEFORE = 40
"""And of so many before them, a quarter must have had it: what is often missing tells nothing."""
LEAST_SHARE = 0.25
RECIPIENTS = timedelta(days=30)
_RANKS = {"green": 3, "yellow": 2, "red": 1}
_SHORTCUTS = ("size", "first", "last")
_OURS = ("account", "event")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One thing that is no longer as it was when the mapping was published."""

    kind: str
    """``gone``, ``paused``, ``rejected`` (not approved any more), ``edited``, ``recategorised``, ``quality``,
    ``blank_field`` or ``lost_field``."""
    words: str
    fix: str
    since: datetime | None = None
    """Since when, as far as that is known."""
    stops: bool = True
    """Messages are stopped, held or wrong because of it; False: not yet."""


def of(tx: Transaction, name: str) -> list[Drift]:
    """Return what has drifted under the version in force of one mapping; none where none is in force."""
    return all_(tx, name).get(name, [])


def all_(tx: Transaction, only: str = "") -> dict[str, list[Drift]]:
    """Return what has drifted, by mapping; those with which nothing is wrong are not in it."""
    versions = [version for version in mappings.in_force(tx) if only in ("", version.name)]
    rows = {(row.account_id, row.template.name, row.template.language): row for row in templates.all_(tx)}
    kept = marks.many(tx, [_mark(version.name) for version in versions])
    found: dict[str, list[Drift]] = {}
    for version in versions:
        drifts = [
            drift
            for use in version.templates
            for drift in _of_template(tx, version, use, rows.get((use.account_id, use.name, use.language)))
        ]
        drifts += _kept(version, kept.get(_mark(version.name), ("", None))[0])
        if drifts:
            found[version.name] = drifts
    return found


# templates


def _of_template(
    tx: Transaction, version: VersionRow, use: TemplateUse, row: templates.TemplateRow | None
) -> Iterator[Drift]:
    what = f"Template {use.name} ({use.language})"
    template = row.template if row is not None else None
    since = row.changed_at if row is not None else None
    if template is None or template.status == templates.GONE:
        fix = "Choose another template, or have it approved again; until then nothing is sent."
        yield Drift(kind="gone", words=f"{what} is gone at the channel.", fix=fix, since=since)
        return
    if template.status != "approved":
        yield _of_status(what, template, since)
    if template.fingerprint != use.fingerprint:
        fix = "Look at the message in the editor, then publish again: that takes its new form over."
        yield Drift(kind="edited", words=f"{what} was edited: its slots or its text are others.", fix=fix, since=since)
    if use.category and template.category.value != use.category:
        yield _of_category(tx, version, what, use, template, since)
    if 0 < _RANKS.get(template.quality.lower(), 0) < _RANKS.get(use.quality.lower() or "green", 3):
        words = f"{what} has fallen to {template.quality.lower()} quality: people block or report it."
        fix = "Send it to fewer, or say what they expect; Meta pauses templates whose quality stays low."
        yield Drift(kind="quality", words=words, fix=fix, since=since, stops=False)


def _of_status(what: str, template: Template, since: datetime | None) -> Drift:
    because = f": {template.reason}" if template.reason else ""
    if template.status == "paused":
        fix = "Messages are planned and wait until it is approved again; Meta lifts a pause after some hours."
        return Drift(kind="paused", words=f"{what} is paused at the channel{because}.", fix=fix, since=since)
    fix = "Nothing is sent with it. Have it approved again, or choose another."
    return Drift(kind="rejected", words=f"{what} is {template.status}{because}.", fix=fix, since=since)


def _of_category(
    tx: Transaction, version: VersionRow, what: str, use: TemplateUse, template: Template, since: datetime | None
) -> Drift:
    words = f"{what} was re-categorised from {use.category} to {template.category}."
    if template.category.value != "marketing":
        fix = "Publish again to take the new category over; it counts already."
        return Drift(kind="recategorised", words=words, fix=fix, since=since, stops=False)
    written, without = drifting.without_marketing(tx, version.name, now() - RECIPIENTS)
    if written:
        share = f"{without:,} of the {written:,} people it wrote to in the last 30 days have given none"
        words = f"{words} Marketing needs consent, and {share}: they would be skipped."
    fix = (
        "From now on only people who agreed to marketing get it; what waited as utility is skipped. "
        "Choose an approved utility template, or publish again to go on with those who agreed."
    )
    return Drift(kind="recategorised", words=words, fix=fix, since=since)


# what the clock has found


def is_due(tx: Transaction) -> bool:
    """Tell whether it is time to look at payloads again."""
    at = marks.at(tx, CHORE)
    return at is None or now() - at > EVERY


def put_off(tx: Transaction) -> None:
    """Note that somebody has been asked to look."""
    marks.put(tx, CHORE, "asked")


def watch(
    store: Store, registry: Registry, known: Accounts, described: Described = publish.undescribed, only: str = ""
) -> dict[str, list[Drift]]:
    """Look at what payloads hold and at what vendors describe, remember what has drifted, and return it."""
    with store.read() as tx:
        versions = [version for version in mappings.in_force(tx) if only in ("", version.name)]
    found = {}
    for version in versions:
        try:
            drifts = list(_look(store, registry, known, version, described))
        except MappingError:
            continue  # it cannot be read any more, which the catalogue tells
        _keep(store, version, drifts)
        if drifts:
            found[version.name] = drifts
    return found


def _look(
    store: Store, registry: Registry, known: Accounts, version: VersionRow, described: Described
) -> Iterator[Drift]:
    mapping = read(version.name, version.source)
    if isinstance(mapping, Notification):
        yield from _blank_fields(store, known, mapping)
        return
    for fault in publish.find_faults(store, registry, version.name, version.source, described):
        fix = "Look at the CRM's fields, change the mapping, and publish it again."
        yield Drift(kind="lost_field", words=f"{fault.path}: {fault.words}", fix=fix)


def _blank_fields(store: Store, known: Accounts, mapping: Notification) -> Iterator[Drift]:
    newest = _newest(store, known, mapping)
    last, before = newest[:LAST], newest[LAST:]
    if len(last) < LAST or not before:
        return
    paths = {names: place for place, names in used(mapping) if names[0] not in _OURS}
    for names, place in sorted(paths.items()):
        if any(names[0] in event.remembers for event in last) or any(holds(event.payload, names) for event in last):
            continue
        had = sum(holds(event.payload, names) for event in before)
        if had >= max(1, LEAST_SHARE * len(before)):
            path = ".".join(names)
            words = (
                f"{path} was blank or missing in all of the last {LAST} events; before, {had} of {len(before)} had it."
            )
            fix = f"{place} reads it: see what the shop sends now, and choose another field or a fallback."
            yield Drift(kind="blank_field", words=words, fix=fix, since=last[-1].occurred_at)


def _newest(store: Store, known: Accounts, mapping: Notification) -> Sequence[Event]:
    """Return the newest events that the mapping listens to, the newest first, as their requests tell them."""
    with store.read() as tx:
        mine = [account for row in accounts.all_(tx) if (account := known.account(row.id)) is not None]
        ids = tuple(
            each.id for each in mine if mapping.wants(adapter=each.adapter, event=mapping.when.event, account=each.name)
        )
        which = Which(type=mapping.when.event, accounts=ids)
        first = past.newest_from(tx, which, LAST + BEFORE)
        came = (
            past.page(tx, which, "", LAST + BEFORE)
            if not first
            else past.page(tx, Which(type=mapping.when.event, accounts=ids, first=first), "", LAST + BEFORE)
        )
        stored = inbox.load(tx, {each.request_id for each in came})
    found = []
    for each in reversed(came):
        receiver, leased = known.receiver(each.account_id), stored.get(each.request_id)
        if receiver is None or leased is None or leased.words == inbox.ERASED:
            continue
        try:
            items = list(pushed.items(receiver, leased.request))
        except PayloadError:
            continue
        if each.position < len(items) and isinstance(item := items[each.position], Event):
            found.append(item)
    return found


def holds(value: Any, names: Sequence[str]) -> bool:
    """Tell whether something stands at a path, in any item where there are lists on the way."""
    for place, name in enumerate(names):
        if isinstance(value, list):
            if name in _SHORTCUTS:
                return bool(value)
            return any(holds(item, names[place:]) for item in value)
        if name in _SHORTCUTS and not isinstance(value, Mapping):
            break
        if not isinstance(value, Mapping) or name not in value:
            return False
        value = value[name]
    return value is not None and value != [] and value != {} and not (isinstance(value, str) and not value.strip())


def _mark(name: str) -> str:
    return f"drift:{name}"


def _keep(store: Store, version: VersionRow, drifts: Sequence[Drift]) -> None:
    with store.read() as tx:
        before = {drift.words.partition(" ")[0]: drift for drift in _kept(version, marks.get(tx, _mark(version.name)))}
    told = [asdict(drift) for drift in drifts]
    for each in told:
        earlier = before.get(str(each["words"]).partition(" ")[0])
        since = earlier.since if earlier and earlier.kind == each["kind"] else each["since"] or now()
        each["since"] = since.isoformat() if since else None
    with store.write() as tx:
        if told:
            marks.put(tx, _mark(version.name), json.dumps({"version": version.version, "drifts": told}))
        else:
            marks.delete(tx, _mark(version.name))


def _kept(version: VersionRow, value: str | None) -> list[Drift]:
    """Read a mark; what was found under another version is past."""
    if not value:
        return []
    told = json.loads(value)
    if told["version"] != version.version:
        return []
    return [Drift(**each | {"since": parse_time(each["since"]) if each["since"] else None}) for each in told["drifts"]]
