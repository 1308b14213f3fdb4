"""What a contact mapping's text reads of an event, and what it would write back for the person: nothing is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from connector.contract import Field
from connector.errors import Fault, MappingError
from connector.flow.bench import Bench, Chosen, Loaded, load, samples
from connector.flow.people import recipients
from connector.flow.preview import hide, hide_payload, hide_value
from connector.flow.publish import Described, find_faults, undescribed
from connector.flow.share import would_hold
from connector.flow.writeback import Want
from connector.mapping.contact import CONSENT, LABELS, ContactMapping, FieldRule
from connector.mapping.kinds import read
from connector.mapping.recipient import mask as mask_number
from connector.mapping.sight import Claim, LabelsTold, Seen, sight
from connector.model import ContactId, EventId, Key, KeyKind, Payload, Purpose
from connector.store import Transaction, people


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadView:
    """One field rule of a contact mapping, and what it read."""

    path: str
    """``fields.3``"""
    contact: str
    direction: str
    vendor: str
    value: str = field(default="", repr=False)
    """What the contact's field would become; ``""``: not spoken of."""
    told: str = field(default="", repr=False)
    """For consent: the vendor's own value."""
    words: str = field(default="", repr=False)
    """When and how, or why nothing was read."""
    writes: str = field(default="", repr=False)
    """What would be written back for this person, ``""``: nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactPreview:
    """What a contact mapping reads of an event, and would write back for the person."""

    event: Chosen | None
    faults: tuple[Fault, ...]
    record: str = ""
    """``customer:5521``; ``""``: it shows nobody's record."""
    fields: tuple[ReadView, ...] = ()
    unread: tuple[str, ...] = ()
    """What was there and could not be read."""
    is_known: bool = False
    """Whether this person is known already; only then something would be written back."""
    payload: Payload = field(default_factory=dict, repr=False)
    declared: tuple[Field, ...] = field(default=(), repr=False)
    masked: bool = False


@lru_cache(maxsize=64)
def _understand(name: str, source: str) -> tuple[ContactMapping | None, tuple[Fault, ...]]:
    try:
        found = read(name, source)
    except MappingError as error:
        return None, error.faults
    if isinstance(found, ContactMapping):
        return found, ()
    return None, (Fault("kind", "must be 'contact'."),)


def preview_contact(
    bench: Bench,
    name: str,
    source: str,
    event_id: EventId | Chosen | None = None,
    *,
    described: Described = undescribed,
) -> ContactPreview:
    """Show what a contact mapping reads of an event, and would write back; never raises for what they hold.

    ``event_id`` None: the sample of the first event that carries the record. ``described`` asks the vendor for
    its fields.
    """
    bench.catalogue.refresh()
    mapping, faults = _understand(name, source)
    if mapping is not None:
        faults = find_faults(bench.store, bench.registry, name, source, described)
    chosen: EventId | Chosen | None = event_id
    if chosen is None and mapping is not None:
        events = [event for record in mapping.records for event in record.events]
        chosen = next((each for event in events for each in samples(bench, mapping.adapter, event)), None)
    loaded = load(bench, chosen) if chosen is not None else None
    if loaded is None:
        return ContactPreview(event=None, faults=faults)
    seen = ContactPreview(
        event=loaded.chosen, faults=faults, payload=loaded.event.payload,
        declared=bench.fields(loaded.chosen.adapter, loaded.event.type),
    )  # fmt: skip
    return _read(bench, seen, mapping, loaded) if mapping is not None else seen


def _read(bench: Bench, view: ContactPreview, mapping: ContactMapping, loaded: Loaded) -> ContactPreview:
    found = sight(mapping, loaded.event, loaded.account, loaded.arrived_at)
    if found is None:
        missing = not mapping.id_path(loaded.event.type)
        words = f"No [[records]] names {loaded.event.type}." if missing else "The event shows nobody."
        return replace(view, unread=(words,), fields=tuple(_views(mapping, loaded, None, {})))
    with bench.store.read() as tx:
        id_ = _whose(tx, found, loaded)
        wants = _wants(bench, tx, mapping, loaded, found, id_) if id_ else {}
    return replace(
        view,
        record=found.record,
        fields=tuple(_views(mapping, loaded, found, wants)),
        unread=found.unread,
        is_known=id_ is not None,
    )


def _whose(tx: Transaction, found: Seen, loaded: Loaded) -> ContactId | None:
    if found.phone and (known := recipients(tx, {found.phone})):
        return known[found.phone]
    if not found.record or loaded.chosen.account_id is None:
        return None
    key = Key(KeyKind.RECORD, found.record, loaded.chosen.account_id)
    return people.find(tx, {key}).get(key)


def _wants(
    bench: Bench, tx: Transaction, mapping: ContactMapping, loaded: Loaded, found: Seen, id_: ContactId
) -> Mapping[int, Sequence[Want]]:
    account = bench.accounts.account(loaded.chosen.account_id) if loaded.chosen.account_id else None
    record = found.record.partition(":")[2]
    if account is None or not record:
        return {}
    return would_hold(tx, account, mapping, record, id_, bench.catalogue.policy(), loaded.arrived_at)


def _views(
    mapping: ContactMapping, loaded: Loaded, found: Seen | None, wants: Mapping[int, Sequence[Want]]
) -> Iterator[ReadView]:
    for place, rule in enumerate(mapping.fields):
        value, told, words = _told(rule, found) if found and rule.comes_in else ("", "", "")
        if rule.comes_in and rule.events and loaded.event.type not in rule.events:
            words = f"is read of {' and '.join(rule.events)} only."
        yield ReadView(
            path=f"fields.{place}", contact=rule.contact, direction=rule.direction.value, vendor=rule.vendor,
            value=value, told=told, words=words, writes="; ".join(_write(want) for want in wants.get(place, ())),
        )  # fmt: skip


def _told(rule: FieldRule, found: Seen) -> tuple[str, str, str]:
    """Return the value that a rule read, the vendor's word for it, and what is to be said about it."""
    if rule.contact in CONSENT:
        claim = next((each for each in found.claims if each.rule is rule), None)
        purpose = Purpose(rule.contact.partition(".")[2])
        overruled = claim is None and any(each.purpose is purpose for each in found.claims)
        return (
            _claimed(claim) if claim else ("", "", "Another rule for the same purpose says more." if overruled else "")
        )
    if rule.contact in LABELS:
        label = next((each for each in found.labels if each.rule is rule), None)
        return (*_labelled(label), "") if label else ("", "", "")
    return str(getattr(found, rule.contact)), "", ""


def _claimed(claim: Claim) -> tuple[str, str, str]:
    when = f"since {claim.at:%Y-%m-%d %H:%M} UTC" if claim.at else "undated"
    return claim.state.value, claim.told, f"{when}, {claim.place or 'nobody says how it was collected'}"


def _labelled(told: LabelsTold) -> tuple[str, str]:
    if told.whole is not None:
        return ", ".join(told.whole) or "none", ""
    parts = [f"+ {name}" for name in told.added] + [f"− {name}" for name in told.removed]
    return ", ".join(parts), ""


def _write(want: Want) -> str:
    if want.item:
        return f"{want.field}: {'+' if want.value else '−'} {want.item}"
    value = str(want.value).lower() if isinstance(want.value, bool) else str(want.value)
    return f"{want.field} = {value}"


def masked_contact(seen: ContactPreview) -> ContactPreview:
    """Return the same for somebody who may not see personal data."""
    if seen.masked:
        return seen
    return replace(
        seen,
        fields=tuple(map(_masked, seen.fields)),
        unread=tuple(map(hide, seen.unread)),
        payload=hide_payload(seen.payload, seen.declared),
        masked=True,
    )


def _masked(view: ReadView) -> ReadView:
    if view.contact in (*CONSENT, *LABELS):
        return view  # states and labels: what is told of a person here is hidden with who it is
    hidden = mask_number(view.value) if view.contact in ("phone", "wa_id") else hide_value(view.value)
    writes = f"{view.vendor} = {mask_number(view.writes.partition(' = ')[2])}" if view.writes else ""
    return replace(view, value=hidden, words=hide(view.words), writes=writes)
