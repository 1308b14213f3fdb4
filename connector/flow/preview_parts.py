"""The parts of a preview, each worked out by itself: slots, recipients, conditions, the time to leave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connector.contract import Field
from connector.flow.picker import with_fallback
from connector.flow.preview import ConditionView, RecipientView, SlotView, TimingView
from connector.mapping import Mapping as Notification
from connector.mapping.check import names_of
from connector.mapping.conditions import OPERATORS, evaluate
from connector.mapping.document import Form, rows
from connector.mapping.liquid import ExpressionError, compile_expression
from connector.mapping.plan import Probe
from connector.mapping.recipient import Recipient, find_recipient
from connector.mapping.salvage import compiled, test_of
from connector.mapping.scalar import show
from connector.mapping.slots import Printed, print_each
from connector.mapping.wording import length_of
from connector.model import Category, Purpose, Slot, Template, dig
from connector.policy import opens_at, zones_of

_NO_NUMBER = "No usable phone number: "


def slot_views(
    form: Form, mapping: Notification, template: Template | None, probe: Probe, fields: Sequence[Field]
) -> Iterator[SlotView]:
    """Yield the template's slots in its order, and behind them what the mapping fills besides."""
    printed = print_each(mapping.slots, template, probe.roots, probe.locale)
    types = {names_of(field.path): field.type for field in fields}
    every = list(template.slots) if template else [Slot(key=key) for key in form.slots]
    known = {slot.key for slot in every}
    for slot in every:
        yield _slot_view(slot, slot.kind.value, form.slots.get(slot.key, ""), printed.get(slot.key), types)
    for key in form.slots:
        if key not in known:
            yield _slot_view(Slot(key=key, required=False), "", form.slots[key], printed.get(key), types)


def _slot_view(
    slot: Slot, kind: str, expression: str, printed: Printed | None, types: Mapping[tuple[str, ...], str]
) -> SlotView:
    fault = ""
    if not kind:
        fault = "The approved template has no such slot."
    elif not expression.strip():
        fault = "Nothing fills it, and the template needs it." if slot.required else ""
    elif printed is None:
        fault = _why_not(expression)
    elif not printed.blank or slot.required:
        fault = printed.words
    blank = not expression.strip() or (printed is not None and printed.blank)
    suggestion = _suggest(expression, types) if printed is not None and printed.blank else ""
    return SlotView(
        key=slot.key, kind=kind, limit=slot.limit, required=slot.required, example=slot.example, expression=expression,
        value=printed.text if printed else "", fault=fault, blank=blank, length=printed.length if printed else 0,
        suggestion=suggestion,
    )  # fmt: skip


def _why_not(expression: str) -> str:
    try:
        compile_expression(expression)
    except ExpressionError as error:
        return "; ".join(error.faults)
    return ""


def _suggest(expression: str, types: Mapping[tuple[str, ...], str]) -> str:
    found = compiled(expression)
    kind = next((types[path] for path in found.paths if path in types), "text") if found else "text"
    better = with_fallback(expression, kind)
    return better if better != expression else ""


def recipient_views(form: Form, mapping: Notification, probe: Probe) -> Iterator[RecipientView]:
    """Yield each expression of ``to.phone`` with the number that it gives by itself, or why it gives none."""
    chosen = False
    for place, text in enumerate(form.to.phone):
        path, expression = f"to.phone.{place}", compiled(text)
        if expression is None:
            yield RecipientView(path=path, expression=text, words=_why_not(text) or "is empty.")
            continue
        found = find_recipient((expression,), mapping.to.region, probe.roots, probe.locale)
        if isinstance(found, Recipient):
            yield RecipientView(path=path, expression=text, phone=found.phone, words=found.words, chosen=not chosen)
            chosen = True
        else:
            yield RecipientView(path=path, expression=text, words=found.words.removeprefix(_NO_NUMBER))


def condition_views(form: Form, roots: Mapping[str, Any]) -> Iterator[ConditionView]:
    """Yield each row of the conditions with the value that it saw, and whether it holds by itself."""
    for path, row in rows(form.when.conditions):
        test, fault = test_of(row, path)
        if test is None:
            yield ConditionView(path=path, field=row.field, wanted="", actual="", holds=None, fault=fault)
            continue
        wanted = OPERATORS[test.operator].words.format(show(test.value)).strip()
        holds = not evaluate(test, roots)
        yield ConditionView(path=path, field=row.field, wanted=wanted, actual=show(dig(roots, row.field)), holds=holds)


def timing_view(
    mapping: Notification,
    probe: Probe,
    *,
    at: datetime,
    category: Category | None,
    policy: Mapping[Purpose, str],
    phone: str,
    zones: tuple[str, str],
) -> TimingView:
    """Say when it would leave, by the person's own clock.

    ``at`` is the moment of planning, ``policy`` the quiet hours by purpose, ``zones`` the person's own zone and
    the account's, each ``""`` where nobody knows.
    """
    known = zones_of(phone, *zones)
    zone = known[0]
    if probe.due is None:
        return TimingView(due=None, expires_at=None, held_until=None, zone=zone, words=probe.words)
    own = mapping.timing.quiet
    quiet = policy.get(Purpose(category.value), "") if own is None and category else own or ""
    leaves = max(probe.due, at)
    held_until = opens_at(leaves, quiet, known)
    words = _say(probe, at, held_until, zone)
    return TimingView(due=probe.due, expires_at=probe.expires_at, held_until=held_until, zone=zone, words=words)


def _say(probe: Probe, at: datetime, held_until: datetime | None, zone: str) -> str:
    due = probe.due or at
    late = probe.expires_at is not None and at >= probe.expires_at
    said = "leaves at once" if due <= at else f"leaves at {_clock(due, at, zone)}, {length_of(_whole(due - at))} later"
    if late and probe.expires_at is not None:
        return f"does not leave: its time was over at {_clock(probe.expires_at, at, zone)}"
    if held_until is not None:
        said += f", held until {_clock(held_until, at, zone)} by quiet hours"
        if probe.expires_at is not None and held_until >= probe.expires_at:
            return f"{said}, which is too late: its time is over at {_clock(probe.expires_at, at, zone)}"
    return said


def _whole(length: timedelta) -> timedelta:
    return timedelta(seconds=round(length.total_seconds()))


def _clock(moment: datetime, at: datetime, zone: str) -> str:
    """Write a time of day, with the day where it is another one."""
    here, there = moment.astimezone(ZoneInfo(zone)), at.astimezone(ZoneInfo(zone))
    return f"{here:%H:%M}" if here.date() == there.date() else f"{here:%H:%M} on {here.day} {here:%B}"


def phone_of(found: Sequence[RecipientView]) -> str:
    """Return the number that would be written to, or ``""``."""
    return next((each.phone for each in found if each.chosen), "")
