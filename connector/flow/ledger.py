"""The consent ledger: entering what was said, and working out where people stand by it.

Whatever is said about consent comes through :func:`enter`: an event's field, a shop's or a CRM's record, a
word, a button, the channel's own setting, an import, an admin. Nothing else writes standings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from connector.model import ConsentState, ContactId, Entry, Purpose, Standing
from connector.policy.consent import stand
from connector.store import Transaction, consents, news

Changed = dict[tuple[ContactId, Purpose], tuple[Standing, Standing]]
"""Whose standing has another state now: before and after."""

NOTHING = Standing(state=ConsentState.UNKNOWN)
"""Where somebody stands of whom the ledger says nothing."""


def enter(tx: Transaction, entries: Sequence[tuple[str, Entry]], at: datetime) -> Changed:
    """Enter what was said, each under its key once, and return the standings whose state it changed.

    ``at`` is now. A contact that was merged into another in the meantime is that other, also in the result.
    Takes the same few statements for one entry as for thousands; two transactions that enter for the same
    person follow one another.
    """
    if not entries:
        return {}
    stays = consents.hold(tx, {entry.contact_id for _, entry in entries})
    told = [(key, _fit(entry, stays[entry.contact_id], at)) for key, entry in entries]
    fresh = consents.add(tx, told)
    touched = {(entry.contact_id, entry.purpose) for key, entry in told if key in fresh}
    return _restand(tx, touched, at)


def restand(tx: Transaction, ids: Collection[ContactId], at: datetime) -> Changed:
    """Work out anew where people stand, after others were merged into them; return what changed."""
    stays = consents.hold(tx, ids)
    return _restand(tx, {(id_, purpose) for id_ in stays.values() for purpose in Purpose}, at)


def _fit(entry: Entry, contact_id: ContactId, at: datetime) -> Entry:
    # Nothing can be learned later than now: rules rely on it where a sender's clock is wrong.
    return replace(entry, contact_id=contact_id, learned_at=min(entry.learned_at, at))


def _restand(tx: Transaction, touched: Iterable[tuple[ContactId, Purpose]], at: datetime) -> Changed:
    asked = set(touched)
    if not asked:
        return {}
    ids = {id_ for id_, _ in asked}
    said: dict[tuple[ContactId, Purpose], list[Entry]] = {}
    for entry in consents.of(tx, ids, {purpose for _, purpose in asked}):
        said.setdefault((entry.contact_id, entry.purpose), []).append(entry)
    before = consents.standings(tx, ids)
    after = {pair: stand(said[pair], pair[1]) for pair in asked if pair in said}
    consents.put_standings(tx, {pair: item for pair, item in after.items() if before.get(pair) != item})
    changed = {
        pair: (before.get(pair, NOTHING), item)
        for pair, item in after.items()
        if before.get(pair, NOTHING).state is not item.state
    }
    consents.touch(tx, {id_ for id_, _ in changed}, at)
    if changed:
        news.consented(tx, changed, at)
    return changed
