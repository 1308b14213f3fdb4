"""May this person be written to? What the ledger comes to, by the rules in :data:`RULES`, and the gate.

Everything here is a function of its arguments: the same entries, in whatever order they arrive, come to the
same standing. ``docs/consent.md`` says the same to people who do not read code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from connector.model import ConsentState, Entry, Person, Purpose, Reason, Skip, Source, Standing

RULES = (
    "Marketing, utility and authentication are kept apart: what is said about one changes nothing for another.",
    "A revocation wins over everything that is older, or equally old.",
    "A grant counts if it is newer than the last revocation.",
    (
        "A grant that a shop's or a CRM's record or an import tells counts only if it also names its source: where"
        " and how it was collected."
    ),
    "A grant of which nobody told the date never wins over a revocation.",
    "A request for consent that is not confirmed yet grants nothing, and takes nothing away.",
    "An absent or unknown value is not a revocation, and no grant either.",
    (
        "While the channel's own stop stands, the person counts as having revoked, whatever else is recorded; it ends"
        " only by the channel's resume or its own sign-up."
    ),
    "The channel's resume lifts the channel's stop alone: it grants nothing by itself, and lifts no other revocation.",
    "Nothing counts as later than the moment when it became known here.",
)
"""What :func:`stand` goes by, in the words of the proof that is printed for a person."""

RECORDS = frozenset({Source.SHOP, Source.CRM, Source.IMPORT})
"""Sources whose grants count only where they say where and how they were collected."""
CONTROLS = frozenset({Source.PREFERENCE, Source.REFUSAL})
"""The channel's own control; it grants nothing (WhatsApp: ``user_preferences`` and error 131050)."""
SKEW = timedelta(minutes=5)
"""How far a sender's clock may be ahead of ours; what is dated later than that happened when we learned it."""

_HOW = {
    Source.CHECKOUT: "at a checkout",
    Source.SHOP: "by the shop's record",
    Source.CRM: "by the CRM's record",
    Source.KEYWORD: "by a word that the person wrote",
    Source.BUTTON: "by a button that the person tapped",
    Source.PREFERENCE: "in the channel's own settings",
    Source.REFUSAL: "by the channel's refusal to send",
    Source.SIGNUP: "in the channel's own opt-in dialogue",
    Source.API: "by the API",
    Source.IMPORT: "by an import",
    Source.ADMIN: "by an admin",
}
_PERSONAL = re.compile(r"(?<![\w.])\+?\(?\d(?:[ ()/.\-\u00a0]*\d){8,}(?!\w)|[^\s@]+@[^\s@]+|(?<=wamid\.)\S+")
"""Numbers of nine digits and more, e-mail addresses, and WhatsApp's ids of messages, which hold the number in
base64; a date has eight digits."""
_CAP = 300
"""Characters of a place or of evidence that a sentence quotes."""


def stand(entries: Iterable[Entry], purpose: Purpose) -> Standing:
    """Return what these entries of one person come to for a purpose, by :data:`RULES`.

    Two tracks are followed. On the first is the channel's own control: ``PREFERENCE`` and ``REFUSAL`` entries
    that revoke are stops; ``PREFERENCE`` entries of unknown state are resumes, and a ``SIGNUP`` grant lifts
    a stop as they do. While no lift is newer than the last stop, the standing is revoked. On the second is
    all the rest: the last revocation, and the grants that are newer than it. The order of the entries does
    not matter; two that are equally old are told apart by their ids, and a revocation wins over both.
    """
    ours = [entry for entry in entries if entry.purpose is purpose]
    own = [entry for entry in ours if entry.source not in CONTROLS]
    grants = [entry for entry in own if entry.state is ConsentState.GRANTED]
    last = _newest(entry for entry in own if entry.state is ConsentState.REVOKED)
    counting = _newest(entry for entry in grants if not _objection(entry, last))
    stop = _standing_stop(ours)
    revoked = _newest(entry for entry in (stop, None if counting else last) if entry is not None)
    if revoked is not None:
        more = _still(stop, revoked) if stop is not None else _later(grants, revoked)
        return _decided(ConsentState.REVOKED, revoked, more)
    if counting is not None:
        return _decided(ConsentState.GRANTED, counting)
    if asked := _newest(entry for entry in own if entry.state is ConsentState.PENDING):
        return _decided(ConsentState.PENDING, asked)
    words = f"Nothing is recorded that grants or revokes {purpose}."
    return Standing(state=ConsentState.UNKNOWN, words=f"{words}{_later(grants, None)}")


def allow(purpose: Purpose, ground: str, agreed_by: str, person: Person | None) -> tuple[Skip | None, str]:
    """Decide whether a person may be written to; return what stops it, or None, and the words for the trace.

    ``purpose`` is the template's present category. ``ground`` says what a utility message stands on:
    ``transaction`` passes unless the person revoked, anything else needs a grant. ``agreed_by`` is the field
    of this very event by which the buyer agreed to marketing (``""``: none); it counts as a grant unless a
    revocation stands. ``person`` is None where nothing is known of the recipient. A number that was erased
    after a revocation comes as a revoked standing.
    """
    if person is not None:
        if person.contact.blocked_at is not None:
            why = f": {plain(person.contact.blocked_words)}" if person.contact.blocked_words else ""
            return _stop(Reason.BLOCKED, f"Blocked since {_date(person.contact.blocked_at)}{why}")
        if person.contact.unreachable_at is not None:
            since = _date(person.contact.unreachable_at)
            return _stop(Reason.UNREACHABLE, f"The channel cannot reach this person since {since}.")
    standing = person.standings.get(purpose) if person is not None else None
    state = standing.state if standing is not None else ConsentState.UNKNOWN
    words = standing.words if standing is not None else f"Nothing is recorded about {purpose}."
    if state is ConsentState.REVOKED:
        return _stop(Reason.REVOKED, words)
    if state is ConsentState.GRANTED:
        return None, words
    if purpose is Purpose.MARKETING:
        if agreed_by:
            return None, f"Granted by this event's field {agreed_by}."
        return _stop(Reason.NO_AGREEMENT, f"Marketing needs the person's consent. {words}")
    if purpose is Purpose.UTILITY and ground != "transaction":
        return _stop(Reason.NO_AGREEMENT, f"This mapping needs the person's consent to utility messages. {words}")
    return None, f"It belongs to what the person does with the business, and {purpose} is not revoked."


def plain(text: str) -> str:
    """Return the beginning of a text on one line, with phone numbers and e-mail addresses taken out."""
    return _PERSONAL.sub("•••", " ".join(text[:_CAP].split()))


def describe(entry: Entry) -> str:
    """Tell how, where and when an entry came about, and what proves it; names nobody."""
    place = plain(entry.place)
    how = _HOW[entry.source] + (f" {entry.record}" if entry.record else "") + (f" ({place})" if place else "")
    when = f"on {_date(entry.occurred_at)}" if entry.dated else f"known since {_date(entry.learned_at)}, undated"
    proof = f"{plain(entry.evidence)}; " if entry.evidence.strip() else ""
    return f"{how}, {when} [{proof}entry {entry.id}]"


def _standing_stop(entries: Sequence[Entry]) -> Entry | None:
    """Return the channel's stop that no later lift has undone."""
    stop = _newest(entry for entry in entries if entry.state is ConsentState.REVOKED and entry.source in CONTROLS)
    if stop is None or any(_lifts(entry) and _moment(entry) > _moment(stop) for entry in entries):
        return None
    return stop


def _lifts(entry: Entry) -> bool:
    if not entry.dated:
        return False
    if entry.source is Source.PREFERENCE:
        return entry.state in (ConsentState.UNKNOWN, ConsentState.GRANTED)
    return entry.source is Source.SIGNUP and entry.state is ConsentState.GRANTED


def _objection(grant: Entry, last: Entry | None) -> str:
    """Return why a grant does not count; ``""`` where it does."""
    if grant.source in RECORDS and not grant.place.strip():
        return "it does not say where and how it was collected"
    if last is None:
        return ""
    if not grant.dated:
        return "nobody told its date"
    return "" if _moment(grant) > _moment(last) else "the revocation is not older"


def _later(grants: Sequence[Entry], last: Entry | None) -> str:
    """Return a sentence about the newest grant that came later and yet does not count."""
    grant = _newest(entry for entry in grants if last is None or _moment(entry) > _moment(last))
    return f" A grant {describe(grant)} does not count: {_objection(grant, last)}." if grant else ""


def _still(stop: Entry, deciding: Entry) -> str:
    if deciding is stop:
        return " It holds until the person lifts it in the channel."
    return f" The channel's own stop holds too: {describe(stop)}."


def _decided(state: ConsentState, entry: Entry, more: str = "") -> Standing:
    verb = {
        ConsentState.GRANTED: "Granted",
        ConsentState.REVOKED: "Revoked",
        ConsentState.PENDING: "Asked for, and not confirmed yet,",
    }[state]
    words = f"{verb} {describe(entry)}.{more}"
    return Standing(state=state, since=_moment(entry), entry_id=entry.id, words=words)


def _stop(reason: Reason, words: str) -> tuple[Skip, str]:
    return Skip(reason=reason, words=words), words


def _newest(entries: Iterable[Entry]) -> Entry | None:
    return max(entries, key=_order, default=None)


def _order(entry: Entry) -> tuple[datetime, str]:
    return _moment(entry), entry.id


def _moment(entry: Entry) -> datetime:
    """Return when an entry counts as having happened: a date in the future would outlast every answer to it."""
    return entry.occurred_at if entry.occurred_at <= entry.learned_at + SKEW else entry.learned_at


def _date(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
