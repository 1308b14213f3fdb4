"""The last gate: no message leaves but through here, whatever planned it, and whenever.

The only maker of :class:`connector.store.outbox.Cleared`, without which nothing can be begun. What holds
now is asked, not what held when the message was planned: consent, blocks, the template's category, quiet
hours, caps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from connector.mapping.people import PeoplePolicy
from connector.model import ContactId, MessageId, Person, Purpose, Reason, State
from connector.policy import late, opens_at, over_any, span_of, zones_of
from connector.policy.consent import allow
from connector.store import Transaction, addressed, people
from connector.store.addressed import Earlier
from connector.store.outbox import Cleared, Row

HOLD_SECONDS = 60.0
"""How long a message waits before a paused template is looked at again."""
WINDOW = timedelta(hours=24)
"""How long after a person's last message they may be answered in free words
(facts: customer service window; Meta answers 131047 after it)."""
TEST = "test"
"""The ground of a test message: it goes to a phone of the operator's own, who need not agree to it."""
_GONE = {"rejected", "disabled", "deleted", "pending_deletion", "archived"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the gate goes by, read in the transaction that begins the messages."""

    cancelled: Mapping[MessageId, str] = field(default_factory=dict)
    """Message id -> the event that came first."""
    standings: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    """Template and language -> status and category."""
    persons: Mapping[ContactId, Person] = field(default_factory=dict)
    heard: Mapping[ContactId, datetime] = field(default_factory=dict)
    """When people last wrote to this number."""
    sent: Sequence[Earlier] = ()
    """What went to people who have a cap."""
    policy: PeoplePolicy = field(default_factory=PeoplePolicy)


def learn(
    tx: Transaction,
    rows: Sequence[Row],
    standings: Mapping[tuple[str, str], tuple[str, str]],
    policy: PeoplePolicy,
    at: datetime,
) -> Known:
    """Read what the gate needs to know about these messages: a few statements, however many they are."""
    ids = {row.contact_id for row in rows if row.contact_id}
    answers = {row.contact_id for row in rows if row.contact_id and not row.template}
    capped = {row.contact_id for row in rows if row.contact_id and _caps(row, standings, policy)}
    span = max((span_of(caps) for row in rows for _, caps in _caps(row, standings, policy)), default=timedelta())
    return Known(
        cancelled=addressed.overtaken(tx, rows),
        standings=standings,
        persons=people.persons(tx, ids),
        heard=people.last_heard(tx, answers, rows[0].channel_id) if answers else {},
        sent=addressed.sent_to(tx, capped, at - span) if capped else (),
        policy=policy,
    )


def clear(rows: Sequence[Row], known: Known, at: datetime) -> list[Cleared]:
    """Return the messages that may leave now; the others say in their rows why they may not, or not yet."""
    cleared: list[Cleared] = []
    going: list[Earlier] = list(known.sent)
    for row in rows:
        if _may_leave(row, known, going, at):
            cleared.append(Cleared(row))
            if row.contact_id:
                going.append(Earlier(row.contact_id, row.mapping, _category(row, known.standings), at))
    return cleared


def _may_leave(row: Row, known: Known, sent: Sequence[Earlier], at: datetime) -> bool:
    if by := known.cancelled.get(row.id):
        return _end(row, State.CANCELLED, Reason.OVERTAKEN, f"{by} came first.", at)
    if late(row.expires_at, at):
        return _end(row, State.EXPIRED, Reason.TOO_LATE, "Its time had passed before it could be sent.", at)
    if not row.template:
        return _answer(row, known, at)
    return (
        _template(row, known.standings, at)
        and _person(row, known, at)
        and _quiet(row, known, at)
        and _cap(row, known, sent, at)
    )


def _answer(row: Row, known: Known, at: datetime) -> bool:
    heard = known.heard.get(row.contact_id) if row.contact_id else None
    if row.contact_id not in known.persons:
        return _end(row, State.SKIPPED, Reason.ERASED, "The person was erased after this was planned.", at)
    if heard is None or at >= heard + WINDOW:
        words = "More than 24 hours have passed since they wrote; only a template may be sent now."
        return _end(row, State.SKIPPED, Reason.WINDOW_CLOSED, words, at)
    person = known.persons.get(row.contact_id) if row.contact_id else None
    if person is not None and person.contact.blocked_at is not None:
        return _end(row, State.SKIPPED, Reason.BLOCKED, "The person is blocked.", at)
    return True


def _template(row: Row, standings: Mapping[tuple[str, str], tuple[str, str]], at: datetime) -> bool:
    status, category = standings.get((row.template, row.language), ("approved", row.category))
    if status in _GONE:
        return _end(row, State.SKIPPED, Reason.TEMPLATE_NOT_APPROVED, f"The template is {status} now.", at)
    if category == "marketing" and row.category != "marketing":
        words = "The template was re-categorised as marketing after this was planned."
        return _end(row, State.SKIPPED, Reason.TEMPLATE_CHANGED, words, at)
    if status != "approved":
        return _hold(row, "held", f"Held while the template is {status}.", at + timedelta(seconds=HOLD_SECONDS))
    return True


def _person(row: Row, known: Known, at: datetime) -> bool:
    purpose = Purpose(_category(row, known.standings))
    person = known.persons.get(row.contact_id) if row.contact_id else None
    if row.contact_id and person is None:
        return _end(row, State.SKIPPED, Reason.ERASED, "The person was erased after this was planned.", at)
    if _is_test(row):  # no consent is asked, so none stands in the way; blocks still do
        purpose, person = Purpose.AUTHENTICATION, replace(person, standings={}) if person is not None else None
    skip, words = allow(purpose, str(row.gates.get("ground", "transaction")), "", person)
    return True if skip is None else _end(row, State.SKIPPED, skip.reason, words, at)


def _quiet(row: Row, known: Known, at: datetime) -> bool:
    quiet = str(row.gates.get("quiet", ""))
    if not quiet:
        return True
    person = known.persons.get(row.contact_id) if row.contact_id else None
    own = person.contact.timezone if person else ""
    zones = zones_of(row.recipient, own, str(row.gates.get("timezone", "")))
    opens = opens_at(at, quiet, zones)
    if opens is None:
        return True
    where = " and ".join(zones[:2]) + (f" or {len(zones) - 2} more zones of the number" if len(zones) > 2 else "")
    return _hold(row, "quiet_hours", f"Held: it is between {quiet.replace('-', ' and ')} in {where}.", opens)


def _cap(row: Row, known: Known, sent: Sequence[Earlier], at: datetime) -> bool:
    for of_mapping, caps in _caps(row, known.standings, known.policy):
        category = _category(row, known.standings)
        moments = [
            item.at
            for item in sent
            if item.contact_id == row.contact_id
            and (item.mapping == row.mapping if of_mapping else item.category == category)
        ]
        if free := over_any(caps, moments, at):
            what = "of this mapping" if of_mapping else f"of {category}"
            words = (
                f"At most {' and '.join(caps)} {what} to one person; there is room again on {free:%Y-%m-%d %H:%M} UTC."
            )
            return _end(row, State.SKIPPED, Reason.OVER_CAP, words, at)
    return True


def _caps(
    row: Row, standings: Mapping[tuple[str, str], tuple[str, str]], policy: PeoplePolicy
) -> list[tuple[bool, tuple[str, ...]]]:
    """Return the caps that hold for a message: (of its mapping?, caps)."""
    if not row.template or not row.contact_id or _is_test(row):
        return []
    own = tuple(map(str, row.gates.get("cap", ())))
    all_ = policy.cap.get(Purpose(_category(row, standings)), ())
    return [(of_mapping, caps) for of_mapping, caps in ((True, own), (False, all_)) if caps]


def _is_test(row: Row) -> bool:
    return row.gates.get("ground") == TEST


def _category(row: Row, standings: Mapping[tuple[str, str], tuple[str, str]]) -> str:
    """Return the template's present category: what it is now decides, not what it was."""
    return standings.get((row.template, row.language), ("", row.category))[1] or row.category


def _hold(row: Row, reason: str, words: str, until: datetime) -> bool:
    row.reason, row.words, row.not_before = reason, words, until
    return False


def _end(row: Row, state: State, reason: Reason, words: str, at: datetime) -> bool:
    row.state, row.reason, row.words, row.ended_at = state, reason.value, words, at
    return False
